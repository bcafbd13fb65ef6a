//! Files that came to harm: by the end of the server that wrote them, and by what happens to disks. The programs of both
//! implementations read the same of them, and say the same.

use std::fs;
use std::path::Path;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use serde_json::Value;

const SCHEMA: &str = r#"{"name":"Harm","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
    "n":{"type":"integer"},"text":{"type":"string"},
    "set":{"type":{"key":"integer","min":0,"max":"unlimited"}}}}}}"#;

const FILE: &str = "harm.db";

/// Kills of the server while it writes.
const KILLS: usize = 6;
/// Who writes at the same time.
const CLIENTS: usize = 3;
/// Transactions that each of them sends at once.
const SENT: usize = 40;

const QUERY: &str =
    r#"["Harm",{"op":"select","table":"T","where":[],"columns":["n","text","set"],"sort":["n"]}]"#;

fn start(sandbox: &Sandbox, side: Side) -> Server {
    let schema = sandbox.path("harm.ovsschema");
    fs::write(&schema, SCHEMA).expect("the sandbox can be written");
    Server::start(sandbox, side, &[(FILE, &schema)])
}

fn transaction(n: usize) -> String {
    let text = "é".repeat(n % 300);
    let durable = n.is_multiple_of(5);
    let recent = n.saturating_sub(6);
    format!(
        r#"{{"id":{n},"method":"transact","params":["Harm",{{"op":"comment","comment":"number {n}"}},{{"op":"insert","table":"T","row":{{"n":{n},"text":"{text}"}}}},{{"op":"mutate","table":"T","where":[["n",">",{recent}],["n","<",{n}]],"mutations":[["set","insert",{n}]]}},{{"op":"commit","durable":{durable}}}]}}"#
    )
}

/// Has many transactions sent, and the server killed when `enough` of them are acknowledged; the numbers of those.
fn write_and_kill(server: Server, first: usize, enough: usize) -> Vec<usize> {
    let mut clients: Vec<RawClient> = (0..CLIENTS)
        .map(|_| RawClient::connect(server.socket()))
        .collect();
    for (client, connection) in clients.iter_mut().enumerate() {
        let numbers = (0..SENT).map(|n| first + n * CLIENTS + client);
        let requests: Vec<String> = numbers.map(transaction).collect();
        connection
            .send(requests.concat().as_bytes())
            .expect("the server reads");
    }
    let mut acknowledged = Vec::new();
    for count in 0..enough {
        let reply = clients[count % CLIENTS].receive().expect("it is served");
        let reply = String::from_utf8(reply.expect("a reply")).expect("text");
        assert!(!reply.contains("details"), "{reply}");
        acknowledged.push(first + count / CLIENTS * CLIENTS + count % CLIENTS);
    }
    server.kill();
    acknowledged
}

