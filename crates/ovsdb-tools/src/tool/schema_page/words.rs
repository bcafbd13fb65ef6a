//! Types of columns in words.

use ovsdb_proto::atom::AtomType;
use ovsdb_proto::types::{BaseType, ColumnType, Constraint, RefType, UNLIMITED};

use super::page::{Span, join};

/// What a column of type `ty` holds.
pub(super) fn column_type(ty: &ColumnType) -> Vec<Span> {
    let mut spans = Vec::new();
    if let Some(value) = &ty.value {
        spans.push(match (ty.min, ty.max) {
            (0, 1) => "optional pair from ".into(),
            (_, 1) => "pair from ".into(),
            _ => format!("map{} from ", size(ty)).into(),
        });
        spans.extend(base_type(&ty.key, ty.is_composite()));
        // What is said of keys ends at the comma.
        let is_long = ty.key.has_constraints() && ty.key.reference().is_none();
        spans.push(if is_long { ", to " } else { " to " }.into());
        spans.extend(base_type(value, ty.is_composite()));
        return spans;
    }
    if ty.is_scalar() {
        return base_type(&ty.key, false);
    }
    if ty.is_optional_scalar() {
        spans.push("optional ".into());
        spans.extend(base_type(&ty.key, false));
        return spans;
    }
    spans.push(format!("set of{} ", size(ty)).into());
    spans.extend(base_type(&ty.key, true));
    spans
}

/// How many elements or pairs a set or map has, where that is limited: with a space before it, or empty.
fn size(ty: &ColumnType) -> String {
    let count = match (ty.min, ty.max) {
        (0, UNLIMITED) => return String::new(),
        (min, UNLIMITED) => format!("{min} or more"),
        (0, max) => format!("at most {max}"),
        (min, max) => format!("{min} to {max}"),
    };
    if ty.is_map() {
        format!(" of {count} pairs")
    } else {
        format!(" {count}")
    }
}

/// One value, or several.
fn base_type(base: &BaseType, is_many: bool) -> Vec<Span> {
    if let Some(values) = &base.enum_ {
        let values = values
            .keys()
            .map(|atom| vec![Span::Code(atom.to_json().to_string())]);
        let mut spans = vec![format!("{}, each one of ", noun(base.kind, true)).into()];
        if !is_many {
            spans = vec![format!("{}, one of ", noun(base.kind, false)).into()];
        }
        spans.extend(join(values, ", "));
        return spans;
    }
    let limits = match base.constraint {
        Constraint::Uuid {
            ref ref_table,
            ref_type,
            ..
        } => {
            let Some(table) = ref_table else {
                return vec![noun(base.kind, is_many).into()];
            };
            let strength = match ref_type {
                RefType::Strong => "",
                RefType::Weak => "weak ",
            };
            let plural = if is_many { "s" } else { "" };
            return vec![
                format!("{strength}reference{plural} to ").into(),
                Span::Table(table.to_string()),
            ];
        }
        Constraint::Integer { min, max } => range(
            (min != i64::MIN).then_some(min),
            (max != i64::MAX).then_some(max),
        ),
        Constraint::Real { min, max } => range(
            (min != f64::MIN).then_some(min),
            (max != f64::MAX).then_some(max),
        ),
        Constraint::String { min_len, max_len } => range(
            (min_len != 0).then_some(min_len),
            (max_len != UNLIMITED).then_some(max_len),
        )
        .map(|range| format!("{range} characters long")),
        Constraint::None => None,
    };
    let noun = noun(base.kind, is_many);
    vec![match limits {
        Some(limits) => format!("{noun}, {limits}").into(),
        None => noun.into(),
    }]
}

fn range<T: std::fmt::Display + PartialEq>(min: Option<T>, max: Option<T>) -> Option<String> {
    Some(match (min, max) {
        (None, None) => return None,
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
    })
}

fn noun(kind: AtomType, is_many: bool) -> &'static str {
    match (kind, is_many) {
        (AtomType::Integer, false) => "integer",
        (AtomType::Integer, true) => "integers",
        (AtomType::Real, false) => "real number",
        (AtomType::Real, true) => "real numbers",
        (AtomType::Boolean, false) => "boolean",
        (AtomType::Boolean, true) => "booleans",
        (AtomType::String, false) => "string",
        (AtomType::String, true) => "strings",
        (AtomType::Uuid, false) => "UUID",
        (AtomType::Uuid, true) => "UUIDs",
    }
}
