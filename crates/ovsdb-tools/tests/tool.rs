//! `ovsdb-tool` by itself: what a database file goes through from its creation to its compaction.

use std::fs;

use ovsdb_testkit::names;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

const SCHEMA: &str = r#"{"name": "Toys", "version": "1.2.3", "cksum": "12 34", "tables": {
    "Toy": {"columns": {"name": {"type": "string"},
                        "parts": {"type": {"key": "string", "min": 0, "max": "unlimited"}}},
            "indexes": [["name"]], "isRoot": true}}}"#;

/// Runs the program and compares; an expectation that begins with `ovsdb-tool: ` is one of an error.
#[track_caller]
fn check(sandbox: &Sandbox, arguments: &[&str], expect: &str) {
    let output = sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);
    let (code, text) = match expect.starts_with("ovsdb-tool: ") {
        true => (1, &output.stderr),
        false => (0, &output.stdout),
    };
    // A date is as good as another.
    let text = names::erase(text);
    let lines = text.split('\n').map(|line| match line.split_once(": 20") {
        Some((record, rest)) if record.starts_with("record ") => {
            format!(
                "{record}: DATE{}",
                rest.get("26-11-21 12:39:42.918".len()..)
                    .unwrap_or_default()
            )
        }
        _ => line.to_owned(),
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    // The date is under the seal.
    if let Some((before, sealed)) = text.split_once(", seal ") {
        let rest = sealed.trim_start_matches(|character: char| character.is_ascii_hexdigit());
        text = format!("{before}, seal SEAL{rest}");
    }
    assert_eq!(
        (output.code, text.as_str()),
        (Some(code), expect),
        "{arguments:?}: {output}"
    );
}

fn toys() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("schema"), SCHEMA).expect("the sandbox is writable");
    check(&sandbox, &["create", "db", "schema"], "");
    sandbox
}

const INSERT: &str = r#"["Toys",{"op":"insert","table":"Toy","uuid":"01234567-89ab-4def-8123-456789abcdef",
    "row":{"name":"car","parts":["set",["wheel","seat"]]}},{"op":"comment","comment":"a new toy"}]"#;
const CHANGE: &str = r#"["Toys",{"op":"mutate","table":"Toy","where":[["name","==","car"]],
    "mutations":[["parts","insert","horn"]]}]"#;
const SELECT: &str =
    r#"["Toys",{"op":"select","table":"Toy","where":[],"columns":["name","parts"]}]"#;
const SELECTED: &str =
    "[{\"rows\":[{\"name\":\"car\",\"parts\":[\"set\",[\"horn\",\"seat\",\"wheel\"]]}]}]\n";

#[test]
fn database_file_lives_from_creation_to_compaction() {
    let sandbox = toys();
    let sandbox = &sandbox;
    check(
        sandbox,
        &["create", "db", "schema"],
        "ovsdb-tool: I/O error: db: create failed (File exists)\n",
    );
    check(sandbox, &["db-name", "db"], "Toys\n");
    check(sandbox, &["db-version", "db"], "1.2.3\n");
    check(sandbox, &["db-cksum", "db"], "12 34\n");
    check(sandbox, &["needs-conversion", "db", "schema"], "no\n");
    check(
        sandbox,
        &["transact", "db", INSERT],
        "[{\"uuid\":[\"uuid\",\"<uuid>\"]},{}]\n",
    );
    check(sandbox, &["transact", "db", CHANGE], "[{\"count\":1}]\n");
    check(sandbox, &["query", "db", SELECT], SELECTED);
    check(
        sandbox,
        &["-mm", "show-log", "db"],
        "record 0: \"Toys\" schema, version=\"1.2.3\", cksum=\"12 34\"\n\n\
         record 1: DATE \"a new toy\"\n  table Toy insert row \"car\" (01234567):\n    name=car\n    parts=[seat, wheel]\n\n\
         record 2: DATE\n  table Toy row \"car\" (01234567) diff:\n    parts=[horn]\n\n",
    );
    check(sandbox, &["compact", "db"], "");
    check(
        sandbox,
        &["show-log", "db"],
        "record 0: \"Toys\" schema, version=\"1.2.3\", cksum=\"12 34\"\n\n\
         record 1: DATE \"compacted by ovsdb-tool 3.7.1; transaction <uuid>, seal SEAL\"\n",
    );
    check(sandbox, &["query", "db", SELECT], SELECTED);
}

