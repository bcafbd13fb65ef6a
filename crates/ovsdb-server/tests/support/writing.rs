//! A writer over a journal that the test has made, and what its only client is told.

use std::sync::Arc;

use ovsdb_engine::Database;
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;
use ovsdb_server::hub::Hub;
use ovsdb_server::journal::Journal;
use ovsdb_server::locks::Locks;
use ovsdb_server::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use ovsdb_server::queue::Queue;
use ovsdb_server::writer::{Event, Job, Status, Writer, WriterOptions};
use ovsdb_server::{Access, fresh_uuid};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{schema, without_uuids};

/// See the module's documentation. The database is `D`, and empty.
pub struct Writing {
    pub queue: Arc<Queue<Event>>,
    pub hub: Arc<Hub>,
    pub mailbox: Arc<Mailbox>,
    pub writer: Arc<Mutex<Writer>>,
    sent: u64,
}

impl Writing {
    pub fn new(journal: Box<dyn Journal>) -> Writing {
        let queue = Arc::new(Queue::new(1000));
        let database = Database::new(Arc::new(schema("D")));
        let hub = Arc::new(Hub::new(database, fresh_uuid()));
        let writer = Writer::new(
            queue.clone(),
            hub.clone(),
            Arc::new(Locks::default()),
            Arc::new(Status::default()),
            journal,
            WriterOptions { column_diff: true },
        );
        Writing {
            writer: writer.start().expect("a thread"),
            queue,
            hub,
            mailbox: Mailbox::new(SessionId::fresh()),
            sent: 0,
        }
    }

    /// A transaction, whose token is the next number, from 1 on.
    pub fn transaction(&mut self, operations: &str) -> Event {
        let json = json::parse(format!("[{operations}]").as_bytes()).expect("valid JSON");
        let schema = self.hub.version().database.schema().clone();
        self.sent += 1;
        Event::Transact(Box::new(Job {
            mailbox: self.mailbox.clone(),
            token: Token(self.sent),
            schema: schema.clone(),
            transact: parse_transact(&schema, json.as_array().expect("an array"), &mut fresh_uuid),
            received: Instant::now(),
            access: Access::FULL,
            bytes: operations.len(),
        }))
    }

    pub fn push(&self, event: Event) {
        self.queue.push(event).expect("the writer runs");
    }

    /// The next letters, as `TOKEN results`, `TOKEN parked` and `TOKEN canceled`.
    pub fn letters(&self, count: usize) -> Vec<String> {
        let mut shown = Vec::new();
        while shown.len() < count {
            for letter in self.mailbox.take() {
                shown.push(match letter {
                    Letter::Done(Token(token), Answer::Results(results)) => {
                        let text = String::from_utf8(results.to_bytes()).expect("JSON is text");
                        format!("{token} {}", without_uuids(&text))
                    }
                    Letter::Done(Token(token), Answer::Canceled) => format!("{token} canceled"),
                    Letter::Parked(Token(token)) => format!("{token} parked"),
                    other => panic!("unexpected {other:?}"),
                });
            }
            std::thread::yield_now();
        }
        shown
    }
}
