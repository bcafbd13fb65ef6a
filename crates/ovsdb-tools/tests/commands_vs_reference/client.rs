//! Everything else that a command line of `ovsdb-client` may say, right or wrong.

use std::collections::BTreeSet;

use ovsdb_testkit::alike::{Alike, Call, Lines};
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use crate::{Stage, contents, known};

/// Printed by the reference in the order of a hash table.
const UNORDERED: &[(&[&str], Lines)] = &[
    (&["list-tables"], Lines::Sorted),
    (&["list-tables", "OVN_Southbound"], Lines::Sorted),
    (&["-fhtml", "list-tables", "Every"], Lines::Sorted),
    (&["-fcsv", "list-tables", "Every"], Lines::Sorted),
    (&["-fjson", "list-tables", "Every"], Lines::Json),
    (&["--bare", "list-tables", "Every"], Lines::Sorted),
    (
        &["--no-headings", "list-tables", "hardware_vtep"],
        Lines::Sorted,
    ),
    (&["list-columns"], Lines::Sorted),
    (&["list-columns", "Every"], Lines::Sorted),
    (&["list-columns", "Every", "Every"], Lines::Sorted),
    (&["list-columns", "Every", "Empty"], Lines::Sorted),
    (&["list-columns", "Every", "Nothing"], Lines::Sorted),
    (
        &["list-columns", "unix:db.sock", "Every", "Empty"],
        Lines::Sorted,
    ),
    (&["list-columns", "Bridge"], Lines::Sorted),
    (&["list-columns", "-fcsv", "OVN_Northbound"], Lines::Sorted),
    (&["list-columns", "-fjson", "OVN_Northbound"], Lines::Json),
    (&["list-columns", "-fhtml", "Every"], Lines::Sorted),
    (&["list-columns", "-flist", "Every"], Lines::Sorted),
    (&["list-columns", "-djson", "Every"], Lines::Sorted),
    (
        &["list-columns", "--data=bare", "--no-heading", "Every"],
        Lines::Sorted,
    ),
    (
        &[
            "list-columns",
            "--data=bare",
            "--no-heading",
            "--format=json",
            "Every",
        ],
        Lines::Json,
    ),
    (
        &["list-columns", "--max-column-width=5", "Every"],
        Lines::Sorted,
    ),
];

