//! Two folders with the same files, one for the reference's `ovsdb-tool` and one for ours, and databases to put there.
//!
//! Runs, erases what may differ, and compares; what is to be compared is said in the tests.

use std::fs;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::names::{self, Names};
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::{Output, Sandbox};

pub(crate) const SHOP: &str = r#"{
  "name": "Shop", "version": "2.4.1", "cksum": "123456789 1024",
  "tables": {
    "Shelf": {
      "columns": {
        "name": {"type": "string"},
        "width": {"type": {"key": {"type": "integer", "minInteger": 1, "maxInteger": 400}}},
        "weight": {"type": {"key": "real", "min": 0, "max": 1}},
        "locked": {"type": "boolean"},
        "goods": {"type": {"key": {"type": "uuid", "refTable": "Good"}, "min": 0, "max": "unlimited"}},
        "beside": {"type": {"key": {"type": "uuid", "refTable": "Shelf", "refType": "weak"}, "min": 0, "max": 2}},
        "seen": {"type": "integer", "ephemeral": true}
      },
      "indexes": [["name"]], "isRoot": true, "maxRows": 5
    },
    "Good": {
      "columns": {
        "name": {"type": "string", "mutable": false},
        "kind": {"type": {"key": {"type": "string", "enum": ["set", ["book", "tool", "toy"]]}}},
        "prices": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
        "tags": {"type": {"key": {"type": "string", "maxLength": 12}, "min": 0, "max": "unlimited"}}
      }
    }
  }
}"#;

/// The same but for a version: other contents, other name of a column.
pub(crate) const SHOP_LATER: &str = r#"{"name": "Shop", "version": "2.5.0", "tables": {
    "Shelf": {"columns": {"title": {"type": "string"}}, "isRoot": true}}}"#;

/// The oldest kind: no version, no checksum, no roots.
pub(crate) const PLAIN: &str =
    r#"{"name": "Plain", "tables": {"T": {"columns": {"i": {"type": "integer"}}}}}"#;

/// Transactions on [`SHOP`] that succeed, one after another.
pub(crate) const STOCK: &[&str] = &[
    r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"left","width":80,"seen":7}}]"#,
    r#"["Shop",
        {"op":"insert","table":"Good","uuid-name":"g","row":{"name":"hammer","kind":"tool","tags":["set",["steel","a b"]],
            "prices":["map",[["EUR",12],["USD",-3]]]}},
        {"op":"insert","table":"Shelf","uuid-name":"s","row":{"name":"right \"\u00e9\"\n","width":400,"weight":0.1,
            "locked":true,"goods":["named-uuid","g"],"beside":["named-uuid","s"]}},
        {"op":"comment","comment":"two\nlines"}]"#,
    r#"["Shop",{"op":"mutate","table":"Good","where":[],"mutations":[["tags","insert",["set",["new","steel"]]],
        ["prices","delete",["set",["USD"]]]]},
        {"op":"update","table":"Shelf","where":[["name","==","left"]],"row":{"weight":1e300,"width":1}},
        {"op":"commit","durable":true}]"#,
    r#"["Shop",{"op":"update","table":"Shelf","where":[["name","==","left"]],"row":{"name":"middle"}}]"#,
    r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"gone","width":2}},{"op":"comment","comment":"in"}]"#,
    r#"["Shop",{"op":"delete","table":"Shelf","where":[["name","==","gone"]]},{"op":"comment","comment":"out"}]"#,
];

/// Everything in a database of [`SHOP`].
pub(crate) const EVERYTHING: &str = r#"["Shop",{"op":"select","table":"Shelf","where":[]},{"op":"select","table":"Good","where":[]}]"#;

/// One side's folder and what its UUIDs are called.
pub(crate) struct Bench {
    pub(crate) side: Side,
    pub(crate) sandbox: Sandbox,
    names: Names,
}

