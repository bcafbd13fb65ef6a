//! Our `ovsdb-tool` beside the reference's: the same commands on the same files give the same output, the same messages
//! and the same exit code, and each reads the files of the other.
//!
//! Erased before comparing: UUIDs and folders' names, times of log lines, the programs' own versions. Where the
//! reference prints in the order of its hash tables (the lines of `show-log -m`, the rows of a `select`), the order is
//! not compared.

mod tool_bench;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ovsdb_log::Lockfile;
use ovsdb_proto::json::{self, Json, Object};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::names;
use ovsdb_testkit::programs::{self, Side};
use tool_bench::{Bench, EVERYTHING, Lines, Pair, STOCK, normal_json, stock, stocked};

#[test]
fn wrong_command_lines_are_refused_alike() {
    let mut pair = Pair::new();
    for arguments in [
        &[] as &[&str],
        &["frobnicate"],
        &["create", "a", "b", "c"],
        &["compact", "a", "b", "c"],
        &["needs-conversion", "a", "b", "c"],
        &["db-name", "a", "b"],
        &["db-version", "a", "b"],
        &["db-cksum", "a", "b"],
        &["schema-name", "a", "b"],
        &["schema-version", "a", "b"],
        &["schema-cksum", "a", "b"],
        &["db-is-standalone"],
        &["db-is-clustered", "a", "b"],
        &["query"],
        &["query", "a", "b", "c"],
        &["transact"],
        &["show-log", "a", "b"],
        &["compare-versions", "1.2.3", "<"],
        &["--no-such-option"],
        &["-x"],
        &["--more=3"],
        &["-vnonsense"],
    ] {
        pair.check(Lines::AsTheyAre, 1, arguments);
    }
}

#[test]
fn options_may_be_abbreviated_and_stand_anywhere() {
    let mut pair = stocked();
    for arguments in [
        &["-vconsole:off", "db-version", "db"] as &[&str],
        &["--verbose=console:off", "db-version", "db"],
        &["--verb", "db-version", "db"],
        &["db-version", "-v", "db"],
        &["db-version", "--", "db"],
    ] {
        // Full verbosity has each program say how it works.
        let [reference, ours] = &pair.0;
        assert_eq!(reference.run(arguments).stdout, "2.4.1\n");
        assert_eq!(ours.run(arguments).stdout, "2.4.1\n");
    }
    for arguments in [
        &["--more", "show-log", "db"] as &[&str],
        &["show-log", "db", "--mo"],
        &["-mm", "show-log", "db"],
        &["-m", "show-log", "-m", "db"],
    ] {
        pair.check(Lines::Sorted, 0, arguments);
    }
}

#[test]
fn first_line_of_the_version_names_program_and_release() {
    for bench in &Pair::new().0 {
        let text = bench.run_ok(&["--version"]);
        assert!(text.starts_with("ovsdb-tool (Open vSwitch) 3."), "{text}");
        assert_eq!(text, bench.run_ok(&["-V"]));
    }
}

/// The commands that the reference does not have.
const BEYOND: &[&str] = &[
    "schema-doc",
    "schema-dot",
    "log",
    "blame",
    "diff",
    "restore",
];

#[test]
fn help_and_list_of_commands_agree_on_what_both_have() {
    let [reference, ours] = Pair::new().0;
    for command in ["help", "--help", "-h"] {
        assert!(
            ours.run_ok(&[command])
                .starts_with("ovsdb-tool: Open vSwitch database management utility\nusage: ")
        );
    }
    let expect = reference.run_ok(&["list-commands"]);
    let found = ours.run_ok(&["list-commands"]);
    let is_ours_alone = |line: &&str| {
        line.split_whitespace()
            .next()
            .is_some_and(|name| BEYOND.contains(&name))
    };
    for line in found.lines().filter(|line| !is_ours_alone(line)) {
        assert!(
            expect.lines().any(|other| other == line),
            "{line:?} is not in {expect}"
        );
    }
}

