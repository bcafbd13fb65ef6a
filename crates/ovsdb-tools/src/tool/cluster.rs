//! The commands for clustered databases, and their options: known, and refused by name, since there are no such databases
//! here. What is wrong with them for other reasons is told as by the reference.

use std::ops::RangeInclusive;
use std::path::Path;

use ovsdb_log::{CLUSTERED_MAGIC, LockPolicy, Log, OpenMode};
use ovsdb_proto::uuid::Uuid;

use super::{Answer, Call, ToolError, db};

/// The commands that are refused.
#[cfg(test)]
pub(super) const REFUSED: [&str; 7] = [
    "create-cluster",
    "join-cluster",
    "db-cid",
    "db-sid",
    "db-local-address",
    "check-cluster",
    "cluster-to-standalone",
];

/// What `--election-timer` may be, in milliseconds.
const ELECTION_TIMER_MS: RangeInclusive<i64> = 100..=600_000;

/// `create-cluster DB CONTENTS LOCAL` and `join-cluster DB NAME LOCAL REMOTE...`: no file is made.
pub(super) fn refuse(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    Err(unsupported(call))
}

/// `db-cid DB`, `db-sid DB` and `db-local-address DB`.
pub(super) fn db_id(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let log = db::open(&call.database(0))?;
    if log.magic() != CLUSTERED_MAGIC {
        return Err(ToolError::NotClustered(log.name().to_owned()));
    }
    Err(unsupported(call))
}

/// `check-cluster DB...`.
pub(super) fn check(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    for name in call.arguments {
        let magics = &[CLUSTERED_MAGIC];
        Log::open(
            Path::new(name),
            OpenMode::ReadOnly,
            magics,
            LockPolicy::IfWritable,
        )?;
    }
    Err(unsupported(call))
}

/// `cluster-to-standalone DB CLUSTERDB`: no file is made.
pub(super) fn to_standalone(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    if db::open(&call.database(1))?.magic() != CLUSTERED_MAGIC {
        return Err(ToolError::NothingToConvert);
    }
    Err(unsupported(call))
}

fn unsupported(call: &Call<'_>) -> ToolError {
    ToolError::Clustered(call.command.to_owned())
}

/// Looks at the argument of `--cid`.
///
/// # Errors
/// [`ToolError::ClusterId`] if it is no UUID, or zeros.
pub(super) fn check_cluster_id(text: &str) -> Result<(), ToolError> {
    match Uuid::parse(text) {
        Some(id) if !id.is_zero() => Ok(()),
        _ => Err(ToolError::ClusterId(text.to_owned())),
    }
}

/// Looks at the argument of `--election-timer`.
///
/// # Errors
/// [`ToolError::ElectionTimer`] if it is out of range.
pub(super) fn check_election_timer(text: &str) -> Result<(), ToolError> {
    match ELECTION_TIMER_MS.contains(&leading_number(text)) {
        true => Ok(()),
        false => Err(ToolError::ElectionTimer {
            min: *ELECTION_TIMER_MS.start(),
            max: *ELECTION_TIMER_MS.end(),
        }),
    }
}

/// The number with which a text begins, as atoll(3) reads it: blanks and a sign may come before it, anything behind it, and
/// where there is none it is 0.
fn leading_number(text: &str) -> i64 {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let signs = usize::from(text.starts_with(['-', '+']));
    let digits = text[signs..]
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len() - signs);
    match text[..signs + digits].parse() {
        Ok(number) => number,
        Err(_) if digits == 0 => 0,
        Err(_) if text.starts_with('-') => i64::MIN,
        Err(_) => i64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_digits_do() {
        for (text, expect) in [
            ("100", 100),
            (" \t+7x", 7),
            ("-3 4", -3),
            ("", 0),
            ("-", 0),
            ("x9", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(leading_number(text), expect, "{text:?}");
        }
    }
}
