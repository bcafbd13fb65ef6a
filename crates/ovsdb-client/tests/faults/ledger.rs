//! What a client was told of what it did, against which the database is held in the end.

use std::collections::BTreeMap;

use ovsdb_client::txn::{CommitError, Committed, UpdateError};

/// What is known of something that a client did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    /// It happened, and not more than once.
    Once,
    /// It did not happen, and will not.
    Never,
    /// Nobody knows whether it happened. It did not happen twice.
    AtMostOnce,
}

impl Told {
    /// What the end of an attempt tells.
    pub(crate) fn of<T, E>(result: &Result<(T, Committed), UpdateError<E>>) -> Told {
        match result {
            Ok(_) => Told::Once,
            Err(UpdateError::Change(_)) => Told::Never,
            Err(UpdateError::Commit(
                CommitError::Invalid(_) | CommitError::Refused(_) | CommitError::NotSent,
            )) => Told::Never,
            Err(_) => Told::AtMostOnce,
        }
    }

    /// Whether so many times are what was told.
    pub(crate) fn allows(self, times: usize) -> bool {
        match self {
            Told::Once => times == 1,
            Told::Never => times == 0,
            Told::AtMostOnce => times <= 1,
        }
    }
}

/// A counter as its owner sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) sure: i64,
    pub(crate) doubtful: i64,
}

impl Count {
    pub(crate) fn add(&mut self, told: Told) {
        match told {
            Told::Once => self.sure += 1,
            Told::AtMostOnce => self.doubtful += 1,
            Told::Never => {}
        }
    }

    pub(crate) fn allows(self, n: i64) -> bool {
        (self.sure..=self.sure + self.doubtful).contains(&n)
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Rows by their names.
    pub(crate) items: BTreeMap<String, Told>,
    /// Its counter that only transactions with a marker raise.
    pub(crate) marked: Count,
    /// Its counter that only transactions without one raise.
    pub(crate) plain: Count,
    /// How often a marker told that a transaction had happened before.
    pub(crate) repeated: usize,
    /// How often something did not come to an end that is known.
    pub(crate) unknown: usize,
}
