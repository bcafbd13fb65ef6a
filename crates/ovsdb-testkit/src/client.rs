//! A JSON-RPC client that sends any bytes and shows the bytes that come back.
//!
//! It knows where one message ends and the next begins, and nothing of what they say.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Seconds of silence after which a test gives up on a server. Far beyond what any answer takes.
const SILENCE: Duration = Duration::from_secs(60);

/// A connection to a server's Unix socket.
#[derive(Debug)]
pub struct RawClient {
    stream: UnixStream,
    scanner: Scanner,
}

impl RawClient {
    /// Connects to the socket at `path`.
    ///
    /// # Panics
    /// If nothing listens there.
    pub fn connect(path: &Path) -> RawClient {
        RawClient::try_connect(path)
            .unwrap_or_else(|error| panic!("{} does not accept: {error}", path.display()))
    }

    /// Like [`RawClient::connect`], for servers that may have gone.
    ///
    /// # Errors
    /// If nothing listens there.
    pub fn try_connect(path: &Path) -> io::Result<RawClient> {
        UnixStream::connect(path).map(RawClient::over)
    }

    /// Connects to the socket at `path` as soon as something listens there.
    pub fn connect_soon(path: &Path) -> RawClient {
        loop {
            if let Ok(client) = RawClient::try_connect(path) {
                return client;
            }
            std::thread::yield_now();
        }
    }

    /// Speaks over a stream that is connected already.
    pub fn over(stream: UnixStream) -> RawClient {
        stream
            .set_read_timeout(Some(SILENCE))
            .and_then(|()| stream.set_write_timeout(Some(SILENCE)))
            .expect("the time is not zero");
        RawClient {
            stream,
            scanner: Scanner::default(),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the server has gone or does not read.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Tells the server that nothing more will be sent; answers can still be received.
    ///
    /// # Errors
    /// If the server has gone.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The next message, or `None` at the end of the connection.
    ///
    /// # Errors
    /// If the server stays silent, or cuts the connection in the middle of a message.
    pub fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 65536];
        loop {
            if let Some(message) = self.scanner.messages.pop_front() {
                return Ok(Some(message));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) if self.scanner.partial.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.scanner.feed(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one message and returns the next one that comes back, as text.
    ///
    /// # Panics
    /// If the connection ends.
    pub fn call(&mut self, message: &str) -> String {
        self.send(message.as_bytes())
            .unwrap_or_else(|error| panic!("cannot send {message}: {error}"));
        match self.receive() {
            Ok(Some(reply)) => String::from_utf8_lossy(&reply).into_owned(),
            Ok(None) => panic!("the server ended the connection at {message}"),
            Err(error) => panic!("no answer to {message}: {error}"),
        }
    }
}

/// Cuts a stream into JSON objects and arrays.
#[derive(Debug, Default)]
struct Scanner {
    partial: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
    messages: VecDeque<Vec<u8>>,
}

impl Scanner {
    fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.partial.is_empty() && byte.is_ascii_whitespace() {
                continue;
            }
            self.partial.push(byte);
            if self.in_string {
                self.in_string = byte != b'"' || self.escaped;
                self.escaped = byte == b'\\' && !self.escaped;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 && matches!(byte, b'}' | b']') {
                self.messages.push_back(std::mem::take(&mut self.partial));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_at_its_outer_brackets_in_any_portions() {
        let stream = br#"{"a":"}\"{"} [1,[2]]{"b":{}}"#;
        for portion in 1..stream.len() {
            let mut scanner = Scanner::default();
            stream.chunks(portion).for_each(|bytes| scanner.feed(bytes));
            let messages: Vec<_> = scanner
                .messages
                .iter()
                .map(|message| String::from_utf8_lossy(message))
                .collect();
            assert_eq!(messages, [r#"{"a":"}\"{"}"#, "[1,[2]]", r#"{"b":{}}"#]);
        }
    }
}
