//! `log`, `blame`, `diff` and `restore --at` of `ovsdb-tool`, and the library below them, on a file of ten thousand transactions
//! with a conversion in the middle, against a model that kept every state.
//!
//! A conversion makes a new file, so there are two: what the older one tells ends with it, and the newer one begins there.

#[path = "history/generator.rs"]
mod generator;
#[path = "history/model.rs"]
mod model;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use model::{Change, Filter, Model, Row, State, Step};
use ovsdb_engine::history::{Blame, Value, differences};
use ovsdb_engine::record::{RecordOptions, commit_record};
use ovsdb_engine::{Context, Database, OutcomeOn, execute_on};
use ovsdb_log::{LockPolicy, Log, OpenMode};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::{ColumnId, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::file;
use ovsdb_server::past::{Moment, Past, Version};
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Records of each of the two files, but for the schemas, unless `OVSDB_HISTORY_RECORDS` says another number, of at least 500.
const RECORDS: usize = 5000;

fn records() -> usize {
    let given = std::env::var("OVSDB_HISTORY_RECORDS");
    given.map_or(RECORDS, |text| text.parse().expect("a number"))
}

const SEED: u64 = 7;
const BEGIN_MS: i64 = 1_700_000_000_000;

/// What is kept of a database, as the model has it. Rows that are the same as in `before` are shared with it.
fn state_of(database: &Database, known: &mut Known) -> State {
    let schema = database.schema();
    let mut state = State::new();
    for id in database.table_ids() {
        let table = schema.table(id);
        for row in database.table(id).iter() {
            let address = Arc::as_ptr(row).addr();
            let kept = known.entry(address).or_insert_with(|| {
                let columns = table.column_ids().filter(|&column| {
                    let is_own = !matches!(column, ColumnId::UUID | ColumnId::VERSION);
                    is_own && table.column(column).persistent
                });
                let values = columns.map(|column| {
                    let schema = table.column(column);
                    (schema.name.to_string(), row.get(column).to_json(&schema.ty))
                });
                // The row is kept, so that no other one gets its address.
                (Arc::clone(row), Rc::new(values.collect()))
            });
            let key = (table.name.to_string(), row.uuid().to_string());
            state.insert(key, Rc::clone(&kept.1));
        }
    }
    state
}

type Known = BTreeMap<usize, (Arc<ovsdb_engine::Row>, Rc<Row>)>;

/// A file in the making, and its model.
struct Writer {
    log: Log,
    database: Database,
    model: Model,
    known: Known,
    dice: StdRng,
    date_ms: i64,
}

impl Writer {
    /// Goes on at the end of the file; what it holds is noted as record 1, if it holds anything.
    fn open(path: &Path, seed: u64, date_ms: i64) -> Writer {
        let loaded = file::load(path, OpenMode::ReadWrite, LockPolicy::Never);
        let loaded = loaded.expect("a sound file");
        let mut writer = Writer {
            log: loaded.log,
            database: loaded.database,
            model: Model { steps: Vec::new() },
            known: Known::new(),
            dice: StdRng::seed_from_u64(seed),
            date_ms,
        };
        writer.note(None, None, State::new());
        if loaded.records > 1 {
            let mut past = Past::open(path).expect("a sound file");
            let mut said = None;
            past.skim(&mut |_, _, annotations| said = Some(annotations));
            let said = said.expect("it has a record");
            let state = state_of(&writer.database, &mut writer.known);
            writer.date_ms = said.date_ms.expect("a date");
            writer.note(said.date_ms, said.comment, state);
        }
        writer
    }

    fn note(&mut self, date_ms: Option<i64>, comment: Option<String>, state: State) {
        self.model.steps.push(Step {
            date_ms,
            comment,
            state,
        });
    }

    fn state(&self) -> &State {
        &self.model.steps.last().expect("there is the first").state
    }

    /// Runs a transaction, and appends its record if it leaves one.
    fn step(&mut self, is_later: bool) {
        let state = &self.model.steps.last().expect("there is the first").state;
        let (operations, comment) = generator::transaction(&mut self.dice, state, is_later);
        let text = format!("[{}]", operations.join(","));
        let Ok(Json::Array(operations)) = json::parse(text.as_bytes()) else {
            panic!("operations are JSON: {text}")
        };
        let dice = &mut self.dice;
        let mut fresh = || Uuid::from_bytes(dice.random());
        let transact = parse_transact(self.database.schema(), &operations, &mut fresh);
        let mut context = Context::unrestricted(&mut fresh);
        let (next, outcome) = execute_on(self.database.clone(), &transact, &mut context);
        let OutcomeOn::Done(done) = outcome else {
            return;
        };
        // A clock is set back now and then.
        self.date_ms += match self.dice.random_range(0..200) {
            0 => -60_000,
            _ => self.dice.random_range(0..2000),
        };
        self.database = next;
        let record = done.commit.as_ref().and_then(|commit| {
            let options = RecordOptions {
                date_ms: self.date_ms,
                comment: comment.as_deref(),
                column_diff: true,
            };
            commit_record(self.database.schema(), commit, options)
        });
        if let Some(mut record) = record {
            record.push(b'\n');
            self.log.append(&record).expect("a healthy disk");
            let state = state_of(&self.database, &mut self.known);
            self.note(Some(self.date_ms), comment, state);
        }
    }

    fn write(path: &Path, seed: u64, is_later: bool) -> Model {
        let mut writer = Writer::open(path, seed, BEGIN_MS);
        while writer.model.steps.len() <= records() {
            writer.step(is_later);
        }
        assert!(writer.state().len() > 10, "there is something to look at");
        writer.model
    }
}

fn version_state(version: &Version) -> State {
    state_of(&version.database, &mut Known::new())
}

/// The program's answer; an answer on standard error is one too many.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.run_ok(Side::Ours.program("ovsdb-tool"), arguments)
}

