//! How maps of rows hash their keys: never in a way that somebody outside could foresee.
//!
//! Clients choose the UUIDs of the rows that they insert. Were the hash of a UUID known, a client could choose many that
//! meet in one place, so that each look-up has to pass all others, and one transaction would take minutes. So the hash
//! depends on where in memory the process happens to be. That may differ from run to run because no result depends on
//! the order of such a map: whoever reads one through sorts what is in it.

/// Hashes keys that clients have chosen.
pub(crate) type RowHash = foldhash::fast::RandomState;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use ovsdb_proto::uuid::Uuid;

    use super::*;

    /// What a hash that is not seeded mixes the last eight bytes with: such bytes wipe out the others.
    const WIPES: u64 = 0x3f84_d5b5_b547_0917;
    const COUNT: u64 = 1000;

    fn hashes(hash: impl BuildHasher) -> usize {
        let uuid = |number: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_ne_bytes());
            bytes[8..].copy_from_slice(&WIPES.to_ne_bytes());
            Uuid::from_bytes(bytes)
        };
        let hashes: HashSet<u64> = (0..COUNT)
            .map(|number| hash.hash_one((1_usize, uuid(number))))
            .collect();
        hashes.len()
    }

    #[test]
    fn uuids_that_were_chosen_to_meet_do_not() {
        assert_eq!(hashes(foldhash::fast::FixedState::default()), 1);
        assert!(hashes(RowHash::default()) as u64 > COUNT - 3);
    }
}
