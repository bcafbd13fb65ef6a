//! What a history knows, forgets and refuses to tell.

use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_log::Digest;
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;

use super::*;
use crate::runtime::fresh_uuid;
use crate::transaction_id::{after_record, without_record};

/// A bound that nothing here reaches.
const ROOMY: Bounds = Bounds {
    base: 1 << 30,
    per_row: 0,
    max: 1 << 30,
};

/// The id of version `number`, which has a record.
fn id(number: u8) -> Uuid {
    after_record(Uuid::ZERO, &Digest::of(&[&[number]]))
}

fn nothing() -> Arc<Commit> {
    Arc::new(Commit {
        changes: Vec::new(),
    })
}

/// Adds a commit that leads to the version `id`, and drops what is forgotten.
fn push(history: &mut History, id: Uuid, commit: Arc<Commit>) {
    history.push(id, commit, &mut Forgotten::default());
}

/// A history of `commits` commits that leads from version 0 to version `commits`.
fn history(commits: u8, bounds: Bounds) -> History {
    let mut history = History::with_bounds(id(0), 0, bounds);
    for number in 1..=commits {
        push(&mut history, id(number), nothing());
    }
    history
}

/// How many commits are said to follow, in a database with a row.
fn count(history: &History, id: Uuid, shown: Shown) -> Option<usize> {
    let mut database = Database::new(schema(SCHEMA));
    transact(&mut database, r#"[{"op":"insert","table":"T","row":{}}]"#);
    count_to(&database, history, id, shown)
}

fn count_to(latest: &Database, history: &History, id: Uuid, shown: Shown) -> Option<usize> {
    let missed = history.since(id, shown)?;
    missed.is_sound(latest).then(|| missed.commits().count())
}

/// What a monitor shows of ephemeral columns of the table `T`.
fn others() -> Shown {
    let schema = schema(SCHEMA);
    Shown::OtherColumns(vec![table(&schema, "T")])
}

fn table(schema: &Schema, name: &str) -> TableId {
    schema.table_by_name(name).expect("it has it").0
}

fn after(history: &History, number: u8) -> Option<usize> {
    count(history, id(number), Shown::KeptColumns)
}

#[test]
fn what_follows_a_known_version_is_told() {
    let history = history(3, ROOMY);
    let found = [0, 1, 2, 3, 4].map(|number| after(&history, number));
    assert_eq!(found, [Some(3), Some(2), Some(1), Some(0), None]);
    assert_eq!(history.last(), id(3));
    assert_eq!(
        history.since(Uuid::ZERO, Shown::KeptColumns).map(|_| ()),
        None
    );
}

fn is_same(told: &Missed, expected: &[Arc<Commit>]) -> bool {
    let mut pairs = told.commits().zip(expected);
    told.commits().count() == expected.len()
        && pairs.all(|(told, pushed)| Arc::ptr_eq(told, pushed))
}

#[test]
fn commits_come_oldest_first() {
    let mut history = history(0, ROOMY);
    let commits: Vec<Arc<Commit>> = (0..3).map(|_| nothing()).collect();
    for (number, commit) in (1..).zip(&commits) {
        push(&mut history, id(number), commit.clone());
    }
    let told = history.since(id(1), Shown::KeptColumns).expect("known");
    assert!(is_same(&told, &commits[1..]));
}

#[test]
fn the_oldest_versions_go_when_there_are_too_many_bytes() {
    let one = history(1, ROOMY).bytes();
    let two = Bounds {
        base: 2 * one,
        ..ROOMY
    };
    let mut history = history(5, two);
    let found = [0, 1, 2, 3, 4, 5].map(|number| after(&history, number));
    assert_eq!(found, [None, None, None, Some(2), Some(1), Some(0)]);
    assert_eq!(history.bytes(), 2 * one);
    assert_eq!(history.numbers.len(), 3);
    push(&mut history, id(6), nothing());
    assert_eq!(after(&history, 4), Some(2));
}

#[test]
fn a_commit_that_is_too_large_leaves_its_version_known() {
    let none = Bounds { base: 0, ..ROOMY };
    let history = history(1, none);
    assert_eq!((after(&history, 0), after(&history, 1)), (None, Some(0)));
    assert_eq!((history.last(), history.bytes()), (id(1), 0));
}

#[test]
fn versions_from_a_file_are_known_to_those_who_were_shown_what_files_keep() {
    let mut history = history(2, ROOMY);
    let begin = without_record(id(2));
    history.begin_own(begin);
    push(&mut history, id(3), nothing());
    let check = |id, kept, other| {
        let found = [Shown::KeptColumns, others()].map(|shown| count(&history, id, shown));
        assert_eq!(found, [kept, other], "{id}");
    };
    check(id(1), Some(2), None);
    // What the process before and this one had in ephemeral columns at this record need not be the same.
    check(id(2), Some(1), None);
    check(begin, Some(1), Some(1));
    check(id(3), Some(0), Some(0));
}

#[test]
fn versions_without_record_of_another_process_are_what_the_file_kept_of_them() {
    let mut history = history(2, ROOMY);
    history.begin_own(without_record(id(2)));
    push(&mut history, id(3), nothing());
    for (number, kept) in [(0, Some(3)), (2, Some(1)), (3, Some(0)), (4, None)] {
        let id = without_record(id(number));
        assert_eq!(count(&history, id, Shown::KeptColumns), kept, "{number}");
        assert_eq!(count(&history, id, others()), None, "{number}");
    }
}

#[test]
fn an_id_with_a_record_is_known_as_a_whole_or_not_at_all() {
    let history = history(2, ROOMY);
    let mut bytes = *id(1).as_bytes();
    bytes[15] ^= 1;
    assert_eq!(
        count(&history, Uuid::from_bytes(bytes), Shown::KeptColumns),
        None
    );
}

#[test]
fn own_versions_without_record_count_on_their_own() {
    let mut history = history(1, ROOMY);
    history.begin_own(without_record(id(1)));
    let ids = [(); 3].map(|()| without_record(id(1)));
    for id in ids {
        push(&mut history, id, nothing());
    }
    let found = ids.map(|id| count(&history, id, others()));
    assert_eq!(found, [Some(2), Some(1), Some(0)]);
    assert_eq!(after(&history, 1), Some(3));
}

#[test]
fn a_version_that_is_like_the_one_before_has_no_commit() {
    let mut history = history(1, ROOMY);
    history.push_same(id(2));
    push(&mut history, id(3), nothing());
    assert_eq!(
        [1, 2, 3].map(|number| after(&history, number)),
        [Some(1), Some(1), Some(0)]
    );
}

#[test]
fn nothing_before_a_clearing_is_known() {
    let mut history = history(2, ROOMY);
    history.clear_to(id(3), 0);
    push(&mut history, id(4), nothing());
    let found = [0, 2, 3, 4].map(|number| after(&history, number));
    assert_eq!(found, [None, None, Some(1), Some(0)]);
    assert_eq!(count(&history, id(3), others()), Some(1));
    assert_eq!(
        count(&history, without_record(id(2)), Shown::KeptColumns),
        None
    );
}

const SCHEMA: &str = r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{
    "n":{"type":"integer"},
    "text":{"type":"string"},
    "state":{"type":"string","ephemeral":true}}}}}"#;

