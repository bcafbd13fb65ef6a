//! Clients that stay, ours beside the reference's, against servers of both: monitors, locks, going to the background; and
//! backups that are restored. What ends at once stands in `commands_vs_reference`.
//!
//! UUIDs are renamed and times erased. Where the reference prints in the order of its hash tables (the rows of a monitor,
//! the members of an object within a message), ours prints sorted by name; there the lines, or the members, are compared
//! whatever their order.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::names::Names;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::{Output, Sandbox};

const SCHEMA: &str = r#"{
  "name": "Shelf", "version": "3.1.4", "cksum": "12345 678",
  "tables": {
    "Thing": {
      "columns": {
        "Upper": {"type": "string"},
        "boolean": {"type": "boolean"},
        "colour": {"type": {"key": {"type": "string", "enum": ["set", ["red", "green"]]}}},
        "counts": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
        "integer": {"type": {"key": {"type": "integer", "minInteger": -5, "maxInteger": 500}}},
        "maybe": {"type": {"key": "real", "min": 0, "max": 1}},
        "name": {"type": {"key": {"type": "string", "maxLength": 40}}},
        "real": {"type": "real"},
        "self": {"type": {"key": {"type": "uuid", "refTable": "Thing", "refType": "weak"},
                          "min": 0, "max": "unlimited"}},
        "tags": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
        "where": {"type": {"key": "integer", "value": {"type": "uuid", "refTable": "Thing", "refType": "weak"},
                           "min": 0, "max": 3}},
        "while": {"type": "integer", "ephemeral": true}
      },
      "indexes": [["name"]],
      "isRoot": true
    },
    "Box": {
      "columns": {"thing": {"type": {"key": {"type": "uuid", "refTable": "Thing"}}, "mutable": false}},
      "isRoot": true, "maxRows": 3
    },
    "Empty": {"columns": {"column": {"type": "string"}}}
  }
}"#;

const CONTENTS: &str = r#"["Shelf",
  {"op": "insert", "table": "Thing", "uuid-name": "b",
   "row": {"name": "b", "colour": "red", "integer": 2, "real": 0.1, "tags": ["set", ["x", "a b", "true", "12", "é"]],
           "counts": ["map", [["k", 1], ["a,b", -7], ["", 9223372036854775807]]], "while": 3}},
  {"op": "insert", "table": "Thing", "uuid-name": "a",
   "row": {"name": "a \"quoted\"\nname, <&>", "colour": "green", "integer": 10, "real": -1e300, "boolean": true,
           "maybe": 2.5, "self": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]], "Upper": "ü"}},
  {"op": "insert", "table": "Thing", "uuid-name": "c",
   "row": {"name": "c", "colour": "green", "integer": 2, "where": ["map", [[3, ["named-uuid", "a"]]]],
           "tags": "single", "Upper": "01234567-89ab-cdef-0123-456789abcdef"}},
  {"op": "insert", "table": "Box", "row": {"thing": ["named-uuid", "a"]}}]"#;

/// A database in a running server, and both clients to look at it with.
struct Bench {
    sandbox: Sandbox,
    server: Server,
}

impl Bench {
    fn new(side: Side) -> Self {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("shelf.ovsschema");
        std::fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("shelf.db", &schema)]);
        sandbox.run_ok(
            Side::Reference.program("ovsdb-client"),
            &["transact", CONTENTS],
        );
        Bench { sandbox, server }
    }

    /// Runs operations with the reference's client.
    fn transact(&self, operations: &str) {
        let transaction = format!("[\"Shelf\",{operations}]");
        self.sandbox.run_ok(
            Side::Reference.program("ovsdb-client"),
            &["transact", &transaction],
        );
    }
}

/// What is compared of an output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Exact,
    Sorted,
}

