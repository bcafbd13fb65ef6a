//! Properties of the JSON parser and serialiser, with `serde_json` as the oracle where the two dialects agree.

use std::num::NonZeroU8;

use ovsdb_proto::json::reader::{Event, Reader};
use ovsdb_proto::json::{self, Json, Object, write};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{0,12}",
        "[ -~]{0,40}",
        "[\u{1}-\u{10ffff}]{0,12}",
        "[\"\\\\\n\u{1}\u{7f}a]{0,20}",
    ]
}

fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("JSON has none other", |value| value.is_finite()),
        // Around the ends of exact integers, of 15 digits and of 64 bits.
        -1e20..1e20,
        -1e17..1e17,
        (any::<i32>(), 0..12).prop_map(|(digits, scale)| f64::from(digits) / 10f64.powi(scale)),
    ]
}

/// A value that JSON can hold.
fn value() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Integer),
        real().prop_map(Json::Real),
        text().prop_map(Json::from),
    ];
    scalar.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
            prop::collection::vec((text(), inner), 0..8)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// What a value becomes on the way through its text: integral reals that fit become integers.
fn through_text(value: &Json) -> Json {
    match value {
        Json::Real(real)
            if real.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(real) =>
        {
            let mut out = Vec::new();
            write::real(*real, &mut out);
            let digits = String::from_utf8(out).expect("numbers are ASCII");
            i64::try_from(integer(&digits)).map_or(Json::Real(*real), Json::Integer)
        }
        Json::Array(elements) => Json::Array(elements.iter().map(through_text).collect()),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), through_text(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The integer that `digits` are, possibly with a fraction and an exponent that make it one.
fn integer(digits: &str) -> i128 {
    let (mantissa, exponent) = digits.split_once("e+").unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: usize = exponent.parse().expect("an exponent is a number");
    let zeros = "0".repeat(exponent - fraction.len());
    format!("{whole}{fraction}{zeros}")
        .parse()
        .expect("an integer is a number")
}

/// A value as `serde_json` reads it, in our terms.
fn from_oracle(value: &serde_json::Value) -> Json {
    match value {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(value) => Json::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(value) => Json::Integer(value),
            None => match number.as_f64().expect("every number converts") {
                value if value.fract() == 0.0 && value.abs() < 1e15 => Json::Integer(value as i64),
                value => Json::Real(value),
            },
        },
        serde_json::Value::String(text) => Json::string(text.as_str()),
        serde_json::Value::Array(elements) => {
            Json::Array(elements.iter().map(from_oracle).collect())
        }
        serde_json::Value::Object(members) => Json::Object(
            members
                .iter()
                .map(|(name, value)| (name.as_str(), from_oracle(value)))
                .collect(),
        ),
    }
}

/// Texts that are nearly JSON, of pieces that both dialects understand alike.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"a\":",
        "\"b\" : ",
        "1",
        "-2.5",
        "0",
        "01",
        "-",
        "1.",
        "1e",
        "1e5",
        "12e-1",
        "0.1",
        "true",
        "false",
        "null",
        "nul",
        "\"\"",
        "\"x\\ny\"",
        "\"\\u00e9\"",
        "\"\\ud834\\udd1e\"",
        "\"\\ud834\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"é\"",
        "\"\t\"",
        "\"",
        "\\",
    ]);
    prop_oneof![
        prop::collection::vec(piece.clone(), 0..12).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("[{}]", pieces.join(","))),
    ]
}

