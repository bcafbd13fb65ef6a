//! Types of columns: base types with their constraints, and how many values a column holds (RFC 7047, section 3.2).
//!
//! Whether a referenced row exists is no matter of types: the engine finds that out when it commits.

use std::fmt;
use std::sync::Arc;

use ecow::EcoString;

use crate::atom::{Atom, AtomType};
use crate::datum::Datum;
use crate::error::OvsdbError;
use crate::json::{Json, Object};
use crate::parser::{Kinds, Members};
use crate::schema::TableId;
use crate::symbols::Symbols;
use crate::text;

/// Stands for `"unlimited"` in [`ColumnType::max`] and for an unbounded length.
pub const UNLIMITED: u32 = u32::MAX;

/// What a reference does when its target goes away (RFC 7047, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefType {
    /// The target must exist, and keeps existing while it is referenced.
    Strong,
    /// The reference goes away together with its target.
    Weak,
}

/// Limits on the values of a base type, apart from an enumeration of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    /// `minInteger` and `maxInteger`, inclusive.
    Integer {
        /// The smallest value, `i64::MIN` if there is no limit.
        min: i64,
        /// The greatest value, `i64::MAX` if there is no limit.
        max: i64,
    },
    /// `minReal` and `maxReal`, inclusive.
    Real {
        /// The smallest value, `f64::MIN` if there is no limit.
        min: f64,
        /// The greatest value, `f64::MAX` if there is no limit.
        max: f64,
    },
    /// `minLength` and `maxLength`, in characters.
    String {
        /// The smallest length.
        min_len: u32,
        /// The greatest length, [`UNLIMITED`] if there is no limit.
        max_len: u32,
    },
    /// `refTable` and `refType`.
    Uuid {
        /// The table that the UUID refers to, if any.
        ref_table: Option<EcoString>,
        /// The same table in its schema; `None` until a [`crate::schema::Schema`] has found it.
        ref_table_id: Option<TableId>,
        /// What the reference does when its target goes away.
        ref_type: RefType,
    },
    /// The type has no limits to set.
    None,
}

impl Constraint {
    /// The constraint that admits every value of `kind`.
    pub const fn unlimited(kind: AtomType) -> Constraint {
        match kind {
            AtomType::Integer => Constraint::Integer {
                min: i64::MIN,
                max: i64::MAX,
            },
            AtomType::Real => Constraint::Real {
                min: f64::MIN,
                max: f64::MAX,
            },
            AtomType::Boolean => Constraint::None,
            AtomType::String => Constraint::String {
                min_len: 0,
                max_len: UNLIMITED,
            },
            AtomType::Uuid => Constraint::Uuid {
                ref_table: None,
                ref_table_id: None,
                ref_type: RefType::Strong,
            },
        }
    }
}

/// A `<base-type>` (RFC 7047, section 3.2).
#[derive(Clone, Debug)]
pub struct BaseType {
    /// The type of the values.
    pub kind: AtomType,
    /// The only values allowed, if they are listed: a set of atoms of type `kind`.
    pub enum_: Option<Arc<Datum>>,
    /// Limits on the values.
    pub constraint: Constraint,
}

impl PartialEq for BaseType {
    /// Compares what a schema says; that a reference is resolved makes no difference.
    fn eq(&self, other: &BaseType) -> bool {
        let constraints_agree = match (&self.constraint, &other.constraint) {
            (
                Constraint::Uuid {
                    ref_table: a,
                    ref_type: a_type,
                    ..
                },
                Constraint::Uuid {
                    ref_table: b,
                    ref_type: b_type,
                    ..
                },
            ) => a == b && a_type == b_type,
            (a, b) => a == b,
        };
        self.kind == other.kind && self.enum_ == other.enum_ && constraints_agree
    }
}

impl BaseType {
    /// The base type without constraints.
    pub const fn new(kind: AtomType) -> BaseType {
        BaseType {
            kind,
            enum_: None,
            constraint: Constraint::unlimited(kind),
        }
    }

