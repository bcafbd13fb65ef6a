//! Many clients that watch, on one thread: they send a request now and then, and count what they are told.
//!
//! Messages are cut and searched, not parsed: what it costs to receive is no part of what is measured. Every row that is
//! told is counted, and its name goes into a sum, so that a row that comes twice in the place of another is noticed.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::AddAssign;
use std::os::fd::AsRawFd;
use std::time::Instant;

use memchr::memmem::Finder;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Message, write_request};

use crate::client::{ClientError, at_an_edge};
use crate::cutter::Messages;
use crate::rows::ITEM_MARK;
use crate::socket::{self, Socket};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Why watchers are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("watcher {watcher} was told of {} rows, {} were to be told", .found.rows, .expected.rows)]
    Rows {
        watcher: usize,
        expected: Told,
        found: Told,
    },
    #[error(
        "watcher {watcher} was told of as many rows as were to be told, and they are not the same rows"
    )]
    Others { watcher: usize },
}

impl From<io::Error> for WatchError {
    fn from(error: io::Error) -> Self {
        WatchError::Client(error.into())
    }
}

/// Which rows of the table Item a client was told of: how many, and a sum over their names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) rows: usize,
    sum: u64,
}

impl Told {
    /// One row more: number `number` of `client`, as [`crate::rows`] names it.
    pub(crate) fn add(&mut self, client: usize, number: usize) {
        // An odd factor that spreads its bits, so that sums of different rows differ.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let name = ((client as u64) << 40 | number as u64).wrapping_add(1);
        let spread = name.wrapping_mul(SPREAD);
        self.rows += 1;
        self.sum = self
            .sum
            .wrapping_add((spread ^ spread >> 29).wrapping_mul(SPREAD));
    }

    /// These rows of `client`.
    pub(crate) fn of(client: usize, numbers: impl IntoIterator<Item = usize>) -> Told {
        let mut told = Told::default();
        numbers
            .into_iter()
            .for_each(|number| told.add(client, number));
        told
    }

    /// Found in a client's count must be what was expected.
    pub(crate) fn expect(self, found: Told, watcher: usize) -> Result<(), WatchError> {
        if found == self {
            Ok(())
        } else if found.rows == self.rows {
            Err(WatchError::Others { watcher })
        } else {
            Err(WatchError::Rows {
                watcher,
                expected: self,
                found,
            })
        }
    }
}

impl AddAssign for Told {
    fn add_assign(&mut self, other: Told) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Finds the rows of the table Item that a message tells of.
struct Seeker {
    mark: Finder<'static>,
    update: Finder<'static>,
    success: Finder<'static>,
}

impl Seeker {
    fn new() -> Seeker {
        Seeker {
            mark: Finder::new(ITEM_MARK),
            update: Finder::new("\"method\":\"update"),
            success: Finder::new("\"error\":null"),
        }
    }

    fn seek(&self, message: &[u8], told: &mut Told) {
        for at in self.mark.find_iter(message) {
            let mut name = message[at + ITEM_MARK.len()..].iter();
            let mut number = || {
                name.by_ref().take_while(|byte| byte.is_ascii_digit()).fold(
                    0_usize,
                    |number, digit| {
                        number
                            .wrapping_mul(10)
                            .wrapping_add(usize::from(digit - b'0'))
                    },
                )
            };
            let client = number();
            told.add(client, number());
        }
    }
}

/// Clients that watch. See the module's documentation.
pub(crate) struct Watchers {
    poll: Poll,
    watchers: Vec<Watcher>,
    seeker: Seeker,
    chunk: Vec<u8>,
}

struct Watcher {
    socket: Socket,
    messages: Messages,
    out: Vec<u8>,
    requests: i64,
    replies: i64,
    told: Told,
}

impl Watchers {
    /// So many clients.
    pub(crate) fn connect(method: &str, count: usize) -> Result<Watchers, WatchError> {
        let poll = Poll::new()?;
        let watchers = (0..count).map(|number| {
            let socket = Socket::connect_nonblocking(method)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(
                &mut SourceFd(&socket.as_raw_fd()),
                Token(number),
                interest,
            )?;
            Ok(Watcher {
                socket,
                messages: Messages::default(),
                out: Vec::new(),
                requests: 0,
                replies: 0,
                told: Told::default(),
            })
        });
        Ok(Watchers {
            watchers: watchers.collect::<Result<_, WatchError>>()?,
            poll,
            seeker: Seeker::new(),
            chunk: vec![0; READ_BYTES],
        })
    }

    /// Every client gets a request to send, for [`Watchers::exchange`]. Made beforehand, it costs nothing where time is
    /// measured.
    pub(crate) fn queue(&mut self, method: &str, params: impl Fn(usize) -> String) {
        for (number, watcher) in self.watchers.iter_mut().enumerate() {
            let id = Json::Integer(watcher.requests);
            write_request(method, params(number).as_bytes(), &id, &mut watcher.out);
            watcher.requests += 1;
        }
    }

    /// Every client sends what it has to send and waits for the replies.
    pub(crate) fn exchange(&mut self) -> Result<(), WatchError> {
        for number in 0..self.watchers.len() {
            self.serve(number)?;
        }
        let is_done = |watcher: &Watcher| watcher.replies == watcher.requests;
        let mut missing = self
            .watchers
            .iter()
            .filter(|watcher| !is_done(watcher))
            .count();
        while missing > 0 {
            self.step(|before, after| {
                let done = before.0 < before.1 && is_done(after);
                missing -= usize::from(done);
            })?;
        }
        Ok(())
    }

