//! Versions made by updates, and what lies between them.

use ovsdb_proto::json;
use ovsdb_proto::schema::{Projection, Selection};
use ovsdb_proto::updates::{Form, TableUpdates, UpdatesReader};

use super::super::version::STEP_ROWS_MAX;
use super::*;

const SCHEMA: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"gone":{"type":"string"},"i":{"type":"integer"},"kind":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}}}},
    "U":{"isRoot":true,"columns":{"n":{"type":"string"}}}}}"#;
/// One with other tables and columns.
const NEWER: &str = r#"{"name":"db","tables":{
    "A":{"isRoot":true,"columns":{"n":{"type":"string"}}},
    "T":{"isRoot":true,"columns":{"added":{"type":"integer"},"i":{"type":"integer"},"kind":{"type":"real"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}"#;

/// An update, of which a row is the last digit of its name.
fn read(projection: &Projection, text: &str) -> TableUpdates {
    let mut spelt = text.to_owned();
    for digit in "123456789".chars() {
        let name = format!("\"00000000-0000-0000-0000-00000000000{digit}\":");
        spelt = spelt.replace(&format!("\"{digit}\":"), &name);
    }
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    reader.read(Form::Updates2, spelt.as_bytes()).unwrap()
}

/// The version that has the rows in `initial`, and after it those that `updates` lead to one after another.
fn versions(schema: &str, initial: &str, updates: &[&str]) -> Vec<Arc<Version>> {
    let schema = Schema::from_json(&json::parse(schema.as_bytes()).unwrap()).unwrap();
    let projection = Arc::new(schema.project(&Selection::all()));
    let read = |text| read(&projection, text);
    let empty = Version::empty(Arc::clone(&projection));
    let first = empty.replaced(Arc::clone(&projection), read(initial));
    let mut versions = vec![Arc::new(first.unwrap())];
    for update in updates {
        let next = versions.last().unwrap().updated(read(update)).unwrap();
        versions.push(Arc::new(next));
    }
    versions
}

/// The changes in words.
fn words(changes: &Changes, interest: &Interest) -> Vec<String> {
    let word = |change: Change<'_>| {
        let kind = match change.kind() {
            ChangeKind::Insert => '+',
            ChangeKind::Modify => '~',
            ChangeKind::Delete => '-',
        };
        assert_eq!(change.old_row().is_some(), kind != '+');
        assert_eq!(change.new_row().is_some(), kind != '-');
        let digit = change.uuid().to_string().pop().unwrap();
        let values = change.columns().map(|name| {
            let value = |value: Option<&Datum>| match value {
                Some(datum) => format!("{datum:?}"),
                None => String::new(),
            };
            format!(
                " {name}:{}>{}",
                value(change.old_value(name)),
                value(change.new_value(name))
            )
        });
        format!(
            "{} {kind}{digit}{}",
            change.table(),
            values.collect::<String>()
        )
    };
    changes.iter(interest).map(word).collect()
}

const INITIAL: &str = r#"{"T":{"1":{"initial":{"i":1}},"2":{"initial":{"s":["set",["x","y"]]}},"3":{"initial":{}}},
    "U":{"9":{"initial":{"n":"u"}}}}"#;

