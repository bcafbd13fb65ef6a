//! What the database has been, version by version, and what transactions may make of it.
//!
//! The server tells of each version that it publishes. Here it is held against the engine, a pure function: the
//! transaction that the version is due to leads to it from the version before. So the order of publication is one that
//! explains the contents, and everything that clients are told is compared with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

use ovsdb_engine::{Commit, Context, Database, Outcome, Row as EngineRow, execute};
use ovsdb_proto::json;
use ovsdb_proto::operation::{Transact, parse_transact};
use ovsdb_proto::schema::{Schema, TableId};
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::hub::Version;
use ovsdb_testkit::monitored::{Contents, Row, TABLES, table, value_from_json};
use serde_json::Value as Json;

/// Marks a transaction: each writes its own number into the one row of the table `Ledger`.
pub(crate) type Tag = i64;

/// A place in the order of versions.
pub(crate) type Index = usize;

/// A version.
struct Seen {
    database: Database,
    contents: Rc<Contents>,
}

/// What came of a transaction by the engine's rules.
struct Made {
    index: Index,
    results: Json,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Chronicle {
    versions: Vec<Seen>,
    by_id: HashMap<Uuid, Index>,
    /// The operations of every transaction that was sent and may change something.
    sent: HashMap<Tag, Json>,
    made: BTreeMap<Tag, Made>,
    /// Transactions that had no effect, as their clients were told.
    refused: BTreeSet<Tag>,
    /// The versions from which the database was read, by the last mark in the file.
    begun: BTreeMap<Tag, Index>,
    /// Up to where everything is sure to outlive the process, and the machine.
    kept: Index,
    durable: Index,
    /// What a version that begins a new row of versions has to be.
    beginning: Option<Database>,
}

/// UUIDs for the engine that are the same every time.
fn counter() -> impl FnMut() -> Uuid {
    let mut last = 0u128;
    move || {
        last += 1;
        Uuid::from_bytes(last.to_be_bytes())
    }
}

/// What a transaction does, by the engine.
pub(crate) fn attempt(
    database: &Database,
    operations: &Json,
    elapsed_ms: u64,
    owns_locks: bool,
) -> Outcome {
    let transact = parsed(database.schema(), operations);
    let mut fresh = counter();
    let mut context = Context {
        elapsed_ms,
        holds_lock: &|_| owns_locks,
        may_block: true,
        ..Context::unrestricted(&mut fresh)
    };
    execute(database, &transact, &mut context)
}

fn parsed(schema: &Schema, operations: &Json) -> Transact {
    let operations = json::parse(operations.to_string().as_bytes()).expect("JSON");
    let operations = operations.as_array().expect("an array");
    parse_transact(schema, operations, &mut counter())
}

fn results_to_json(results: &ovsdb_engine::Results) -> Json {
    serde_json::from_slice(&results.to_bytes()).expect("JSON")
}

fn contents_row(schema: &Schema, id: TableId, row: &EngineRow) -> Row {
    let schema = schema.table(id);
    let columns = table(&schema.name).columns.iter().map(|column| {
        let id = schema.column_id(column.name).expect("the schemas agree");
        let text = row.get(id).to_json(&schema.column(id).ty).to_string();
        let json = serde_json::from_str(&text).expect("JSON");
        (column.name.to_owned(), value_from_json(&json, column.ty))
    });
    columns.collect()
}

/// The table's name, if monitors know the table.
fn monitored(schema: &Schema, id: TableId) -> Option<&'static str> {
    let name = &schema.table(id).name;
    let mut known = TABLES.iter();
    let known = known.find(|known| *known.name == **name);
    known.map(|known| known.name)
}

fn all_contents(database: &Database) -> Contents {
    let schema = database.schema();
    let mut contents = Contents::new();
    for id in database.table_ids() {
        if let Some(name) = monitored(schema, id) {
            for row in database.table(id).iter() {
                contents.insert(
                    (name, row.uuid().to_string()),
                    contents_row(schema, id, row),
                );
            }
        }
    }
    contents
}

/// A row's columns, without what differs each time it is written, and without what a file does not keep.
fn essence(schema: &Schema, id: TableId, row: &EngineRow) -> Vec<String> {
    let table = schema.table(id);
    let mut columns = Vec::new();
    // In the order of their names, whatever numbers they have.
    for column in table.column_ids() {
        let known = table.column(column);
        // Conversions bring the last two, which nobody sets.
        let is_of_interest = !["_version", "more", "other"].contains(&&*known.name);
        if is_of_interest && known.persistent {
            let value = row.get(column).to_json(&known.ty);
            columns.push(format!("{}={value}", known.name));
        }
    }
    columns.sort();
    columns
}