#[test]
fn schema_is_described_and_drawn_from_its_file_and_from_a_database() {
    let sandbox = toys();
    let of = |arguments: &[&str]| sandbox.run_ok(Side::Ours.program("ovsdb-tool"), arguments);
    for (command, start) in [
        ("schema-doc", "# Database Toys\n"),
        ("schema-dot", "digraph \"Toys\" {\n"),
    ] {
        let text = of(&[command, "schema"]);
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("Toy"), "{text}");
        assert_eq!(of(&[command, "db"]), text);
    }
    let page = of(&["--format=html", "schema-doc", "db"]);
    assert!(page.starts_with("<!DOCTYPE html>\n"), "{page}");
    check(
        &sandbox,
        &["-f", "pdf", "schema-doc", "db"],
        "ovsdb-tool: unknown format \"pdf\" (known here: markdown, html)\n",
    );
    check(
        &sandbox,
        &["schema-doc", "none"],
        "ovsdb-tool: failed to read schema: \"none\" could not be read as JSON (error opening \"none\": No such file \
         or directory)\n",
    );
}

#[test]
fn damaged_record_stops_every_command_and_nothing_is_lost_of_the_file() {
    let sandbox = toys();
    check(
        &sandbox,
        &["transact", "db", INSERT],
        "[{\"uuid\":[\"uuid\",\"<uuid>\"]},{}]\n",
    );
    let mut contents = fs::read(sandbox.path("db")).expect("it was created");
    let end = contents.len();
    contents.extend(b"OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{");
    fs::write(sandbox.path("db"), &contents).expect("the sandbox is writable");
    let offset = end + 54;
    let refused = format!(
        "ovsdb-tool: I/O error: db: error reading 3 bytes starting at offset {offset} (End of file)\n"
    );
    for arguments in [
        &["query", "db", SELECT] as &[&str],
        &["transact", "db", CHANGE],
        &["compact", "db"],
    ] {
        check(&sandbox, arguments, &refused);
    }
    assert_eq!(
        fs::read(sandbox.path("db")).expect("it was created"),
        contents
    );
}

#[test]
fn record_that_breaks_a_constraint_is_an_error_and_not_the_end_of_the_file() {
    let sandbox = toys();
    check(
        &sandbox,
        &["transact", "db", INSERT],
        "[{\"uuid\":[\"uuid\",\"<uuid>\"]},{}]\n",
    );
    let path = sandbox.path("db");
    let magics = &[ovsdb_log::STANDALONE_MAGIC];
    let mut log = ovsdb_log::Log::open(
        &path,
        ovsdb_log::OpenMode::ReadWrite,
        magics,
        ovsdb_log::LockPolicy::Never,
    )
    .expect("it is good");
    while log.read().expect("it is good").is_some() {}
    log.append(b"{\"Toy\":{\"11111111-89ab-4def-8123-456789abcdef\":{\"name\":\"car\"}}}\n")
        .expect("a healthy disk");
    drop(log);
    let output = sandbox.run(Side::Ours.program("ovsdb-tool"), &["compact", "db"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(
        output
            .stderr
            .starts_with("ovsdb-tool: constraint violation: Transaction causes multiple rows"),
        "{output}"
    );
}

const LATER: &str = r#"{"name": "Toys", "version": "1.3.0", "tables": {
    "Box": {"columns": {"size": {"type": "integer"}}},
    "Toy": {"columns": {"age": {"type": {"key": "integer", "min": 0}}, "name": {"type": "string"},
                        "parts": {"type": {"key": "string", "min": 0, "max": "unlimited"}}},
            "indexes": [["name"]], "isRoot": true}}}"#;

