//! A client that costs next to nothing: blocking, one connection, requests as ready-made text.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use ovsdb_proto::json::{Json, JsonError};
use ovsdb_proto::jsonrpc::{Message, ParseError, write_request};

use crate::cutter::Cutter;
use crate::rows::DATABASE;
use crate::socket::{Socket, patience};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Why a request was in vain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{method}: {source}")]
    Connect { method: String, source: io::Error },
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}: neither unix: nor tcp:HOST:PORT")]
    Method(String),
    #[error("the server closed the connection")]
    EndOfFile,
    #[error("{} seconds without a word, and not everything told", patience().as_secs())]
    Silence,
    #[error("{0}")]
    Parse(#[from] ParseError),
    #[error("{0}")]
    Json(#[from] JsonError),
    #[error("expected the reply to request {expected}, got {got}")]
    Order { expected: i64, got: String },
    #[error("request refused: {0}")]
    Refused(Json),
    #[error("transaction failed: {0}")]
    Failed(String),
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A read that has waited as long as it may.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Silence,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ClientError::EndOfFile,
            _ => ClientError::Io(error),
        }
    }
}

/// A connection. Requests are answered in the order in which they are sent.
pub(crate) struct Client {
    socket: Socket,
    buffer: Vec<u8>,
    /// The part of the buffer that holds what has been received and not been given out.
    filled: std::ops::Range<usize>,
    cutter: Cutter,
    out: Vec<u8>,
    sent: i64,
    received: i64,
}

impl Client {
    pub(crate) fn connect(method: &str) -> Result<Client, ClientError> {
        Ok(Client {
            socket: Socket::connect(method)?,
            buffer: vec![0; READ_BYTES],
            filled: 0..0,
            cutter: Cutter::default(),
            out: Vec::new(),
            sent: 0,
            received: 0,
        })
    }

    /// The process that listens at the other end, if it is one of this machine and may be known.
    pub(crate) fn peer(&self) -> Option<i32> {
        self.socket.peer()
    }

    /// Has room for a reply of so many bytes, all of which has been touched: for replies whose time is measured.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        // Not zeros: they would be pages that the system has yet to give.
        self.buffer.resize(bytes.max(self.buffer.len()), b' ');
    }

    /// Queues a request; [`Client::flush`] sends what is queued.
    pub(crate) fn queue(&mut self, method: &str, params: &str) {
        let id = Json::Integer(self.sent);
        write_request(method, params.as_bytes(), &id, &mut self.out);
        self.sent += 1;
    }

    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Requests that are not yet answered.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.sent - self.received).unwrap_or(0)
    }

    /// The next message, as it arrived. An `echo` of the server is answered and not shown.
    fn message(&mut self) -> Result<&[u8], ClientError> {
        loop {
            let message = self.cut()?;
            let shown = &self.buffer[message.clone()];
            if !is_echo(shown) {
                return Ok(&self.buffer[message]);
            }
            let answer = answer_to_echo(shown)?;
            self.socket.write_all(&answer)?;
        }
    }

    /// Where in the buffer the next message stands.
    fn cut(&mut self) -> Result<std::ops::Range<usize>, ClientError> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        let mut examined = self.filled.start;
        loop {
            if let Some(length) = self
                .cutter
                .find_end(&self.buffer[examined..self.filled.end])
            {
                let message = self.filled.start..examined + length;
                self.filled.start = message.end;
                return Ok(message);
            }
            examined = self.filled.end;
            if self.filled.end == self.buffer.len() {
                let start = self.filled.start;
                self.buffer.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.end - start;
                examined -= start;
                if self.filled.end > self.buffer.len() / 2 {
                    self.buffer.resize(2 * self.buffer.len(), b' ');
                }
            }
            match self.socket.read(&mut self.buffer[self.filled.end..])? {
                0 => return Err(ClientError::EndOfFile),
                n => self.filled.end += n,
            }
        }
    }

    /// The reply to the next request in order as it arrived, which must be that of a transaction that succeeded.
    pub(crate) fn receive_success(&mut self) -> Result<(), ClientError> {
        check_success(self.message()?)?;
        self.received += 1;
        Ok(())
    }

    /// The reply to the next request in order as it arrived.
    pub(crate) fn receive_raw(&mut self) -> Result<&[u8], ClientError> {
        self.received += 1;
        self.message()
    }

    /// The result of the next request in order, and how many bytes the reply has.
    pub(crate) fn receive(&mut self) -> Result<(Json, usize), ClientError> {
        let expected = self.received;
        let message = self.message()?;
        let length = message.len();
        match Message::parse(message)? {
            Message::Reply {
                id: Json::Integer(id),
                result,
            } if id == expected => {
                self.received += 1;
                Ok((result, length))
            }
            Message::Error {
                id: Json::Integer(id),
                error,
            } if id == expected => Err(ClientError::Refused(error)),
            other => Err(ClientError::Order {
                expected,
                got: other.to_string(),
            }),
        }
    }

    /// One request and its result.
    pub(crate) fn call(&mut self, method: &str, params: &str) -> Result<Json, ClientError> {
        self.queue(method, params);
        self.flush()?;
        Ok(self.receive()?.0)
    }

    /// One request whose reply shows `see` what it is, as it arrived. For replies whose time is measured: what is to be
    /// looked at closely is looked at afterwards.
    pub(crate) fn call_raw(&mut self, method: &str, params: &str) -> Result<&[u8], ClientError> {
        self.queue(method, params);
        self.flush()?;
        self.received += 1;
        self.message()
    }

    /// One transaction that must succeed; its reply is not parsed.
    pub(crate) fn transact(&mut self, params: &str) -> Result<(), ClientError> {
        self.queue("transact", params);
        self.flush()?;
        self.receive_success()
    }

    /// How many rows the tables have together.
    pub(crate) fn count(&mut self, tables: &[&str]) -> Result<usize, ClientError> {
        let mut rows = 0;
        for table in tables {
            let select = format!(
                "[\"{DATABASE}\",{{\"op\":\"select\",\"table\":\"{table}\",\"where\":[],\"columns\":[\"_uuid\"]}}]"
            );
            let result = self.call("transact", &select)?;
            let selected = succeeded(&result, 1)?;
            rows += selected[0]
                .get("rows")
                .and_then(Json::as_array)
                .map_or(0, <[Json]>::len);
        }
        Ok(rows)
    }
}