fn schema(text: &str) -> Arc<Schema> {
    let json = json::parse(text.as_bytes()).expect("valid JSON");
    Arc::new(Schema::from_json(&json).expect("a valid schema"))
}

/// Executes operations on a database.
fn transact(database: &mut Database, operations: &str) -> Arc<Commit> {
    let operations = json::parse(operations.as_bytes()).expect("valid JSON");
    let operations = operations.as_array().expect("an array");
    let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
    let mut fresh = fresh_uuid;
    let mut context = Context::unrestricted(&mut fresh);
    match execute(database, &transact, &mut context) {
        Outcome::Prepared(prepared) => {
            *database = prepared.next;
            Arc::new(prepared.commit.expect("a change"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn old_rows_are_what_costs_and_the_more_rows_a_database_has_the_more_of_them_may_stay() {
    let mut database = Database::new(schema(SCHEMA));
    let bounds = Bounds {
        base: 0,
        per_row: 20_000,
        max: 100_000,
    };
    let mut history = History::with_bounds(id(0), 0, bounds);
    let text = "x".repeat(10_000);
    let insert = format!(r#"[{{"op":"insert","table":"T","row":{{"text":"{text}"}}}}]"#);
    push(&mut history, id(1), transact(&mut database, &insert));
    assert!(history.bytes() < 1000, "a new row is the database's");
    for (number, rows) in [(2, 1), (3, 1), (4, 1)] {
        let text = number.to_string().repeat(10_000);
        let update =
            format!(r#"[{{"op":"update","table":"T","where":[],"row":{{"text":"{text}"}}}}]"#);
        push(&mut history, id(number), transact(&mut database, &update));
        assert!(history.bytes() <= rows * 20_000);
    }
    assert_eq!(
        [2, 3].map(|number| after(&history, number)),
        [None, Some(1)]
    );

    for number in 5..15 {
        push(&mut history, id(number), transact(&mut database, &insert));
    }
    // Eleven rows would be worth more than the maximum.
    let update = r#"[{"op":"update","table":"T","where":[["text","==","y"]],"row":{"text":"z"}},
        {"op":"delete","table":"T","where":[]}]"#;
    push(&mut history, id(15), transact(&mut database, update));
    assert_eq!(history.last(), id(15));
    assert_eq!((history.rows, after(&history, 14)), (0, None));
}

#[test]
fn a_change_of_one_column_costs_little_whatever_the_others_hold() {
    let mut database = Database::new(schema(SCHEMA));
    let text = "x".repeat(10_000);
    let insert = format!(r#"[{{"op":"insert","table":"T","row":{{"text":"{text}"}}}}]"#);
    transact(&mut database, &insert);
    let update = r#"[{"op":"update","table":"T","where":[],"row":{"n":1}}]"#;
    assert!(transact(&mut database, update).bytes() < 1000);
    let update = r#"[{"op":"update","table":"T","where":[],"row":{"text":""}}]"#;
    assert!(transact(&mut database, update).bytes() > 10_000);
}

#[track_caller]
fn check_shown(schema_text: &str, requests: &str, others: &[&str]) {
    let schema = schema(schema_text);
    let tables: Vec<TableId> = others.iter().map(|name| table(&schema, name)).collect();
    let expected = match tables.is_empty() {
        true => Shown::KeptColumns,
        false => Shown::OtherColumns(tables),
    };
    let json = json::parse(requests.as_bytes()).expect("valid JSON");
    let requests = MonitorRequests::from_json(&schema, &json, true).expect("valid requests");
    assert_eq!(Shown::of(&schema, &requests), expected, "{json}");
}

#[test]
fn ephemeral_columns_and_versions_are_not_told_from_files() {
    check_shown(SCHEMA, r#"{}"#, &[]);
    check_shown(SCHEMA, r#"{"T":{"columns":["n","text"]}}"#, &[]);
    check_shown(SCHEMA, r#"{"T":{"columns":["_uuid"]}}"#, &[]);
    check_shown(SCHEMA, r#"{"T":{"columns":["n","state"]}}"#, &["T"]);
    check_shown(SCHEMA, r#"{"T":{"columns":["_version"]}}"#, &["T"]);
    // All columns, `_version` among them.
    check_shown(SCHEMA, r#"{"T":{}}"#, &["T"]);
    // Which rows are shown depends on the column.
    let condition = r#"{"T":{"columns":["n"],"where":[["state","==","x"]]}}"#;
    check_shown(SCHEMA, condition, &["T"]);
    let condition = r#"{"T":{"columns":["n"],"where":[["text","==","x"],true]}}"#;
    check_shown(SCHEMA, condition, &[]);
}

#[test]
fn columns_that_keep_rows_alive_are_told_from_files() {
    let schema = r#"{"name":"D","tables":{
        "T":{"isRoot":true,"columns":{"held":{"ephemeral":true,"type":{"key":{"type":"uuid","refTable":"U"},"min":0}}}},
        "U":{"columns":{"n":{"type":"integer"}}}}}"#;
    check_shown(schema, r#"{"T":{"columns":["held"]}}"#, &[]);
    let weak = schema.replace(r#""refTable":"U""#, r#""refTable":"U","refType":"weak""#);
    check_shown(&weak, r#"{"T":{"columns":["held"]}}"#, &["T"]);
}

#[test]
fn whatever_is_put_aside_in_chunks_what_follows_a_version_is_told() {
    // The one commit that is large makes a chunk that is not full.
    let (count, large) = (3 * CHUNK_STEPS + 7, CHUNK_STEPS + 50);
    let mut history = History::with_bounds(Uuid::ZERO, 0, ROOMY);
    let of_size = |size| {
        Arc::new(Commit {
            changes: Vec::with_capacity(size),
        })
    };
    let commits: Vec<Arc<Commit>> = (0..count)
        .map(|number| of_size(if number == large { CHUNK_BYTES } else { 0 }))
        .collect();
    let ids: Vec<Uuid> = commits.iter().map(|_| fresh_uuid()).collect();
    for (commit, &id) in commits.iter().zip(&ids) {
        push(&mut history, id, commit.clone());
    }
    assert_eq!((history.chunks.len(), history.last()), (3, ids[count - 1]));
    for (number, &id) in ids.iter().enumerate() {
        let told = history.since(id, Shown::KeptColumns).expect("known");
        assert!(is_same(&told, &commits[number + 1..]), "{number}");
        assert!(told.chunks.len() <= 3 && told.recent.len() < CHUNK_STEPS);
    }
    // They are forgotten chunk by chunk, and then one by one.
    let bytes = history.bytes();
    let known = |history: &History| {
        let known = |id: &&Uuid| history.since(**id, Shown::KeptColumns).is_some();
        ids.iter().filter(known).count()
    };
    let mut left = vec![known(&history)];
    while history.drop_oldest(&mut Forgotten::default()) {
        assert!(history.bytes() < bytes);
        left.push(known(&history));
    }
    let all = [CHUNK_STEPS, large + 1, large + 1 + CHUNK_STEPS];
    let rest = |forgotten: usize| count - forgotten + 1;
    assert_eq!(left[..4], [count, rest(all[0]), rest(all[1]), rest(all[2])]);
    assert_eq!(left.last(), Some(&1));
    assert_eq!((history.bytes(), history.numbers.len()), (0, 1));
}

#[test]
fn where_there_was_no_row_nothing_of_it_is_in_doubt() {
    const INSERT: &str = r#"[{"op":"insert","table":"T","row":{"n":1}}]"#;
    const DELETE: &str = r#"[{"op":"delete","table":"T","where":[]}]"#;
    let mut database = Database::new(schema(SCHEMA));
    let mut history = History::with_bounds(id(0), 0, ROOMY);
    let mut push = |history: &mut History, number, operations| {
        push(history, id(number), transact(&mut database, operations));
    };
    push(&mut history, 1, INSERT);
    push(&mut history, 2, DELETE);
    history.begin_own(without_record(id(2)));
    push(&mut history, 3, INSERT);
    push(
        &mut history,
        4,
        r#"[{"op":"update","table":"T","where":[],"row":{"n":2}}]"#,
    );
    let found = [0, 1, 2, 3].map(|number| count_to(&database, &history, id(number), others()));
    assert_eq!(found, [Some(4), None, Some(2), Some(1)]);
    // So it is with what another process calls a version without a record.
    let id = |number| without_record(id(number));
    let found = [0, 1, 2, 3].map(|number| count_to(&database, &history, id(number), others()));
    assert_eq!(found, [Some(4), None, Some(2), None]);
}
