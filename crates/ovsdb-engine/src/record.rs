//! Commits and whole databases as the records of a database file (ovsdb(5), "Standalone Database Format"),
//! and back.
//!
//! This is text only: the framing of records, their checksums and the file itself are `ovsdb-log`'s.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::reader::{Event, Reader};
use ovsdb_proto::json::{self, Json, JsonError, write};
use ovsdb_proto::schema::{ColumnId, Schema, TableId, TableSchema};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::types::UNLIMITED;
use ovsdb_proto::uuid::Uuid;
use smallvec::SmallVec;

use crate::commit::{Commit, RowChange};
use crate::database::{Database, Row};
use crate::draft::{Draft, RowKey};
use crate::passes;

/// How records are written.
#[derive(Clone, Copy, Debug)]
pub struct RecordOptions<'a> {
    /// Wall-clock time in milliseconds since 1970, for `_date`.
    pub date_ms: i64,
    /// The text for `_comment`.
    pub comment: Option<&'a str>,
    /// Write the difference of a changed column instead of its new value (`_is_diff`), where every reader understands it.
    pub column_diff: bool,
}

/// A commit as the JSON text of a record, or `None` if it changed only columns that are not kept.
pub fn commit_record(
    schema: &Schema,
    commit: &Commit,
    options: RecordOptions<'_>,
) -> Option<Vec<u8>> {
    let mut out =
        Vec::with_capacity(ANNOTATION_BYTES as usize + CHANGE_BYTES * commit.changes.len());
    write_commit(schema, commit, options, &mut out, &mut |_| ()).then_some(out)
}

/// Appends the text of [`commit_record`] to `out`. Whenever there is a good piece of it, `piece` may take that away; the last
/// one stays. False if there is nothing to keep; then nothing was taken away, and what was written is of no use.
pub fn write_commit(
    schema: &Schema,
    commit: &Commit,
    mut options: RecordOptions<'_>,
    out: &mut Vec<u8>,
    piece: &mut dyn FnMut(&mut Vec<u8>),
) -> bool {
    let mut changes: Vec<&RowChange> = commit.changes.iter().collect();
    changes.sort_unstable_by_key(|change| (change.table, change.uuid));
    let of_tables: Vec<_> = changes
        .chunk_by(|a, b| a.table == b.table)
        .map(|changes| {
            let table = schema.table(changes[0].table);
            (table, persistent_columns(table), changes)
        })
        .collect();
    options.column_diff &= of_tables.iter().all(|(table, persistent, changes)| {
        let delicate = delicate_columns(table, persistent);
        let understood = |change: &&RowChange| differences_are_understood(table, &delicate, change);
        delicate.is_empty() || changes.iter().all(understood)
    });
    let sections = of_tables
        .iter()
        .map(|section| (section.0.name.as_str(), section));
    let mut is_empty = true;
    out.push(b'{');
    for (name, member) in members(sections, options) {
        let start = out.len();
        begin_member(name, out);
        match member {
            Member::Annotation(text) => out.extend_from_slice(&text),
            Member::Rows((table, persistent, changes)) => {
                if write_changes(table, persistent, changes, options.column_diff, out, piece) {
                    is_empty = false;
                } else {
                    out.truncate(start);
                }
            }
        }
    }
    out.push(b'}');
    !is_empty
}

/// Writes an object from the UUIDs of changed rows to what is kept of the changes. False if nothing is; then nothing was
/// given to `piece`.
fn write_changes(
    table: &TableSchema,
    persistent: &[ColumnId],
    changes: &[&RowChange],
    diff: bool,
    out: &mut Vec<u8>,
    piece: &mut dyn FnMut(&mut Vec<u8>),
) -> bool {
    out.push(b'{');
    let mut is_empty = true;
    for change in changes {
        let start = out.len();
        begin_row(change.uuid, is_empty, out);
        if !write_change(table, persistent, change, diff, out) {
            out.truncate(start);
            continue;
        }
        is_empty = false;
        if out.len() >= PIECE_BYTES {
            piece(out);
        }
    }
    out.push(b'}');
    !is_empty
}

/// So many rows tell how long the text of many more will be.
const ROWS_TO_JUDGE_BY: usize = 64;

