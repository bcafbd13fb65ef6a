//! A client that watches some tables, keeps what it is told as it arrived, and afterwards makes rows of it: the proof that
//! a server told everything, once, and in order.
//!
//! While time is measured it only reads. It watches by `monitor_cond_since`, and knows sets and scalars, not maps.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::thread::JoinHandle;
use std::time::Instant;

use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Message, write_request};

use crate::client::{ClientError, answer_to_echo, is_echo};
use crate::cutter::Messages;
use crate::socket::Socket;
use crate::watching::Protocol;
use crate::workload::WorkloadError;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// A client that watches, up to the moment when it is told something that it waits for.
pub(crate) struct Recorder {
    thread: JoinHandle<Result<Recording, ClientError>>,
}

/// What it was told.
struct Recording {
    /// The reply with the initial contents, and updates.
    messages: Vec<Vec<u8>>,
    /// When the last of them had arrived.
    end: Instant,
}

/// The rows that a client knows.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Replica {
    rows: BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>>,
    /// Columns of which a difference says which elements came and went; of all others it is the new value.
    sets: BTreeSet<String>,
}

impl Recorder {
    /// Watches `tables`, and returns when the initial contents are there. What comes then is kept until a message holds
    /// `last`.
    pub(crate) fn start(
        method: &str,
        tables: &[&str],
        last: String,
    ) -> Result<Recorder, ClientError> {
        let mut reader = Reader::connect(method, tables)?;
        let thread = std::thread::spawn(move || {
            let last = memchr::memmem::Finder::new(last.as_bytes());
            let mut looked_at = 1;
            reader.read_until(|messages| {
                let news = &messages[looked_at..];
                looked_at = messages.len();
                news.iter().any(|message| last.find(message).is_some())
            })?;
            Ok(Recording {
                end: Instant::now(),
                messages: reader.messages,
            })
        });
        Ok(Recorder { thread })
    }

    /// Waits for the end. Says when that was, and what the client knows then; differences of `sets` are of elements.
    pub(crate) fn end(self, sets: &[&str]) -> Result<(Instant, Replica), WorkloadError> {
        let recording = self.thread.join().map_err(|_| WorkloadError::Thread)??;
        Ok((recording.end, Replica::of(&recording.messages, sets)?))
    }
}

struct Reader {
    socket: Socket,
    cut: Messages,
    messages: Vec<Vec<u8>>,
    chunk: Vec<u8>,
}

impl Reader {
    /// A client that has received the initial contents of `tables`, and nothing else yet.
    fn connect(method: &str, tables: &[&str]) -> Result<Reader, ClientError> {
        let mut socket = Socket::connect(method)?;
        let tables: Vec<String> = tables
            .iter()
            .map(|name| format!("\"{name}\":{{}}"))
            .collect();
        let params = Protocol::Since.params(&format!("{{{}}}", tables.join(",")));
        let mut request = Vec::new();
        let id = Json::Integer(0);
        write_request(
            Protocol::Since.method(),
            params.as_bytes(),
            &id,
            &mut request,
        );
        socket.write_all(&request)?;
        let mut reader = Reader {
            socket,
            cut: Messages::default(),
            messages: Vec::new(),
            chunk: vec![b' '; READ_BYTES],
        };
        reader.read_until(|messages| !messages.is_empty())?;
        Ok(reader)
    }

    fn read_until(
        &mut self,
        mut is_enough: impl FnMut(&[Vec<u8>]) -> bool,
    ) -> Result<(), ClientError> {
        while !is_enough(&self.messages) {
            let n = match self.socket.read(&mut self.chunk)? {
                0 => return Err(ClientError::EndOfFile),
                n => n,
            };
            let (messages, socket) = (&mut self.messages, &mut self.socket);
            self.cut.take(&self.chunk[..n], |message| {
                if is_echo(message) {
                    socket.write_all(&answer_to_echo(message)?)?;
                } else {
                    messages.push(message.to_vec());
                }
                Ok::<_, ClientError>(())
            })?;
        }
        Ok(())
    }
}

fn strange(json: &Json) -> WorkloadError {
    let mut text = json.to_string();
    text.truncate(text.floor_char_boundary(1000));
    WorkloadError::Replica(text)
}

fn part(json: &Json, at: usize) -> Result<&Json, WorkloadError> {
    let parts = json.as_array();
    parts
        .and_then(|parts| parts.get(at))
        .ok_or_else(|| strange(json))
}

/// The elements of a value, each as the text of its JSON.
fn elements(value: &Json) -> BTreeSet<String> {
    match value.as_array() {
        Some([Json::String(word), Json::Array(elements)]) if word == "set" => {
            elements.iter().map(Json::to_string).collect()
        }
        _ => BTreeSet::from([value.to_string()]),
    }
}

impl Replica {
    /// What is in `tables` now; differences of `sets` would be of elements.
    pub(crate) fn fetch(
        method: &str,
        tables: &[&str],
        sets: &[&str],
    ) -> Result<Replica, WorkloadError> {
        Replica::of(&Reader::connect(method, tables)?.messages, sets)
    }

