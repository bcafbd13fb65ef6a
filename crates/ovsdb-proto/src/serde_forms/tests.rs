//! The forms in serde against the forms in JSON.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, json, schema, uuid};

/// Checks that serde reads a text as the parser of the dialect does.
#[track_caller]
fn reads(text: &str) {
    assert_eq!(
        serde_json::from_str::<Json>(text).unwrap(),
        json(text),
        "{text}"
    );
}

#[test]
fn json_is_read_by_the_rules_of_the_dialect() {
    for text in [
        "null",
        "true",
        "1",
        "-1",
        "1.0",
        "1e3",
        "-0",
        "0.1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "1e300",
        r#""é\n""#,
        r#"[1,[2,"x"],{}]"#,
        r#"{"b":1,"a":[],"b":2}"#,
    ] {
        reads(text);
    }
    for (text, words) in [
        (r#""a\u0000""#, "text contains a NUL character"),
        (r#"{"a\u0000":1}"#, "text contains a NUL character"),
    ] {
        let error = serde_json::from_str::<Json>(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(serde_json::from_str::<Json>("1e400").is_err());
}

#[test]
fn numbers_keep_the_rules_whichever_way_they_are_handed_over() {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    let real = |value: f64| Json::deserialize(IntoDeserializer::<Error>::into_deserializer(value));
    let natural =
        |value: u64| Json::deserialize(IntoDeserializer::<Error>::into_deserializer(value));
    assert_eq!(real(3.0), Ok(Json::Integer(3)));
    assert_eq!(real(-0.0), Ok(Json::Integer(0)));
    assert_eq!(real(0.5), Ok(Json::Real(0.5)));
    assert_eq!(real(2f64.powi(63)), Ok(Json::Real(2f64.powi(63))));
    assert_eq!(real(-(2f64.powi(63))), Ok(Json::Integer(i64::MIN)));
    assert!(real(f64::NAN).is_err());
    assert_eq!(natural(7), Ok(Json::Integer(7)));
    assert_eq!(natural(u64::MAX), Ok(Json::Real(u64::MAX as f64)));
}

#[test]
fn depth_has_its_limit() {
    // A tree of another's making, since its text is refused earlier.
    let nested = |levels: usize| {
        let mut value = serde_json::Value::Null;
        for _ in 0..levels {
            value = serde_json::Value::Array(vec![value]);
        }
        value
    };
    assert!(serde_json::from_value::<Json>(nested(LEVELS_MAX)).is_ok());
    let error = serde_json::from_value::<Json>(nested(LEVELS_MAX + 1)).unwrap_err();
    assert_eq!(error.to_string(), "too many levels");
}

/// Checks that a value has the same text in serde as in the protocol, and is read again.
#[track_caller]
fn round_trip<T>(text: &str)
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    let value: T = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
}

#[test]
fn types_have_the_form_that_they_have_in_json() {
    let id = uuid(1);
    round_trip::<Uuid>(&format!(r#""{id}""#));
    round_trip::<Atom>(&format!(r#"["uuid","{id}"]"#));
    round_trip::<Atom>("-5");
    round_trip::<Atom>(r#""x""#);
    round_trip::<Term>(r#"["named-uuid","x"]"#);
    round_trip::<Value>(r#"["map",[["a",1],["b",true]]]"#);
    round_trip::<Row>(r#"{"a":1,"b":["set",[1,2]]}"#);
    round_trip::<ColumnType>(r#"{"key":"string","max":"unlimited","min":0}"#);
    round_trip::<BaseType>(r#"{"minInteger":1,"type":"integer"}"#);
    round_trip::<Schema>(&schema().to_json().to_string());
    round_trip::<Object>(r#"{"a":{"b":null}}"#);
    let error = OvsdbError::constraint("too long");
    assert_eq!(
        serde_json::to_string(&error).unwrap(),
        r#"{"details":"too long","error":"constraint violation"}"#
    );
    assert_eq!(
        serde_json::to_string(&ErrorTag::IoError).unwrap(),
        r#""I/O error""#
    );
}

#[test]
fn what_a_type_does_not_take_is_refused_in_its_words() {
    #[track_caller]
    fn check<T: for<'de> Deserialize<'de> + fmt::Debug>(text: &str, words: &str) {
        let error = serde_json::from_str::<T>(text).unwrap_err().to_string();
        assert!(error.starts_with(words), "{text}: {error}");
    }
    check::<Uuid>(r#""x""#, "not a valid UUID");
    check::<Uuid>("1", "invalid type");
    check::<Atom>("null", r#"syntax "null": syntax error: atom expected"#);
    check::<Atom>(r#"["named-uuid","x"]"#, "syntax");
    check::<Value>(r#"["set",1]"#, "syntax");
    check::<Row>("[]", "syntax");
    check::<Schema>("{}", "syntax");
    check::<Object>("[]", "expected an object, found array");
    let not_utf8 = Json::NotUtf8(Box::new([0xff]));
    let error = serde_json::to_string(&not_utf8).unwrap_err();
    assert_eq!(error.to_string(), "string is not UTF-8");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_is_written_and_read_again(json in a_json()) {
        if let Ok(text) = serde_json::to_string(&json) {
            let read: Json = serde_json::from_str(&text).unwrap();
            // As after a way through the dialect: integral reals have become integers.
            prop_assert_eq!(read, crate::arbitrary::json(&json.to_string()));
        }
    }

    #[test]
    fn datums_of_every_column_are_read_and_written_as_in_the_protocol(json in a_json()) {
        let schema = schema();
        let Ok(text) = serde_json::to_string(&json) else { return Ok(()) };
        for column in schema.tables.iter().flat_map(|table| &table.columns) {
            let ty = &column.ty;
            let deserializer = &mut serde_json::Deserializer::from_str(&text);
            let read = DatumSeed(ty).deserialize(deserializer);
            let expected = Datum::from_json(&crate::arbitrary::json(&json.to_string()), ty, &mut Symbols::none());
            prop_assert_eq!(read.as_ref().ok(), expected.as_ref().ok());
            if let Ok(datum) = &read {
                let written = serde_json::to_value(TypedDatum { datum, ty }).unwrap();
                prop_assert_eq!(written, serde_json::to_value(datum.to_json(ty)).unwrap());
            }
        }
    }
}
