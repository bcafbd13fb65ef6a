//! `--config-file` and `ovsdb-server/reload`: what files are refused, and what a changed file changes. A release of
//! the reference that knows such files is held against the same expectations.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::programs::{Side, ours};
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{"name":"NAME","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{"targets":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}"#;

const FILE: &str = "server.conf";

/// A sandbox with the files of the databases A and B.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["A", "B"] {
        let schema = sandbox.path(format!("{name}.ovsschema"));
        fs::write(&schema, SCHEMA.replace("NAME", name)).expect("a writable folder");
        let file = format!("{name}.db");
        let create = [Path::new("create"), Path::new(&file), &schema];
        sandbox.run_ok(ours("ovsdb-tool"), &create);
    }
    sandbox
}

/// The sides that know configuration files: the reference does from release 3.7 on.
fn sides() -> Vec<Side> {
    let help = Sandbox::new().run_ok(Side::Reference.program("ovsdb-server"), &["--help"]);
    let sides = Side::BOTH.into_iter();
    sides
        .filter(|side| *side == Side::Ours || help.contains("--config-file"))
        .collect()
}

/// What a program has printed, without what differs from run to run: the heads of log lines, the folder, and ports.
fn shown(sandbox: &Sandbox, text: &str) -> String {
    let folder = sandbox.folder().display().to_string();
    let lines = text.lines().map(|line| {
        let message = line.splitn(3, '|').nth(2).unwrap_or(line);
        let port = message.split_once(": listening on port ");
        let message = port.map_or(message, |(listener, _)| listener);
        message.replace(&folder, "FOLDER")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Has servers start with a file, do nothing and end.
#[track_caller]
fn check(config: &str, code: i32, expected: &[&str]) {
    for side in sides() {
        let sandbox = sandbox();
        fs::write(sandbox.path(FILE), config).expect("a writable folder");
        let file = format!("--config-file={FILE}");
        let output = sandbox.run(side.program("ovsdb-server"), &[&file, "--run=true"]);
        let head = format!("ovsdb_server|INFO|loading configuration from 'FOLDER/{FILE}'");
        let mut lines = vec![head.as_str()];
        lines.extend(expected);
        assert_eq!(
            shown(&sandbox, &output.stderr),
            lines.join("\n"),
            "{side:?}: {config}"
        );
        assert_eq!(output.code, Some(code), "{side:?}: {config}");
    }
}

/// A file that is refused for a reason.
#[track_caller]
fn check_refused(config: &str, reason: &[&str]) {
    let end = [
        "ovsdb_server|WARN|failed to load configuration from FOLDER/server.conf",
        "ovsdb-server: server configuration failed",
    ];
    check(config, 1, &[reason, &end].concat());
}

#[test]
fn a_file_says_what_is_served() {
    check(r#"{"remotes":{},"databases":{}}"#, 0, &[]);
    check(r#"{"remotes":null,"databases":null,"more":1}"#, 0, &[]);
    check(
        r#"{"remotes":{"ptcp:0:127.0.0.1":{"inactivity-probe":1000,"max-backoff":2000,"read-only":true,"role":"x","dscp":10},
            "db:A,T,targets":{}},"databases":{"A.db":{},"B.db":null}}"#,
        0,
        &["socket_util|INFO|0:127.0.0.1"],
    );
    check(
        r#"{"remotes":{},"databases":{"A.db":{"service-model":"standalone"},
            "B.db":{"service-model":"active-backup","backup":false}}}"#,
        0,
        &[],
    );
}

#[test]
fn options_of_remotes_that_are_wrong_are_told_and_left_out() {
    check(
        r#"{"remotes":{"ptcp:0:127.0.0.1":{"bogus":3}},"databases":{}}"#,
        0,
        &[
            "ovsdb_jsonrpc_server|WARN|syntax \"{\"bogus\":3}\": syntax error: Parsing JSON-RPC options failed: \
             Member 'bogus' is present but not allowed here.",
            "socket_util|INFO|0:127.0.0.1",
        ],
    );
    check(
        r#"{"remotes":{"punix:s":{"dscp":"x"}},"databases":{}}"#,
        0,
        &[
            "ovsdb_jsonrpc_server|WARN|syntax \"{\"dscp\":\"x\"}\": syntax error: Parsing JSON-RPC options failed: \
             Type mismatch for member 'dscp'.",
        ],
    );
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_reason() {
    check_refused(
        "",
        &[
            "ovsdb_server|WARN|config: reading JSON failed (line 0, column 0, byte 0: empty input stream)",
        ],
    );
    check_refused(
        "{\n",
        &[
            "ovsdb_server|WARN|config: reading JSON failed (line 1, column 0, byte 2: unexpected end of input)",
        ],
    );
    check_refused(
        "[]",
        &["ovsdb_server|WARN|configuration in a file must be a JSON object"],
    );
    check_refused(
        r#"{"remotes":[],"databases":{}}"#,
        &[
            "ovsdb_server|WARN|config: 'remotes' is not a JSON object",
            "ovsdb_server|WARN|config: failed to parse 'remotes'",
        ],
    );
    check_refused(
        r#"{"remotes":{"ptcp:0":3},"databases":{}}"#,
        &[
            "ovsdb_server|WARN|ptcp:0: JSON-RPC options are not a JSON object or null",
            "ovsdb_server|WARN|config: failed to parse 'remotes'",
        ],
    );
    check_refused(
        r#"{"remotes":{},"databases":{"A.db":{"service-model":"bogus"}}}"#,
        &[
            "ovsdb_server|WARN|Unrecognized database service model: 'bogus'",
            "ovsdb_server|WARN|syntax \"{\"service-model\":\"bogus\"}\": syntax error: Parsing database A.db failed: \
             'bogus' is not a valid service model",
            "ovsdb_server|WARN|config: failed to parse 'databases'",
        ],
    );
    check_refused(
        r#"{"remotes":{},"databases":{"E":{"service-model":"relay"}}}"#,
        &[
            "ovsdb_server|WARN|syntax \"{\"service-model\":\"relay\"}\": syntax error: Parsing database E failed: \
             Required 'source' member is missing.",
            "ovsdb_server|WARN|config: failed to parse 'databases'",
        ],
    );
}

#[test]
fn what_cannot_be_served_is_told_by_name() {
    let end = "ovsdb-server: server configuration failed";
    let databases = "ovsdb_server|WARN|failed to configure databases";
    check(
        r#"{"remotes":{},"databases":{"none.db":{}}}"#,
        1,
        &[
            "ovsdb_server|WARN|failed to open database 'none.db': I/O error: none.db: open failed (No such file or directory)",
            databases,
            end,
        ],
    );
    check(
        r#"{"remotes":{},"databases":{"A.db":{"service-model":"clustered"}}}"#,
        1,
        &[
            "ovsdb_server|WARN|failed to open database 'A.db': ovsdb error: A.db: database is standalone and not clustered",
            databases,
            end,
        ],
    );
    check(
        r#"{"remotes":{"db:X,T,targets":{}},"databases":{"A.db":{}}}"#,
        1,
        &[
            "ovsdb_server|WARN|failed to configure remotes: \"db:X,T,targets\": no database named X",
            end,
        ],
    );
}

/// A server with a file that can be changed.
struct Configured {
    daemon: Daemon,
    sandbox: Sandbox,
}

impl Configured {
    fn start(side: Side, config: &str) -> Configured {
        Configured::start_with(side, config, &[])
    }

    fn start_with(side: Side, config: &str, more: &[&str]) -> Configured {
        let sandbox = sandbox();
        fs::write(sandbox.path(FILE), config).expect("a writable folder");
        let file = format!("--config-file={}", sandbox.path(FILE).display());
        let control = format!("--unixctl={}", sandbox.path("ctl").display());
        let arguments = [&[file.as_str(), &control, "-vconsole:off"], more].concat();
        let program = side.program("ovsdb-server");
        let daemon = Daemon::start(&sandbox, program, "ovsdb-server", &arguments);
        Configured { daemon, sandbox }
    }

    fn call(&self, words: &[&str]) -> Output {
        let control = self.sandbox.path("ctl").display().to_string();
        let mut all = vec!["-t", control.as_str()];
        all.extend(words);
        self.sandbox.run(ours("ovs-appctl"), &all)
    }

    #[track_caller]
    fn answers(&self, command: &str, expected: &str) {
        let output = self.call(&[command]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(0), expected),
            "{output}"
        );
    }

    #[track_caller]
    fn refuses(&self, words: &[&str], expected: &str) {
        let output = self.call(words);
        let control = self.sandbox.path("ctl");
        let end = format!(
            "ovs-appctl: {}: server returned an error\n",
            control.display()
        );
        let expected = format!("{expected}\n{end}");
        assert_eq!((output.code, output.stderr), (Some(2), expected));
    }

    #[track_caller]
    fn reload(&self, config: &str) {
        fs::write(self.sandbox.path(FILE), config).expect("a writable folder");
        self.answers("ovsdb-server/reload", "");
    }

    /// A client that is not cut off when databases come and go.
    fn connect(&self, socket: &str) -> RawClient {
        let mut client = RawClient::connect(&self.sandbox.path(socket));
        let reply = client.call(r#"{"id":1,"method":"set_db_change_aware","params":[true]}"#);
        assert!(reply.contains(r#""error":null"#), "{reply}");
        client
    }

    /// The messages of the log, without their heads.
    fn log(&self) -> Vec<String> {
        let text = self.sandbox.text("ovsdb-server.log");
        let lines = text
            .lines()
            .map(|line| line.splitn(3, '|').nth(2).unwrap_or(line));
        lines.map(str::to_owned).collect()
    }

    fn exit(self) {
        assert!(self.call(&["exit"]).ok());
        self.daemon.wait();
    }
}

const ECHO: &str = r#"{"id":2,"method":"echo","params":[]}"#;

#[test]
fn a_reload_changes_what_has_changed_and_nothing_else() {
    for side in sides() {
        let server = Configured::start(
            side,
            r#"{"remotes":{"punix:one.sock":{},"punix:two.sock":{}},"databases":{"A.db":{}}}"#,
        );
        server.answers("ovsdb-server/list-dbs", "A\n_Server\n");
        let (mut stays, mut goes) = (server.connect("one.sock"), server.connect("two.sock"));
        server.reload(
            r#"{"remotes":{"punix:one.sock":{"max-backoff":9},"punix:three.sock":null},
                "databases":{"A.db":{"service-model":"standalone"},"B.db":{}}}"#,
        );
        server.answers("ovsdb-server/list-dbs", "A\nB\n_Server\n");
        server.answers(
            "ovsdb-server/list-remotes",
            "punix:one.sock\npunix:three.sock\n",
        );
        stays.call(ECHO);
        assert!(matches!(goes.receive(), Ok(None)), "{side:?}");
        assert!(!server.sandbox.path("two.sock").exists(), "{side:?}");
        server.connect("three.sock").call(ECHO);
        server.reload(r#"{"remotes":{"punix:one.sock":{}},"databases":{"B.db":{}}}"#);
        server.answers("ovsdb-server/list-dbs", "B\n_Server\n");
        stays.call(ECHO);
        let line = format!(
            "ovsdb_server|INFO|loading configuration from '{}'",
            server.sandbox.path(FILE).display()
        );
        let loaded = server.log().into_iter().filter(|found| *found == line);
        assert_eq!(loaded.count(), 3, "{side:?}");
        server.exit();
    }
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    for side in sides() {
        let server = Configured::start(
            side,
            r#"{"remotes":{"punix:one.sock":{}},"databases":{"A.db":{}}}"#,
        );
        let failed = "Configuration failed.  See the log file for details.";
        for config in ["{", "[]", r#"{"remotes":3,"databases":{}}"#] {
            fs::write(server.sandbox.path(FILE), config).expect("a writable folder");
            server.refuses(&["ovsdb-server/reload"], failed);
        }
        fs::remove_file(server.sandbox.path(FILE)).expect("it was there");
        server.refuses(&["ovsdb-server/reload"], failed);
        server.answers("ovsdb-server/list-dbs", "A\n_Server\n");
        server.answers("ovsdb-server/list-remotes", "punix:one.sock\n");
        // Of a file that can be read, everything that can be served is.
        fs::write(
            server.sandbox.path(FILE),
            r#"{"remotes":{"punix:two.sock":{}},"databases":{"B.db":{},"none.db":{}}}"#,
        )
        .expect("a writable folder");
        server.refuses(&["ovsdb-server/reload"], failed);
        server.answers("ovsdb-server/list-dbs", "B\n_Server\n");
        server.answers("ovsdb-server/list-remotes", "punix:two.sock\n");
        let log = server.log();
        for line in [
            "ovsdb_server|WARN|failed to open database 'none.db': I/O error: none.db: open failed (No such file or directory)",
            "ovsdb_server|WARN|failed to configure databases",
        ] {
            assert!(log.iter().any(|found| found == line), "{side:?}: {log:#?}");
        }
        server.exit();
    }
}

#[test]
fn a_server_that_crashed_reads_the_file_as_it_is_by_then() {
    for side in sides() {
        let config = r#"{"remotes":{"punix:one.sock":{}},"databases":{"A.db":{}}}"#;
        let server = Configured::start_with(side, config, &["--monitor"]);
        let config = r#"{"remotes":{"punix:two.sock":{}},"databases":{"B.db":{}}}"#;
        fs::write(server.sandbox.path(FILE), config).expect("a writable folder");
        server.daemon.signal(Signal::SIGSEGV);
        RawClient::connect_soon(&server.sandbox.path("two.sock"));
        RawClient::connect_soon(&server.sandbox.path("ctl"));
        server.answers("ovsdb-server/list-dbs", "B\n_Server\n");
        assert!(server.call(&["exit"]).ok());
    }
}

#[test]
fn commands_that_would_change_what_the_file_says_are_refused() {
    for side in sides() {
        let server = Configured::start(
            side,
            r#"{"remotes":{"punix:one.sock":{}},"databases":{"A.db":{}}}"#,
        );
        let instead = format!(
            "Update the {} and use ovsdb-server/reload instead",
            server.sandbox.path(FILE).display()
        );
        for words in [
            &["ovsdb-server/add-remote", "punix:x"][..],
            &["ovsdb-server/remove-remote", "punix:one.sock"],
            &["ovsdb-server/add-db", "B.db"],
            &["ovsdb-server/remove-db", "A"],
            &["ovsdb-server/set-active-ovsdb-server", "tcp:x"],
            &["ovsdb-server/connect-active-ovsdb-server"],
            &["ovsdb-server/disconnect-active-ovsdb-server"],
            &["ovsdb-server/set-active-ovsdb-server-probe-interval", "x"],
            &["ovsdb-server/set-relay-source-probe-interval", "1"],
            &["ovsdb-server/set-sync-exclude-tables", "A:T"],
        ] {
            server.refuses(words, &instead);
        }
        server.answers("ovsdb-server/list-dbs", "A\n_Server\n");
        server.answers("ovsdb-server/list-remotes", "punix:one.sock\n");
        server.exit();
    }
}

#[test]
fn a_server_is_the_active_one_where_the_file_says_so() {
    for side in sides() {
        let server = Configured::start(side, r#"{"remotes":{},"databases":{"A.db":{}}}"#);
        server.answers("ovsdb-server/sync-status", "state: active\n");
        server.reload(
            r#"{"remotes":{},"databases":{"A.db":{"service-model":"active-backup","backup":false}}}"#,
        );
        server.answers("ovsdb-server/sync-status", "database: A\nstate: active\n\n");
        server.exit();
    }
}