/// Whether two rows are the same, but for what differs each time it is written.
fn is_same(
    schema: &Schema,
    id: TableId,
    one: Option<&Arc<EngineRow>>,
    other: Option<&Arc<EngineRow>>,
) -> bool {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.is_none() && other.is_none(),
    };
    let table = schema.table(id);
    let mut columns = table.column_ids();
    columns.all(|column| {
        one.get(column) == other.get(column) || &*table.column(column).name == "_version"
    })
}

/// All rows likewise, by table and UUID.
fn essences(database: &Database) -> BTreeMap<(String, Uuid), Vec<String>> {
    let schema = database.schema();
    let tables = database.table_ids().flat_map(|id| {
        let rows = database.table(id).iter();
        rows.map(move |row| {
            let key = (schema.table(id).name.to_string(), row.uuid());
            (key, essence(schema, id, row))
        })
    });
    tables.collect()
}

/// Asserts that two databases hold the same, ephemeral columns aside.
fn assert_kept(found: &Database, expected: &Database, what: &str) {
    let (found, expected) = (essences(found), essences(expected));
    assert!(found == expected, "{what}: {found:#?} is not {expected:#?}");
}

/// A number in a row of `Ledger`.
fn number(schema: &Schema, row: &EngineRow, name: &str) -> Tag {
    let (_, table) = schema.table_by_name("Ledger").expect("the schema has it");
    let column = table.column_id(name).expect("the schema has it");
    let value = row.get(column).to_json(&table.column(column).ty);
    value.as_i64().expect("an integer")
}

/// The mark that the one row of `Ledger` holds, of those that are kept.
fn ledger(database: &Database) -> Tag {
    let schema = database.schema();
    let (id, _) = schema.table_by_name("Ledger").expect("the schema has it");
    let row = database.table(id).iter().next().expect("it is never empty");
    number(schema, row, "tag")
}

/// The mark that a transaction has left.
fn mark(schema: &Schema, commit: &Commit) -> Tag {
    let (id, _) = schema.table_by_name("Ledger").expect("the schema has it");
    let mut changes = commit.changes.iter();
    let change = changes.find(|change| change.table == id);
    let change = change.expect("each transaction leaves its mark");
    let (old, new) = match (&change.old, &change.new) {
        (Some(old), Some(new)) => (old, new),
        other => panic!("the ledger is never empty: {other:?}"),
    };
    let marks: Vec<Tag> = ["tag", "passing"]
        .into_iter()
        .filter(|name| number(schema, old, name) != number(schema, new, name))
        .map(|name| number(schema, new, name))
        .collect();
    match marks[..] {
        [mark] => mark,
        _ => panic!("one transaction leaves one mark: {marks:?}"),
    }
}

impl Chronicle {
    /// Takes note of a transaction that may change something, before it is sent.
    pub(crate) fn sends(&mut self, tag: Tag, operations: &Json) {
        self.sent.insert(tag, operations.clone());
    }

    /// Takes note of a version that the server publishes, and of the commits that led to it.
    pub(crate) fn publishes(&mut self, version: &Version, commits: &[(Arc<Commit>, Uuid)]) {
        if commits.is_empty() {
            return self.begins(version);
        }
        for (commit, id) in commits {
            self.commits(commit, *id);
        }
        // What lay between was seen by nobody. Here it is known but for the versions of rows.
        let last = self.versions.last_mut().expect("it was just pushed");
        assert_eq!(version.database.rows(), last.database.rows());
        let schema = version.database.schema();
        let changes = commits.iter().flat_map(|(commit, _)| &commit.changes);
        for change in changes {
            let row = |database: &Database| database.row(change.table, &change.uuid).cloned();
            let (found, wanted) = (row(&version.database), row(&last.database));
            let is_same = is_same(schema, change.table, found.as_ref(), wanted.as_ref());
            assert!(is_same, "{found:?} is not {wanted:?}");
        }
        last.database = version.database.clone();
    }

