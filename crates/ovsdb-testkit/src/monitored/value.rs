//! Values of columns as plain sorted pairs, read from and written to JSON without any code of the servers.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::schema::{Kind, Type};

/// One atom. Reals are kept as their bits, so that atoms have an order; which one does not matter.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Atom {
    /// An integer.
    Integer(i64),
    /// The bits of a real.
    Real(u64),
    /// A boolean.
    Boolean(bool),
    /// A string.
    Text(String),
    /// The text of a UUID.
    Id(String),
}

/// A set, with nothing beside its elements, or a map.
pub type Value = BTreeMap<Atom, Option<Atom>>;

impl Atom {
    /// A real.
    pub fn real(value: f64) -> Atom {
        // There are two zeros, which are equal.
        Atom::Real(if value == 0.0 { 0.0f64 } else { value }.to_bits())
    }

    /// The value of a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Atom::Integer(value) => Some(*value as f64),
            Atom::Real(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    fn default_of(kind: Kind) -> Atom {
        match kind {
            Kind::Integer => Atom::Integer(0),
            Kind::Real => Atom::real(0.0),
            Kind::Boolean => Atom::Boolean(false),
            Kind::Text => Atom::Text(String::new()),
            Kind::Id => Atom::Id(String::from("00000000-0000-0000-0000-000000000000")),
        }
    }

    fn from_json(json: &Json, kind: Kind) -> Atom {
        let read = match kind {
            Kind::Integer => json.as_i64().map(Atom::Integer),
            Kind::Real => json.as_f64().map(Atom::real),
            Kind::Boolean => json.as_bool().map(Atom::Boolean),
            Kind::Text => json.as_str().map(|text| Atom::Text(text.to_owned())),
            Kind::Id => match json.as_array().map(Vec::as_slice) {
                Some([tag, id]) if tag == "uuid" => id.as_str().map(|id| Atom::Id(id.to_owned())),
                _ => None,
            },
        };
        read.unwrap_or_else(|| panic!("{json} is no {kind:?}"))
    }

    fn to_json(&self) -> Json {
        match self {
            Atom::Integer(value) => json!(value),
            Atom::Real(bits) => json!(f64::from_bits(*bits)),
            Atom::Boolean(value) => json!(value),
            Atom::Text(text) => json!(text),
            Atom::Id(id) => json!(["uuid", id]),
        }
    }
}

/// What a column has that nobody has set.
pub fn default_value(ty: Type) -> Value {
    let mut value = Value::new();
    if ty.min > 0 {
        value.insert(Atom::default_of(ty.key), ty.value.map(Atom::default_of));
    }
    value
}

/// Reads a value (RFC 7047, section 5.1).
///
/// # Panics
/// If it is not one of the type, the number of elements aside.
pub fn value_from_json(json: &Json, ty: Type) -> Value {
    let elements = match json.as_array().map(Vec::as_slice) {
        Some([tag, Json::Array(elements)]) if tag == "set" || tag == "map" => elements.as_slice(),
        _ => std::slice::from_ref(json),
    };
    let mut value = Value::new();
    for element in elements {
        let previous = match (ty.value, element.as_array().map(Vec::as_slice)) {
            (None, _) => value.insert(Atom::from_json(element, ty.key), None),
            (Some(kind), Some([key, mapped])) => {
                let mapped = Atom::from_json(mapped, kind);
                value.insert(Atom::from_json(key, ty.key), Some(mapped))
            }
            (Some(_), _) => panic!("{json} is no map"),
        };
        assert!(previous.is_none(), "{json} has an element twice");
    }
    value
}

/// The JSON of a value.
pub fn value_to_json(value: &Value) -> Json {
    let is_map = value.values().any(Option::is_some);
    if is_map {
        let pairs = value.iter();
        let pairs =
            pairs.map(|(key, value)| json!([key.to_json(), value.as_ref().map(Atom::to_json)]));
        return json!(["map", pairs.collect::<Vec<_>>()]);
    }
    match value.keys().collect::<Vec<_>>()[..] {
        [only] => only.to_json(),
        ref elements => json!([
            "set",
            elements
                .iter()
                .map(|atom| atom.to_json())
                .collect::<Vec<_>>()
        ]),
    }
}

/// The difference of two values, as ovsdb-server(7), section 4.1.14, has it.
pub(super) fn difference(old: &Value, new: &Value, ty: Type) -> Value {
    if ty.max == Some(1) {
        return new.clone();
    }
    let mut difference = Value::new();
    for (key, value) in new {
        if old.get(key) != Some(value) {
            difference.insert(key.clone(), value.clone());
        }
    }
    for (key, value) in old {
        if !new.contains_key(key) {
            difference.insert(key.clone(), value.clone());
        }
    }
    difference
}

/// What `old` becomes by a difference.
pub(super) fn with_difference(old: &Value, difference: &Value, ty: Type) -> Value {
    if ty.max == Some(1) {
        return difference.clone();
    }
    let mut new = old.clone();
    for (key, value) in difference {
        // An element on both sides goes, unless it comes with another value.
        if old.get(key) == Some(value) {
            new.remove(key);
        } else {
            new.insert(key.clone(), value.clone());
        }
    }
    new
}