    /// Every client sends a request and waits for the reply. Says what each was told of since the last count.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: impl Fn(usize) -> String,
    ) -> Result<Vec<Told>, WatchError> {
        self.queue(method, params);
        self.exchange()?;
        Ok(self.take_told())
    }

    /// Receives until every client has been told of so many rows since the last count; says when that was. Whether they
    /// are the right ones, and no more come, is for [`Watchers::check`] to say, later.
    pub(crate) fn receive(&mut self, expected: &[Told]) -> Result<Instant, WatchError> {
        let lacks = |watcher: &Watcher, expected: &Told| watcher.told.rows < expected.rows;
        let mut lacking: Vec<bool> = self
            .watchers
            .iter()
            .zip(expected)
            .map(|(watcher, expected)| lacks(watcher, expected))
            .collect();
        let mut missing = lacking.iter().filter(|lacks| **lacks).count();
        let mut events = Events::with_capacity(self.watchers.len().max(1));
        while missing > 0 {
            socket::wait(&mut self.poll, &mut events)?;
            for event in &events {
                let number = event.token().0;
                self.serve(number)?;
                if lacking[number] && !lacks(&self.watchers[number], &expected[number]) {
                    lacking[number] = false;
                    missing -= 1;
                }
            }
        }
        Ok(Instant::now())
    }

    /// Makes sure that every client was told of these rows since the last count, and of no others.
    pub(crate) fn check(&mut self, expected: &[Told]) -> Result<(), WatchError> {
        // What was still on its way comes before the reply.
        let found = self.call("echo", |_| String::from("[]"))?;
        for (watcher, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            expected.expect(found, watcher)?;
        }
        Ok(())
    }

    /// What each client was told of since the last count.
    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        let watchers = self.watchers.iter_mut();
        watchers
            .map(|watcher| std::mem::take(&mut watcher.told))
            .collect()
    }

    /// Waits for something to arrive, and takes it. Shows how many replies and requests a client had before, and the
    /// client.
    fn step(&mut self, mut tell: impl FnMut((i64, i64), &Watcher)) -> Result<(), WatchError> {
        let mut events = Events::with_capacity(self.watchers.len().max(1));
        socket::wait(&mut self.poll, &mut events)?;
        for event in &events {
            let number = event.token().0;
            let watcher = &self.watchers[number];
            let before = (watcher.replies, watcher.requests);
            self.serve(number)?;
            tell(before, &self.watchers[number]);
        }
        Ok(())
    }

    /// Sends and receives what goes at the moment.
    fn serve(&mut self, number: usize) -> Result<(), WatchError> {
        let watcher = &mut self.watchers[number];
        watcher.send()?;
        loop {
            let n = match watcher.socket.read(&mut self.chunk) {
                Ok(0) => return Err(ClientError::EndOfFile.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let Watcher {
                messages,
                told,
                replies,
                out,
                ..
            } = watcher;
            messages.take(&self.chunk[..n], |message| {
                self.seeker.seek(message, told);
                if at_an_edge(message, &self.seeker.update) {
                    Ok(())
                } else if at_an_edge(message, &self.seeker.success) {
                    *replies += 1;
                    Ok(())
                } else {
                    answer(message, replies, out)
                }
            })?;
            // What was read is all there was; what comes from now on is another event.
            if n < self.chunk.len() {
                break;
            }
        }
        watcher.send()
    }
}

/// Takes a message that is neither an update nor a reply that tells of success.
fn answer(message: &[u8], replies: &mut i64, out: &mut Vec<u8>) -> Result<(), WatchError> {
    match Message::parse(message).map_err(ClientError::from)? {
        Message::Reply { .. } => *replies += 1,
        Message::Error { error, .. } => return Err(ClientError::Refused(error).into()),
        Message::Request { params, id, .. } => Message::Reply {
            result: Json::Array(params),
            id,
        }
        .write_to(out),
        Message::Notification { .. } => {}
    }
    Ok(())
}

impl Watcher {
    fn send(&mut self) -> Result<(), WatchError> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_what_is_told_and_a_repeated_one_is_no_other_one() {
        let tell = |rows: &[(usize, usize)]| {
            let text: Vec<String> = rows
                .iter()
                .map(|(client, number)| {
                    format!("{{\"name\":\"item-{client}-{number}\",\"tags\":\"client-{client}\"}}")
                })
                .collect();
            let mut told = Told::default();
            Seeker::new().seek(text.concat().as_bytes(), &mut told);
            told
        };
        let expected = Told::of(7, 10..13);
        // (rows told, are they the expected ones)
        let cases: [(&[(usize, usize)], bool); 5] = [
            (&[(7, 10), (7, 11), (7, 12)], true),
            (&[(7, 12), (7, 10), (7, 11)], true),
            (&[(7, 10), (7, 11)], false),
            (&[(7, 10), (7, 11), (7, 11)], false),
            (&[(7, 10), (7, 11), (8, 12)], false),
        ];
        for (rows, same) in cases {
            assert_eq!(expected.expect(tell(rows), 0).is_ok(), same, "{rows:?}");
        }
    }
}