    fn of(messages: &[Vec<u8>], sets: &[&str]) -> Result<Replica, WorkloadError> {
        let mut replica = Replica {
            rows: BTreeMap::new(),
            sets: sets.iter().map(|&name| name.to_owned()).collect(),
        };
        for message in messages {
            let updates = match Message::parse(message).map_err(ClientError::from)? {
                Message::Reply { result, .. } => part(&result, 2)?.clone(),
                Message::Notification { params, .. } => part(&Json::Array(params), 2)?.clone(),
                other => return Err(WorkloadError::Replica(other.to_string())),
            };
            replica.apply(&updates)?;
        }
        Ok(replica)
    }

    /// How many rows of `table` there are.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.rows.keys().filter(|(of, _)| of == table).count()
    }

    /// How many elements the column called `column` has in all rows.
    pub(crate) fn elements(&self, column: &str) -> usize {
        let columns = self.rows.values().filter_map(|row| row.get(column));
        columns.map(BTreeSet::len).sum()
    }

    /// This must be what `other` knows.
    ///
    /// # Errors
    /// [`WorkloadError::Replica`] with a row in which they differ.
    pub(crate) fn expect(&self, other: &Replica) -> Result<(), WorkloadError> {
        let keys: BTreeSet<_> = self.rows.keys().chain(other.rows.keys()).collect();
        match keys
            .into_iter()
            .find(|key| self.rows.get(key) != other.rows.get(key))
        {
            None => Ok(()),
            Some((table, row)) => Err(WorkloadError::Replica(format!("{table} row {row}"))),
        }
    }

    /// Applies a `<table-updates2>`, every part of which must fit.
    fn apply(&mut self, updates: &Json) -> Result<(), WorkloadError> {
        let tables = updates.as_object().ok_or_else(|| strange(updates))?;
        for (table, rows) in tables {
            for (uuid, update) in rows.as_object().ok_or_else(|| strange(rows))? {
                let key = (table.to_string(), uuid.to_string());
                let update = update.as_object().ok_or_else(|| strange(update))?;
                for (kind, columns) in update {
                    let fits = match (kind.as_str(), columns.as_object()) {
                        ("initial" | "insert", Some(columns)) => {
                            let columns = columns.iter();
                            let columns =
                                columns.map(|(name, value)| (name.to_string(), elements(value)));
                            self.rows.insert(key.clone(), columns.collect()).is_none()
                        }
                        ("modify", Some(columns)) => match self.rows.get_mut(&key) {
                            None => false,
                            Some(row) => {
                                for (name, value) in columns {
                                    let old = row.entry(name.to_string()).or_default();
                                    if !self.sets.contains(name.as_str()) {
                                        *old = elements(value);
                                        continue;
                                    }
                                    for element in elements(value) {
                                        if !old.remove(&element) {
                                            old.insert(element);
                                        }
                                    }
                                }
                                row.retain(|_, elements| !elements.is_empty());
                                true
                            }
                        },
                        ("delete", _) => self.rows.remove(&key).is_some(),
                        _ => false,
                    };
                    if !fits {
                        return Err(WorkloadError::Replica(format!(
                            "{kind} of {} {}",
                            key.0, key.1
                        )));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ovsdb_proto::json;

    fn replica(updates: &[&str]) -> Result<Replica, WorkloadError> {
        let mut replica = Replica {
            sets: BTreeSet::from(["set".to_owned()]),
            ..Replica::default()
        };
        for text in updates {
            replica.apply(&json::parse(text.as_bytes()).unwrap())?;
        }
        Ok(replica)
    }

    const INSERT: &str = r#"{"T":{"a":{"insert":{"set":["set",["x","y"]],"number":1}}}}"#;
    const MODIFY: &str = r#"{"T":{"a":{"modify":{"set":["set",["y","z"]],"number":2}}}}"#;
    const DELETE: &str = r#"{"T":{"a":{"delete":null}}}"#;

    #[test]
    fn updates_lead_to_rows() {
        let modified = replica(&[INSERT, MODIFY]).unwrap();
        let initial = r#"{"T":{"a":{"initial":{"set":["set",["z","x"]],"number":2}}}}"#;
        modified.expect(&replica(&[initial]).unwrap()).unwrap();
        assert_eq!((modified.count("T"), modified.elements("set")), (1, 2));
        assert!(modified.expect(&replica(&[INSERT]).unwrap()).is_err());
        let emptied = replica(&[
            INSERT,
            r#"{"T":{"a":{"modify":{"set":["set",["x","y"]]}}}}"#,
        ]);
        assert_eq!(emptied.unwrap().elements("set"), 0);
        assert_eq!(replica(&[INSERT, DELETE]).unwrap().count("T"), 0);
    }

    #[test]
    fn what_comes_twice_or_not_at_all_is_noticed() {
        for updates in [
            &[INSERT, INSERT][..],
            &[MODIFY],
            &[INSERT, DELETE, DELETE],
            &[r#"{"T":{"a":{"renamed":{}}}}"#],
        ] {
            assert!(replica(updates).is_err(), "{updates:?}");
        }
    }
}