fn normal(output: &Output, order: Order) -> (Option<i32>, String, String) {
    let mut names = Names::new();
    let mut stdout = without_times(&output.stdout);
    if order == Order::Sorted {
        let mut lines: Vec<String> = stdout.lines().map(sorted_rows).collect();
        lines.sort_unstable();
        stdout = lines.join("\n");
    }
    let stderr: Vec<String> = output.stderr.lines().map(normal_message).collect();
    (
        output.code,
        names.rename(&stdout),
        names.rename(&stderr.join("\n")),
    )
}

/// A text with the times of `--timestamp` erased: `2026-01-02 03:04:05.678`.
fn without_times(text: &str) -> String {
    const SHAPE: &[u8] = b"dddd-dd-dd dd:dd:dd.ddd";
    let is_time = |at: usize| {
        let window = text.as_bytes().get(at..at + SHAPE.len());
        window.is_some_and(|window| {
            window.iter().zip(SHAPE).all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            })
        })
    };
    let mut kept = String::new();
    let mut rest = 0;
    while let Some(at) = (rest..text.len()).find(|at| is_time(*at)) {
        kept.extend([&text[rest..at], "TIME"]);
        rest = at + SHAPE.len();
    }
    kept + &text[rest..]
}

/// A line whose place among the rows does not show: a table in JSON on one line with its rows sorted, and JSON on
/// many lines without what depends on being the last element.
fn sorted_rows(line: &str) -> String {
    // A table in JSON may stand behind the id of a transaction.
    let (id, table) = match line.find('{') {
        Some(at) if line.starts_with("last_id: ") => line.split_at(at),
        _ => ("", line),
    };
    let Ok(Json::Object(mut table)) = json::parse(table.as_bytes()) else {
        return line.trim_end_matches([',', ']', '}']).to_owned();
    };
    if let Some(Json::Array(rows)) = table.get_mut("data") {
        rows.sort_by_key(Json::to_string);
    }
    format!("{id}{}", Json::Object(table))
}

/// A message with its time and the program's folder erased, and the members of an object at its end sorted.
fn normal_message(line: &str) -> String {
    let line = line
        .find("/ovsdb-client: ")
        .map_or(line, |folder| &line[folder + 1..]);
    let line = match line.split_once("Z|") {
        Some((time, rest)) if time.starts_with("20") => format!("TIME|{rest}"),
        _ => line.to_owned(),
    };
    let object = line
        .match_indices(": {")
        .next()
        .and_then(|(at, _)| Some((at, json::parse(&line.as_bytes()[at + 2..]).ok()?)));
    match object {
        Some((at, object)) => format!("{}: {object}", &line[..at]),
        None => line,
    }
}

/// Styles in which monitors are looked at; `commands_vs_reference` has more.
const STYLES: &[&[&str]] = &[
    &[],
    &["-f", "table"],
    &["-f", "list"],
    &["--format=html"],
    &["--format", "csv"],
    &["-fjson"],
    &["-d", "string"],
    &["--data=bare"],
    &["--data=json"],
    &["--bare"],
    &["--pretty"],
    &["--pretty", "-f", "json"],
    &["--no-headings"],
    &["--no-heading", "--format=json", "--data=bare"],
    &["--no-headings", "-f", "csv", "-d", "json"],
    &["--no-headings", "-f", "html", "-d", "bare"],
    &["--max-column-width=9"],
    &["--max-column-width=2", "--no-headings"],
    &["--max-column-width=-1"],
    &["--max-column-width", "3x", "-f", "list"],
    &["--timestamp"],
];

/// A monitor with its standard output piped, so that its lines can be waited for.
struct Watcher {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    seen: String,
}

impl Watcher {
    fn start(bench: &Bench, side: Side, args: &[&str]) -> Self {
        let mut child = bench
            .sandbox
            .command(side.program("ovsdb-client"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Watcher {
            child,
            stdout,
            seen: String::new(),
        }
    }

    /// Reads lines until one contains `text`.
    fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = Vec::new();
            let n = self
                .stdout
                .read_until(b'\n', &mut line)
                .expect("standard output is readable");
            assert_ne!(n, 0, "no {text:?} in {}", self.seen);
            // Cells may be cut within a character.
            let line = String::from_utf8_lossy(&line);
            self.seen.push_str(&line);
            if line.contains(text) {
                return;
            }
        }
    }

