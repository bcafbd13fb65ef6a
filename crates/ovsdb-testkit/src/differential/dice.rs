//! Seeded chance: the same seed gives the same choices.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A source of choices.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The choices of `seed`.
    pub fn new(seed: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed))
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// A number between `low` and `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// One of `items`, or `None` if there are none.
    pub fn maybe_pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len())])
    }

    /// One of `items`.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of `items` with the odds given beside them, which are not all zero.
    pub fn weighted<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let total: u32 = items.iter().map(|(odds, _)| odds).sum();
        let mut at = self.0.random_range(0..total);
        for (odds, item) in items {
            if at < *odds {
                return *item;
            }
            at -= odds;
        }
        unreachable!("the number is below the sum of the odds")
    }

    /// A random UUID's text.
    pub fn uuid(&mut self) -> String {
        let hex = format!("{:032x}", self.0.random::<u128>());
        format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }
}
