//! How a session waits, away from its desk.
//!
//! Nothing that comes is handled here.

use std::io;
use std::sync::Arc;

use ovsdb_net::Reconnect;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::desk::Means;
use super::link::Progress;
use super::{Outgoing, Session};
use crate::database::Served;
use crate::indexing::Mark;
use crate::lane;
use crate::queue::Closed;

/// What a session has waited for.
pub(super) enum Ready {
    /// The peer has sent or taken something.
    Progress(io::Result<Progress>),
    /// A transaction has found room in its writer's queue.
    Taken(Result<(), Closed>),
    /// There is a letter or news, or the time has come.
    Other,
}

impl Session {
    /// Waits until there is something to do. `listens`: the peer's silence counts from `now_ms` at the latest.
    pub(super) async fn wait(
        &mut self,
        reconnect: &Mutex<Reconnect>,
        now_ms: u64,
        listens: bool,
    ) -> Ready {
        let probe = reconnect
            .lock()
            .deadline_ms(now_ms)
            .filter(|_| listens)
            .map(|at_ms| self.server.instant_of(at_ms));
        let echo = self.held.overdue_at().filter(|_| self.has_room());
        let deadlines = [probe, echo, self.lingers_until];
        let deadline = deadlines.into_iter().flatten().min();
        let first = self.held.front();
        let indexing = first.and_then(|message| self.indexing_for(message));
        // Threads outside look, who are not those whom its input wakes.
        let may_watch =
            !lane::is_here() && self.is_done() && self.may_receive() && !self.link.is_at_end();
        let watch = match may_watch {
            true => self.patience.watch(|| self.link.glance()),
            false => None,
        };
        self.leave_desk();
        // Whoever was ready first, everything is looked at anyway.
        let ready = tokio::select! {
            biased;
            progress = self.link.progress(self.may_receive()) => Ready::Progress(progress),
            () = self.mailbox.rung() => Ready::Other,
            taken = Outgoing::taken(&mut self.outgoing) => Ready::Taken(taken),
            () = indexed(indexing) => Ready::Other,
            () = sleep_until(deadline) => Ready::Other,
        };
        self.return_to_desk();
        if let Some(watch) = watch {
            self.patience.note(&watch);
        }
        ready
    }

    /// Before the task waits: whoever has something to tell the client need not wake it.
    fn leave_desk(&mut self) {
        self.desk.look();
        let is_free = self.link.is_free();
        self.monitors.stand(!is_free);
        let (has_news, means) = if is_free {
            (self.monitors.has_news(), self.link.lend_out())
        } else {
            (self.monitors.is_news_long(), None)
        };
        if has_news {
            self.mailbox.ring();
        }
        let means = means.map(|out| Means {
            out,
            monitors: std::mem::take(&mut self.monitors),
        });
        self.desk.leave(means);
    }

    /// Before the task does anything.
    pub(super) fn return_to_desk(&mut self) {
        if let Some(Means { out, monitors }) = self.desk.return_to() {
            self.link.give_back(out);
            self.monitors = monitors;
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits until some have made indexes of a database; without one, for ever.
async fn indexed(indexing: Option<(Arc<Served>, Mark)>) {
    match indexing {
        Some((database, mark)) => database.hub().indexing().over(mark).await,
        None => std::future::pending().await,
    }
}
