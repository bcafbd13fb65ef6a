//! Remotes that rows of a database describe, beside the reference's: the status that is written back, and the first lines of
//! the log about each.

use std::collections::BTreeMap;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference};
use ovsdb_testkit::sandbox::Sandbox;
use serde_json::{Value, json};

const SCHEMA: &str = r#"{"name":"D","tables":{
    "Root":{"isRoot":true,"columns":{
        "managers":{"type":{"key":{"type":"uuid","refTable":"M"},"min":0,"max":"unlimited"}}}},
    "M":{"columns":{
        "target":{"type":"string"},
        "max_backoff":{"type":{"key":"integer","min":0,"max":1}},
        "other_config":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
        "is_connected":{"type":"boolean","ephemeral":true},
        "status":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"},"ephemeral":true}}}}}"#;

/// What the rows say.
const TARGETS: [&str; 9] = [
    "ptcp:0:127.0.0.1",
    "punix:more.sock",
    "unix:none.sock",
    "tcp:127.0.0.1:1",
    "ptcp:x",
    "ptcp:99999:127.0.0.1",
    "tcp:",
    "tcp:127.0.0.1:x",
    "bogus",
];

/// What a server of one side has shown.
#[derive(Debug, Eq, PartialEq)]
struct Shown {
    /// The keys of the status of each target, with those values that do not depend on the moment.
    status: BTreeMap<String, Vec<String>>,
    /// The first lines of the log about each, in any order.
    log: BTreeMap<String, Vec<String>>,
}

fn show(side: Side) -> Shown {
    let sandbox = Sandbox::new();
    let schema = sandbox.path("d.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox is writable");
    let server = Server::start_as(
        &sandbox,
        side,
        "ovsdb-server",
        "db.sock",
        &[("d.db", &schema)],
        &["--remote=db:D,Root,managers"],
    );
    let transact = |operations: Value| {
        let text = operations.to_string();
        let client = reference("ovsdb-client");
        let reply = sandbox.run_ok(client, &["transact", &server.remote(), &text]);
        serde_json::from_str::<Value>(&reply).expect("a reply is JSON")
    };
    let mut operations = vec![json!("D")];
    let names: Vec<String> = (0..TARGETS.len()).map(|n| format!("m{n}")).collect();
    for (target, name) in TARGETS.iter().zip(&names) {
        operations
            .push(json!({"op":"insert","table":"M","uuid-name":name,"row":{"target":target}}));
    }
    let managers: Vec<Value> = names
        .iter()
        .map(|name| json!(["named-uuid", name]))
        .collect();
    operations.push(json!({"op":"insert","table":"Root","row":{"managers":["set",managers]}}));
    transact(Value::Array(operations));
    // All are written together; the state of those that are dialled is there at once, if only as an attempt.
    for target in TARGETS {
        let reply = transact(json!(["D", {
            "op":"wait","table":"M","timeout":60000,"where":[["target","==",target]],
            "columns":["status"],"until":"!=","rows":[{"status":["map",[]]}]}]));
        assert_eq!(reply, json!([{}]), "{target}");
    }
    let reply = transact(json!(["D", {
        "op":"select","table":"M","where":[],"columns":["target","is_connected","status"]}]));
    let rows = reply[0]["rows"].as_array().expect("rows").clone();
    let status = rows.iter().map(|row| {
        let mut pairs = vec![format!("is_connected={}", row["is_connected"])];
        for pair in row["status"][1].as_array().expect("a map") {
            let text = |value: &Value| value.as_str().expect("a string").to_owned();
            let (key, value) = (text(&pair[0]), text(&pair[1]));
            pairs.push(match key.as_str() {
                // A port that the system chose, and a state that changes.
                "bound_port" | "state" => key,
                _ => format!("{key}={value}"),
            });
        }
        (row["target"].as_str().expect("a string").to_owned(), pairs)
    });
    let status = status.collect();
    server.stop();
    Shown {
        status,
        log: first_lines(&sandbox.text("ovsdb-server.log")),
    }
}

/// The lines about each target, each once, without the heads of lines and what follows `on port`.
fn first_lines(log: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let message = line.splitn(3, '|').nth(2).unwrap_or(line);
        for target in TARGETS {
            // What is wrong with it may be told with the port that would have been meant.
            let about_target = message.contains(&format!("|{target}: "))
                || message.contains(&format!("|{target}:6640: "));
            // The socket's own lines know it without its method.
            let rest = target.split_once(':').map_or(target, |(_, rest)| rest);
            let about_socket =
                message.starts_with("socket_util|") && message.contains(&format!("|{rest}: "));
            if !about_target && !about_socket {
                continue;
            }
            let message = message
                .split(" on port ")
                .next()
                .unwrap_or(message)
                .to_owned();
            let known = lines.entry(target.to_owned()).or_default();
            // What comes later depends on how long the server runs.
            let is_later = ["waiting ", "continuing to ", "remote deconfigured"];
            if !known.contains(&message) && !is_later.iter().any(|part| message.contains(part)) {
                known.push(message);
            }
        }
    }
    lines.values_mut().for_each(|lines| lines.sort());
    lines
}

#[test]
fn status_and_log_lines_of_remotes_are_the_references() {
    let [expected, shown] = Side::BOTH.map(show);
    for target in TARGETS {
        assert_eq!(
            shown.status.get(target),
            expected.status.get(target),
            "status of {target}"
        );
        assert_eq!(
            shown.log.get(target),
            expected.log.get(target),
            "log of {target}"
        );
    }
}