#[test]
fn schemas_say_their_name_version_and_checksum() {
    let mut pair = Pair::new();
    for name in ["vswitch", "local-config", "ovn-nb", "ovn-sb"] {
        let text = fs::read(programs::reference_schema(name)).expect("it is installed");
        pair.write(&format!("{name}.installed"), text);
    }
    for schema in [
        "shop.ovsschema",
        "later.ovsschema",
        "vswitch.installed",
        "local-config.installed",
        "ovn-nb.installed",
        "ovn-sb.installed",
    ] {
        for command in ["schema-name", "schema-version", "schema-cksum"] {
            pair.check_ok(&[command, schema]);
        }
        let db = format!("{schema}.db");
        pair.check_ok(&["create", &db, schema]);
        for command in [
            "db-name",
            "db-version",
            "db-cksum",
            "db-is-standalone",
            "show-log",
        ] {
            pair.check_ok(&[command, &db]);
        }
        pair.check(Lines::AsTheyAre, 2, &["db-is-clustered", &db]);
    }
}

#[test]
fn schema_without_version_has_an_empty_one() {
    let mut pair = Pair::new();
    // The default names of both files.
    pair.check_ok(&["create"]);
    for command in [
        "schema-name",
        "schema-version",
        "schema-cksum",
        "db-name",
        "db-version",
        "db-cksum",
        "show-log",
    ] {
        pair.check_ok(&[command]);
    }
    pair.check_ok(&["needs-conversion"]);
    pair.check(
        Lines::Json,
        0,
        &[
            "transact",
            r#"["Plain",{"op":"insert","table":"T","row":{"i":1}}]"#,
        ],
    );
    pair.check(
        Lines::Json,
        0,
        &[
            "query",
            r#"["Plain",{"op":"select","table":"T","where":[]}]"#,
        ],
    );
    pair.check_ok(&["compact"]);
    pair.check(
        Lines::Json,
        0,
        &[
            "query",
            r#"["Plain",{"op":"select","table":"T","where":[],"columns":["i"]}]"#,
        ],
    );
}

#[test]
fn bad_schemas_are_refused_alike() {
    let mut pair = Pair::new();
    for text in [
        "",
        "{",
        "[]",
        "3",
        "{}",
        "{} {}",
        r#"{"name": 3}"#,
        r#"{"name": "X Y", "tables": {}}"#,
        r#"{"name": "X", "tables": []}"#,
        r#"{"name": "X", "tables": {}, "version": "1"}"#,
        r#"{"name": "X", "tables": {}, "more": 1}"#,
        r#"{"name": "X", "tables": {"_T": {"columns": {}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": "integral"}}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": {"key": "uuid", "refTable": "T"}}}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": {"key": {"type": "uuid", "refTable": "U"}}}}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": {"key": "integer", "min": 2, "max": 3}}}}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": "string"}}, "indexes": [["d"]]}}}"#,
        r#"{"name": "X", "tables": {"T": {"columns": {"c": {"type": "string"}}, "maxRows": 0}}}"#,
    ] {
        pair.write("bad", text);
        pair.check(Lines::AsTheyAre, 1, &["schema-name", "bad"]);
        pair.check(Lines::AsTheyAre, 1, &["create", "new", "bad"]);
        assert!(
            pair.0
                .iter()
                .all(|bench| !bench.sandbox.path("new").exists())
        );
    }
    pair.check(Lines::AsTheyAre, 1, &["schema-version", "no-such-file"]);
    fs::create_dir(pair.0[0].sandbox.path("folder")).expect("the sandbox is writable");
    fs::create_dir(pair.0[1].sandbox.path("folder")).expect("the sandbox is writable");
    pair.check(Lines::AsTheyAre, 1, &["schema-cksum", "folder"]);
    pair.check(Lines::AsTheyAre, 1, &["db-name", "folder"]);
}

