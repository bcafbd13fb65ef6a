//! A process that reads what a server tells and keeps nothing: what `--read` does.
//!
//! What it takes, any process takes that is told of each change: to be woken, and to read. It answers the line `until` of
//! `keeper.rs`, and no other.

use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use memchr::memmem::Finder;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::write_request;

use crate::client::{Client, ClientError, answer_to_echo, is_echo};
use crate::cutter::{Cutter, Messages};
use crate::socket::Socket;
use crate::southbound::DATABASE;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// What stands before the number by which it is known how far changes have come.
const MARK: &[u8] = b"\"nb_cfg\":";

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BareError {
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the schema of {DATABASE} has no tables")]
    Schema,
}

/// How far changes have come, if that is known, and who waits for it.
type Reached = Arc<(Mutex<Option<usize>>, Condvar)>;

/// Reads what the server at `method` tells of all tables, until standard input ends or the server does.
pub(crate) fn read(method: &str) -> Result<(), BareError> {
    let mut socket = Socket::connect(method)?;
    let mut request = Vec::new();
    let params = params(method)?;
    write_request(
        "monitor_cond_since",
        params.as_bytes(),
        &Json::Integer(0),
        &mut request,
    );
    socket.write_all(&request)?;

    let reached = Reached::default();
    // The contents are one message, of which nothing is kept.
    let mut contents = Some(Cutter::default());
    let (mut messages, finder) = (Messages::default(), Finder::new(MARK));
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let mut bytes = match socket.read(&mut chunk) {
            Ok(0) => return Err(ClientError::EndOfFile.into()),
            Ok(count) => &chunk[..count],
            Err(error) => return Err(ClientError::from(error).into()),
        };
        if let Some(cutter) = &mut contents {
            let Some(end) = cutter.find_end(bytes) else {
                continue;
            };
            bytes = &bytes[end..];
            contents = None;
            answer("ready")?;
            let reached = reached.clone();
            std::thread::spawn(move || listen(&reached));
        }
        messages.take(bytes, |message| {
            if is_echo(message) {
                socket.write_all(&answer_to_echo(message)?)?;
            } else if let Some(at) = finder.find(message) {
                let digits = message[at + MARK.len()..].iter();
                let digits = digits.map_while(|byte| char::from(*byte).to_digit(10));
                let number = digits.fold(0, |number, digit| 10 * number + digit as usize);
                // Each change of it is whole, so a panic of the other thread leaves it so.
                *reached.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
                reached.1.notify_all();
            }
            Ok::<_, BareError>(())
        })?;
    }
}

/// The parameters of a request for everything.
fn params(method: &str) -> Result<String, BareError> {
    let schema = Client::connect(method)?.call("get_schema", &format!("[\"{DATABASE}\"]"))?;
    let tables = schema.as_object().and_then(|schema| schema.get("tables"));
    let tables = tables.and_then(Json::as_object).ok_or(BareError::Schema)?;
    let requests = tables
        .iter()
        .map(|(name, _)| format!("{}:{{}}", Json::string(name.clone())));
    let requests: Vec<String> = requests.collect();
    Ok(format!(
        "[\"{DATABASE}\",\"all\",{{{}}},\"00000000-0000-0000-0000-000000000000\"]",
        requests.join(",")
    ))
}

/// Answers when changes have come as far as it is asked about. With standard input the process ends.
fn listen(reached: &Reached) {
    for line in io::stdin().lines().map_while(Result::ok) {
        let Some(number) = line.strip_prefix("until ").and_then(|n| n.parse().ok()) else {
            break;
        };
        let (now, changed) = &**reached;
        let now = now.lock().unwrap_or_else(PoisonError::into_inner);
        let is_less = |now: &mut Option<usize>| *now != Some(number);
        drop(changed.wait_while(now, is_less));
        if answer("seen").is_err() {
            break;
        }
    }
    std::process::exit(0);
}

fn answer(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