    /// True if the type allows less than every value of its atomic type, or refers to a table.
    pub fn has_constraints(&self) -> bool {
        let limited = match &self.constraint {
            Constraint::Integer { min, max } => *min != i64::MIN || *max != i64::MAX,
            Constraint::Real { min, max } => *min != f64::MIN || *max != f64::MAX,
            Constraint::String { min_len, max_len } => *min_len != 0 || *max_len != UNLIMITED,
            Constraint::Uuid { ref_table, .. } => ref_table.is_some(),
            Constraint::None => false,
        };
        self.enum_.is_some() || limited
    }

    /// The name of the referenced table and what the reference does, if this is a reference.
    pub fn reference(&self) -> Option<(&EcoString, RefType)> {
        match &self.constraint {
            Constraint::Uuid {
                ref_table: Some(table),
                ref_type,
                ..
            } => Some((table, *ref_type)),
            _ => None,
        }
    }

    /// The referenced table, if this is a reference in a schema.
    pub fn ref_table_id(&self) -> Option<TableId> {
        match &self.constraint {
            Constraint::Uuid { ref_table_id, .. } => *ref_table_id,
            _ => None,
        }
    }

    /// True for a strong reference.
    pub fn is_strong_ref(&self) -> bool {
        matches!(self.reference(), Some((_, RefType::Strong)))
    }

    /// True for a weak reference.
    pub fn is_weak_ref(&self) -> bool {
        matches!(self.reference(), Some((_, RefType::Weak)))
    }

    /// True if every value that `other` admits is admitted here: they are of one kind, and nothing is forbidden that was
    /// allowed there. References are no matter of values.
    pub fn admits_all_of(&self, other: &BaseType) -> bool {
        if self.kind != other.kind {
            return false;
        }
        if let Some(values) = &other.enum_ {
            return values.keys().all(|atom| self.check(atom).is_ok());
        }
        if self.enum_.is_some() {
            return false;
        }
        match (&self.constraint, &other.constraint) {
            (
                Constraint::Integer { min, max },
                Constraint::Integer {
                    min: least,
                    max: greatest,
                },
            ) => min <= least && max >= greatest,
            (
                Constraint::Real { min, max },
                Constraint::Real {
                    min: least,
                    max: greatest,
                },
            ) => min <= least && max >= greatest,
            (
                Constraint::String { min_len, max_len },
                Constraint::String {
                    min_len: least,
                    max_len: greatest,
                },
            ) => min_len <= least && max_len >= greatest,
            _ => true,
        }
    }

    /// Checks `atom` against the constraints. Whether a referenced row exists is not checked here.
    ///
    /// # Errors
    /// A `constraint violation` that says which limit was broken.
    pub fn check(&self, atom: &Atom) -> Result<(), OvsdbError> {
        if let Some(enum_) = &self.enum_ {
            if enum_.contains_key(atom) {
                return Ok(());
            }
            return Err(OvsdbError::constraint(format!(
                "{} is not one of the allowed values ({})",
                text::atom_to_string(atom),
                text::datum_to_string(enum_, &ColumnType::enumeration(self.kind)),
            )));
        }
        match (&self.constraint, atom) {
            (Constraint::Integer { min, max }, Atom::Integer(value)) => check_range(
                value,
                (*min != i64::MIN).then_some(min),
                (*max != i64::MAX).then_some(max),
                i64::to_string,
            ),
            (Constraint::Real { min, max }, Atom::Real(value)) => check_range(
                value,
                (*min != f64::MIN).then_some(min),
                (*max != f64::MAX).then_some(max),
                |real| text::real(*real),
            ),
            (Constraint::String { min_len, max_len }, Atom::String(value)) => {
                check_length(value, *min_len, *max_len)
            }
            _ => Ok(()),
        }
    }

    /// Parses a `<base-type>`.
    ///
    /// # Errors
    /// A `syntax error` that quotes the element at fault.
    pub fn from_json(json: &Json) -> Result<BaseType, OvsdbError> {
        if json.as_str().is_some() {
            return Ok(BaseType::new(atomic_type_from_json(json)?));
        }
        let mut members = Members::new(json, "ovsdb type");
        let Some(kind) = members.required("type", Kinds::STRING) else {
            members.finish()?;
            return Err(OvsdbError::syntax(json, "ovsdb type expected"));
        };
        let mut base = BaseType::new(atomic_type_from_json(kind)?);
        base.read_constraints(json, &mut members)?;
        members.finish()?;
        Ok(base)
    }

