//! Looking for the smallest script that still shows a difference.
//!
//! Fresh servers get the rows that were there before, by `insert` with explicit UUIDs, and then some of the
//! transactions. What can be left out is left out, within a bound.

use std::fmt;

use super::contents::Contents;
use super::pair::{Pair, Transaction};
use super::pairing::{End, Pairing};
use super::report::{Course, Difference};
use super::run::Settings;
use crate::raw::Raw;

/// Fresh pairs of servers that are started at most.
const ATTEMPTS_MAX: usize = 60;

/// A script with the difference that it shows, or why there is none.
#[derive(Debug)]
pub enum Reproduction {
    /// Transactions for a new database; the last of them shows the difference.
    Script {
        /// The requests' operations as text.
        transactions: Vec<String>,
        /// What the servers answered.
        difference: Difference,
    },
    /// The difference does not show from the contents alone.
    None,
}

impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reproduction::Script {
                transactions,
                difference,
            } => {
                writeln!(f, "a new database shows this after")?;
                for transaction in transactions {
                    writeln!(f, "  {transaction}")?;
                }
                write!(f, "{difference}")
            }
            Reproduction::None => {
                write!(f, "a new database with the same contents does not show it")
            }
        }
    }
}

/// A transaction's operations as one server gets them.
pub fn show(pairing: &Pairing, operations: &[Raw], end: End) -> String {
    pairing.render(&Raw::Array(operations.to_vec()), end)
}

/// Tries to show `difference` again and to make it small.
pub fn reproduce(
    settings: &Settings,
    pair: &Pair,
    contents: &Contents,
    transactions: &[Transaction],
    difference: &Difference,
) -> Reproduction {
    let needed = difference
        .transaction
        .map_or(transactions.len(), |at| at + 1);
    let mut script = vec![load(contents)];
    script.extend(transactions.iter().take(needed).map(|transaction| {
        // The text of one server: its UUIDs are given to both.
        let text = show(&pair.pairing, transaction, End::Left);
        match Raw::parse(&text) {
            Some(Raw::Array(operations)) => operations,
            other => panic!("operations are an array, not {other:?}"),
        }
    }));
    script[0] = match Raw::parse(&show(&pair.pairing, &script[0], End::Left)) {
        Some(Raw::Array(operations)) => operations,
        other => panic!("operations are an array, not {other:?}"),
    };
    let Some(mut found) = attempt(settings, &script) else {
        return Reproduction::None;
    };
    let mut attempts = 1;
    let mut try_script = |script: &mut Vec<Transaction>, smaller: Vec<Transaction>| -> bool {
        attempts += 1;
        if attempts > ATTEMPTS_MAX {
            return false;
        }
        match attempt(settings, &smaller) {
            Some(difference) => {
                found = difference;
                *script = smaller;
                true
            }
            None => false,
        }
    };
    // Whole transactions in shrinking portions, then single operations: rows that are loaded among them.
    let last_alone = vec![script[0].clone(), script[script.len() - 1].clone()];
    if script.len() < 3 || !try_script(&mut script, last_alone) {
        let mut portion = script.len() / 2;
        while portion > 0 {
            let mut at = 1;
            while at + portion < script.len() {
                let mut smaller = script.clone();
                smaller.drain(at..at + portion);
                if !try_script(&mut script, smaller) {
                    at += portion;
                }
            }
            portion /= 2;
        }
    }
    for transaction in (0..script.len()).rev() {
        let mut portion = script[transaction].len().div_ceil(2);
        while portion > 0 {
            let mut at = 0;
            while at + portion <= script[transaction].len() {
                let mut smaller = script.clone();
                smaller[transaction].drain(at..at + portion);
                if !try_script(&mut script, smaller) {
                    at += portion;
                }
            }
            portion /= 2;
        }
    }
    Reproduction::Script {
        transactions: script
            .iter()
            .filter(|transaction| !transaction.is_empty())
            .map(|transaction| Raw::Array(transaction.clone()).to_string())
            .collect(),
        difference: found,
    }
}

/// One transaction that makes `contents` out of nothing.
pub fn load(contents: &Contents) -> Transaction {
    let rows = contents
        .tables()
        .flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
    rows.map(|(table, row)| {
        let columns = row
            .own_columns()
            .map(|(name, value)| (name.clone(), value.clone()));
        Raw::object([
            ("op", Raw::string("insert")),
            ("table", Raw::string(table)),
            ("uuid", Raw::Name(row.number())),
            ("row", Raw::Object(columns.collect())),
        ])
    })
    .collect()
}

/// Runs a script on a fresh pair of servers.
fn attempt(settings: &Settings, script: &[Transaction]) -> Option<Difference> {
    let mut pair = Pair::start(settings);
    let mut script = script.to_vec();
    for transaction in &mut script {
        for operation in transaction {
            adopt(&mut pair.pairing, operation);
        }
    }
    for transaction in script {
        match pair.exchange(&[transaction]) {
            Ok(Course::Same) => {}
            Ok(Course::Spoilt) => return None,
            Err(difference) => return Some(difference),
        }
    }
    pair.dump().err()
}

/// Makes UUIDs in a request known as being the same on both servers.
fn adopt(pairing: &mut Pairing, raw: &mut Raw) {
    match raw {
        Raw::Token(token) => {
            let uuid = token.trim_matches('"').to_owned();
            if crate::names::is_uuid(&uuid) {
                *raw = Raw::Name(pairing.literal(&uuid));
            }
        }
        Raw::Name(_) => {}
        Raw::Array(elements) => elements
            .iter_mut()
            .for_each(|element| adopt(pairing, element)),
        Raw::Object(members) => members
            .iter_mut()
            .for_each(|(_, value)| adopt(pairing, value)),
    }
}
