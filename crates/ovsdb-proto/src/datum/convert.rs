//! Datums from JSON and to JSON (RFC 7047, section 5.1: `<value>`, `<set>`, `<map>`, `<pair>`, `<atom>`).

use super::seq::{Element, Seq};
use super::{Datum, Pair, Repr, duplicate_error};
use crate::atom::{Atom, AtomType};
use crate::error::OvsdbError;
use crate::json::{self, Json};
use crate::parser::is_id;
use crate::symbols::Symbols;
use crate::types::{BaseType, ColumnType, UNLIMITED};
use crate::uuid::Uuid;

/// A column type with other limits on the number of elements.
///
/// Arguments of conditions and mutations have the type of their column but for the numbers.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) key: &'a BaseType,
    pub(crate) value: Option<&'a BaseType>,
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl<'a> Expected<'a> {
    pub(crate) fn exactly(ty: &'a ColumnType) -> Expected<'a> {
        Expected {
            key: &ty.key,
            value: ty.value.as_ref(),
            min: ty.min,
            max: ty.max,
        }
    }

    pub(crate) fn any_number(ty: &'a ColumnType) -> Expected<'a> {
        Expected {
            min: 0,
            max: UNLIMITED,
            ..Expected::exactly(ty)
        }
    }

    pub(crate) fn parse(self, json: &Json, symbols: &mut Symbols<'_>) -> Result<Datum, OvsdbError> {
        if let Some(value) = self.value {
            let elements = self.elements(json, "map")?;
            let pairs = elements.iter().map(|element| {
                let Some([key_json, value_json]) = element.as_array() else {
                    return Err(OvsdbError::syntax(element, "expected 2-element array"));
                };
                let key = atom_from_json(key_json, self.key, symbols)?;
                Ok(Pair {
                    key,
                    value: atom_from_json(value_json, value, symbols)?,
                })
            });
            let pairs = sorted(pairs.collect::<Result<Vec<_>, _>>()?)
                .ok_or_else(|| duplicate_error(true))?;
            return Ok(Datum::from_sorted_pairs(pairs));
        }
        let is_set = json.as_array().and_then(|array| array.first()?.as_str()) == Some("set");
        if !is_set {
            return Ok(Datum::from_atom(atom_from_json(json, self.key, symbols)?));
        }
        let elements = self.elements(json, "set")?;
        let atoms = elements
            .iter()
            .map(|element| atom_from_json(element, self.key, symbols));
        let atoms =
            sorted(atoms.collect::<Result<Vec<_>, _>>()?).ok_or_else(|| duplicate_error(false))?;
        Ok(Datum::from_sorted_atoms(atoms))
    }

    /// The elements in `["set", [...]]` or `["map", [...]]`, if their number is allowed.
    fn elements<'j>(&self, json: &'j Json, class: &str) -> Result<&'j [Json], OvsdbError> {
        let elements = match json.as_array() {
            Some([Json::String(name), Json::Array(elements)]) if name == class => elements,
            _ => {
                return Err(OvsdbError::syntax(
                    json,
                    format!("expected [\"{class}\", <array>]"),
                ));
            }
        };
        let (n, min, max) = (elements.len(), self.min, self.max);
        if n >= min as usize && (max == UNLIMITED || n <= max as usize) {
            Ok(elements)
        } else if min == 1 && max == 1 {
            let details = format!("{class} must have exactly one member but {n} are present");
            Err(OvsdbError::syntax(json, details))
        } else {
            let details = format!("{class} must have {min} to {max} members but {n} are present");
            Err(OvsdbError::syntax(json, details))
        }
    }
}

/// The elements in ascending order, or `None` if a key occurs twice.
fn sorted<E: Element>(mut elements: Vec<E>) -> Option<Vec<E>> {
    let is_ascending = |elements: &[E]| elements.is_sorted_by(|a, b| a.key() < b.key());
    if is_ascending(&elements) {
        return Some(elements);
    }
    elements.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    is_ascending(&elements).then_some(elements)
}

fn atom_from_json(
    json: &Json,
    base: &BaseType,
    symbols: &mut Symbols<'_>,
) -> Result<Atom, OvsdbError> {
    let atom = match (base.kind, json) {
        (AtomType::Integer, Json::Integer(value)) => Atom::Integer(*value),
        (AtomType::Real, Json::Integer(value)) => Atom::Real(*value as f64),
        (AtomType::Real, Json::Real(value)) => Atom::Real(*value),
        (AtomType::Boolean, Json::Bool(value)) => Atom::Boolean(*value),
        (AtomType::String, Json::String(text)) => Atom::String(text.clone()),
        (AtomType::String, Json::NotUtf8(bytes)) => return Err(not_utf8_error(bytes)),
        (AtomType::Uuid, _) => Atom::Uuid(uuid_from_json(json, symbols)?),
        (kind, _) => return Err(OvsdbError::syntax(json, format!("expected {kind}"))),
    };
    base.check(&atom)?;
    Ok(atom)
}

fn uuid_from_json(json: &Json, symbols: &mut Symbols<'_>) -> Result<Uuid, OvsdbError> {
    match json.as_array() {
        Some([Json::String(word), Json::String(text)]) if word == "uuid" => Uuid::parse(text)
            .ok_or_else(|| OvsdbError::syntax(json, format!("\"{text}\" is not a valid UUID"))),
        Some([Json::String(word), Json::String(name)])
            if word == "named-uuid" && symbols.are_allowed() =>
        {
            if !is_id(name) {
                return Err(OvsdbError::syntax(
                    json,
                    "named-uuid string is not a valid <id>",
                ));
            }
            symbols
                .resolve(name)
                .ok_or_else(|| OvsdbError::syntax(json, "expected [\"uuid\", <string>]"))
        }
        _ => Err(OvsdbError::syntax(json, "expected [\"uuid\", <string>]")),
    }
}

