//! Values as programs write and read them, before any schema is known (RFC 7047, section 5.1, `<value>`).
//!
//! A [`Value`] may name rows that its transaction makes ([`Term::Named`]); a [`Datum`] may not, but it is sorted, shared
//! and of a column's type. Constraints of columns are not looked at here, but where a value becomes a datum.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use ovsdb_proto::value::Value;
//!
//! // What a program has becomes a value, and its text is that of the protocol.
//! assert_eq!(Value::from("br0").to_string(), r#""br0""#);
//! assert_eq!(Value::from(vec![1, 2]).to_string(), r#"["set",[1,2]]"#);
//! assert_eq!(Value::from(None::<i64>).to_string(), r#"["set",[]]"#);
//! let keys = BTreeMap::from([("hwaddr", "aa:bb:cc:00:11:22")]);
//! assert_eq!(Value::from(keys).to_string(), r#"["map",[["hwaddr","aa:bb:cc:00:11:22"]]]"#);
//!
//! // What a server sent becomes what the program wants, or an error that says what it is instead.
//! let tag = Value::from(Some(7));
//! assert_eq!(tag.to::<Option<u16>>(), Ok(Some(7)));
//! assert_eq!(tag.to::<String>().unwrap_err().to_string(), "expected string, found integer");
//! ```

mod from_datum;
mod known;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use ecow::EcoString;

pub use self::from_datum::{FromAtom, FromDatum, WrongValue};
pub use self::known::column_of_row;
pub use self::row::{ColumnError, Row};
use crate::atom::Atom;
use crate::datum::Datum;
use crate::error::OvsdbError;
use crate::json::{self, Json};
use crate::parser::is_id;
use crate::symbols::Symbols;
use crate::types::ColumnType;
use crate::uuid::Uuid;

/// An atom, or the name that the same transaction gives to a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// An atom.
    Atom(Atom),
    /// A `<named-uuid>`: the `uuid-name` of an `insert`, an `<id>`.
    Named(EcoString),
}

impl Term {
    /// The row that an `insert` of the same transaction names `name`.
    pub fn named(name: impl Into<EcoString>) -> Term {
        Term::Named(name.into())
    }

    /// The atom, if it is one.
    ///
    /// # Errors
    /// [`WrongValue::Named`].
    pub fn atom(&self) -> Result<&Atom, WrongValue> {
        match self {
            Term::Atom(atom) => Ok(atom),
            Term::Named(name) => Err(WrongValue::Named(name.clone())),
        }
    }

    /// The atom of a column of no known type: a number that is integral is an integer.
    ///
    /// # Errors
    /// A `syntax error` for JSON that is no atom in any column.
    pub fn from_json(json: &Json) -> Result<Term, OvsdbError> {
        let atom = match json {
            Json::Integer(value) => Atom::Integer(*value),
            Json::Real(value) => Atom::Real(*value),
            Json::Bool(value) => Atom::Boolean(*value),
            Json::String(text) => Atom::String(text.clone()),
            _ => match json.as_array() {
                Some([Json::String(word), Json::String(text)]) if word == "uuid" => {
                    let uuid = Uuid::parse(text).ok_or_else(|| {
                        OvsdbError::syntax(json, format!("\"{text}\" is not a valid UUID"))
                    })?;
                    Atom::Uuid(uuid)
                }
                Some([Json::String(word), Json::String(name)])
                    if word == "named-uuid" && is_id(name) =>
                {
                    return Ok(Term::Named(name.clone()));
                }
                _ => return Err(OvsdbError::syntax(json, "atom expected")),
            },
        };
        Ok(Term::Atom(atom))
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        match self {
            Term::Atom(atom) => atom.to_json(),
            Term::Named(name) => {
                Json::Array(vec![Json::string("named-uuid"), Json::string(name.clone())])
            }
        }
    }

    /// Appends the compact text of [`Term::to_json`] to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Term::Atom(atom) => atom.write_json(out),
            Term::Named(name) => {
                out.extend_from_slice(b"[\"named-uuid\",");
                json::write::string(name, out);
                out.push(b']');
            }
        }
    }
}

/// A `<value>` (RFC 7047, section 5.1) of a column of no known type.
///
/// Two values are equal if they have the same elements in whatever order; a set of one element equals that element, as
/// in the protocol. The empty set and the empty map are different: a column of maps refuses the empty set.
#[derive(Clone, Debug)]
pub enum Value {
    /// One atom or named row, which is also the set of it.
    One(Term),
    /// A set; servers refuse one that has an element twice.
    Set(Vec<Term>),
    /// A map; servers refuse one that has a key twice.
    Map(Vec<(Term, Term)>),
}

impl Value {
    /// The empty set: an optional value that is not there.
    pub const fn empty() -> Value {
        Value::Set(Vec::new())
    }

