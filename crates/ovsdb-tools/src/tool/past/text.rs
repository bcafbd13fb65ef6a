//! Changes and values in words for people.

use ovsdb_engine::history::{Change, ChangeKind, ColumnChange, Elements, Value, row_name};
use ovsdb_proto::atom::Atom;
use ovsdb_proto::json::write;
use ovsdb_proto::text::{atom_to_string, datum_to_string};

/// Appends what became of a row, with one more line for each column.
pub(super) fn change(change: &Change<'_>, columns: &[ColumnChange<'_>], out: &mut String) {
    let (word, table) = (change.kind().word(), &change.table().name);
    out.push_str(&format!("  {word} {table} {}", change.uuid));
    if let Some(name) = row_name(change.table(), change.row()) {
        out.push_str(&format!(" {}", quoted(&name)));
    }
    out.push('\n');
    for column in columns {
        let value = match change.kind() {
            ChangeKind::Modify => changed(column),
            ChangeKind::Insert | ChangeKind::Delete => shown(column.new.or(column.old)),
        };
        out.push_str(&format!("    {}: {value}\n", column.column));
    }
}

/// A text in double quotes, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write::string(text, &mut out);
    String::from_utf8(out).expect("a text in quotes is one")
}

/// A value as `ovs-vsctl` takes and prints it.
pub(super) fn shown(value: Option<Value<'_>>) -> String {
    match value {
        Some(value) => datum_to_string(value.datum, value.ty),
        None => String::from("(no such column)"),
    }
}

/// A pair as it stands in a map, or the element of a set.
pub(super) fn element(key: &Atom, value: Option<&Atom>) -> String {
    let key = atom_to_string(key);
    match value {
        Some(value) => format!("{key}={}", atom_to_string(value)),
        None => key,
    }
}

fn changed(column: &ColumnChange<'_>) -> String {
    match column.elements() {
        Some(elements) => changed_elements(&elements),
        None => format!("{} -> {}", shown(column.old), shown(column.new)),
    }
}

/// What went with a minus, what came with a plus, and what has another value with both values.
fn changed_elements(elements: &Elements<'_>) -> String {
    let Elements { removed, added, .. } = elements;
    let mut words = Vec::new();
    for (key, value) in removed.iter() {
        match (value, added.get(key)) {
            (Some(old), Some(new)) if elements.ty.is_map() => words.push(format!(
                "{} -> {}",
                element(key, Some(old)),
                atom_to_string(new)
            )),
            _ => words.push(format!("-{}", element(key, value))),
        }
    }
    let is_new = |key: &Atom| !elements.ty.is_map() || removed.get(key).is_none();
    for (key, value) in added.iter().filter(|(key, _)| is_new(key)) {
        words.push(format!("+{}", element(key, value)));
    }
    words.join(", ")
}
