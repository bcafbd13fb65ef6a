//! Finding rows by the values of some columns.
//!
//! An index holds numbers of rows and no values: four bytes a row for the rows that have the same values, and about nine for
//! each distinct one. Rows with a null in one of the columns are not in it, for no comparison finds them.

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};
use smallvec::SmallVec;
use std::hash::BuildHasher;

use crate::cell::Cell;
use crate::relation::{Columns, Data, Missing};

/// The values of an index's columns in one row.
pub(crate) type Key<'a> = SmallVec<[Cell<'a>; 4]>;

/// Rows that are looked at for an estimate of how many distinct values there are.
const SAMPLE_MAX: usize = 512;

/// There is no further row.
const END: u32 = u32::MAX;

/// Rows by their values in some columns.
#[derive(Debug)]
pub(crate) struct Index {
    columns: Columns,
    hasher: RandomState,
    /// The first row of each distinct key.
    first: HashTable<u32>,
    /// By row: the next one with the same key.
    next: Vec<u32>,
}

impl Index {
    pub(crate) fn build(data: &Data, columns: &Columns) -> Result<Index, Missing> {
        let hasher = RandomState::default();
        let mut first: HashTable<u32> = HashTable::new();
        let mut next = vec![END; data.len()];
        // From the last to the first, so that rows of one key come out in their order.
        for n in (0..data.len() as u32).rev() {
            let Some(key) = data.key(n, columns)? else {
                continue;
            };
            let hash = hasher.hash_one(&key);
            match first.find_mut(hash, |&other| is_at(data, columns, other, &key)) {
                Some(other) => next[n as usize] = std::mem::replace(other, n),
                None => {
                    let rehash = |&other: &u32| hash_of(data, columns, &hasher, other);
                    first.insert_unique(hash, n, rehash);
                }
            }
        }
        Ok(Index {
            columns: columns.clone(),
            hasher,
            first,
            next,
        })
    }

    /// The first row with these values.
    pub(crate) fn first(&self, data: &Data, key: &Key<'_>) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let is_same = |&other: &u32| is_at(data, &self.columns, other, key);
        self.first.find(hash, is_same).copied()
    }

    /// The row after row `n` among those with the same values.
    pub(crate) fn next(&self, n: u32) -> Option<u32> {
        Some(self.next[n as usize]).filter(|&next| next != END)
    }
}

/// Rows in an index have been read before, so the columns are there.
fn is_at(data: &Data, columns: &Columns, n: u32, key: &Key<'_>) -> bool {
    matches!(data.key(n, columns), Ok(Some(other)) if other.as_slice() == key.as_slice())
}

fn hash_of(data: &Data, columns: &Columns, hasher: &RandomState, n: u32) -> u64 {
    match data.key(n, columns) {
        Ok(Some(key)) => hasher.hash_one(&key),
        Ok(None) | Err(_) => 0,
    }
}

/// About which part of the rows has one and the same key, on average: from a sample.
pub(crate) fn selectivity(data: &Data, columns: &Columns) -> Result<f64, Missing> {
    let n = data.len();
    if n == 0 {
        return Ok(1.0);
    }
    let step = n.div_ceil(SAMPLE_MAX);
    let mut once: HashSet<u64, RandomState> = HashSet::default();
    let mut again: HashSet<u64, RandomState> = HashSet::default();
    let mut sampled = 0;
    let hasher = RandomState::default();
    for row in (0..n).step_by(step) {
        let Some(key) = data.key(row as u32, columns)? else {
            continue;
        };
        sampled += 1;
        let hash = hasher.hash_one(&key);
        if !once.insert(hash) {
            again.insert(hash);
        }
    }
    if sampled == 0 {
        return Ok(1.0 / n as f64);
    }
    // The estimator of Charikar and others: values seen once stand for many, those seen again for themselves.
    let seen_once = (once.len() - again.len()) as f64;
    let distinct = (n as f64 / sampled as f64).sqrt() * seen_once + again.len() as f64;
    Ok(1.0 / distinct.clamp(1.0, n as f64))
}
