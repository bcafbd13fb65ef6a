//! Monitors as programs ask for them (RFC 7047, section 4.1.5; ovsdb-server(7), 4.1.12 to 4.1.14).
//!
//! One description serves all three methods. What an older method cannot say is left out of its text, so that the client
//! is sent more than it asked for, never less.

use ecow::EcoString;

use super::Clause;
use super::invalid::Invalid;
use super::request::Request;
use super::write::{Writer, written, written_id};
use crate::json::{self, Json};
use crate::monitor::Select;
use crate::uuid::Uuid;
use crate::words::Method;

/// The rows of a table that a monitor is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Rows {
    /// Every row.
    #[default]
    All,
    /// No row, until the condition is changed.
    None,
    /// The rows that meet at least one of these clauses; without clauses no row.
    Any(Vec<Clause>),
}

impl Rows {
    /// The rows that meet at least one of these clauses.
    pub fn any(clauses: impl IntoIterator<Item = Clause>) -> Rows {
        Rows::Any(clauses.into_iter().collect())
    }

    /// The clauses as they stand in a request: one constant for all rows, or for none.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn to_json(&self) -> Result<Json, Invalid> {
        let mut text = Vec::new();
        let mut writer = Writer::new(&mut text);
        self.write(&mut writer)?;
        drop(writer);
        Ok(json::parse(&text).expect("what was written is read again"))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Invalid> {
        match self {
            Rows::All => writer.clauses(&[Clause::Constant(true)]),
            Rows::Any(clauses) if !clauses.is_empty() => writer.clauses(clauses),
            // In the protocol no clauses are met by every row.
            Rows::None | Rows::Any(_) => writer.clauses(&[Clause::Constant(false)]),
        }
    }
}

/// A table that a program monitors.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorTable {
    /// The table's name.
    pub name: EcoString,
    /// The columns of interest; `None` for all.
    pub columns: Option<Vec<EcoString>>,
    /// The kinds of change of interest.
    pub select: Select,
    /// The rows of interest. `monitor` knows no conditions and tells of all rows.
    pub rows: Rows,
}

/// Everything that happens to all rows and columns of `table`, for a [`Monitor`].
pub fn table(name: impl Into<EcoString>) -> MonitorTable {
    MonitorTable {
        name: name.into(),
        columns: None,
        select: Select::ALL,
        rows: Rows::All,
    }
}

impl MonitorTable {
    /// The same table with these columns only.
    #[must_use]
    pub fn columns<C: Into<EcoString>>(
        mut self,
        columns: impl IntoIterator<Item = C>,
    ) -> MonitorTable {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The same table with these kinds of change only.
    #[must_use]
    pub fn select(mut self, select: Select) -> MonitorTable {
        self.select = select;
        self
    }

    /// The same table with these rows only.
    #[must_use]
    pub fn rows(mut self, rows: Rows) -> MonitorTable {
        self.rows = rows;
        self
    }

    fn write(&self, writer: &mut Writer<'_>, with_conditions: bool) -> Result<(), Invalid> {
        writer.raw("[{");
        if let Some(columns) = &self.columns {
            writer.raw("\"columns\":");
            writer.columns(columns)?;
            writer.raw(",");
        }
        writer.raw("\"select\":{");
        let kinds = [
            ("initial", Select::INITIAL),
            ("insert", Select::INSERT),
            ("delete", Select::DELETE),
            ("modify", Select::MODIFY),
        ];
        for (i, (name, kind)) in kinds.into_iter().enumerate() {
            let wanted = self.select.contains(kind);
            writer.raw(if i > 0 { ",\"" } else { "\"" });
            writer.raw(name);
            writer.raw(if wanted { "\":true" } else { "\":false" });
        }
        writer.raw("}");
        if with_conditions && self.rows != Rows::All {
            writer.raw(",\"where\":");
            self.rows.write(writer)?;
        }
        writer.raw("}]");
        Ok(())
    }
}

/// What a program wants to be told about a database.
///
/// ```
/// use ovsdb_proto::build::{Monitor, Rows, column, table};
/// use ovsdb_proto::json::Json;
///
/// let ports = table("Port")
///     .columns(["name", "tag"])
///     .rows(Rows::any([column("name").eq("p0")]));
/// let request = Monitor::new("Open_vSwitch", "ports").table(ports).monitor_cond()?;
/// assert_eq!(
///     Json::Array(request.params).to_string(),
///     concat!(
///         r#"["Open_vSwitch","ports",{"Port":[{"columns":["name","tag"],"#,
///         r#""select":{"delete":true,"initial":true,"insert":true,"modify":true},"#,
///         r#""where":[["name","==","p0"]]}]}]"#,
///     )
/// );
/// # Ok::<(), ovsdb_proto::build::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    database: EcoString,
    id: Json,
    tables: Vec<MonitorTable>,
}

