//! What a client asks to be told about: `<monitor-requests>` (RFC 7047, section 4.1.5; ovsdb-server(7), `monitor_cond`).

use std::ops::{BitOr, BitOrAssign};

use crate::condition::Condition;
use crate::error::OvsdbError;
use crate::json::Json;
use crate::parser::{Kinds, Members};
use crate::schema::{ColumnId, Schema, TableId, TableSchema};
use crate::symbols::Symbols;
use crate::uuid::Uuid;

/// A `<monitor-select>`: the kinds of change that are of interest, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Select(u8);

impl Select {
    /// Nothing.
    pub const NONE: Select = Select(0);
    /// The rows that are there when the monitor starts.
    pub const INITIAL: Select = Select(1);
    /// New rows.
    pub const INSERT: Select = Select(2);
    /// Removed rows.
    pub const DELETE: Select = Select(4);
    /// Changed rows.
    pub const MODIFY: Select = Select(8);
    /// All of these.
    pub const ALL: Select = Select(15);

    /// True if every kind of `other` is in this set.
    pub const fn contains(self, other: Select) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if no kind is in this set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Select {
    type Output = Select;

    fn bitor(self, other: Select) -> Select {
        Select(self.0 | other.0)
    }
}

impl BitOrAssign for Select {
    fn bitor_assign(&mut self, other: Select) {
        *self = *self | other;
    }
}

/// A column that a client monitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnRequest {
    /// The column.
    pub column: ColumnId,
    /// The changes in which the client wants to see it.
    pub select: Select,
}

/// A table that a client monitors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableRequest {
    /// The table.
    pub table: TableId,
    /// The columns in the order in which the client names them, each once; all but `_uuid` where it names none.
    pub columns: Vec<ColumnRequest>,
    /// The changes that any of the table's requests asks for.
    pub select: Select,
    /// The rows of interest: those that meet at least one clause, or all if there are no clauses.
    pub condition: Condition,
}

/// A `<monitor-requests>`: the tables in order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorRequests {
    /// The tables that the client monitors, each once.
    pub tables: Vec<TableRequest>,
}

impl MonitorRequests {
    /// Parses what a client asks of a database of `schema`. Conditions (`where`) are allowed if `with_conditions`.
    ///
    /// # Errors
    /// A `syntax error`, `unknown column` or other error that a condition can have.
    pub fn from_json(
        schema: &Schema,
        json: &Json,
        with_conditions: bool,
    ) -> Result<MonitorRequests, OvsdbError> {
        let Some(requests) = json.as_object() else {
            return Err(OvsdbError::syntax(json, "monitor-requests must be object"));
        };
        let mut tables = Vec::with_capacity(requests.len());
        for (name, value) in requests {
            let (id, table) = schema
                .table_by_name(name)
                .ok_or_else(|| unknown_table(name))?;
            let mut request = TableRequest {
                table: id,
                columns: Vec::new(),
                select: Select::NONE,
                condition: Condition::always(),
            };
            for json in value.as_array().unwrap_or(std::slice::from_ref(value)) {
                request.add(table, json, with_conditions)?;
            }
            tables.push(request);
        }
        tables.sort_unstable_by_key(|request: &TableRequest| request.table);
        Ok(MonitorRequests { tables })
    }

    /// The request for a table, if the client monitors it.
    pub fn table(&self, id: TableId) -> Option<&TableRequest> {
        let at = self
            .tables
            .binary_search_by_key(&id, |request| request.table)
            .ok()?;
        Some(&self.tables[at])
    }
}

