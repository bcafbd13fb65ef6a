//! One table as it is shown: its rows in order, which of them are new, and what is selected.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ovsdb_client::replica::{ChangeKind, Changes, Interest, Row, Version};
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::uuid::Uuid;

use super::filter::{self, Filter};

/// How long a row that changed is highlighted.
pub(super) const HIGHLIGHT_TIME: Duration = Duration::from_secs(3);

/// Rows that are highlighted at one time: of more, nobody could look at any.
const MARKS_MAX: usize = 10_000;

/// A table on the screen.
pub(super) struct Page {
    pub(super) table: String,
    /// Those that are shown, from left to right.
    pub(super) columns: Vec<String>,
    /// The column to sort by, and whether from high to low.
    pub(super) sort: Option<(String, bool)>,
    pub(super) filter: Filter,
    /// The only rows to show, and what they are.
    pub(super) only: Option<(String, BTreeSet<Uuid>)>,
    pub(super) version: Option<Arc<Version>>,
    /// The rows that are shown, in order.
    pub(super) rows: Vec<Row>,
    /// The number of the selected row, which has this name.
    pub(super) selected: usize,
    pub(super) selected_uuid: Option<Uuid>,
    /// The number of the selected column.
    pub(super) column: usize,
    /// The first row and the first column on the screen.
    pub(super) top: usize,
    pub(super) left: usize,
    /// How many rows the screen had room for.
    pub(super) height: usize,
    marks: HashMap<Uuid, Mark>,
}

/// What changed of a row lately.
struct Mark {
    until: Instant,
    /// `None`: the row is new.
    columns: Option<Vec<String>>,
}

/// How a cell is highlighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Highlight {
    None,
    Row,
    Changed,
    New,
}

impl Page {
    /// All columns of a table: its `name` first, `_uuid` last.
    pub(super) fn new(table: &TableSchema) -> Page {
        let own = table.column_ids_by_name().iter();
        let mut columns: Vec<String> = own.map(|&id| table.column(id).name.to_string()).collect();
        columns.sort_by_key(|name| name != "name");
        columns.push("_uuid".to_owned());
        Page {
            table: table.name.to_string(),
            columns,
            sort: None,
            filter: Filter::default(),
            only: None,
            version: None,
            rows: Vec::new(),
            selected: 0,
            selected_uuid: None,
            column: 0,
            top: 0,
            left: 0,
            height: 1,
            marks: HashMap::new(),
        }
    }

    /// The table, as far as the server has it.
    pub(super) fn shape(&self) -> Option<&TableSchema> {
        let schema = self.version.as_ref()?.schema();
        schema.table_by_name(&self.table).map(|(_, table)| table)
    }

    /// All rows of the table.
    pub(super) fn n_all(&self) -> usize {
        let version = self.version.as_ref();
        let found = version.and_then(|version| {
            let (id, _) = version.schema().table_by_name(&self.table)?;
            Some(version.rows(id).len())
        });
        found.unwrap_or(0)
    }

    pub(super) fn selected_row(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    pub(super) fn selected_column(&self) -> Option<&str> {
        self.columns.get(self.column).map(String::as_str)
    }

    /// Takes in what changed. The first contents are news of nothing.
    pub(super) fn update(&mut self, changes: &Changes, now: Instant) {
        let is_first = self.version.is_none();
        self.version = Some(Arc::clone(changes.newer()));
        self.marks.retain(|_, mark| mark.until > now);
        if !is_first {
            let interest = Interest::all().table(self.table.as_str());
            let found = changes.iter(&interest);
            for change in found.filter(|change| change.kind() != ChangeKind::Delete) {
                let columns = match change.kind() {
                    ChangeKind::Modify => Some(change.columns().map(str::to_owned).collect()),
                    ChangeKind::Insert | ChangeKind::Delete => None,
                };
                if self.marks.len() >= MARKS_MAX {
                    break;
                }
                let until = now + HIGHLIGHT_TIME;
                self.marks.insert(change.uuid(), Mark { until, columns });
            }
        }
        self.arrange();
    }

    /// Finds the rows to show, and their order. What is selected stays so as long as it is there.
    pub(super) fn arrange(&mut self) {
        let Some(version) = self.version.clone() else {
            return;
        };
        let Some((id, shape)) = version.schema().table_by_name(&self.table) else {
            self.rows.clear();
            return;
        };
        let shown = self.ids(shape);
        let rows = version.rows(id).values();
        let rows = rows.filter(|row| {
            let only = self.only.as_ref();
            only.is_none_or(|(_, only)| only.contains(&row.uuid()))
                && self.filter.admits(shape, row, &shown)
        });
        self.rows = rows.cloned().collect();
        let sort = self.sort.as_ref();
        if let Some((id, falls)) =
            sort.and_then(|(name, falls)| Some((shape.column_id(name)?, *falls)))
        {
            // It keeps rows with the same value in the order of their names.
            self.rows.sort_by(|a, b| {
                let order = a.get(id).cmp(b.get(id));
                if falls { order.reverse() } else { order }
            });
        }
        let wanted = self.selected_uuid;
        let found = self.rows.iter().position(|row| Some(row.uuid()) == wanted);
        self.select(found.unwrap_or(self.selected));
    }

    /// The numbers of the columns that are shown and that there are.
    pub(super) fn ids(&self, shape: &TableSchema) -> Vec<ColumnId> {
        let names = self.columns.iter();
        names.filter_map(|name| shape.column_id(name)).collect()
    }

    /// Selects a row, or the one nearest to it.
    pub(super) fn select(&mut self, row: usize) {
        self.selected = row.min(self.rows.len().saturating_sub(1));
        if let Some(row) = self.rows.get(self.selected) {
            self.selected_uuid = Some(row.uuid());
        }
    }

    /// Selects the next row, or the one before, in which `text` is found; false if there is none.
    pub(super) fn search(&mut self, text: &str, forward: bool) -> bool {
        let Some(shape) = self.shape() else {
            return false;
        };
        let (shown, n, text) = (self.ids(shape), self.rows.len(), text.to_lowercase());
        let mut order = (1..=n).map(|step| {
            let step = if forward { step } else { n - step % n };
            (self.selected + step) % n
        });
        let found = order.find(|&at| filter::has(shape, &self.rows[at], &shown, &text));
        match found {
            Some(at) => {
                self.select(at);
                true
            }
            None => false,
        }
    }

    pub(super) fn highlight(&self, row: &Row, column: &str, now: Instant) -> Highlight {
        match self.marks.get(&row.uuid()) {
            Some(mark) if mark.until > now => match &mark.columns {
                None => Highlight::New,
                Some(columns) if columns.iter().any(|name| name == column) => Highlight::Changed,
                Some(_) => Highlight::Row,
            },
            _ => Highlight::None,
        }
    }

    /// When the next highlight ends.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let ends = self.marks.values().map(|mark| mark.until);
        ends.filter(|end| *end > now).min()
    }
}