/// Names the bytes at which a string stops being UTF-8: a byte that can begin nothing, or else a sequence up to and
/// including the byte that does not fit, which at the end of the string is the NUL that would follow.
fn not_utf8_error(bytes: &[u8]) -> OvsdbError {
    let mut words = String::from("not a valid UTF-8 string: invalid UTF-8 sequence");
    if let Err(error) = std::str::from_utf8(bytes) {
        let rest = &bytes[error.valid_up_to()..];
        let can_begin = rest
            .first()
            .is_some_and(|first| (0xc2..=0xf4).contains(first));
        let len = match error.error_len() {
            None => rest.len() + 1,
            Some(fitting) if can_begin => fitting + 1,
            Some(_) => 1,
        };
        for byte in rest.iter().chain(&[0]).take(len) {
            words.push_str(&format!(" 0x{byte:02x}"));
        }
    }
    OvsdbError::constraint(words)
}

impl Datum {
    /// Parses a `<value>` for a column of type `ty`, with all its constraints. Named UUIDs are looked up in `symbols`.
    ///
    /// # Errors
    /// A `syntax error`, a `constraint violation`, or a plain error for elements that occur twice.
    pub fn from_json(
        json: &Json,
        ty: &ColumnType,
        symbols: &mut Symbols<'_>,
    ) -> Result<Datum, OvsdbError> {
        Expected::exactly(ty).parse(json, symbols)
    }

    /// Like [`Datum::from_json`] for any number of elements and without named UUIDs: the form of a difference between
    /// two values of the column.
    ///
    /// # Errors
    /// As [`Datum::from_json`].
    pub fn diff_from_json(json: &Json, ty: &ColumnType) -> Result<Datum, OvsdbError> {
        Expected::any_number(ty).parse(json, &mut Symbols::none())
    }

    /// Like [`Datum::diff_from_json`], without constraints on the elements either.
    ///
    /// # Errors
    /// A `syntax error`, or a plain error for elements that occur twice.
    pub fn unconstrained_from_json(json: &Json, ty: &ColumnType) -> Result<Datum, OvsdbError> {
        let key = BaseType::new(ty.key.kind);
        let value = ty.value.as_ref().map(|value| BaseType::new(value.kind));
        let any = Expected {
            key: &key,
            value: value.as_ref(),
            min: 0,
            max: UNLIMITED,
        };
        any.parse(json, &mut Symbols::none())
    }

    /// This value of a column of type `from` as a value of one of type `to`: what the text of the `<value>` means there,
    /// so that whole real numbers are integers.
    ///
    /// # Errors
    /// As [`Datum::from_json`] for a value that `to` does not have.
    pub fn convert(&self, from: &ColumnType, to: &ColumnType) -> Result<Datum, OvsdbError> {
        if to.has_form_of(from) && self.fits(to) {
            return Ok(self.clone());
        }
        let mut json = self.to_json(from);
        if from.bases().any(|base| base.kind == AtomType::Real) {
            // In an array, because the parser wants one or an object.
            let text = Json::Array(vec![json]).to_bytes();
            json = match json::parse(&text) {
                Ok(Json::Array(mut values)) if values.len() == 1 => values.remove(0),
                _ => unreachable!("what was written is read again"),
            };
        }
        Datum::from_json(&json, to, &mut Symbols::none())
    }

    /// The `<value>` of a column of type `ty`: a set of one atom is that atom.
    pub fn to_json(&self, ty: &ColumnType) -> Json {
        match self.as_atom() {
            Some(atom) if !ty.is_map() => atom.to_json(),
            _ => {
                let elements = self.iter().map(|(key, value)| match value {
                    Some(value) => Json::Array(vec![key.to_json(), value.to_json()]),
                    None => key.to_json(),
                });
                let class = if ty.is_map() { "map" } else { "set" };
                Json::Array(vec![Json::string(class), Json::Array(elements.collect())])
            }
        }
    }

    /// Appends the compact text of [`Datum::to_json`] to `out`.
    pub fn write_json(&self, ty: &ColumnType, out: &mut Vec<u8>) {
        match self.as_atom() {
            Some(atom) if !ty.is_map() => atom.write_json(out),
            _ => {
                out.extend_from_slice(if ty.is_map() {
                    b"[\"map\",["
                } else {
                    b"[\"set\",["
                });
                // Most are small, and those are written without a walk through a tree.
                match &self.0 {
                    Repr::Map(Seq::Small(pairs)) => write_pairs(pairs.iter(), out),
                    Repr::Map(pairs) => write_pairs(pairs.view().iter(), out),
                    Repr::Set(Seq::Small(atoms)) => write_atoms(atoms.iter(), out),
                    _ => write_atoms(self.atoms().iter(), out),
                }
                out.extend_from_slice(b"]]");
            }
        }
    }
}

fn write_atoms<'a>(atoms: impl Iterator<Item = &'a Atom>, out: &mut Vec<u8>) {
    for (i, atom) in atoms.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        atom.write_json(out);
    }
}

fn write_pairs<'a>(pairs: impl Iterator<Item = &'a Pair>, out: &mut Vec<u8>) {
    for (i, Pair { key, value }) in pairs.enumerate() {
        out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
        key.write_json(out);
        out.push(b',');
        value.write_json(out);
        out.push(b']');
    }
}

#[cfg(test)]
mod tests;