#[test]
fn files_that_exist_or_do_not_are_refused_alike() {
    let mut pair = stocked();
    pair.write("empty", "");
    pair.write("text", "no database\n");
    pair.write(
        "clustered",
        "OVSDB CLUSTER 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n",
    );
    for arguments in [
        &["create", "db", "shop.ovsschema"] as &[&str],
        &["create", "empty", "shop.ovsschema"],
        &["create", "no-such-folder/db", "shop.ovsschema"],
        &["compact", "no-such-folder/db"],
        &["compact", "db", "no-such-folder/db"],
        &["compact", "db", "text"],
        &["compact", "db", "clustered"],
    ] {
        pair.check(Lines::AsTheyAre, 1, arguments);
    }
    for db in ["no-such-file", "empty", "text", "clustered"] {
        for command in [
            "db-version",
            "db-cksum",
            "show-log",
            "compact",
            "needs-conversion",
        ] {
            // The reference has more to say of clustered files.
            if (db, command) != ("clustered", "show-log") {
                pair.check(Lines::AsTheyAre, 1, &[command, db]);
            }
        }
        pair.check(Lines::AsTheyAre, 1, &["query", db, EVERYTHING]);
        pair.check(Lines::AsTheyAre, 1, &["transact", db, EVERYTHING]);
    }
    for command in ["db-is-standalone", "db-is-clustered"] {
        for (db, code) in [
            ("db", if command == "db-is-standalone" { 0 } else { 2 }),
            (
                "clustered",
                if command == "db-is-clustered" { 0 } else { 2 },
            ),
            ("no-such-file", 1),
            ("empty", 1),
            ("text", 1),
        ] {
            pair.check(Lines::AsTheyAre, code, &[command, db]);
        }
    }
}

#[test]
fn conversion_is_needed_where_schemas_differ() {
    let mut pair = stocked();
    for (schema, answer) in [
        ("shop.ovsschema", "no\n"),
        ("later.ovsschema", "yes\n"),
        ("vswitch.ovsschema", "yes\n"),
    ] {
        assert_eq!(
            pair.check_ok(&["needs-conversion", "db", schema]).stdout,
            answer
        );
    }
    pair.check(
        Lines::AsTheyAre,
        1,
        &["needs-conversion", "db", "no-such-file"],
    );
}

#[test]
fn versions_compare_alike() {
    let mut pair = Pair::new();
    let mut codes = [0; 3];
    for a in ["1.2.3", "1.2.4", "1.10.3", "2.0.0", "01.2.3"] {
        for b in ["1.2.3", "1.9.9"] {
            for operator in ["<", "<=", "==", ">=", ">", "!="] {
                let [reference, ours] = Side::BOTH.map(|side| {
                    let bench = &pair.0[usize::from(side == Side::Ours)];
                    bench.run(&["compare-versions", a, operator, b])
                });
                assert_eq!(reference, ours, "{a} {operator} {b}");
                codes[reference.code.expect("it ends by itself") as usize] += 1;
            }
        }
    }
    assert!(codes[0] > 0 && codes[1] == 0 && codes[2] > 0, "{codes:?}");
    for arguments in [
        ["1.2", "<", "1.2.3"],
        ["1.2.3", "=", "1.2.3"],
        ["1.2.3", "<", "x"],
        ["1.2.3.4", "<", "1.2.3"],
    ] {
        let [a, operator, b] = arguments;
        pair.check(Lines::AsTheyAre, 1, &["compare-versions", a, operator, b]);
    }
}