/// How many bytes at either end of a message are looked at to tell its kind: members come in any order, and the big one
/// may stand between the others.
const EDGE_BYTES: usize = 64;

/// Whether one of the ends of a message has these bytes.
pub(crate) fn at_an_edge(message: &[u8], finder: &Finder<'_>) -> bool {
    let head = &message[..message.len().min(EDGE_BYTES)];
    let tail = &message[message.len().saturating_sub(EDGE_BYTES)..];
    finder.find(head).is_some() || finder.find(tail).is_some()
}

/// Whether a message asks whether the client is there.
pub(crate) fn is_echo(message: &[u8]) -> bool {
    // An echo that a server sends is short; no reply and no update has its method.
    message.len() <= 2 * EDGE_BYTES && memchr::memmem::find(message, b"\"echo\"").is_some() && {
        memchr::memmem::find(message, b"\"method\"").is_some()
    }
}

/// What is to be said to such a message.
pub(crate) fn answer_to_echo(message: &[u8]) -> Result<Vec<u8>, ClientError> {
    match Message::parse(message)? {
        Message::Request { params, id, .. } => Ok(Message::Reply {
            result: Json::Array(params),
            id,
        }
        .to_bytes()),
        _ => Ok(Vec::new()),
    }
}

/// Whether the reply to a transaction tells of success throughout: it says `"error":null` once and no other error.
/// For transactions whose results hold no strings of rows.
pub(crate) fn check_success(reply: &[u8]) -> Result<(), ClientError> {
    // Made once: it costs more than to search a short reply.
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\":"));
    let mut errors = ERROR.find_iter(reply);
    let null = |at: usize| reply[at + ERROR.needle().len()..].starts_with(b"null");
    let told = match (errors.next(), errors.next()) {
        (Some(only), None) if null(only) => return Ok(()),
        (Some(first), _) if !null(first) => first,
        (_, Some(second)) => second,
        _ => 0,
    };
    Err(ClientError::Failed(excerpt(reply, told)))
}

/// What stands around this place of a message, which may be a long one.
pub(crate) fn excerpt(message: &[u8], at: usize) -> String {
    /// Bytes to either side.
    const AROUND: usize = 300;
    let (begin, end) = (at.saturating_sub(AROUND), (at + AROUND).min(message.len()));
    let text = String::from_utf8_lossy(&message[begin..end]);
    let (before, after) = (
        if begin > 0 { "..." } else { "" },
        if end < message.len() { "..." } else { "" },
    );
    format!("{before}{text}{after}")
}

/// The results of a transaction of so many operations, all of which must have succeeded.
pub(crate) fn succeeded(result: &Json, operations: usize) -> Result<&[Json], ClientError> {
    let results = result.as_array().unwrap_or_default();
    let failed = results.iter().find(|result| {
        result
            .as_object()
            .is_none_or(|result| result.contains("error"))
    });
    match failed {
        Some(failed) => Err(ClientError::Failed(failed.to_string())),
        None if results.len() != operations => Err(ClientError::Failed(format!(
            "{} results for {operations} operations",
            results.len()
        ))),
        None => Ok(results),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_tells_of_success_or_shows_the_error() {
        let many = "{\"uuid\":[\"uuid\",\"8d1c05c4-2ac3-4a5c-9f0c-7b1d3f1f6a11\"]},".repeat(100);
        // (the reply, what is shown of it; empty for success)
        let cases = [
            (r#"{"error":null,"id":1,"result":[{}]}"#.to_owned(), ""),
            (
                r#"{"id":1,"result":[{"uuid":["uuid","x"]}],"error":null}"#.to_owned(),
                "",
            ),
            (
                r#"{"id":1,"result":null,"error":{"error":"unknown database"}}"#.to_owned(),
                "unknown database",
            ),
            (
                r#"{"error":"canceled","id":1,"result":null}"#.to_owned(),
                "canceled",
            ),
            (
                format!(r#"{{"error":null,"id":1,"result":[{many}{{"error":"timed out"}}]}}"#),
                "timed out",
            ),
            (
                format!(r#"{{"id":1,"result":[{many}{{"error":"timed out"}}],"error":null}}"#),
                "timed out",
            ),
            (r#"{"id":1}"#.to_owned(), "{\"id\":1}"),
        ];
        for (reply, expected) in cases {
            let shown = check_success(reply.as_bytes()).map_err(|error| error.to_string());
            match shown {
                Ok(()) => assert_eq!(expected, "", "{reply}"),
                Err(shown) => {
                    assert!(!expected.is_empty() && shown.contains(expected), "{shown}");
                    assert!(shown.len() < 1_000, "{shown}");
                }
            }
        }
    }
}
