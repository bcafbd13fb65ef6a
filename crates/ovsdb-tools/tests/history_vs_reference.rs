//! `log`, `blame`, `diff` and `restore --at` of `ovsdb-tool` on a file that the reference's server has written: what the
//! reference answered after each transaction is what the file must tell of that moment.

use std::collections::BTreeMap;
use std::path::Path;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// How many transactions are tried.
const STEPS: usize = 400;

/// What is kept of each table. `load` of `Host` is ephemeral.
const TABLES: [(&str, &str); 2] = [
    ("Site", r#"["_uuid","name","hosts","labels"]"#),
    (
        "Host",
        r#"["_uuid","name","addresses","cores","state","backup"]"#,
    ),
];

/// The rows by table and UUID.
type State = BTreeMap<(String, String), Json>;

/// Selects everything.
fn question() -> String {
    let selects = TABLES.map(|(table, columns)| {
        format!(r#"{{"op":"select","table":"{table}","where":[],"columns":{columns}}}"#)
    });
    format!(r#"["Inventory",{}]"#, selects.join(","))
}

/// What the answer to [`question`] says.
fn state_of(results: &Json) -> State {
    let mut state = State::new();
    let results = results.as_array().expect("an array of results");
    for ((table, _), result) in TABLES.iter().zip(results) {
        let rows = result.get("rows").and_then(Json::as_array);
        for row in rows.expect("the rows of a select") {
            state.insert(((*table).to_owned(), uuid_of(row)), row.clone());
        }
    }
    state
}

fn uuid_of(row: &Json) -> String {
    let pair = row.get("_uuid").and_then(Json::as_array);
    let text = pair.and_then(|pair| pair[1].as_str());
    text.expect("every row has one").to_owned()
}

fn parse(text: &str) -> Json {
    json::parse(text.as_bytes()).expect("programs print JSON")
}

/// Operations on sites and hosts, among few names, so that many meet something. Some change nothing, some fail.
fn operations(dice: &mut StdRng, state: &State) -> String {
    let name = |dice: &mut StdRng, letter: char, count: u32| {
        format!("{letter}{}", dice.random_range(0..count))
    };
    let (site, host) = (name(dice, 's', 4), name(dice, 'h', 12));
    let named = |name: &str| format!(r#""where":[["name","==","{name}"]]"#);
    let number = dice.random_range(1..4);
    match dice.random_range(0..9) {
        0 => format!(r#"{{"op":"insert","table":"Site","row":{{"name":"{site}"}}}}"#),
        1..=2 => format!(
            r#"{{"op":"insert","table":"Host","uuid-name":"new","row":{{"name":"{host}","cores":{number},"state":"planned"}}}},
            {{"op":"mutate","table":"Site",{},"mutations":[["hosts","insert",["named-uuid","new"]]]}}"#,
            named(&site)
        ),
        3 => format!(
            r#"{{"op":"update","table":"Host",{},"row":{{"cores":{number},"load":0.{number}}}}}"#,
            named(&host)
        ),
        4 => format!(
            r#"{{"op":"mutate","table":"Host",{},"mutations":[["addresses","{}","a{number}"]]}}"#,
            named(&host),
            ["insert", "delete"].choose(dice).expect("two words")
        ),
        5 => format!(
            r#"{{"op":"mutate","table":"Site",{},"mutations":[["labels","delete",["set",["l{number}"]]],["labels","insert",["map",[["l{number}","{host}"]]]]]}}"#,
            named(&site)
        ),
        6 => {
            let hosts: Vec<&String> = state
                .keys()
                .filter(|(table, _)| table == "Host")
                .map(|(_, uuid)| uuid)
                .collect();
            let backup = hosts
                .choose(dice)
                .map_or(r#"["set",[]]"#.to_owned(), |uuid| {
                    format!(r#"["uuid","{uuid}"]"#)
                });
            format!(
                r#"{{"op":"update","table":"Host",{},"row":{{"backup":{backup}}}}}"#,
                named(&host)
            )
        }
        7 => format!(
            r#"{{"op":"update","table":"Host",{},"row":{{"state":"{}"}}}}"#,
            named(&host),
            ["running", "retired"].choose(dice).expect("two words")
        ),
        // Takes the hosts with it.
        _ if dice.random_bool(0.3) => {
            format!(r#"{{"op":"delete","table":"Site",{}}}"#, named(&site))
        }
        _ => format!(
            r#"{{"op":"mutate","table":"Host",{},"mutations":[["cores","+=",{number}]]}}"#,
            named(&host)
        ),
    }
}

/// Has the reference's server do it all; the number of the step of each record, and the state after it. The first of them
/// is the file without rows.
fn write(sandbox: &Sandbox) -> Vec<(usize, State)> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/inventory.ovsschema");
    let server = Server::start(sandbox, Side::Reference, &[("db", &schema)]);
    let mut client = RawClient::connect(server.socket());
    let mut transact = |params: &str| {
        let reply = client.call(&format!(
            r#"{{"id":0,"method":"transact","params":{params}}}"#
        ));
        let reply = parse(&reply);
        reply.get("result").expect("a reply").clone()
    };
    let mut dice = StdRng::seed_from_u64(11);
    let mut states = vec![(0, State::new())];
    for step in 1..=STEPS {
        let before = &states.last().expect("there is the first").1;
        let operations = operations(&mut dice, before);
        transact(&format!(
            r#"["Inventory",{operations},{{"op":"comment","comment":"step {step}"}}]"#
        ));
        let after = state_of(&transact(&question()));
        if after != *before {
            states.push((step, after));
        }
    }
    server.stop();
    states
}

#[test]
fn a_file_of_the_reference_tells_what_the_reference_answered_at_each_moment() {
    let sandbox = Sandbox::new();
    let states = write(&sandbox);
    assert!(states.len() > STEPS / 4, "{} records", states.len());
    let ours = |arguments: &[&str]| sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);

    // A record for each transaction that changed something, with the rows that it changed.
    let log = ours(&["log", "db", "--format=json", "--oldest-first"]);
    assert!(log.ok() && log.stderr.is_empty(), "{log}");
    let records: Vec<Json> = log.stdout.lines().map(parse).collect();
    assert_eq!(records.len(), states.len() - 1);
    for ((number, record), pair) in (1i64..).zip(&records).zip(states.windows(2)) {
        let [(_, before), (step, after)] = pair else {
            unreachable!("windows of two")
        };
        assert_eq!(record.get("record"), Some(&Json::Integer(number)));
        let comment = format!("step {step}");
        assert_eq!(record.get("comment"), Some(&Json::string(comment)));
        let changes = record.get("changes").and_then(Json::as_array);
        let told = changes.expect("changes").iter().map(|change| {
            let [table, row] = ["table", "row"].map(|name| {
                let text = change.get(name).and_then(Json::as_str);
                text.expect("it has both").to_owned()
            });
            (table, row)
        });
        let told: Vec<_> = told.collect();
        let keys = before.keys().chain(after.keys());
        let mut expected: Vec<_> = keys
            .filter(|key| before.get(*key) != after.get(*key))
            .cloned()
            .collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(told, expected, "{record}");
    }

    // The reference reads what was restored, and finds what it had answered.
    let mut dice = StdRng::seed_from_u64(12);
    for trial in 0..12 {
        let number = dice.random_range(0..states.len());
        let (at, new) = (format!("--at={number}"), format!("as-of-{trial}"));
        let restored = ours(&["restore", &at, "db", &new]);
        assert!(restored.ok(), "{restored}");
        let query = [new.as_str(), &question()];
        let query = [&["query"], &query[..]].concat();
        let answer = sandbox.run_ok(Side::Reference.program("ovsdb-tool"), &query);
        assert!(state_of(&parse(&answer)) == states[number].1, "{number}");

        let other = dice.random_range(0..states.len());
        let sides = [number, other].map(|number| format!("db@{number}"));
        let diff = ours(&["diff", &sides[0], &sides[1]]);
        let differs = states[number].1 != states[other].1;
        assert_eq!(diff.code, Some(i32::from(differs)), "{sides:?}: {diff}");
    }

    // Since which step each value is what it is.
    let (_, last) = states.last().expect("there are many");
    assert!(last.len() > 3, "there are rows to look at");
    for ((table, uuid), row) in last {
        let blame = ours(&["blame", "--format=json", "db", table, uuid]);
        assert!(blame.ok(), "{blame}");
        let blame = parse(&blame.stdout);
        for column in [
            "name",
            "hosts",
            "labels",
            "addresses",
            "cores",
            "state",
            "backup",
        ] {
            let Some(value) = row.get(column) else {
                continue;
            };
            let key = (table.clone(), uuid.clone());
            let is_other = |(_, state): &(usize, State)| {
                state.get(&key).and_then(|row| row.get(column)) != Some(value)
            };
            let since = states
                .iter()
                .rposition(is_other)
                .expect("it was not there once")
                + 1;
            let told = blame
                .get("columns")
                .and_then(|columns| columns.get(column)?.get("set"));
            let told = told.and_then(|set| set.get("comment"));
            let expected = Json::string(format!("step {}", states[since].0));
            assert_eq!(told, Some(&expected), "{table} {uuid} {column}");
        }
    }
}
