//! The feature `serde`: the types of this crate in any format that serde knows, in the form that they have in JSON.
//!
//! A value is read by what it says of itself, so formats that do not describe themselves can be written and not read.
//! What is read keeps the rules of the dialect: integral numbers are integers, no text contains NUL, and depth has its
//! limit. A [`Datum`] has no form without its column's type: see [`TypedDatum`] and [`DatumSeed`].
//!
//! ```
//! use ovsdb_proto::schema::Schema;
//! use ovsdb_proto::value::{Row, Value};
//!
//! let row: Row = serde_json::from_str(r#"{"name":"br0","ports":["set",[]]}"#)?;
//! assert_eq!(row, Row::new().set("name", "br0").set("ports", Value::empty()));
//! assert_eq!(serde_json::to_string(&row)?, r#"{"name":"br0","ports":["set",[]]}"#);
//!
//! let schema = r#"{"name":"db","tables":{"T":{"columns":{"c":{"type":"integer"}}}}}"#;
//! let schema: Schema = serde_json::from_str(schema)?;
//! assert_eq!(schema.name, "db");
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use ecow::EcoString;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::atom::Atom;
use crate::datum::Datum;
use crate::error::{ErrorTag, OvsdbError};
use crate::json::{self, Json, Object};
use crate::schema::Schema;
use crate::symbols::Symbols;
use crate::types::{BaseType, ColumnType};
use crate::uuid::Uuid;
use crate::value::{Row, Term, Value};

/// The name under which `serde_json` hands out numbers as text, where some crate of a program has asked it to
/// (`arbitrary_precision`).
const NUMBER_AS_TEXT: &str = "$serde_json::private::Number";

/// Arrays and objects that may be inside each other in what is read. A level takes stack, and who writes trees of
/// another format's making need not have a limit; `serde_json` has this one for texts.
const LEVELS_MAX: usize = 128;

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Integer(value) => serializer.serialize_i64(*value),
            Json::Real(value) => serializer.serialize_f64(*value),
            Json::String(text) => serializer.serialize_str(text),
            Json::NotUtf8(_) => Err(ser::Error::custom("string is not UTF-8")),
            Json::Array(elements) => {
                let mut seq = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    seq.serialize_element(element)?;
                }
                seq.end()
            }
            Json::Object(members) => members.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        AnyJson { depth: 0 }.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Object(object) => Ok(object),
            other => Err(de::Error::custom(format_args!(
                "expected an object, found {}",
                other.type_name()
            ))),
        }
    }
}

/// Reads any value that is inside `depth` arrays and objects.
#[derive(Clone, Copy)]
struct AnyJson {
    depth: usize,
}

impl AnyJson {
    fn inside<E: de::Error>(self) -> Result<AnyJson, E> {
        if self.depth == LEVELS_MAX {
            return Err(E::custom("too many levels"));
        }
        Ok(AnyJson {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for AnyJson {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn without_nul<E: de::Error>(text: &str) -> Result<&str, E> {
    if text.contains('\0') {
        return Err(E::custom("text contains a NUL character"));
    }
    Ok(text)
}

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Real(value as f64), Json::Integer))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Real(value as f64), Json::Integer))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Real(value as f64), Json::Integer))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        // The bounds are exact: 2^63 is the first number that is too great.
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        if !value.is_finite() {
            return Err(E::custom("number is not finite"));
        }
        let is_integer = value.fract() == 0.0 && (-BOUND..BOUND).contains(&value);
        Ok(if is_integer {
            Json::Integer(value as i64)
        } else {
            Json::Real(value)
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::string(without_nul::<E>(text)?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(inside)? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut next = map.next_key::<String>()?;
        if next.as_deref() == Some(NUMBER_AS_TEXT) {
            return number(&map.next_value::<String>()?);
        }
        let inside = self.inside::<A::Error>()?;
        let mut members: Vec<(EcoString, Json)> = Vec::new();
        while let Some(name) = next {
            let name = EcoString::from(without_nul::<A::Error>(&name)?);
            members.push((name, map.next_value_seed(inside)?));
            next = map.next_key()?;
        }
        Ok(Json::Object(members.into_iter().collect()))
    }
}

/// The number that `text` is in the dialect.
fn number<E: de::Error>(text: &str) -> Result<Json, E> {
    match json::parse(format!("[{text}]").as_bytes()) {
        Ok(Json::Array(mut values)) => match (values.len(), values.pop()) {
            (1, Some(number @ (Json::Integer(_) | Json::Real(_)))) => Ok(number),
            _ => Err(E::custom("number expected")),
        },
        Ok(_) => Err(E::custom("number expected")),
        Err(error) => Err(E::custom(error)),
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Uuid;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUID")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Uuid, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Types that are written as their JSON.
macro_rules! written_as_json {
    ($($type:ty)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.to_json().serialize(serializer)
            }
        }
    )*};
}

/// Types that are read from their JSON.
macro_rules! read_from_json {
    ($($type:ty => $from_json:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                $from_json(&Json::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    )*};
}

written_as_json! { Atom Term Value Row Schema ColumnType BaseType OvsdbError }

read_from_json! {
    Atom => atom_from_json;
    Term => Term::from_json;
    Value => Value::from_json;
    Row => Row::from_json;
    Schema => Schema::from_json;
    ColumnType => ColumnType::from_json;
    BaseType => BaseType::from_json;
}

fn atom_from_json(json: &Json) -> Result<Atom, OvsdbError> {
    match Term::from_json(json)? {
        Term::Atom(atom) => Ok(atom),
        Term::Named(_) => Err(OvsdbError::syntax(json, "atom expected")),
    }
}

impl Serialize for ErrorTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A datum with the type of its column, to be written.
#[derive(Clone, Copy, Debug)]
pub struct TypedDatum<'a> {
    /// The datum.
    pub datum: &'a Datum,
    /// The type.
    pub ty: &'a ColumnType,
}

impl Serialize for TypedDatum<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.datum.to_json(self.ty).serialize(serializer)
    }
}

/// Reads a datum of a column of this type, with all its constraints.
///
/// ```
/// use ovsdb_proto::atom::AtomType;
/// use ovsdb_proto::serde_forms::{DatumSeed, TypedDatum};
/// use ovsdb_proto::types::ColumnType;
/// use serde::de::DeserializeSeed;
///
/// let ty = ColumnType::scalar(AtomType::Real);
/// let datum = DatumSeed(&ty).deserialize(&mut serde_json::Deserializer::from_str("3"))?;
/// assert_eq!(datum.to::<f64>(), Ok(3.0));
/// assert_eq!(serde_json::to_string(&TypedDatum { datum: &datum, ty: &ty })?, "3.0");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DatumSeed<'a>(pub &'a ColumnType);

impl<'de> DeserializeSeed<'de> for DatumSeed<'_> {
    type Value = Datum;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Datum::from_json(&json, self.0, &mut Symbols::none()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