    fn read_constraints(
        &mut self,
        json: &Json,
        members: &mut Members<'_, &str>,
    ) -> Result<(), OvsdbError> {
        if let Some(values) = members.optional("enum", Kinds::ANY) {
            let all = ColumnType::enumeration(self.kind);
            self.enum_ = Some(Arc::new(Datum::from_json(
                values,
                &all,
                &mut Symbols::none(),
            )?));
            return Ok(());
        }
        match &mut self.constraint {
            Constraint::Integer { min, max } => {
                set(
                    min,
                    members
                        .optional("minInteger", Kinds::INTEGER)
                        .and_then(Json::as_i64),
                );
                set(
                    max,
                    members
                        .optional("maxInteger", Kinds::INTEGER)
                        .and_then(Json::as_i64),
                );
                if min > max {
                    return Err(OvsdbError::syntax(json, "minInteger exceeds maxInteger"));
                }
            }
            Constraint::Real { min, max } => {
                set(
                    min,
                    members
                        .optional("minReal", Kinds::NUMBER)
                        .and_then(Json::as_f64),
                );
                set(
                    max,
                    members
                        .optional("maxReal", Kinds::NUMBER)
                        .and_then(Json::as_f64),
                );
                if min > max {
                    return Err(OvsdbError::syntax(json, "minReal exceeds maxReal"));
                }
            }
            Constraint::String { min_len, max_len } => {
                set(min_len, length_from_json(members, "minLength")?);
                set(max_len, length_from_json(members, "maxLength")?);
                if min_len > max_len {
                    return Err(OvsdbError::syntax(json, "minLength exceeds maxLength"));
                }
            }
            Constraint::Uuid {
                ref_table,
                ref_type,
                ..
            } => {
                if let Some(table) = members
                    .optional("refTable", Kinds::ID)
                    .and_then(Json::as_str)
                {
                    *ref_table = Some(table.into());
                    match members
                        .optional("refType", Kinds::ID)
                        .and_then(Json::as_str)
                    {
                        None | Some("strong") => {}
                        Some("weak") => *ref_type = RefType::Weak,
                        Some(other) => {
                            let details =
                                format!("refType must be \"strong\" or \"weak\" (not \"{other}\")");
                            return Err(OvsdbError::syntax(json, details));
                        }
                    }
                }
            }
            Constraint::None => {}
        }
        Ok(())
    }

    /// The JSON form, shortest where there is a choice.
    pub fn to_json(&self) -> Json {
        if !self.has_constraints() {
            return Json::string(self.kind.as_str());
        }
        let mut object = Object::new();
        object.insert("type", Json::string(self.kind.as_str()));
        if let Some(enum_) = &self.enum_ {
            object.insert("enum", enum_.to_json(&ColumnType::enumeration(self.kind)));
        }
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                object.insert(name, value);
            }
        };
        match &self.constraint {
            Constraint::Integer { min, max } => {
                put(
                    "minInteger",
                    (*min != i64::MIN).then_some(Json::Integer(*min)),
                );
                put(
                    "maxInteger",
                    (*max != i64::MAX).then_some(Json::Integer(*max)),
                );
            }
            Constraint::Real { min, max } => {
                put("minReal", (*min != f64::MIN).then_some(Json::Real(*min)));
                put("maxReal", (*max != f64::MAX).then_some(Json::Real(*max)));
            }
            Constraint::String { min_len, max_len } => {
                put(
                    "minLength",
                    (*min_len != 0).then_some(Json::Integer((*min_len).into())),
                );
                put(
                    "maxLength",
                    (*max_len != UNLIMITED).then_some(Json::Integer((*max_len).into())),
                );
            }
            Constraint::Uuid {
                ref_table,
                ref_type,
                ..
            } => {
                put("refTable", ref_table.as_deref().map(Json::string));
                put(
                    "refType",
                    (ref_table.is_some() && *ref_type == RefType::Weak)
                        .then(|| Json::string("weak")),
                );
            }
            Constraint::None => {}
        }
        Json::Object(object)
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn check_range<T: PartialOrd>(
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
    show: impl Fn(&T) -> String,
) -> Result<(), OvsdbError> {
    if min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max) {
        return Ok(());
    }
    let value = show(value);
    Err(OvsdbError::constraint(
        match (min.map(&show), max.map(&show)) {
            (Some(min), Some(max)) => {
                format!("{value} is not in the valid range {min} to {max} (inclusive)")
            }
            (Some(min), None) => format!("{value} is less than minimum allowed value {min}"),
            (None, max) => {
                format!(
                    "{value} is greater than maximum allowed value {}",
                    max.unwrap_or_default()
                )
            }
        },
    ))
}