/// Schemas, servers and databases.
const SERVERS: &[&[&str]] = &[
    &["list-dbs"],
    &["list-dbs", "unix:SOCKET"],
    &["list-dbs", "unix:db.sock"],
    &["list-dbs", "unix:missing.sock"],
    &["list-dbs", "unix:file"],
    &["list-dbs", "unix:mute.sock.missing/x"],
    &["list-dbs", "unix:"],
    &["list-dbs", "tcp:127.0.0.1:1"],
    &["list-dbs", "tcp:"],
    &["list-dbs", "tcp:127.0.0.1"],
    &["list-dbs", "tcp:127.0.0.1,tcp:127.0.0.1"],
    &["list-dbs", "tcp:127.0.0.1:x"],
    &["list-dbs", "tcp:127.0.0.1:70000"],
    &["list-dbs", "tcp:[::1]:1"],
    &["list-dbs", "tcp:::1:1"],
    &["list-dbs", "tcp:no-such-host.invalid:6640"],
    &["list-dbs", "ssl:127.0.0.1:1"],
    &["list-dbs", "ptcp:x"],
    &["list-dbs", "punix:missing/x.sock"],
    &["list-dbs", "nonsense:x"],
    &["list-dbs", "SOCKET"],
    &["list-dbs", "x"],
    &["list-dbs", ""],
    &["list-dbs", "unix:SOCKET", "more"],
    &["list-dbs", "more", "unix:SOCKET"],
    &["list-dbs", "unix:missing.sock,unix:db.sock"],
    &["list-dbs", "unix:missing.sock,unix:lost.sock"],
    &["list-dbs", "unix:missing.sock,"],
    &["list-dbs", ",unix:db.sock"],
    &["list-dbs", "nonsense:x,unix:db.sock"],
    &["get-schema-version"],
    &["get-schema-version", "unix:SOCKET"],
    &["get-schema-version", "unix:SOCKET", "Every"],
    &["get-schema-version", "Every"],
    &["get-schema-version", "_Server"],
    &["get-schema-version", "Nothing"],
    &["get-schema-version", "unix:SOCKET", "Nothing"],
    &["get-schema-version", "unix:SOCKET", "Every", "more"],
    &["get-schema-cksum"],
    &["get-schema-cksum", "Every"],
    &["get-schema-cksum", "_Server"],
    &["get-schema-cksum", "hardware_vtep"],
    &["get-schema"],
    &["get-schema", "_Server"],
    &["get-schema", "hardware_vtep"],
    &["get-schema", "OVN_Southbound"],
    &["get-schema", "OVN_Northbound", "--pretty"],
    &["get-schema", "Nothing"],
    &["get-schema", "every"],
    &[
        "get-schema-version",
        "unix:missing.sock,unix:db.sock",
        "Every",
    ],
    &[
        "get-schema-version",
        "unix:missing.sock, unix:db.sock",
        "Nothing",
    ],
    &["get-schema-version", "unix:db.sock,unix:missing.sock"],
    &[
        "get-schema-version",
        "unix:missing.sock,unix:lost.sock",
        "Every",
    ],
    &["dump", "unix:db.sock,unix:db.sock", "Every", "Single"],
    &[
        "dump",
        "cid:01234567-89ab-cdef-0123-456789abcdef,unix:db.sock",
        "Every",
    ],
    &[
        "dump",
        "cid:01234567-89ab-cdef-0123-456789abcdef,unix:db.sock,unix:lost.sock",
        "Every",
    ],
    &[
        "--no-leader-only",
        "get-schema-version",
        "unix:missing.sock,unix:db.sock",
        "Every",
    ],
    &[
        "--leader-only",
        "get-schema-version",
        "unix:missing.sock,unix:db.sock",
        "Every",
    ],
    &["--no-db-change-aware", "get-schema-version", "Every"],
    &["--db-change-aware", "transact", r#"["Every"]"#],
    &["--no-db-change-aware", "transact", r#"["Every"]"#],
    // A word that might be the server, the database, a table or a column.
    &["dump", "unix:db.sock"],
    &["dump", "unix:db.sock", "Every", "Single"],
    &["dump", "unix:db.sock", "Bridge", "name"],
    &["dump", "Every", "Every", "string"],
    &["dump", "Every", "string"],
    &["dump", "Nothing"],
    &["dump", "Every", "Nothing"],
    &["dump", "Every", "Every", "nothing"],
    &["dump", "Every", "Every", "string", "string"],
    &["dump", "Every", "Every", "_version"],
    &["dump", "Every", "Every", "string", "_version", "_uuid"],
    &["dump", "Every", ""],
    &["dump", ""],
    &[
        "dump",
        "_Server",
        "Database",
        "name",
        "model",
        "connected",
        "leader",
    ],
    &["backup", "Nothing", "more"],
    &["backup", "unix:missing.sock"],
    &["restore", "Nothing", "more"],
];

/// Command lines that are wrong, and options that are written in other ways.
const WORDS: &[&[&str]] = &[
    &[],
    &["nothing"],
    &[""],
    &["dum"],
    &["DUMP"],
    &["--no-such-option", "dump"],
    &["--no-such-option=x", "dump"],
    &["--timeout"],
    &["--timeout=0", "list-dbs"],
    &["--timeout=", "list-dbs"],
    &["--timeout=-1", "list-dbs"],
    &["--timeout=+5", "list-dbs"],
    &["--timeout= 5", "list-dbs"],
    &["--timeout=4294967296", "list-dbs"],
    &["--time=5", "list-dbs"],
    &["-t", "x", "list-dbs"],
    &["-t", "1.5", "list-dbs"],
    &["-t"],
    &["-t10", "list-dbs"],
    &["-t", "10", "list-dbs"],
    &["-f", "nothing", "list-dbs"],
    &["-f", "", "list-dbs"],
    &["-f", "Table", "list-dbs"],
    &["-d", "nothing", "list-dbs"],
    &["-d", "", "list-dbs"],
    &["--format", "tab", "list-dbs"],
    &["-f"],
    &["-d"],
    &["--data"],
    &["-y", "list-dbs"],
    &["-yz", "list-dbs"],
    &["-ft5", "list-dbs"],
    &["--pretty=yes", "list-dbs"],
    &["--bare=yes", "list-dbs"],
    &["--pre", "get-schema-version", "Every"],
    &["--no", "list-dbs"],
    &["--no-h", "list-dbs"],
    &["--force", "list-dbs"],
    &["--timestamp", "list-dbs"],
    &["--max-column-width", "list-dbs"],
    &["--", "list-dbs"],
    &["list-dbs", "--"],
    &["list-dbs", "--", "unix:db.sock"],
    &["list-dbs", "--", "-t"],
    &["-", "list-dbs"],
    &["list-dbs", "-"],
    // Logging.
    &[
        "-vconsole:off",
        "list-dbs",
        "unix:missing.sock,unix:lost.sock",
    ],
    &["-vnonsense", "list-dbs"],
    &["-v", "nonsense", "list-dbs"],
    &["--verbose=ovsdb_client:console:off", "nothing"],
    &["-voff", "nothing"],
    &["-vPATTERN:console:%m", "nothing"],
    &["-vPATTERN:console:%p-%c-%A", "nothing"],
    &["-vFACILITY:daemon", "list-dbs"],
    &["-vFACILITY:nonsense", "list-dbs"],
    &["--syslog-target=127.0.0.1:1", "list-dbs"],
    &["--syslog-method=null", "list-dbs"],
    &["--log-file=missing/x.log", "list-dbs"],
    &["--log-file=client.log", "list-dbs"],
    // Services that ours does not have.
    &["--record=.", "list-dbs"],
    &["--rep", "list-dbs"],
    // A daemon's options where nothing goes to the background.
    &["--detach", "list-dbs"],
    &["--pidfile=other.pid", "list-dbs"],
    &["--no-chdir", "list-dbs"],
    &["--user=no-such-user", "list-dbs"],
    &["--detach", "--no-chdir", "nothing"],
    // TLS.
    &["--private-key=missing.pem", "list-dbs"],
    &["--ssl-protocols=nonsense", "list-dbs"],
    &[
        "-p",
        "missing.pem",
        "-c",
        "missing.pem",
        "-C",
        "missing.pem",
        "list-dbs",
        "ssl:127.0.0.1:1",
    ],
    &["-p"],
    // Numbers of arguments.
    &["get-schema", "unix:db.sock", "Every", "more"],
    &["list-tables", "Every", "more"],
    &["list-columns", "Every", "Every", "more"],
    &["transact"],
    &["transact", "unix:db.sock", "more", r#"["Every"]"#],
    &["query"],
    &["query", "unix:db.sock", "more", r#"["Every"]"#],
    &["monitor"],
    &["monitor-cond"],
    &["monitor-cond", "[]"],
    &["monitor-cond", "Every", "[]", "Every", "string", "more"],
    &["monitor-cond-since"],
    &["monitor-cond-since", "[]"],
    &[
        "monitor-cond-since",
        "Every",
        "00000000-0000-0000-0000-000000000000",
        "[]",
        "Every",
        "string",
        "more",
    ],
    &["wait"],
    &["wait", "Every"],
    &["wait", "unix:db.sock", "Every", "added", "more"],
    &["convert"],
    &["convert", "unix:db.sock", "a", "b"],
    &["needs-conversion"],
    &["needs-conversion", "unix:db.sock", "a", "b"],
    &["lock"],
    &["-t", "1", "lock", "unix:db.sock"],
    &["lock", "unix:db.sock", "a", "b"],
    &["steal"],
    &["unlock", "unix:db.sock", "a", "b"],
];

/// Transactions, and what is none.
const TRANSACTIONS: &[&[&str]] = &[
    &["transact", ""],
    &["transact", "["],
    &["transact", "[1,]"],
    &["transact", "{}"],
    &["transact", "[]"],
    &["transact", "[1]"],
    &["transact", "12"],
    &["transact", "\"x\""],
    &["transact", "null"],
    &["transact", r#"["Every"] "#],
    &["transact", r#"["Every"] x"#],
    &["transact", r#"["Nothing"]"#],
    &["--pretty", "transact", r#"["Nothing"]"#],
    &["transact", r#"["Every"]"#],
    &["transact", r#"["Every", 1]"#],
    &["transact", r#"["Every", {"op":"nonsense"}]"#],
    &["transact", "ignored", r#"["Every"]"#],
    &["transact", "unix:SOCKET", r#"["Every"]"#],
    &["transact", "unix:missing.sock", r#"["Every"]"#],
    &["transact", "unix:missing.sock,unix:db.sock", r#"["Every"]"#],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Empty","row":{}},{"op":"abort"}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Empty","row":{"column":1}}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Empty","row":{"nothing":1}}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Nothing","row":{}}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Single","row":{}},{"op":"comment","comment":"one too many"}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"insert","table":"Every","row":{"limited":"x"}}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"update","table":"Every","where":[],"row":{"fixed":"x"}}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"delete","table":"Every","where":[]},{"op":"abort"}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"mutate","table":"Every","where":[],"mutations":[["integer","/=",0]]}]"#,
    ],
    &[
        "transact",
        r#"["Every",{"op":"wait","table":"Empty","where":[],"columns":["column"],"until":"!=","rows":[],"timeout":0}]"#,
    ],
    &["transact", r#"["Every",{"op":"assert","lock":"none"}]"#],
    &[
        "transact",
        r#"["_Server",{"op":"delete","table":"Database","where":[]}]"#,
    ],
    &["query", "[1]"],
    &["query", "{}"],
    &["query", "["],
    &["query", "1"],
    &["query", r#"["Every"]"#],
    &[
        "query",
        r#"["Every",{"op":"delete","table":"Every","where":[]}]"#,
    ],
    &[
        "query",
        r#"["Every",{"op":"select","table":"Nothing","where":[]}]"#,
    ],
    &[
        "query",
        r#"["Every",{"op":"select","table":"Single","where":[["nothing","==",1]]}]"#,
    ],
    &["query", r#"["Every",{"op":"abort"}]"#],
    &["query", r#"["Every",{"op":"commit","durable":true}]"#],
    &[
        "query",
        "unix:db.sock",
        r#"["Every",{"op":"select","table":"Single","where":[]}]"#,
    ],
    &[
        "query",
        "--pretty",
        r#"["Every",{"op":"select","table":"Every","where":[]}]"#,
    ],
    &[
        "query",
        r#"["_Server",{"op":"select","table":"Database","where":[["name","==","Every"]],"columns":["connected","leader","index","model"]}]"#,
    ],
];

/// Clients that would stay, and are told no.
const REFUSED: &[&[&str]] = &[
    &["monitor", "Nothing"],
    &["monitor", "Every", "Nothing"],
    &["monitor", "Every", "Every", "nothing"],
    &["monitor", "Every", "Every", "string,string"],
    &["monitor", "Every", "Every", "string", "integer,string"],
    &["monitor", "Every", "Every", "string", "!initial"],
    &["monitor", "Every", "Every", "!nothing"],
    &["monitor", "unix:db.sock", "Every", "Every", "_uuid,nothing"],
    &["monitor", "unix:missing.sock", "ALL"],
    &[
        "monitor",
        "unix:missing.sock,unix:lost.sock",
        "Every",
        "ALL",
    ],
    &["monitor-cond", "Every", "[", "Every"],
    &["monitor-cond", "Every", "[]", "Nothing"],
    &["monitor-cond", "Every", "1", "Every"],
    &["monitor-cond", "Every", "{}", "Every"],
    &["monitor-cond", "Every", r#"[["nothing","==",1]]"#, "Every"],
    &[
        "monitor-cond",
        "Every",
        r#"[["integer","==","x"]]"#,
        "Every",
    ],
    &["monitor-cond", "Every", r#"[["integer","~",1]]"#, "Every"],
    &["monitor-cond", "Every", "[]", "ALL"],
    &["monitor-cond", "Every", "[]", "Every", "nothing"],
    &["monitor-cond-since", "Every", "[]", "Nothing"],
    &[
        "monitor-cond-since",
        "Every",
        "00000000-0000-0000-0000-000000000000",
        "[]",
        "Nothing",
    ],
    &["monitor-cond-since", "Every", "nonsense", "[]", "Every"],
    &["--db-change-aware", "monitor", "Every", "Nothing"],
    &["wait", "unix:db.sock", "Nothing", "lost"],
    &["wait", "unix:db.sock", "Nothing", ""],
    &["wait", "unix:db.sock", "Nothing", "Added"],
    &["wait", "Every", "added"],
    &["wait", "Every", "connected"],
    &["wait", "unix:SOCKET", "Nothing", "removed"],
    &["wait", "unix:SOCKET", "_Server", "added"],
    &["lock", "unix:missing.sock", "gate"],
    &["steal", "unix:missing.sock", "gate"],
    &["unlock", "unix:missing.sock", "gate"],
];

/// Schemas in files.
const SCHEMAS: &[&[&str]] = &[
    &["needs-conversion", "every.ovsschema"],
    &["needs-conversion", "unix:SOCKET", "every.ovsschema"],
    &["needs-conversion", "other.ovsschema"],
    &["needs-conversion", "missing.ovsschema"],
    &["needs-conversion", "broken.ovsschema"],
    &["needs-conversion", "text.ovsschema"],
    &["needs-conversion", "nothing.ovsschema"],
    &["needs-conversion", "."],
    &["needs-conversion", "unix:missing.sock", "every.ovsschema"],
    &[
        "needs-conversion",
        "unix:missing.sock,unix:db.sock",
        "every.ovsschema",
    ],
    &["needs-conversion", "nonsense", "every.ovsschema"],
    &["convert", "missing.ovsschema"],
    &["convert", "broken.ovsschema"],
    &["convert", "text.ovsschema"],
    &["convert", "nothing.ovsschema"],
    &["convert", "impossible.ovsschema"],
    &["convert", "unix:missing.sock", "every.ovsschema"],
    &["convert", "nonsense", "every.ovsschema"],
    &["convert", "every.ovsschema"],
    &["--no-db-change-aware", "convert", "every.ovsschema"],
    &["--db-change-aware", "convert", "every.ovsschema"],
];

/// Backups that are not restored. The words, and what is on standard input.
const SNAPSHOTS: &[(&[&str], &str)] = &[
    (&["restore", "Every"], ""),
    (&["restore", "Every"], "no database\n"),
    (
        &["restore", "Every"],
        "OVSDB JSON 2 0000000000000000000000000000000000000000\n{}",
    ),
    (
        &["restore", "Every"],
        "OVSDB CLUSTER 2 bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f\n{}",
    ),
    (&["restore", "unix:missing.sock"], ""),
    (&["--force", "restore", "Every"], ""),
];

fn write_schemas(stage: &Stage) {
    let write = |name: &str, text: &str| {
        std::fs::write(stage.sandbox.path(name), text).expect("the sandbox is writable");
    };
    let every = contents::every_type();
    write(
        "other.ovsschema",
        &every.replace("\"maxRows\": 1", "\"maxRows\": 4"),
    );
    write(
        "impossible.ovsschema",
        &every.replace("\"maxLength\": 40", "\"maxLength\": 3"),
    );
    write("broken.ovsschema", "{\"name\": 1}");
    write("text.ovsschema", "no schema\n");
    write("nothing.ovsschema", r#"{"name": "Nothing", "tables": {}}"#);
    write("file", "no socket\n");
}

fn check(side: Side) {
    let stage = Stage::new(side, true);
    write_schemas(&stage);
    let socket = stage.server.socket().display().to_string();
    let alike = Alike::new("ovsdb-client", &stage.sandbox, known::CLIENT);
    let call =
        |words: &&[&str]| Call::new(words.iter().map(|word| word.replace("SOCKET", &socket)));
    for (words, lines) in UNORDERED {
        alike.check(&Call::new(*words).lines(*lines));
    }
    let transactions = TRANSACTIONS.iter().map(|words| call(words).makes_rows());
    let calls: Vec<Call> = [SERVERS, WORDS, REFUSED]
        .iter()
        .flat_map(|group| group.iter().map(call))
        .chain(transactions)
        .collect();
    alike.check_all(&calls);
    // One after another: a conversion cuts off clients that are not aware of changes.
    for words in SCHEMAS {
        alike.check(&call(words));
    }
    for (words, input) in SNAPSHOTS {
        std::fs::write(stage.sandbox.path("snapshot"), input).expect("the sandbox is writable");
        alike.check(&Call::new(*words).input("snapshot"));
    }
    // The reference reads no more of a pipe than that.
    for input in ["", "no database\n"] {
        alike.check(&Call::new(["restore", "Every"]).piped(input));
    }
    alike.finish();
}

#[test]
fn every_command_line_is_answered_alike() {
    check(Side::Reference);
}

#[test]
fn every_command_line_is_answered_alike_by_our_server() {
    check(Side::Ours);
}

/// Words of a help text that begin with two hyphens, without arguments and punctuation.
fn options(help: &str) -> BTreeSet<&str> {
    let words = help.split([' ', '\n', ',', '=', '[', ']', '(', ')', '"']);
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches('.'))
        .collect()
}

#[test]
fn every_option_and_command_that_the_reference_explains_is_explained() {
    let sandbox = Sandbox::new();
    for program in ["ovsdb-client", "ovsdb-tool", "ovs-appctl"] {
        let [reference, ours] =
            Side::BOTH.map(|side| sandbox.run_ok(side.program(program), &["--help"]));
        let (expect, found) = (options(&reference), options(&ours));
        assert!(
            expect.contains("--help"),
            "the help text can be read: {reference}"
        );
        let missing: Vec<_> = expect.difference(&found).collect();
        assert!(missing.is_empty(), "{program}: {missing:?}");
    }
    let [reference, ours] =
        Side::BOTH.map(|side| sandbox.run_ok(side.program("ovsdb-client"), &["--help"]));
    // A command stands behind a blank line, with two spaces before it and its server behind it.
    let commands = |help: &str| -> BTreeSet<String> {
        help.lines()
            .filter(|line| line.starts_with("  ") && line.contains(" [SERVER"))
            .filter_map(|line| {
                line.replace("[--force]", "")
                    .split_whitespace()
                    .next()
                    .map(str::to_owned)
            })
            .collect()
    };
    let (expect, found) = (commands(&reference), commands(&ours));
    assert!(expect.len() > 15, "{expect:?}");
    assert!(found.is_superset(&expect), "{expect:?} {found:?}");
}
