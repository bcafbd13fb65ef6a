//! Every command of `ovsdb-tool`: on files of all kinds, with as many arguments as there may be, and with options.

use std::fs;

use ovsdb_log::Lockfile;
use ovsdb_testkit::alike::{Alike, Call, Ending, Lines, Printed};
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use crate::tool_files::{BAD_SCHEMAS, CLUSTERED, DAMAGED, DATABASES, Files, SCHEMAS, UNSOUND};
use crate::{contents, known};

/// The commands of the reference, with the fewest and the most arguments that they take; but for those that print help.
const COMMANDS: [(&str, usize, usize); 23] = [
    ("create", 0, 2),
    ("create-cluster", 3, 3),
    ("join-cluster", 4, usize::MAX),
    ("compact", 0, 2),
    ("convert", 0, 3),
    ("needs-conversion", 0, 2),
    ("db-name", 0, 1),
    ("db-version", 0, 1),
    ("db-cksum", 0, 1),
    ("db-cid", 1, 1),
    ("db-sid", 1, 1),
    ("db-local-address", 1, 1),
    ("db-is-clustered", 1, 1),
    ("db-is-standalone", 1, 1),
    ("schema-name", 0, 1),
    ("schema-version", 0, 1),
    ("schema-cksum", 0, 1),
    ("query", 1, 2),
    ("transact", 1, 2),
    ("show-log", 0, 1),
    ("check-cluster", 1, usize::MAX),
    ("compare-versions", 3, 3),
    ("cluster-to-standalone", 2, 2),
];

