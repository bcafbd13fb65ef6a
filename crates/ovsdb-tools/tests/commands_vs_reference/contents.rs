//! Databases to look at: for any schema, rows that use every column, and a schema that has every type.
//!
//! The same rows each time, but for their UUIDs. Values are such as get into the way of a layout: UTF-8, quotes, commas,
//! line feeds, control characters, markup, UUIDs in texts, numbers at the ends of their ranges.

use std::fmt::Write as _;
use std::path::Path;

use ovsdb_proto::json::Json;
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::differential::model::{Base, Column, Kind, Model, Table};

/// A schema with a column of every type, alone, optional, in sets and in maps, a table that stays empty, and one for many
/// rows.
pub(crate) fn every_type() -> String {
    let mut columns = String::new();
    let types = [
        ("boolean", r#""boolean""#),
        ("integer", r#""integer""#),
        (
            "bounded",
            r#"{"type": "integer", "minInteger": -5, "maxInteger": 500}"#,
        ),
        ("real", r#""real""#),
        ("string", r#""string""#),
        (
            "limited",
            r#"{"type": "string", "minLength": 2, "maxLength": 40}"#,
        ),
        (
            "choice",
            r#"{"type": "string", "enum": ["set", ["red", "light green", "1"]]}"#,
        ),
        ("uuid", r#""uuid""#),
        ("strong", r#"{"type": "uuid", "refTable": "Every"}"#),
        (
            "weak",
            r#"{"type": "uuid", "refTable": "Every", "refType": "weak"}"#,
        ),
    ];
    for (name, ty) in types {
        let reference = matches!(name, "strong" | "weak");
        // A weak reference may go, so a column of one may be empty.
        if name != "weak" {
            let _ = write!(columns, r#""{name}": {{"type": {{"key": {ty}}}}}, "#);
        }
        let _ = write!(
            columns,
            r#""{name}_optional": {{"type": {{"key": {ty}, "min": 0, "max": 1}}}}, "#
        );
        let _ = write!(
            columns,
            r#""{name}_set": {{"type": {{"key": {ty}, "min": 0, "max": "unlimited"}}}}, "#
        );
        for (value_name, value) in types {
            if name == "string" || (value_name == "string" && !reference) {
                let _ = write!(
                    columns,
                    r#""{name}_to_{value_name}": {{"type": {{"key": {ty}, "value": {value}, "min": 0, "max": "unlimited"}}}}, "#
                );
            }
        }
    }
    format!(
        r#"{{"name": "Every", "version": "10.0.1", "cksum": "12345 678", "tables": {{
            "Every": {{"columns": {{{columns} "fixed": {{"type": "string", "mutable": false}},
                "Passing": {{"type": "integer", "ephemeral": true}}}}, "isRoot": true, "indexes": [["limited"]]}},
            "Empty": {{"columns": {{"column": {{"type": "string"}}, "another_column_with_a_long_name": {{"type": "real"}}}},
                "isRoot": true}},
            "Single": {{"columns": {{"name": {{"type": "string"}}}}, "isRoot": true, "maxRows": 1}},
            "Many": {{"columns": {{"name": {{"type": "string"}}, "number": {{"type": "integer"}},
                "wide": {{"type": {{"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}}}},
                "isRoot": true}}}}}}"#
    )
}

/// Strings as JSON tokens; each is followed by a number where it must be unique.
const STRINGS: [&str; 16] = [
    "plain",
    "two words",
    "comma, and semicolon;",
    r#"a \"quoted\" word"#,
    r"line\nfeed",
    r"carriage\r\nreturn\ttab",
    r"back\\slash / slash",
    r"\u0001 \u001b[31m \u007f",
    "<b>&amp; \\\"markup\\\" </b>",
    "\u{fc}ber \u{65e5}\u{672c}\u{8a9e} \u{1f600}",
    r"\ud83d\ude00\u0301",
    "[brackets] {braces}",
    "key=value",
    "true",
    "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 in a text",
    "  spaces around  ",
];

const REALS: [&str; 10] = [
    "0",
    "1",
    "-2.5",
    "0.1",
    "1e300",
    "1e-100",
    "123456789.125",
    "-1e-7",
    "999999999999999",
    "1e16",
];

const INTEGERS: [i64; 7] = [0, 1, -1, 65_535, 4_294_967_296, i64::MAX, i64::MIN];

/// How a row that is made in a transaction is called there.
fn name(table: &Table, row: usize) -> String {
    format!("{}_{row}", table.name)
}

fn rows(table: &Table, count: usize) -> usize {
    count.min(table.max_rows.unwrap_or(count))
}

/// The operations that fill all tables but those called `Empty` and `Many`, each with about so many rows. Rows refer to
/// each other wherever they can; what nothing refers to is collected as the tables say.
fn operations(model: &Model, count: usize) -> Vec<String> {
    let mut operations = Vec::new();
    for table in &model.tables {
        if ["Empty", "Many"].contains(&table.name.as_str()) {
            continue;
        }
        for row in 0..rows(table, count) {
            let columns: Vec<String> = table
                .columns
                .iter()
                .enumerate()
                .map(|(at, column)| {
                    format!(
                        r#""{}":{}"#,
                        column.name,
                        datum(model, table, column, row, at, count)
                    )
                })
                .collect();
            operations.push(format!(
                r#"{{"op":"insert","table":"{}","uuid-name":"{}","row":{{{}}}}}"#,
                table.name,
                name(table, row),
                columns.join(",")
            ));
        }
    }
    operations
}

/// The value of a column in a row: of varying size, different in each row where the column is indexed.
fn datum(
    model: &Model,
    table: &Table,
    column: &Column,
    row: usize,
    at: usize,
    count: usize,
) -> String {
    let indexed = table
        .indexes
        .iter()
        .flatten()
        .any(|name| *name == column.name);
    let size = if column.is_scalar() {
        1
    } else {
        let most = column.max.unwrap_or(4).min(4);
        column.min.max((row + at) % (most + 1))
    };
    let mut keys: Vec<String> = Vec::new();
    for element in 0..size {
        let salt = if indexed { row } else { row + 3 * at + element };
        let atom = atom(
            model,
            &column.key,
            salt,
            row + element,
            indexed || !column.is_scalar(),
            count,
        );
        if !keys.contains(&atom) {
            keys.push(atom);
        }
    }
    match &column.value {
        None if column.is_scalar() => keys.remove(0),
        None => format!(r#"["set",[{}]]"#, keys.join(",")),
        Some(value) => {
            let pairs: Vec<String> = keys
                .iter()
                .enumerate()
                .map(|(element, key)| {
                    format!(
                        "[{key},{}]",
                        atom(model, value, row + at + 5 * element, element, false, count)
                    )
                })
                .collect();
            format!(r#"["map",[{}]]"#, pairs.join(","))
        }
    }
}

/// One atom: `salt` chooses it, and `number` keeps it apart from others if it is to be `unique`.
fn atom(
    model: &Model,
    base: &Base,
    salt: usize,
    number: usize,
    unique: bool,
    count: usize,
) -> String {
    let pick = |length: usize| salt % length;
    if !base.choices.is_empty() {
        return base.choices[pick(base.choices.len())].clone();
    }
    if let Some(target) = base.target.as_ref().and_then(|target| model.table(target)) {
        let row = number % rows(target, count);
        return format!(r#"["named-uuid","{}"]"#, name(target, row));
    }
    match base.kind {
        Kind::Boolean => (salt.is_multiple_of(2)).to_string(),
        Kind::Uuid => format!(r#"["uuid","00000000-1111-4222-8333-{salt:012x}"]"#),
        Kind::Real => REALS[pick(REALS.len())].to_owned(),
        Kind::Integer => match (base.low, base.high) {
            (None, None) if !unique => INTEGERS[pick(INTEGERS.len())].to_string(),
            (low, high) => {
                let low = low.unwrap_or(0.0) as i64;
                let span = high.map_or(i64::from(u16::MAX), |high| {
                    (high as i64 - low).min(1 << 20) + 1
                });
                (low + i64::try_from(salt).expect("numbers of rows are small") % span).to_string()
            }
        },
        Kind::String if base.high.is_some() => format!(r#""{number:04}""#),
        Kind::String if unique => format!(r#""{} {number}""#, STRINGS[pick(STRINGS.len())]),
        Kind::String => format!(r#""{}""#, STRINGS[pick(STRINGS.len())]),
    }
}

/// Sends operations in one transaction, which succeeds.
fn transact(client: &mut RawClient, database: &str, operations: &[String]) {
    let request = format!(
        r#"{{"id":1,"method":"transact","params":["{database}",{}]}}"#,
        operations.join(",")
    );
    let reply = client.call(&request);
    let reply = ovsdb_proto::json::parse(reply.as_bytes()).expect("a server answers in JSON");
    let member = |name| reply.as_object().and_then(|reply| reply.get(name));
    let failed = |result: &Json| {
        result
            .as_object()
            .is_some_and(|result| result.get("error").is_some())
    };
    let results = member("result")
        .and_then(Json::as_array)
        .unwrap_or_default();
    let wrong: Vec<String> = results
        .iter()
        .filter(|result| failed(result))
        .map(Json::to_string)
        .collect();
    assert!(
        !results.is_empty() && wrong.is_empty(),
        "{database} cannot be filled: {wrong:?} {:?}",
        member("error").map(Json::to_string)
    );
}

/// Fills the database of `schema`, whose tables get `count` rows each.
pub(crate) fn fill(socket: &Path, schema: &str, count: usize) {
    let model = Model::parse(schema);
    transact(
        &mut RawClient::connect(socket),
        &model.name,
        &operations(&model, count),
    );
}

/// Puts `count` rows with wide values into the table `Many` of [`every_type`].
pub(crate) fn fill_many(socket: &Path, count: usize) {
    let rows: Vec<String> = (0..count)
        .map(|row| {
            let pairs: Vec<String> = (0..row % 12)
                .map(|key| format!(r#"["{key} {}","{}"]"#, STRINGS[key], STRINGS[(row + key) % STRINGS.len()].repeat(row % 5)))
                .collect();
            format!(
                r#"{{"op":"insert","table":"Many","row":{{"name":"{}","number":{row},"wide":["map",[{}]]}}}}"#,
                STRINGS[row % STRINGS.len()],
                pairs.join(",")
            )
        })
        .collect();
    transact(&mut RawClient::connect(socket), "Every", &rows);
}