fn check_length(value: &str, min_len: u32, max_len: u32) -> Result<(), OvsdbError> {
    if min_len == 0 && max_len == UNLIMITED {
        return Ok(());
    }
    let length = value.chars().count();
    if length < min_len as usize {
        let details =
            format!("\"{value}\" length {length} is less than minimum allowed length {min_len}");
        return Err(OvsdbError::constraint(details));
    }
    if length > max_len as usize {
        let details =
            format!("\"{value}\" length {length} is greater than maximum allowed length {max_len}");
        return Err(OvsdbError::constraint(details));
    }
    Ok(())
}

fn atomic_type_from_json(json: &Json) -> Result<AtomType, OvsdbError> {
    match json.as_str() {
        Some(text) => AtomType::from_text(text)
            .ok_or_else(|| OvsdbError::syntax(json, format!("\"{text}\" is not an atomic-type"))),
        None => Err(OvsdbError::syntax(json, "atomic-type expected")),
    }
}

fn length_from_json(
    members: &mut Members<'_, &str>,
    name: &'static str,
) -> Result<Option<u32>, OvsdbError> {
    let Some(json) = members.optional(name, Kinds::INTEGER) else {
        return Ok(None);
    };
    match json.as_i64().and_then(|length| u32::try_from(length).ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(OvsdbError::syntax(
            json,
            format!("{name} out of valid range 0 to {}", u32::MAX),
        )),
    }
}

/// A `<type>` (RFC 7047, section 3.2): what a column holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnType {
    /// Type of the elements of a set, or of the keys of a map.
    pub key: BaseType,
    /// Type of the values of a map; `None` for a set.
    pub value: Option<BaseType>,
    /// The smallest number of elements: 0 or 1.
    pub min: u32,
    /// The greatest number of elements, at least 1; [`UNLIMITED`] if there is no limit.
    pub max: u32,
}

impl ColumnType {
    /// Exactly one value of `kind`, without constraints.
    pub const fn scalar(kind: AtomType) -> ColumnType {
        ColumnType {
            key: BaseType::new(kind),
            value: None,
            min: 1,
            max: 1,
        }
    }

    /// The type of an `enum` member: a set of at least one `kind`.
    pub const fn enumeration(kind: AtomType) -> ColumnType {
        ColumnType {
            key: BaseType::new(kind),
            value: None,
            min: 1,
            max: UNLIMITED,
        }
    }

