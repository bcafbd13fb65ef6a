//! The transactions of one session that are not answered yet, by their tokens and by their request ids.

use std::collections::HashMap;
use std::sync::Arc;

use ovsdb_proto::json::Json;

use crate::database::Served;
use crate::mailbox::Token;

/// A transaction that is not answered yet.
pub(super) struct Open {
    pub(super) id: Json,
    pub(super) database: Arc<Served>,
    parked: bool,
}

/// How far a request id is in use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IdUse {
    Free,
    /// A writer works on the transaction.
    InFlight,
    /// The transaction is held back by a `wait`.
    Parked(Token),
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Transactions {
    open: HashMap<Token, Open>,
    by_id: HashMap<Vec<u8>, Token>,
    parked: usize,
    last: u64,
}

impl Transactions {
    /// How many transactions the writers work on: those that later requests must wait for.
    pub(super) fn in_flight(&self) -> usize {
        self.open.len() - self.parked
    }

    /// How many transactions are held back.
    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    pub(super) fn id_use(&self, id: &Json) -> IdUse {
        if self.open.is_empty() {
            return IdUse::Free;
        }
        match self.by_id.get(&id.to_bytes()) {
            None => IdUse::Free,
            Some(token) if self.open.get(token).is_some_and(|open| open.parked) => {
                IdUse::Parked(*token)
            }
            Some(_) => IdUse::InFlight,
        }
    }

    /// Opens a transaction whose id is free.
    pub(super) fn open(&mut self, id: Json, database: Arc<Served>) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.by_id.insert(id.to_bytes(), token);
        self.open.insert(
            token,
            Open {
                id,
                database,
                parked: false,
            },
        );
        token
    }

    /// Records that a transaction that was held back will be answered without further waiting.
    pub(super) fn resume(&mut self, token: Token) -> Option<&Open> {
        let open = self.open.get_mut(&token)?;
        if std::mem::replace(&mut open.parked, false) {
            self.parked -= 1;
        }
        Some(open)
    }

    /// Records that a transaction is held back.
    pub(super) fn park(&mut self, token: Token) {
        if let Some(open) = self.open.get_mut(&token)
            && !std::mem::replace(&mut open.parked, true)
        {
            self.parked += 1;
        }
    }

    /// Closes a transaction.
    pub(super) fn close(&mut self, token: Token) -> Option<Open> {
        let open = self.open.remove(&token)?;
        self.parked -= usize::from(open.parked);
        self.by_id.remove(&open.id.to_bytes());
        Some(open)
    }
}