#[test]
fn transactions_have_the_same_results_and_leave_the_same_contents() {
    let mut pair = Pair::new();
    pair.check_ok(&["create", "db", "shop.ovsschema"]);
    for transaction in STOCK {
        pair.check(Lines::Json, 0, &["transact", "db", transaction]);
        pair.check(Lines::Json, 0, &["query", "db", EVERYTHING]);
    }
    // Some fail, and some of these late.
    for transaction in [
        "[]",
        "{}",
        r#"["Other"]"#,
        r#"["Shop"]"#,
        r#"["Shop",{"op":"frobnicate"}]"#,
        r#"["Shop",{"op":"abort"},{"op":"comment","comment":"x"}]"#,
        r#"["Shop",{"op":"assert","lock":"x"}]"#,
        r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"new","width":0}}]"#,
        r#"["Shop",{"op":"update","table":"Good","where":[],"row":{"name":"x"}}]"#,
        r#"["Shop",{"op":"delete","table":"Shelf","where":[["width","<",2]]},{"op":"abort"}]"#,
        r#"["Shop",{"op":"wait","table":"Shelf","where":[],"columns":["name"],"until":"==","rows":[],"timeout":0}]"#,
        r#"["Shop",{"op":"wait","table":"Shelf","where":[],"columns":["name"],"until":"!=","rows":[]}]"#,
        r#"["Shop",{"op":"comment","comment":"nothing changes"}]"#,
        r#"["Shop",{"op":"update","table":"Shelf","where":[["name","==","middle"]],"row":{"seen":8}}]"#,
        r#"["Shop",{"op":"mutate","table":"Shelf","where":[["name","==","middle"]],"mutations":[["width","/=",0]]}]"#,
    ] {
        let before = pair.0.each_ref().map(|bench| bench.read("db"));
        pair.check(Lines::Json, 0, &["transact", "db", transaction]);
        pair.check(Lines::Json, 0, &["query", "db", EVERYTHING]);
        assert_eq!(
            before,
            pair.0.each_ref().map(|bench| bench.read("db")),
            "{transaction} changes the file"
        );
    }
    for transaction in ["", "foo", "[", "{]", "[\"Shop\"] x"] {
        pair.check(Lines::AsTheyAre, 1, &["transact", "db", transaction]);
    }
}

