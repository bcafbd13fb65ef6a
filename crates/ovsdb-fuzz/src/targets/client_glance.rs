//! What a client sees at its first look at a message of a server is what is in the message.

use ovsdb_client::upstream::MonitorId;
use ovsdb_proto::json;
use ovsdb_proto::jsonrpc::{Glance, Message, glance};

/// See the module's documentation.
pub fn run(input: &[u8]) {
    let read = Message::parse(input);
    let Ok(seen) = glance(input) else {
        return;
    };
    // On its own a value may be a mere string, which is no text.
    let parse = |text: &str| match json::parse(format!("[{text}]").as_bytes()) {
        Ok(json::Json::Array(mut values)) if values.len() == 1 => values.pop(),
        _ => None,
    };
    let (contents, id) = match &seen {
        Glance::Request { params, id, .. } => (*params, Some(id)),
        Glance::Notification { params, .. } => (*params, None),
        Glance::Reply { result, id } => (*result, Some(id)),
        Glance::Error { error, id } => (*error, Some(id)),
    };
    let Some(contents) = parse(contents) else {
        assert!(read.is_err(), "what is no JSON within is none without");
        return;
    };
    let Ok(read) = read else {
        panic!("the message is in order: {seen:?}");
    };
    let read = read.to_json();
    let member = match seen {
        Glance::Request { .. } | Glance::Notification { .. } => "params",
        Glance::Reply { .. } => "result",
        Glance::Error { .. } => "error",
    };
    assert_eq!(read.get(member), Some(&contents));
    if let Some(id) = id {
        assert_eq!(read.get("id"), Some(id));
    }
    if let Glance::Request { method, .. } | Glance::Notification { method, .. } = &seen {
        let word = read.get("method").and_then(json::Json::as_str);
        assert_eq!(word, Some(&**method));
    }
    let first = contents.as_array().and_then(<[json::Json]>::first);
    if let Some(monitor) = first.and_then(MonitorId::from_json) {
        assert_eq!(Some(&monitor.to_json()), first);
    }
}