    /// True for exactly one value.
    pub fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == 1
    }

    /// True if the column may be empty.
    pub fn is_optional(&self) -> bool {
        self.min == 0
    }

    /// True for at most one value.
    pub fn is_optional_scalar(&self) -> bool {
        self.value.is_none() && self.min == 0 && self.max == 1
    }

    /// True if there can be more than one element.
    pub fn is_composite(&self) -> bool {
        self.max > 1
    }

    /// True for a set that is no scalar.
    pub fn is_set(&self) -> bool {
        self.value.is_none() && !self.is_scalar()
    }

    /// True for a map.
    pub fn is_map(&self) -> bool {
        self.value.is_some()
    }

    /// True if keys or values are strong references.
    pub fn has_strong_refs(&self) -> bool {
        self.bases().any(BaseType::is_strong_ref)
    }

    /// True if keys or values are weak references.
    pub fn has_weak_refs(&self) -> bool {
        self.bases().any(BaseType::is_weak_ref)
    }

    /// The base type of the keys and, for a map, that of the values.
    pub fn bases(&self) -> impl Iterator<Item = &BaseType> {
        std::iter::once(&self.key).chain(&self.value)
    }

    /// The same to change.
    pub(crate) fn bases_mut(&mut self) -> impl Iterator<Item = &mut BaseType> {
        std::iter::once(&mut self.key).chain(&mut self.value)
    }

    /// True if values of both types are made of the same kinds of atoms, be they allowed or not.
    pub fn has_form_of(&self, other: &ColumnType) -> bool {
        let kind = |base: &Option<BaseType>| base.as_ref().map(|base| base.kind);
        self.key.kind == other.key.kind && kind(&self.value) == kind(&other.value)
    }

    /// True if every value that `other` admits is admitted here and is the same value here.
    pub fn admits_all_of(&self, other: &ColumnType) -> bool {
        let values_too = match (&self.value, &other.value) {
            (Some(value), Some(other)) => value.admits_all_of(other),
            (value, other) => value.is_none() && other.is_none(),
        };
        values_too
            && self.key.admits_all_of(&other.key)
            && self.min <= other.min
            && self.max >= other.max
    }

    /// True if a column of this type may hold `len` elements.
    pub fn allows_len(&self, len: usize) -> bool {
        len >= self.min as usize && (self.max == UNLIMITED || len <= self.max as usize)
    }

    /// Parses a `<type>`.
    ///
    /// # Errors
    /// A `syntax error` that quotes the element at fault.
    pub fn from_json(json: &Json) -> Result<ColumnType, OvsdbError> {
        match json {
            Json::String(_) => Ok(ColumnType {
                key: BaseType::from_json(json)?,
                value: None,
                min: 1,
                max: 1,
            }),
            Json::Object(_) => ColumnType::from_object(json),
            _ => Err(OvsdbError::syntax(json, "ovsdb type expected")),
        }
    }

    fn from_object(json: &Json) -> Result<ColumnType, OvsdbError> {
        let mut members = Members::new(json, "ovsdb type");
        let base = Kinds::STRING.or(Kinds::OBJECT);
        let key = members.required("key", base);
        let value = members.optional("value", base);
        let min = members.optional("min", Kinds::INTEGER);
        let max = members.optional("max", Kinds::INTEGER.or(Kinds::STRING));
        members.finish()?;
        let key = match key {
            Some(key) => BaseType::from_json(key)?,
            // Unreachable: `finish` reports a missing key.
            None => return Err(OvsdbError::syntax(json, "ovsdb type expected")),
        };
        let value = value.map(BaseType::from_json).transpose()?;
        let min = min.map_or(Ok(1), count_from_json)?;
        let max = match max {
            Some(max) if max.as_str() == Some("unlimited") => UNLIMITED,
            Some(max) => count_from_json(max)?,
            None => 1,
        };
        if min > 1 || max < 1 {
            return Err(OvsdbError::syntax(
                json,
                "ovsdb type fails constraint checks",
            ));
        }
        Ok(ColumnType {
            key,
            value,
            min,
            max,
        })
    }

    /// The JSON form, shortest where there is a choice.
    pub fn to_json(&self) -> Json {
        if self.is_scalar() && !self.key.has_constraints() {
            return self.key.to_json();
        }
        let mut object = Object::new();
        object.insert("key", self.key.to_json());
        if let Some(value) = &self.value {
            object.insert("value", value.to_json());
        }
        if self.min != 1 {
            object.insert("min", Json::Integer(self.min.into()));
        }
        match self.max {
            UNLIMITED => object.insert("max", Json::string("unlimited")),
            1 => None,
            max => object.insert("max", Json::Integer(max.into())),
        };
        Json::Object(object)
    }
}

/// The type in words for error messages, such as `set of up to 3 integers`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_scalar() {
            return write!(f, "{}", self.key.kind);
        }
        f.write_str(if self.is_map() { "map" } else { "set" })?;
        match (self.min, self.max) {
            (0, UNLIMITED) => f.write_str(" of")?,
            (min, UNLIMITED) => write!(f, " of {min} or more")?,
            (0, max) => write!(f, " of up to {max}")?,
            (min, max) => write!(f, " of {min} to {max}")?,
        }
        match &self.value {
            Some(value) => write!(f, " ({}, {}) pairs", self.key.kind, value.kind),
            None => write!(f, " {}s", self.key.kind),
        }
    }
}

fn count_from_json(json: &Json) -> Result<u32, OvsdbError> {
    match json.as_i64().and_then(|count| u32::try_from(count).ok()) {
        // The greatest number stands for "unlimited" and has no other spelling.
        Some(count) if count < UNLIMITED => Ok(count),
        _ => Err(OvsdbError::syntax(json, "bad min or max value")),
    }
}

#[cfg(test)]
mod tests;
