//! Random commits, monitors, conditions and receivers quick and slow, against monitors that are interpreted naively.
//!
//! A failing case prints its seed; `MONITOR_MODEL_SEED=N cargo test -p ovsdb-engine --test monitor_model` runs it alone.

use std::sync::Arc;

use ovsdb_engine::monitor::{
    Form as EngineForm, Initial, Monitor as EngineMonitor, Pending, PieceMax, Place,
};
use ovsdb_engine::{Commit, Context, Database, Outcome, Row as EngineRow, execute};
use ovsdb_proto::json;
use ovsdb_proto::monitor::{MonitorRequests, condition_changes_from_json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::{ColumnId, Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::monitored::{
    Contents, Form, Monitor, Oracle, Replica, Row, SCHEMA, Updates, any_transaction, change_told,
    concerns, table, value_from_json,
};

/// Names the environment variable with the seed of the only case to run.
const SEED: &str = "MONITOR_MODEL_SEED";

struct Server {
    database: Database,
    contents: Contents,
    last_uuid: u128,
}

impl Server {
    fn new() -> Server {
        let schema = json::parse(SCHEMA.as_bytes()).expect("JSON");
        let schema = Schema::from_json(&schema).expect("a schema");
        Server {
            database: Database::new(Arc::new(schema)),
            contents: Contents::new(),
            last_uuid: 0,
        }
    }

    fn schema(&self) -> &Arc<Schema> {
        self.database.schema()
    }

    /// Runs a transaction. Returns what was committed and the contents before it.
    fn transact(&mut self, dice: &mut Dice) -> Option<(Commit, Contents)> {
        let operations = any_transaction(dice, &self.contents).to_string();
        let operations = json::parse(operations.as_bytes()).expect("JSON");
        let operations = operations.as_array().expect("an array");
        let last_uuid = &mut self.last_uuid;
        let mut fresh = || {
            *last_uuid += 1;
            // In no order, as they are in life.
            Uuid::from_bytes(
                last_uuid
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                    .to_be_bytes(),
            )
        };
        let transact = parse_transact(self.database.schema(), operations, &mut fresh);
        let context = &mut Context {
            may_block: true,
            ..Context::unrestricted(&mut fresh)
        };
        let Outcome::Prepared(prepared) = execute(&self.database, &transact, context) else {
            return None;
        };
        let commit = prepared.commit?;
        let before = self.contents.clone();
        self.database = prepared.next;
        for change in &commit.changes {
            let key = self.key(change.table, change.uuid);
            match self.database.row(change.table, &change.uuid) {
                Some(row) => self.contents.insert(key, self.row(change.table, row)),
                None => self.contents.remove(&key),
            };
        }
        Some((commit, before))
    }

    fn key(&self, id: TableId, uuid: Uuid) -> (&'static str, String) {
        (table(&self.schema().table(id).name).name, uuid.to_string())
    }

    fn row(&self, id: TableId, row: &EngineRow) -> Row {
        let schema = self.schema().table(id);
        let columns = table(&schema.name).columns.iter().map(|column| {
            let id = schema.column_id(column.name).expect("the schemas agree");
            let text = row.get(id).to_json(&schema.column(id).ty).to_string();
            let json = serde_json::from_str(&text).expect("JSON");
            (column.name.to_owned(), value_from_json(&json, column.ty))
        });
        columns.collect()
    }

    /// Has a column of this version or of a later one found by an index.
    fn index(&self, dice: &mut Dice) {
        let tables: Vec<TableId> = self.schema().table_ids().collect();
        let table = *dice.pick(&tables);
        let columns: Vec<ColumnId> = self.schema().table(table).column_ids().collect();
        self.database.want_index(table, *dice.pick(&columns));
        self.database.build_indexes();
    }

    /// Everything in the database, read anew.
    fn all(&self) -> Contents {
        let mut contents = Contents::new();
        for id in self.schema().table_ids() {
            for row in self.database.table(id).iter() {
                contents.insert(self.key(id, row.uuid()), self.row(id, row));
            }
        }
        contents
    }
}

/// Checks that the pieces of initial contents make up the whole, and that each can be written again.
fn check_pieces(dice: &mut Dice, monitor: &EngineMonitor, database: &Database, whole: &[u8]) {
    let initial = Initial::new(Arc::new(monitor.clone()), database.clone());
    let max = PieceMax {
        bytes: dice.below(400),
        rows: dice.below(6),
    };
    let (mut joined, mut pieces) = (Vec::new(), Vec::new());
    let mut place = Some(Place::START);
    while let Some(from) = place {
        let begin = joined.len();
        place = initial.write_piece(from, max, &mut joined);
        pieces.push((from, begin..joined.len(), place));
    }
    assert_eq!(
        String::from_utf8_lossy(&joined),
        String::from_utf8_lossy(whole),
        "{max:?}"
    );
    let (from, at, next) = dice.pick(&pieces).clone();
    let mut again = Vec::new();
    assert_eq!(initial.write_piece(from, max, &mut again), next);
    assert_eq!(again, joined[at]);
}

/// Somebody who is told, with what there is to know on both sides.
struct Receiver {
    asked: Monitor,
    monitor: EngineMonitor,
    pending: Pending,
    oracle: Oracle,
    /// `None` if not all kinds of change are asked for.
    replica: Option<Replica>,
}

impl Receiver {
    fn new(dice: &mut Dice, server: &Server) -> Receiver {
        let with_selects = dice.chance(40);
        let asked = Monitor::any(dice, &server.contents, with_selects);
        let requests = json::parse(asked.requests().to_string().as_bytes()).expect("JSON");
        let (form, with_conditions) = match asked.form {
            Form::Values => (EngineForm::Values, false),
            Form::Differences => (EngineForm::Differences, true),
        };
        let schema = server.schema();
        let requests = MonitorRequests::from_json(schema, &requests, with_conditions)
            .unwrap_or_else(|error| panic!("{}: {error:?}", asked.requests()));
        let monitor = EngineMonitor::new(schema.clone(), &requests, form);
        let mut text = Vec::new();
        monitor.write_initial(&server.database, &mut text);
        check_pieces(dice, &monitor, &server.database, &text);
        let told = Updates::parse(&text);
        assert_eq!(told, Updates::initial(&asked, &server.contents), "initial");
        let replica = asked.is_whole().then(|| {
            let mut replica = Replica::default();
            replica.apply(&asked, &told);
            replica
        });
        let receiver = Receiver {
            asked,
            monitor,
            pending: Pending::default(),
            oracle: Oracle::default(),
            replica,
        };
        receiver.check_replica(server);
        receiver
    }

    fn check_replica(&self, server: &Server) {
        if let Some(replica) = &self.replica {
            assert_eq!(*replica, Replica::shown(&self.asked, &server.contents));
        }
    }

    fn hear(&mut self, text: &[u8], expected: &Updates, is_any: bool) {
        let told = if is_any {
            Updates::parse(text)
        } else {
            assert!(text.is_empty());
            Updates::default()
        };
        assert_eq!(told, *expected, "{}", String::from_utf8_lossy(text));
        assert_eq!(is_any, !told.0.is_empty());
        if let Some(replica) = &mut self.replica {
            replica.apply(&self.asked, &told);
        }
    }

    /// A commit is to be told of, later.
    fn note(&mut self, server: &Server, commit: &Commit, before: &Contents) {
        let mut of_commit = Updates::default();
        let mut numbers: Vec<u32> = Vec::new();
        for (number, change) in commit.changes.iter().enumerate() {
            let key = server.key(change.table, change.uuid);
            let (old, new) = (before.get(&key), server.contents.get(&key));
            let told = change_told(&self.asked, key.0, old, new);
            assert_eq!(self.monitor.is_concerned(change), told.is_some());
            if concerns(&self.asked, key.0, old, new) || number % 2 == 0 {
                numbers.push(number as u32);
            }
            self.oracle.note(&self.asked, &key, old, new);
            if let Some(told) = told {
                of_commit.0.insert(key, told);
            }
        }
        // Told at once and by itself.
        numbers.sort_by_key(|&number| {
            let change = &commit.changes[number as usize];
            (change.table, change.uuid)
        });
        let (monitor, mut text) = (&self.monitor, Vec::new());
        let any = monitor.write_commit(
            commit,
            numbers.iter().copied(),
            |_, update, out| update.write(monitor.shape(), monitor.form(), out),
            &mut text,
        );
        let told = match any {
            true => Updates::parse(&text),
            false => Updates::default(),
        };
        assert_eq!(told, of_commit, "{}", String::from_utf8_lossy(&text));
        // Told with others.
        if numbers.len().is_multiple_of(2) {
            self.monitor.add(&mut self.pending, commit);
        } else {
            self.monitor.add_some(&mut self.pending, commit, &numbers);
        }
    }

    fn take(&mut self, server: &Server) {
        let expected = self.oracle.take(&self.asked, &server.contents);
        let mut text = Vec::new();
        let any = self.monitor.write_pending(&mut self.pending, &mut text);
        assert!(self.pending.is_empty());
        self.hear(&text, &expected, any);
        self.check_replica(server);
    }

    fn change_conditions(&mut self, dice: &mut Dice, server: &Server) {
        if self.asked.form == Form::Values {
            return;
        }
        self.take(server);
        let before = self.asked.clone();
        let changes = self.asked.change_conditions(dice, &server.contents);
        let changes = json::parse(changes.to_string().as_bytes()).expect("JSON");
        let shape = self.monitor.shape().clone();
        let has = |table| shape.position(table).is_some();
        let changes = condition_changes_from_json(server.schema(), has, true, &changes)
            .expect("they are about its tables");
        let mut conditions = self.monitor.conditions().to_vec();
        for (table, condition) in changes {
            conditions[shape.position(table).expect("it has it")] = condition;
        }
        let after = EngineMonitor::with_conditions(shape, self.monitor.form(), conditions);
        let mut text = Vec::new();
        let any = after.write_difference(&self.monitor, &server.database, &mut text);
        let expected = Updates::of_conditions(&before, &self.asked, &server.contents);
        self.monitor = after;
        self.hear(&text, &expected, any);
        self.check_replica(server);
    }

    /// A row that is of interest has one of the keys under which it is looked for.
    fn check_keys(&self, server: &Server) {
        use ovsdb_engine::monitor::Key;
        for (id, filter) in self.monitor.filters() {
            let Some(keys) = filter.keys() else { continue };
            let has = |key: &Key, row: &EngineRow| match key {
                Key::Value(column, value) => row.get(*column) == value,
                Key::Element(column, element) => row.get(*column).contains_key(element),
            };
            for row in server.database.table(id).iter() {
                let found = keys.iter().any(|key| has(key, row));
                assert!(found || !filter.admits(row), "{keys:?} miss {row:?}");
            }
        }
    }
}

fn run(seed: u64) {
    let dice = &mut Dice::new(seed);
    let mut server = Server::new();
    for _ in 0..dice.below(6) {
        server.transact(dice);
    }
    let mut receivers: Vec<Receiver> = (0..4).map(|_| Receiver::new(dice, &server)).collect();
    for _ in 0..12 {
        // Conditions mean the same whether there is an index or not.
        if !seed.is_multiple_of(4) && dice.chance(60) {
            server.index(dice);
        }
        if let Some((commit, before)) = server.transact(dice) {
            for receiver in &mut receivers {
                receiver.note(&server, &commit, &before);
            }
        }
        for (number, receiver) in receivers.iter_mut().enumerate() {
            // The first takes whatever there is at once, the others later and later.
            if dice.below(1 + 3 * number) == 0 {
                receiver.take(&server);
            }
            if dice.chance(10) {
                receiver.change_conditions(dice, &server);
            }
        }
        if dice.chance(10) {
            let place = dice.below(receivers.len());
            receivers[place] = Receiver::new(dice, &server);
        }
    }
    for receiver in &mut receivers {
        receiver.take(&server);
        receiver.check_keys(&server);
    }
    assert_eq!(server.contents, server.all());
    assert_eq!(server.database.check_consistency(), Ok(()));
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test may be told which case to run"
)]
fn run_all(seeds: std::ops::Range<u64>) {
    if let Ok(seed) = std::env::var(SEED) {
        return run(seed.parse().expect("a number"));
    }
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("the case is repeated by {SEED}={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// How many cases each of the tests below runs, so that all cores have some.
const CASES: u64 = 1000;

#[test]
fn replicas_of_conditional_monitors_equal_the_database_first_thousand() {
    run_all(0..CASES);
}

#[test]
fn replicas_of_conditional_monitors_equal_the_database_second_thousand() {
    run_all(CASES..2 * CASES);
}

#[test]
fn versions_of_the_schema_agree() {
    let server = Server::new();
    for id in server.schema().table_ids() {
        let schema = server.schema().table(id);
        for column in table(&schema.name).columns {
            let id = schema.column_id(column.name).expect("it has the column");
            let ty = &schema.column(id).ty;
            let limits = (ty.min as usize, ty.max as usize);
            let max = column.ty.max.unwrap_or(limits.1);
            assert_eq!((column.ty.min, max), limits, "{}", column.name);
        }
        assert_eq!(schema.column_id("_uuid"), Some(ColumnId::UUID));
    }
}
