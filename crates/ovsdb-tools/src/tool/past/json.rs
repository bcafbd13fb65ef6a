//! Changes and records as JSON, for programs. Values have the form of the protocol (RFC 7047, section 5.1).

use ovsdb_engine::history::{Annotations, Change, ColumnChange, Value, row_name};
use ovsdb_proto::json::{Json, Object};

use crate::timestamp;

/// An object of these members.
pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let mut object = Object::with_capacity(8);
    for (name, value) in members {
        object.insert(name, value);
    }
    Json::Object(object)
}

/// What became of a row: `table`, `row`, `name` if it has one, `change` and `columns`.
pub(super) fn change(change: &Change<'_>, columns: &[ColumnChange<'_>]) -> Json {
    let mut members = Object::with_capacity(columns.len());
    for column in columns {
        members.insert(column.column, changed(column));
    }
    let name = row_name(change.table(), change.row());
    object([
        ("table", Json::string(change.table().name.clone())),
        ("row", Json::string(change.uuid.to_string())),
        ("name", name.map_or(Json::Null, Json::string)),
        ("change", Json::string(change.kind().word())),
        ("columns", Json::Object(members)),
    ])
}

pub(super) fn value(value: Value<'_>) -> Json {
    value.datum.to_json(value.ty)
}

/// `old` and `new`, as far as there is one; of a column that can hold several elements, before and after, `removed` and
/// `added`.
fn changed(column: &ColumnChange<'_>) -> Json {
    if let Some(elements) = column.elements() {
        return object([
            ("removed", elements.removed.to_json(elements.ty)),
            ("added", elements.added.to_json(elements.ty)),
        ]);
    }
    let old = column.old.map(|old| ("old", value(old)));
    let new = column.new.map(|new| ("new", value(new)));
    object(old.into_iter().chain(new))
}

/// A record: `record`, `date`, `date_ms`, `comment` and `command`, `null` where there is none.
pub(super) fn origin(number: u64, annotations: &Annotations) -> Object {
    let date = |date_ms| Json::string(timestamp::rfc3339(date_ms));
    let text = |text: Option<&str>| text.map_or(Json::Null, Json::string);
    let members = [
        ("record", Json::Integer(number as i64)),
        ("date", annotations.date_ms.map_or(Json::Null, date)),
        (
            "date_ms",
            annotations.date_ms.map_or(Json::Null, Json::Integer),
        ),
        ("comment", text(annotations.comment.as_deref())),
        ("command", text(annotations.command())),
    ];
    let mut object = Object::with_capacity(members.len());
    for (name, value) in members {
        object.insert(name, value);
    }
    object
}