    /// Takes note of a commit, which leads to the version `id`.
    fn commits(&mut self, commit: &Commit, id: Uuid) {
        let before = self.versions.last().expect("a version was before it");
        let schema = before.database.schema();
        let tag = mark(schema, commit);
        let operations = self
            .sent
            .get(&tag)
            .unwrap_or_else(|| panic!("nobody has sent transaction {tag}"));
        assert!(
            !self.made.contains_key(&tag),
            "transaction {tag} is executed twice"
        );
        assert!(
            !self.refused.contains(&tag),
            "transaction {tag} was told to have failed"
        );
        let outcome = attempt(&before.database, operations, 0, true);
        let Outcome::Prepared(prepared) = outcome else {
            panic!("transaction {tag} comes to nothing here: {outcome:?}");
        };
        let expected = prepared.commit.expect("it changes its mark");
        let rows = |commit: &Commit| -> BTreeSet<(TableId, Uuid)> {
            let rows = commit.changes.iter();
            rows.map(|change| (change.table, change.uuid)).collect()
        };
        assert_eq!(rows(commit), rows(&expected), "transaction {tag}");
        // Versions are told apart by the marks that files keep, so what has none must not be in a file.
        let passes = ledger(&before.database) == ledger(&prepared.next);
        let mut contents = Contents::clone(&before.contents);
        for change in &commit.changes {
            let kept = |row: &Arc<EngineRow>| essence(schema, change.table, row);
            let is_kept = || change.old.as_ref().map(kept) != change.new.as_ref().map(kept);
            assert!(
                !passes || !is_kept(),
                "transaction {tag} is kept without its mark"
            );
            let (id, found) = (change.table, change.new.as_ref());
            let wanted = prepared.next.row(id, &change.uuid);
            assert!(
                is_same(schema, id, found, wanted),
                "transaction {tag}: {found:?} is not {wanted:?}"
            );
            if let Some(name) = monitored(schema, id) {
                let key = (name, change.uuid.to_string());
                match found {
                    Some(row) => contents.insert(key, contents_row(schema, id, row)),
                    None => contents.remove(&key),
                };
            }
        }
        let made = Made {
            index: self.versions.len(),
            results: results_to_json(&prepared.results),
        };
        self.made.insert(tag, made);
        let known = self.by_id.insert(id, self.versions.len());
        assert_eq!(known, None, "two versions are called {id}");
        self.versions.push(Seen {
            database: prepared.next,
            contents: Rc::new(contents),
        });
    }

    /// A database was opened, or has another schema.
    fn begins(&mut self, version: &Version) {
        let before = self.versions.last().map(|seen| &seen.database);
        if let Some(expected) = self.beginning.as_ref().or(before) {
            assert_kept(&version.database, expected, "what begins anew");
        }
        self.beginning = None;
        let mark = ledger(&version.database);
        self.begun.insert(mark, self.versions.len());
        let contents = Rc::new(all_contents(&version.database));
        if let Some(&known) = self.by_id.get(&version.id) {
            assert_eq!(self.versions[known].contents, contents, "{}", version.id);
        }
        self.by_id.insert(version.id, self.versions.len());
        self.versions.push(Seen {
            database: version.database.clone(),
            contents,
        });
    }

    /// The last version.
    pub(crate) fn now(&self) -> Index {
        self.versions.len() - 1
    }

    pub(crate) fn has_begun(&self) -> bool {
        !self.versions.is_empty()
    }

    pub(crate) fn database(&self, index: Index) -> &Database {
        &self.versions[index].database
    }

    pub(crate) fn contents(&self, index: Index) -> Rc<Contents> {
        self.versions[index].contents.clone()
    }

    /// The version of this id.
    pub(crate) fn called(&self, id: &str) -> Index {
        let known = Uuid::parse(id).and_then(|id| self.by_id.get(&id));
        *known.unwrap_or_else(|| panic!("nobody has published {id}"))
    }

    /// The first version of some at which a transaction has these results and changes nothing.
    pub(crate) fn explained(
        &self,
        range: RangeInclusive<Index>,
        operations: &Json,
        elapsed_ms: u64,
        owns_locks: bool,
        results: &Json,
    ) -> Option<Index> {
        range.into_iter().find(|&index| {
            let database = &self.versions[index].database;
            let made = match attempt(database, operations, elapsed_ms, owns_locks) {
                Outcome::Failed(made) => made,
                Outcome::Prepared(prepared) if prepared.commit.is_none() => prepared.results,
                _ => return false,
            };
            results_to_json(&made) == *results
        })
    }

