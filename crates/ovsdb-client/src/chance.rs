//! What a client does by chance: by random numbers of the system, or in a simulation by those that follow from a seed.
//!
//! UUIDs of new rows, tokens of markers, pauses before something is tried again and the order of servers are by chance.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::rc::Rc;

use ovsdb_proto::uuid::Uuid;

thread_local! {
    /// The state of the generator, in a simulation.
    static SIMULATED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// While this lives, chance on its thread follows from a seed. See [`simulate`].
#[derive(Debug)]
pub struct Simulated {
    before: Option<u64>,
    /// It belongs to its thread.
    _not_send: PhantomData<Rc<()>>,
}

/// Has everything that clients do by chance on this thread follow from `seed`, for simulations that are to happen again: their
/// clients are on a tokio runtime of this thread alone, whose clock is paused.
///
/// For nothing else: UUIDs and the tokens by which a transaction is known to have happened are unique no more.
pub fn simulate(seed: u64) -> Simulated {
    Simulated {
        before: SIMULATED.replace(Some(seed)),
        _not_send: PhantomData,
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        SIMULATED.set(self.before);
    }
}

/// The next number of a simulation.
fn simulated() -> Option<u64> {
    let state = SIMULATED.get()?.wrapping_add(0x9e37_79b9_7f4a_7c15);
    SIMULATED.set(Some(state));
    // SplitMix64.
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Some(mixed ^ (mixed >> 31))
}

/// A number by chance. What is made of it need not be a secret.
pub(crate) fn number() -> u64 {
    simulated().unwrap_or_else(|| RandomState::new().hash_one(0))
}

/// A UUID of version 4 that nobody has used before.
pub(crate) fn uuid() -> Uuid {
    match (simulated(), simulated()) {
        (Some(high), Some(low)) => {
            let bytes = (u128::from(high) << 64) | u128::from(low);
            Uuid::from_random_bytes(bytes.to_be_bytes())
        }
        _ => Uuid::from_bytes(*uuid::Uuid::new_v4().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> (u64, Uuid) {
        (number(), uuid())
    }

    #[test]
    fn what_follows_from_a_seed_ends_with_the_simulation() {
        let first = {
            let _simulated = simulate(7);
            draws()
        };
        let again = simulate(7);
        assert_eq!(draws(), first);
        {
            let _other = simulate(8);
            assert_ne!(draws(), first);
        }
        drop(again);
        assert_ne!(draws(), draws());
        assert_ne!(draws(), first);
    }
}