#[test]
fn between_versions_there_is_one_change_of_each_row_that_differs() {
    let int = |n: i64| format!("{:?}", Datum::from_atom(n.into()));
    let versions = versions(
        SCHEMA,
        INITIAL,
        &[
            r#"{"T":{"1":{"modify":{"i":2}},"3":{"delete":null},"4":{"insert":{}}}}"#,
            r#"{"T":{"1":{"modify":{"i":3}},"4":{"delete":null}},"U":{"8":{"insert":{"n":""}}}}"#,
            r#"{"T":{"1":{"modify":{"i":1}},"3":{"insert":{}}},"U":{"8":{"delete":null}}}"#,
        ],
    );
    // (from, to, changes)
    let cases: [(usize, usize, &[&str]); 5] = [
        (0, 0, &[]),
        (0, 1, &["T ~1 i", "T -3", "T +4"]),
        (0, 2, &["T ~1 i", "T -3", "U +8"]),
        (0, 3, &[]),
        (2, 1, &["T ~1 i", "T +4", "U -8"]),
    ];
    for (from, to, expected) in cases {
        let changes = Changes::between(Arc::clone(&versions[from]), Arc::clone(&versions[to]));
        let words = words(&changes, &Interest::all());
        // Without the values, and of rows that are not in both without the columns.
        let short = words.iter().map(|word| {
            let mut parts = word.split(' ').map(|part| part.split(':').next().unwrap());
            let n = if word.contains('~') { 3 } else { 2 };
            parts.by_ref().take(n).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(short.collect::<Vec<_>>(), expected, "{from} to {to}");
    }
    let changes = Changes::between(Arc::clone(&versions[0]), Arc::clone(&versions[2]));
    let all = words(&changes, &Interest::all());
    assert_eq!(all[0], format!("T ~1 i:{}>{}", int(1), int(3)));
    let gone = changes.iter(&Interest::all()).nth(1).map(|change| {
        (
            change.old_value("i").cloned(),
            change.new_value("i").cloned(),
        )
    });
    assert_eq!(gone, Some((Some(Datum::from_atom(0.into())), None)));
}

#[test]
fn only_what_is_of_interest_is_told() {
    let versions = versions(
        SCHEMA,
        INITIAL,
        &[
            r#"{"T":{"1":{"modify":{"i":2}},"2":{"modify":{"s":["set",["x"]]}},"3":{"delete":null}},
            "U":{"9":{"delete":null}}}"#,
        ],
    );
    let changes = Changes::between(Arc::clone(&versions[0]), Arc::clone(&versions[1]));
    let none: [&str; 0] = [];
    let cases: [(Interest, &[&str]); 6] = [
        (Interest::all(), &["T ~1", "T ~2", "T -3", "U -9"]),
        (Interest::all().table("U"), &["U -9"]),
        (
            Interest::all().table("U").table("T"),
            &["T ~1", "T ~2", "T -3", "U -9"],
        ),
        (
            Interest::all().columns("T", ["i", "kind"]),
            &["T ~1", "T -3"],
        ),
        (Interest::all().columns("T", none), &["T -3"]),
        (Interest::all().table("X"), &[]),
    ];
    for (interest, expected) in cases {
        let words = words(&changes, &interest);
        let short = words.iter().map(|word| {
            let parts: Vec<&str> = word.split(' ').take(2).collect();
            parts.join(" ")
        });
        assert_eq!(short.collect::<Vec<_>>(), expected, "{interest:?}");
    }
}

#[test]
fn rows_that_were_told_anew_and_are_equal_did_not_change() {
    let again = r#"{"T":{"1":{"initial":{"i":1}},"2":{"initial":{"s":["set",["y"]]}}},"U":{"9":{"initial":{"n":"u"}}}}"#;
    let older = versions(SCHEMA, INITIAL, &[]).remove(0);
    let newer = versions(SCHEMA, again, &[]).remove(0);
    let changes = Changes::between(older, newer);
    let words = words(&changes, &Interest::all());
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[0].starts_with("T ~2 s:"), "{words:?}");
    assert!(words[1].starts_with("T -3 "), "{words:?}");
}

