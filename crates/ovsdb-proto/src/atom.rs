//! Atoms: the single values that datums are made of (RFC 7047, section 3.1).
//!
//! An atom does not know the constraints of its column; [`crate::types::BaseType`] does.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use ecow::EcoString;

use crate::json::{self, Json};
use crate::uuid::Uuid;

/// An `<atomic-type>` (RFC 7047, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtomType {
    /// A signed 64-bit integer.
    Integer,
    /// An IEEE 754 double.
    Real,
    /// True or false.
    Boolean,
    /// A Unicode string without NUL.
    String,
    /// A UUID, in most columns that of a row.
    Uuid,
}

impl AtomType {
    /// Every type.
    pub const ALL: [AtomType; 5] = [
        AtomType::Integer,
        AtomType::Real,
        AtomType::Boolean,
        AtomType::String,
        AtomType::Uuid,
    ];

    /// The word that stands for the type in schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            AtomType::Integer => "integer",
            AtomType::Real => "real",
            AtomType::Boolean => "boolean",
            AtomType::String => "string",
            AtomType::Uuid => "uuid",
        }
    }

    /// The type with this word.
    pub fn from_text(text: &str) -> Option<AtomType> {
        AtomType::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The default value of the type (RFC 7047, section 5.2.1): 0, false, the empty string or the zero UUID.
    pub const fn default_atom(self) -> Atom {
        match self {
            AtomType::Integer => Atom::Integer(0),
            AtomType::Real => Atom::Real(0.0),
            AtomType::Boolean => Atom::Boolean(false),
            AtomType::String => Atom::String(EcoString::new()),
            AtomType::Uuid => Atom::Uuid(Uuid::ZERO),
        }
    }
}

impl fmt::Display for AtomType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An `<atom>` (RFC 7047, section 5.1).
///
/// Atoms have a total order, by type first; reals compare as numbers, so that negative zero equals zero.
#[derive(Clone, Debug)]
pub enum Atom {
    /// A signed 64-bit integer.
    Integer(i64),
    /// A finite real.
    Real(f64),
    /// True or false.
    Boolean(bool),
    /// A string; clones share its bytes.
    String(EcoString),
    /// A UUID.
    Uuid(Uuid),
}

impl Atom {
    /// The type of the value.
    pub const fn kind(&self) -> AtomType {
        match self {
            Atom::Integer(_) => AtomType::Integer,
            Atom::Real(_) => AtomType::Real,
            Atom::Boolean(_) => AtomType::Boolean,
            Atom::String(_) => AtomType::String,
            Atom::Uuid(_) => AtomType::Uuid,
        }
    }

    /// A string atom.
    pub fn string(text: impl Into<EcoString>) -> Atom {
        Atom::String(text.into())
    }

    /// True for the default value of the type.
    pub fn is_default(&self) -> bool {
        match self {
            Atom::Integer(value) => *value == 0,
            Atom::Real(value) => *value == 0.0,
            Atom::Boolean(value) => !value,
            Atom::String(text) => text.is_empty(),
            Atom::Uuid(uuid) => uuid.is_zero(),
        }
    }

    /// The integer, if it is one.
    pub const fn as_integer(&self) -> Option<i64> {
        match self {
            Atom::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The real, if it is one.
    pub const fn as_real(&self) -> Option<f64> {
        match self {
            Atom::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// The Boolean, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Atom::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Atom::String(text) => Some(text),
            _ => None,
        }
    }

    /// The UUID, if it is one.
    pub const fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Atom::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The JSON form; a UUID becomes `["uuid", "..."]`.
    pub fn to_json(&self) -> Json {
        match self {
            Atom::Integer(value) => Json::Integer(*value),
            Atom::Real(value) => Json::Real(*value),
            Atom::Boolean(value) => Json::Bool(*value),
            Atom::String(text) => Json::String(text.clone()),
            Atom::Uuid(uuid) => {
                Json::Array(vec![Json::string("uuid"), Json::string(uuid.to_string())])
            }
        }
    }

    /// Appends the compact text of [`Atom::to_json`] to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Atom::Integer(value) => json::write::integer(*value, out),
            Atom::Real(value) => json::write::real(*value, out),
            Atom::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Atom::String(text) => json::write::string(text, out),
            Atom::Uuid(uuid) => {
                const BEGIN: usize = 9;
                let mut text = *b"[\"uuid\",\"------------------------------------\"]";
                text[BEGIN..BEGIN + Uuid::TEXT_LEN].copy_from_slice(&uuid.to_text());
                out.extend_from_slice(&text);
            }
        }
    }
}

