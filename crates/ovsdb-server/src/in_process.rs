//! Transactions that come from within the process: of the server itself, and of the program around it.
//!
//! They take the way of all transactions, through the queue of the database to its writer, with all rights.

use std::sync::Arc;

use ovsdb_proto::operation::Transact;
use tokio::time::Instant;

use crate::access::Access;
use crate::database::Served;
use crate::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use crate::writer::Job;

/// Somebody who asks for one transaction and is gone after it.
struct Guest<'a> {
    database: &'a Served,
    mailbox: Arc<Mailbox>,
}

impl Drop for Guest<'_> {
    /// Nobody would ever take out a transaction that a `wait` holds back.
    fn drop(&mut self) {
        let has_parked = self.mailbox.abandon();
        self.database.disconnected(self.mailbox.id(), has_parked);
    }
}

/// Has a transaction executed that was parsed against the schema of `database`, and waits for what comes of it. A database
/// that is closed cancels it. Who drops the future takes back what a `wait` holds back; all else goes on.
pub(crate) async fn transact(database: &Served, transact: Transact) -> Answer {
    let guest = Guest {
        database,
        mailbox: Mailbox::new(SessionId::fresh()),
    };
    let job = Job {
        mailbox: guest.mailbox.clone(),
        token: Token(0),
        schema: database.schema().clone(),
        transact,
        received: Instant::now(),
        access: Access::FULL,
        bytes: 0,
    };
    if database.submit(job).await.is_err() {
        return Answer::Canceled;
    }
    loop {
        let mut letters = guest.mailbox.take().into_iter();
        let answer = letters.find_map(|letter| match letter {
            Letter::Done(_, answer) => Some(answer),
            _ => None,
        });
        match answer {
            Some(answer) => return answer,
            None => guest.mailbox.rung().await,
        }
    }
}
