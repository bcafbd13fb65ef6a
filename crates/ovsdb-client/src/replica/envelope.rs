//! What stands around updates in messages, and the requests that lead to them.
//!
//! Updates are passed over here; whoever reads them finds out whether they are JSON.

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::schema::{ColumnId, Projection, TableSchema};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::{arr, obj};

use super::conditions::Wanted;

/// The result of `monitor_cond_since` (ovsdb-server(7), section 4.1.15).
#[derive(Debug, PartialEq)]
pub(super) struct SinceReply<'a> {
    /// Whether the updates are those since the transaction that was asked about; otherwise they are all rows.
    pub(super) found: bool,
    /// The last transaction that is in the updates, if the server has names for transactions.
    pub(super) last: Option<Uuid>,
    /// The `<table-updates2>`.
    pub(super) updates: &'a str,
}

/// The parameters of an `update`, `update2` or `update3`.
#[derive(Debug, PartialEq)]
pub(super) struct Update<'a> {
    /// The last transaction that is in the updates, if the method tells it and the server has names for transactions.
    pub(super) last: Option<Uuid>,
    /// The `<table-updates>` or `<table-updates2>`.
    pub(super) updates: &'a str,
}

/// Reads the result of `monitor_cond_since`.
///
/// # Errors
/// It is none.
pub(super) fn since_reply(text: &str) -> Result<SinceReply<'_>, Stop> {
    let mut cursor = Cursor::new(text);
    cursor.expect(b'[')?;
    let found = cursor.boolean()?;
    cursor.expect(b',')?;
    let last = transaction(&cursor.string()?);
    cursor.expect(b',')?;
    let updates = cursor.skip()?;
    end(&mut cursor)?;
    Ok(SinceReply {
        found,
        last,
        updates,
    })
}

/// Reads the parameters of an update; those of an `update3` have the last transaction among them.
///
/// # Errors
/// They are none.
pub(super) fn update(text: &str, has_last: bool) -> Result<Update<'_>, Stop> {
    let mut cursor = Cursor::new(text);
    cursor.expect(b'[')?;
    cursor.skip()?;
    cursor.expect(b',')?;
    let mut last = None;
    if has_last {
        last = transaction(&cursor.string()?);
        cursor.expect(b',')?;
    }
    // Up to the last bracket, which is not looked for once more: that nothing else stands before it, whoever reads the updates
    // finds out.
    let updates = text[cursor.offset()..].trim_ascii_end();
    let updates = updates.strip_suffix(']').ok_or(Stop::Unexpected)?;
    Ok(Update {
        last,
        updates: updates.trim_ascii(),
    })
}

/// The name of a transaction. Servers without such names write zero.
fn transaction(text: &str) -> Option<Uuid> {
    Uuid::parse(text).filter(|uuid| !uuid.is_zero())
}

fn end(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    cursor.expect(b']')?;
    match cursor.peek() {
        Err(Stop::End) => Ok(()),
        _ => Err(Stop::Unexpected),
    }
}

/// The parameters of a request for a monitor of what is in `projection`, of rows that meet `conditions`. `last`: those of `monitor_cond_since`, with the
/// transaction up to which everything is known.
pub(super) fn monitor_params(
    database: &str,
    monitor: Json,
    projection: &Projection,
    has_version: impl Fn(&str) -> bool,
    conditions: &Wanted,
    last: Option<Uuid>,
) -> Bytes {
    let table = |table: &TableSchema| {
        let version = has_version(&table.name).then_some(ColumnId::VERSION);
        let own = table.column_ids_by_name().iter().copied();
        let names = version.into_iter().chain(own);
        let names = names.map(|id| Json::string(table.column(id).name.clone()));
        let columns = Json::Array(names.collect());
        let request = match conditions.get(&table.name) {
            None => obj! { "columns" => columns },
            Some(clauses) => obj! { "columns" => columns, "where" => clauses.clone() },
        };
        (table.name.clone(), arr![request])
    };
    let requests = projection.schema.tables.iter().map(table).collect();
    let mut params = vec![Json::string(database), monitor, Json::Object(requests)];
    params.extend(last.map(|last| Json::string(last.to_string())));
    Json::Array(params).to_bytes().into()
}

/// The parameters of a `monitor_cond_change`, which leaves the monitor its id.
pub(super) fn change_params(monitor: &Json, tables: Wanted) -> Bytes {
    let changes = tables.into_iter();
    let changes = changes.map(|(table, clauses)| (table, arr![obj! { "where" => clauses }]));
    let changes = Json::Object(changes.collect());
    Json::Array(vec![monitor.clone(), monitor.clone(), changes])
        .to_bytes()
        .into()
}

/// The parameters of a `monitor_cancel`.
pub(super) fn cancel_params(monitor: Json) -> Bytes {
    Json::Array(vec![monitor]).to_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0";
    const ZERO: &str = "00000000-0000-0000-0000-000000000000";

    #[test]
    fn replies_are_told_from_what_is_none() {
        let cases = [
            (r#"[true,"ID",{}]"#, Some((true, Uuid::parse(ID), "{}"))),
            (
                r#" [ false , "ZERO" , {"t":{"]":[]}} ] "#,
                Some((false, None, r#"{"t":{"]":[]}}"#)),
            ),
            (r#"[false,"",{}]"#, Some((false, None, "{}"))),
            (r#"[false,"ID"]"#, None),
            (r#"[false,"ID",{},1]"#, None),
            (r#"["ID",false,{}]"#, None),
            (r#"[false,"ID",{}"#, None),
            (r#"[false,"ID",{}]]"#, None),
            ("{}", None),
        ];
        for (text, expected) in cases {
            let text = text.replace("ID", ID).replace("ZERO", ZERO);
            let reply = since_reply(&text).ok();
            let reply = reply.map(|reply| (reply.found, reply.last, reply.updates));
            assert_eq!(reply, expected, "{text}");
        }
    }

    #[test]
    fn parameters_of_updates_are_told_from_what_is_none() {
        let cases = [
            (r#"["m",{"t":{}}]"#, false, Some((None, r#"{"t":{}}"#))),
            (
                r#"[["m",[1]],"ID",{}]"#,
                true,
                Some((Uuid::parse(ID), "{}")),
            ),
            (r#" ["m" , {"t":{}} ] "#, false, Some((None, r#"{"t":{}}"#))),
            (r#"["m",{},1]"#, false, Some((None, "{},1"))),
            (r#"["m",{}"#, false, None),
            (r#"["m",{}]"#, true, None),
            (r#"["m"]"#, false, None),
            ("[]", false, None),
        ];
        for (text, has_last, expected) in cases {
            let text = text.replace("ID", ID);
            let read = update(&text, has_last).ok();
            let read = read.map(|read| (read.last, read.updates));
            assert_eq!(read, expected, "{text}");
        }
    }
}
