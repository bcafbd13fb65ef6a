//! What a client that does not read costs the server: never a queue of what it has missed.
//!
//! Rows are loaded, a client monitors all of them and stops reading, and 100,000 small transactions are committed. The
//! server's resident memory is then compared with that of a server that has done the same without such a client, so that
//! rows and the history of commits, which both servers have, do not count; the history has a limit of its own, which is
//! checked, too. What the client costs must be less than three
//! times what loading the rows has cost: what it has not taken of its initial contents, and for each row what it was when
//! the client was told last.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ovsdb_server::limits;
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;

const SCHEMA: &str = r#"{"name":"Memory","tables":{"T":{"isRoot":true,"columns":{
    "number":{"type":"integer"},
    "text":{"type":"string"},
    "set":{"type":{"key":"string","min":0,"max":"unlimited"}}}}}}"#;

/// Transactions committed while the client does not read.
fn transactions() -> usize {
    // Programs built without optimization take long, and say the same with fewer.
    let are_optimized = std::env::var_os(programs::OURS_DIR).is_some();
    if are_optimized { 100_000 } else { 10_000 }
}

/// Transactions after which clients stop reading that want to see one.
const FIRST: usize = 10;
/// Transactions sent before the first of their replies is read.
const PIPELINE: usize = 100;
/// Rows loaded in one transaction; few, so that the server need not hold much only to load them.
const ROWS_TOGETHER: usize = 20;

/// What a server may use for all else, such as buffers that it keeps, in bytes.
const SLACK_BYTES: usize = 16 << 20;

/// What the transactions do.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// All rows get other contents, again and again.
    Modify,
    /// Rows come and go.
    InsertAndDelete,
    /// Sets become larger.
    Grow,
}

/// When the client stops reading.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// At the beginning of its initial contents.
    AtOnce,
    /// In the middle of them.
    InTheMiddle,
    /// After them.
    Afterwards,
    /// In the middle of the first update after them.
    InAnUpdate,
}

impl Work {
    /// The number of rows and the bytes of text and the elements of each.
    fn rows(self) -> (usize, usize, usize) {
        match self {
            Work::Modify | Work::InsertAndDelete => (10_000, 1_000, 0),
            Work::Grow => (500, 100, 300),
        }
    }

    /// The UUID of a row by its number.
    fn uuid(row: usize) -> String {
        format!("00000000-0000-4000-8000-{row:012}")
    }

    fn insert(self, row: usize, salt: usize) -> String {
        let (_, bytes, elements) = self.rows();
        let elements: Vec<String> = (0..elements)
            .map(|element| format!("\"element {element:08} of {row:08}\""))
            .collect();
        format!(
            r#"{{"op":"insert","table":"T","uuid":"{}","row":{{"number":{row},"text":"{}","set":["set",[{}]]}}}}"#,
            Work::uuid(row),
            text(bytes, salt),
            elements.join(",")
        )
    }

