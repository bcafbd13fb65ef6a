//! Whole sessions of several clients at once, out of a seed, on the reference's server and on ours: the same
//! replies and notifications, step by step.
//!
//! After each step every client waits for an answer, so that what it has received by then is well defined; of steps that
//! are sent at once, replies and what all monitors come to are compared. `OVSDB_DIFF_SESSIONS` and
//! `OVSDB_DIFF_SEED` set how many sessions there are and which.

mod canonical;
mod duel;
mod explain;
mod generate;
mod mistakes;
mod monitors;
mod operations;
mod replica;
mod report;
mod script;
mod shorten;
mod stage;
mod values;
mod watch;

use std::ops::Range;
use std::path::Path;

use ovsdb_testkit::differential::model::Model;
use ovsdb_testkit::differential::run::SEED;
use ovsdb_testkit::environment::number;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use duel::Duel;
use explain::CHANCE;
use generate::Generator;
use report::Tally;
use shorten::shorten;
use stage::{Stage, Storage};

/// Names how many sessions a full run has over all tests.
const SESSIONS: &str = "OVSDB_DIFF_SESSIONS";

/// Names the only session that is played.
const ONLY: &str = "OVSDB_DIFF_SESSION";

/// Sessions of a full run if nothing else is said.
const SESSIONS_DEFAULT: u64 = 1_400;

/// The table that scripts leave alone.
const BALLAST: &str = "Ballast";

/// Two servers to compare, and which part of all sessions they get, in percent from the first to before the last.
struct Run {
    sides: [Side; 2],
    storages: [Storage; 2],
    part: Range<u64>,
}

/// The schema without columns that are not kept, which clusters do not have, and without weak references: of a
/// transaction of which nothing is left but a new `_version`, a cluster tells nobody.
fn for_clusters(schema: &str) -> String {
    let mut schema = schema.replace(r#", "ephemeral": true"#, "");
    for table in ["Group", "Item"] {
        let weak = format!(r#", "refTable": "{table}", "refType": "weak""#);
        schema = schema.replace(&weak, "");
    }
    schema
}

/// The schema in one line, and two that it can be converted to and back: one with another column and table, and one with
/// a column less.
fn conversions(schema: &str) -> [String; 3] {
    let line: Vec<&str> = schema.lines().map(str::trim).collect();
    let line = line.concat();
    let more = line
        .replace(r#""flag": "#, r#""extra": {"type": "integer"},"flag": "#)
        .replace(
            r#""Part": "#,
            r#""Other": {"columns": {"n": {"type": "integer"}}},"Part": "#,
        );
    let less = line.replace(r#""note": {"type": "string", "ephemeral": true},"#, "");
    [line, more, less]
}

/// Plays sessions; fails at the first unexplained difference.
fn check(run: &Run) -> Tally {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/sessions.ovsschema");
    let text = std::fs::read_to_string(&schema).expect("the schema is part of this crate");
    let history = run.storages[0] == Storage::Cluster;
    let text = match history {
        true => for_clusters(&text),
        false => text,
    };
    let folder = Sandbox::new();
    let schema = folder.path("schema");
    std::fs::write(&schema, &text).expect("the folder is there");
    let mut model = Model::parse(&text);
    model.tables.retain(|table| table.name != BALLAST);
    let sessions = number(SESSIONS).unwrap_or(SESSIONS_DEFAULT);
    let seed = number(SEED).unwrap_or(1);
    let stages = [0, 1].map(|end| {
        let mut stage = Stage::start(run.sides[end], run.storages[end], &schema);
        stage.names.transactions_are_alike = !history;
        stage
    });
    let schemas = conversions(&text);
    let mut duel = Duel::new(&model, &schemas[0], stages, history);
    let all = match number(ONLY) {
        Some(only) => only..only + 1,
        None => sessions * run.part.start / 100..sessions * run.part.end / 100,
    };
    for session in all.clone() {
        let own = seed * 1_000_003 + session;
        let script = Generator::new(&model, &schemas, own, history).script();
        if let Err(difference) = duel.play(&script) {
            let (script, difference) = shorten(&mut duel, &script, &difference);
            let script: String = script.iter().map(ToString::to_string).collect();
            panic!("{SEED}={seed} {ONLY}={session}: {difference}\nshortened:\n{script}");
        }
    }
    println!("{}", duel.tally);
    // What ends a session early is rare.
    let played = all.count();
    let cut_short = played - duel.tally.sessions;
    assert!(cut_short <= 1 + played / 20, "{}", duel.tally);
    duel.tally
}

#[test]
fn sessions_are_the_same_as_with_the_reference() {
    check(&Run {
        sides: Side::BOTH,
        storages: [Storage::Standalone; 2],
        part: 0..38,
    });
}

#[test]
fn more_sessions_are_the_same_as_with_the_reference() {
    // Beside the others, to use more than one core.
    check(&Run {
        sides: Side::BOTH,
        storages: [Storage::Standalone; 2],
        part: 38..75,
    });
}

#[test]
fn sessions_that_resume_are_the_same_as_with_a_clustered_reference() {
    check(&Run {
        sides: Side::BOTH,
        storages: [Storage::Cluster, Storage::Standalone],
        part: 75..95,
    });
}

#[test]
fn two_references_show_no_difference_at_all() {
    let tally = check(&Run {
        sides: [Side::Reference; 2],
        storages: [Storage::Standalone; 2],
        part: 95..100,
    });
    // Nothing but chance: the order of hash tables, times, and what the reference does with memory not its own.
    let mut explained = tally.explained.keys();
    assert!(explained.all(|name| CHANCE.contains(name)), "{tally}");
}
