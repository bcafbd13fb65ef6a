//! Many clients that watch, on one thread: they send a request now and then, and count what they are told.
//!
//! Messages are cut and searched, not parsed: what it costs to receive is no part of what is measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ovsdb_net::Method;
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Message, write_request};

use crate::client::{ClientError, MESSAGE_BYTES_MAX};

/// How long nothing may happen while something is expected.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Why watchers are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("watcher {watcher} was told of {found} rows, {expected} were to be told")]
    Rows {
        watcher: usize,
        expected: usize,
        found: usize,
    },
    #[error("a minute without a word, and not everything told")]
    Silence,
}

trait Stream: Read + Write + AsRawFd + Send {}
impl<T: Read + Write + AsRawFd + Send> Stream for T {}

/// Clients that watch. See the module's documentation.
pub(crate) struct Watchers {
    poll: Poll,
    watchers: Vec<Watcher>,
    /// What in a message stands for one row.
    mark: memmem::Finder<'static>,
    chunk: Vec<u8>,
}

struct Watcher {
    stream: Box<dyn Stream>,
    fd: RawFd,
    framer: Framer,
    out: Vec<u8>,
    requests: i64,
    replies: i64,
    rows: usize,
}

impl Watchers {
    /// So many clients; `mark` stands in a message once for each row that it tells of.
    pub(crate) fn connect(
        method: &str,
        count: usize,
        mark: &'static str,
    ) -> Result<Watchers, WatchError> {
        let poll = Poll::new()?;
        let watchers = (0..count).map(|number| {
            let stream = open(method)?;
            let fd = stream.as_raw_fd();
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut SourceFd(&fd), Token(number), interest)?;
            Ok(Watcher {
                stream,
                fd,
                framer: Framer::new(MESSAGE_BYTES_MAX),
                out: Vec::new(),
                requests: 0,
                replies: 0,
                rows: 0,
            })
        });
        Ok(Watchers {
            watchers: watchers.collect::<Result<_, WatchError>>()?,
            poll,
            mark: memmem::Finder::new(mark),
            chunk: vec![0; READ_BYTES],
        })
    }

    /// Every client sends a request and waits for the reply. Says how many rows each was told of since the last count.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: impl Fn(usize) -> String,
    ) -> Result<Vec<usize>, WatchError> {
        for number in 0..self.watchers.len() {
            let watcher = &mut self.watchers[number];
            let id = Json::Integer(watcher.requests);
            write_request(method, params(number).as_bytes(), &id, &mut watcher.out);
            watcher.requests += 1;
            self.serve(number)?;
        }
        self.run_until(|watcher| watcher.replies == watcher.requests)?;
        Ok(self.take_counts())
    }

    /// Receives until every client has been told of so many rows since the last count, and then makes sure that none is
    /// told of more.
    pub(crate) fn receive(&mut self, rows: &[usize]) -> Result<Instant, WatchError> {
        let mut number = 0;
        let expected: Vec<usize> = rows.to_vec();
        let mut done = vec![false; expected.len()];
        for (watcher, (expected, done)) in self.watchers.iter().zip(expected.iter().zip(&mut done))
        {
            *done = watcher.rows >= *expected;
            number += usize::from(*done);
        }
        while number < expected.len() {
            self.step(|at, watcher| {
                if !done[at] && watcher.rows >= expected[at] {
                    done[at] = true;
                    number += 1;
                }
            })?;
        }
        let end = Instant::now();
        let counts = self.call("echo", |_| String::from("[]"))?;
        for (watcher, (found, expected)) in counts.into_iter().zip(expected).enumerate() {
            if found != expected {
                return Err(WatchError::Rows {
                    watcher,
                    expected,
                    found,
                });
            }
        }
        Ok(end)
    }

    fn take_counts(&mut self) -> Vec<usize> {
        let watchers = self.watchers.iter_mut();
        watchers
            .map(|watcher| std::mem::take(&mut watcher.rows))
            .collect()
    }

    fn run_until(&mut self, is_done: impl Fn(&Watcher) -> bool) -> Result<(), WatchError> {
        while !self.watchers.iter().all(&is_done) {
            self.step(|_, _| {})?;
        }
        Ok(())
    }

    /// Waits for something to arrive, and takes it.
    fn step(&mut self, mut tell: impl FnMut(usize, &Watcher)) -> Result<(), WatchError> {
        let mut events = Events::with_capacity(self.watchers.len());
        self.poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(WatchError::Silence);
        }
        for event in &events {
            let number = event.token().0;
            self.serve(number)?;
            tell(number, &self.watchers[number]);
        }
        Ok(())
    }

    /// Sends and receives what goes at the moment.
    fn serve(&mut self, number: usize) -> Result<(), WatchError> {
        let watcher = &mut self.watchers[number];
        watcher.send()?;
        loop {
            match watcher.stream.read(&mut self.chunk) {
                Ok(0) => return Err(ClientError::EndOfFile.into()),
                Ok(n) => watcher.framer.push(&self.chunk[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(message) = watcher.framer.next().map_err(ClientError::from)? {
            watcher.rows += self.mark.find_iter(&message).count();
            // The name of the method stands near the beginning or near the end, whatever the order of members.
            let edges = [
                &message[..message.len().min(64)],
                &message[message.len().saturating_sub(64)..],
            ];
            let is_update = edges
                .iter()
                .any(|edge| memmem::find(edge, b"\"method\":\"update").is_some());
            if !is_update {
                watcher.answer(&message)?;
            }
        }
        watcher.send()
    }
}

impl Watcher {
    fn answer(&mut self, message: &[u8]) -> Result<(), WatchError> {
        match Message::parse(message).map_err(ClientError::from)? {
            Message::Reply { .. } => self.replies += 1,
            Message::Error { error, .. } => return Err(ClientError::Refused(error).into()),
            Message::Request { params, id, .. } => Message::Reply {
                result: Json::Array(params),
                id,
            }
            .write_to(&mut self.out),
            Message::Notification { .. } => {}
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), WatchError> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for watcher in &self.watchers {
            // A stream that is not there any more watches nothing either.
            let _ = self.poll.registry().deregister(&mut SourceFd(&watcher.fd));
        }
    }
}

fn open(method: &str) -> Result<Box<dyn Stream>, WatchError> {
    let unknown = || ClientError::Method(method.to_owned());
    let parsed = Method::parse(method).map_err(|_| unknown())?;
    Ok(match parsed.socket_path() {
        Some(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            Box::new(stream)
        }
        None if method.starts_with("tcp:") => {
            let stream = TcpStream::connect(parsed.target())?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Box::new(stream)
        }
        None => return Err(unknown().into()),
    })
}