    /// The empty map.
    pub const fn empty_map() -> Value {
        Value::Map(Vec::new())
    }

    /// The row that an `insert` of the same transaction names `name`.
    pub fn named(name: impl Into<EcoString>) -> Value {
        Value::One(Term::named(name))
    }

    /// A set of anything that is an atom or names a row.
    pub fn set<T: Into<Term>>(elements: impl IntoIterator<Item = T>) -> Value {
        Value::Set(elements.into_iter().map(Into::into).collect())
    }

    /// A map of anything that is an atom or names a row.
    ///
    /// ```
    /// use ovsdb_proto::value::Value;
    ///
    /// let map = Value::map([("mac", "aa:bb:cc:00:11:22"), ("ip", "10.0.0.1")]);
    /// assert_eq!(map.to_string(), r#"["map",[["mac","aa:bb:cc:00:11:22"],["ip","10.0.0.1"]]]"#);
    /// ```
    pub fn map<K: Into<Term>, V: Into<Term>>(pairs: impl IntoIterator<Item = (K, V)>) -> Value {
        let pairs = pairs.into_iter();
        Value::Map(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }

    /// The number of elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Value::One(_) => 1,
            Value::Set(elements) => elements.len(),
            Value::Map(pairs) => pairs.len(),
        }
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for a map.
    pub const fn is_map(&self) -> bool {
        matches!(self, Value::Map(_))
    }

    /// The elements as they come: keys with their values, or elements of a set with `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&Term, Option<&Term>)> {
        let (set, map): (&[Term], &[(Term, Term)]) = match self {
            Value::One(term) => (std::slice::from_ref(term), &[]),
            Value::Set(elements) => (elements, &[]),
            Value::Map(pairs) => (&[], pairs),
        };
        let pairs = map.iter().map(|(key, value)| (key, Some(value)));
        set.iter().map(|term| (term, None)).chain(pairs)
    }

    /// All atoms and names: elements of a set, keys and values of a map.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.iter()
            .flat_map(|(key, value)| std::iter::once(key).chain(value))
    }

    /// What the program wants from the value, for example `String`, `Option<i64>`, `Vec<Uuid>` or
    /// `BTreeMap<String, String>`.
    ///
    /// # Errors
    /// The value is something else.
    pub fn to<T: FromDatum>(&self) -> Result<T, WrongValue> {
        T::from_datum(&self.to_elements()?)
    }

    /// The elements as a datum, sorted, without a type; of a key that occurs twice one pair is kept.
    ///
    /// # Errors
    /// [`WrongValue::Named`] where a row is only named.
    pub fn to_elements(&self) -> Result<Datum, WrongValue> {
        match self {
            Value::One(term) => Ok(Datum::from_atom(term.atom()?.clone())),
            Value::Set(elements) => {
                let atoms = elements.iter().map(|term| term.atom().cloned());
                Ok(Datum::from_atoms(atoms.collect::<Result<Vec<_>, _>>()?))
            }
            Value::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Ok((key.atom()?.clone(), value.atom()?.clone())));
                Ok(Datum::from_pairs(pairs.collect::<Result<Vec<_>, _>>()?))
            }
        }
    }

    /// The value as a column of type `ty` holds it, if it may. Named rows are looked up in `symbols`.
    ///
    /// # Errors
    /// As [`Datum::from_json`].
    pub fn to_datum(
        &self,
        ty: &ColumnType,
        symbols: &mut Symbols<'_>,
    ) -> Result<Datum, OvsdbError> {
        Datum::from_json(&self.to_json(), ty, symbols)
    }

    /// What a column of type `ty` holds.
    pub fn from_datum(datum: &Datum, ty: &ColumnType) -> Value {
        let term = |atom: &Atom| Term::Atom(atom.clone());
        if ty.is_map() {
            let pairs = datum.iter();
            return Value::Map(
                pairs
                    .filter_map(|(key, value)| Some((term(key), term(value?))))
                    .collect(),
            );
        }
        match datum.as_atom() {
            Some(atom) => Value::One(term(atom)),
            None => Value::Set(datum.keys().map(term).collect()),
        }
    }

    /// Reads a `<value>`.
    ///
    /// # Errors
    /// A `syntax error` for JSON that is no value in any column.
    pub fn from_json(json: &Json) -> Result<Value, OvsdbError> {
        match json.as_array() {
            Some([Json::String(class), Json::Array(elements)]) if class == "set" => {
                let terms = elements.iter().map(Term::from_json);
                let mut terms = terms.collect::<Result<Vec<_>, _>>()?;
                Ok(match (terms.len(), terms.pop()) {
                    (1, Some(only)) => Value::One(only),
                    (_, last) => {
                        terms.extend(last);
                        Value::Set(terms)
                    }
                })
            }
            Some([Json::String(class), Json::Array(pairs)]) if class == "map" => {
                let pairs = pairs.iter().map(|pair| match pair.as_array() {
                    Some([key, value]) => Ok((Term::from_json(key)?, Term::from_json(value)?)),
                    _ => Err(OvsdbError::syntax(pair, "expected 2-element array")),
                });
                Ok(Value::Map(pairs.collect::<Result<_, _>>()?))
            }
            _ => Ok(Value::One(Term::from_json(json)?)),
        }
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        let elements = |class: &str, elements: Vec<Json>| {
            Json::Array(vec![Json::string(class), Json::Array(elements)])
        };
        match self {
            Value::One(term) => term.to_json(),
            Value::Set(terms) => elements("set", terms.iter().map(Term::to_json).collect()),
            Value::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Json::Array(vec![key.to_json(), value.to_json()]));
                elements("map", pairs.collect())
            }
        }
    }

    /// Appends the compact text of [`Value::to_json`] to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::One(term) => term.write_json(out),
            Value::Set(terms) => {
                out.extend_from_slice(b"[\"set\",[");
                for (i, term) in terms.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    term.write_json(out);
                }
                out.extend_from_slice(b"]]");
            }
            Value::Map(pairs) => {
                out.extend_from_slice(b"[\"map\",[");
                for (i, (key, value)) in pairs.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
                    key.write_json(out);
                    out.push(b',');
                    value.write_json(out);
                    out.push(b']');
                }
                out.extend_from_slice(b"]]");
            }
        }
    }

    fn sorted(&self) -> Vec<(&Term, Option<&Term>)> {
        let mut elements: Vec<_> = self.iter().collect();
        elements.sort_unstable();
        elements.dedup();
        elements
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::One(a), Value::One(b)) => a == b,
            _ => self.is_map() == other.is_map() && self.sorted() == other.sorted(),
        }
    }
}

