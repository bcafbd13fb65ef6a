//! What a session leaves for the [`tellers`](crate::tellers) while it waits: its outbox, which is empty, and its monitors.
//!
//! Whatever else it does, it takes both back first, so that everything that its client is sent is in the order in which
//! it came to pass.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::Mailbox;
use crate::tellers::{Desk as Told, Ticket};

use super::joined::Joined;
use super::monitors::Monitors;
use super::outbox::Outbox;

/// What it takes to tell a client something.
pub(super) struct Means {
    pub(super) out: Box<Outbox>,
    pub(super) monitors: Monitors,
}

/// See the module's documentation.
pub(super) struct Desk {
    mailbox: Arc<Mailbox>,
    /// `None` while the session is at work, or waits for its peer to take what it is owed.
    means: Mutex<Option<Means>>,
    ticket: Ticket,
}

impl Desk {
    pub(super) fn new(mailbox: &Arc<Mailbox>) -> Arc<Desk> {
        Arc::new(Desk {
            mailbox: mailbox.clone(),
            means: Mutex::default(),
            ticket: Ticket::default(),
        })
    }

    /// The session is about to look for news for the last time before it leaves.
    pub(super) fn look(&self) {
        self.ticket.work();
    }

    /// The session begins to wait, and leaves what others can tell its client with. If there is news already, it is rung.
    pub(super) fn leave(&self, means: Option<Means>) {
        *self.means.lock() = means;
        if !self.ticket.leave() {
            self.mailbox.ring();
        }
    }

    /// The session has something to do, and takes back what it left.
    pub(super) fn return_to(&self) -> Option<Means> {
        self.ticket.work();
        self.means.lock().take()
    }
}

impl Told for Desk {
    fn tell(&self, joined: &mut Joined) {
        let mut means = self.means.lock();
        let is_told = means.as_mut().is_some_and(|Means { out, monitors }| {
            // A large piece of work would hold up others, and a session that wants its things back.
            !monitors.has_much_news() && {
                monitors.tell_joined(joined, out);
                out.try_send();
                out.backlog() == 0
            }
        });
        if !is_told {
            self.mailbox.ring();
        }
    }

    fn give_up(&self) {
        // Of what it was to be sent, a part may be missing.
        let comment = "what is new could not be told";
        self.mailbox.close(Some(String::from(comment)));
    }

    fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}