/// An answer in JSON with only these members of each line.
fn lines(text: &str, members: &[&str]) -> Vec<Json> {
    let lines = text.lines().map(|line| {
        let whole = json::parse(line.as_bytes()).expect("each line is JSON");
        let kept = members
            .iter()
            .filter_map(|&member| Some((member, whole.get(member)?.clone())));
        model::object(kept)
    });
    lines.collect()
}

const RECORD: [&str; 4] = ["record", "date_ms", "comment", "changes"];

#[track_caller]
fn check_log(sandbox: &Sandbox, model: &Model, db: &str, filter: &Filter<'_>, options: &[&str]) {
    let arguments = [&["log", db, "--format=json", "--oldest-first"], options].concat();
    let told = lines(&run(sandbox, &arguments), &RECORD);
    let mut expected = model.log(filter);
    assert!(
        told.len() == expected.len(),
        "{options:?}: {} {}",
        told.len(),
        expected.len()
    );
    assert!(!told.is_empty(), "{options:?} chooses something");
    for (told, expected) in told.iter().zip(&expected) {
        assert!(told == expected, "{options:?}\n{told}\n{expected}");
    }
    // The other way round, and the first of it.
    let arguments = [&["log", db, "--format=json", "--limit=7"], options].concat();
    let told = lines(&run(sandbox, &arguments), &RECORD);
    expected.reverse();
    expected.truncate(7);
    assert!(told == expected, "{options:?}");
}

