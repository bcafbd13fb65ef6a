//! Files for `ovsdb-tool` to work on, sound and unsound, the same in two folders, and what is in them when it has worked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ovsdb_log::{LockPolicy, Log, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::json::{self, Json, Object};
use ovsdb_testkit::programs::{Side, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;

use crate::{Stage, contents};

/// Schemas of the reference's packages, and ours.
pub(crate) const SCHEMAS: [&str; 6] = [
    "every",
    "vswitch",
    "vtep",
    "ovn-nb",
    "ovn-sb",
    "local-config",
];

/// Databases of these schemas but the last, with a few rows in every table.
pub(crate) const DATABASES: [&str; 5] = [
    "every.db",
    "vswitch.db",
    "vtep.db",
    "ovn-nb.db",
    "ovn-sb.db",
];

/// Rows of the large table.
const MANY: usize = 1_000;

/// Files that are no database, or a damaged one.
pub(crate) const UNSOUND: [&str; 18] = [
    "missing",
    "empty",
    "text",
    "line",
    "zeros",
    "folder",
    "text/below",
    "dangling",
    "loop",
    "/dev/null",
    "/proc/self/mem",
    "header.db",
    "magic.db",
    "no-schema.db",
    "no-json.db",
    "bad-schema.db",
    "torn-schema.db",
    "only-header.db",
];

/// Databases with a record that cannot be read, behind others that can.
pub(crate) const DAMAGED: [&str; 7] = [
    "torn-header.db",
    "torn-data.db",
    "flipped.db",
    "array.db",
    "unknown-table.db",
    "unknown-column.db",
    "tail.db",
];

/// Files of clustered databases, made by the reference's program.
pub(crate) const CLUSTERED: [&str; 2] = ["cluster.db", "joining.db"];

/// Files that are no schema.
pub(crate) const BAD_SCHEMAS: [&str; 12] = [
    "missing",
    "empty",
    "text",
    "folder",
    "dangling",
    "/dev/null",
    "every.db",
    "bad1.ovsschema",
    "bad2.ovsschema",
    "bad3.ovsschema",
    "bad4.ovsschema",
    "bad5.ovsschema",
];

const BAD_SCHEMA_TEXTS: [&str; 5] = [
    r#"{"name": 1}"#,
    r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": "integral"}}}}}"#,
    r#"{"name": "X", "tables": {"T": {"columns": {}}}, "version": "1.2"}"#,
    r#"{"name": "X", "tables": {"T": {"columns": {"_c": {"type": "string"}}}}}"#,
    r#"{"name": "X", "tables": {}} {"name": "Y"}"#,
];

/// By name, what both folders hold at first.
#[derive(Clone)]
pub(crate) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Databases of all schemas, filled by a server of this side, and what can be made of them.
    pub(crate) fn written_by(side: Side) -> Files {
        let many = Stage::new(side, false);
        contents::fill_many(many.server.socket(), MANY);
        many.server.stop();
        let Stage { server, sandbox } = Stage::new(side, true);
        server.stop();
        let mut files = Files(BTreeMap::new());
        files.put("many.db", read(&many.sandbox, "every.db"));
        for name in SCHEMAS {
            let schema = match name {
                "every" => contents::every_type().into_bytes(),
                name => fs::read(reference_schema(name)).expect("it is installed"),
            };
            files.put(&format!("{name}.ovsschema"), schema);
        }
        for name in DATABASES {
            files.put(name, read(&sandbox, name));
        }
        for (number, text) in BAD_SCHEMA_TEXTS.iter().enumerate() {
            files.put(&format!("bad{}.ovsschema", number + 1), *text);
        }
        files.spoil();
        files.cluster(&sandbox);
        // The default names of both.
        files.copy("every.db", "conf.db");
        files.copy("ovn-sb.db", "other.db");
        files
    }

    fn put(&mut self, name: &str, contents: impl Into<Vec<u8>>) {
        self.0.insert(name.to_owned(), contents.into());
    }

    fn copy(&mut self, from: &str, to: &str) {
        self.put(to, self.0[from].clone());
    }

    /// Files that are no databases, or damaged ones.
    fn spoil(&mut self) {
        let good = self.0["every.db"].clone();
        let ends = line_ends(&good);
        assert!(
            ends.len() >= 4,
            "a schema and a transaction, of two lines each"
        );
        let (schema, first) = (ends[1], ends[2]);
        self.put("fresh.db", &good[..schema]);
        self.put("empty", "");
        self.put("text", "no database\n");
        self.put("line", "no line");
        self.put("zeros", vec![0; 4096]);
        self.put("header.db", "OVSDB JSON x y\n{}\n");
        self.put(
            "magic.db",
            "OVSDB OTHER 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n",
        );
        self.put("only-header.db", &good[..ends[0]]);
        self.put("torn-schema.db", &good[..schema - 9]);
        self.put("no-json.db", record("{\n"));
        self.put("no-schema.db", record("{}\n"));
        self.put("bad-schema.db", record("{\"name\":\"X\"}\n"));
        self.put("torn-header.db", &good[..schema + 9]);
        self.put("torn-data.db", &good[..first + 9]);
        let mut flipped = good.clone();
        flipped[first + 9] ^= 1;
        self.put("flipped.db", flipped);
        for (name, more) in [
            ("array.db", "[]\n"),
            (
                "unknown-table.db",
                r#"{"Nothing":{"11111111-2222-4333-8444-555555555555":{}}}"#,
            ),
            (
                "unknown-column.db",
                r#"{"Empty":{"11111111-2222-4333-8444-555555555555":{"nothing":1}}}"#,
            ),
        ] {
            self.put(name, [good.clone(), record(more)].concat());
        }
        self.put("tail.db", [&good[..], b"OVSDB JSON 9 "].concat());
    }

    /// Files of clustered databases.
    fn cluster(&mut self, sandbox: &Sandbox) {
        let program = Side::Reference.program("ovsdb-tool");
        let schema = sandbox.path("every.ovsschema").display().to_string();
        sandbox.run_ok(
            &program,
            &[
                "create-cluster",
                "cluster.db",
                &schema,
                "tcp:127.0.0.1:6643",
            ],
        );
        let join = [
            "join-cluster",
            "joining.db",
            "Every",
            "tcp:127.0.0.1:6644",
            "tcp:127.0.0.1:6643",
        ];
        sandbox.run_ok(&program, &join);
        for name in CLUSTERED {
            self.put(name, read(sandbox, name));
        }
    }

    /// Another schema, or another file of any kind.
    pub(crate) fn and(mut self, name: &str, contents: impl Into<Vec<u8>>) -> Files {
        self.put(name, contents);
        self
    }

    /// The same without the files that take long.
    pub(crate) fn small(&self) -> Files {
        let files = self.0.iter().filter(|(name, _)| *name != "many.db");
        Files(
            files
                .map(|(name, contents)| (name.clone(), contents.clone()))
                .collect(),
        )
    }

    /// Empties a folder and puts the files there.
    pub(crate) fn lay_out(&self, sandbox: &Sandbox) {
        let folder = sandbox.folder();
        for entry in fs::read_dir(folder).expect("the sandbox is readable") {
            let path = entry.expect("the sandbox is readable").path();
            match path.is_dir() && !path.is_symlink() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            }
            .expect("the sandbox is writable");
        }
        for (name, contents) in &self.0 {
            fs::write(sandbox.path(name), contents).expect("the sandbox is writable");
        }
        fs::create_dir(sandbox.path("folder")).expect("the sandbox is writable");
        for (target, link) in [
            ("folder/new", "dangling"),
            ("loop", "loop"),
            ("every.db", "link"),
        ] {
            symlink(target, sandbox.path(link)).expect("the sandbox is writable");
        }
    }
}

