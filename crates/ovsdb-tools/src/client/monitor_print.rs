//! Monitor replies and updates as tables.
//!
//! What the server sends in a wrong shape is reported on standard error and left out; the rest is shown.

use ovsdb_daemon::program;
use ovsdb_proto::json::Json;

use super::error::ClientError;
use super::monitor_request::Monitored;
use super::output::Output;
use crate::table::{Cell, Table};

/// How rows are described on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// The `<table-updates>` that answers `monitor`: all rows are new.
    Initial,
    /// `<table-updates>` (RFC 7047, section 4.1.6).
    Updates,
    /// `<table-updates2>` (ovsdb-server(7), section 4.1.14).
    Updates2,
}

/// Prints what `updates` says about each of the monitored tables.
pub(crate) fn print(
    updates: &Json,
    form: Form,
    monitored: &[Monitored<'_>],
    timestamp: Option<&str>,
    out: &mut Output,
) -> Result<(), ClientError> {
    let Some(updates) = updates.as_object() else {
        program::error(if form == Form::Updates2 {
            "<table-updates2> is not object"
        } else {
            "<table-updates> is not object"
        });
        return Ok(());
    };
    for table in monitored {
        let Some(update) = updates.get(&table.table.name) else {
            continue;
        };
        let Some(update) = update.as_object() else {
            program::error(format_args!(
                "<table-update> for table {} is not object",
                table.table.name
            ));
            continue;
        };
        let headings = ["row", "action"]
            .into_iter()
            .chain(table.columns.iter().map(|column| column.name.as_str()));
        let mut printed = Table::new(headings);
        if monitored.len() > 1 {
            printed = printed.with_caption(table.table.name.as_str());
        }
        for (uuid, row) in update.iter() {
            if form == Form::Updates2 {
                row_update2(uuid, row, table, &mut printed);
            } else {
                row_update(uuid, row, form == Form::Initial, table, &mut printed);
            }
        }
        out.table(&printed, timestamp)?;
    }
    Ok(())
}

fn row_update<'m>(
    uuid: &str,
    update: &Json,
    initial: bool,
    monitored: &Monitored<'m>,
    table: &mut Table<'m>,
) {
    let Some(update) = update.as_object() else {
        program::error("<row-update> is not object");
        return;
    };
    match (update.get("old"), update.get("new")) {
        (_, new) if initial => row(uuid, "initial", new, monitored, table),
        (None, new) => row(uuid, "insert", new, monitored, table),
        (old, None) => row(uuid, "delete", old, monitored, table),
        (old, new) => {
            row(uuid, "old", old, monitored, table);
            row("", "new", new, monitored, table);
        }
    }
}

fn row_update2<'m>(uuid: &str, update: &Json, monitored: &Monitored<'m>, table: &mut Table<'m>) {
    let Some(update) = update.as_object() else {
        program::error("<row-update2> is not object");
        return;
    };
    let kinds = ["delete", "initial", "modify", "insert"];
    let Some((kind, contents)) = kinds
        .iter()
        .find_map(|kind| Some((*kind, update.get(kind)?)))
    else {
        return;
    };
    match (kind, contents) {
        ("delete", Json::Null) => {
            table.push_row(vec![
                Cell::Text(uuid.to_owned()),
                Cell::Text(kind.to_owned()),
            ]);
        }
        ("delete", _) => program::error("delete method does not expect <row>"),
        _ => row(uuid, kind, Some(contents), monitored, table),
    }
}

fn row<'m>(
    uuid: &str,
    action: &str,
    row: Option<&Json>,
    monitored: &Monitored<'m>,
    table: &mut Table<'m>,
) {
    let Some(row) = row else {
        program::error(format_args!("missing {action} row"));
        return;
    };
    let Some(row) = row.as_object() else {
        program::error("<row> is not object");
        return;
    };
    let mut cells = vec![Cell::Text(uuid.to_owned()), Cell::Text(action.to_owned())];
    cells.extend(monitored.columns.iter().map(|column| {
        row.get(&column.name)
            .map_or(Cell::Empty, |value| Cell::Datum {
                value: value.clone(),
                ty: &column.ty,
            })
    }));
    table.push_row(cells);
}