fn check_logs(sandbox: &Sandbox, model: &Model, db: &str) {
    let plain = Filter::default;
    check_log(sandbox, model, db, &plain(), &[]);
    check_log(
        sandbox,
        model,
        db,
        &Filter {
            table: Some("Child"),
            comment: Some("say"),
            ..plain()
        },
        &["--table=Child", "--comment=say"],
    );
    check_log(
        sandbox,
        model,
        db,
        &Filter {
            column: Some("tags"),
            ..plain()
        },
        &["--column=tags"],
    );
    // At an hour that the clock passed several times.
    let (since, until) = (
        model.steps[records() * 2 / 5].date_ms,
        model.steps[records() / 2].date_ms,
    );
    let range = [since, until].map(|date| date.expect("a date").to_string());
    check_log(
        sandbox,
        model,
        db,
        &Filter {
            since_ms: since,
            until_ms: until,
            ..plain()
        },
        &[
            &format!("--since={}", range[0]),
            &format!("--until={}", range[1]),
        ],
    );
    check_log(
        sandbox,
        model,
        db,
        &Filter {
            row: Some(&|_, row| row.get("name") == Some(&Json::string("br7"))),
            ..plain()
        },
        &["--row=br7", "--table=Root"],
    );
    let state = &model.steps[records() * 4 / 5].state;
    let (key, _) = state.iter().next().expect("there are rows");
    check_log(
        sandbox,
        model,
        db,
        &Filter {
            row: Some(&|uuid, _| uuid == key.1),
            ..plain()
        },
        &[&format!("--row={}", &key.1[..13])],
    );
}

/// Moments all over the file, as numbers of records and as times.
fn moments(model: &Model, dice: &mut StdRng) -> [(Moment, usize); 40] {
    std::array::from_fn(|at| {
        let number = match at {
            0 => 0,
            1 => 1,
            2 => model.steps.len() - 1,
            _ => dice.random_range(1..model.steps.len()),
        };
        if at % 2 == 0 {
            return (Moment::Record(number as u64), number);
        }
        let date_ms = model.steps[number].date_ms.expect("a date") + dice.random_range(0..3);
        let number = model.number_at(date_ms).expect("it is not too early");
        (Moment::Time(date_ms), number)
    })
}

fn check_versions(model: &Model, path: &Path, dice: &mut StdRng) {
    let moments = moments(model, dice);
    let mut past = Past::open(path).expect("a sound file");
    let versions = past.versions_at(moments.map(|(moment, _)| moment), &mut |_| {});
    let (versions, fault) = versions.expect("they are all there");
    assert!(fault.is_none(), "{fault:?}");
    for ((moment, number), version) in moments.iter().zip(&versions) {
        assert_eq!(version.number, *number as u64, "{moment:?}");
        let expected = &model.steps[*number].state;
        assert!(version_state(version) == *expected, "{moment:?} {number}");
    }
    for _ in 0..60 {
        let pair = [0, 1].map(|_| dice.random_range(0..versions.len()));
        let [old, new] = pair.map(|at| &versions[at]);
        let told = differences(&old.database, &new.database);
        let told = told.map(|change| (change.table().name.to_string(), change.uuid.to_string()));
        let [old, new] = pair.map(|at| &model.steps[moments[at].1].state);
        let expected = model::changes(old, new)
            .into_iter()
            .map(|change| change.key.clone());
        assert!(told.eq(expected), "{:?}", pair.map(|at| moments[at]));
    }
    let last = model.steps.len() as u64 - 1;
    assert!(
        past.version_at(Moment::Record(last + 1), &mut |_| {})
            .is_err()
    );
    assert!(
        past.version_at(Moment::Time(BEGIN_MS - 1), &mut |_| {})
            .is_err()
    );
    let (version, _) = past
        .version_at(Moment::End, &mut |_| {})
        .expect("a sound file");
    assert_eq!(version.number, last);
}

