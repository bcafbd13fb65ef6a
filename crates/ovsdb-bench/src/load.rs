//! Many clients that transact, on one thread: each keeps a number of requests in flight.
//!
//! Requests are made beforehand and sent from where they stand. Replies are cut and looked at for errors and for their
//! order, not parsed.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::write_request;

use crate::client::{ClientError, answer_to_echo, check_success, excerpt, is_echo};
use crate::cutter::Messages;
use crate::socket::{self, Socket};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// Clients with requests to send.
pub(crate) struct Load {
    poll: Poll,
    clients: Vec<Loader>,
    in_flight: usize,
}

struct Loader {
    socket: Socket,
    messages: Messages,
    /// All requests, one after the other.
    requests: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// Bytes of the requests that have been sent.
    sent: usize,
    /// Requests that have been answered.
    answered: usize,
    /// Answers to questions of the server.
    out: Vec<u8>,
}

impl Load {
    /// So many clients, each with its transactions.
    pub(crate) fn connect<R: IntoIterator<Item = String>>(
        method: &str,
        clients: usize,
        in_flight: usize,
        transactions: impl Fn(usize) -> R,
    ) -> Result<Load, ClientError> {
        let poll = Poll::new()?;
        let clients = (0..clients).map(|number| {
            let socket = Socket::connect_nonblocking(method)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(
                &mut SourceFd(&socket.as_raw_fd()),
                Token(number),
                interest,
            )?;
            let (mut requests, mut ends) = (Vec::new(), Vec::new());
            for (id, params) in (0..).zip(transactions(number)) {
                let id = Json::Integer(id);
                write_request("transact", params.as_bytes(), &id, &mut requests);
                ends.push(requests.len());
            }
            Ok(Loader {
                socket,
                messages: Messages::default(),
                requests,
                ends,
                sent: 0,
                answered: 0,
                out: Vec::new(),
            })
        });
        Ok(Load {
            clients: clients.collect::<Result<_, ClientError>>()?,
            poll,
            in_flight,
        })
    }

    /// Sends all requests and receives all replies, each of which must tell of success.
    pub(crate) fn run(&mut self) -> Result<(), ClientError> {
        let mut chunk = vec![0; READ_BYTES];
        let mut events = Events::with_capacity(self.clients.len());
        let mut busy = self.clients.len();
        for client in &mut self.clients {
            client.send(self.in_flight)?;
            busy -= usize::from(client.is_done());
        }
        while busy > 0 {
            socket::wait(&mut self.poll, &mut events)?;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                if client.is_done() {
                    continue;
                }
                client.receive(&mut chunk)?;
                client.send(self.in_flight)?;
                busy -= usize::from(client.is_done());
            }
        }
        Ok(())
    }
}

impl Loader {
    fn is_done(&self) -> bool {
        self.answered == self.ends.len()
    }

    fn receive(&mut self, chunk: &mut [u8]) -> Result<(), ClientError> {
        loop {
            let n = match self.socket.read(chunk) {
                Ok(0) => return Err(ClientError::EndOfFile),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let (answered, out) = (&mut self.answered, &mut self.out);
            self.messages.take(&chunk[..n], |message| {
                if is_echo(message) {
                    out.extend(answer_to_echo(message)?);
                    return Ok(());
                }
                check_success(message)?;
                check_id(message, *answered)?;
                *answered += 1;
                Ok::<_, ClientError>(())
            })?;
            // What was read is all there was; what comes from now on is another event.
            if n < chunk.len() {
                return Ok(());
            }
        }
    }

    /// Sends as many requests as may be in flight, in one go.
    fn send(&mut self, in_flight: usize) -> Result<(), ClientError> {
        while !self.out.is_empty() {
            // Never in the middle of a request: those go as a whole, but for a full socket.
            if self.sent != 0 && self.ends.binary_search(&self.sent).is_err() {
                break;
            }
            match write(&mut self.socket, &self.out)? {
                0 => return Ok(()),
                n => drop(self.out.drain(..n)),
            }
        }
        let last = (self.answered + in_flight).min(self.ends.len());
        let end = last.checked_sub(1).map_or(0, |last| self.ends[last]);
        while self.sent < end {
            match write(&mut self.socket, &self.requests[self.sent..end])? {
                0 => return Ok(()),
                n => self.sent += n,
            }
        }
        Ok(())
    }
}

/// Writes what goes at the moment.
fn write(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// The reply must be that to request number `expected`.
fn check_id(reply: &[u8], expected: usize) -> Result<(), ClientError> {
    let id = memchr::memmem::find(reply, b"\"id\":").map(|at| {
        let digits = reply[at + b"\"id\":".len()..].iter();
        digits
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0_usize, |id, digit| {
                id.wrapping_mul(10) + usize::from(digit - b'0')
            })
    });
    if id == Some(expected) {
        return Ok(());
    }
    Err(ClientError::Order {
        expected: i64::try_from(expected).unwrap_or(i64::MAX),
        got: excerpt(reply, 0),
    })
}
