//! What is on the screen: the pages that were gone through, the connection, and what is being typed. No terminal is needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use ovsdb_client::Status;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::types::BaseType;
use ovsdb_proto::uuid::Uuid;

use super::page::Page;

/// Pages that can be gone back to; beyond that the oldest is forgotten.
const TRAIL_MAX: usize = 100;

/// All that is on the screen, and behind it.
pub(super) struct State {
    /// That of the whole database.
    schema: Arc<Schema>,
    /// The pages that were gone through. The last one is on the screen, and there is always one.
    trail: Vec<Page>,
    pub(super) connection: Connection,
    pub(super) mode: Mode,
    /// What the last key led to, until the next.
    pub(super) message: Option<String>,
    pub(super) paused: bool,
    /// What was looked for last.
    pub(super) search: String,
}

/// What keys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Moving about.
    Browse,
    /// Typing.
    Prompt(Prompt, String),
    /// Choosing columns: each with whether it is shown, and the one that the cursor is on.
    Columns(Vec<(String, bool)>, usize),
    /// Reading about keys.
    Help,
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Filter,
    Search,
}

/// How the connection stands, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// There is none; why the last came to its end.
    Down(Option<Arc<str>>),
    Up(Arc<str>),
    /// There will be no rows any more.
    Failed(String),
}

impl Connection {
    pub(super) fn of(status: &Status) -> Connection {
        match status {
            Status::Connecting { last } => Connection::Down(last.clone()),
            Status::Choosing { .. } => Connection::Down(None),
            Status::Ready { server, .. } => Connection::Up(Arc::clone(&server.name)),
            _ => Connection::Failed("closed".to_owned()),
        }
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self, Connection::Failed(_))
    }
}

impl State {
    pub(super) fn new(schema: Arc<Schema>, page: Page) -> State {
        State {
            schema,
            trail: vec![page],
            connection: Connection::Down(None),
            mode: Mode::Browse,
            message: None,
            paused: false,
            search: String::new(),
        }
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn page(&self) -> &Page {
        self.trail.last().expect("there is always a page")
    }

    pub(super) fn page_mut(&mut self) -> &mut Page {
        self.trail.last_mut().expect("there is always a page")
    }

    /// How many pages can be gone back.
    pub(super) fn depth(&self) -> usize {
        self.trail.len() - 1
    }

    /// Goes to the rows that the selected cell names.
    pub(super) fn follow(&mut self) -> Result<(), String> {
        let page = self.page();
        let column = page.selected_column().unwrap_or_default();
        let none = || format!("{column} refers to no rows");
        let (Some(row), Some(shape)) = (page.selected_row(), page.shape()) else {
            return Err(none());
        };
        let id = shape.column_id(column).ok_or_else(none)?;
        let (ty, value) = (&shape.column(id).ty, row.get(id));
        let target = |base: &BaseType| base.reference().map(|(table, _)| table.clone());
        let by_value = || Some((target(ty.value.as_ref()?)?, false));
        let (table, by_key) = target(&ty.key)
            .map(|table| (table, true))
            .or_else(by_value)
            .ok_or_else(none)?;
        let uuids: BTreeSet<Uuid> = if by_key {
            value.keys().filter_map(|atom| atom.as_uuid()).collect()
        } else {
            value.values().filter_map(|atom| atom.as_uuid()).collect()
        };
        let first = *uuids.first().ok_or_else(none)?;
        let (_, shape) = self.schema.table_by_name(&table).ok_or_else(none)?;
        let mut next = Page::new(shape);
        next.selected_uuid = Some(first);
        next.only = Some((format!("{column} of {}", name(page)), uuids));
        if self.trail.len() == TRAIL_MAX {
            self.trail.remove(0);
        }
        self.trail.push(next);
        Ok(())
    }

    /// Goes back to the page before.
    pub(super) fn back(&mut self) -> bool {
        let is_first = self.trail.len() == 1;
        if !is_first {
            self.trail.pop();
        }
        !is_first
    }
}

/// What people call the selected row: its name, if it has one.
fn name(page: &Page) -> String {
    let named = || {
        let id = page.shape()?.column_id("name")?;
        let name = page.selected_row()?.get(id).as_atom()?.as_str()?;
        Some(name.to_owned())
    };
    let uuid = page.selected_row().map(|row| row.uuid().to_string());
    let name = named().filter(|name| !name.is_empty()).or(uuid);
    format!("{} {}", page.table, name.unwrap_or_default())
}