/// What blame says of every value that there is after the last record.
fn check_blame(model: &Model, path: &Path) {
    let mut past = Past::open(path).expect("a sound file");
    let schema = past.schema().clone();
    let mut blames: BTreeMap<(TableId, Uuid), Blame<usize>> = BTreeMap::new();
    let (last, fault) = past.walk(&mut |record| {
        for change in record.changes() {
            let table = change.table();
            let id = schema.table_id(&table.name).expect("it is of this schema");
            let blame = blames.entry((id, change.uuid)).or_default();
            blame.note(
                table,
                change.new.map(|(_, row)| row),
                &(record.number as usize),
            );
        }
        ControlFlow::Continue(())
    });
    assert!(fault.is_none(), "{fault:?}");
    let mut looked_at = 0;
    for ((id, uuid), blame) in &blames {
        let table = schema.table(*id);
        let key = (table.name.to_string(), uuid.to_string());
        let is_there = last.database.row(*id, uuid).is_some();
        assert_eq!(blame.deleted().is_none(), is_there, "{key:?}");
        if !is_there {
            continue;
        }
        assert_eq!(blame.inserted(), Some(&model.inserted_by(&key)));
        let row = blame.row().expect("it is there");
        for blamed in blame.columns() {
            let column = table.column(blamed.column);
            let value = Value {
                datum: row.get(blamed.column),
                ty: &column.ty,
            };
            let text = value.datum.to_json(value.ty);
            assert_eq!(
                blamed.set,
                model.set_by(&key, &column.name),
                "{key:?} {}",
                column.name
            );
            let elements = Model::elements(&column.name, &text);
            assert_eq!(blamed.elements.is_some(), elements.is_some());
            let Some(origins) = &blamed.elements else {
                continue;
            };
            let elements = elements.expect("it has some");
            assert_eq!(origins.len(), value.datum.len());
            for ((datum_key, _), element) in value.datum.iter().zip(&elements) {
                let expected = model.element_set_by(&key, &column.name, element);
                assert_eq!(
                    origins[datum_key], expected,
                    "{key:?} {} {element}",
                    column.name
                );
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 10, "there are elements to look at");
}

/// The programs on top of it: a few questions each.
fn check_commands(sandbox: &Sandbox, model: &Model, db: &str, dice: &mut StdRng) {
    let numbers: Vec<usize> = (0..3)
        .map(|_| dice.random_range(1..model.steps.len()))
        .collect();
    for number in &numbers {
        let step = &model.steps[*number];
        let date_ms = step.date_ms.expect("a date");
        for (at, number) in [
            (number.to_string(), *number),
            (date_ms.to_string(), model.number_at(date_ms).expect("one")),
        ] {
            let _ = fs::remove_file(sandbox.path("new"));
            run(sandbox, &["restore", &format!("--at={at}"), db, "new"]);
            let loaded = file::load(&sandbox.path("new"), OpenMode::ReadOnly, LockPolicy::Never);
            let loaded = loaded.expect("a sound file");
            let state = state_of(&loaded.database, &mut Known::new());
            assert!(state == model.steps[number].state, "restored at {at}");
            // The same with the other command.
            run(sandbox, &["diff", &format!("{db}@{at}"), "new"]);
        }
    }
    for pair in numbers.windows(2) {
        let sides = [0, 1].map(|at| format!("{db}@{}", pair[at]));
        let program = Side::Ours.program("ovsdb-tool");
        let arguments = ["diff", &sides[0], &sides[1], "--format=json"];
        let output = sandbox.run(program, &arguments);
        let [old, new] = [0, 1].map(|at| &model.steps[pair[at]].state);
        let changes = model::changes(old, new);
        let expected: Vec<Json> = changes
            .iter()
            .filter_map(|change| model::told(change, None))
            .collect();
        assert_eq!(
            output.code,
            Some(i32::from(!expected.is_empty())),
            "{output}"
        );
        let told = output
            .stdout
            .lines()
            .map(|line| json::parse(line.as_bytes()).expect("JSON"));
        assert!(told.eq(expected), "{sides:?}");
    }

    let state = &model.steps.last().expect("there are some").state;
    let keys: Vec<_> = state.keys().collect();
    let (table, uuid) = *keys.choose(dice).expect("there are rows");
    let text = run(sandbox, &["blame", db, table, uuid, "--format=json"]);
    let told = json::parse(text.as_bytes()).expect("JSON");
    let key = (table.clone(), uuid.clone());
    for (column, value) in state[&key].iter() {
        let told = told
            .get("columns")
            .and_then(|columns| columns.get(column))
            .expect("it is told");
        assert_eq!(told.get("value"), Some(value), "{column}");
        let set = told
            .get("set")
            .and_then(|set| set.get("record"))
            .and_then(Json::as_i64);
        assert_eq!(set, Some(model.set_by(&key, column) as i64), "{column}");
    }
}

#[test]
fn ten_thousand_transactions_and_a_conversion_are_told_as_a_model_of_every_state_has_them() {
    let sandbox = Sandbox::new();
    for (name, schema) in [("schema", generator::SCHEMA), ("later", generator::LATER)] {
        fs::write(sandbox.path(name), schema).expect("the sandbox is writable");
    }
    run(&sandbox, &["create", "db", "schema"]);
    let older = Writer::write(&sandbox.path("db"), SEED, false);
    run(&sandbox, &["convert", "db", "later", "db2"]);
    let newer = Writer::write(&sandbox.path("db2"), SEED + 1, true);

    let mut dice = StdRng::seed_from_u64(SEED + 2);
    check_versions(&older, &sandbox.path("db"), &mut dice);
    check_versions_after_conversion(&newer, &sandbox.path("db2"), &mut dice);
    check_blame(&older, &sandbox.path("db"));
    check_blame(&newer, &sandbox.path("db2"));
    check_logs(&sandbox, &older, "db");
    check_commands(&sandbox, &older, "db", &mut dice);
    check_across_conversion(&sandbox, &older, &newer);
}

/// The newer file begins with all that the older one held, and says that it is no transaction.
fn check_versions_after_conversion(model: &Model, path: &Path, dice: &mut StdRng) {
    let mut past = Past::open(path).expect("a sound file");
    let numbers: [usize; 20] = std::array::from_fn(|_| dice.random_range(0..model.steps.len()));
    let moments = numbers.map(|number| Moment::Record(number as u64));
    let (versions, _) = past
        .versions_at(moments, &mut |_| {})
        .expect("they are all there");
    for (number, version) in numbers.iter().zip(&versions) {
        assert!(
            version_state(version) == model.steps[*number].state,
            "{number}"
        );
    }
    let (first, _) = past
        .version_at(Moment::Record(1), &mut |_| {})
        .expect("it is there");
    assert!(first.annotations.is_snapshot());
}

fn check_across_conversion(sandbox: &Sandbox, older: &Model, newer: &Model) {
    let told = run(sandbox, &["log", "db2", "--oldest-first", "--limit=1"]);
    assert!(
        told.contains("What had happened before, the file does not tell."),
        "{told}"
    );
    for (a, b) in [(records(), 1), (17, 345), (400, records())] {
        let sides = [format!("db@{a}"), format!("db2@{b}")];
        let program = Side::Ours.program("ovsdb-tool");
        let output = sandbox.run(program, &["diff", &sides[0], &sides[1], "--format=json"]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(1), ""));
        let (schema, rows): (Vec<Json>, Vec<Json>) = output
            .stdout
            .lines()
            .map(|line| json::parse(line.as_bytes()).expect("JSON"))
            .partition(|line| line.get("schema").is_some());
        let schema: Vec<String> = schema.iter().map(Json::to_string).collect();
        assert_eq!(
            schema,
            [
                r#"{"schema":{"change":"insert","column":null,"table":"More"}}"#,
                r#"{"schema":{"change":"delete","column":"note","table":"Root"}}"#,
                r#"{"schema":{"change":"insert","column":"extra","table":"Root"}}"#,
            ]
        );
        let (old, new) = (&older.steps[a].state, &newer.steps[b].state);
        let changes = model::changes(old, new);
        let expected = changes
            .iter()
            .filter_map(|change: &Change<'_>| model::told(change, None));
        let expected: Vec<Json> = expected.collect();
        assert!(
            rows == expected,
            "{sides:?} {} {}",
            rows.len(),
            expected.len()
        );
    }
}