#[test]
fn over_a_change_of_schema_names_say_what_is_the_same() {
    let initial = r#"{"A":{"9":{"initial":{}}},"T":{
        "1":{"initial":{"i":1}},"2":{"initial":{"s":["set",["x","y"]],"added":7}},"3":{"initial":{"i":5}}}}"#;
    let older = r#"{"T":{"1":{"initial":{"i":1,"gone":"x"}},"2":{"initial":{"s":["set",["x","y"]]}},"3":{"initial":{}}},
        "U":{"9":{"initial":{"n":"u"}}}}"#;
    let older = versions(
        &SCHEMA.replace(r#""kind":{"type":"integer"},"#, ""),
        older,
        &[],
    );
    let newer = versions(
        &NEWER.replace(r#""kind":{"type":"real"},"#, ""),
        initial,
        &[],
    );
    let changes = Changes::between(Arc::clone(&older[0]), Arc::clone(&newer[0]));
    let interest = Interest::all();
    let told = changes.iter(&interest).map(|change| {
        let columns: Vec<&str> = change.columns().collect();
        let digit = change.uuid().to_string().pop().unwrap();
        format!(
            "{} {digit} {:?} {}",
            change.table(),
            change.kind(),
            columns.join(",")
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "A 9 Insert n",
            "T 2 Modify added",
            "T 3 Modify i",
            "U 9 Delete n"
        ]
    );
}

#[test]
fn a_column_that_got_another_type_changed_in_every_row() {
    let initial = r#"{"T":{"1":{"initial":{}}}}"#;
    let older = versions(SCHEMA, initial, &[]).remove(0);
    let newer = versions(NEWER, initial, &[]).remove(0);
    let changes = Changes::between(older, newer);
    let interest = Interest::all();
    let columns = changes.iter(&interest).flat_map(|change| change.columns());
    assert_eq!(columns.collect::<Vec<_>>(), ["kind"]);
}

/// An update that modifies so many rows, which [`INITIAL`] does not have, or inserts them.
fn many(n: usize, kind: &str, value: i64) -> TableUpdates {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let projection = schema.project(&Selection::all());
    let rows: Vec<String> = (0..n)
        .map(|n| format!(r#""00000000-0000-0000-0001-{n:012}":{{"{kind}":{{"i":{value}}}}}"#))
        .collect();
    let text = format!(r#"{{"T":{{{}}}}}"#, rows.join(","));
    let mut reader = UpdatesReader::new(projection.schema);
    reader.read(Form::Updates2, text.as_bytes()).unwrap()
}

#[test]
fn what_an_update_changed_is_told_whether_it_is_remembered_or_found_by_comparing() {
    for (n, is_remembered) in [(1, true), (STEP_ROWS_MAX, true), (STEP_ROWS_MAX + 1, false)] {
        let base = versions(SCHEMA, INITIAL, &[]).remove(0);
        let inserted = Arc::new(base.updated(many(n, "insert", 1)).unwrap());
        assert_eq!(inserted.step_from(&base).is_some(), is_remembered, "{n}");
        let modified = Arc::new(inserted.updated(many(n, "modify", 2)).unwrap());
        let interest = Interest::all();
        for (older, newer, kind) in [
            (&base, &inserted, ChangeKind::Insert),
            (&inserted, &modified, ChangeKind::Modify),
            (&base, &modified, ChangeKind::Insert),
            (&modified, &inserted, ChangeKind::Modify),
            (&inserted, &base, ChangeKind::Delete),
        ] {
            let changes = Changes::between(Arc::clone(older), Arc::clone(newer));
            let told: Vec<_> = changes
                .iter(&interest)
                .map(|change| change.kind())
                .collect();
            assert_eq!(told, vec![kind; n]);
        }
    }
}

#[test]
fn contents_that_came_another_way_are_compared_though_they_are_as_many_updates_old() {
    let base = versions(SCHEMA, INITIAL, &[]).remove(0);
    let one = Arc::new(base.updated(many(1, "insert", 1)).unwrap());
    let other = Arc::new(base.updated(many(2, "insert", 1)).unwrap());
    let after_one = Arc::new(one.updated(many(1, "modify", 2)).unwrap());
    assert_eq!(one.generation(), other.generation());
    let changes = Changes::between(other, after_one);
    let interest = Interest::all();
    let told: Vec<_> = changes
        .iter(&interest)
        .map(|change| change.kind())
        .collect();
    assert_eq!(told, [ChangeKind::Modify, ChangeKind::Delete]);
}

#[test]
fn updates_together_lead_where_they_lead_one_by_one_and_are_remembered_as_one() {
    let cases: [&[&str]; 9] = [
        &[],
        &[r#"{"T":{"1":{"modify":{"i":2}}}}"#],
        // Twice, and back to what it was.
        &[
            r#"{"T":{"1":{"modify":{"i":2}}}}"#,
            r#"{"T":{"1":{"modify":{"i":3}},"2":{"modify":{"s":["set",["y","z"]]}}}}"#,
        ],
        &[
            r#"{"T":{"1":{"modify":{"i":2}}}}"#,
            r#"{"T":{"1":{"modify":{"i":1}}}}"#,
        ],
        // Tables and rows in another order than that of their names.
        &[
            r#"{"U":{"9":{"modify":{"n":"v"}},"8":{"insert":{"n":"w"}}}}"#,
            r#"{"T":{"3":{"modify":{"i":5}}}}"#,
            r#"{"T":{"1":{"modify":{"i":5}}}}"#,
        ],
        // It comes and changes, or goes, or goes and comes again.
        &[
            r#"{"T":{"4":{"insert":{"i":4}}}}"#,
            r#"{"T":{"4":{"modify":{"i":5}}}}"#,
        ],
        &[
            r#"{"T":{"4":{"insert":{"i":4}}}}"#,
            r#"{"T":{"4":{"delete":null}}}"#,
        ],
        &[
            r#"{"T":{"1":{"delete":null}}}"#,
            r#"{"T":{"1":{"insert":{"i":1}}}}"#,
        ],
        &[
            r#"{"T":{"1":{"modify":{"i":7}}}}"#,
            r#"{"T":{"1":{"delete":null}}}"#,
            r#"{"T":{"1":{"insert":{"i":6}},"2":{"delete":null}}}"#,
        ],
    ];
    let all = Interest::all();
    for updates in cases {
        let one_by_one = versions(SCHEMA, INITIAL, updates);
        let (base, last) = (&one_by_one[0], one_by_one.last().unwrap());
        let mut draft = base.draft();
        for update in updates {
            draft.update(read(base.projection(), update)).unwrap();
        }
        let together = Arc::new(draft.finish());
        assert_eq!(together.generation(), base.generation() + 1);
        assert_eq!(together.n_rows(), last.n_rows(), "{updates:?}");
        assert_eq!(together.n_bytes(), last.n_bytes(), "{updates:?}");
        let between = |older: &Arc<Version>, newer: &Arc<Version>| {
            Changes::between(older.clone(), newer.clone())
        };
        assert_eq!(words(&between(last, &together), &all), [""; 0]);
        assert!(together.step_from(base).is_some());
        // Of more than one update that came by itself nothing is remembered.
        assert_eq!(last.step_from(base).is_some(), updates.len() == 1);
        let (remembered, compared) = (between(base, &together), between(base, last));
        assert_eq!(words(&remembered, &all), words(&compared, &all));
    }
}

#[test]
fn updates_that_change_too_much_together_are_not_remembered() {
    let base = versions(SCHEMA, INITIAL, &[]).remove(0);
    let mut draft = base.draft();
    draft.update(many(STEP_ROWS_MAX, "insert", 1)).unwrap();
    draft.update(many(1, "modify", 2)).unwrap();
    let version = Arc::new(draft.finish());
    assert!(version.step_from(&base).is_none());
    let changes = Changes::between(base, version);
    assert_eq!(changes.iter(&Interest::all()).count(), STEP_ROWS_MAX);
}