impl Bench {
    pub(crate) fn new(side: Side) -> Bench {
        let bench = Bench {
            side,
            sandbox: Sandbox::new(),
            names: Names::new(),
        };
        for (name, text) in [
            ("shop.ovsschema", SHOP),
            ("later.ovsschema", SHOP_LATER),
            ("vswitch.ovsschema", PLAIN),
        ] {
            bench.write(name, text);
        }
        bench
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.sandbox.path(name), contents).expect("the sandbox is writable");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs this side's program; its output as it is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = self
            .sandbox
            .command(self.side.program("ovsdb-tool"))
            .env("OVS_PKGDATADIR", self.sandbox.folder())
            .args(arguments)
            .output()
            .expect("the program starts");
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn run_ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(0), ""),
            "{:?} {arguments:?}",
            self.side
        );
        output.stdout
    }

    /// An output as it is compared.
    pub(crate) fn normal(&mut self, output: Output, order: Lines) -> Output {
        let stdout = match order {
            Lines::Json => normal_json(&output.stdout),
            Lines::AsTheyAre => output.stdout,
            Lines::Sorted => {
                let mut lines: Vec<&str> = output.stdout.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            }
        };
        let [stdout, stderr] = [stdout, output.stderr].map(|text| self.erase(&text));
        Output {
            code: output.code,
            stdout,
            stderr,
        }
    }

    pub(crate) fn erase(&mut self, text: &str) -> String {
        let program = self.side.program("ovsdb-tool").display().to_string();
        let folder = self.sandbox.folder().display().to_string();
        let text = text.replace(&program, "ovsdb-tool").replace(&folder, "DIR");
        let lines = text.split('\n').map(|line| match line.split_once("Z|") {
            Some((time, rest)) if time.starts_with("20") => format!("TIME|{rest}"),
            _ => line.to_owned(),
        });
        self.names.rename(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// How much of the order of what is printed counts.
#[derive(Clone, Copy)]
pub(crate) enum Lines {
    AsTheyAre,
    Sorted,
    /// A transaction's results: rows are sets.
    Json,
}

/// Results with their rows sorted by what is in them but for UUIDs; a text that is no JSON as it is.
pub(crate) fn normal_json(text: &str) -> String {
    let Ok(Json::Array(results)) = json::parse(text.as_bytes()) else {
        return text.to_owned();
    };
    let sort = |result: Json| match result {
        Json::Object(mut object) => {
            if let Some(Json::Array(rows)) = object.get_mut("rows") {
                rows.sort_by_cached_key(|row| names::erase(&row.to_string()));
            }
            Json::Object(object)
        }
        other => other,
    };
    Json::Array(results.into_iter().map(sort).collect()).to_string()
}

/// Both sides with the same files.
pub(crate) struct Pair(pub(crate) [Bench; 2]);

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair(Side::BOTH.map(Bench::new))
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        for bench in &self.0 {
            bench.write(name, &contents);
        }
    }

    /// Runs a command on both sides, compares, and gives what it printed on the reference's side.
    #[track_caller]
    pub(crate) fn check(&mut self, order: Lines, code: i32, arguments: &[&str]) -> Output {
        let [reference, ours] = &mut self.0;
        let expect = reference.run(arguments);
        let expect = reference.normal(expect, order);
        let found = ours.run(arguments);
        let found = ours.normal(found, order);
        assert!(
            expect == found,
            "{arguments:?}\nthe reference: {expect}\nours: {found}"
        );
        assert_eq!(expect.code, Some(code), "{arguments:?}: {expect}");
        expect
    }

    #[track_caller]
    pub(crate) fn check_ok(&mut self, arguments: &[&str]) -> Output {
        self.check(Lines::AsTheyAre, 0, arguments)
    }
}

/// A database file with [`STOCK`], made by one side.
pub(crate) fn stock(bench: &Bench, name: &str) {
    bench.run_ok(&["create", name, "shop.ovsschema"]);
    for transaction in STOCK {
        let results = bench.run_ok(&["transact", name, transaction]);
        assert!(!results.contains("error"), "{transaction}: {results}");
    }
}

/// The same in both, made by the reference.
pub(crate) fn stocked() -> Pair {
    let pair = Pair::new();
    stock(&pair.0[0], "db");
    let contents = pair.0[0].read("db");
    pair.write("db", contents);
    pair
}
