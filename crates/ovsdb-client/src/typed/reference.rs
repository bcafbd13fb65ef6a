//! References to rows of a known table.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::value::{Term, Value};

use super::scalar::Scalar;
use super::table::Model;
use crate::txn::RowName;

/// The name of a row of the table of `M`. It says nothing about whether there is such a row.
///
/// That of a row which a transaction makes stands for it in this transaction; see [`RowName`].
pub struct Ref<M> {
    uuid: Uuid,
    model: PhantomData<fn() -> M>,
}

impl<M> Ref<M> {
    /// The row with this UUID.
    pub const fn new(uuid: Uuid) -> Ref<M> {
        Ref {
            uuid,
            model: PhantomData,
        }
    }

    /// The row's UUID.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }
}

impl<M: Model> Ref<M> {
    /// The row with its table's name, for what has no types.
    pub fn name(self) -> RowName {
        RowName::new(M::TABLE, self.uuid)
    }
}

// By hand, because a reference has all of these whatever its model has.
impl<M> Clone for Ref<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Ref<M> {}

impl<M> Default for Ref<M> {
    fn default() -> Self {
        Self::new(Uuid::default())
    }
}

impl<M> fmt::Debug for Ref<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uuid)
    }
}

impl<M> fmt::Display for Ref<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uuid)
    }
}

impl<M> PartialEq for Ref<M> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<M> Eq for Ref<M> {}

impl<M> Ord for Ref<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<M> PartialOrd for Ref<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Hash for Ref<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<M> From<Ref<M>> for Uuid {
    fn from(row: Ref<M>) -> Uuid {
        row.uuid
    }
}

impl<M> From<Ref<M>> for Term {
    fn from(row: Ref<M>) -> Term {
        Term::Atom(Atom::Uuid(row.uuid))
    }
}

impl<M> From<Ref<M>> for Value {
    fn from(row: Ref<M>) -> Value {
        Value::One(row.into())
    }
}

impl<M> Scalar for Ref<M> {
    const KIND: AtomType = AtomType::Uuid;

    type View<'r> = Ref<M>;

    fn view(atom: &Atom) -> Option<Ref<M>> {
        atom.as_uuid().map(Ref::new)
    }

    fn view_or_default(atom: Option<&Atom>) -> Ref<M> {
        atom.and_then(Self::view).unwrap_or_default()
    }

    fn owned(view: Ref<M>) -> Ref<M> {
        view
    }

    fn to_atom(&self) -> Atom {
        Atom::Uuid(self.uuid)
    }
}