#[test]
fn file_is_converted_in_place_or_into_another_and_kept_where_that_fails() {
    let sandbox = &toys();
    let inserted = "[{\"uuid\":[\"uuid\",\"<uuid>\"]},{}]\n";
    check(sandbox, &["transact", "db", INSERT], inserted);
    fs::write(sandbox.path("later"), LATER).expect("the sandbox is writable");
    std::os::unix::fs::symlink("db", sandbox.path("link")).expect("the sandbox is writable");
    let before = fs::read(sandbox.path("db")).expect("it was created");

    let narrow = LATER.replace(r#""min": 0, "max": "unlimited""#, r#""min": 0, "max": 1"#);
    fs::write(sandbox.path("narrow"), narrow).expect("the sandbox is writable");
    check(
        sandbox,
        &["convert", "db", "narrow"],
        "ovsdb-tool: syntax \"[\"set\",[\"seat\",\"wheel\"]]\": syntax error: set must have 0 to 1 members but 2 are \
         present\n",
    );
    check(sandbox, &["convert", "db", "later", "other"], "");
    let kept = fs::read(sandbox.path("db")).expect("it was created");
    assert!(kept == before && !sandbox.path("db.tmp").exists());

    check(sandbox, &["needs-conversion", "link", "later"], "yes\n");
    check(sandbox, &["convert", "link", "later"], "");
    for (file, answer) in [("link", "no\n"), ("other", "no\n")] {
        check(sandbox, &["needs-conversion", file, "later"], answer);
        check(
            sandbox,
            &["-m", "show-log", file],
            "record 0: \"Toys\" schema, version=\"1.3.0\", cksum=\"\"\n\n\
             record 1: DATE \"converted by ovsdb-tool 3.7.1; transaction <uuid>, seal SEAL\"\n  table Toy insert row \"car\" (01234567):\n\n",
        );
        let selected = SELECTED.replace("\"horn\",", "");
        check(sandbox, &["query", file, SELECT], &selected);
    }
    assert!(sandbox.path("link").is_symlink());
}

#[test]
fn comparison_answers_with_its_exit_code() {
    let sandbox = Sandbox::new();
    let run = |arguments: [&str; 3]| {
        let [a, operator, b] = arguments;
        sandbox
            .run(
                Side::Ours.program("ovsdb-tool"),
                &["compare-versions", a, operator, b],
            )
            .code
    };
    assert_eq!(run(["1.9.0", "<", "1.10.0"]), Some(0));
    assert_eq!(run(["1.9.0", ">", "1.10.0"]), Some(2));
    assert_eq!(run(["1.9", "<", "1.10.0"]), Some(1));
}

#[test]
fn restore_makes_a_new_file_and_touches_none_that_is_there() {
    let sandbox = toys();
    let run = |arguments: &[&str]| sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);
    for transaction in [INSERT, CHANGE] {
        let done = run(&["transact", "db", transaction]);
        assert_eq!(done.code, Some(0), "{done}");
    }
    let restored = run(&["restore", "--at=1", "db", "new"]);
    assert_eq!(restored.code, Some(0), "{restored}");
    let diff = run(&["diff", "db@1", "new"]);
    assert_eq!((diff.code, diff.stdout.as_str()), (Some(0), ""), "{diff}");
    let diff = run(&["diff", "db", "new"]);
    assert_eq!(diff.code, Some(1), "{diff}");

    let written = fs::read(sandbox.path("new")).expect("it was made");
    check(
        &sandbox,
        &["restore", "--at=2", "db", "new"],
        "ovsdb-tool: new: exists already\n",
    );
    assert_eq!(fs::read(sandbox.path("new")).expect("it is there"), written);
    // What an earlier one left that was killed, or somebody else has made, is in nobody's way.
    for name in ["other.tmp", "other.0.tmp"] {
        fs::write(sandbox.path(name), "mine").expect("the sandbox is writable");
    }
    let before = names_in(&sandbox);
    let restored = run(&["restore", "--at=2", "db", "other"]);
    assert_eq!(restored.code, Some(0), "{restored}");
    let mine = fs::read(sandbox.path("other.tmp")).expect("it is there");
    assert_eq!(mine, b"mine");
    let more: Vec<_> = names_in(&sandbox)
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    assert_eq!(more, [".other.~lock~", "other"]);
}

