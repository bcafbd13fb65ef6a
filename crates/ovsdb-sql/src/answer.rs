//! The answer to a statement.

use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text;
use ovsdb_proto::types::ColumnType;
use ovsdb_proto::uuid::Uuid;
use rusqlite::types::ValueRef;

/// The rows that answer a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What each value of a row is.
    pub columns: Vec<AnswerColumn>,
    /// The rows, in the order that the statement asks for, if it does.
    pub rows: Vec<Vec<Value>>,
}

/// A column of an [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerColumn {
    /// Its name.
    pub name: String,
    /// The type of the column of the database whose values it shows; `None` if it is computed.
    pub ty: Option<ColumnType>,
}

/// A value of an [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// An integer.
    Integer(i64),
    /// A real; not a number that JSON cannot write.
    Real(f64),
    /// Text; what is no UTF-8 in it is replaced.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    pub(crate) fn of(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn n_bytes(&self) -> usize {
        let beside = match self {
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
        };
        size_of::<Value>() + beside
    }

    /// The value of a column of type `ty` that this shows; `None` if it is none of those.
    pub fn to_datum(&self, ty: &ColumnType) -> Option<Datum> {
        if ty.value.is_none() && ty.max == 1 {
            return match self {
                Value::Null => (ty.min == 0).then(Datum::empty),
                value => value.to_atom(ty.key.kind).map(Datum::from_atom),
            };
        }
        let Value::Text(text) = self else {
            return None;
        };
        match (json::parse(text.as_bytes()).ok()?, &ty.value) {
            (Json::Array(elements), None) => {
                let atoms = elements.iter().map(|json| atom(json, ty.key.kind));
                Some(Datum::from_atoms(atoms.collect::<Option<Vec<_>>>()?))
            }
            (Json::Object(members), Some(base)) => {
                let pairs = members.iter().map(|(name, json)| {
                    let key = text::atom_from_string(&ty.key, name, &mut Symbols::none());
                    let key = match ty.key.kind {
                        AtomType::String => Atom::string(name),
                        _ => key.ok()?,
                    };
                    Some((key, atom(json, base.kind)?))
                });
                Some(Datum::from_pairs(pairs.collect::<Option<Vec<_>>>()?))
            }
            _ => None,
        }
    }

    fn to_atom(&self, kind: AtomType) -> Option<Atom> {
        match (kind, self) {
            (AtomType::Integer, Value::Integer(value)) => Some(Atom::Integer(*value)),
            (AtomType::Real, Value::Real(value)) => Some(Atom::Real(*value)),
            (AtomType::Boolean, Value::Integer(value @ (0 | 1))) => {
                Some(Atom::Boolean(*value == 1))
            }
            (AtomType::String, Value::Text(text)) => Some(Atom::string(text.as_str())),
            (AtomType::Uuid, Value::Text(text)) => Uuid::parse(text).map(Atom::Uuid),
            _ => None,
        }
    }
}

/// An element as the tables of this crate show it.
fn atom(json: &Json, kind: AtomType) -> Option<Atom> {
    match (kind, json) {
        (AtomType::Integer, Json::Integer(value)) => Some(Atom::Integer(*value)),
        (AtomType::Real, Json::Integer(value)) => Some(Atom::Real(*value as f64)),
        (AtomType::Real, Json::Real(value)) => Some(Atom::Real(*value)),
        (AtomType::Boolean, Json::Bool(value)) => Some(Atom::Boolean(*value)),
        (AtomType::String, Json::String(text)) => Some(Atom::String(text.clone())),
        (AtomType::Uuid, Json::String(text)) => Uuid::parse(text).map(Atom::Uuid),
        _ => None,
    }
}