    /// Sends SIGTERM, and answers with all that was printed.
    fn stop(self) -> Output {
        let pid = Pid::from_raw(self.child.id().try_into().expect("process ids are small"));
        kill(pid, Signal::SIGTERM).expect("the client runs");
        self.end()
    }

    /// Waits until the client ends by itself.
    fn end(mut self) -> Output {
        let mut left = Vec::new();
        self.stdout
            .read_to_end(&mut left)
            .expect("standard output is readable");
        self.seen.push_str(&String::from_utf8_lossy(&left));
        let rest = self
            .child
            .wait_with_output()
            .expect("the client can be waited for");
        let stderr = String::from_utf8_lossy(&rest.stderr).into_owned();
        Output {
            code: rest.status.code(),
            stdout: self.seen,
            stderr,
        }
    }
}

/// Runs both clients with `args`, makes changes once they show `first`, and compares what they show.
///
/// Each change is marked in the row named `b` and waited for before the next one: changes that a client is too slow
/// for may come to it as one.
#[track_caller]
fn check_watching(bench: &Bench, args: &[&str], first: &str, changes: &[&str], order: Order) {
    let mut watchers = Side::BOTH.map(|side| Watcher::start(bench, side, args));
    for watcher in &mut watchers {
        watcher.wait_for(first);
    }
    let mark = |mark: &str| {
        format!(
            r#"{{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{{"Upper":"{mark}"}}}}"#
        )
    };
    for (number, change) in changes.iter().enumerate() {
        let last = format!("z{number}");
        bench.transact(&format!("{change},{}", mark(&last)));
        for watcher in &mut watchers {
            watcher.wait_for(&last);
        }
    }
    let [reference, ours] = watchers.map(Watcher::stop);
    bench.transact(&mark(""));
    let same = normal(&ours, order) == normal(&reference, order);
    assert!(
        same,
        "{args:?}\n--- reference: {reference}\n--- ours: {ours}"
    );
}

fn check_monitors(side: Side) {
    let bench = Bench::new(side);
    const CHANGES: &[&str] = &[
        r#"{"op":"insert","table":"Thing","row":{"name":"new","colour":"red","tags":["set",["n","e"]]}}"#,
        r#"{"op":"mutate","table":"Thing","where":[["name","==","new"]],
            "mutations":[["tags","insert","w"],["integer","+=",3]]}"#,
        r#"{"op":"delete","table":"Thing","where":[["name","==","new"]]}"#,
        r#"{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{"integer":77}}"#,
        r#"{"op":"update","table":"Thing","where":[["name","==","b"]],"row":{"integer":2}}"#,
    ];
    let watch = |args: &[&str], first| check_watching(&bench, args, first, CHANGES, Order::Sorted);
    watch(&["monitor", "Thing", "Upper,name,integer"], "action");
    watch(
        &["monitor", "Shelf", "Thing", "name,!initial", "Upper"],
        "action",
    );
    watch(
        &[
            "monitor",
            "unix:db.sock",
            "Thing",
            "name,!insert",
            "Upper,!delete",
        ],
        "action",
    );
    watch(
        &["monitor", "Thing", "integer,name,tags,!modify", "Upper"],
        "action",
    );
    for style in STYLES {
        watch(&[*style, &["monitor", "Thing"]].concat(), "");
    }
    watch(&["monitor", "ALL"], "Box");
    // Rows come to be chosen, and are chosen no longer.
    let condition = r#"[["name","==","b"],["integer",">",2]]"#;
    let zero = "00000000-0000-0000-0000-000000000000";
    let unknown = "01234567-89ab-cdef-0123-456789abcdef";
    let columns = "name,integer,tags,Upper";
    for command in [
        &["monitor-cond"] as &[&str],
        &["monitor-cond-since"],
        &["monitor-cond-since", zero],
        &["monitor-cond-since", unknown],
    ] {
        for style in [
            &[] as &[&str],
            &["-fjson"],
            &["--bare"],
            &["-fcsv", "--timestamp"],
        ] {
            watch(
                &[style, command, &[condition, "Thing", columns]].concat(),
                "",
            );
        }
    }
    watch(&["monitor-cond", "[true]", "Thing"], "action");
    watch(
        &["monitor-cond", condition, "Thing", "name,Upper,!delete"],
        "",
    );
    watch(&["--pretty", "-f", "json", "monitor", "ALL"], "{");
}

