//! Conversion to other schemas: what becomes of the rows, which changes cost nothing, and what is refused; then random
//! schemas against a conversion that writes all rows as JSON and reads them under the new schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, ReplayError, replay, snapshot_record};
use ovsdb_engine::{Context, Conversion, Database, Outcome, convert, execute};
use ovsdb_proto::json::{self, Json, Object};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::{Schema, TableSchema};
use ovsdb_proto::uuid::Uuid;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

fn parse(tables: &str) -> Schema {
    let text = format!(r#"{{"name":"D","tables":{tables}}}"#);
    Schema::from_json(&json::parse(text.as_bytes()).unwrap()).unwrap()
}

/// UUIDs one after another.
fn fresh() -> impl FnMut() -> Uuid {
    let mut last = 1_u128 << 100;
    move || {
        last += 1;
        Uuid::from_bytes(last.to_be_bytes())
    }
}

/// The version after a transaction, or its error.
fn run(database: &Database, operations: &str) -> Result<Database, String> {
    let operations = json::parse(operations.as_bytes()).unwrap();
    let mut uuids = fresh();
    let schema = database.schema();
    let transact = parse_transact(schema, operations.as_array().unwrap(), &mut uuids);
    let mut context = Context::unrestricted(&mut uuids);
    match execute(database, &transact, &mut context) {
        Outcome::Prepared(prepared) => Ok(prepared.next),
        Outcome::Failed(results) => Err(results.error().unwrap().to_string()),
        Outcome::Blocked { .. } => unreachable!("there are no waits"),
    }
}

/// All rows by the names of their tables, without `_version`.
fn dump(database: &Database) -> String {
    let mut lines = Vec::new();
    for id in database.table_ids() {
        let table = database.schema().table(id);
        for row in database.table(id).iter() {
            let mut line = format!("{} {}", table.name, &row.uuid().to_string()[32..]);
            for &column in table.column_ids_by_name() {
                let schema = table.column(column);
                let value = row.get(column).to_json(&schema.ty);
                write!(line, " {}={value}", schema.name).unwrap();
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines.join("\n")
}

/// Converts the database that `operations` make, and compares with `rows`: the dump, with `= ` before it if no row was
/// touched, or `! ` and the error.
#[track_caller]
fn check(old: &str, operations: &str, new: &str, expect: &str) {
    let database = run(&Database::new(Arc::new(parse(old))), operations).unwrap();
    let result = match convert(&database, parse(new), &mut fresh()) {
        Ok(Conversion {
            database: converted,
            is_additive,
            ..
        }) => {
            converted.check_consistency().unwrap();
            assert_eq!(
                converted.schema().to_json(),
                parse(new).to_json(),
                "the schema says what it said"
            );
            format!(
                "{} {}",
                if is_additive { '=' } else { '~' },
                dump(&converted)
            )
        }
        Err(error) => format!("! {error}"),
    };
    let result = result.replace("00000000-0000-0000-0000-00000000", "");
    assert_eq!(result, expect, "\n{old}\n{new}");
}

fn insert(table: &str, number: u8, row: &str) -> String {
    let uuid = format!("00000000-0000-0000-0000-00000000{number:04x}");
    format!(r#"{{"op":"insert","table":"{table}","uuid":"{uuid}","row":{row}}}"#)
}

fn reference(number: u8) -> String {
    format!(r#"["uuid","00000000-0000-0000-0000-00000000{number:04x}"]"#)
}

/// One root table `T` with these columns.
fn table(columns: &str) -> String {
    format!(r#"{{"T":{{"isRoot":true,"columns":{columns}}}}}"#)
}

const N: &str = r#"{"n":{"type":"integer"}}"#;

#[test]
fn what_is_added_has_default_values_and_costs_nothing() {
    let one = format!("[{}]", insert("T", 1, r#"{"n":7}"#));
    for (new, expect) in [
        (N, "n=7"),
        (
            r#"{"a":{"type":"integer"},"n":{"type":"integer"},"z":{"type":{"key":"string","value":"real"}}}"#,
            r#"a=0 n=7 z=["map",[["",0]]]"#,
        ),
        (
            r#"{"b":{"type":{"key":"boolean","min":0}},"n":{"type":"integer"},"u":{"type":"uuid"}}"#,
            r#"b=["set",[]] n=7 u=["uuid","00000000-0000-0000-0000-000000000000"]"#,
        ),
        (
            r#"{"e":{"type":{"key":{"type":"string","enum":["set",["x"]]}}},"n":{"type":"integer"}}"#,
            r#"e="" n=7"#,
        ),
        (
            r#"{"n":{"type":{"key":"integer","min":0,"max":"unlimited"}}}"#,
            "n=7",
        ),
        (
            r#"{"n":{"type":{"key":{"type":"integer","maxInteger":7}}}}"#,
            "n=7",
        ),
        (
            r#"{"n":{"type":{"key":{"type":"integer","enum":["set",[7]]}}}}"#,
            "n=7",
        ),
        (
            r#"{"n":{"type":"integer","ephemeral":true,"mutable":false}}"#,
            "n=7",
        ),
    ] {
        let expect = expect.replace("00000000-0000-0000-0000-00000000", "");
        check(&table(N), &one, &table(new), &format!("= T 0001 {expect}"));
    }
    for new in [
        r#"{"A":{"columns":{"x":{"type":"integer"}}},"T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}"#,
        r#"{"T":{"isRoot":true,"maxRows":1,"indexes":[["n"]],"columns":{"n":{"type":"integer"}}}}"#,
        r#"{"B":{"columns":{"t":{"type":{"key":{"type":"uuid","refTable":"T"}}}}},
            "T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}"#,
    ] {
        check(&table(N), &one, new, "= T 0001 n=7");
    }
}

#[test]
fn values_are_converted_where_they_mean_something_in_the_new_type() {
    let old = r#"{"n":{"type":"integer"},"s":{"type":{"key":"integer","min":0,"max":2}},
        "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},"r":{"type":"real"},
        "w":{"type":"real"}}"#;
    let row = insert(
        "T",
        1,
        r#"{"n":7,"s":["set",[1,2]],"m":["map",[["k",1]]],"r":1.5,"w":2}"#,
    );
    let one = format!("[{row}]");
    for (new, expect) in [
        (r#"{"n":{"type":"real"}}"#, "~ T 0001 n=7"),
        (
            r#"{"s":{"type":{"key":"real","max":"unlimited"}}}"#,
            r#"~ T 0001 s=["set",[1,2]]"#,
        ),
        (
            r#"{"m":{"type":{"key":"string","value":"real"}}}"#,
            r#"~ T 0001 m=["map",[["k",1]]]"#,
        ),
        (
            r#"{"n":{"type":"string"}}"#,
            r#"! syntax "7": syntax error: expected string"#,
        ),
        (
            r#"{"r":{"type":"integer"}}"#,
            r#"! syntax "1.5": syntax error: expected integer"#,
        ),
        (r#"{"w":{"type":"integer"}}"#, "~ T 0001 w=2"),
        (
            r#"{"s":{"type":"integer"}}"#,
            r#"! syntax "["set",[1,2]]": syntax error: set must have exactly one member but 2 are present"#,
        ),
        (
            r#"{"s":{"type":{"key":"integer","min":0}}}"#,
            r#"! syntax "["set",[1,2]]": syntax error: set must have 0 to 1 members but 2 are present"#,
        ),
        (
            r#"{"s":{"type":{"key":"integer","value":"integer","min":0,"max":2}}}"#,
            r#"! syntax "["set",[1,2]]": syntax error: expected ["map", <array>]"#,
        ),
        (
            r#"{"m":{"type":{"key":"string","min":0,"max":"unlimited"}}}"#,
            r#"! syntax "["map",[["k",1]]]": syntax error: expected string"#,
        ),
        (
            r#"{"n":{"type":{"key":{"type":"integer","maxInteger":6}}}}"#,
            "! constraint violation: 7 is greater than maximum allowed value 6",
        ),
        (
            r#"{"m":{"type":{"key":{"type":"string","enum":["set",["a","b"]]},"value":"integer"}}}"#,
            "! constraint violation: k is not one of the allowed values ([a, b])",
        ),
    ] {
        check(&table(old), &one, &table(new), expect);
    }
    // The same where all columns stay, so that rows are not written anew.
    let stricter = old.replace(
        r#""key":"integer","min":0,"max":2"#,
        r#""key":"integer","min":0"#,
    );
    let expect =
        r#"! syntax "["set",[1,2]]": syntax error: set must have 0 to 1 members but 2 are present"#;
    check(&table(old), &one, &table(&stricter), expect);
}

#[test]
fn constraints_on_rows_hold_in_full() {
    let two = format!(
        "[{},{}]",
        insert("T", 1, r#"{"n":7}"#),
        insert("T", 2, r#"{"n":7}"#)
    );
    check(
        &table(N),
        &two,
        r#"{"T":{"isRoot":true,"maxRows":1,"columns":{"n":{"type":"integer"}}}}"#,
        "! constraint violation: transaction causes \"T\" table to contain 2 rows, greater than the schema-defined \
         limit of 1 row(s)",
    );
    check(
        &table(N),
        &two,
        r#"{"T":{"isRoot":true,"indexes":[["n"]],"columns":{"n":{"type":"integer"}}}}"#,
        "! constraint violation: Transaction causes multiple rows in \"T\" table to have identical values (7) for index \
         on column \"n\".  First row, with UUID 0002, was inserted by this transaction.  Second row, with UUID 0001, was \
         inserted by this transaction.",
    );
    // An index over a column that no row has yet.
    check(
        &table(N),
        &two,
        r#"{"T":{"isRoot":true,"indexes":[["n","x"]],"columns":{"n":{"type":"integer"},"x":{"type":"real"}}}}"#,
        "! constraint violation: Transaction causes multiple rows in \"T\" table to have identical values (7 and 0) for \
         index on columns \"n\" and \"x\".  First row, with UUID 0002, was inserted by this transaction.  Second row, with \
         UUID 0001, was inserted by this transaction.",
    );
}

#[test]
fn references_are_followed_under_the_new_schema() {
    let schema = |b: &str, r: &str| {
        format!(
            r#"{{"B":{{"isRoot":{b},"columns":{{"x":{{"type":"integer"}}}}}},"R":{{"isRoot":true,"columns":{r}}}}}"#
        )
    };
    let plain = r#"{"u":{"type":{"key":"uuid","min":0,"max":"unlimited"}}}"#;
    let strong =
        r#"{"u":{"type":{"key":{"type":"uuid","refTable":"B"},"min":0,"max":"unlimited"}}}"#;
    let weak = r#"{"u":{"type":{"key":{"type":"uuid","refTable":"B","refType":"weak"},"min":0,"max":"unlimited"}}}"#;
    let rows = format!(
        r#"[{},{},{}]"#,
        insert("B", 1, r#"{"x":1}"#),
        insert("B", 2, r#"{"x":2}"#),
        insert("R", 9, &format!(r#"{{"u":{}}}"#, reference(2))),
    );
    let all = "B 0001 x=1\nB 0002 x=2\nR 0009 u=[\"uuid\",\"0002\"]";
    let used = "B 0002 x=2\nR 0009 u=[\"uuid\",\"0002\"]";
    let none = "R 0009 u=[\"set\",[]]";
    for (old, new, kind, expect) in [
        (schema("true", strong), schema("false", strong), "~", used),
        (schema("true", plain), schema("true", strong), "~", all),
        (schema("true", plain), schema("false", strong), "~", used),
        (schema("true", strong), schema("true", weak), "~", all),
        (schema("true", strong), schema("false", weak), "~", none),
        (schema("true", weak), schema("false", strong), "~", used),
        (schema("true", strong), schema("true", plain), "~", all),
        (schema("true", strong), schema("true", strong), "=", all),
    ] {
        check(&old, &rows, &new, &format!("{kind} {expect}"));
    }
    check(
        &schema("false", strong),
        &format!(
            "[{},{}]",
            insert("B", 2, r#"{"x":2}"#),
            insert("R", 9, &format!(r#"{{"u":{}}}"#, reference(2)))
        ),
        &schema("true", strong),
        &format!("= {used}"),
    );
    // The table that was referred to is gone, and its number is another table's.
    check(
        &schema("true", strong),
        &rows,
        &format!(r#"{{"R":{{"isRoot":true,"columns":{plain}}}}}"#),
        "~ R 0009 u=[\"uuid\",\"0002\"]",
    );
    let dangling = format!(
        "[{}]",
        insert("R", 9, &format!(r#"{{"u":{}}}"#, reference(5)))
    );
    check(
        &schema("true", plain),
        &dangling,
        &schema("true", strong),
        "! referential integrity violation: Table R column u row 0009 references nonexistent row 0005 in table B.",
    );
    check(
        &schema("true", plain),
        &dangling,
        &schema("true", weak),
        &format!("~ {none}"),
    );
    // By default a new column refers to a row that does not exist.
    let with = |c: &str| plain.replace("}}}", &format!(r#"}}}},"c":{{"type":{{"key":{c}}}}}}}"#));
    check(
        &schema("true", plain),
        &dangling,
        &schema("true", &with(r#"{"type":"uuid","refTable":"B"}"#)),
        "! referential integrity violation: Table R column c row 0009 references nonexistent row 0000 in table B.",
    );
    check(
        &schema("true", plain),
        "[]",
        &schema("true", &with(r#"{"type":"uuid","refTable":"B"}"#)),
        "~ ",
    );
}

#[test]
fn the_past_is_kept_if_whoever_was_there_knows_all_that_is_there_now() {
    let one = format!("[{}]", insert("T", 1, r#"{"n":7}"#));
    let old = table(r#"{"n":{"type":"integer"},"e":{"type":"integer","ephemeral":true}}"#);
    let database = run(&Database::new(Arc::new(parse(&old))), &one).unwrap();
    let e = r#""e":{"type":"integer","ephemeral":true}"#;
    for (n, e, expect) in [
        (r#""n":{"type":"integer"}"#, e, true),
        (
            r#""n":{"type":{"key":"integer","max":"unlimited"}},"new":{"type":"integer"}"#,
            e,
            true,
        ),
        // What was there is not what files keep, and the other way round.
        (
            r#""n":{"type":"integer"}"#,
            r#""e":{"type":"integer"}"#,
            false,
        ),
        (r#""n":{"type":"integer","ephemeral":true}"#, e, false),
        // Who was told of a row without the column took 0 for its value.
        (r#""n":{"type":{"key":"integer","min":0}}"#, e, false),
        // Rows change.
        (r#""n":{"type":"string"}"#, e, false),
        (r#""other":{"type":"integer"}"#, e, false),
    ] {
        let columns = format!("{{{n},{e}}}");
        let conversion = convert(&database, parse(&table(&columns)), &mut fresh());
        let keeps_past = conversion.is_ok_and(|conversion| conversion.keeps_past);
        assert_eq!(keeps_past, expect, "{columns}");
    }
}

#[test]
fn rows_that_are_older_than_a_column_keep_what_they_had_when_its_type_changes() {
    let one = format!("[{}]", insert("T", 1, r#"{"n":7}"#));
    let first = run(&Database::new(Arc::new(parse(&table(N)))), &one).unwrap();
    let step = |database: &Database, columns: &str| {
        let conversion = convert(database, parse(&table(columns)), &mut fresh()).unwrap();
        assert!(conversion.is_additive, "{columns}");
        conversion.database.check_consistency().unwrap();
        conversion.database
    };
    let second = step(&first, r#"{"a":{"type":"integer"},"n":{"type":"integer"}}"#);
    let third = step(
        &second,
        r#"{"a":{"type":{"key":"integer","min":0,"max":2}},"n":{"type":"integer"},"b":{"type":"string"}}"#,
    );
    assert_eq!(dump(&third), r#"T 0001 a=0 b="" n=7"#);
    // A new row has the default value of today.
    let both = run(&third, &format!("[{}]", insert("T", 2, "{}"))).unwrap();
    assert_eq!(
        dump(&both),
        "T 0001 a=0 b=\"\" n=7\nT 0002 a=[\"set\",[]] b=\"\" n=0"
    );
    // Conditions, and changes that change nothing, see the same.
    let changed = run(
        &both,
        r#"[{"op":"update","table":"T","where":[["a","==",0]],"row":{"b":"x"}},
            {"op":"mutate","table":"T","where":[],"mutations":[["a","insert",["set",[]]]]}]"#,
    )
    .unwrap();
    assert_eq!(
        dump(&changed),
        "T 0001 a=0 b=\"x\" n=7\nT 0002 a=[\"set\",[]] b=\"\" n=0"
    );
    // The versions before are what they were.
    assert_eq!(dump(&second), "T 0001 a=0 n=7");
    assert_eq!(dump(&first), "T 0001 n=7");
}

const TYPES: &[&str] = &[
    r#""integer""#,
    r#""real""#,
    r#""string""#,
    r#""boolean""#,
    r#""uuid""#,
    r#"{"key":"integer","min":0}"#,
    r#"{"key":"integer","min":0,"max":2}"#,
    r#"{"key":"integer","min":1,"max":"unlimited"}"#,
    r#"{"key":{"type":"integer","minInteger":0,"maxInteger":1},"min":0,"max":2}"#,
    r#"{"key":{"type":"integer","enum":["set",[0,2]]},"min":0,"max":2}"#,
    r#"{"key":"real","min":0,"max":2}"#,
    r#"{"key":{"type":"string","maxLength":1}}"#,
    r#"{"key":{"type":"string","enum":["set",["","a"]]},"min":0,"max":2}"#,
    r#"{"key":"string","min":0,"max":"unlimited"}"#,
    r#"{"key":"string","value":"integer","min":0,"max":2}"#,
    r#"{"key":"string","value":"integer"}"#,
    r#"{"key":"string","value":"real","min":0,"max":"unlimited"}"#,
    r#"{"key":"uuid","min":0,"max":"unlimited"}"#,
    r#"{"key":{"type":"uuid","refTable":"A"},"min":0,"max":"unlimited"}"#,
    r#"{"key":{"type":"uuid","refTable":"B"},"min":0}"#,
    r#"{"key":{"type":"uuid","refTable":"A","refType":"weak"},"min":0,"max":"unlimited"}"#,
    r#"{"key":{"type":"uuid","refTable":"B","refType":"weak"},"min":1,"max":"unlimited"}"#,
    r#"{"key":{"type":"uuid","refTable":"C","refType":"weak"},"value":{"type":"uuid","refTable":"A"},"min":0,"max":2}"#,
];

const KINDS: [&str; 5] = ["integer", "real", "string", "boolean", "uuid"];

/// A schema while it is being drawn: columns by name, then whether the table is a root, its row limit, its index.
#[derive(Clone, Debug)]
struct Draft {
    tables: BTreeMap<&'static str, Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    columns: BTreeMap<&'static str, &'static str>,
    is_root: bool,
    max_rows: Option<u8>,
    index: Option<&'static str>,
}

impl Draft {
    fn random(random: &mut StdRng) -> Draft {
        let mut draft = Draft {
            tables: BTreeMap::new(),
        };
        for name in ["A", "B"] {
            draft.tables.insert(name, Table::default());
        }
        for _ in 0..12 {
            draft.change(random, true);
        }
        draft
    }

    /// Changes one thing; only what is wider or new, unless `any`.
    fn change(&mut self, random: &mut StdRng, any: bool) {
        let name = *["A", "B", "C"].choose(random).unwrap();
        if any && random.random_ratio(1, 12) {
            self.tables.remove(name);
            return;
        }
        let table = self.tables.entry(name).or_default();
        let column = *["p", "q", "r", "s", "t"].choose(random).unwrap();
        match random.random_range(0..8) {
            0 => table.is_root = !any || random.random(),
            1 => table.max_rows = None,
            2 if any => table.max_rows = Some(random.random_range(1..5)),
            3 if any => {
                table.columns.remove(column);
            }
            4 => table.index = Some(column),
            5 => table.index = None,
            _ => {
                let form = |ty: &'static str| {
                    let mut words = ty.split(['"', ':']);
                    words.find(|word| KINDS.contains(word))
                };
                let now = table.columns.get(column).and_then(|ty| form(ty));
                let alike = TYPES.iter().filter(|ty| form(ty) == now);
                let alike: Vec<_> = alike.copied().collect();
                let ty = match alike.choose(random) {
                    Some(ty) if random.random_ratio(2, 3) => *ty,
                    _ => *TYPES.choose(random).unwrap(),
                };
                if any {
                    table.columns.insert(column, ty);
                } else {
                    table.columns.entry(column).or_insert(ty);
                }
            }
        }
    }

    /// The schema, without references to tables that are not there.
    fn schema(&self) -> Schema {
        let mut tables = Vec::new();
        for (name, table) in &self.tables {
            let mut columns = vec![String::from(r#""always":{"type":"integer"}"#)];
            let exists = |ty: &str| {
                let mut parts = ty.split(r#""refTable":""#).skip(1);
                parts.all(|part| self.tables.contains_key(&part[..1]))
            };
            let own = table.columns.iter().filter(|(_, ty)| exists(ty));
            columns.extend(own.map(|(name, ty)| format!(r#""{name}":{{"type":{ty}}}"#)));
            let mut text = format!(
                r#""{name}":{{"isRoot":{},"columns":{{{}}}"#,
                table.is_root,
                columns.join(",")
            );
            if let Some(max_rows) = table.max_rows {
                write!(text, r#","maxRows":{max_rows}"#).unwrap();
            }
            let index = table
                .index
                .filter(|name| table.columns.get(name).is_some_and(|ty| exists(ty)));
            if let Some(column) = index {
                write!(text, r#","indexes":[["{column}"]]"#).unwrap();
            }
            tables.push(text + "}");
        }
        parse(&format!("{{{}}}", tables.join(",")))
    }
}

/// A value for a column: not always one that it may have.
fn value(random: &mut StdRng, table: &TableSchema, column: &str) -> Json {
    let ty = &table.column(table.column_id(column).unwrap()).ty;
    let atom = |base: &ovsdb_proto::types::BaseType, random: &mut StdRng| match base.kind.as_str() {
        "integer" | "real" => Json::Integer(random.random_range(0..4)),
        "boolean" => Json::Bool(random.random()),
        "string" => Json::string(*["", "a", "bb"].choose(random).unwrap()),
        _ => {
            let name = reference(random.random_range(1..9));
            json::parse(name.as_bytes()).unwrap()
        }
    };
    let count = random.random_range(0..3);
    if ty.is_scalar() {
        return atom(&ty.key, random);
    }
    let elements: Vec<Json> = (0..count)
        .map(|_| match &ty.value {
            Some(value) => Json::Array(vec![atom(&ty.key, random), atom(value, random)]),
            None => atom(&ty.key, random),
        })
        .collect();
    let class = if ty.is_map() { "map" } else { "set" };
    Json::Array(vec![Json::string(class), Json::Array(elements)])
}

/// Tries some transactions that insert and change rows. What they are does not depend on the numbers of tables and
/// columns.
fn populate(mut database: Database, random: &mut StdRng, count: usize) -> Database {
    for _ in 0..count {
        let schema = database.schema().clone();
        let mut operations = Vec::new();
        for _ in 0..random.random_range(1..4) {
            let mut tables: Vec<&TableSchema> = schema.tables.iter().collect();
            tables.sort_by_key(|table| &table.name);
            let Some(table) = tables.choose(random) else {
                return database;
            };
            let mut row = Object::new();
            for &id in table.column_ids_by_name() {
                let column = table.column(id);
                if random.random() {
                    row.insert(column.name.clone(), value(random, table, &column.name));
                }
            }
            let row = Json::Object(row);
            operations.push(match random.random_range(0..4) {
                0 => format!(
                    r#"{{"op":"update","table":"{}","where":[["_uuid","!=",{}]],"row":{row}}}"#,
                    table.name,
                    reference(random.random_range(1..9)),
                ),
                _ => insert(&table.name, random.random_range(1..9), &row.to_string()),
            });
        }
        if let Ok(next) = run(&database, &format!("[{}]", operations.join(","))) {
            database = next;
        }
    }
    database
}

/// Converts by writing every value as JSON and reading it under the new schema.
fn naively(database: &Database, new: &Schema) -> Result<Database, String> {
    let mut tables = Object::new();
    for id in database.table_ids() {
        let old = database.schema().table(id);
        let Some((_, table)) = new.table_by_name(&old.name) else {
            continue;
        };
        let mut rows = Object::new();
        for row in database.table(id).iter() {
            let mut columns = Object::new();
            for column in old.column_ids().filter(|column| !column.is_standard()) {
                let schema = old.column(column);
                if table.column_id(&schema.name).is_some() {
                    columns.insert(schema.name.clone(), row.get(column).to_json(&schema.ty));
                }
            }
            rows.insert(row.uuid().to_string(), Json::Object(columns));
        }
        tables.insert(old.name.clone(), Json::Object(rows));
    }
    let record = Json::Object(tables).to_bytes();
    let empty = Database::new(Arc::new(new.clone()));
    match replay(&empty, &record, &mut fresh()) {
        Ok((database, _)) => Ok(database),
        Err(ReplayError::Record(error)) => Err(error.tag.as_str().to_owned()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn random_conversions_equal_naive_ones() {
    let (mut additive, mut rewritten, mut refused) = (0, 0, 0);
    for seed in 0..400 {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut draft = Draft::random(random);
        let mut database = populate(Database::new(Arc::new(draft.schema())), random, 30);
        // Several in a row, so that rows are older than columns of different ages.
        for step in 0..5 {
            let mut next = draft.clone();
            let only_wider: bool = random.random();
            for _ in 0..random.random_range(1..4) {
                next.change(random, !only_wider);
            }
            let schema = next.schema();
            let (from, to) = (database.schema().to_json(), schema.to_json());
            let place = format!("seed {seed} step {step}: from {from} to {to}");
            let expected = naively(&database, &schema);
            let found = convert(&database, schema.clone(), &mut fresh());
            let conversion = match (expected, found) {
                (Err(_), Err(_)) => {
                    refused += 1;
                    continue;
                }
                (Ok(expected), Ok(found)) => {
                    assert_eq!(dump(&found.database), dump(&expected), "{place}");
                    found
                }
                (expected, found) => {
                    let expected = expected.map(|database| dump(&database));
                    let found = found.map(|conversion| dump(&conversion.database));
                    panic!("{place}: expected {expected:?}, found {found:?}");
                }
            };
            let converted = conversion.database;
            let consistency = converted.check_consistency();
            assert_eq!(consistency, Ok(()), "{place}");
            if conversion.is_additive {
                additive += 1;
                for id in database.table_ids() {
                    let (old, new) = (database.schema().table(id), converted.schema().table(id));
                    assert_eq!(old.name, new.name, "{place}");
                    for column in old.column_ids() {
                        assert_eq!(old.column(column).name, new.column(column).name, "{place}");
                    }
                    let mut rows = database.table(id).iter().zip(converted.table(id).iter());
                    assert!(rows.all(|(old, new)| Arc::ptr_eq(old, new)), "{place}");
                }
            } else {
                rewritten += 1;
            }
            let options = RecordOptions {
                date_ms: 0,
                comment: None,
                column_diff: false,
            };
            let empty = Database::new(Arc::new(schema));
            let (read, _) = replay(&empty, &snapshot_record(&converted, options), &mut fresh())
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(dump(&read), dump(&converted), "{place}");

            let more = random.random();
            let [mut a, mut b] = [0, 1].map(|_| StdRng::seed_from_u64(more));
            // What transactions do is the same as well, whatever the age of rows and the numbers of tables.
            database = populate(converted.clone(), &mut a, 4);
            assert_eq!(dump(&database), dump(&populate(read, &mut b, 4)), "{place}");
            let consistency = database.check_consistency();
            assert_eq!(consistency, Ok(()), "{place}");
            draft = next;
        }
    }
    // Enough of each to mean something.
    assert!(
        additive > 200 && rewritten > 200 && refused > 200,
        "{additive} {rewritten} {refused}"
    );
}