impl TableRequest {
    /// Adds one `<monitor-request>`.
    fn add(
        &mut self,
        table: &TableSchema,
        json: &Json,
        with_conditions: bool,
    ) -> Result<(), OvsdbError> {
        let mut members = Members::new(json, format!("table {}", table.name));
        let condition = if with_conditions {
            members.optional("where", Kinds::ARRAY)
        } else {
            None
        };
        let columns = members.optional("columns", Kinds::ARRAY);
        let select = members.optional("select", Kinds::OBJECT);
        members.finish()?;

        let select = select.map_or(Ok(Select::ALL), |select| select_from_json(table, select))?;
        self.select |= select;
        match columns {
            Some(json) => {
                for element in json.as_array().unwrap_or_default() {
                    let Some(name) = element.as_str() else {
                        return Err(OvsdbError::syntax(json, "array of column names expected"));
                    };
                    let Some(column) = table.column_id(name) else {
                        return Err(OvsdbError::syntax(
                            json,
                            format!("{name} is not a valid column name"),
                        ));
                    };
                    if !self.add_column(column, select) {
                        return Err(OvsdbError::syntax(
                            json,
                            format!("column {name} mentioned more than once"),
                        ));
                    }
                }
            }
            None => {
                let own = table.column_ids_by_name().iter().copied();
                for column in std::iter::once(ColumnId::VERSION).chain(own) {
                    if !self.add_column(column, select) {
                        let name = &table.column(column).name;
                        return Err(OvsdbError::bare_syntax(format!(
                            "column {name} mentioned more than once"
                        )));
                    }
                }
            }
        }
        if with_conditions {
            // Of several requests for a table the last one's condition counts.
            self.condition = condition.map_or(Ok(Condition::always()), |json| {
                condition_from_json(table, json)
            })?;
        }
        Ok(())
    }

    fn add_column(&mut self, column: ColumnId, select: Select) -> bool {
        let is_new = self.columns.iter().all(|request| request.column != column);
        if is_new {
            self.columns.push(ColumnRequest { column, select });
        }
        is_new
    }
}

fn select_from_json(table: &TableSchema, json: &Json) -> Result<Select, OvsdbError> {
    let mut members = Members::new(json, format!("table {} select", table.name));
    let mut select = Select::NONE;
    for (name, kind) in [
        ("initial", Select::INITIAL),
        ("insert", Select::INSERT),
        ("delete", Select::DELETE),
        ("modify", Select::MODIFY),
    ] {
        if members.optional_bool(name).unwrap_or(true) {
            select |= kind;
        }
    }
    members.finish()?;
    Ok(select)
}

fn condition_from_json(table: &TableSchema, json: &Json) -> Result<Condition, OvsdbError> {
    Condition::from_json(table, json, &mut Symbols::none())
}

fn unknown_table(name: &str) -> OvsdbError {
    OvsdbError::bare_syntax(format!("no table named {name}"))
}

/// Parses the last parameter of `monitor_cond_since`: the version that a client knows; `None` if it says zeros, which means that
/// it knows none.
///
/// # Errors
/// A `syntax error`.
pub fn last_transaction_id(json: &Json) -> Result<Option<Uuid>, OvsdbError> {
    let text = json.as_str();
    let text = text.ok_or_else(|| OvsdbError::syntax(json, "last-txn-id must be string"))?;
    let id = Uuid::parse(text)
        .ok_or_else(|| OvsdbError::syntax(json, "last-txn-id must be UUID format."))?;
    Ok((id != Uuid::ZERO).then_some(id))
}

/// Parses the third parameter of `monitor_cond_change`: new conditions for tables that `is_monitored`. A monitor without
/// conditions (`with_conditions`) ignores what they say.
///
/// # Errors
/// A `syntax error`, or an error that a condition can have.
pub fn condition_changes_from_json(
    schema: &Schema,
    is_monitored: impl Fn(TableId) -> bool,
    with_conditions: bool,
    json: &Json,
) -> Result<Vec<(TableId, Condition)>, OvsdbError> {
    let Some(requests) = json.as_object() else {
        return Err(OvsdbError::bare_syntax(
            "monitor-cond-change-requests must be object",
        ));
    };
    let mut changes = Vec::new();
    for (name, value) in requests {
        let (id, table) = schema
            .table_by_name(name)
            .ok_or_else(|| unknown_table(name))?;
        if !is_monitored(id) {
            return Err(OvsdbError::bare_syntax(format!(
                "no table named {name} in monitor session"
            )));
        }
        let Some(elements) = value.as_array() else {
            return Err(OvsdbError::bare_syntax(format!(
                "table {name} no monitor-cond-change JSON array"
            )));
        };
        for json in elements {
            let mut members = Members::new(json, format!("table {name}"));
            let columns = members.optional("columns", Kinds::ARRAY);
            let condition = members.optional("where", Kinds::ARRAY);
            members.finish()?;
            if columns.is_some() {
                return Err(OvsdbError::syntax(json, "changing columns is unsupported"));
            }
            if with_conditions {
                let condition = condition.map_or(Ok(Condition::always()), |json| {
                    condition_from_json(table, json)
                })?;
                changes.push((id, condition));
            }
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;