/// A record of a standalone database.
fn record(data: &str) -> Vec<u8> {
    let sandbox = Sandbox::new();
    let path = sandbox.path("log");
    let mut log = Log::open(
        &path,
        OpenMode::Create,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )
    .expect("the sandbox is writable");
    log.append(data.as_bytes())
        .expect("the sandbox is writable");
    drop(log);
    fs::read(path).expect("it has just been written")
}

/// Behind each line of a log: a header and its data are two.
fn line_ends(log: &[u8]) -> Vec<usize> {
    let ends = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).collect()
}

fn read(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    fs::read(sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Files {
    /// All that is in a folder, by path: of files that are not as they were laid out, what they hold but for dates and what
    /// programs say of themselves.
    pub(crate) fn found(&self, sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        self.collect(sandbox.folder(), sandbox.folder(), &mut found);
        found
    }

    fn collect(&self, folder: &Path, below: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).expect("the sandbox is readable") {
            let path = entry.expect("the sandbox is readable").path();
            let name = path.strip_prefix(below).expect("it is below").to_owned();
            let text = if path.is_symlink() {
                let target = fs::read_link(&path).expect("it is a link");
                format!("link to {}", target.display())
            } else if path.is_dir() {
                self.collect(&path, below, found);
                String::from("folder")
            } else {
                let bytes = fs::read(&path).expect("the sandbox is readable");
                let laid_out = name.to_str().and_then(|name| self.0.get(name));
                match laid_out == Some(&bytes) {
                    true => String::from("as it was"),
                    false => text_of(&path, &bytes),
                }
            };
            found.insert(name, text);
        }
    }
}

/// What a file says: the records of a database, anything else as it is.
fn text_of(path: &Path, bytes: &[u8]) -> String {
    let log = Log::open(
        path,
        OpenMode::ReadOnly,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    );
    let Ok(mut log) = log else {
        return String::from_utf8_lossy(bytes).into_owned();
    };
    let mut text = String::new();
    while let Ok(Some(record)) = log.read() {
        text += &match json::parse(&record.payload) {
            Ok(json) => without_origin(json).to_string(),
            Err(_) => String::from_utf8_lossy(&record.payload).into_owned(),
        };
        text.push('\n');
    }
    // What cannot be read.
    let rest = usize::try_from(log.offset()).expect("files are small");
    text + &String::from_utf8_lossy(&bytes[rest.min(bytes.len())..])
}

/// A record without its date and without the name and version of the program that wrote it.
fn without_origin(json: Json) -> Json {
    let Json::Object(members) = json else {
        return json;
    };
    let members = members.into_iter().map(|(name, value)| {
        let value = match (&*name, value) {
            ("_date", Json::Integer(_)) => Json::string("DATE"),
            ("_comment", Json::String(comment)) => {
                let comment = comment.to_string();
                let kept = comment.split(" by ovsdb-tool 3.").next();
                Json::string(kept.unwrap_or_default())
            }
            (_, value) => value,
        };
        (name, value)
    });
    Json::Object(members.collect::<Object>())
}