#[test]
fn monitors_show_every_change_alike() {
    check_monitors(Side::Reference);
}

#[test]
fn monitors_show_every_change_of_our_server_alike() {
    check_monitors(Side::Ours);
}

fn check_locks(side: Side) {
    let outputs = Side::BOTH.map(|client| {
        // A server may learn of the end of a client after we do; another one has no locks yet.
        let bench = Bench::new(side);
        let mut owner = Watcher::start(&bench, client, &["lock", "gate"]);
        owner.wait_for("true");
        let mut next = Watcher::start(&bench, client, &["--pretty", "lock", "gate"]);
        next.wait_for("false");
        let mut thief = Watcher::start(&bench, client, &["steal", "unix:db.sock", "gate"]);
        thief.wait_for("true");
        owner.wait_for("stolen");
        owner.wait_for("gate");
        // Who was robbed is the next to have it.
        let thief = thief.stop();
        owner.wait_for("locked");
        owner.wait_for("gate");
        let owner = owner.stop();
        next.wait_for("locked");
        next.wait_for("gate");
        [owner, thief, next.stop()].map(|output| normal(&output, Order::Exact))
    });
    let [reference, ours] = outputs;
    assert_eq!(ours, reference);
}

#[test]
fn locks_change_hands_alike() {
    check_locks(Side::Reference);
}

#[test]
fn locks_of_our_server_change_hands_alike() {
    check_locks(Side::Ours);
}

/// The reference waits for ever.
#[test]
fn a_refused_lock_request_is_an_error() {
    let bench = Bench::new(Side::Reference);
    let output = bench.sandbox.run(
        Side::Ours.program("ovsdb-client"),
        &["unlock", "unix:db.sock", "gate"],
    );
    let message = "ovsdb-client: unix:db.sock: \"unlock\" request failed ";
    assert!(
        output.code == Some(1) && output.stderr.starts_with(message),
        "{output}"
    );
}

#[test]
fn clients_say_alike_that_the_server_has_gone() {
    for command in [["monitor", "Thing"], ["lock", "gate"]] {
        let outputs = Side::BOTH.map(|client| {
            let bench = Bench::new(Side::Reference);
            let mut watcher = Watcher::start(&bench, client, &command);
            watcher.wait_for("");
            let Bench { sandbox, server } = bench;
            server.stop();
            let output = watcher.end();
            let folder = sandbox.folder().display().to_string();
            (output.code, output.stderr.replace(&folder, "FOLDER"))
        });
        let [reference, ours] = outputs;
        assert_eq!(ours, reference, "{command:?}");
    }
}

