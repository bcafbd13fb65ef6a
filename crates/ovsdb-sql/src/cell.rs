//! One value of a relation, and how it is found again by what SQL compares it with.

use std::hash::{Hash, Hasher};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::write;
use ovsdb_proto::text;
use ovsdb_proto::uuid::Uuid;
use rusqlite::types::ValueRef;

use crate::catalog::Kind;

/// Integers up to this size are exactly the same as reals.
const EXACT_MAX: i64 = 1 << 53;

/// A value, borrowed from the row that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Uuid(Uuid),
    /// A set or map. These are not looked up.
    Json(&'a Datum, bool),
}

impl<'a> Cell<'a> {
    pub(crate) fn of_atom(atom: &'a Atom) -> Cell<'a> {
        match atom {
            Atom::Integer(value) => Cell::Integer(*value),
            // Zero has two signs and is one number.
            Atom::Real(value) => Cell::Real(*value + 0.0),
            Atom::Boolean(value) => Cell::Integer(i64::from(*value)),
            Atom::String(text) => Cell::Text(text),
            Atom::Uuid(uuid) => Cell::Uuid(*uuid),
        }
    }

    /// `is_map` tells an empty map from an empty set.
    pub(crate) fn of_datum(datum: &'a Datum, kind: Kind, is_map: bool) -> Cell<'a> {
        match kind {
            Kind::Json => Cell::Json(datum, is_map),
            _ => datum.as_atom().map_or(Cell::Null, Cell::of_atom),
        }
    }
}

impl PartialEq for Cell<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Cell::Integer(a), Cell::Integer(b)) => a == b,
            (Cell::Real(a), Cell::Real(b)) => a == b,
            (Cell::Text(a), Cell::Text(b)) => a == b,
            (Cell::Uuid(a), Cell::Uuid(b)) => a == b,
            _ => false,
        }
    }
}

impl Hash for Cell<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Cell::Null | Cell::Json(..) => {}
            Cell::Integer(value) => value.hash(state),
            Cell::Real(value) => value.to_bits().hash(state),
            Cell::Text(text) => text.hash(state),
            Cell::Uuid(uuid) => uuid.hash(state),
        }
    }
}

/// How the rows are found whose value equals another one.
#[derive(Debug)]
pub(crate) enum Lookup<'a> {
    /// By this value.
    Cell(Cell<'a>),
    /// There are none.
    Nothing,
    /// By looking at all of them: SQLite would convert values before it compares them.
    Scan,
}

impl<'a> Lookup<'a> {
    /// How to find what equals `value` in a column of `kind`. SQLite compares again what is found, so this may find too much,
    /// never too little: see "Type Conversions Prior To Comparison" in its manual.
    pub(crate) fn of(kind: Kind, value: ValueRef<'a>) -> Lookup<'a> {
        match (kind, value) {
            (_, ValueRef::Null) => Lookup::Nothing,
            (Kind::Integer | Kind::Boolean, ValueRef::Integer(value)) => {
                Lookup::Cell(Cell::Integer(value))
            }
            (Kind::Integer | Kind::Boolean, ValueRef::Real(value)) => {
                let whole = value.trunc();
                if whole != value {
                    Lookup::Nothing
                } else if whole.abs() <= EXACT_MAX as f64 {
                    Lookup::Cell(Cell::Integer(whole as i64))
                } else {
                    Lookup::Scan
                }
            }
            (Kind::Real, ValueRef::Integer(value)) if (-EXACT_MAX..=EXACT_MAX).contains(&value) => {
                Lookup::Cell(Cell::Real(value as f64))
            }
            (Kind::Integer | Kind::Boolean, ValueRef::Text(text)) => number(text),
            (Kind::Real, ValueRef::Real(value)) => Lookup::Cell(Cell::Real(value + 0.0)),
            (Kind::Text, ValueRef::Text(text)) => match std::str::from_utf8(text) {
                Ok(text) => Lookup::Cell(Cell::Text(text)),
                Err(_) => Lookup::Nothing,
            },
            (Kind::Uuid, ValueRef::Text(text)) => {
                let uuid = std::str::from_utf8(text).ok().and_then(Uuid::parse);
                uuid.map_or(Lookup::Nothing, |uuid| Lookup::Cell(Cell::Uuid(uuid)))
            }
            _ => Lookup::Scan,
        }
    }
}

/// Text beside a column of integers counts as the number that it looks like.
fn number<'a>(text: &[u8]) -> Lookup<'a> {
    let plain = std::str::from_utf8(text).ok();
    if let Some(value) = plain.and_then(|text| text.parse().ok()) {
        return Lookup::Cell(Cell::Integer(value));
    }
    // `12.0`, ` 12` and `1e2` are numbers as well; what begins otherwise is none.
    // White space includes the vertical tab (0x0b), as for C's isspace().
    let is_space = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
    match text.iter().find(|byte| !is_space(byte)) {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => Lookup::Scan,
        _ => Lookup::Nothing,
    }
}

/// A set as a JSON array or a map as a JSON object.
pub(crate) fn json_text(datum: &Datum, is_map: bool) -> String {
    let mut out = Vec::with_capacity(2 + 16 * datum.len());
    let (open, close) = if is_map { (b'{', b'}') } else { (b'[', b']') };
    out.push(open);
    for (at, (key, value)) in datum.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match value {
            Some(value) => {
                write_name(key, &mut out);
                out.push(b':');
                write_atom(value, &mut out);
            }
            None => write_atom(key, &mut out),
        }
    }
    out.push(close);
    String::from_utf8(out).expect("JSON of strings is UTF-8")
}

fn write_atom(atom: &Atom, out: &mut Vec<u8>) {
    match atom {
        Atom::Uuid(uuid) => {
            out.push(b'"');
            out.extend_from_slice(&uuid.to_text());
            out.push(b'"');
        }
        atom => atom.write_json(out),
    }
}

/// Names of members of JSON objects are strings.
fn write_name(atom: &Atom, out: &mut Vec<u8>) {
    match atom {
        Atom::String(_) | Atom::Uuid(_) => write_atom(atom, out),
        atom => write::string(&text::atom_to_bare(atom), out),
    }
}
