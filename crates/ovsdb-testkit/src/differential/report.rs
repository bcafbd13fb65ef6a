//! What a comparison comes to: a difference, or counts of what was equal.

use std::collections::BTreeMap;
use std::fmt;

use super::rules;

/// An unexplained difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What differs, in words.
    pub what: String,
    /// The position of the transaction among those sent together.
    pub transaction: Option<usize>,
    /// The left server's text.
    pub left: String,
    /// The right server's text.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n  left:  {}\n  right: {}",
            self.what, self.left, self.right
        )
    }
}

/// How a comparison ended that found no unexplained difference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Course {
    /// Both databases are the same.
    Same,
    /// The databases are different for a reason that is known; this pair can no longer be compared.
    Spoilt,
}

/// Counts of what a run met.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Operations compared.
    pub operations: usize,
    /// Transactions compared.
    pub transactions: usize,
    /// Transactions by the error that ended them; `committed` for those that succeeded.
    pub outcomes: BTreeMap<String, usize>,
    /// Updates of monitors compared.
    pub updates: usize,
    /// How often each rule explained a difference.
    pub explained: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operations, transactions) = (self.operations, self.transactions);
        writeln!(
            f,
            "{operations} operations in {transactions} transactions, {} updates",
            self.updates
        )?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {count:6} {outcome}")?;
        }
        writeln!(f, "explained differences:")?;
        for (rule, count) in &self.explained {
            writeln!(f, "  {count:6} {rule}: {}", rules::reason(rule))?;
        }
        Ok(())
    }
}