/// In the background a client prints its first reply, returns, prints on, and does what its control socket says.
fn detached(
    bench: &Bench,
    client: Side,
    command: &[&str],
    change: &str,
    calls: &[&[&str]],
) -> Vec<String> {
    let path = |suffix: &str| {
        bench
            .sandbox
            .path(format!("{client:?}.{}.{suffix}", command[0]))
    };
    let file = |suffix: &str| File::create(path(suffix)).expect("the sandbox is writable");
    let pidfile = path("pid");
    let started = bench
        .sandbox
        .command(client.program("ovsdb-client"))
        .args(["--detach", "--no-chdir"])
        .arg(format!("--pidfile={}", pidfile.display()))
        .args(command)
        .stdout(file("out"))
        .stderr(file("err"))
        .status()
        .expect("the client starts");
    let first = bench.sandbox.text(path("out"));
    bench.transact(change);
    let pid = std::fs::read_to_string(&pidfile).expect("there is a pidfile");
    let control = bench
        .sandbox
        .path(format!("ovsdb-client.{}.ctl", pid.trim()));
    let target = control.display().to_string();
    let mut seen = vec![started.to_string(), first];
    for call in calls {
        let call = [&["-t", target.as_str()], *call].concat();
        let answer = bench
            .sandbox
            .run(Side::Reference.program("ovs-appctl"), &call);
        seen.push(answer.to_string().replace(&target, "CONTROL"));
    }
    seen.push(bench.sandbox.text(path("err")));
    seen
}

#[test]
fn clients_go_to_the_background_alike() {
    let bench = Bench::new(Side::Reference);
    let outputs = Side::BOTH.map(|client| {
        let monitor = detached(
            &bench,
            client,
            &["monitor", "Box"],
            r#"{"op":"comment","comment":"nothing"}"#,
            &[
                &["ovsdb-client/block"],
                &["ovsdb-client/block"],
                &["ovsdb-client/unblock"],
                &["ovsdb-client/unblock"],
                &["ovsdb-client/block", "x"],
                &["ovsdb-client/cond_change"],
                &["ovsdb-client/cond_change", "Box", "[false]"],
                &["no-such-command"],
                &["exit"],
            ],
        );
        let gate = format!("{client:?}");
        let lock = detached(
            &bench,
            client,
            &["lock", &gate],
            r#"{"op":"comment","comment":"nothing"}"#,
            &[
                &["unlock", &gate],
                &["lock"],
                &["steal", "other"],
                &["exit"],
            ],
        );
        [monitor, lock].map(|texts| {
            let mut names = Names::new();
            texts
                .iter()
                .map(|text| names.rename(text))
                .collect::<Vec<_>>()
        })
    });
    let [reference, ours] = outputs;
    assert_eq!(ours, reference);
}

/// The reference sends it, as a string that says what is wrong with it.
#[test]
fn a_condition_that_is_no_json_is_refused_and_the_monitor_goes_on() {
    let bench = Bench::new(Side::Reference);
    let seen = detached(
        &bench,
        Side::Ours,
        &["monitor-cond", "[true]", "Box"],
        r#"{"op":"comment","comment":"nothing"}"#,
        &[&["ovsdb-client/cond_change", "Box", "["], &["exit"]],
    );
    assert!(
        seen[2].starts_with("exit code 2\n") && seen[2].contains("\"[\": "),
        "{seen:?}"
    );
    assert!(seen[3].starts_with("exit code 0\n"), "{seen:?}");
}

#[test]
fn clients_in_the_background_say_alike_that_the_server_has_gone() {
    for command in [["monitor", "Box"], ["lock", "gate"]] {
        let outputs = Side::BOTH.map(|client| {
            let Bench { sandbox, server } = Bench::new(Side::Reference);
            let file = |name: &str| File::create(sandbox.path(name)).expect("it is writable");
            let started = sandbox
                .command(client.program("ovsdb-client"))
                .args(["--detach", "--no-chdir", "--pidfile=client.pid"])
                .args(command)
                .stdout(file("out"))
                .stderr(file("err"))
                .status()
                .expect("the client starts");
            assert!(started.success(), "{client:?} {command:?}");
            let pid = sandbox.text("client.pid");
            let pid = Pid::from_raw(pid.trim().parse().expect("a process id"));
            server.stop();
            // The test has adopted it, as it adopts all orphans of the server's kind.
            waitpid(pid, None).expect("the client ends");
            let folder = sandbox.folder().display().to_string();
            let err = sandbox.text("err").replace(&folder, "FOLDER");
            let err: Vec<String> = err.lines().map(normal_message).collect();
            (Names::new().rename(&sandbox.text("out")), err)
        });
        let [reference, ours] = outputs;
        assert_eq!(ours, reference, "{command:?}");
    }
}

