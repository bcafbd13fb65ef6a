//! The program `ovsdb-server` from outside: how it starts and refuses to, its control commands, its end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::installation::wait_for;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{"name":"NAME","version":"1.0.0","tables":{
    "Root":{"isRoot":true,"maxRows":1,"columns":{
        "targets":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "managers":{"type":{"key":{"type":"uuid","refTable":"Manager"},"min":0,"max":"unlimited"}}}},
    "Manager":{"columns":{
        "target":{"type":"string"},
        "is_connected":{"type":"boolean","ephemeral":true},
        "status":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"},"ephemeral":true}}}}}"#;

/// A sandbox with the files of a few databases.
fn sandbox(databases: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in databases {
        let schema = sandbox.path(format!("{name}.ovsschema"));
        std::fs::write(&schema, SCHEMA.replace("NAME", name)).expect("a writable folder");
        let file = format!("{name}.db");
        sandbox.run_ok(
            ours("ovsdb-tool"),
            &["create", &file, &schema.display().to_string()],
        );
    }
    sandbox
}

fn serve(sandbox: &Sandbox, arguments: &[&str]) -> Daemon {
    let mut all = vec!["--remote=punix:db.sock", "--unixctl=ctl", "-vconsole:off"];
    all.extend(arguments);
    Daemon::start(sandbox, ours("ovsdb-server"), "ovsdb-server", &all)
}

fn control(sandbox: &Sandbox, words: &[&str]) -> Output {
    let socket = sandbox.path("ctl").display().to_string();
    let mut all = vec!["-t", socket.as_str()];
    all.extend(words);
    sandbox.run(ours("ovs-appctl"), &all)
}

fn transact(sandbox: &Sandbox, operations: &str) -> String {
    let socket = format!("unix:{}", sandbox.path("db.sock").display());
    sandbox.run_ok(ours("ovsdb-client"), &["transact", &socket, operations])
}

/// Ends a server by its control command.
fn exit(sandbox: &Sandbox, daemon: Daemon) {
    assert!(control(sandbox, &["exit"]).ok());
    daemon.wait();
}

/// Runs the server with a command line that it refuses.
#[track_caller]
fn check_refusal(sandbox: &Sandbox, arguments: &[&str], expected: &str) {
    let output = sandbox.run(ours("ovsdb-server"), arguments);
    assert_eq!(output.code, Some(1), "{output}");
    // Log lines begin with the time and the number of the message.
    let lines = output
        .stderr
        .lines()
        .map(|line| match line.splitn(3, '|').nth(2) {
            Some(message) => message,
            None => line,
        });
    let shown: Vec<&str> = lines.collect();
    assert_eq!(shown.join("\n"), expected, "{arguments:?}");
}

#[test]
fn what_cannot_be_served_ends_the_start_with_the_reason() {
    let sandbox = sandbox(&["A", "_B"]);
    let end = "ovsdb-server: server configuration failed";
    check_refusal(
        &sandbox,
        &["nofile"],
        &format!(
            "ovsdb_server|WARN|failed to open database 'nofile': I/O error: nofile: open failed \
             (No such file or directory)\novsdb_server|WARN|failed to configure databases\n{end}"
        ),
    );
    check_refusal(
        &sandbox,
        &["_B.db"],
        &format!(
            "ovsdb_server|WARN|failed to open database '_B.db': ovsdb error: _B: names beginning with \"_\" are \
             reserved\novsdb_server|WARN|failed to configure databases\n{end}"
        ),
    );
    check_refusal(
        &sandbox,
        &["A.db", "--remote=db:X,Y,Z"],
        &format!(
            "ovsdb_server|WARN|failed to configure remotes: \"db:X,Y,Z\": no database named X\n{end}"
        ),
    );
    check_refusal(
        &sandbox,
        &["A.db", "--private-key=db:A,Root", "--certificate=db:X,Y,Z"],
        &format!(
            "ovsdb_server|WARN|failed to configure SSL/TLS: \"db:A,Root\": invalid syntax\n\
             \"db:X,Y,Z\": no database named X\n{end}"
        ),
    );
    check_refusal(
        &sandbox,
        &["A.db", "--ca-cert=db:A,Root,managers"],
        &format!(
            "ovsdb_server|WARN|failed to configure SSL/TLS: \"db:A,Root,managers\": table \"Root\" column \
             \"managers\" is not string or set of strings\n{end}"
        ),
    );
    assert!(!sandbox.path("ovsdb-server.pid").exists());
}

#[test]
fn a_server_that_cannot_start_in_the_background_says_so_and_leaves_no_pidfile() {
    let sandbox = sandbox(&[]);
    let refused = Daemon::try_start(&sandbox, ours("ovsdb-server"), "ovsdb-server", &["nofile"]);
    let output = refused.expect_err("there is no such file");
    assert_eq!(output.code, Some(1), "{output}");
    assert!(
        output
            .stderr
            .contains("ovsdb-server: server configuration failed"),
        "{output}"
    );
    assert!(!sandbox.path("ovsdb-server.pid").exists());
}

#[test]
fn create_makes_a_missing_file_and_leaves_others_alone() {
    let sandbox = sandbox(&["A"]);
    std::fs::remove_file(sandbox.path("A.db")).expect("it was made above");
    let arguments = ["--create=A.ovsschema", "A.db"];
    let daemon = serve(&sandbox, &arguments);
    transact(
        &sandbox,
        r#"["A",{"op":"insert","table":"Root","row":{"targets":"x"}}]"#,
    );
    exit(&sandbox, daemon);
    let daemon = serve(&sandbox, &arguments);
    let rows = transact(
        &sandbox,
        r#"["A",{"op":"select","table":"Root","where":[],"columns":["targets"]}]"#,
    );
    assert_eq!(rows.trim(), r#"[{"rows":[{"targets":"x"}]}]"#);
    exit(&sandbox, daemon);
    assert!(!sandbox.path("ovsdb-server.pid").exists() && !sandbox.path("db.sock").exists());
}

#[test]
fn a_command_that_is_run_ends_the_server_with_its_own_end() {
    let sandbox = sandbox(&["A"]);
    for (command, code, stderr) in [
        ("test -S db.sock", 0, ""),
        (
            "exit 3",
            1,
            "ovsdb-server: exit 3: child exited, exit status 3\n",
        ),
        (
            "kill -9 $$",
            1,
            "ovsdb-server: kill -9 $$: child exited, killed (Killed)\n",
        ),
    ] {
        let run = format!("--run={command}");
        let output = sandbox.run(
            ours("ovsdb-server"),
            &["A.db", "--remote=punix:db.sock", &run],
        );
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(code), stderr),
            "{command}"
        );
    }
}

#[test]
fn control_commands_answer_as_in_the_reference() {
    let sandbox = sandbox(&["A", "B"]);
    let daemon = serve(&sandbox, &["A.db"]);
    for (words, expected) in [
        ("ovsdb-server/list-dbs", Ok("A\n_Server\n")),
        ("ovsdb-server/add-db B.db", Ok("")),
        ("ovsdb-server/list-dbs", Ok("A\nB\n_Server\n")),
        (
            "ovsdb-server/add-db B.db",
            Err("ovsdb error: B.db: already open\n"),
        ),
        (
            "ovsdb-server/add-db C.db",
            Err("I/O error: C.db: open failed (No such file or directory)\n"),
        ),
        (
            "ovsdb-server/remove-db C",
            Err("Failed to find the database.\n"),
        ),
        (
            "ovsdb-server/remove-db _Server",
            Err("Cannot remove reserved database.\n"),
        ),
        (
            "ovsdb-server/remove-db _Nothing",
            Err("Failed to find the database.\n"),
        ),
        (
            "ovsdb-server/get-db-storage-status _Server",
            Ok("status: ok\n"),
        ),
        ("ovsdb-server/disable-monitor-cond", Ok("")),
        ("ovsdb-server/disable-monitor-cond", Ok("")),
        ("ovsdb-server/remove-db B", Ok("")),
        ("ovsdb-server/list-remotes", Ok("punix:db.sock\n")),
        ("ovsdb-server/add-remote punix:more.sock", Ok("")),
        ("ovsdb-server/add-remote db:A,Root,targets", Ok("")),
        (
            "ovsdb-server/add-remote db:A,Root,none",
            Err("\"db:A,Root,none\": table \"Root\" has no column \"none\"\n"),
        ),
        (
            "ovsdb-server/add-remote db:A,None,none",
            Err("\"db:A,None,none\": no table named None\n"),
        ),
        (
            "ovsdb-server/add-remote db:A",
            Err("\"db:A\": invalid syntax\n"),
        ),
        (
            "ovsdb-server/list-remotes",
            Ok("db:A,Root,targets\npunix:db.sock\npunix:more.sock\n"),
        ),
        ("ovsdb-server/remove-remote punix:more.sock", Ok("")),
        (
            "ovsdb-server/remove-remote punix:more.sock",
            Err("no such remote\n"),
        ),
        ("ovsdb-server/compact", Ok("")),
        ("ovsdb-server/compact A", Ok("")),
        ("ovsdb-server/compact B", Err("no database by that name\n")),
        (
            "ovsdb-server/compact _Server",
            Err("cannot compact built-in databases\n"),
        ),
        ("ovsdb-server/get-db-storage-status A", Ok("status: ok\n")),
        (
            "ovsdb-server/get-db-storage-status B",
            Err("Failed to find the database.\n"),
        ),
        ("ovsdb-server/memory-trim-on-compaction on", Ok("")),
        (
            "ovsdb-server/memory-trim-on-compaction maybe",
            Err("invalid argument\n"),
        ),
        ("ovsdb-server/sync-status", Ok("state: active\n")),
        (
            "ovsdb-server/reload",
            Err("Configuration file was not specified on command line\n"),
        ),
        ("ovsdb-server/reconnect", Ok("")),
        (
            "memory/show",
            Ok("atoms:14 cells:20 monitors:0 n-weak-refs:0\n"),
        ),
    ] {
        let output = control(&sandbox, &words.split(' ').collect::<Vec<_>>());
        let shown = match output.code {
            Some(0) => Ok(output.stdout.as_str()),
            _ => Err(output.stderr.as_str()),
        };
        let end = format!(
            "ovs-appctl: {}: server returned an error\n",
            sandbox.path("ctl").display()
        );
        let shown = shown.map_err(|text| text.strip_suffix(&end).unwrap_or(text));
        assert_eq!(shown, expected, "{words}");
    }
    exit(&sandbox, daemon);
}

#[test]
fn what_changes_in_chosen_tables_is_logged() {
    let sandbox = sandbox(&["A"]);
    let daemon = serve(&sandbox, &["A.db"]);
    let switch =
        |state| assert!(control(&sandbox, &["ovsdb-server/tlog-set", "A:Root", state]).ok());
    let insert =
        r#"{"op":"insert","table":"Root","uuid":"00000000-0000-0000-0000-000000000001","row":{}}"#;
    let update = r#"{"op":"update","table":"Root","where":[],"row":{"targets":"punix:x","managers":["named-uuid","m"]}}"#;
    let other = r#"{"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"punix:y"}}"#;
    let delete = r#"{"op":"delete","table":"Root","where":[]}"#;
    let abort = r#"{"op":"abort"}"#;
    switch("on");
    // What fails is no change; nor is a table that nobody has chosen any business of this log.
    transact(&sandbox, &format!(r#"["A",{insert},{abort}]"#));
    transact(&sandbox, &format!(r#"["A",{insert}]"#));
    transact(&sandbox, &format!(r#"["A",{update},{other}]"#));
    transact(&sandbox, &format!(r#"["A",{delete}]"#));
    switch("OFF");
    transact(&sandbox, &format!(r#"["A",{insert}]"#));
    exit(&sandbox, daemon);
    let log = sandbox.text("ovsdb-server.log");
    let lines = log
        .lines()
        .filter_map(|line| line.split_once("|transaction|INFO|"));
    let row = "00000000-0000-0000-0000-000000000001";
    assert_eq!(
        lines.map(|(_, message)| message).collect::<Vec<_>>(),
        [
            format!("A.Root: insert {row}"),
            format!("A.Root: update {row}: managers, targets"),
            format!("A.Root: delete {row}"),
        ]
    );
}

#[test]
fn differences_of_columns_are_written_once_a_command_asks_for_them() {
    let sandbox = sandbox(&["A", "B"]);
    let daemon = serve(&sandbox, &["A.db", "--disable-file-column-diff"]);
    let many: Vec<String> = (0..20).map(|n| format!(r#""t{n}""#)).collect();
    let fill = |database: &str| {
        let targets = many.join(",");
        transact(
            &sandbox,
            &format!(
                r#"["{database}",{{"op":"insert","table":"Root","row":{{"targets":["set",[{targets}]]}}}}]"#
            ),
        );
    };
    let add = |database: &str, target: &str| {
        transact(
            &sandbox,
            &format!(
                r#"["{database}",{{"op":"mutate","table":"Root","where":[],"mutations":[["targets","insert","{target}"]]}}]"#
            ),
        );
    };
    fill("A");
    add("A", "one");
    assert!(!sandbox.text("A.db").contains("_is_diff"));
    assert!(control(&sandbox, &["ovsdb/file/column-diff-enable"]).ok());
    add("A", "two");
    assert!(sandbox.text("A.db").contains("_is_diff"));
    // Databases that come later follow.
    assert!(control(&sandbox, &["ovsdb-server/add-db", "B.db"]).ok());
    fill("B");
    add("B", "three");
    assert!(sandbox.text("B.db").contains("_is_diff"));
    exit(&sandbox, daemon);
}

/// Waits until `socket` accepts connections, or no longer does.
fn wait_for_socket(socket: &Path, accepts: bool) {
    let accepted = || std::os::unix::net::UnixStream::connect(socket).is_ok();
    let what = socket.display().to_string();
    wait_for(&what, || (accepted() == accepts).then_some(()));
}

#[test]
fn remotes_follow_the_database_that_names_them() {
    let sandbox = sandbox(&["A"]);
    let daemon = serve(
        &sandbox,
        &[
            "A.db",
            "--remote=db:A,Root,targets",
            "--remote=db:A,Root,managers",
        ],
    );
    transact(
        &sandbox,
        r#"["A",{"op":"insert","table":"Root","row":{"targets":"punix:one.sock","managers":["named-uuid","m"]}},
            {"op":"insert","table":"Manager","uuid-name":"m","row":{"target":"punix:two.sock"}}]"#,
    );
    let (one, two) = (sandbox.path("one.sock"), sandbox.path("two.sock"));
    wait_for_socket(&one, true);
    wait_for_socket(&two, true);
    transact(
        &sandbox,
        r#"["A",{"op":"update","table":"Root","where":[],"row":{"targets":["set",[]],"managers":["set",[]]}}]"#,
    );
    wait_for_socket(&one, false);
    wait_for_socket(&two, false);
    exit(&sandbox, daemon);
}

#[test]
fn listeners_with_host_names_are_opened_or_waited_for() {
    let sandbox = sandbox(&["D"]);
    let remotes = ["--remote=ptcp:0:localhost", "--remote=ptcp:0:none.invalid"];
    let daemon = serve(&sandbox, &[&remotes[..], &["-vfile:dbg", "D.db"]].concat());
    let log = sandbox.text("ovsdb-server.log");
    assert!(log.contains("0:localhost: listening on port "), "{log}");
    // Somebody may give the other name an address sooner or later.
    let waits = "|stream_tcp|DBG|ptcp:0:none.invalid: DNS resolution in progress or host not found";
    assert!(log.contains(waits), "{log}");
    let listed = control(&sandbox, &["ovsdb-server/list-remotes"]);
    assert!(listed.stdout.contains("ptcp:0:none.invalid\n"), "{listed}");
    exit(&sandbox, daemon);
    assert!(!sandbox.text("ovsdb-server.log").contains("|ERR|"), "{log}");
}

#[test]
fn peers_are_probed_and_given_up_by_a_clock_that_can_be_moved_on() {
    let sandbox = sandbox(&["D"]);
    let port = Port::reserve();
    let daemon = serve(&sandbox, &[&port.server_option(), "D.db"]);
    let time = |words: &[&str]| {
        let output = control(&sandbox, words);
        assert!(output.ok(), "{output}");
    };
    time(&["time/stop"]);
    let mut client = TcpStream::connect(("127.0.0.1", port.number())).expect("it listens");
    let silence = Some(Duration::from_secs(60));
    client.set_read_timeout(silence).expect("an open socket");
    let request = br#"{"method":"list_dbs","params":[],"id":1}"#;
    client.write_all(request).expect("an open socket");
    let mut buffer = [0; 1000];
    let mut read = |client: &mut TcpStream| {
        let length = client.read(&mut buffer).expect("an answer");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(read(&mut client).contains("\"D\""));
    time(&["time/warp", "5000"]);
    assert!(read(&mut client).contains("\"echo\""), "a probe");
    time(&["time/warp", "5000", "1000"]);
    assert_eq!(read(&mut client), "", "the end");
    let log = sandbox.text("ovsdb-server.log");
    let line = "no response to inactivity probe after 5 seconds, disconnecting";
    assert!(log.contains(line), "{log}");
    for wrong in ["0", "-1", "x"] {
        let output = control(&sandbox, &["time/warp", wrong]);
        assert!(
            !output.ok() && output.stderr.contains("invalid MSECS"),
            "{output}"
        );
    }
    exit(&sandbox, daemon);
}

/// Lets a server under `--monitor` crash and waits until another one serves in its place.
fn crash(sandbox: &Sandbox, daemon: &Daemon) {
    daemon.signal(Signal::SIGSEGV);
    // The process that comes next has another pid.
    let before = format!("{}\n", daemon.pid());
    let pidfile = sandbox.path("ovsdb-server.pid");
    wait_for("another process", || {
        let pid = std::fs::read_to_string(&pidfile).ok()?;
        (!pid.is_empty() && pid != before).then_some(())
    });
    wait_for_socket(&sandbox.path("ctl"), true);
}

#[test]
fn a_server_that_crashed_comes_back_with_what_was_added_at_run_time() {
    let sandbox = sandbox(&["A", "B"]);
    let daemon = serve(&sandbox, &["A.db", "--monitor"]);
    assert!(control(&sandbox, &["ovsdb-server/add-db", "B.db"]).ok());
    assert!(control(&sandbox, &["ovsdb-server/add-remote", "punix:more.sock"]).ok());
    let more = sandbox.path("more.sock");
    wait_for_socket(&more, true);
    crash(&sandbox, &daemon);
    wait_for_socket(&more, true);
    let databases = control(&sandbox, &["ovsdb-server/list-dbs"]);
    assert_eq!(databases.stdout, "A\nB\n_Server\n");
    assert!(control(&sandbox, &["exit"]).ok());
    wait_for_socket(&more, false);
}

#[test]
fn a_server_that_crashed_comes_back_though_a_remote_has_lost_its_database() {
    let sandbox = sandbox(&["A", "B"]);
    let daemon = serve(&sandbox, &["A.db", "--monitor"]);
    assert!(control(&sandbox, &["ovsdb-server/add-db", "B.db"]).ok());
    let remote = "db:B,Root,targets";
    let added = control(&sandbox, &["ovsdb-server/add-remote", remote]);
    assert!(added.ok(), "{added}");
    assert!(control(&sandbox, &["ovsdb-server/remove-db", "B"]).ok());
    crash(&sandbox, &daemon);
    let databases = control(&sandbox, &["ovsdb-server/list-dbs"]);
    assert_eq!(databases.stdout, "A\n_Server\n");
    assert!(control(&sandbox, &["exit"]).ok());
}

#[test]
fn a_server_that_crashed_comes_back_though_the_disk_was_full_when_something_was_added() {
    let sandbox = sandbox(&["A"]);
    let daemon = serve(&sandbox, &["A.db", "--monitor"]);
    daemon.limit_files(Some(1));
    assert!(control(&sandbox, &["ovsdb-server/add-remote", "punix:more.sock"]).ok());
    let more = sandbox.path("more.sock");
    wait_for_socket(&more, true);
    crash(&sandbox, &daemon);
    let databases = control(&sandbox, &["ovsdb-server/list-dbs"]);
    assert_eq!(databases.stdout, "A\n_Server\n");
    assert!(control(&sandbox, &["exit"]).ok());
}
