//! What a run tells: counts, and a difference with the script that shows it.

use std::collections::BTreeMap;
use std::fmt;

use crate::explain::reason;

/// Two servers that did not do the same.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// What differs.
    pub(crate) what: String,
    /// At which stretch of the script.
    pub(crate) stretch: usize,
    /// What the reference did.
    pub(crate) left: String,
    /// What ours did.
    pub(crate) right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            what, left, right, ..
        } = self;
        write!(f, "{what}\n  left:\n{left}\n  right:\n{right}")
    }
}

/// Counts of what a run met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Scripts played to their end.
    pub(crate) sessions: usize,
    /// Steps done.
    pub(crate) steps: usize,
    /// Messages compared.
    pub(crate) messages: usize,
    /// Steps by method.
    pub(crate) methods: BTreeMap<&'static str, usize>,
    /// Replies and notifications received, by method; failed ones of each.
    pub(crate) received: BTreeMap<String, usize>,
    /// Replicas that were compared after bursts.
    pub(crate) replicas: usize,
    /// How often each rule explained a difference.
    pub(crate) explained: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions, {} steps, {} messages, {} replicas",
            self.sessions, self.steps, self.messages, self.replicas
        )?;
        for (method, count) in &self.methods {
            writeln!(f, "  {count:7} sent      {method}")?;
        }
        for (kind, count) in &self.received {
            writeln!(f, "  {count:7} received  {kind}")?;
        }
        writeln!(f, "explained differences:")?;
        for (rule, count) in &self.explained {
            writeln!(f, "  {count:7} {rule}: {}", reason(rule))?;
        }
        Ok(())
    }
}
