//! What the tests of several modules generate: JSON of any form, JSON that is nearly right, and short notations.

use proptest::prelude::*;

use crate::json::{self, Json, Object};
use crate::schema::Schema;
use crate::uuid::Uuid;

/// The value that `text` stands for; unlike a message it need not be an array or object.
#[track_caller]
pub(crate) fn json(text: &str) -> Json {
    match json::parse(format!("[{text}]").as_bytes()) {
        Ok(Json::Array(mut values)) if values.len() == 1 => values.remove(0),
        other => panic!("{text}: {other:?}"),
    }
}

/// UUIDs that are numbered from 1.
pub(crate) fn counter() -> impl FnMut() -> Uuid {
    let mut n = 0;
    move || {
        n += 1;
        uuid(n)
    }
}

/// The UUID that is the number `n`.
pub(crate) fn uuid(n: u128) -> Uuid {
    Uuid::from_bytes(n.to_be_bytes())
}

/// A schema with a column of every kind that matters.
pub(crate) fn schema() -> Schema {
    let text = r#"{"name":"db","tables":{
        "other":{"columns":{"name":{"type":"string"}},"isRoot":true},
        "t":{"isRoot":true,"columns":{
            "b":{"type":"boolean"},
            "e":{"type":{"key":{"type":"string","enum":["set",["left","right"]]},"min":0}},
            "fixed":{"type":"integer","mutable":false},
            "i":{"type":"integer"},
            "im":{"type":{"key":"integer","value":"integer","min":0,"max":"unlimited"}},
            "is":{"type":{"key":"integer","min":0,"max":"unlimited"}},
            "is2":{"type":{"key":"integer","min":1,"max":2}},
            "ismall":{"type":{"key":{"type":"integer","minInteger":-5,"maxInteger":5},"min":0,"max":"unlimited"}},
            "oi":{"type":{"key":"integer","min":0}},
            "r":{"type":"real"},
            "ref":{"type":{"key":{"type":"uuid","refTable":"other"},"min":0,"max":"unlimited"}},
            "rs":{"type":{"key":"real","min":0,"max":"unlimited"}},
            "s":{"type":"string"},
            "sm":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
            "short":{"type":{"key":{"type":"string","maxLength":3},"min":0,"max":2}},
            "u":{"type":"uuid"}}},
        "strict":{"isRoot":true,"columns":{"n":{"type":{"key":{"type":"integer","minInteger":1}}},"s":{"type":"string"}}}
    }}"#;
    Schema::from_json(&json(text)).unwrap()
}

/// JSON of any form, sprinkled with the words of the protocol.
pub(crate) fn a_json() -> impl Strategy<Value = Json> {
    let words = [
        "set",
        "map",
        "uuid",
        "named-uuid",
        "integer",
        "string",
        "unlimited",
        "enum",
        "type",
        "key",
        "value",
        "min",
        "max",
        "columns",
        "where",
        "op",
        "insert",
        "mutate",
        "wait",
        "table",
        "t",
        "i",
        "is",
        "sm",
        "s",
        "==",
        "includes",
        "excludes",
        "<",
        "+=",
        "*=",
        "delete",
        "_uuid",
        "row",
        "rows",
        "until",
        "mutations",
        "select",
        "",
        "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0",
    ];
    let word = prop::sample::select(words.to_vec());
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        prop_oneof![-3..6i64, any::<i64>(), Just(i64::MAX), Just(i64::MIN)].prop_map(Json::Integer),
        any::<f64>()
            .prop_filter("reals of JSON are finite", |real| real.is_finite())
            .prop_map(Json::Real),
        word.clone().prop_map(Json::string),
        "\\PC{0,4}".prop_map(Json::string),
        Just(Json::NotUtf8(Box::new([b'a', 0xff]))),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let member = (word.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            (word.clone(), prop::collection::vec(inner, 0..4)).prop_map(|(class, elements)| {
                Json::Array(vec![Json::string(class), Json::Array(elements)])
            }),
            prop::collection::vec(member, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect::<Object>())),
        ]
    })
}
