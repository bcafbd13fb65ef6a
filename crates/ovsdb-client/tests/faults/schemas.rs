//! The two schemas between which the database of a world is converted.

/// The name of the database.
pub(crate) const DATABASE: &str = "faults";

/// The schema that a world begins and ends with.
pub(crate) const FIRST: &str = r#"{"name":"faults","version":"1.0.0","tables":{
    "Counter":{"isRoot":true,"indexes":[["name"]],"columns":{
        "name":{"type":"string"},
        "marked":{"type":"integer"},
        "plain":{"type":"integer"},
        "note":{"type":"string"},
        "marks":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
    "Item":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "owner":{"type":"integer"},
        "numbers":{"type":{"key":"integer","min":0,"max":"unlimited"}}}},
    "Slot":{"isRoot":true,"indexes":[["n"]],"columns":{
        "n":{"type":"integer"}}}}}"#;

/// One that lacks a column and has another one instead. What rows hold in either is lost on the way there and back.
pub(crate) const SECOND: &str = r#"{"name":"faults","version":"2.0.0","tables":{
    "Counter":{"isRoot":true,"indexes":[["name"]],"columns":{
        "name":{"type":"string"},
        "marked":{"type":"integer"},
        "plain":{"type":"integer"},
        "marks":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
    "Item":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "owner":{"type":"integer"},
        "weight":{"type":"real"},
        "numbers":{"type":{"key":"integer","min":0,"max":"unlimited"}}}},
    "Slot":{"isRoot":true,"indexes":[["n"]],"columns":{
        "n":{"type":"integer"}}}}}"#;