    /// The transaction with a number.
    fn transaction(self, number: usize) -> String {
        let (rows, bytes, _) = self.rows();
        let row = Work::uuid(number % rows);
        let found = format!(r#""table":"T","where":[["_uuid","==",["uuid","{row}"]]]"#);
        match self {
            Work::Modify => {
                // None that the row was loaded with.
                let text = text(bytes, rows + number);
                format!(r#"{{"op":"update",{found},"row":{{"text":"{text}"}}}}"#)
            }
            // Each row goes in one transaction and comes back in another.
            Work::InsertAndDelete if (number / rows).is_multiple_of(2) => {
                format!(r#"{{"op":"delete",{found}}}"#)
            }
            Work::InsertAndDelete => self.insert(number % rows, number),
            Work::Grow => {
                format!(
                    r#"{{"op":"mutate",{found},"mutations":[["set","insert","new {number:08}"]]}}"#
                )
            }
        }
    }
}

/// A text that differs from others of its length.
fn text(bytes: usize, salt: usize) -> String {
    let mut text = format!("{salt:08} ");
    text.extend(std::iter::repeat_n('x', bytes - text.len()));
    text
}

/// A server and one who writes.
struct Fixture {
    server: Server,
    writer: RawClient,
    _sandbox: Sandbox,
}

impl Fixture {
    fn new() -> Fixture {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("memory.ovsschema");
        std::fs::write(&schema, SCHEMA).expect("the sandbox can be written to");
        let server = Server::start(&sandbox, Side::Ours, &[("memory.db", &schema)]);
        let writer = RawClient::connect(server.socket());
        Fixture {
            server,
            writer,
            _sandbox: sandbox,
        }
    }

    /// Bytes of memory that are resident.
    fn resident(&self) -> usize {
        let pid = self.server.daemon().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kilobytes
            .map(|kilobytes: usize| kilobytes << 10)
            .expect("a number of kilobytes")
    }

    /// Has transactions committed, and returns when all are.
    fn commit(&mut self, transactions: impl Iterator<Item = String>) {
        let mut waiting = 0;
        for operations in transactions {
            let request =
                format!(r#"{{"id":0,"method":"transact","params":["Memory",{operations}]}}"#);
            self.writer
                .send(request.as_bytes())
                .expect("the server reads");
            waiting += 1;
            if waiting == PIPELINE {
                self.check_replies(std::mem::take(&mut waiting));
            }
        }
        self.check_replies(waiting);
    }

    fn check_replies(&mut self, count: usize) {
        for _ in 0..count {
            let reply = self.writer.receive().expect("the server answers");
            let reply = String::from_utf8(reply.expect("the server lives")).expect("text");
            let is_good = reply.starts_with(r#"{"error":null,"#) && !reply.contains("details");
            assert!(is_good, "{reply}");
        }
    }

    /// Loads the rows, and returns what that costs.
    fn load(&mut self, work: Work) -> usize {
        let before = self.resident();
        let (rows, ..) = work.rows();
        let starts = (0..rows).step_by(ROWS_TOGETHER);
        self.commit(starts.map(|start| {
            let rows = start..rows.min(start + ROWS_TOGETHER);
            let inserts: Vec<String> = rows.map(|row| work.insert(row, row)).collect();
            inserts.join(",")
        }));
        self.resident() - before
    }

    /// A client that monitors everything and stops reading.
    fn stalled(&self, method: &str, stop: Stop) -> UnixStream {
        let last = match method {
            "monitor_cond_since" => r#","00000000-0000-0000-0000-000000000000""#,
            _ => "",
        };
        let request =
            format!(r#"{{"id":0,"method":"{method}","params":["Memory","m",{{"T":{{}}}}{last}]}}"#);
        let mut stream = UnixStream::connect(self.server.socket()).expect("the server listens");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        // With the first byte of the reply it is certain that the monitor has begun.
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        let (mut depth, mut read) = (1, 1);
        let (mut in_string, mut buffer) = (false, [0; 1 << 16]);
        loop {
            match stop {
                Stop::AtOnce => return stream,
                Stop::InTheMiddle if read > 2 << 20 => return stream,
                Stop::Afterwards | Stop::InAnUpdate if depth == 0 => return stream,
                _ => {}
            }
            let count = stream.read(&mut buffer).expect("the server sends");
            read += count;
            for byte in &buffer[..count] {
                match byte {
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => depth -= 1,
                    _ => {}
                }
            }
        }
    }
}

/// What the rows have cost, and what has come on top of them by the end of the work.
fn measure(work: Work, clients: &[(&str, Stop)]) -> (usize, usize) {
    let mut fixture = Fixture::new();
    let rows = fixture.load(work);
    let loaded = fixture.resident();
    let stalled = clients.iter();
    let mut stalled: Vec<UnixStream> = stalled
        .map(|(method, stop)| fixture.stalled(method, *stop))
        .collect();
    fixture.commit((0..FIRST).map(|number| work.transaction(number)));
    for (stream, (_, stop)) in stalled.iter_mut().zip(clients) {
        if let Stop::InAnUpdate = stop {
            let mut begun = [0; 200];
            stream
                .read_exact(&mut begun)
                .expect("it is told of the first");
        }
    }
    fixture.commit((FIRST..transactions()).map(|number| work.transaction(number)));
    let more = fixture.resident().saturating_sub(loaded);
    drop(stalled);
    (rows, more)
}

/// Checks that the clients of each case cost little, all of them together.
#[track_caller]
fn check(work: Work, cases: &[&[(&str, Stop)]]) {
    let (rows, alone) = measure(work, &[]);
    let (count, ..) = work.rows();
    let history = limits::HISTORY_BYTES_BASE + count * limits::HISTORY_BYTES_PER_ROW;
    assert!(
        alone < history + SLACK_BYTES,
        "{work:?}: {alone} bytes without clients, of which the past may take {history}"
    );
    for clients in cases {
        let (rows_again, more) = measure(work, clients);
        let (rows, cost) = (rows.min(rows_again), more.saturating_sub(alone));
        // Each keeps the version up to which it was told, mostly the same one. Where the machine is busy they fall behind one
        // after the other, and have less in common.
        let versions = if clients.len() > 1 { 6 } else { 3 };
        assert!(
            cost < versions * rows,
            "{work:?}: {clients:?} cost {cost} bytes, and the rows {rows}"
        );
    }
}

const ALL: &[(&str, Stop)] = &[
    ("monitor", Stop::AtOnce),
    ("monitor_cond", Stop::InTheMiddle),
    ("monitor_cond_since", Stop::Afterwards),
];

#[test]
fn a_client_that_does_not_read_costs_little_while_rows_change() {
    let mut cases: Vec<&[(&str, Stop)]> = ALL.chunks(1).collect();
    // Each has two pieces of contents of its own at most, and all of them have the version in common.
    let many = [("monitor_cond_since", Stop::InTheMiddle); 16];
    cases.push(&many);
    let many = [("monitor_cond", Stop::InAnUpdate); 24];
    cases.push(&many);
    check(Work::Modify, &cases);
}

#[test]
fn clients_that_do_not_read_cost_little_while_rows_come_and_go() {
    check(Work::InsertAndDelete, &[ALL]);
}

#[test]
fn clients_that_do_not_read_cost_little_while_sets_grow() {
    check(Work::Grow, &[ALL]);
}
