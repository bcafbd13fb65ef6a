//! A server whose file has no room to grow, and what it says of it: the same as the reference's, in replies, updates, tools
//! and in the file that is left. Only the log has fewer lines.

use std::path::Path;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

const SCHEMA: &str = r#"{"name":"Full","tables":{"T":{"isRoot":true,"columns":{
    "n":{"type":"integer"},"text":{"type":"string"},"note":{"type":"string","ephemeral":true}}}}}"#;

const FILE: &str = "full.db";

/// Transactions that are tried in vain.
const IN_VAIN: usize = 40;

/// What was done, and what came of it.
struct Transcript {
    sandbox: Sandbox,
    side: Side,
    lines: Vec<String>,
    /// How the file is, as the control socket tells it.
    states: Vec<String>,
}

/// The message with members in the order of their names, each UUID replaced by `U`, and paths by what they lead to.
fn comparable(message: &str, sandbox: &Sandbox) -> String {
    fn sorted(value: &Json) -> String {
        match value {
            Json::Object(object) => {
                let members = object.iter();
                let mut members: Vec<String> = members
                    .map(|(name, value)| format!("{name}: {}", sorted(value)))
                    .collect();
                members.sort();
                format!("{{{}}}", members.join(", "))
            }
            Json::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(sorted).collect();
                format!("[{}]", elements.join(", "))
            }
            other => other.to_string(),
        }
    }
    let text = match json::parse(message.as_bytes()) {
        Ok(value) => sorted(&value),
        Err(_) => message.to_owned(),
    };
    let folder = sandbox.folder().display().to_string();
    let is_uuid = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    let mut shown = text.replace(&folder, "FOLDER");
    let words: Vec<String> = shown
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .filter(|word| is_uuid(word))
        .map(str::to_owned)
        .collect();
    for word in words {
        shown = shown.replace(&word, "U");
    }
    shown
}

impl Transcript {
    fn note(&mut self, what: &str, message: &str) {
        let message = comparable(message, &self.sandbox);
        self.lines.push(format!("{what}: {message}"));
    }

