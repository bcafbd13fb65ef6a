//! What others have for a session: replies from the writers, lock notifications, orders to close.
//!
//! Anybody may deliver from any thread; only the session's task takes. Updates of monitors do not come this
//! way (see [`feed`](crate::feed)), but they ring the same bell.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ovsdb_engine::Results;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::Json;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits;
use crate::notice::Notice;

/// Names a session for as long as the process lives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(u64);

impl SessionId {
    /// An id that no session had before.
    pub fn fresh() -> SessionId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        SessionId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Names a served database for as long as the process lives: another one of the same name has another id, and so has the
/// same one under another schema.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DatabaseId(u64);

impl DatabaseId {
    /// An id that no database had before.
    pub fn fresh() -> DatabaseId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        DatabaseId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Names a transaction within its session.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token(pub u64);

/// How a transaction ended, as its `transact` request is to be answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The array of results (RFC 7047, section 4.1.3), errors of operations among them.
    Results(Results),
    /// It was canceled before it could complete (section 4.1.4).
    Canceled,
    /// It was canceled, and its client is disconnected instead of being told so.
    Untold,
    /// Its session has too many transactions waiting.
    Exhausted,
    /// It was no transaction, but a call to the program's service: the text of the result, or the error.
    Served(Arc<Result<Vec<u8>, Json>>),
    /// It was no transaction, but a conversion: the database has its new schema, or why not.
    Converted(Result<(), OvsdbError>),
}

/// One thing that a session is told.
#[derive(Clone, Debug)]
pub enum Letter {
    /// A transaction is complete; the changes up to it have reached the feeds.
    Done(Token, Answer),
    /// A transaction is held back by a `wait`; later requests need not wait for it.
    Parked(Token),
    /// The session now owns this lock, for which it had waited.
    Locked(String),
    /// The session no longer owns this lock.
    Stolen(String),
    /// The program tells the client something.
    Notice(Arc<Notice>),
    /// A database goes away, or another schema comes in its place: its monitors end.
    DatabaseRemoved(DatabaseId),
    /// The connection is to be closed once everything before this has been sent. The text says why, for the log.
    Goodbye(String),
    /// The peer is to be probed after this many milliseconds of silence; 0 for never.
    ProbeInterval(u64),
}

#[derive(Debug, Default)]
struct Inbox {
    letters: VecDeque<Letter>,
    /// The connection is to be closed, whatever else there is. The text says why, for the log.
    close: Option<Option<String>>,
}

/// A session's mailbox. See the module's documentation.
#[derive(Debug)]
pub struct Mailbox {
    id: SessionId,
    inbox: Mutex<Inbox>,
    bell: Notify,
    abandoned: AtomicBool,
    /// A writer has held back a transaction of the session, or is about to.
    has_parked: AtomicBool,
    db_change_aware: AtomicBool,
}

impl Mailbox {
    /// An empty mailbox for one session.
    pub fn new(id: SessionId) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            id,
            inbox: Mutex::default(),
            bell: Notify::new(),
            abandoned: AtomicBool::new(false),
            has_parked: AtomicBool::new(false),
            db_change_aware: AtomicBool::new(false),
        })
    }

    /// Whose mailbox this is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Leaves a letter and rings. Beyond [`limits::MAILBOX_LETTERS_MAX`] the session is told to close instead.
    pub fn deliver(&self, letter: Letter) {
        self.deliver_all([letter]);
    }

    /// Leaves letters and rings once.
    pub fn deliver_all(&self, letters: impl IntoIterator<Item = Letter>) {
        let mut inbox = self.inbox.lock();
        for letter in letters {
            if inbox.letters.len() < limits::MAILBOX_LETTERS_MAX {
                inbox.letters.push_back(letter);
            } else {
                let comment = || Some(String::from("too many unread notifications"));
                inbox.close.get_or_insert_with(comment);
            }
        }
        drop(inbox);
        self.bell.notify_one();
    }

    /// Has the session close its connection at once, and rings. `comment` says why, for the log.
    pub fn close(&self, comment: Option<String>) {
        self.inbox.lock().close.get_or_insert(comment);
        self.bell.notify_one();
    }

    /// Rings without a letter: a feed has something new.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Takes all letters, oldest first.
    pub fn take(&self) -> VecDeque<Letter> {
        std::mem::take(&mut self.inbox.lock().letters)
    }

    /// Takes the order to close, if there is one, with its comment.
    pub fn take_close(&self) -> Option<Option<String>> {
        self.inbox.lock().close.take()
    }

    /// Returns when the bell has rung since the last call.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Returns once the session has been told to end. Takes no letter: one that began after all would find them.
    pub async fn dismissed(&self) {
        loop {
            {
                let inbox = self.inbox.lock();
                let is_goodbye = |letter: &Letter| matches!(letter, Letter::Goodbye(_));
                if inbox.close.is_some() || inbox.letters.iter().any(is_goodbye) {
                    return;
                }
            }
            self.rung().await;
        }
    }

    /// Takes note of all rings so far. Who calls this looks at everything afterwards.
    pub fn hush(&self) {
        pin!(self.bell.notified()).enable();
    }

    /// Records that the session has ended. Says whether a writer may hold transactions of it back.
    pub fn abandon(&self) -> bool {
        self.abandoned.store(true, Ordering::SeqCst);
        self.has_parked.load(Ordering::SeqCst)
    }

    /// Records that a writer is about to hold back a transaction of the session. False if the session has ended, so that
    /// nobody would ever take it out.
    pub fn note_parked(&self) -> bool {
        // In this order, and the reverse one when a session ends: one of the two sees the other.
        self.has_parked.store(true, Ordering::SeqCst);
        !self.abandoned.load(Ordering::SeqCst)
    }

    /// Whether the client looks after changes of the set of databases itself (`set_db_change_aware`), so that
    /// the server need not disconnect it to make it notice.
    pub fn is_db_change_aware(&self) -> bool {
        self.db_change_aware.load(Ordering::Relaxed)
    }

    /// Records what the client said of itself.
    pub fn set_db_change_aware(&self, aware: bool) {
        self.db_change_aware.store(aware, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lets_too_many_letters_pile_up_is_told_to_close() {
        let mailbox = Mailbox::new(SessionId::fresh());
        for _ in 0..limits::MAILBOX_LETTERS_MAX {
            mailbox.deliver(Letter::Stolen(String::from("x")));
        }
        assert_eq!(mailbox.take_close(), None);
        mailbox.deliver(Letter::Stolen(String::from("x")));
        let comment = String::from("too many unread notifications");
        assert_eq!(mailbox.take_close(), Some(Some(comment)));
        assert_eq!(mailbox.take().len(), limits::MAILBOX_LETTERS_MAX);
    }
}