fn compare_reals(a: f64, b: f64) -> Ordering {
    // Columns hold no NaN; should one come in by a program's own hand the order must still be total.
    a.partial_cmp(&b).unwrap_or_else(|| a.total_cmp(&b))
}

impl Ord for Atom {
    #[inline]
    fn cmp(&self, other: &Atom) -> Ordering {
        match (self, other) {
            (Atom::Integer(a), Atom::Integer(b)) => a.cmp(b),
            (Atom::Real(a), Atom::Real(b)) => compare_reals(*a, *b),
            (Atom::Boolean(a), Atom::Boolean(b)) => a.cmp(b),
            (Atom::String(a), Atom::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Atom::Uuid(a), Atom::Uuid(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Atom {
    #[inline]
    fn partial_cmp(&self, other: &Atom) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom {
    #[inline]
    fn eq(&self, other: &Atom) -> bool {
        match (self, other) {
            (Atom::String(a), Atom::String(b)) => a == b,
            _ => self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Atom {}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Atom::Integer(value) => value.hash(state),
            // Both zeroes are equal, so they must hash alike.
            Atom::Real(value) => (if *value == 0.0 { 0.0 } else { *value })
                .to_bits()
                .hash(state),
            Atom::Boolean(value) => value.hash(state),
            Atom::String(text) => text.hash(state),
            Atom::Uuid(uuid) => uuid.hash(state),
        }
    }
}

impl From<i64> for Atom {
    fn from(value: i64) -> Atom {
        Atom::Integer(value)
    }
}

impl From<f64> for Atom {
    fn from(value: f64) -> Atom {
        Atom::Real(value)
    }
}

impl From<bool> for Atom {
    fn from(value: bool) -> Atom {
        Atom::Boolean(value)
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Atom {
        Atom::String(text.into())
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Atom {
        Atom::String(text.into())
    }
}

impl From<EcoString> for Atom {
    fn from(text: EcoString) -> Atom {
        Atom::String(text)
    }
}

impl From<Uuid> for Atom {
    fn from(uuid: Uuid) -> Atom {
        Atom::Uuid(uuid)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn zeroes_of_either_sign_are_one_value() {
        let hasher = RandomState::new();
        let (plus, minus) = (Atom::Real(0.0), Atom::Real(-0.0));
        assert_eq!(plus, minus);
        assert_eq!(hasher.hash_one(&plus), hasher.hash_one(&minus));
    }

    #[test]
    fn order_is_numeric_or_by_bytes() {
        for (low, high) in [
            (Atom::Integer(i64::MIN), Atom::Integer(-1)),
            (Atom::Real(-1e300), Atom::Real(0.5)),
            (Atom::Boolean(false), Atom::Boolean(true)),
            (Atom::from("Z"), Atom::from("a")),
            (Atom::from("a"), Atom::from("aa")),
            (Atom::from("z"), Atom::from("é")),
            (Atom::from("\u{ffff}"), Atom::from("\u{10000}")),
            (Atom::Integer(9), Atom::from("")),
        ] {
            assert!(low < high, "{low:?} < {high:?}");
            assert_ne!(low, high);
        }
    }

    #[test]
    fn json_text_written_directly_is_that_of_the_json_value() {
        let uuid = Uuid::parse("3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0").unwrap();
        for atom in [
            Atom::Integer(-7),
            Atom::Real(0.1),
            Atom::Boolean(true),
            Atom::from("a\"b\n\u{1}é"),
            Atom::Uuid(uuid),
        ] {
            let mut text = Vec::new();
            atom.write_json(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), atom.to_json().to_string());
        }
    }

    #[test]
    fn an_atom_takes_three_words() {
        assert_eq!(size_of::<Atom>(), 24);
    }

    #[test]
    fn default_atoms_are_default() {
        for kind in AtomType::ALL {
            assert!(kind.default_atom().is_default());
            assert_eq!(kind.default_atom().kind(), kind);
            assert_eq!(AtomType::from_text(kind.as_str()), Some(kind));
        }
        assert_eq!(AtomType::from_text("void"), None);
    }
}