/// The names of the files in a folder, sorted.
fn names_in(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.folder()).expect("it is readable");
    let mut names: Vec<String> = entries
        .map(|entry| {
            let name = entry.expect("it is readable").file_name();
            name.into_string().expect("names are text")
        })
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn damage_is_told_wherever_it_may_matter() {
    let sandbox = toys();
    let run = |arguments: &[&str]| sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);
    for transaction in [INSERT, CHANGE] {
        let done = run(&["transact", "db", transaction]);
        assert_eq!(done.code, Some(0), "{done}");
    }
    let good = fs::read(sandbox.path("db")).expect("it was created");
    fs::write(sandbox.path("good"), &good).expect("the sandbox is writable");
    let torn = [
        &good[..],
        b"OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{",
    ]
    .concat();
    fs::write(sandbox.path("db"), torn).expect("the sandbox is writable");
    let fault = format!(
        "I/O error: db: error reading 3 bytes starting at offset {} (End of file)",
        good.len() + 54
    );
    let warning = format!("ovsdb-tool: warning: db: nothing is read after record 2: {fault}\n");

    // Nobody knows whether there is a record 3.
    check(
        &sandbox,
        &["restore", "--at=3", "db", "new"],
        &format!(
            "ovsdb-tool: db: record 3 cannot be read, since nothing is read after record 2: {fault}\n"
        ),
    );
    check(
        &sandbox,
        &["restore", "--at=3", "good", "new"],
        "ovsdb-tool: good: there is no record 3, the last one is 2\n",
    );
    // What cannot be read may have happened by then, but not before what can be read.
    for (at, told) in [("now", warning.as_str()), ("2", ""), ("1", "")] {
        let name = format!("new-{at}");
        let restored = run(&["restore", &format!("--at={at}"), "db", &name]);
        assert_eq!(
            (restored.code, restored.stderr.as_str()),
            (Some(0), told),
            "{at}: {restored}"
        );
    }
    for (sides, code, told) in [
        (["db", "db"], 2, &warning),
        (["db", "good"], 2, &warning),
        (["good", "db@now"], 2, &warning),
        (["db@1", "db"], 2, &warning),
        (["db@1", "db@2"], 1, &String::new()),
        (["db@2", "good"], 0, &String::new()),
    ] {
        let diff = run(&["diff", sides[0], sides[1]]);
        assert_eq!(
            (diff.code, &diff.stderr),
            (Some(code), told),
            "{sides:?}: {diff}"
        );
    }
}

