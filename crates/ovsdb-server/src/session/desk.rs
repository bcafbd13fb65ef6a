//! What a session leaves for the [`tellers`](crate::tellers) while it waits: its outbox, which is empty, and its monitors.
//!
//! Whatever else it does, it takes both back first, so that everything that its client is sent is in the order in which
//! it came to pass.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::mailbox::Mailbox;
use crate::tellers::{Desk as Told, Ticket};

use super::monitors::Monitors;
use super::outbox::Outbox;
use super::tell;

/// What it takes to tell a client something.
pub(super) struct Means {
    pub(super) out: Box<Outbox>,
    pub(super) monitors: Monitors,
}

/// See the module's documentation.
pub(super) struct Desk {
    mailbox: Arc<Mailbox>,
    state: Mutex<State>,
    ticket: Ticket,
}

enum State {
    /// The session is at work, and looks for news before it waits. Whether there has been any since it came.
    AtWork { has_news: bool },
    /// The session waits for its peer to take what it is owed; it wants to hear of news, but cannot tell it.
    Stuck,
    /// The session waits for something to happen.
    Left(Means),
}

impl Desk {
    pub(super) fn new(mailbox: &Arc<Mailbox>) -> Arc<Desk> {
        Arc::new(Desk {
            mailbox: mailbox.clone(),
            state: Mutex::new(State::AtWork { has_news: false }),
            ticket: Ticket::default(),
        })
    }

    /// The session begins to wait, and leaves what it can. If it comes back at once, there is news.
    pub(super) fn leave(&self, means: Option<Means>) -> Option<Means> {
        let mut state = self.state.lock();
        if let State::AtWork { has_news: true } = *state {
            self.mailbox.ring();
            return means;
        }
        *state = means.map_or(State::Stuck, State::Left);
        None
    }

    /// The session has something to do, and takes back what it left.
    pub(super) fn return_to(&self) -> Option<Means> {
        let before = std::mem::replace(&mut *self.state.lock(), State::AtWork { has_news: false });
        match before {
            State::Left(means) => Some(means),
            State::AtWork { .. } | State::Stuck => None,
        }
    }
}

impl Told for Desk {
    fn tell(&self) {
        let mut state = self.state.lock();
        match &mut *state {
            State::AtWork { has_news } => *has_news = true,
            State::Stuck => self.mailbox.ring(),
            State::Left(Means { out, monitors }) => {
                // A large piece of work would hold up others, and a session that wants its things back.
                if monitors.has_much_news() {
                    return self.mailbox.ring();
                }
                monitors.take_news(
                    |database| !database.is_internal(),
                    |id, protocol, news| tell(out, id, protocol, news),
                );
                out.try_send();
                if out.backlog() > 0 {
                    self.mailbox.ring();
                }
            }
        }
    }

    fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}
