//! What is read as JSON is written, read again and the same, and means what it means to others.

use ovsdb_proto::json::reader::{Event, Reader};
use ovsdb_proto::json::{self, Json};
use serde_json::Value;

/// How deep the other parser goes.
const DEPTH_MAX: usize = 100;

/// See the module's documentation.
pub fn run(input: &[u8]) {
    let parsed = json::parse(input);
    assert_eq!(parsed.is_ok(), events(input), "both ways of reading agree");
    let Ok(value) = parsed else {
        return;
    };
    let text = value.to_bytes();
    // Real numbers are written with fifteen digits, which may be those of an integer: the first copy may differ.
    let copy = json::parse(&text).expect("what was written is JSON");
    let text = copy.to_bytes();
    assert_eq!(
        json::parse(&text).as_ref(),
        Ok(&copy),
        "{}",
        String::from_utf8_lossy(&text)
    );
    let value = copy;
    // Half of a surrogate pair is kept as it came, which is not UTF-8: not for others, and not for people.
    if std::str::from_utf8(&text).is_err() {
        return;
    }
    let pretty = json::parse(value.to_pretty_string().as_bytes());
    assert_eq!(pretty.as_ref(), Ok(&value));
    if depth(&value) <= DEPTH_MAX {
        let other = serde_json::from_slice(&text).expect("others can read what we write");
        compare(&value, &other);
    }
}

/// Whether the text can be read event by event.
fn events(input: &[u8]) -> bool {
    let mut reader = Reader::new(input);
    loop {
        match reader.next_event() {
            Ok(Event::End) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn compare(ours: &Json, other: &Value) {
    match (ours, other) {
        (Json::Array(ours), Value::Array(others)) => {
            assert_eq!(ours.len(), others.len());
            ours.iter()
                .zip(others)
                .for_each(|(ours, other)| compare(ours, other));
        }
        (Json::Object(ours), Value::Object(others)) => {
            assert_eq!(ours.len(), others.len());
            for (name, ours) in ours {
                compare(ours, &others[name.as_str()]);
            }
        }
        (Json::String(ours), Value::String(other)) => assert_eq!(ours.as_str(), other),
        (Json::Integer(ours), Value::Number(other)) => assert_eq!(Some(*ours), other.as_i64()),
        // Written shorter than it is, as the programs that this one stands in for do.
        (Json::Real(ours), Value::Number(other)) => {
            let other: f64 = other.to_string().parse().expect("a number");
            assert!(
                (ours - other).abs() <= ours.abs() * 1e-14,
                "{ours} is not {other}"
            );
        }
        _ => assert_eq!(
            serde_json::from_slice::<Value>(&ours.to_bytes())
                .ok()
                .as_ref(),
            Some(other)
        ),
    }
}
