//! What to monitor: from `TABLE [COLUMN,...]...` to the request and the columns to show.

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{ColumnSchema, Schema, TableSchema};

use super::error::ClientError;
use super::tables;

/// The words that switch a kind of change off, each with its name in `select`.
const SWITCHES: [(&str, &str); 4] = [
    ("!initial", "initial"),
    ("!insert", "insert"),
    ("!delete", "delete"),
    ("!modify", "modify"),
];

/// A table under watch, and its columns in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Monitored<'s> {
    pub(crate) table: &'s TableSchema,
    pub(crate) columns: Vec<&'s ColumnSchema>,
}

/// The names that messages mention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) server: &'a str,
    pub(crate) database: &'a str,
}

/// Builds the `<monitor-requests>` for `table` (or `ALL`) with these column groups, under `condition` if there is
/// one.
pub(crate) fn build<'s>(
    schema: &'s Schema,
    names: Names<'_>,
    table: &str,
    groups: &[String],
    condition: Option<Json>,
) -> Result<(Json, Vec<Monitored<'s>>), ClientError> {
    let mut requests = Object::new();
    let mut monitored = Vec::new();
    if table == "ALL" {
        if condition.is_some() {
            return Err(ClientError::ConditionOnAll);
        }
        for table in &schema.tables {
            let (request, columns) = table_request(table, names, groups, None)?;
            requests.insert(table.name.clone(), request);
            monitored.push(Monitored { table, columns });
        }
    } else {
        let table = schema
            .table_by_name(table)
            .map(|(_, table)| table)
            .ok_or_else(|| ClientError::MonitorTable {
                server: names.server.to_owned(),
                database: names.database.to_owned(),
                table: table.to_owned(),
            })?;
        let (request, columns) = table_request(table, names, groups, condition)?;
        requests.insert(table.name.clone(), request);
        monitored.push(Monitored { table, columns });
    }
    Ok((Json::Object(requests), monitored))
}

/// The array of `<monitor-request>`s of one table: one for each group, or one for all columns. The condition goes
/// to the first.
fn table_request<'s>(
    table: &'s TableSchema,
    names: Names<'_>,
    groups: &[String],
    mut condition: Option<Json>,
) -> Result<(Json, Vec<&'s ColumnSchema>), ClientError> {
    let everything = [String::new()];
    let groups = if groups.is_empty() {
        &everything
    } else {
        groups
    };
    let mut requests = Vec::new();
    let mut columns = Vec::new();
    for group in groups {
        let mut request = group_request(table, names, group, &mut columns)?;
        if let Some(condition) = condition.take() {
            request.insert("where", condition);
        }
        requests.push(Json::Object(request));
    }
    Ok((Json::Array(requests), columns))
}

fn group_request<'s>(
    table: &'s TableSchema,
    names: Names<'_>,
    group: &str,
    columns: &mut Vec<&'s ColumnSchema>,
) -> Result<Object, ClientError> {
    let mut off = [false; SWITCHES.len()];
    let first = columns.len();
    for word in group.split(',').filter(|word| !word.is_empty()) {
        if let Some(switch) = SWITCHES.iter().position(|(switch, _)| *switch == word) {
            off[switch] = true;
            continue;
        }
        let column = tables::column(table, word).ok_or_else(|| ClientError::MonitorColumn {
            server: names.server.to_owned(),
            database: names.database.to_owned(),
            table: table.name.to_string(),
            column: word.to_owned(),
        })?;
        add(column, names, columns)?;
    }
    if columns.len() == first {
        // All of them by name, the version last: it is of interest, but not the first thing to look at.
        let mut all: Vec<_> = table
            .columns
            .iter()
            .filter(|column| column.name != "_uuid")
            .collect();
        all.sort_by_key(|column| (column.name == "_version", column.name.as_bytes()));
        for column in all {
            add(column, names, columns)?;
        }
    }

    let mut request = Object::new();
    let asked = columns[first..]
        .iter()
        .map(|column| Json::string(column.name.as_str()));
    request.insert("columns", Json::Array(asked.collect()));
    if off.contains(&true) {
        let select = SWITCHES
            .iter()
            .zip(off)
            .map(|((_, name), off)| (*name, Json::Bool(!off)));
        request.insert("select", Json::Object(Object::from_iter(select)));
    }
    Ok(request)
}

/// A column may be asked for once only, in whatever group.
fn add<'s>(
    column: &'s ColumnSchema,
    names: Names<'_>,
    columns: &mut Vec<&'s ColumnSchema>,
) -> Result<(), ClientError> {
    if columns.iter().any(|known| known.name == column.name) {
        return Err(ClientError::RepeatedColumn {
            server: names.server.to_owned(),
            column: column.name.to_string(),
        });
    }
    columns.push(column);
    Ok(())
}