proptest! {
    #[test]
    fn values_survive_their_text(value in value()) {
        let outer = Json::Array(vec![value]);
        let compact = outer.to_bytes();
        let back = json::parse(&compact).expect("what is written parses");
        prop_assert_eq!(&back, &through_text(&outer));
        // Once through the text, nothing changes any more.
        prop_assert_eq!(&back.to_bytes(), &json::parse(&back.to_bytes()).expect("it parses").to_bytes());
        prop_assert_eq!(json::parse(outer.to_pretty_string().as_bytes()).expect("pretty text parses"), back);
    }

    #[test]
    fn oracle_reads_what_is_written(value in value()) {
        let outer = Json::Array(vec![value]);
        let oracle: serde_json::Value = serde_json::from_slice(&outer.to_bytes()).expect("it is JSON");
        let normal = json::parse(&serde_json::to_vec(&oracle).expect("it is JSON")).expect("so are the oracle's texts");
        prop_assert_eq!(normal, json::parse(&outer.to_bytes()).expect("what is written parses"));
    }

    #[test]
    fn oracle_agrees_on_what_is_json(text in pieces()) {
        let ours = json::parse(text.as_bytes());
        let oracle = serde_json::from_str::<serde_json::Value>(&text).ok().filter(|value| value.is_array() || value.is_object());
        match (ours, oracle) {
            (Ok(ours), Some(oracle)) => prop_assert_eq!(ours, from_oracle(&oracle)),
            (Err(_), None) => {}
            (ours, oracle) => prop_assert!(false, "{:?}: {:?} but {:?}", text, ours, oracle),
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in pieces()) {
        let mut mixed = text.into_bytes();
        for (i, byte) in bytes.iter().enumerate() {
            mixed.insert(usize::from(*byte) * 7 % (mixed.len() + 1), bytes[bytes.len() - 1 - i]);
        }
        for input in [&bytes, &mixed] {
            if let Err(error) = json::parse(input) {
                prop_assert!(error.byte <= input.len() + 1 && error.column <= error.byte && error.line <= error.byte);
            }
        }
    }

    #[test]
    fn every_beginning_of_a_text_is_incomplete(value in value(), cut in any::<prop::sample::Index>()) {
        let text = Json::Array(vec![value]).to_bytes();
        let error = json::parse(&text[..cut.index(text.len())]).expect_err("the last bracket is missing");
        // Half a word or number is faulty by itself; everything else lacks only its rest.
        let bare = text[..cut.index(text.len())].last().is_some_and(|c| c.is_ascii_alphanumeric() || b".-+".contains(c));
        prop_assert!(bare || error.kind.is_incomplete(), "{}", error);
    }

    #[test]
    fn reals_have_15_digits_if_those_suffice(value in real()) {
        let mut out = Vec::new();
        write::real(value, &mut out);
        let written = String::from_utf8(out).expect("numbers are ASCII");
        prop_assert_eq!(written.parse::<f64>().expect("it is a number"), value);
        let digits = |text: &str| {
            let mantissa = text.split('e').next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').to_owned()
        };
        let fifteen = format!("{value:.14e}");
        if fifteen.parse() == Ok(value) && (value == 0.0 || value.is_normal()) {
            prop_assert_eq!(digits(&written), digits(&fifteen));
        }
    }

    #[test]
    fn strings_of_any_characters_survive(text in "\\PC*", controls in prop::collection::vec(any::<NonZeroU8>(), 0..20)) {
        let text: String = text.chars().chain(controls.iter().map(|c| char::from(c.get()))).collect();
        let mut out = b"[".to_vec();
        write::string(&text, &mut out);
        out.push(b']');
        prop_assert_eq!(json::parse(&out), Ok(Json::from([Json::string(text)])));
    }

    #[test]
    fn objects_act_like_sorted_maps(members in prop::collection::vec(("[a-d]{0,2}", any::<i64>()), 0..20)) {
        let map: std::collections::BTreeMap<String, i64> = members.iter().cloned().collect();
        let expect: Vec<(&str, i64)> = map.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let collected: Object = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let mut inserted = Object::new();
        for (name, value) in &members {
            inserted.insert(name.as_str(), *value);
        }
        for mut object in [collected, inserted] {
            let listed: Vec<(&str, i64)> = object.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_i64()?))).collect();
            prop_assert_eq!(&listed, &expect);
            for (name, value) in &map {
                prop_assert_eq!(object.get(name), Some(&Json::Integer(*value)));
                prop_assert_eq!(object.remove(name), Some(Json::Integer(*value)));
                prop_assert!(!object.contains(name));
            }
            prop_assert!(object.is_empty());
        }
    }

    #[test]
    fn skipping_a_value_ends_where_reading_it_does(value in value()) {
        let text = Json::Array(vec![value, Json::Integer(7)]).to_bytes();
        let (mut skipping, mut reading) = (Reader::new(&text), Reader::new(&text));
        let mut step = |skip: bool| -> Result<(usize, usize, Event<'_>), json::JsonError> {
            let reader = if skip { &mut skipping } else { &mut reading };
            reader.next_event()?;
            let first = reader.next_event()?;
            if skip {
                reader.skip(&first)?;
            } else {
                reader.value(first)?;
            }
            Ok((reader.offset(), reader.depth(), reader.next_event()?))
        };
        prop_assert_eq!(step(true), step(false));
    }
}
