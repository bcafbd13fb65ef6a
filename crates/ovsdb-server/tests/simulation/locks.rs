//! Who has which lock, as far as clients know.
//!
//! Clients hear of it late. What is checked is what must hold however late that is: nobody is let in before somebody who
//! is known to have stood in line before, and in the end a lock has one owner at most, and one if anybody waits.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::network::Line;

/// One connection of one client.
pub(crate) type Holder = u64;

/// What a client knows of a lock that it has asked for and not given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// The request is on its way.
    Asked,
    Owner,
    /// In line since this moment at the latest.
    Waits(Instant),
    /// Robbed of it.
    Lost,
}

struct Place {
    known: Known,
    asked_at: Instant,
    /// By which it was asked for.
    line: Line,
    /// Whoever steals a lock is not in line after it was stolen from him.
    steals: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct LockBook {
    places: BTreeMap<(String, Holder), Place>,
}

impl LockBook {
    pub(crate) fn known(&self, lock: &str, who: Holder) -> Option<Known> {
        let place = self.places.get(&(lock.to_owned(), who));
        place.map(|place| place.known)
    }

    pub(crate) fn asks(&mut self, lock: &str, who: Holder, steals: bool, line: &Line) {
        let place = Place {
            known: Known::Asked,
            asked_at: Instant::now(),
            line: line.clone(),
            steals,
        };
        let before = self.places.insert((lock.to_owned(), who), place);
        assert!(before.is_none(), "a client asks once");
    }

    /// The reply to a request has come.
    pub(crate) fn answered(&mut self, lock: &str, who: Holder, is_owner: bool) {
        if is_owner {
            self.check_turn(lock, who);
        }
        let place = self.place(lock, who);
        assert_eq!(place.known, Known::Asked, "{lock}");
        assert!(is_owner || !place.steals, "nobody steals in vain");
        place.known = match is_owner {
            true => Known::Owner,
            false => Known::Waits(Instant::now()),
        };
    }

    /// The lock has come to somebody who waited for it. False if he has given it up meanwhile.
    pub(crate) fn comes(&mut self, lock: &str, who: Holder) -> bool {
        if self.known(lock, who).is_none() {
            return false;
        }
        self.check_turn(lock, who);
        let place = self.place(lock, who);
        let waited = matches!(place.known, Known::Waits(_));
        // A lock that was stolen from somebody who had not stolen it comes back to him.
        let robbed = place.known == Known::Lost && !place.steals;
        assert!(waited || robbed, "{lock} comes to {who}: {:?}", place.known);
        place.known = Known::Owner;
        true
    }

    /// Somebody was robbed of the lock.
    pub(crate) fn goes(&mut self, lock: &str, who: Holder) -> bool {
        if self.known(lock, who).is_none() {
            return false;
        }
        let place = self.place(lock, who);
        assert_eq!(place.known, Known::Owner, "{lock} is stolen");
        place.known = Known::Lost;
        true
    }

    /// Somebody begins to give the lock back.
    pub(crate) fn returns(&mut self, lock: &str, who: Holder) {
        self.places.remove(&(lock.to_owned(), who));
    }

    /// Somebody is going, with all that he has.
    pub(crate) fn leaves(&mut self, who: Holder) {
        self.places.retain(|(_, holder), _| *holder != who);
    }

    fn place(&mut self, lock: &str, who: Holder) -> &mut Place {
        let place = self.places.get_mut(&(lock.to_owned(), who));
        place.expect("the client has asked for it")
    }

    /// Whoever was in line before somebody asked gets the lock before him, unless it is stolen.
    fn check_turn(&self, lock: &str, who: Holder) {
        let own = &self.places[&(lock.to_owned(), who)];
        if own.steals || own.known == Known::Lost {
            return;
        }
        for ((name, other), place) in &self.places {
            if name == lock
                && *other != who
                && !place.line.is_over()
                && let Known::Waits(since) = place.known
            {
                assert!(
                    since >= own.asked_at,
                    "{lock} comes to {who}, and {other} was before"
                );
            }
        }
    }

    /// Everybody has heard everything.
    pub(crate) fn check_quiet(&self) {
        let mut locks: BTreeMap<&str, Vec<Known>> = BTreeMap::new();
        for ((lock, _), place) in &self.places {
            locks.entry(lock).or_default().push(place.known);
        }
        for (lock, known) in locks {
            let owners = known.iter().filter(|known| **known == Known::Owner).count();
            let waits = known.iter().any(|known| matches!(known, Known::Waits(_)));
            assert!(owners <= 1, "{lock} has owners: {known:?}");
            assert!(owners == 1 || !waits, "{lock} has no owner: {known:?}");
            assert!(!known.contains(&Known::Asked), "{lock}: no answer");
        }
    }
}
