//! Conversion beside the reference: the same file is converted to the same schema by both tools and by both servers, with
//! the same outcome, and each side reads what the other has written.
//!
//! Rows that break a constraint are such that there is one error to tell.

use std::fs;
use std::path::Path;

use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::{Output, Sandbox};

/// What the reference's tool makes of a case.
#[derive(Clone, Copy, PartialEq)]
enum Tool {
    /// The same as ours and as its server.
    Alike,
    /// Something else, as documented: it drops records that break a constraint.
    Differs,
}

struct Case {
    what: &'static str,
    old: String,
    new: String,
    operations: String,
    tool: Tool,
}

fn database(tables: &str) -> String {
    format!(r#"{{"name":"D","version":"1.0.0","tables":{tables}}}"#)
}

/// A table with a column of each kind that some cases change.
fn table(columns: &str, more: &str) -> String {
    database(&format!(
        r#"{{"A":{{"isRoot":true,"columns":{columns}{more}}}}}"#
    ))
}

const COLUMNS: &str = r#"{"n":{"type":"integer"},"s":{"type":"string"},"o":{"type":{"key":"integer","min":0,"max":3}},
    "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},"r":{"type":"real"},"e":{"type":"string","ephemeral":true}}"#;
const ROWS: &str = r#"{"op":"insert","table":"A","row":{"n":1,"s":"a","o":["set",[1,2]],"m":["map",[["k",1]]],"r":1.5,"e":"x"}},
    {"op":"insert","table":"A","row":{"n":2,"s":"bb","r":2}}"#;

/// Cases about one table of [`COLUMNS`] with [`ROWS`]: the type of a column instead of that it has.
fn column(what: &'static str, name: &str, ty: &str, tool: Tool) -> Case {
    let schema = json::parse(COLUMNS.as_bytes()).expect("valid JSON");
    let mut columns = schema.as_object().expect("an object").clone();
    let ty = json::parse(ty.as_bytes()).expect("valid JSON");
    columns.insert(name, ty);
    let new = table(&Json::Object(columns).to_string(), "");
    let (old, operations) = (table(COLUMNS, ""), String::from(ROWS));
    Case {
        what,
        old,
        new,
        operations,
        tool,
    }
}

/// The same with one row that has no default values in these columns.
fn of_one_row(what: &'static str, name: &str, ty: &str) -> Case {
    let row = ROWS.split("},\n").next().unwrap_or_default();
    Case {
        operations: format!("{row}}}"),
        ..column(what, name, ty, Tool::Alike)
    }
}

fn reference(number: u32) -> String {
    format!(r#"["uuid","00000000-0000-4000-8000-{number:012}"]"#)
}

/// Cases about references: `R` with a column `b` and a column `u`, and `B`, with two rows of `B` and one of `R` that names
/// the first in `b` and the second in `u`.
fn references(what: &'static str, old: [&str; 3], new: [&str; 3], tool: Tool) -> Case {
    let schema = |[is_root, b, u]: [&str; 3]| {
        database(&format!(
            r#"{{"B":{{"isRoot":{is_root},"columns":{{"x":{{"type":"integer"}}}}}},
                "R":{{"isRoot":true,"columns":{{"b":{{"type":{b}}},"u":{{"type":{u}}}}}}}}}"#
        ))
    };
    let insert = |number: u32, table: &str, row: &str| {
        let uuid = reference(number)
            .replace(r#"["uuid","#, "")
            .replace(']', "");
        format!(r#"{{"op":"insert","table":"{table}","uuid":{uuid},"row":{row}}}"#)
    };
    let operations = [
        insert(1, "B", r#"{"x":1}"#),
        insert(2, "B", r#"{"x":2}"#),
        insert(
            3,
            "R",
            &format!(r#"{{"b":{},"u":{}}}"#, reference(1), reference(2)),
        ),
    ];
    Case {
        what,
        old: schema(old),
        new: schema(new),
        operations: operations.join(","),
        tool,
    }
}

const PLAIN: &str = r#"{"key":"uuid","min":0,"max":"unlimited"}"#;
const STRONG: &str = r#"{"key":{"type":"uuid","refTable":"B"},"min":0,"max":"unlimited"}"#;
const WEAK: &str =
    r#"{"key":{"type":"uuid","refTable":"B","refType":"weak"},"min":0,"max":"unlimited"}"#;
const NEEDY: &str = r#"{"key":{"type":"uuid","refTable":"R","refType":"weak"},"max":"unlimited"}"#;
const OTHER: &str = r#"{"key":{"type":"uuid","refTable":"R"},"min":0,"max":"unlimited"}"#;

fn cases() -> Vec<Case> {
    use Tool::{Alike, Differs};
    let of_table = |what, columns: &str, more: &str, tool| Case {
        what,
        old: table(COLUMNS, ""),
        new: table(columns, more),
        operations: String::from(ROWS),
        tool,
    };
    let with_more = format!(
        r#"{{"a":{{"type":"integer"}},"z":{{"type":{{"key":"string","value":"uuid"}}}},"q":{{"type":{{"key":{{"type":"string","enum":["set",["x","y"]]}}}}}},{}"#,
        &COLUMNS[1..]
    );
    let mut cases = vec![
        of_table("the same schema", COLUMNS, "", Alike),
        of_table("more columns", &with_more, "", Alike),
        of_table("fewer columns", r#"{"s":{"type":"string"}}"#, "", Alike),
        of_table(
            "an index",
            COLUMNS,
            r#","indexes":[["s"],["n","r"]]"#,
            Alike,
        ),
        of_table(
            "an index over a new column",
            &with_more,
            r#","indexes":[["a","n"]]"#,
            Alike,
        ),
        of_table("a row limit", COLUMNS, r#","maxRows":2"#, Alike),
        of_table("a row limit too low", COLUMNS, r#","maxRows":1"#, Differs),
        column("integers as reals", "n", r#"{"type":"real"}"#, Alike),
        of_one_row("strings as integers", "s", r#"{"type":"integer"}"#),
        column(
            "a wider set",
            "o",
            r#"{"type":{"key":"integer","min":0,"max":"unlimited"}}"#,
            Alike,
        ),
        column(
            "a narrower set",
            "o",
            r#"{"type":{"key":"integer","min":0}}"#,
            Alike,
        ),
        column(
            "a set instead of a scalar",
            "n",
            r#"{"type":{"key":"integer","min":0,"max":2}}"#,
            Alike,
        ),
        of_one_row(
            "a map instead of a set",
            "o",
            r#"{"type":{"key":"integer","value":"integer","min":0,"max":3}}"#,
        ),
        of_one_row(
            "a set instead of a map",
            "m",
            r#"{"type":{"key":"string","min":0,"max":"unlimited"}}"#,
        ),
        column(
            "an enumeration",
            "s",
            r#"{"type":{"key":{"type":"string","enum":["set",["a","bb","c"]]}}}"#,
            Alike,
        ),
        column(
            "an enumeration without a value",
            "s",
            r#"{"type":{"key":{"type":"string","enum":["set",["a","b"]]}}}"#,
            Alike,
        ),
        column(
            "a range",
            "n",
            r#"{"type":{"key":{"type":"integer","minInteger":2}}}"#,
            Alike,
        ),
        column(
            "a length",
            "s",
            r#"{"type":{"key":{"type":"string","minLength":2}}}"#,
            Alike,
        ),
        column(
            "a map of other values",
            "m",
            r#"{"type":{"key":"string","value":"real","min":0,"max":1}}"#,
            Alike,
        ),
        column(
            "an ephemeral column",
            "s",
            r#"{"type":"string","ephemeral":true}"#,
            Alike,
        ),
        references(
            "no roots",
            ["true", STRONG, PLAIN],
            ["false", STRONG, PLAIN],
            Alike,
        ),
        references(
            "roots",
            ["false", STRONG, STRONG],
            ["true", STRONG, STRONG],
            Alike,
        ),
        references(
            "weak instead of strong",
            ["true", STRONG, PLAIN],
            ["true", WEAK, PLAIN],
            Alike,
        ),
        references(
            "strong instead of weak",
            ["true", WEAK, PLAIN],
            ["false", STRONG, WEAK],
            Alike,
        ),
        references(
            "references",
            ["true", PLAIN, PLAIN],
            ["false", STRONG, WEAK],
            Alike,
        ),
        references(
            "references that dangle",
            ["true", PLAIN, PLAIN],
            ["true", STRONG, OTHER],
            Differs,
        ),
        references(
            "weak references that dangle",
            ["true", PLAIN, PLAIN],
            ["true", STRONG, NEEDY],
            Differs,
        ),
        references(
            "no references",
            ["true", STRONG, WEAK],
            ["false", PLAIN, PLAIN],
            Alike,
        ),
    ];
    let two = |first: &str, second: &str| {
        database(&format!(
            r#"{{"A":{{"isRoot":true,"columns":{first}}}{second}}}"#
        ))
    };
    let other = format!(r#","AA":{{"isRoot":true,"columns":{COLUMNS}}}"#);
    let more = r#",{"op":"insert","table":"AA","row":{"n":7}}"#;
    cases.push(Case {
        what: "one table less",
        old: two(COLUMNS, &other),
        new: two(COLUMNS, ""),
        operations: format!("{ROWS}{more}"),
        tool: Tool::Alike,
    });
    cases.push(Case {
        what: "one table more",
        old: two(COLUMNS, ""),
        new: two(COLUMNS, &other),
        operations: String::from(ROWS),
        tool: Tool::Alike,
    });
    cases.push(Case {
        what: "an index with a value twice",
        old: table(COLUMNS, ""),
        new: table(COLUMNS, r#","indexes":[["n"]]"#),
        operations: format!(r#"{ROWS},{{"op":"insert","table":"A","row":{{"n":1}}}}"#),
        tool: Tool::Differs,
    });
    cases
}

/// All rows of a database of `schema`, as `run` has them selected.
fn contents(schema: &str, run: impl Fn(&str) -> String) -> String {
    let schema = json::parse(schema.as_bytes()).expect("valid JSON");
    let schema = Schema::from_json(&schema).expect("a valid schema");
    let selects = schema.tables.iter().map(|table| {
        let columns = table.columns.iter().map(|column| column.name.as_str());
        let columns = Json::array(columns.filter(|name| *name != "_version"));
        format!(
            r#"{{"op":"select","table":"{}","where":[],"columns":{columns}}}"#,
            table.name
        )
    });
    let selects: Vec<String> = selects.collect();
    let results = run(&format!(r#"["{}",{}]"#, schema.name, selects.join(",")));
    let results = json::parse(results.trim().as_bytes()).expect("valid JSON");
    let mut lines = Vec::new();
    for (table, result) in schema
        .tables
        .iter()
        .zip(results.as_array().expect("an array"))
    {
        let rows = result.get("rows").and_then(Json::as_array);
        for row in rows.expect("selecting succeeds") {
            lines.push(format!("{} {row}", table.name));
        }
    }
    lines.sort();
    lines.join("\n")
}

fn in_file(sandbox: &Sandbox, side: Side, file: &str, schema: &str) -> String {
    contents(schema, |transaction| {
        let path = sandbox.path(file).display().to_string();
        sandbox.run_ok(side.program("ovsdb-tool"), &["query", &path, transaction])
    })
}

/// Erases what tells the programs apart, and the order of two rows in an error about both.
fn normal(output: &Output) -> (Option<i32>, String) {
    let text = output.stderr.split("  First row, with UUID").next();
    let text = text.unwrap_or_default().trim_end().to_owned();
    (output.code, text)
}

struct Fixture {
    sandbox: Sandbox,
    case: Case,
}

impl Fixture {
    fn new(case: Case) -> Fixture {
        let sandbox = Sandbox::new();
        for (name, text) in [("old", &case.old), ("new", &case.new)] {
            fs::write(sandbox.path(name), text).expect("the sandbox is writable");
        }
        let tool = |arguments: &[&str]| {
            let mut command = sandbox.command(Side::Reference.program("ovsdb-tool"));
            let output = command
                .current_dir(sandbox.folder())
                .args(arguments)
                .output();
            let output = output.expect("the program starts");
            assert!(output.status.success(), "{}: {output:?}", case.what);
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        tool(&["create", "db", "old"]);
        if !case.operations.is_empty() {
            let name = tool(&["schema-name", "old"]);
            let transaction = format!(r#"["{}",{}]"#, name.trim(), case.operations);
            let results = tool(&["transact", "db", &transaction]);
            assert!(!results.contains("error"), "{}: {results}", case.what);
        }
        Fixture { sandbox, case }
    }

    /// A copy of the database for one side.
    fn copy(&self, what: &str, side: Side) -> String {
        let name = format!("{what}-{side:?}");
        fs::copy(self.sandbox.path("db"), self.sandbox.path(&name)).expect("it was created");
        name
    }

    /// Converts with the tool of one side, and says how that went and what is there afterwards.
    fn by_tool(&self, side: Side) -> ((Option<i32>, String), String) {
        let file = self.copy("tool", side);
        let paths =
            [file.as_str(), "new"].map(|name| self.sandbox.path(name).display().to_string());
        let [path, new] = &paths;
        let program = side.program("ovsdb-tool");
        let output = self
            .sandbox
            .run(&program, &["-vconsole:off", "convert", path, new]);
        let done = output.ok();
        let expected = if done { "no\n" } else { "yes\n" };
        let same = self
            .sandbox
            .run_ok(&program, &["needs-conversion", path, new]);
        if self.case.old != self.case.new {
            assert_eq!(same, expected, "{}", self.case.what);
        }
        let schema = if done { &self.case.new } else { &self.case.old };
        (normal(&output), self.read_by_both(&file, schema))
    }

    /// The contents of a file, about which both sides must agree.
    #[track_caller]
    fn read_by_both(&self, file: &str, schema: &str) -> String {
        let [reference, ours] = Side::BOTH.map(|side| in_file(&self.sandbox, side, file, schema));
        assert_eq!(reference, ours, "{}: {file}", self.case.what);
        ours
    }

    /// The same with a server. `None` if the server did not survive it.
    fn by_server(&self, side: Side) -> Option<((Option<i32>, String), String)> {
        let file = self.copy("server", side);
        let name = format!("{side:?}").to_lowercase();
        let socket = format!("{name}.sock");
        let databases = [(file.as_str(), Path::new("old"))];
        let server = Server::start_as(&self.sandbox, side, &name, &socket, &databases, &[]);
        let new = self.sandbox.path("new").display().to_string();
        let client = Side::Reference.program("ovsdb-client");
        let schema = json::parse(self.case.old.as_bytes()).expect("valid JSON");
        let database = schema.get("name").and_then(Json::as_str).expect("a name");
        // The reference's client dies where its server does not tell of the database yet.
        let connected = ["wait", &server.remote(), database, "connected"];
        self.sandbox.run_ok(&client, &connected);
        let output = self
            .sandbox
            .run(&client, &["convert", &server.remote(), &new]);
        if output.stderr.contains("End of file") {
            assert_eq!(side, Side::Reference, "{}: {output}", self.case.what);
            return None;
        }
        let schema = match output.ok() {
            true => &self.case.new,
            false => &self.case.old,
        };
        let served = contents(schema, |transaction| {
            self.sandbox
                .run_ok(&client, &["query", &server.remote(), transaction])
        });
        server.stop();
        let kept = self.read_by_both(&file, schema);
        if !schema.contains("ephemeral") {
            assert_eq!(served, kept, "{}: {file}", self.case.what);
        }
        Some((normal(&output), served))
    }

    fn check(&self) {
        let what = self.case.what;
        let ours = self.by_tool(Side::Ours);
        let reference = self.by_tool(Side::Reference);
        if self.case.tool == Tool::Alike {
            assert_eq!(reference, ours, "{what} by ovsdb-tool");
        } else {
            assert_ne!(reference, ours, "{what} by ovsdb-tool");
        }
        let ours = self.by_server(Side::Ours).expect("our server survives");
        match self.by_server(Side::Reference) {
            Some(reference) => assert_eq!(reference, ours, "{what} by ovsdb-server"),
            // Release 3.7 ends with a fault where a value cannot be converted.
            None => assert_ne!(ours.0.0, Some(0), "{what} by ovsdb-server"),
        }
    }
}

#[test]
fn changes_of_all_kinds_have_the_same_outcome() {
    for case in cases() {
        Fixture::new(case).check();
    }
}

#[test]
fn installed_schemas_take_the_place_of_older_ones_and_go_back() {
    for name in ["vswitch", "local-config", "ovn-nb", "ovn-sb"] {
        let text = fs::read_to_string(programs::reference_schema(name)).expect("it is installed");
        let json = json::parse(text.as_bytes()).expect("valid JSON");
        let tables = json
            .get("tables")
            .and_then(Json::as_object)
            .expect("tables");
        // An older release: every third column that is not indexed is missing, and so are tables that nothing names.
        let mut older = ovsdb_proto::json::Object::new();
        for (at, (name, table)) in tables.iter().enumerate() {
            if at % 4 == 3
                && !text.contains(&format!(r#""{name}","#))
                && !text.contains(&format!(r#""refTable": "{name}""#))
            {
                continue;
            }
            let Json::Object(mut table) = table.clone() else {
                panic!("a table is an object");
            };
            let indexed = table.get("indexes").map_or(String::new(), Json::to_string);
            let columns = table
                .get("columns")
                .and_then(Json::as_object)
                .expect("columns");
            let kept = columns
                .iter()
                .enumerate()
                .filter(|(at, (name, _))| at % 3 != 1 || indexed.contains(&format!("\"{name}\"")));
            let kept = kept.map(|(_, (name, column))| (name.clone(), column.clone()));
            let kept = Json::Object(kept.collect());
            table.insert("columns", kept);
            older.insert(name.clone(), Json::Object(table));
        }
        let Json::Object(mut schema) = json.clone() else {
            panic!("a schema is an object");
        };
        schema.insert("tables", Json::Object(older));
        let older = Json::Object(schema).to_string();
        for (old, new) in [(&older, &text), (&text, &older)] {
            let case = Case {
                what: "an installed schema",
                old: old.clone(),
                new: new.clone(),
                operations: inserts(old),
                tool: Tool::Alike,
            };
            Fixture::new(case).check();
        }
    }
}

/// Operations that insert a row of default values into each table that takes one.
fn inserts(schema: &str) -> String {
    let schema = json::parse(schema.as_bytes()).expect("valid JSON");
    let schema = Schema::from_json(&schema).expect("a valid schema");
    let takes = schema.tables.iter().filter(|table| {
        let refers = |ty: &ovsdb_proto::types::ColumnType| {
            !ty.is_optional() && (ty.has_strong_refs() || ty.has_weak_refs())
        };
        table.is_root
            && table.unsound_defaults().is_empty()
            && !table.columns.iter().any(|column| refers(&column.ty))
    });
    let insert = |table: &str| format!(r#"{{"op":"insert","table":"{table}","row":{{}}}}"#);
    let inserts: Vec<String> = takes.map(|table| insert(&table.name)).collect();
    inserts.join(",")
}