impl Monitor {
    /// A monitor of no tables of `database`. Updates carry `id`; no two monitors of a connection may have the same.
    pub fn new(database: impl Into<EcoString>, id: impl Into<Json>) -> Monitor {
        Monitor {
            database: database.into(),
            id: id.into(),
            tables: Vec::new(),
        }
    }

    /// The same monitor with `table`, in place of what it said of the same table.
    #[must_use]
    pub fn table(mut self, table: MonitorTable) -> Monitor {
        match self.tables.iter_mut().find(|old| old.name == table.name) {
            Some(old) => *old = table,
            None => self.tables.push(table),
        }
        self
    }

    /// The request for a monitor as in the RFC: it is answered and followed by whole rows, and knows no conditions.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn monitor(&self) -> Result<Request, Invalid> {
        self.request(Method::Monitor, false, None)
    }

    /// The request for a monitor with conditions, followed by differences of rows.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn monitor_cond(&self) -> Result<Request, Invalid> {
        self.request(Method::MonitorCond, true, None)
    }

    /// The request for a monitor with conditions that goes on after the transaction `last`, if the server still knows
    /// it. `None`, or [`Uuid::ZERO`], is known to no server.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn monitor_cond_since(&self, last: Option<Uuid>) -> Result<Request, Invalid> {
        let last = last.unwrap_or(Uuid::ZERO);
        self.request(Method::MonitorCondSince, true, Some(last))
    }

    fn request(
        &self,
        method: Method,
        with_conditions: bool,
        last: Option<Uuid>,
    ) -> Result<Request, Invalid> {
        let requests = tables(&self.tables, |writer, table| {
            writer.place.table = Some(table.name.clone());
            writer.id(&table.name)?;
            writer.raw(":");
            table.write(writer, with_conditions)
        })?;
        let mut params = vec![
            written_id(&self.database)?,
            written(self.id.clone())?,
            requests,
        ];
        params.extend(last.map(|last| Json::string(last.to_string())));
        Ok(Request { method, params })
    }
}

/// The object that `each` writes a member of for each of `tables`.
fn tables<'t, T: 't>(
    tables: impl IntoIterator<Item = &'t T>,
    mut each: impl FnMut(&mut Writer<'_>, &'t T) -> Result<(), Invalid>,
) -> Result<Json, Invalid> {
    let mut text = Vec::new();
    let mut writer = Writer::new(&mut text);
    writer.raw("{");
    for (i, table) in tables.into_iter().enumerate() {
        if i > 0 {
            writer.raw(",");
        }
        each(&mut writer, table)?;
    }
    writer.raw("}");
    drop(writer);
    Ok(json::parse(&text).expect("what was written is read again"))
}

/// The request that gives tables of a monitor other conditions (`monitor_cond_change`). From then on the monitor has the
/// id `new_id`, which may be the old one.
///
/// # Errors
/// What cannot be written.
pub fn monitor_cond_change(
    id: impl Into<Json>,
    new_id: impl Into<Json>,
    conditions: &[(EcoString, Rows)],
) -> Result<Request, Invalid> {
    let changes = tables(conditions, |writer, (table, rows)| {
        writer.place.table = Some(table.clone());
        writer.id(table)?;
        writer.raw(":[{\"where\":");
        rows.write(writer)?;
        writer.raw("}]");
        Ok(())
    })?;
    let params = vec![written(id.into())?, written(new_id.into())?, changes];
    Ok(Request {
        method: Method::MonitorCondChange,
        params,
    })
}
