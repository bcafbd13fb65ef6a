//! The transactions of one session that are not answered yet, by their tokens and by their request ids.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ovsdb_proto::json::Json;

use crate::database::Served;
use crate::limits;
use crate::mailbox::Token;

/// A transaction that is not answered yet.
pub(super) struct Open {
    pub(super) id: Json,
    /// `None`: it is a call to the program's service.
    pub(super) database: Option<Arc<Served>>,
    parked: bool,
    /// The size of the request.
    bytes: usize,
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
    open: HashMap<Token, Open, RandomState>,
    by_id: HashMap<Id, Token, RandomState>,
    parked: Sum,
    in_flight: Sum,
    last: u64,
}

/// A request id, to be compared with others.
#[derive(Eq, Hash, PartialEq)]
enum Id {
    /// What most clients send.
    Number(i64),
    /// Anything else, as text.
    Other(Vec<u8>),
}

impl Id {
    fn of(json: &Json) -> Id {
        match json {
            Json::Integer(number) => Id::Number(*number),
            other => Id::Other(other.to_bytes()),
        }
    }
}

/// A number of transactions and the size of their requests.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }
}

impl Transactions {
    /// How many transactions the writers work on: those that later requests must wait for.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.count
    }

    /// The size of the requests of all.
    pub(super) fn bytes(&self) -> usize {
        self.in_flight.bytes + self.parked.bytes
    }

    /// Whether the writers have enough of this session to work on.
    pub(super) fn is_flight_full(&self) -> bool {
        self.in_flight.count >= limits::SESSION_IN_FLIGHT_MAX
            || self.in_flight.bytes >= limits::SESSION_IN_FLIGHT_BYTES_MAX
    }

    /// Whether more transactions are held back than may be.
    pub(super) fn is_parking_full(&self) -> bool {
        self.parked.count > limits::SESSION_PARKED_MAX
            || self.parked.bytes > limits::SESSION_PARKED_BYTES_MAX
    }

    pub(super) fn id_use(&self, id: &Json) -> IdUse {
        if self.open.is_empty() {
            return IdUse::Free;
        }
        match self.by_id.get(&Id::of(id)) {
            None => IdUse::Free,
            Some(token) if self.open.get(token).is_some_and(|open| open.parked) => {
                IdUse::Parked(*token)
            }
            Some(_) => IdUse::InFlight,
        }
    }

    /// The call to the program's service that has this request id, if it is one.
    pub(super) fn call(&self, id: &Json) -> Option<Token> {
        let token = self.by_id.get(&Id::of(id))?;
        self.open.get(token)?.database.is_none().then_some(*token)
    }

    /// Opens a transaction whose id is free.
    pub(super) fn open(&mut self, id: Json, database: Option<Arc<Served>>, bytes: usize) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.by_id.insert(Id::of(&id), token);
        self.in_flight.add(bytes);
        self.open.insert(
            token,
            Open {
                id,
                database,
                parked: false,
                bytes,
            },
        );
        token
    }

    /// Records that a transaction that was held back will be answered without further waiting.
    pub(super) fn resume(&mut self, token: Token) -> Option<&Open> {
        let open = self.open.get_mut(&token)?;
        if std::mem::replace(&mut open.parked, false) {
            self.parked.take(open.bytes);
            self.in_flight.add(open.bytes);
        }
        Some(open)
    }

    /// Records that a transaction is held back.
    pub(super) fn park(&mut self, token: Token) {
        if let Some(open) = self.open.get_mut(&token)
            && !std::mem::replace(&mut open.parked, true)
        {
            self.in_flight.take(open.bytes);
            self.parked.add(open.bytes);
        }
    }

    /// Closes a transaction.
    pub(super) fn close(&mut self, token: Token) -> Option<Open> {
        let open = self.open.remove(&token)?;
        let sum = if open.parked {
            &mut self.parked
        } else {
            &mut self.in_flight
        };
        sum.take(open.bytes);
        self.by_id.remove(&Id::of(&open.id));
        Some(open)
    }
}