impl Eq for Value {}

/// The compact text of the JSON form.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

/// Scalars: `Source => atom`, where the conversion loses nothing.
macro_rules! scalars {
    ($($source:ty => |$value:ident| $atom:expr;)*) => {$(
        impl From<$source> for Term {
            fn from($value: $source) -> Term {
                Term::Atom($atom)
            }
        }

        impl From<$source> for Value {
            fn from(value: $source) -> Value {
                Value::One(value.into())
            }
        }
    )*};
}

scalars! {
    i8 => |value| Atom::Integer(value.into());
    u8 => |value| Atom::Integer(value.into());
    i16 => |value| Atom::Integer(value.into());
    u16 => |value| Atom::Integer(value.into());
    i32 => |value| Atom::Integer(value.into());
    u32 => |value| Atom::Integer(value.into());
    i64 => |value| Atom::Integer(value);
    f32 => |value| Atom::Real(value.into());
    f64 => |value| Atom::Real(value);
    bool => |value| Atom::Boolean(value);
    &str => |text| Atom::String(text.into());
    String => |text| Atom::String(text.into());
    &String => |text| Atom::String(text.as_str().into());
    EcoString => |text| Atom::String(text);
    Uuid => |uuid| Atom::Uuid(uuid);
    Atom => |atom| atom;
    &Atom => |atom| atom.clone();
}

impl From<Term> for Value {
    fn from(term: Term) -> Value {
        Value::One(term)
    }
}

impl From<&Term> for Term {
    fn from(term: &Term) -> Term {
        term.clone()
    }
}

/// The empty set for `None`.
impl<T: Into<Term>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::empty(), |value| Value::One(value.into()))
    }
}

impl<T: Into<Term>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Value {
        Value::set(elements)
    }
}

impl<T: Into<Term> + Clone> From<&[T]> for Value {
    fn from(elements: &[T]) -> Value {
        Value::set(elements.iter().cloned())
    }
}

impl<T: Into<Term>, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Value {
        Value::set(elements)
    }
}

impl<T: Into<Term>> From<BTreeSet<T>> for Value {
    fn from(elements: BTreeSet<T>) -> Value {
        Value::set(elements)
    }
}

impl<T: Into<Term>, S> From<HashSet<T, S>> for Value {
    fn from(elements: HashSet<T, S>) -> Value {
        Value::set(elements)
    }
}

impl<K: Into<Term>, V: Into<Term>> From<BTreeMap<K, V>> for Value {
    fn from(pairs: BTreeMap<K, V>) -> Value {
        Value::map(pairs)
    }
}

impl<K: Into<Term>, V: Into<Term>, S> From<HashMap<K, V, S>> for Value {
    fn from(pairs: HashMap<K, V, S>) -> Value {
        Value::map(pairs)
    }
}

#[cfg(test)]
mod tests;