/// A whole database as the JSON text of one record that makes it from nothing.
pub fn snapshot_record(database: &Database, options: RecordOptions<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut keep = |_: &mut Vec<u8>| Ok::<(), Infallible>(());
    let Ok(()) = write_snapshot(database, options, &mut out, &mut keep);
    out
}

/// Appends the text of [`snapshot_record`] to `out`. Whenever there is a good piece of it, `piece` may take that away; the
/// last one stays.
///
/// # Errors
/// What `piece` fails with.
pub fn write_snapshot<E>(
    database: &Database,
    options: RecordOptions<'_>,
    out: &mut Vec<u8>,
    piece: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let schema = database.schema();
    let tables = database
        .table_ids()
        .map(|id| (schema.table(id), database.table(id)));
    let sections = tables.filter(|(_, rows)| !rows.is_empty());
    let sections = sections.map(|(table, rows)| (table.name.as_str(), (table, rows)));
    out.push(b'{');
    for (name, member) in members(sections, options) {
        begin_member(name, out);
        match member {
            Member::Annotation(text) => out.extend_from_slice(&text),
            Member::Rows((table, rows)) => {
                let persistent = persistent_columns(table);
                out.push(b'{');
                for (at, row) in rows.iter().enumerate() {
                    begin_row(row.uuid(), at == 0, out);
                    write_inserted(table, &persistent, row, out);
                    if out.len() >= PIECE_BYTES {
                        piece(out)?;
                    }
                }
                out.push(b'}');
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// The size of a piece of a large record, in bytes: it fits into the processor's cache.
pub const PIECE_BYTES: usize = 256 << 10;

/// About how many bytes [`snapshot_record`] gives: judged by some rows of each table.
pub fn snapshot_bytes(database: &Database) -> u64 {
    let schema = database.schema();
    let of_table = |id: TableId| {
        let (table, rows) = (schema.table(id), database.table(id));
        let persistent = persistent_columns(table);
        let (mut text, mut judged) = (Vec::new(), 0);
        for row in rows.iter().take(ROWS_TO_JUDGE_BY) {
            begin_row(row.uuid(), false, &mut text);
            write_inserted(table, &persistent, row, &mut text);
            judged += 1;
        }
        text.len() as u64 * rows.len() as u64 / judged.max(1)
    };
    database.table_ids().map(of_table).sum::<u64>() + ANNOTATION_BYTES
}

/// Room for a change of a row, which is enough for many.
const CHANGE_BYTES: usize = 160;

/// About how many bytes the annotations of a record take.
const ANNOTATION_BYTES: u64 = 128;

/// A member of a record: what is known of the rows of a table, or the text of an annotation.
enum Member<T> {
    Rows(T),
    Annotation(SmallVec<[u8; DATE_BYTES]>),
}

/// The longest text of an integer.
const DATE_BYTES: usize = 20;

/// The members of a record in order: the sections of tables and the annotations.
fn members<'a, T>(
    sections: impl Iterator<Item = (&'a str, T)>,
    options: RecordOptions<'_>,
) -> BTreeMap<&'a str, Member<T>> {
    let sections = sections.map(|(name, section)| (name, Member::Rows(section)));
    let mut members: BTreeMap<&str, Member<T>> = sections.collect();
    let mut text = Vec::new();
    let mut annotate = |name, write: &mut dyn FnMut(&mut Vec<u8>)| {
        text.clear();
        write(&mut text);
        let text = SmallVec::from_slice(&text);
        members.insert(name, Member::Annotation(text));
    };
    annotate("_date", &mut |text| write::integer(options.date_ms, text));
    if let Some(comment) = options.comment {
        annotate("_comment", &mut |text| write::string(comment, text));
    }
    if options.column_diff {
        annotate("_is_diff", &mut |text| text.extend_from_slice(b"true"));
    }
    members
}

/// Writes the name of a record's member. The record's brace is there already.
fn begin_member(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write::string(name, out);
    out.push(b':');
}

/// Writes the name of a row.
fn begin_row(uuid: Uuid, is_first: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is_first { b"\"" } else { b",\"" });
    out.extend_from_slice(&uuid.to_text());
    out.extend_from_slice(b"\":");
}

/// The columns that files keep, in the order of their names.
fn persistent_columns(table: &TableSchema) -> SmallVec<[ColumnId; 16]> {
    let own = table.column_ids_by_name().iter().copied();
    own.filter(|&id| table.column(id).persistent).collect()
}

/// The columns whose differences not every reader understands whatever they are. Of at most one element the difference
/// is the new value. Without limits every size will do, and the default is empty, where the difference is the new value
/// too.
fn delicate_columns(table: &TableSchema, persistent: &[ColumnId]) -> Vec<ColumnId> {
    let is_delicate = |&&id: &&ColumnId| {
        let ty = &table.column(id).ty;
        ty.max > 1 && (ty.min > 0 || ty.max != UNLIMITED)
    };
    persistent.iter().filter(is_delicate).copied().collect()
}

/// Whether all releases of the reference apply the differences of a change as they are meant. Release 3.1 reads a
/// difference as a value of the column, so that it must be one, and takes it for the new value where the column has its
/// default. A record without differences is right for all.
fn differences_are_understood(
    table: &TableSchema,
    delicate: &[ColumnId],
    change: &RowChange,
) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else {
        return true;
    };
    delicate.iter().all(|&id| {
        let (ty, old, new) = (&table.column(id).ty, old.get(id), new.get(id));
        if old == new {
            return true;
        }
        let diff = Datum::diff(old, new, ty);
        (ty.min as usize..=ty.max as usize).contains(&diff.len())
            && (!old.is_default(ty) || diff == *new)
    })
}

/// Writes a changed row. False if there is nothing to keep.
fn write_change(
    table: &TableSchema,
    persistent: &[ColumnId],
    change: &RowChange,
    diff: bool,
    out: &mut Vec<u8>,
) -> bool {
    match (&change.old, &change.new) {
        (_, None) => Json::Null.write_to(out),
        (None, Some(new)) => write_inserted(table, persistent, new, out),
        (Some(old), Some(new)) => {
            let changed = persistent.iter().filter(|&&id| old.get(id) != new.get(id));
            let columns: Vec<(ColumnId, Datum)> = changed
                .map(|&id| {
                    let value = match diff {
                        true => Datum::diff(old.get(id), new.get(id), &table.column(id).ty),
                        false => new.get(id).clone(),
                    };
                    (id, value)
                })
                .collect();
            if columns.is_empty() {
                return false;
            }
            write_columns(table, columns.iter().map(|(id, datum)| (*id, datum)), out);
        }
    }
    true
}

/// Writes a new row: what differs from the default values.
fn write_inserted(table: &TableSchema, persistent: &[ColumnId], row: &Row, out: &mut Vec<u8>) {
    let columns = persistent.iter().map(|&id| (id, row.get(id)));
    write_columns(
        table,
        columns.filter(|(id, datum)| !datum.is_default(&table.column(*id).ty)),
        out,
    );
}

fn write_columns<'a>(
    table: &TableSchema,
    columns: impl Iterator<Item = (ColumnId, &'a Datum)>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (at, (id, datum)) in columns.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let column = table.column(id);
        write::string(&column.name, out);
        out.push(b':');
        datum.write_json(&column.ty, out);
    }
    out.push(b'}');
}