/// What a tool has said and how it has ended; the order of rows and columns left out, and what names the run.
fn told(
    sandbox: &Sandbox,
    side: Side,
    arguments: &[&str],
) -> (Option<i32>, Vec<String>, Vec<String>) {
    let output = sandbox.run(side.program("ovsdb-tool"), arguments);
    let folder = sandbox.folder().display().to_string();
    let lines = |text: &str| {
        let text = text.replace(&folder, "FOLDER");
        // Behind the time, if there is one.
        let lines = text.lines().map(|line| match line.split_once("Z|") {
            Some((time, rest)) if time.starts_with("20") => rest.to_owned(),
            _ => line.to_owned(),
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort_unstable();
        lines
    };
    (output.code, lines(&output.stdout), lines(&output.stderr))
}

/// Whether there is room for more behind the last record: a record of an object without members, as long as it is.
fn ends_with_room(bytes: &[u8]) -> bool {
    let Some(spaces) = bytes.strip_suffix(b" }\n") else {
        return false;
    };
    spaces.trim_ascii_end().ends_with(b"\n{")
}

/// All that the tools do that reads a file.
const ALL: &[&[&str]] = &[
    &["show-log", FILE],
    &["-m", "-m", "show-log", FILE],
    &["db-name", FILE],
    &["db-cksum", FILE],
    &["query", FILE, QUERY],
    &["compact", FILE],
    // Of what compaction has left.
    &["query", FILE, QUERY],
];

/// Has the tools of both do this with copies of a file, and fails unless they say the same. What they find in it.
#[track_caller]
fn check(bytes: &[u8], commands: &[&[&str]], what: &str) -> String {
    let sandboxes = Side::BOTH.map(|_| {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(FILE), bytes).expect("the sandbox can be written");
        sandbox
    });
    let mut found = String::new();
    for command in commands {
        let [mut reference, ours] = [0, 1].map(|at| told(&sandboxes[at], Side::BOTH[at], command));
        if ends_with_room(bytes) && command.contains(&"show-log") {
            // The reference takes the room for a record, without a date and a comment; docs/operating.md says so.
            let (_, lines, _) = &mut reference;
            let is_room = |line: &String| line.starts_with("record ") && line.ends_with(':');
            let room = lines.iter().position(is_room);
            lines.remove(room.unwrap_or_else(|| panic!("{what}: {lines:?}")));
        }
        assert_eq!(reference, ours, "{what}: {command:?}");
        if command[0] == "query" {
            found = ours.1.concat();
        }
    }
    found
}

#[test]
fn the_tools_of_both_read_what_a_kill_leaves() {
    let sandbox = Sandbox::new();
    let mut first = 1;
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let server = start(&sandbox, Side::Ours);
        acknowledged.extend(write_and_kill(server, first, 7 + 11 * kill));
        first += SENT * CLIENTS;
        let bytes = fs::read(sandbox.path(FILE)).expect("it is there");
        let found = check(&bytes, ALL, &format!("kill {kill}"));
        for n in &acknowledged {
            assert!(
                found.contains(&format!(r#""n":{n},"#)),
                "{n} is gone: {found}"
            );
        }
        if kill == KILLS / 2 {
            // The reference goes on with it, and is killed as well.
            let server = start(&sandbox, Side::Reference);
            acknowledged.extend(write_and_kill(server, first, 20));
            first += SENT * CLIENTS;
        }
    }
}

/// What may become of the end of a file, given where its last record begins.
fn harms(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mark = b"OVSDB JSON ";
    let starts = file.windows(mark.len()).enumerate();
    let starts: Vec<usize> = starts
        .filter(|(_, window)| window == mark)
        .map(|(at, _)| at)
        .collect();
    let last = *starts.last().expect("a file has records");
    let data = last
        + file[last..]
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line")
        + 1;
    let mut harms = Vec::new();
    for cut in [
        last + 3,
        last + 15,
        data - 1,
        data,
        data + 1,
        data + (file.len() - data) / 2,
        file.len() - 1,
    ] {
        harms.push((
            format!("cut at {cut} of {}", file.len()),
            file[..cut].to_vec(),
        ));
    }
    for (at, what) in [
        (last + 12, "length"),
        (data - 5, "hash"),
        (data + 9, "data"),
    ] {
        let mut bytes = file.to_vec();
        bytes[at] ^= 1;
        harms.push((format!("a bit of its {what} has changed"), bytes));
    }
    let mut bytes = file.to_vec();
    bytes[data..].fill(0);
    harms.push((String::from("its data are zeros"), bytes));
    let with = |tail: &[u8]| [file, tail].concat();
    for tail in [
        &b"garbage"[..],
        b"garbage\n",
        b"\n",
        b"OVSDB JSON",
        b"OVSDB JSON 5 356a192b7913b04c54574d18c28d46e6395428ab\n1\n",
        b"OVSDB JSON 2 e5fa44f2b31c1fb553b6021e7360d07d5d91ff5e\n1\n",
        b"OVSDB CLUSTER 2 e5fa44f2b31c1fb553b6021e7360d07d5d91ff5e\n1\n",
        b"OVSDB JSON 100 0123456789012345678901234567890123456789\n",
        &[0; 700],
        &[0xff; 20],
    ] {
        let shown = String::from_utf8_lossy(&tail[..tail.len().min(60)]).into_owned();
        harms.push((format!("{shown:?} follows"), with(tail)));
    }
    // Sectors that never arrived.
    let mut bytes = file.to_vec();
    let sector = last / 512 * 512;
    let end = bytes.len().min(sector + 512);
    bytes[sector..end].fill(0);
    harms.push((String::from("a sector is missing"), bytes));
    harms
}

/// The warnings and errors in the log of a server, each once: the reference repeats itself.
fn warnings(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.text("ovsdb-server.log");
    let text = text.replace(&sandbox.folder().display().to_string(), "FOLDER");
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(4, '|').skip(2);
        let (module, rest) = (parts.next()?, parts.next()?);
        let is_meant = rest.starts_with("WARN|") || rest.starts_with("ERR|");
        // A busy machine may hold either of the two up.
        let is_noise = matches!(module, "fatal_signal" | "timeval");
        (is_meant && !is_noise).then(|| format!("{module}|{rest}"))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.dedup();
    lines
}

/// What a server finds in a file, warns of, and leaves after one more transaction.
fn served(bytes: &[u8], side: Side) -> (Vec<String>, Vec<String>, Vec<u8>) {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path(FILE), bytes).expect("the sandbox can be written");
    let server = start(&sandbox, side);
    let mut client = RawClient::connect(server.socket());
    let reply = client.call(&format!(
        r#"{{"id":0,"method":"transact","params":{QUERY}}}"#
    ));
    let reply: Value = serde_json::from_str(&reply).expect("a reply is JSON");
    let rows = reply["result"][0]["rows"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("no rows: {reply}")).iter();
    let found: Vec<String> = rows
        .map(|row| format!("{} {} {}", row["n"], row["set"], row["text"]))
        .collect();
    client.call(&transaction(1_000_000));
    server.kill();
    let left = fs::read(sandbox.path(FILE)).expect("it is there");
    (found, warnings(&sandbox), left)
}

/// A file as the server of `side` writes it.
fn written(side: Side) -> Vec<u8> {
    let sandbox = Sandbox::new();
    let server = start(&sandbox, side);
    let mut client = RawClient::connect(server.socket());
    for n in [3, 400, 5] {
        client.call(&transaction(n));
    }
    server.stop();
    fs::read(sandbox.path(Path::new(FILE))).expect("it is there")
}

#[test]
fn both_say_the_same_of_a_harmed_end() {
    for writer in Side::BOTH {
        let file = written(writer);
        // The bytes are the same but for names, so the few that differ by their places will do.
        let few = if writer == Side::Ours { 4 } else { 1 };
        for (harm, bytes) in harms(&file).into_iter().step_by(few) {
            let what = format!("written by {writer:?}, {harm}");
            check(&bytes, ALL, &what);
            let [reference, ours] = Side::BOTH.map(|side| served(&bytes, side));
            assert_eq!(reference.0, ours.0, "{what}");
            assert_eq!(reference.1, ours.1, "{what}");
            // Each reads what the other has gone on with.
            for left in [&reference.2, &ours.2] {
                let found = check(left, &[&["query", FILE, QUERY]], &what);
                assert!(found.contains(r#""n":1000000,"#), "{what}: {found}");
            }
        }
    }
}