#[test]
fn a_role_forbids_changes_where_the_schema_knows_roles() {
    let mut pair = stocked();
    let schema = fs::read(programs::reference_schema("ovn-sb")).expect("it is installed");
    pair.write("sb.ovsschema", schema);
    pair.check_ok(&["create", "sb", "sb.ovsschema"]);
    for operation in [
        r#"{"op":"insert","table":"DNS","row":{}}"#,
        r#"{"op":"update","table":"DNS","where":[],"row":{}}"#,
        r#"{"op":"mutate","table":"DNS","where":[],"mutations":[["records","insert",["map",[]]]]}"#,
        r#"{"op":"delete","table":"DNS","where":[]}"#,
        r#"{"op":"select","table":"DNS","where":[],"columns":["records"]}"#,
        r#"{"op":"insert","table":"DNS","row":{"records":1}}"#,
    ] {
        let transaction = format!(r#"["OVN_Southbound",{operation}]"#);
        for role in ["--rbac-role=ovn-controller", "--rbac-role="] {
            for command in ["query", "transact"] {
                // Only the superuser's transact may write.
                if command == "query" && role.ends_with('=') {
                    continue;
                }
                pair.check(Lines::Json, 0, &[role, command, "sb", &transaction]);
            }
        }
    }
    // No schema of roles, no rules.
    pair.check(
        Lines::Json,
        0,
        &["transact", "--rbac-role=x", "db", STOCK[4]],
    );
    pair.check(Lines::AsTheyAre, 1, &["--rbac-role"]);
}

#[test]
fn query_cannot_change_a_file() {
    let mut pair = stocked();
    let before = pair.0[0].read("db");
    pair.check(Lines::Json, 0, &["query", "db", STOCK[4]]);
    for bench in &pair.0 {
        assert_eq!(bench.read("db"), before);
        assert!(!bench.sandbox.path(".db.tmp.~lock~").exists());
    }
}

#[test]
fn log_is_shown_alike_at_every_verbosity_whoever_wrote_it() {
    for writer in 0..2 {
        let mut pair = Pair::new();
        stock(&pair.0[writer], "db");
        let contents = pair.0[writer].read("db");
        pair.write("db", contents);
        pair.check_ok(&["show-log", "db"]);
        for more in ["-m", "-mm", "-mmm"] {
            let shown = pair
                .check(Lines::Sorted, 0, &[more, "show-log", "db"])
                .stdout;
            assert!(shown.contains("    delete row"), "{shown}");
            assert_eq!(shown.contains("    tags="), more != "-m", "{shown}");
        }
    }
}

#[test]
fn strange_records_are_shown_alike() {
    let mut pair = stocked();
    let mut log = ovsdb_log::Log::open(
        &pair.0[0].sandbox.path("db"),
        ovsdb_log::OpenMode::ReadWrite,
        &[ovsdb_log::STANDALONE_MAGIC],
        ovsdb_log::LockPolicy::Never,
    )
    .expect("it has just been made");
    while log.read().expect("it is good").is_some() {}
    for record in [
        r#"{}"#,
        r#"{"_date":1000000000,"_comment":"in seconds"}"#,
        r#"{"_date":"yesterday","_comment":["no","string"]}"#,
        r#"{"NoTable":{"x":{"a":1}},"Shelf":3,"_date":1795264782918}"#,
        r#"{"Shelf":{"0123":{"name":"short","nocolumn":1,"width":0}}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":[1,2]}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":null}}"#,
        r#"{"Shelf":{"11234567-89ab-cdef-0123-456789abcdef":{"name":["set",[]]}}}"#,
        r#"{"Shelf":{"11234567-89ab-cdef-0123-456789abcdef":{"name":"other"}},"_is_diff":true}"#,
        r#"{"Shelf":{"11234567-89ab-cdef-0123-456789abcdef":{"width":1000}},"_is_diff":true}"#,
    ] {
        log.append(format!("{record}\n").as_bytes())
            .expect("a healthy disk");
    }
    drop(log);
    let contents = pair.0[0].read("db");
    pair.write("db", contents);
    for arguments in [
        &["show-log", "db"] as &[&str],
        &["-m", "show-log", "db"],
        &["-mm", "show-log", "db"],
    ] {
        pair.check(Lines::Sorted, 0, arguments);
    }
}

#[test]
fn files_go_both_ways_through_every_command_that_writes() {
    let mut dumps = Vec::new();
    for writer in 0..2 {
        let pair = Pair::new();
        stock(&pair.0[writer], "db");
        let contents = pair.0[writer].read("db");
        pair.write("db", contents);
        for (at, bench) in pair.0.iter().enumerate() {
            let dump = |bench: &Bench, file| {
                names::erase(&normal_json(&bench.run_ok(&["query", file, EVERYTHING])))
            };
            let before = dump(bench, "db");
            dumps.push(before.clone());
            // Compacted by this side, into another file and in place; read by the other.
            bench.run_ok(&["compact", "db", "compacted"]);
            bench.run_ok(&["compact", "db"]);
            let other = &pair.0[1 - at];
            for file in ["compacted", "db"] {
                let contents = bench.read(file);
                assert_eq!(
                    contents.iter().filter(|byte| **byte == b'\n').count(),
                    4,
                    "{file}"
                );
                other.write("from-the-other", contents);
                assert_eq!(dump(other, "from-the-other"), before);
                // And written to by both, in turns.
                for bench in [other, bench] {
                    let contents = other.read("from-the-other");
                    bench.write("from-the-other", contents);
                    bench.run_ok(&["transact", "from-the-other", STOCK[4]]);
                    bench.run_ok(&["transact", "from-the-other", STOCK[5]]);
                    let contents = bench.read("from-the-other");
                    other.write("from-the-other", contents);
                    assert_eq!(dump(other, "from-the-other"), before);
                }
            }
        }
    }
    assert!(dumps.iter().all(|dump| *dump == dumps[0]), "{dumps:#?}");
}

#[test]
fn compaction_names_who_did_it_and_writes_no_differences() {
    let mut pair = stocked();
    pair.check_ok(&["compact", "db"]);
    for bench in &pair.0 {
        let text = String::from_utf8(bench.read("db")).expect("databases are text");
        assert!(
            text.contains("\"_comment\":\"compacted by ovsdb-tool 3."),
            "{text}"
        );
        assert!(!text.contains("_is_diff"), "{text}");
        assert!(!bench.sandbox.path("db.tmp").exists());
        for lock in [".db.~lock~", ".db.tmp.~lock~"] {
            assert!(bench.sandbox.path(lock).exists(), "{:?} {lock}", bench.side);
        }
    }
}

#[test]
fn leftover_of_an_earlier_compaction_is_treated_alike() {
    let mut pair = stocked();
    pair.write("db.tmp", "left over\n");
    pair.check(Lines::AsTheyAre, 1, &["compact", "db"]);
    let contents = pair.0[0].read("db");
    pair.write("db.tmp", contents);
    pair.check_ok(&["compact", "db"]);
    pair.check(Lines::Json, 0, &["query", "db", EVERYTHING]);
}

#[test]
fn symbolic_links_stay_links() {
    let mut pair = stocked();
    for bench in &pair.0 {
        let at = |name: &str| bench.sandbox.path(name);
        fs::create_dir(at("real")).expect("the sandbox is writable");
        fs::rename(at("db"), at("real/db")).expect("the sandbox is writable");
        // Only the side that made the file has a lock file of it.
        let _ = fs::remove_file(at(".db.~lock~"));
        symlink("real/db", at("link")).expect("the sandbox is writable");
        symlink("real/new", at("dangling")).expect("the sandbox is writable");
    }
    pair.check_ok(&["compact", "link"]);
    pair.check_ok(&["compact", "link", "dangling"]);
    pair.check(Lines::Json, 0, &["transact", "dangling", STOCK[4]]);
    pair.check(
        Lines::AsTheyAre,
        1,
        &["create", "dangling", "shop.ovsschema"],
    );
    let listing = |bench: &Bench| {
        let mut names: Vec<String> = ["", "real"]
            .iter()
            .flat_map(|folder| fs::read_dir(bench.sandbox.path(folder)).expect("it exists"))
            .map(|entry| {
                let entry = entry.expect("the sandbox is readable");
                let kind = entry.file_type().expect("the sandbox is readable");
                format!(
                    "{} {}",
                    entry.file_name().display(),
                    if kind.is_symlink() { "link" } else { "" }
                )
            })
            .collect();
        names.sort();
        names
    };
    let [reference, ours] = &pair.0;
    assert_eq!(listing(reference), listing(ours));
    assert!(listing(ours).contains(&"link link".to_owned()));
}

/// Compares all commands that read, on a file spoilt by `spoil`.
#[track_caller]
fn check_spoilt(pair: &mut Pair, contents: &[u8]) -> Option<i32> {
    pair.write("spoilt", contents);
    let mut code = None;
    for arguments in [
        &["query", "spoilt", EVERYTHING] as &[&str],
        &["show-log", "spoilt"],
        &["db-version", "spoilt"],
        // A row that none of the records has.
        &[
            "transact",
            "spoilt",
            r#"["Shop",{"op":"insert","table":"Shelf","row":{"name":"extra","width":2}}]"#,
        ],
        &["compact", "spoilt"],
    ] {
        let [reference, ours] = &mut pair.0;
        let expect = reference.run(arguments);
        let expect = reference.normal(expect, Lines::Json);
        let found = ours.run(arguments);
        let found = ours.normal(found, Lines::Json);
        assert!(
            expect == found,
            "{arguments:?}\nthe reference: {expect}\nours: {found}"
        );
        code = code.max(expect.code);
    }
    code
}

#[test]
fn torn_files_are_read_as_far_as_they_are_good_and_refused_alike() {
    let mut pair = stocked();
    let contents = pair.0[0].read("db");
    // Cuts everywhere in the last record, and some before.
    let last = contents
        .windows(6)
        .rposition(|window| window == b"OVSDB ")
        .expect("a record");
    let cuts = (last..contents.len())
        .step_by(13)
        .chain((0..last).step_by(151))
        .chain([last - 1, contents.len() - 1]);
    let mut codes = Vec::new();
    for cut in cuts {
        codes.push(check_spoilt(&mut pair, &contents[..cut]));
    }
    assert!(
        codes.contains(&Some(0)) && codes.contains(&Some(1)),
        "{codes:?}"
    );
}

#[test]
fn spoilt_bytes_are_found_and_named_alike() {
    let mut pair = stocked();
    let contents = pair.0[0].read("db");
    let schema_end = 1
        + contents
            .iter()
            .skip(60)
            .position(|byte| *byte == b'\n')
            .expect("a line's end")
        + 60;
    for at in (schema_end..contents.len()).step_by(29) {
        let mut spoilt = contents.clone();
        spoilt[at] = if spoilt[at] == b'#' { b'%' } else { b'#' };
        assert_eq!(check_spoilt(&mut pair, &spoilt), Some(1), "byte {at}");
    }
}

#[test]
fn records_that_are_whole_but_make_no_sense_are_refused_alike() {
    let mut pair = stocked();
    for record in [
        "[]",
        "3",
        "{",
        "{} {}",
        r#"{"NoTable":{}}"#,
        r#"{"_other":{}}"#,
        r#"{"_date":"x"}"#,
        r#"{"Shelf":[]}"#,
        r#"{"Shelf":{"x":{}}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":null}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":3}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":{"nocolumn":3}}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":{"width":"x"}}}"#,
        r#"{"Shelf":{"01234567-89ab-cdef-0123-456789abcdef":{"width":0}}}"#,
    ] {
        for bench in &pair.0 {
            let path = bench.sandbox.path("odd");
            fs::copy(bench.sandbox.path("db"), &path).expect("the sandbox is writable");
            let magics = &[ovsdb_log::STANDALONE_MAGIC];
            let mode = ovsdb_log::OpenMode::ReadWrite;
            let mut log = ovsdb_log::Log::open(&path, mode, magics, ovsdb_log::LockPolicy::Never)
                .expect("it is good");
            while log.read().expect("it is good").is_some() {}
            log.append(format!("{record}\n").as_bytes())
                .expect("a healthy disk");
        }
        pair.check(Lines::AsTheyAre, 1, &["query", "odd", EVERYTHING]);
        pair.check(Lines::AsTheyAre, 1, &["compact", "odd"]);
    }
}

#[test]
fn writer_is_refused_while_another_program_has_the_lock() {
    let mut pair = stocked();
    // Held by this process, through our library, against both.
    let locks = pair
        .0
        .each_ref()
        .map(|bench| Lockfile::lock(&bench.sandbox.path("db")).expect("nobody else has it"));
    for arguments in [
        &["transact", "db", STOCK[4]] as &[&str],
        &["compact", "db"],
        &["compact", "db", "db"],
    ] {
        let refused = pair.check(Lines::AsTheyAre, 1, arguments).stderr;
        let pid = std::process::id();
        assert!(
            refused.contains(&format!(
                "cannot lock file because it is already locked by pid {pid}"
            )),
            "{refused}"
        );
    }
    pair.check(Lines::Json, 0, &["query", "db", EVERYTHING]);
    drop(locks);
    pair.check(Lines::Json, 0, &["transact", "db", STOCK[4]]);
}

#[test]
fn running_server_of_the_reference_keeps_our_tool_out() {
    let ours = Bench::new(Side::Ours);
    stock(&ours, "db");
    let server = Server::start(
        &ours.sandbox,
        Side::Reference,
        &[("db", Path::new("shop.ovsschema"))],
    );
    let refused = ours.run(&["transact", "db", STOCK[4]]);
    assert_eq!(refused.code, Some(1));
    let pid = server.daemon().pid();
    assert!(
        refused
            .stderr
            .contains(&format!("already locked by pid {pid}\n")),
        "{refused}"
    );
    let message =
        "ovsdb-tool: I/O error: db: failed to lock lockfile (Resource temporarily unavailable)\n";
    assert!(refused.stderr.ends_with(message), "{refused}");
    server.stop();
    ours.run_ok(&["transact", "db", STOCK[4]]);
}

#[test]
fn members_of_objects_are_sorted_in_our_files() {
    let ours = Bench::new(Side::Ours);
    stock(&ours, "db");
    let text = String::from_utf8(ours.read("db")).expect("databases are text");
    let mut records = 0;
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let json = json::parse(line.as_bytes()).expect("records are JSON");
        assert_eq!(json.to_string(), line);
        let Json::Object(object) = json else {
            panic!("{line} is no object")
        };
        assert!(Object::get(&object, "name").is_some() || Object::get(&object, "_date").is_some());
        records += 1;
    }
    assert_eq!(records, 1 + STOCK.len());
}
