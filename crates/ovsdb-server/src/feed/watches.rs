//! Which monitors of a feed share what they are told. Most are alone.

use std::sync::Arc;

/// Names a monitor within its feed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WatchId(pub(super) u64);

/// One or more monitors, in the order of their ids.
#[derive(Clone, Debug)]
pub(crate) enum Watches {
    One(WatchId),
    Several(Arc<[WatchId]>),
}

impl Watches {
    pub(crate) fn as_slice(&self) -> &[WatchId] {
        match self {
            Watches::One(id) => std::slice::from_ref(id),
            Watches::Several(ids) => ids,
        }
    }

    pub(super) fn contain(&self, id: WatchId) -> bool {
        self.as_slice().binary_search(&id).is_ok()
    }

    /// These and another one.
    pub(super) fn with(&self, id: WatchId) -> Watches {
        let before = self.as_slice();
        let place = before.partition_point(|other| *other < id);
        let (smaller, larger) = before.split_at(place);
        Watches::Several([smaller, &[id], larger].concat().into())
    }

    /// The others, if there are any.
    pub(super) fn without(&self, id: WatchId) -> Option<Watches> {
        let others = self.as_slice().iter().copied();
        let others: Vec<WatchId> = others.filter(|other| *other != id).collect();
        match others[..] {
            [] => None,
            [one] => Some(Watches::One(one)),
            _ => Some(Watches::Several(others.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_stay_in_order_whoever_comes_and_goes() {
        let ids = |watches: &Watches| watches.as_slice().iter().map(|id| id.0).collect::<Vec<_>>();
        let mut watches = Watches::One(WatchId(5));
        for (id, expected) in [(7, vec![5, 7]), (2, vec![2, 5, 7]), (6, vec![2, 5, 6, 7])] {
            assert!(!watches.contain(WatchId(id)));
            watches = watches.with(WatchId(id));
            assert!(watches.contain(WatchId(id)));
            assert_eq!(ids(&watches), expected);
        }
        for (id, expected) in [(5, vec![2, 6, 7]), (7, vec![2, 6]), (2, vec![6])] {
            watches = watches.without(WatchId(id)).expect("there are others");
            assert_eq!(ids(&watches), expected);
        }
        assert!(matches!(watches, Watches::One(WatchId(6))));
        assert!(watches.without(WatchId(6)).is_none());
    }
}
