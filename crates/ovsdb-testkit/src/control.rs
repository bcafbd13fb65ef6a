//! A control socket from outside: commands in, answers out, as they come over the wire.
//!
//! For tests of daemons, which do not know the library's control client.

use std::io;
use std::path::Path;

use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;

use crate::client::RawClient;

/// A connection to a control socket.
#[derive(Debug)]
pub struct Control {
    client: RawClient,
    next_id: i64,
}

impl Control {
    /// Connects to the socket at `path`.
    ///
    /// # Panics
    /// If nothing listens there.
    pub fn connect(path: &Path) -> Control {
        Control {
            client: RawClient::connect(path),
            next_id: 0,
        }
    }

    /// Calls a command. `Ok` is the daemon's result, `Err` its error.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn call(&mut self, command: &str, args: &[&str]) -> Result<Json, Json> {
        self.send(command, args)
            .unwrap_or_else(|error| panic!("cannot send {command}: {error}"));
        let answer = match self.client.receive() {
            Ok(Some(answer)) => answer,
            other => panic!("no answer to {command}: {other:?}"),
        };
        match Message::parse(&answer) {
            Ok(Message::Reply { result, .. }) => Ok(result),
            Ok(Message::Error { error, .. }) => Err(error),
            other => panic!("{command} is answered with {other:?}"),
        }
    }

    /// Gives a command and awaits no answer.
    ///
    /// # Errors
    /// If the daemon has gone.
    pub fn send(&mut self, command: &str, args: &[&str]) -> io::Result<()> {
        let params = args.iter().map(|arg| Json::string(*arg)).collect();
        let request = Message::request(command, params, Json::Integer(self.next_id));
        self.next_id += 1;
        self.client.send(&request.to_bytes())
    }

    /// Calls a command that answers with text.
    ///
    /// # Panics
    /// If there is no answer, or none in text.
    pub fn text(&mut self, command: &str, args: &[&str]) -> Result<String, String> {
        let text = |json: Json| match json {
            Json::String(text) => text.to_string(),
            other => panic!("{command} is answered with {other}"),
        };
        self.call(command, args).map(text).map_err(text)
    }
}
