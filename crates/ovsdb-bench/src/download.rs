//! Many clients that each wait for one very big reply, on one thread.
//!
//! What arrives is counted where it was read, and forgotten: of gigabytes, any closer look would be what is measured. One
//! client may keep what it receives, to be looked at afterwards.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::write_request;

use crate::client::{ClientError, answer_to_echo, is_echo};
use crate::cutter::Cutter;
use crate::socket::{self, Socket};

/// Bytes that are read at once: they stay in the cache of the processor while they are counted.
const READ_BYTES: usize = 128 << 10;

/// Bytes at the end of what has arrived that tell whether it is all.
const END_BYTES: usize = 16;

/// The longest `echo` that a server sends.
const ECHO_BYTES: usize = 128;

/// The id of every request, so that replies have the same length.
const ID: Json = Json::Integer(1);

/// Ways in which a reply with rows ends, and nothing within it: in rows no array ends with an object, and no row written
/// here holds a string that reads so.
const ENDS: [&[u8]; 3] = [b"}]}", b"\"error\":null}", b"\"id\":1}"];

/// What one client received.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// How many objects begin in it, and how often strings have an opening brace. The same for the same rows.
    pub(crate) braces: usize,
}

/// Clients that wait for a big reply. See the module's documentation.
pub(crate) struct Downloads {
    poll: Poll,
    clients: Vec<Downloader>,
    request: Vec<u8>,
    chunk: Vec<u8>,
}

struct Downloader {
    socket: Socket,
    received: Received,
    end: Vec<u8>,
    /// Where what arrives is kept, if it is.
    kept: Option<Vec<u8>>,
    done: bool,
}

impl Downloads {
    /// So many clients, all with this request. The first of them keeps what it receives, if it is no more than so many
    /// bytes; of 0 it keeps nothing.
    pub(crate) fn connect(
        method: &str,
        clients: usize,
        (request, params): (&str, &str),
        keep_bytes: usize,
    ) -> Result<Downloads, ClientError> {
        let poll = Poll::new()?;
        let clients = (0..clients).map(|number| {
            let socket = Socket::connect_nonblocking(method)?;
            poll.registry().register(
                &mut SourceFd(&socket.as_raw_fd()),
                Token(number),
                Interest::READABLE,
            )?;
            // Written once, so that the system need not give pages while time is measured.
            let kept = (number == 0 && keep_bytes > 0).then(|| vec![b' '; keep_bytes]);
            Ok(Downloader {
                socket,
                received: Received::default(),
                end: Vec::with_capacity(2 * END_BYTES),
                kept,
                done: false,
            })
        });
        let clients = clients.collect::<Result<_, ClientError>>()?;
        let mut bytes = Vec::new();
        write_request(request, params.as_bytes(), &ID, &mut bytes);
        Ok(Downloads {
            poll,
            clients,
            request: bytes,
            chunk: vec![b' '; READ_BYTES],
        })
    }

    /// Sends all requests and receives all replies. Says when the last byte was there.
    pub(crate) fn run(&mut self) -> Result<Instant, ClientError> {
        for client in &mut self.clients {
            // So short a request finds room in a new connection.
            client.socket.write_all(&self.request)?;
        }
        let mut missing = self.clients.len();
        let mut events = Events::with_capacity(missing.max(1));
        while missing > 0 {
            socket::wait(&mut self.poll, &mut events)?;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                if !client.done {
                    client.receive(&mut self.chunk)?;
                    missing -= usize::from(client.done);
                }
            }
        }
        Ok(Instant::now())
    }

    /// What every client received.
    pub(crate) fn received(&self) -> impl Iterator<Item = Received> + '_ {
        self.clients.iter().map(|client| client.received)
    }

    /// What the first client kept.
    ///
    /// # Errors
    /// If that is not one message, or there was no room for it.
    pub(crate) fn kept(&self) -> Result<&[u8], ClientError> {
        let first = self.clients.first();
        let kept = first.and_then(|client| client.kept.as_ref()?.get(..client.received.bytes));
        let message = kept.unwrap_or_default();
        match Cutter::default().find_end(message) {
            Some(length) if length == message.len() => Ok(message),
            _ => Err(ClientError::Failed(format!(
                "a reply of {} bytes, which is not one message or too long",
                message.len()
            ))),
        }
    }
}

impl Downloader {
    fn receive(&mut self, chunk: &mut [u8]) -> Result<(), ClientError> {
        loop {
            // What is kept is read to where it stays.
            let at = self.received.bytes;
            let kept = self.kept.as_mut().and_then(|kept| kept.get_mut(at..));
            let buffer = match kept {
                Some(kept) if !kept.is_empty() => kept,
                _ => &mut *chunk,
            };
            let n = match self.socket.read(buffer) {
                Ok(0) => return Err(ClientError::EndOfFile),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let all = n < buffer.len();
            let mut bytes = 0..n;
            // Before the reply a server may ask whether the client is there.
            while at == 0
                && let Some(length) = Cutter::default()
                    .find_end(&buffer[bytes.start..bytes.end.min(bytes.start + ECHO_BYTES)])
                && is_echo(&buffer[bytes.start..bytes.start + length])
            {
                let echo = &buffer[bytes.start..bytes.start + length];
                self.socket.write_all(&answer_to_echo(echo)?)?;
                bytes.start += length;
            }
            buffer.copy_within(bytes.clone(), 0);
            let bytes = &buffer[..bytes.len()];
            self.received.bytes += bytes.len();
            self.received.braces += memchr::memchr_iter(b'{', bytes).count();
            let end = &bytes[bytes.len().saturating_sub(END_BYTES)..];
            self.end.extend_from_slice(end);
            let old = self.end.len().saturating_sub(END_BYTES);
            self.end.drain(..old);
            self.done = ENDS.iter().any(|end| self.end.ends_with(end));
            // What was read is all there was; what comes from now on is another event.
            if self.done || all {
                return Ok(());
            }
        }
    }
}