/// Why a record could not be applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// It is JSON, but not an object.
    #[error("a record is an object")]
    NotObject,
    /// It does not fit the schema or the version, or the result breaks a constraint.
    #[error("{0}")]
    Record(#[from] OvsdbError),
}

/// Applies a record, which is JSON text, to the version before it. Gives the version after it and what changed.
///
/// The record undergoes the checks of a transaction. `fresh` gives row versions, which files do not keep. The
/// text is read row by row, so that a large record needs no memory beside the rows that it makes.
///
/// # Errors
/// See [`ReplayError`]. The version is as it was.
pub fn replay(
    database: &Database,
    record: &[u8],
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<(Database, Option<Commit>), ReplayError> {
    let members = top_level_members(record)?;
    let schema = database.schema().clone();
    let is_diff = matches!(members.get("_is_diff"), Some((Event::Bool(true), _)));
    let mut draft = Draft::new(database);
    for (name, (first, text)) in &members {
        let Some(table) = schema.table_id(name) else {
            match (name.as_str(), first) {
                ("_date", Event::Integer(_)) | ("_is_diff", Event::Bool(_)) | ("_comment", _) => {
                    continue;
                }
                _ => {
                    let error =
                        OvsdbError::new(ErrorTag::UnknownTable, format!("No table named {name}."));
                    return Err(error.at(&json::parse(record)?).into());
                }
            }
        };
        if *first != Event::BeginObject {
            let record = json::parse(record)?;
            let value = record.get(name).unwrap_or(&Json::Null);
            return Err(OvsdbError::syntax(value, "object expected").into());
        }
        replay_table(&mut draft, table, is_diff, text, fresh)?;
    }
    passes::commit(&mut draft, fresh)?;
    Ok(Commit::from_draft(draft))
}

/// The members of the object that `text` is: how the value of each begins, and its text. The last of equal names
/// counts.
fn top_level_members(text: &[u8]) -> Result<BTreeMap<String, (Event<'_>, &[u8])>, ReplayError> {
    let mut reader = Reader::new(text);
    let mut members = BTreeMap::new();
    if reader.next_event()? != Event::BeginObject {
        json::parse(text)?;
        return Err(ReplayError::NotObject);
    }
    while let Event::Name(name) = reader.next_event()? {
        let begin = reader.offset();
        let depth = reader.depth();
        let first = reader.next_event()?;
        while reader.depth() > depth {
            reader.next_event()?;
        }
        let value = text[begin..reader.offset()].trim_ascii_start();
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii_start();
        members.insert(name.into_owned(), (first, value));
    }
    // Nothing but white space may follow.
    reader.next_event()?;
    Ok(members)
}

/// Applies the part of a record that is about one table: `text` is an object from UUIDs to rows.
fn replay_table(
    draft: &mut Draft,
    table: TableId,
    is_diff: bool,
    text: &[u8],
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<(), ReplayError> {
    let mut reader = Reader::new(text);
    reader.next_event()?;
    while let Event::Name(name) = reader.next_event()? {
        let first = reader.next_event()?;
        let row = reader.value(first)?;
        let Some(uuid) = Uuid::parse(&name) else {
            let details = format!("\"{name}\" is not a valid UUID");
            return Err(OvsdbError::syntax(&json::parse(text)?, details).into());
        };
        let key = (table, uuid);
        if let Some(touched) = draft.touch(&key) {
            // The name came before: only this one counts.
            let old = touched.old.clone();
            draft.set(key, old);
        }
        replay_row(draft, key, is_diff, &row, fresh)?;
    }
    Ok(())
}

fn replay_row(
    draft: &mut Draft,
    key: RowKey,
    is_diff: bool,
    json: &Json,
    fresh: &mut dyn FnMut() -> Uuid,
) -> Result<(), OvsdbError> {
    let schema = draft.schema().clone();
    let table = schema.table(key.0);
    let existing = draft.row(&key).cloned();
    let exists = existing.is_some();
    if let Json::Null = json {
        if !exists {
            let details = format!("transaction deletes row {} that does not exist", key.1);
            return Err(OvsdbError::bare_syntax(details));
        }
        draft.set(key, None);
        return Ok(());
    }
    let Json::Object(columns) = json else {
        return Err(OvsdbError::syntax(json, "row must be JSON object"));
    };
    let mut row = match existing {
        Some(row) => row.to_change(table),
        None => Row::with_defaults(table, key.1, fresh()),
    };
    // Files hold no named UUIDs.
    let mut no_names = Symbols::none();
    for (name, value) in columns.iter() {
        let Some(id) = table.column_id(name) else {
            let details = format!("No column {name} in table {}.", table.name);
            return Err(OvsdbError::new(ErrorTag::UnknownColumn, details).at(json));
        };
        let ty = &table.column(id).ty;
        let new = if is_diff && exists {
            let diff = Datum::diff_from_json(value, ty)?;
            row.get(id).apply_diff(&diff, ty)?
        } else {
            Datum::from_json(value, ty, &mut no_names)?
        };
        // Programs do not write `_uuid`; a file that has it cannot give a row another name than that of the member.
        if id != ColumnId::UUID {
            *row.get_mut(id) = new;
        }
    }
    draft.set(key, Some(Arc::new(row)));
    Ok(())
}