#[test]
fn trouble_of_a_comparison_is_no_difference() {
    let sandbox = toys();
    for arguments in [
        &["diff", "db"] as &[&str],
        &["diff", "db", "db", "db"],
        &["diff", "db", "missing"],
        &["diff", "db@soon", "db"],
        &["diff", "db", "db", "--nonsense"],
        &["--nonsense", "diff", "db", "db"],
        &["--format=csv", "diff", "db", "db"],
        &["--format", "diff", "diff", "db", "db"],
        &["--at=1", "diff", "db", "db"],
        &["-vnonsense", "diff", "db", "db"],
    ] {
        let output = sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {output}"
        );
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn options_are_refused_by_commands_that_do_not_take_them() {
    let sandbox = toys();
    for (arguments, command, option) in [
        (
            &["show-log", "--format=json", "db"] as &[&str],
            "show-log",
            "format",
        ),
        (
            &["restore", "--at=1", "--table=Toy", "db", "new"],
            "restore",
            "table",
        ),
        (
            &["blame", "--since=now", "db", "Toy", "car"],
            "blame",
            "since",
        ),
        (&["log", "--at=1", "db"], "log", "at"),
        (
            &["schema-doc", "--limit=1", "schema"],
            "schema-doc",
            "limit",
        ),
    ] {
        check(
            &sandbox,
            arguments,
            &format!(
                "ovsdb-tool: '{command}' command does not take --{option}; use '{command} --help' for help\n"
            ),
        );
    }
    for (command, known) in [("schema-dot", "dot"), ("schema-doc", "markdown, html")] {
        check(
            &sandbox,
            &[command, "-f", "pdf", "schema"],
            &format!("ovsdb-tool: unknown format \"pdf\" (known here: {known})\n"),
        );
    }
    let graph = ["schema-dot", "schema"];
    let program = Side::Ours.program("ovsdb-tool");
    assert_eq!(
        sandbox.run_ok(&program, &["-fdot", "schema-dot", "schema"]),
        sandbox.run_ok(&program, &graph)
    );
}

#[test]
fn commands_for_clustered_databases_are_refused_by_name() {
    let sandbox = toys();
    fs::write(
        sandbox.path("cluster"),
        "OVSDB CLUSTER 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n",
    )
    .expect("the sandbox is writable");
    let before = names_in(&sandbox);
    for arguments in [
        &["create-cluster", "new", "schema", "tcp:127.0.0.1:1"] as &[&str],
        &[
            "--election-timer=500",
            "create-cluster",
            "new",
            "schema",
            "tcp:127.0.0.1:1",
        ],
        &[
            "join-cluster",
            "new",
            "Toys",
            "tcp:127.0.0.1:1",
            "tcp:127.0.0.1:2",
        ],
        &["db-cid", "cluster"],
        &["db-sid", "cluster"],
        &["db-local-address", "cluster"],
        &["check-cluster", "cluster"],
        &["cluster-to-standalone", "new", "cluster"],
    ] {
        let command = arguments.iter().find(|word| !word.starts_with('-'));
        let command = command.expect("there is a command");
        check(
            &sandbox,
            arguments,
            &format!(
                "ovsdb-tool: {command}: clustered databases are not supported by this program\n"
            ),
        );
    }
    for command in ["db-name", "show-log"] {
        check(
            &sandbox,
            &[command, "cluster"],
            "ovsdb-tool: cluster: clustered databases are not supported by this program\n",
        );
    }
    assert_eq!(names_in(&sandbox), before);
}

#[test]
fn blame_says_that_the_contents_of_a_compacted_file_may_be_older() {
    let sandbox = toys();
    let run = |arguments: &[&str]| sandbox.run_ok(Side::Ours.program("ovsdb-tool"), arguments);
    run(&["transact", "db", INSERT]);
    let blame = ["blame", "--format=json", "db", "Toy", "car", "name"];
    let told = run(&blame);
    assert!(!told.contains(r#""is_snapshot":true"#), "{told}");
    run(&["compact", "db"]);
    let told = run(&blame);
    assert!(told.contains(r#""is_snapshot":true"#), "{told}");
    assert!(!told.contains(r#""is_snapshot":false"#), "{told}");
}

#[test]
fn questions_about_the_past_are_refused_with_the_place_that_is_wrong() {
    let sandbox = toys();
    let run = |arguments: &[&str]| sandbox.run(Side::Ours.program("ovsdb-tool"), arguments);
    let other = INSERT
        .replace("01234567-", "11234567-")
        .replace("\"car\"", "\"bus\"");
    for transaction in [INSERT, &other] {
        let done = run(&["transact", "db", transaction]);
        assert_eq!(done.code, Some(0), "{done}");
    }
    let try_other = "try 2026-11-22T10:00:00Z, \"2026-11-22 10:00\" (UTC), \"2 hours ago\", or milliseconds since 1970";
    for (arguments, told) in [
        (
            &["log", "db", "--table=Tool"] as &[&str],
            "db: there is no table Tool; there are Toy",
        ),
        (
            &["log", "db", "--column=size"],
            "db: there is no column size in any table",
        ),
        (
            &["log", "db", "--table=Toy", "--column=size"],
            "db: there is no column size in Toy",
        ),
        (
            &["log", "db", "--row=size=3"],
            "db: there is no column size in any table",
        ),
        (
            &["log", "db", "--row=name=van"],
            "db: there never was a row name=van in any table",
        ),
        (
            &["log", "db", "--limit=few"],
            "--limit: \"few\" is not a number of records",
        ),
        (
            &["log", "db", "--until=soon"],
            &format!("--until: \"soon\" is not a time; {try_other}"),
        ),
        (
            &["restore", "--at=soon", "db", "new"],
            &format!("--at: \"soon\" is not a time; {try_other}"),
        ),
        (
            &["blame", "db", "Tool", "car"],
            "db: there is no table Tool; there are Toy",
        ),
        (
            &["blame", "db", "Toy", "car", "size"],
            "db: there is no column size in Toy",
        ),
        (
            &["blame", "db", "Toy", "size=3"],
            "db: there is no column size in Toy",
        ),
        (
            &["blame", "db", "Toy", "."],
            "db: . may be any of several rows: <uuid>, <uuid>",
        ),
    ] {
        check(&sandbox, arguments, &format!("ovsdb-tool: {told}\n"));
    }
    let early = run(&["restore", "--at=1999-12-31 12:00", "db", "new"]);
    let told = "ovsdb-tool: db: nothing is known of 1999-12-31 12:00:00.000, since the first record is of 20";
    assert!(early.stderr.starts_with(told), "{early}");
    let diff = run(&["diff", "db@soon", "db"]);
    let told = format!("ovsdb-tool: db@soon: \"soon\" is not a time; {try_other}\n");
    assert_eq!(diff.stderr, told);
}