/// What looks at a database: words before its name, words behind it, and how much of the order counts.
const LOOKS: &[(&[&str], &[&str], Lines)] = &[
    (&["db-name"], &[], Lines::AsTheyAre),
    (&["db-version"], &[], Lines::AsTheyAre),
    (&["db-cksum"], &[], Lines::AsTheyAre),
    (&["db-is-clustered"], &[], Lines::AsTheyAre),
    (&["db-is-standalone"], &[], Lines::AsTheyAre),
    (&["db-cid"], &[], Lines::AsTheyAre),
    (&["db-sid"], &[], Lines::AsTheyAre),
    (&["db-local-address"], &[], Lines::AsTheyAre),
    (&["check-cluster"], &[], Lines::AsTheyAre),
    (
        &["needs-conversion"],
        &["every.ovsschema"],
        Lines::AsTheyAre,
    ),
    (
        &["needs-conversion"],
        &["ovn-sb.ovsschema"],
        Lines::AsTheyAre,
    ),
    (&["show-log"], &[], Lines::AsTheyAre),
    (&["-m", "show-log"], &[], Lines::Sorted),
    (&["-mm", "show-log"], &[], Lines::Sorted),
    (&["show-log", "--more", "-mm"], &[], Lines::Sorted),
    (
        &["query"],
        &[
            r#"["Every",{"op":"select","table":"Every","where":[]},{"op":"select","table":"Many","where":[["number","<",300]]}]"#,
        ],
        Lines::Json,
    ),
    (
        &["query"],
        &[
            r#"["Open_vSwitch",{"op":"select","table":"Bridge","where":[]},{"op":"select","table":"Interface","where":[]}]"#,
        ],
        Lines::Json,
    ),
    (
        &["--rbac-role=some", "query"],
        &[r#"["OVN_Southbound",{"op":"select","table":"Chassis","where":[]}]"#],
        Lines::Json,
    ),
    (&["query"], &["["], Lines::AsTheyAre),
];

/// Options in all ways, and command lines that are wrong.
const WORDS: &[&[&str]] = &[
    &[],
    &[""],
    &["nothing"],
    &["Create"],
    &["creat"],
    &["-"],
    &["--"],
    &["--", "db-name", "every.db"],
    &["db-name", "--", "every.db"],
    &["db-name", "--", "--more"],
    &["--no-such-option"],
    &["--no-such-option=x", "db-name", "every.db"],
    &["-y"],
    &["-my", "db-name", "every.db"],
    &["--more", "db-name", "every.db"],
    &["--mor", "db-name", "every.db"],
    &["--m", "db-name", "every.db"],
    &["--more=3", "db-name", "every.db"],
    &["-mm", "db-name", "-m", "every.db"],
    &["-m3", "db-name", "every.db"],
    // Abbreviations that are taken by options that only ours have.
    &["--l", "db-name", "every.db"],
    &["--log", "db-name", "every.db"],
    &["--s", "db-name", "every.db"],
    &["--sy", "db-name", "every.db"],
    &["--f", "db-name", "every.db"],
    &["--o=x", "db-name", "every.db"],
    &["--v", "db-name", "every.db"],
    &["--ve", "db-name", "every.db"],
    &["--ver=x", "db-name", "every.db"],
    &["--r", "db-name", "every.db"],
    &["--rbac-role", "db-name", "every.db"],
    &["--rbac-role="],
    &["--rbac-role"],
    &["--rbac", "x", "db-version", "every.db"],
    &["--cid"],
    &["--c", "x", "db-name", "every.db"],
    &["--cid=x", "db-name", "every.db"],
    &["--cid=", "db-name", "every.db"],
    &[
        "--cid=00000000-0000-0000-0000-000000000000",
        "db-name",
        "every.db",
    ],
    &[
        "--cid=01234567-89ab-4def-8123-456789abcdef",
        "db-name",
        "every.db",
    ],
    &[
        "--cid=01234567-89AB-4DEF-8123-456789ABCDEF",
        "db-name",
        "every.db",
    ],
    &[
        "--cid=01234567-89ab-4def-8123-456789abcdefx",
        "db-name",
        "every.db",
    ],
    &[
        "--cid= 1234567-89ab-4def-8123-456789abcdef",
        "db-name",
        "every.db",
    ],
    &["--election-timer"],
    &["--e", "1000", "db-name", "every.db"],
    &["--election-timer=99", "db-name", "every.db"],
    &["--election-timer=100", "db-name", "every.db"],
    &["--election-timer=600000", "db-name", "every.db"],
    &["--election-timer=600001", "db-name", "every.db"],
    &["--election-timer=-100", "db-name", "every.db"],
    &["--election-timer=+100", "db-name", "every.db"],
    &["--election-timer= 100x", "db-name", "every.db"],
    &["--election-timer=", "db-name", "every.db"],
    &["--election-timer=x", "db-name", "every.db"],
    &[
        "--election-timer=18446744073709551716",
        "db-name",
        "every.db",
    ],
    &["-vnonsense", "db-name", "every.db"],
    &["-v", "nonsense", "every.db"],
    &["--verbose=nonsense", "db-name", "every.db"],
    &["-vconsole:off", "nothing"],
    &["-vconsole:off", "db-name", "missing"],
    &["-vconsole:off", "compact", "a", "b", "c"],
    &["-voff", "nothing"],
    &["-vPATTERN:console:%p-%m", "nothing"],
    &["-vPATTERN:console:%c|%A|%m", "create", "a", "b", "c"],
    &["-vFACILITY:daemon", "db-name", "every.db"],
    &["-vFACILITY:nonsense", "db-name", "every.db"],
    &["-vcommand_line:off", "nothing"],
    &["-vany:any:off", "nothing"],
    &["--version", "--nonsense", "nothing"],
    &["-Vy"],
    &["-V", "nothing"],
    &["--nonsense", "-V"],
    &["--version=3"],
    &["--help=3"],
    &["-V", "--cid=x"],
    // Default names.
    &["db-name"],
    &["db-version"],
    &["db-cksum"],
    &["show-log"],
    &["schema-name"],
    &["schema-version"],
    &["schema-cksum"],
    &["needs-conversion"],
    &["needs-conversion", "other.db"],
    &["query", r#"["Every"]"#],
    &["query", r#"["Nothing"]"#],
    &["compare-versions", "1.2.3", "<", "1.2.4"],
    &["compare-versions", "1.2.3", "<", "1.2.3"],
    &["compare-versions", "1.2.3", "<=", "1.2.3"],
    &["compare-versions", "1.2.3", "==", "1.2.3"],
    &["compare-versions", "1.2.3", "==", "1.2.03"],
    &["compare-versions", "1.10.3", ">", "1.9.3"],
    &["compare-versions", "1.10.3", ">=", "2.9.3"],
    &["compare-versions", "1.10.3", "!=", "2.9.3"],
    &["compare-versions", "1.10.3", "=", "2.9.3"],
    &["compare-versions", "1.10.3", "lt", "2.9.3"],
    &["compare-versions", "1.10.3", "", "2.9.3"],
    &["compare-versions", "1.10", "<", "2.9.3"],
    &["compare-versions", "1.10.3", "<", "2.9"],
    &["compare-versions", "1.10.3.4", "<", "2.9.3"],
    &["compare-versions", "", "<", "2.9.3"],
    &["compare-versions", "a.b.c", "<", "2.9.3"],
    &["compare-versions", "1.10.3", "<", "99999999999.9.3"],
    &["compare-versions", "1.10.3", "<", "2147483648.0.0"],
    &["compare-versions", " 1.10.3", "<", "2.9.3"],
    &["compare-versions", "+1.10.3", "<", "2.9.3"],
    &["compare-versions", "--", "-1.10.3", "<", "2.9.3"],
    &["compare-versions", "1.10.3 ", "<", "2.9.3"],
    &["compare-versions", "1. 10.3", "<", "2.9.3"],
    &["compare-versions", "x", "y", "z"],
    &["join-cluster", "new", "no name", "tcp:a:1", "tcp:b:1"],
];

/// What writes files. Each begins with the same files.
const WRITES: &[&[&str]] = &[
    &["create"],
    &["create", "new"],
    &["create", "new", "every.ovsschema"],
    &["create", "new", "vswitch.ovsschema"],
    &["create", "new", "vtep.ovsschema"],
    &["create", "new", "ovn-nb.ovsschema"],
    &["create", "new", "ovn-sb.ovsschema"],
    &["create", "new", "local-config.ovsschema"],
    &["create", "every.db", "every.ovsschema"],
    &["create", "empty", "every.ovsschema"],
    &["create", "text", "every.ovsschema"],
    &["create", "folder", "every.ovsschema"],
    &["create", "folder/new", "every.ovsschema"],
    &["create", "missing/new", "every.ovsschema"],
    &["create", "text/new", "every.ovsschema"],
    &["create", "dangling", "every.ovsschema"],
    &["create", "loop", "every.ovsschema"],
    &["create", "link", "every.ovsschema"],
    &["create", "/dev/null", "every.ovsschema"],
    &["create", "", "every.ovsschema"],
    &["create", "new", ""],
    &["create", "missing/new", "missing"],
    &["compact"],
    &["compact", "every.db"],
    &["compact", "fresh.db"],
    &["compact", "vswitch.db"],
    &["compact", "vtep.db"],
    &["compact", "ovn-nb.db"],
    &["compact", "ovn-sb.db"],
    &["compact", "link"],
    &["compact", "dangling"],
    &["compact", "loop"],
    &["compact", ""],
    &["compact", "every.db", "new"],
    &["compact", "every.db", "every.db"],
    &["compact", "every.db", "ovn-sb.db"],
    &["compact", "every.db", "text"],
    &["compact", "every.db", "empty"],
    &["compact", "every.db", "folder"],
    &["compact", "every.db", "folder/new"],
    &["compact", "every.db", "dangling"],
    &["compact", "every.db", "loop"],
    &["compact", "every.db", "missing/new"],
    &["compact", "every.db", "cluster.db"],
    &["compact", "every.db", ""],
    &["compact", "missing", "missing/new"],
    &["convert", "every.db", "every.ovsschema"],
    &["convert", "every.db", "more.ovsschema"],
    &["convert", "every.db", "less.ovsschema"],
    &["convert", "every.db", "impossible.ovsschema"],
    &["convert", "every.db", "named.ovsschema"],
    &["convert", "every.db", "kept.ovsschema"],
    &["convert", "every.db", "missing"],
    &["convert", "every.db", "text"],
    &["convert", "every.db", "bad1.ovsschema"],
    &["convert", "every.db", "more.ovsschema", "new"],
    &["convert", "every.db", "more.ovsschema", "every.db"],
    &["convert", "every.db", "more.ovsschema", "text"],
    &["convert", "every.db", "more.ovsschema", "folder"],
    &["convert", "every.db", "more.ovsschema", "missing/new"],
    &["convert", "every.db", "impossible.ovsschema", "new"],
    &["convert", "fresh.db", "less.ovsschema"],
    &["convert", "link", "more.ovsschema"],
    &["convert", "vtep.db", "vtep.ovsschema"],
    &["convert", "ovn-nb.db", "ovn-nb.ovsschema"],
    &["convert", "ovn-sb.db", "ovn-sb.ovsschema"],
    &["convert"],
    &["convert", "other.db"],
    &["convert", "missing"],
];

/// Transactions on the database `Every`. New rows have names, so that both sides make the same.
const TRANSACTIONS: &[&str] = &[
    "",
    "[",
    "[1,]",
    "{}",
    "[]",
    "[1]",
    "12",
    "\"x\"",
    "null",
    r#"["Every"] "#,
    r#"["Every"] x"#,
    r#"["Nothing"]"#,
    r#"["Every"]"#,
    r#"["Every", 1]"#,
    r#"["Every", {"op":"nonsense"}]"#,
    r#"["Every",{"op":"insert","table":"Empty","uuid":"11111111-2222-4333-8444-555555555555","row":{"column":"x","another_column_with_a_long_name":0.1}}]"#,
    r#"["Every",{"op":"insert","table":"Empty","uuid":"11111111-2222-4333-8444-555555555555","row":{}},{"op":"comment","comment":"why \u00e9\n"},{"op":"commit","durable":true}]"#,
    r#"["Every",{"op":"insert","table":"Empty","row":{}},{"op":"abort"}]"#,
    r#"["Every",{"op":"insert","table":"Empty","row":{"column":1}}]"#,
    r#"["Every",{"op":"insert","table":"Empty","row":{"nothing":1}}]"#,
    r#"["Every",{"op":"insert","table":"Nothing","row":{}}]"#,
    r#"["Every",{"op":"insert","table":"Single","row":{}},{"op":"comment","comment":"one too many"}]"#,
    r#"["Every",{"op":"insert","table":"Every","row":{"limited":"x"}}]"#,
    r#"["Every",{"op":"update","table":"Every","where":[],"row":{"fixed":"x"}}]"#,
    r#"["Every",{"op":"update","table":"Single","where":[],"row":{"name":"another name"}}]"#,
    r#"["Every",{"op":"update","table":"Every","where":[],"row":{"Passing":7}}]"#,
    r#"["Every",{"op":"delete","table":"Single","where":[]}]"#,
    r#"["Every",{"op":"delete","table":"Every","where":[]},{"op":"abort"}]"#,
    r#"["Every",{"op":"mutate","table":"Every","where":[],"mutations":[["integer","/=",0]]}]"#,
    r#"["Every",{"op":"mutate","table":"Every","where":[["real","<",1e9]],"mutations":[["real","+=",1.5]]}]"#,
    r#"["Every",{"op":"wait","table":"Empty","where":[],"columns":["column"],"until":"!=","rows":[],"timeout":0}]"#,
    r#"["Every",{"op":"wait","table":"Empty","where":[],"columns":["column"],"until":"!=","rows":[]}]"#,
    r#"["Every",{"op":"assert","lock":"none"}]"#,
    r#"["Every",{"op":"select","table":"Single","where":[]}]"#,
];

fn every_call_is_alike(files: &Files) -> usize {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    for sandbox in &sandboxes {
        files.lay_out(sandbox);
    }
    let alike = Alike::apart("ovsdb-tool", sandboxes.each_ref(), known::TOOL);
    let mut calls: Vec<Call> = WORDS
        .iter()
        .map(|words| at_home(Call::new(*words)))
        .collect();
    for (command, fewest, most) in COMMANDS {
        for count in (0..fewest).chain((most != usize::MAX).then(|| most + 1)) {
            let words = std::iter::once(command).chain(std::iter::repeat_n("x", count));
            calls.push(at_home(Call::new(words)));
        }
    }
    let all = [
        &DATABASES[..],
        &["many.db", "fresh.db", "link"],
        &UNSOUND,
        &DAMAGED,
        &CLUSTERED,
    ];
    for (number, file) in all.concat().into_iter().enumerate() {
        // The reference makes it before it looks at the other file.
        let target = format!("made/{number}");
        calls.push(at_home(Call::new(["cluster-to-standalone", &target, file])));
        for (before, behind, lines) in LOOKS {
            let words = [*before, &[file], *behind].concat();
            calls.push(at_home(Call::new(words)).lines(*lines));
        }
    }
    let schemas = SCHEMAS.map(|name| format!("{name}.ovsschema"));
    for schema in schemas.iter().map(String::as_str).chain(BAD_SCHEMAS) {
        for command in ["schema-name", "schema-version", "schema-cksum"] {
            calls.push(at_home(Call::new([command, schema])));
        }
        calls.push(at_home(Call::new(["needs-conversion", "every.db", schema])));
    }
    let before = sandboxes.each_ref().map(|sandbox| files.found(sandbox));
    for sandbox in &sandboxes {
        fs::create_dir(sandbox.path("made")).expect("the sandbox is writable");
    }
    alike.check_all(&calls);
    let count = alike.finish();
    for sandbox in &sandboxes {
        fs::remove_dir_all(sandbox.path("made")).expect("the sandbox is writable");
    }
    assert!(
        before == sandboxes.each_ref().map(|sandbox| files.found(sandbox)),
        "what only looks leaves files as they are"
    );
    count
}

/// The call in an environment where its default files are in the sandbox.
fn at_home(call: Call) -> Call {
    call.variable("OVS_PKGDATADIR", ".")
}

#[test]
fn every_command_of_the_tool_looks_at_files_alike() {
    for side in Side::BOTH {
        let count = every_call_is_alike(&Files::written_by(side));
        assert!(count > 900, "{count}");
    }
}

/// Runs a call on both sides, on the same files, and compares what it prints and what it leaves.
fn writes_alike(alike: &Alike<'_>, sandboxes: &[Sandbox; 2], files: &Files, words: &[&str]) {
    for sandbox in sandboxes {
        files.lay_out(sandbox);
    }
    let call = at_home(Call::new(words)).lines(Lines::Json);
    alike.check(&call);
    leaves_alike(alike, sandboxes, files, &call);
}

/// Compares what a call has left in the folders.
fn leaves_alike(alike: &Alike<'_>, sandboxes: &[Sandbox; 2], files: &Files, call: &Call) {
    let [reference, ours] = sandboxes.each_ref().map(|sandbox| {
        let mut text = String::new();
        for (path, contents) in files.found(sandbox) {
            text += &format!("{}: {contents}\n", path.display());
        }
        Printed {
            ending: Ending::Code(0),
            stdout: text.into_bytes(),
            stderr: String::from("files"),
        }
    });
    alike.compare(call, &reference, &ours);
}

/// Files to be written to, with schemas that the database `Every` may be converted to, or not.
fn writable(side: Side) -> Files {
    let every = contents::every_type();
    let column = r#""column": {"type": "string"}"#;
    assert!(every.contains(column), "{every}");
    let schemas = [
        (
            "more.ovsschema",
            every.replace(
                column,
                &format!(r#"{column}, "more": {{"type": "integer"}}"#),
            ),
        ),
        (
            "less.ovsschema",
            String::from(
                r#"{"name": "Every", "version": "11.0.0", "tables": {
                    "Every": {"columns": {"integer": {"type": "integer"}, "string": {"type": "string"}}, "isRoot": true}}}"#,
            ),
        ),
        (
            "impossible.ovsschema",
            every.replace(
                r#""Single": {"columns": {"name": {"type": "string"}}"#,
                r#""Single": {"columns": {"name": {"type": {"key": {"type": "string", "maxLength": 1}}}}"#,
            ),
        ),
        (
            "named.ovsschema",
            every.replacen("\"Every\"", "\"Other\"", 1),
        ),
        (
            "kept.ovsschema",
            every.replace(r#""integer", "ephemeral": true"#, r#""integer""#),
        ),
    ];
    let files = Files::written_by(side).small();
    schemas
        .into_iter()
        .fold(files, |files, (name, text)| files.and(name, text))
}

#[test]
fn every_command_of_the_tool_writes_files_alike() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    let files = writable(Side::Reference);
    files.lay_out(&sandboxes[0]);
    let alike = Alike::apart("ovsdb-tool", sandboxes.each_ref(), known::TOOL_WRITES);
    for words in WRITES {
        writes_alike(&alike, &sandboxes, &files, words);
    }
    for transaction in TRANSACTIONS {
        for words in [
            &["transact", "every.db", transaction] as &[&str],
            &["query", "every.db", transaction],
            &["--rbac-role=some", "transact", "every.db", transaction],
            &["transact", transaction],
        ] {
            writes_alike(&alike, &sandboxes, &files, words);
        }
    }
    let insert = r#"["Every",{"op":"insert","table":"Empty","uuid":"21111111-2222-4333-8444-555555555555","row":{}}]"#;
    for file in [&UNSOUND[..], &DAMAGED, &CLUSTERED].concat() {
        for words in [
            &["transact", file, insert] as &[&str],
            &["compact", file],
            &["compact", file, "new"],
            &["convert", file, "more.ovsschema"],
        ] {
            writes_alike(&alike, &sandboxes, &files, words);
        }
    }
    // What an earlier compaction may have left, and what is somebody else's.
    for leftover in ["", "no database\n", "OVSDB JSON 3 x\n"] {
        let files = files.clone().and("every.db.tmp", leftover);
        for words in [
            &["compact", "every.db"] as &[&str],
            &["convert", "every.db", "more.ovsschema"],
        ] {
            writes_alike(&alike, &sandboxes, &files, words);
        }
    }
    let count = alike.finish();
    assert!(count > 600, "{count}");
}

#[test]
fn a_lock_keeps_every_command_of_the_tool_out_alike() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    let files = writable(Side::Reference);
    let alike = Alike::apart("ovsdb-tool", sandboxes.each_ref(), &[]);
    let insert = r#"["Every",{"op":"insert","table":"Empty","uuid":"21111111-2222-4333-8444-555555555555","row":{}}]"#;
    for locked in ["every.db", "every.db.tmp", "new"] {
        for words in [
            &["transact", "every.db", insert] as &[&str],
            &["query", "every.db", r#"["Every"]"#],
            &["compact", "every.db"],
            &["compact", "link"],
            &["compact", "every.db", "new"],
            &["compact", "ovn-sb.db", "every.db"],
            &["compact", "every.db", "every.db"],
            &["convert", "every.db", "more.ovsschema"],
            &["convert", "every.db", "more.ovsschema", "new"],
            &["create", "every.db", "every.ovsschema"],
            &["create", "new", "every.ovsschema"],
            &["show-log", "every.db"],
            &["db-name", "every.db"],
            &["needs-conversion", "every.db", "every.ovsschema"],
        ] {
            for sandbox in &sandboxes {
                files.lay_out(sandbox);
            }
            // By this process, against both.
            let locks = sandboxes
                .each_ref()
                .map(|sandbox| Lockfile::lock(&sandbox.path(locked)).expect("nobody else has it"));
            let call = at_home(Call::new(words)).lines(Lines::Json);
            alike.check(&call);
            drop(locks);
            leaves_alike(&alike, &sandboxes, &files, &call);
        }
    }
    alike.finish();
}

#[test]
fn lists_of_commands_and_options_begin_as_the_references() {
    let sandbox = Sandbox::new();
    for words in [
        &["list-commands"] as &[&str],
        &["list-commands", "x"],
        &["-o"],
        &["--option"],
    ] {
        let [reference, ours] =
            Side::BOTH.map(|side| sandbox.run_ok(side.program("ovsdb-tool"), words));
        assert!(reference.lines().count() > 9, "{reference}");
        assert!(ours.starts_with(&reference), "{ours}");
    }
    let helps: Vec<String> = [
        &["help"] as &[&str],
        &["help", "nothing"],
        &["--help"],
        &["-h", "--nonsense"],
    ]
    .iter()
    .map(|words| sandbox.run_ok(Side::Ours.program("ovsdb-tool"), words))
    .collect();
    assert!(helps.iter().all(|help| *help == helps[0]), "{helps:?}");
    let [reference, ours] = Side::BOTH.map(|side| {
        let help = sandbox.run_ok(side.program("ovsdb-tool"), &["--help"]);
        let lines = help.lines().filter(|line| line.starts_with("The default "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    // Where the schema is depends on how the reference was built.
    assert_eq!(ours[0], reference[0]);
    assert_eq!(ours.len(), 2);
}
