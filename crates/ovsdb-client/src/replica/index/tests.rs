//! Indexes and references beside looking at every row, over many updates.

use std::fmt::Write;

use ovsdb_proto::json;
use ovsdb_proto::schema::Selection;
use ovsdb_proto::updates::{Form, UpdatesReader};

use super::*;
use crate::replica::version::Version;

const SCHEMA: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"i":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},
        "u":{"type":{"key":{"type":"uuid","refTable":"U","refType":"weak"},"min":0,"max":"unlimited"}}}},
    "U":{"isRoot":true,"columns":{
        "t":{"type":{"key":"string","value":{"type":"uuid","refTable":"T","refType":"weak"},
            "min":0,"max":"unlimited"}}}}}}"#;
/// One without some of the columns.
const POORER: &str = r#"{"name":"db","tables":{
    "T":{"isRoot":true,"columns":{"i":{"type":"integer"}}}}}"#;

fn projection(text: &str) -> Arc<Projection> {
    let schema = Schema::from_json(&json::parse(text.as_bytes()).unwrap()).unwrap();
    Arc::new(schema.project(&Selection::all()))
}

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn uuid(n: u64) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// The text of a row of `T` or `U` with whatever in its columns.
fn row(chance: &mut Chance, is_t: bool) -> String {
    let mut list = |each: fn(u64) -> String| {
        let chosen: Vec<u64> = (0..4).filter(|_| chance.below(2) == 0).collect();
        chosen.into_iter().map(each).collect::<Vec<_>>().join(",")
    };
    if !is_t {
        let t = list(|n| format!(r#"["k{n}",["uuid","{}"]]"#, uuid(n)));
        return format!(r#"{{"t":["map",[{t}]]}}"#);
    }
    let s = list(|n| format!(r#""s{n}""#));
    let m = list(|n| format!(r#"["m{n}",{}]"#, n % 3));
    let u = list(|n| format!(r#"["uuid","{}"]"#, uuid(n)));
    let i = chance.below(3);
    format!(r#"{{"i":{i},"s":["set",[{s}]],"m":["map",[{m}]],"u":["set",[{u}]]}}"#)
}

/// An update that fits `version`.
fn update(chance: &mut Chance, version: &Version) -> String {
    let mut tables = Vec::new();
    for name in ["T", "U"] {
        let table = version.schema().table_id(name).unwrap();
        let mut rows = String::new();
        for n in 0..6 {
            if chance.below(3) > 0 {
                continue;
            }
            let uuid = uuid(n);
            let is_there = version
                .rows(table)
                .get(&Uuid::parse(&uuid).unwrap())
                .is_some();
            let change = match (is_there, chance.below(3)) {
                (true, 0) => r#"{"delete":null}"#.to_owned(),
                (true, _) => format!(r#"{{"modify":{}}}"#, row(chance, name == "T")),
                (false, _) => format!(r#"{{"insert":{}}}"#, row(chance, name == "T")),
            };
            let comma = if rows.is_empty() { "" } else { "," };
            write!(rows, r#"{comma}"{uuid}":{change}"#).unwrap();
        }
        tables.push(format!(r#""{name}":{{{rows}}}"#));
    }
    format!("{{{}}}", tables.join(","))
}

/// The keys of a row of `T` in an index, found in the plainest way.
type Naive = fn(&dyn Fn(&str) -> Datum) -> Vec<Vec<Datum>>;

fn singles<'a>(atoms: impl Iterator<Item = &'a Atom>) -> Vec<Datum> {
    atoms.cloned().map(Datum::from_atom).collect()
}

fn indexes() -> Vec<(Index, Naive)> {
    vec![
        (Index::on("T").value("i"), |row| vec![vec![row("i")]]),
        (Index::on("T").value("s"), |row| vec![vec![row("s")]]),
        (Index::on("T").element("s"), |row| {
            singles(row("s").keys())
                .into_iter()
                .map(|s| vec![s])
                .collect()
        }),
        (Index::on("T").value_of("m", "m1"), |row| {
            let value = row("m").get(&Atom::from("m1")).cloned();
            value
                .into_iter()
                .map(|value| vec![Datum::from_atom(value)])
                .collect()
        }),
        (Index::on("T").element("m").value("i").element("u"), |row| {
            let mut keys = Vec::new();
            for m in singles(row("m").keys()) {
                for u in singles(row("u").keys()) {
                    keys.push(vec![m.clone(), row("i"), u]);
                }
            }
            keys
        }),
        (Index::on("T"), |_| vec![vec![]]),
        (Index::on("T").value("none"), |_| vec![]),
        (Index::on("None").value("i"), |_| vec![]),
    ]
}

fn check_indexes(version: &Version) {
    let (id, table) = version.schema().table_by_name("T").unwrap();
    for (index, naive) in indexes() {
        let mut expected = Vec::new();
        for (uuid, row) in version.rows(id).iter() {
            let value = |name: &str| row.get(table.column_id(name).unwrap()).clone();
            let keys = naive(&value);
            expected.extend(keys.into_iter().map(|key| (key, *uuid)));
        }
        expected.sort();
        let found = version.entries(&index, &[]);
        let found: Vec<_> = found.map(|(key, row)| (key.to_vec(), row.uuid())).collect();
        assert_eq!(found, expected, "{index:?}");
        let none = vec![Datum::from_atom(Atom::from("no such key"))];
        let keys = expected.iter().map(|(key, _)| key).chain([&none]);
        for key in keys {
            let same = expected.iter().filter(|(other, _)| other == key);
            let same: Vec<Uuid> = same.map(|(_, uuid)| *uuid).collect();
            let found: Vec<Uuid> = version.find(&index, key).map(Row::uuid).collect();
            assert_eq!(found, same, "{index:?} {key:?}");
            let later = expected.iter().filter(|(other, _)| other >= key).count();
            assert_eq!(
                version.entries(&index, key).count(),
                later,
                "{index:?} {key:?}"
            );
        }
    }
}

fn check_references(version: &Version) {
    let schema = version.schema();
    let mut forth = Vec::new();
    let mut back = Vec::new();
    for id in schema.table_ids() {
        for (uuid, row) in version.rows(id).iter() {
            for &column in schema.table(id).column_ids_by_name() {
                for (target, referred) in version.referred(id, column, row) {
                    forth.push((id, *uuid, column, target, referred.uuid()));
                }
            }
            for (source, column, referrer) in version.referrers(id, *uuid) {
                back.push((source, referrer.uuid(), column, id, *uuid));
            }
        }
    }
    forth.sort();
    back.sort();
    assert_eq!(forth, back);
    // In the plainest way: the rows of U that are named by T, and that are there.
    let (t, table) = schema.table_by_name("T").unwrap();
    let u = schema.table_id("U").unwrap();
    let column = table.column_id("u").unwrap();
    let expected = version.rows(t).values().map(|row| {
        let named = row.get(column).uuids();
        named
            .filter(|uuid| version.rows(u).get(uuid).is_some())
            .count()
    });
    let found = forth.iter().filter(|(source, ..)| *source == t).count();
    assert_eq!(found, expected.sum::<usize>());
}

#[test]
fn rows_are_found_as_by_looking_at_all_of_them() {
    let projection = projection(SCHEMA);
    let mut chance = Chance(7);
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    for _ in 0..20 {
        let mut version = Version::empty(Arc::clone(&projection));
        let mut added = indexes().into_iter().map(|(index, _)| Arc::new(index));
        // Some are there from the beginning, and some come later.
        for index in added.by_ref().take(3) {
            version = version.indexed(&index);
        }
        let later: Vec<_> = added.collect();
        for round in 0..12 {
            let text = update(&mut chance, &version);
            let updates = reader.read(Form::Updates2, text.as_bytes()).unwrap();
            let before = version.clone();
            version = version.updated(updates).unwrap();
            if round == 3 {
                for index in &later {
                    version = version.indexed(index);
                }
            }
            if round >= 3 {
                check_indexes(&version);
            }
            if round > 3 {
                check_indexes(&before);
            }
            check_references(&version);
        }
        let all = format!(
            r#"{{"T":{{"{}":{{"initial":{}}}}}}}"#,
            uuid(9),
            row(&mut chance, true)
        );
        let updates = reader.read(Form::Updates2, all.as_bytes()).unwrap();
        let replaced = version.replaced(Arc::clone(&projection), updates).unwrap();
        assert_eq!(replaced.n_rows(), 1);
        check_indexes(&replaced);
    }
}

#[test]
fn an_index_finds_nothing_while_its_column_is_not_there() {
    let index = Arc::new(Index::on("T").element("s"));
    let rich = projection(SCHEMA);
    let poor = projection(POORER);
    let read = |projection: &Arc<Projection>, row: &str| {
        let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
        let text = format!(r#"{{"T":{{"{}":{{"initial":{row}}}}}}}"#, uuid(1));
        reader.read(Form::Updates2, text.as_bytes()).unwrap()
    };
    let empty = Version::empty(Arc::clone(&rich)).indexed(&index);
    let with = read(&rich, r#"{"s":"x"}"#);
    let first = empty.replaced(Arc::clone(&rich), with.clone()).unwrap();
    let key = [Datum::from_atom(Atom::from("x"))];
    assert_eq!(first.find(&index, &key).count(), 1);
    let second = first
        .replaced(Arc::clone(&poor), read(&poor, "{}"))
        .unwrap();
    assert_eq!(second.find(&index, &key).count(), 0);
    let third = second.replaced(rich, with).unwrap();
    assert_eq!(third.find(&index, &key).count(), 1);
}