/// Runs a client with a file as its standard input.
fn with_input(bench: &Bench, client: Side, args: &[&str], input: &str) -> Output {
    let mut command = bench.sandbox.command(client.program("ovsdb-client"));
    let input = File::open(bench.sandbox.path(input)).expect("the input is there");
    let output = command
        .args(args)
        .stdin(input)
        .output()
        .expect("the client starts");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Each client saves the database, empties it and restores it from the file of the other.
#[test]
fn backups_can_be_restored_by_either_client_on_either_server() {
    for server in Side::BOTH {
        let bench = Bench::new(server);
        let reference = Side::Reference.program("ovsdb-client");
        // Ephemeral columns are in no backup, and sets of new UUIDs are in a new order.
        bench.transact(
            r#"{"op":"update","table":"Thing","where":[],"row":{"while":0,"self":["set",[]]}}"#,
        );
        let dump = |names: &mut Names| names.rename(&bench.sandbox.run_ok(&reference, &["dump"]));
        let before = dump(&mut Names::new());
        for client in Side::BOTH {
            let snapshot = bench
                .sandbox
                .run(client.program("ovsdb-client"), &["backup"]);
            assert!(snapshot.ok(), "{snapshot}");
            std::fs::write(
                bench.sandbox.path(format!("{client:?}.db")),
                snapshot.stdout,
            )
            .expect("the sandbox is writable");
        }
        for (client, file) in [
            (Side::Ours, "Reference.db"),
            (Side::Reference, "Ours.db"),
            (Side::Ours, "Ours.db"),
        ] {
            bench.transact(r#"{"op":"delete","table":"Box","where":[]},{"op":"delete","table":"Thing","where":[]}"#);
            let restored = with_input(&bench, client, &["restore"], file);
            assert_eq!(
                (restored.code, restored.stdout, restored.stderr),
                (Some(0), String::new(), String::new())
            );
            assert_eq!(
                dump(&mut Names::new()),
                before,
                "{file} restored by {client:?} to {server:?}"
            );
        }
    }
}

#[test]
fn a_snapshot_of_another_schema_is_refused_alike() {
    let bench = Bench::new(Side::Reference);
    let write = |name: &str, text: &str| {
        std::fs::write(bench.sandbox.path(name), text).expect("the sandbox is writable");
    };
    write("newer.ovsschema", &SCHEMA.replace("3.1.4", "3.1.5"));
    write(
        "wider.ovsschema",
        &SCHEMA.replace("\"maxRows\": 3", "\"maxRows\": 4"),
    );
    write("empty.db", "");
    write("text.db", "no database\n");
    for name in ["newer", "wider"] {
        let create = [
            "create".to_owned(),
            format!("{name}.db"),
            format!("{name}.ovsschema"),
        ];
        bench
            .sandbox
            .run_ok(Side::Reference.program("ovsdb-tool"), &create);
    }
    let cases: &[(&[&str], &str)] = &[
        (&["restore"], "newer.db"),
        (&["restore", "Shelf"], "wider.db"),
        (&["restore", "unix:db.sock", "Nothing"], "wider.db"),
        (&["restore"], "empty.db"),
        (&["restore"], "text.db"),
        (&["--force", "restore"], "newer.db"),
    ];
    for (args, input) in cases {
        let [reference, ours] = Side::BOTH.map(|client| with_input(&bench, client, args, input));
        assert_eq!(
            normal(&ours, Order::Exact),
            normal(&reference, Order::Exact),
            "{args:?} < {input}"
        );
    }
}