    fn transact(&mut self, what: &str, client: &mut RawClient, operations: &str) {
        let request = format!(r#"{{"id":0,"method":"transact","params":["Full",{operations}]}}"#);
        let reply = client.call(&request);
        self.note(what, &reply);
    }

    /// Takes updates until that of the row `last`.
    fn updates(&mut self, client: &mut RawClient, last: usize) {
        loop {
            let update = client.receive().expect("the server speaks");
            let update = String::from_utf8(update.expect("an update")).expect("text");
            self.note("update", &update);
            if update.contains(&format!(r#""n":{last}"#)) {
                return;
            }
        }
    }

    fn state(&mut self, server: &Server) {
        self.control(server, &["ovsdb-server/get-db-storage-status", "Full"]);
        self.states.extend(self.lines.pop());
    }

    /// Runs a command of the control socket.
    fn control(&mut self, server: &Server, command: &[&str]) {
        let target = server.control().display().to_string();
        let arguments = [&["-t", &target], command].concat();
        let program = Side::Reference.program("ovs-appctl");
        let output = self.sandbox.run(program, &arguments);
        let text = format!("{:?} {}{}", output.code, output.stdout, output.stderr);
        // Its release 3.7 ends no line here.
        self.note(command[0], text.trim_end());
    }

    fn length(&self) -> u64 {
        let metadata = std::fs::metadata(self.sandbox.path(FILE));
        metadata.expect("it is there").len()
    }
}

fn insert(n: usize, bytes: usize, durable: bool) -> String {
    let text = "x".repeat(bytes);
    let commit = if durable {
        r#",{"op":"commit","durable":true}"#
    } else {
        ""
    };
    format!(r#"{{"op":"insert","table":"T","row":{{"n":{n},"text":"{text}"}}}}{commit}"#)
}

const SELECT: &str =
    r#"{"op":"select","table":"T","where":[["n","<",100]],"columns":["n"],"sort":["n"]}"#;

/// Everything that is done, with the server of one side.
fn transcript(side: Side) -> Transcript {
    let mut sandbox = Sandbox::new();
    if side == Side::Reference {
        // It does nothing about that.
        sandbox.ignore_file_limits();
    }
    let schema = sandbox.path("full.ovsschema");
    std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    let mut done = Transcript {
        sandbox,
        side,
        lines: Vec::new(),
        states: Vec::new(),
    };
    let server = Server::start(&done.sandbox, side, &[(FILE, &schema)]);
    let mut client = RawClient::connect(server.socket());
    let mut watcher = RawClient::connect(server.socket());
    let reply = watcher
        .call(r#"{"id":0,"method":"monitor","params":["Full","m",{"T":{"columns":["n"]}}]}"#);
    done.note("monitor", &reply);
    done.transact("first", &mut client, &insert(0, 10, true));
    done.updates(&mut watcher, 0);

    // A record of 3,000 bytes finds room for a third of it.
    let size = done.length();
    server.daemon().limit_files(Some(size + 1000));
    for durable in [false, true] {
        done.transact("no room", &mut client, &insert(1, 3000, durable));
        assert_eq!(done.length(), size, "{side:?}: no part of it is left");
    }
    done.transact(
        "no room, aborted",
        &mut client,
        &format!("{},{{\"op\":\"abort\"}}", insert(1, 3000, false)),
    );
    // What needs no room, or little, is done.
    let note = r#"{"op":"update","table":"T","where":[],"row":{"note":"x"}}"#;
    done.transact("not kept", &mut client, note);
    done.transact(
        "nothing changed",
        &mut client,
        r#"{"op":"comment","comment":"x"}"#,
    );
    done.transact("small", &mut client, &insert(2, 10, true));
    done.updates(&mut watcher, 2);
    for _ in 0..IN_VAIN {
        done.transact("no room", &mut client, &insert(3, 3000, false));
    }
    done.transact("read", &mut client, SELECT);
    done.state(&server);
    server.daemon().limit_files(Some(100));
    done.control(&server, &["ovsdb-server/compact", "Full"]);
    done.transact("read", &mut client, SELECT);

    server.daemon().limit_files(None);
    done.state(&server);
    for (n, durable) in [(4, false), (5, true)] {
        done.transact("room", &mut client, &insert(n, 3000, durable));
        done.updates(&mut watcher, n);
    }
    done.state(&server);
    done.control(&server, &["ovsdb-server/compact", "Full"]);
    done.transact("last", &mut client, &insert(6, 10, true));
    server.kill();
    let query = format!(r#"["Full",{SELECT}]"#);
    for reader in Side::BOTH {
        let rows = done
            .sandbox
            .run_ok(reader.program("ovsdb-tool"), &["query", FILE, &query]);
        done.note("left", rows.trim_end());
    }
    done
}

#[test]
fn a_file_without_room_is_told_of_as_by_the_reference() {
    let [reference, ours] = Side::BOTH.map(transcript);
    for (reference, ours) in reference.lines.iter().zip(&ours.lines) {
        assert_eq!(reference, ours);
    }
    assert_eq!(reference.lines.len(), ours.lines.len());
    // It tells of trouble there, until a write has succeeded.
    let is_ok = |done: &Transcript| -> Vec<bool> {
        let states = done.states.iter();
        states.map(|state| state.ends_with("status: ok")).collect()
    };
    assert_eq!(is_ok(&reference), [true, true, true]);
    assert_eq!(is_ok(&ours), [false, false, true]);
    let trouble = "I/O error: FOLDER/full.db: write failed (File too large)";
    assert!(ours.states[0].contains(trouble), "{:?}", ours.states);
    let refusals = ours
        .lines
        .iter()
        .filter(|line| line.contains("File too large"));
    assert!(refusals.count() >= 2 + IN_VAIN, "a test of next to nothing");
    let left = r#"left: [{rows: [{n: 0}, {n: 2}, {n: 4}, {n: 5}, {n: 6}]}]"#;
    assert_eq!(ours.lines.last().map(String::as_str), Some(left));
    let warnings = |done: &Transcript| {
        let line = "full.db: write failed (File too large)";
        let log = done.sandbox.text("ovsdb-server.log");
        let is_warning = |text: &&str| text.contains("|ovsdb_log|WARN|") && text.ends_with(line);
        log.lines().filter(is_warning).count()
    };
    let counts = [&reference, &ours].map(|done| (done.side, warnings(done)));
    assert!(
        counts.iter().all(|(_, count)| (1..=5).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn only_the_reference_is_killed_by_a_limit_of_files() {
    let limited = |side: Side| {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("full.ovsschema");
        std::fs::write(&schema, SCHEMA).expect("the sandbox can be written");
        let server = Server::start(&sandbox, side, &[(FILE, Path::new(&schema))]);
        let mut client = RawClient::connect(server.socket());
        server.daemon().limit_files(Some(1000));
        let request = insert(1, 3000, false);
        let request = format!(r#"{{"id":0,"method":"transact","params":["Full",{request}]}}"#);
        client.send(request.as_bytes()).expect("the server reads");
        client.receive().expect("an end or an answer").is_some()
    };
    assert_eq!(Side::BOTH.map(limited), [false, true]);
}