    /// The place of a transaction whose client is told these results, which are no error.
    pub(crate) fn committed(&self, tag: Tag, results: &Json) -> Index {
        let made = self
            .made
            .get(&tag)
            .unwrap_or_else(|| panic!("transaction {tag} is acknowledged and nowhere to be seen"));
        assert_eq!(made.results, *results, "transaction {tag}");
        made.index
    }

    /// A client was told that its transaction is complete.
    pub(crate) fn acknowledged(&mut self, index: Index, is_durable: bool) {
        // What is not kept on purpose is not missed, but stands on what is.
        self.kept = self.kept.max(index);
        let mark = |index: Index| ledger(&self.versions[index].database);
        // A commit that leaves no record waits for no disk.
        if is_durable && mark(index) != mark(index - 1) {
            self.durable = self.durable.max(index);
        }
    }

    /// A client was told that its transaction has no effect.
    pub(crate) fn refuses(&mut self, tag: Tag) {
        assert!(
            !self.made.contains_key(&tag),
            "transaction {tag} has an effect"
        );
        self.refused.insert(tag);
    }

    /// The database is going to be read again, from a file that holds `found`. `marks` are those that its records leave,
    /// in order. Everything acknowledged is to be there if `is_same`, which means that the machine has gone on; else what is
    /// durable.
    pub(crate) fn recovers(&mut self, found: &Database, marks: &[Tag], is_same: bool) {
        found.check_consistency().expect("it was read from a file");
        let must = if is_same { self.kept } else { self.durable };
        (self.kept, self.durable) = (0, 0);
        self.beginning = Some(found.clone());
        if let Some(index) = self.place(ledger(found)) {
            let lost = self.first_kept_after(index);
            assert!(
                lost.is_none_or(|lost| lost > must),
                "version {lost:?} is gone, and {must} was acknowledged"
            );
            return assert_kept(found, self.database(index), "what was read");
        }
        // Some were written and never published, because the end came before. The first record may be what a compaction
        // has made of such.
        let Some(last) = marks.iter().rposition(|tag| self.place(*tag).is_some()) else {
            return;
        };
        let place = self.place(marks[last]).expect("it was just looked at");
        let lost = self.first_kept_after(place);
        if let Some(lost) = lost {
            // A record whose sync failed was cut off, and later ones were written in its place. With the power all of that can go
            // that no sync has made durable: the cut, too, so that the record is back.
            assert!(
                !is_same,
                "version {lost} is gone, and others are in its place"
            );
            assert!(
                lost > must,
                "version {lost} is gone, and {must} was acknowledged"
            );
        }
        let before = lost.map_or(self.now(), |lost| lost - 1);
        let mut database = self.database(before).clone();
        for tag in &marks[last + 1..] {
            let operations = self
                .sent
                .get(tag)
                .unwrap_or_else(|| panic!("nobody has sent transaction {tag}"));
            match attempt(&database, operations, 0, true) {
                Outcome::Prepared(prepared) => database = prepared.next,
                // It stood on changes that no file keeps, and of which nobody has heard.
                _ => return,
            }
            // Not all of it need outlive the next crash.
            self.begun.insert(*tag, self.versions.len());
            self.versions.push(Seen {
                contents: Rc::new(all_contents(&database)),
                database: database.clone(),
            });
        }
        if !self.may_have_passed() {
            assert_kept(found, &database, "what was written last");
        }
    }

    /// Whether a transaction may have had an effect that no file keeps, and of which nobody has heard.
    fn may_have_passed(&self) -> bool {
        let mut unknown = self
            .sent
            .iter()
            .filter(|(tag, _)| !self.made.contains_key(tag) && !self.refused.contains(tag));
        unknown.any(|(_, operations)| operations.to_string().contains("passing"))
    }

    fn place(&self, tag: Tag) -> Option<Index> {
        let begun = self.begun.get(&tag).copied();
        begun.or_else(|| self.made.get(&tag).map(|made| made.index))
    }

    /// The first version after `index` that is due to a transaction whose record a file keeps.
    fn first_kept_after(&self, index: Index) -> Option<Index> {
        let mark = |index: Index| ledger(&self.versions[index].database);
        (index + 1..self.versions.len()).find(|&later| mark(later) != mark(later - 1))
    }
}
