//! A client that costs next to nothing: blocking, one connection, requests as ready-made text.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use ovsdb_net::Method;
use ovsdb_proto::framer::{FrameError, Framer};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Message, ParseError, write_request};

/// The longest message that a server may send, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 << 30;

/// Why a request was in vain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{method}: {source}")]
    Connect { method: String, source: io::Error },
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}: neither unix: nor tcp:HOST:PORT")]
    Method(String),
    #[error("the server closed the connection")]
    EndOfFile,
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Parse(#[from] ParseError),
    #[error("expected the reply to request {expected}, got {got}")]
    Order { expected: i64, got: String },
    #[error("request refused: {0}")]
    Refused(Json),
    #[error("transaction failed: {0}")]
    Failed(String),
}

/// A connection. Requests are answered in the order in which they are sent.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    framer: Framer,
    chunk: Vec<u8>,
    out: Vec<u8>,
    sent: i64,
    received: i64,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Client {
    pub(crate) fn connect(method: &str) -> Result<Client, ClientError> {
        let connect = |source| ClientError::Connect {
            method: method.to_owned(),
            source,
        };
        let parsed = Method::parse(method).map_err(|_| ClientError::Method(method.to_owned()))?;
        let stream: Box<dyn Stream> = match parsed.socket_path() {
            Some(path) => Box::new(UnixStream::connect(path).map_err(connect)?),
            None if method.starts_with("tcp:") => {
                let stream = TcpStream::connect(parsed.target()).map_err(connect)?;
                stream.set_nodelay(true).map_err(connect)?;
                Box::new(stream)
            }
            None => return Err(ClientError::Method(method.to_owned())),
        };
        Ok(Client {
            stream,
            framer: Framer::new(MESSAGE_BYTES_MAX),
            chunk: vec![0; 256 << 10],
            out: Vec::new(),
            sent: 0,
            received: 0,
        })
    }

    /// Queues a request; [`Client::flush`] sends what is queued.
    pub(crate) fn queue(&mut self, method: &str, params: &str) {
        write_request(
            method,
            params.as_bytes(),
            &Json::Integer(self.sent),
            &mut self.out,
        );
        self.sent += 1;
    }

    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Requests that are not yet answered.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.sent - self.received).unwrap_or(0)
    }

    /// The result of the next request in order.
    pub(crate) fn receive(&mut self) -> Result<Json, ClientError> {
        loop {
            let Some(bytes) = self.framer.next()? else {
                let n = self.stream.read(&mut self.chunk)?;
                if n == 0 {
                    return Err(ClientError::EndOfFile);
                }
                self.framer.push(&self.chunk[..n]);
                continue;
            };
            let expected = self.received;
            match Message::parse(&bytes)? {
                Message::Reply {
                    id: Json::Integer(id),
                    result,
                } if id == expected => {
                    self.received += 1;
                    return Ok(result);
                }
                Message::Error {
                    id: Json::Integer(id),
                    error,
                } if id == expected => {
                    return Err(ClientError::Refused(error));
                }
                Message::Request { method, params, id } if method == "echo" => {
                    Message::Reply {
                        result: Json::Array(params),
                        id,
                    }
                    .write_to(&mut self.out);
                    self.flush()?;
                }
                other => {
                    return Err(ClientError::Order {
                        expected,
                        got: other.to_string(),
                    });
                }
            }
        }
    }

    /// One request and its result.
    pub(crate) fn call(&mut self, method: &str, params: &str) -> Result<Json, ClientError> {
        self.queue(method, params);
        self.flush()?;
        self.receive()
    }

    /// How many rows the tables have together.
    pub(crate) fn count(&mut self, tables: &[&str]) -> Result<usize, ClientError> {
        let mut rows = 0;
        for table in tables {
            let select = format!(
                "[\"{}\",{{\"op\":\"select\",\"table\":\"{table}\",\"where\":[],\"columns\":[\"_uuid\"]}}]",
                crate::rows::DATABASE
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
