//! A monitor that is accepted is told JSON, and as much when it is told late.

use ovsdb_engine::Outcome;
use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_proto::json;
use ovsdb_proto::monitor::{MonitorRequests, condition_changes_from_json};

use crate::world;

/// What happens while it is monitored.
const CHANGES: &str = r#"[
    {"op":"insert","table":"Root","row":{"name":"four","number":4,"words":["set",["x"]]}},
    {"op":"mutate","table":"Root","where":[["name","==","one"]],"mutations":[["number","+=",10],["words","insert","z"]]},
    {"op":"delete","table":"Root","where":[["name","==","three"]]}]"#;

/// See the module's documentation. The first byte says whether conditions are allowed, and how changes are told; the
/// rest is the request.
pub fn run(input: &[u8]) {
    let Some((&flags, text)) = input.split_first() else {
        return;
    };
    let Ok(requests) = json::parse(text) else {
        return;
    };
    let before = world::database();
    let schema = before.schema();
    let with_conditions = flags & 1 == 0;
    // The third parameter of another method has nearly the same grammar.
    let changes = condition_changes_from_json(schema, |_| true, with_conditions, &requests);
    for (table, condition) in changes.into_iter().flatten() {
        let table = schema.table(table);
        assert!(condition.to_json(table).as_array().is_some());
    }
    let Ok(requests) = MonitorRequests::from_json(schema, &requests, with_conditions) else {
        return;
    };
    let form = if flags & 2 == 0 {
        Form::Values
    } else {
        Form::Differences
    };
    let monitor = Monitor::new(schema.clone(), &requests, form);
    let mut initial = Vec::new();
    monitor.write_initial(&before, &mut initial);
    json::parse(&initial).expect("initial contents are JSON");
    let changes = json::parse(CHANGES.as_bytes()).expect("it is JSON");
    let changes = changes.as_array().unwrap_or_default();
    let Outcome::Prepared(prepared) = world::transact(&before, changes, &mut world::fresh(9))
    else {
        panic!("the changes are sound");
    };
    let commit = prepared.commit.expect("something changes");
    let mut pending = Pending::default();
    monitor.add(&mut pending, &commit);
    let is_concerned = !pending.is_empty();
    let mut update = Vec::new();
    let is_told = monitor.write_pending(&mut pending, &mut update);
    assert_eq!(is_told, is_concerned);
    if is_told {
        json::parse(&update).expect("updates are JSON");
    } else {
        assert_eq!(update, b"", "nothing is told");
    }
}
