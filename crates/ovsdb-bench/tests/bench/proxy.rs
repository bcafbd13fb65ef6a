//! A server that is not quite right: it passes on what clients and a real server say to each other, and spoils one message.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem;
use ovsdb_proto::framer::Framer;

/// What it does wrong, once or twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mischief {
    /// Nothing.
    None,
    /// An update does not reach its client.
    LoseUpdate,
    /// An update reaches its client twice.
    RepeatUpdate,
    /// An update is lost, and another one comes twice to the same client.
    ReplaceUpdate,
    /// An insertion is answered as if it had been done, and is not.
    LoseWrite,
    /// A reply does not reach its client.
    LoseReply,
    /// A row of a big reply is missing.
    LoseRow,
}

/// Which of the messages of a kind is spoilt. Not the first one, which a careful look would fall on.
const VICTIM: usize = 5;

/// Accepts clients at `socket` and connects each to the server at `server`. Ends with the process.
pub(crate) fn start(socket: PathBuf, server: &Path, mischief: Mischief) {
    let listener = UnixListener::bind(socket).expect("the folder is ours");
    let server = server.to_owned();
    let seen = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client that connects is accepted");
            let server = UnixStream::connect(&server).expect("the server listens");
            let towards = |from: &UnixStream, to: &UnixStream, side| {
                let (from, to) = (
                    from.try_clone().expect("descriptors are left"),
                    to.try_clone().expect("descriptors are left"),
                );
                let back = from.try_clone().expect("descriptors are left");
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    // Either side may hang up whenever it likes; then the other one is told.
                    let _ = pass_on(&from, &to, &back, mischief, side, &seen);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            };
            towards(&client, &server, Side::Client);
            towards(&server, &client, Side::Server);
        }
    });
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Side {
    Client,
    Server,
}

fn pass_on(
    mut from: &UnixStream,
    mut to: &UnixStream,
    mut back: &UnixStream,
    mischief: Mischief,
    side: Side,
    seen: &AtomicUsize,
) -> io::Result<()> {
    let mut framer = Framer::new(1 << 30);
    let mut chunk = vec![0; 64 << 10];
    // Of this connection.
    let mut spoilt = false;
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        framer.push(&chunk[..n]);
        while let Some(message) = framer.next().map_err(io::Error::other)? {
            let has = |text: &str| memmem::find(&message, text.as_bytes()).is_some();
            let of_this_kind = match mischief {
                Mischief::None => false,
                Mischief::LoseUpdate | Mischief::RepeatUpdate | Mischief::ReplaceUpdate => {
                    side == Side::Server && has("\"method\":\"update")
                }
                Mischief::LoseWrite => side == Side::Client && has("\"Item\"") && has("insert"),
                Mischief::LoseReply => side == Side::Server && has("\"uuid\":"),
                Mischief::LoseRow => side == Side::Server && has("\"Flow\":{"),
            };
            let is_victim = |number: usize| number + 1 == VICTIM;
            let number = if of_this_kind {
                seen.fetch_add(1, Ordering::Relaxed)
            } else {
                usize::MAX - 1
            };
            match mischief {
                Mischief::RepeatUpdate if is_victim(number) => {
                    to.write_all(&message)?;
                    to.write_all(&message)?;
                }
                Mischief::ReplaceUpdate if spoilt && of_this_kind => {
                    spoilt = false;
                    to.write_all(&message)?;
                    to.write_all(&message)?;
                }
                Mischief::LoseRow if of_this_kind => to.write_all(&without_a_row(&message))?,
                Mischief::LoseWrite if is_victim(number) => back.write_all(&answered(&message))?,
                _ if is_victim(number) => spoilt = true,
                _ => to.write_all(&message)?,
            }
        }
    }
}

/// The reply to an insertion that was done.
fn answered(request: &[u8]) -> Vec<u8> {
    let at = memmem::find(request, b"\"id\":").expect("a request has an id");
    let digits = request[at + 5..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let mut reply = b"{\"error\":null,\"id\":".to_vec();
    reply.extend(digits);
    reply.extend(b",\"result\":[{\"uuid\":[\"uuid\",\"8d1c05c4-2ac3-4a5c-9f0c-7b1d3f1f6a11\"]}]}");
    reply
}

/// The same reply without the first row of the table Flow.
fn without_a_row(reply: &[u8]) -> Vec<u8> {
    let table =
        memmem::find(reply, b"\"Flow\":{").expect("looked for before") + b"\"Flow\":{".len();
    // A row is `"UUID":{...},`; no string of these rows that stands before its end has a comma behind braces.
    let end = memmem::find(&reply[table..], b"}},").expect("there are several rows") + 3;
    [&reply[..table], &reply[table + end..]].concat()
}
