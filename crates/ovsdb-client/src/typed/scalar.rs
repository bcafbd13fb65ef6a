//! Single values: atoms as Rust types.

use std::cmp::Ordering;
use std::fmt;

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::uuid::Uuid;

/// A Rust type for atoms of one type: a value, an element of a set, or a key or value of a map.
#[diagnostic::on_unimplemented(
    message = "a column of the database cannot hold `{Self}`",
    label = "no type of a column's values",
    note = "a column holds a `String`, `i64`, `f64`, `bool`, `Uuid`, `Ref` or `Word`, or an `Option`, `BTreeSet` or `BTreeMap` of these"
)]
pub trait Scalar: Clone + fmt::Debug {
    /// The type of the atoms.
    const KIND: AtomType;

    /// What is read of an atom without copying it.
    type View<'r>;

    /// The value of an atom; `None` if it is of another type.
    fn view(atom: &Atom) -> Option<Self::View<'_>>;

    /// The same; of an atom of another type, or of none, the value that a row has which was given none.
    fn view_or_default(atom: Option<&Atom>) -> Self::View<'_>;

    /// A copy of what was read.
    fn owned(view: Self::View<'_>) -> Self;

    /// The atom.
    fn to_atom(&self) -> Atom;
}

/// An enumeration of the words that a column may hold. It also holds words that it does not know, which a server with
/// another version of the schema may have.
#[diagnostic::on_unimplemented(
    message = "a column of the database cannot hold `{Self}`",
    label = "no type of a column's values",
    note = "a column holds a `String`, `i64`, `f64`, `bool`, `Uuid`, `Ref` or `Word`, or an `Option`, `BTreeSet` or `BTreeMap` of these"
)]
pub trait Word: Clone + fmt::Debug {
    /// The value for a word.
    fn from_word(word: &str) -> Self;

    /// The word.
    fn word(&self) -> &str;
}

impl<W: Word> Scalar for W {
    const KIND: AtomType = AtomType::String;

    type View<'r> = W;

    fn view(atom: &Atom) -> Option<W> {
        atom.as_str().map(W::from_word)
    }

    fn view_or_default(atom: Option<&Atom>) -> W {
        W::from_word(atom.and_then(Atom::as_str).unwrap_or_default())
    }

    fn owned(view: W) -> W {
        view
    }

    fn to_atom(&self) -> Atom {
        self.word().into()
    }
}

impl Scalar for String {
    const KIND: AtomType = AtomType::String;

    type View<'r> = &'r str;

    fn view(atom: &Atom) -> Option<&str> {
        atom.as_str()
    }

    fn view_or_default(atom: Option<&Atom>) -> &str {
        atom.and_then(Atom::as_str).unwrap_or_default()
    }

    fn owned(view: &str) -> String {
        view.to_owned()
    }

    fn to_atom(&self) -> Atom {
        self.as_str().into()
    }
}

/// Types whose values are copied as they are.
macro_rules! copied {
    ($($type:ty: $kind:ident, $read:expr, $write:expr;)*) => {$(
        impl Scalar for $type {
            const KIND: AtomType = AtomType::$kind;

            type View<'r> = $type;

            fn view(atom: &Atom) -> Option<$type> {
                $read(atom)
            }

            fn view_or_default(atom: Option<&Atom>) -> $type {
                atom.and_then($read).unwrap_or_default()
            }

            fn owned(view: $type) -> $type {
                view
            }

            fn to_atom(&self) -> Atom {
                $write(*self)
            }
        }
    )*};
}

copied! {
    i64: Integer, Atom::as_integer, Atom::Integer;
    f64: Real, Atom::as_real, Atom::Real;
    bool: Boolean, Atom::as_bool, Atom::Boolean;
    Uuid: Uuid, Atom::as_uuid, Atom::Uuid;
    Real: Real, |atom: &Atom| atom.as_real().map(Real), |real: Real| Atom::Real(real.0);
}

/// A real number in an order in which each has its place, so that sets can hold it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real(pub f64);

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}
