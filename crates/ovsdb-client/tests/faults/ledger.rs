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
    /// It happened, and nobody knows how often.
    OnceOrMore,
    /// Nobody knows anything.
    Nothing,
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

    /// The same where servers of a cluster do things again by themselves: those of the reference do so with a transaction that
    /// was under way when they lost the lead, whether it has been passed on or not.
    pub(crate) fn with_repetition(self) -> Told {
        match self {
            Told::Once => Told::OnceOrMore,
            Told::AtMostOnce => Told::Nothing,
            other => other,
        }
    }

    /// Whether it is known what became of it.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Told::AtMostOnce | Told::Nothing)
    }

    /// Whether so many times are what was told.
    pub(crate) fn allows(self, times: usize) -> bool {
        match self {
            Told::Once => times == 1,
            Told::Never => times == 0,
            Told::AtMostOnce => times <= 1,
            Told::OnceOrMore => times >= 1,
            Told::Nothing => true,
        }
    }
}

/// A counter as its owner sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    sure: i64,
    doubtful: i64,
    has_repetitions: bool,
}

impl Count {
    pub(crate) fn add(&mut self, told: Told) {
        match told {
            Told::Once => self.sure += 1,
            Told::AtMostOnce => self.doubtful += 1,
            Told::Never => {}
            Told::OnceOrMore => {
                self.sure += 1;
                self.has_repetitions = true;
            }
            Told::Nothing => self.has_repetitions = true,
        }
    }

    pub(crate) fn allows(self, n: i64) -> bool {
        n >= self.sure && (n <= self.sure + self.doubtful || self.has_repetitions)
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
