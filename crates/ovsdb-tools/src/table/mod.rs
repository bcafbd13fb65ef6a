//! Tables of OVSDB data as text: what `--format` and `--data` of the command-line programs mean.
//!
//! Pure: a [`Table`] goes in, bytes come out. The programs own the options, the clock and standard output. The
//! bytes are those of the Open vSwitch programs, which scripts parse, quirks included: widths and
//! `--max-column-width` count bytes, and JSON within a table stays compact whatever `--pretty` says.

mod html;
mod render;
mod style;

pub use render::Renderer;
pub use style::{CellFormat, Format, Style, UnknownFormat};

use ovsdb_proto::json::Json;
use ovsdb_proto::types::ColumnType;

/// One cell of a table. It borrows the type of its value from the schema that the caller holds.
#[derive(Clone, Debug)]
pub enum Cell<'a> {
    /// Nothing to show; `null` in the JSON format.
    Empty,
    /// Fixed text, shown as it is in every format.
    Text(String),
    /// JSON that is not a datum (a column type, for example): compact JSON in every format.
    Json(Json),
    /// A datum in its wire form, shown as `--data` says.
    Datum {
        /// The wire form (RFC 7047, section 5.1).
        value: Json,
        /// Its type; a value that does not fit is shown as JSON.
        ty: &'a ColumnType,
    },
}

/// Headings and rows, ready to be rendered.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    caption: Option<String>,
    headings: Vec<String>,
    rows: Vec<Vec<Cell<'a>>>,
}

impl<'a> Table<'a> {
    /// An empty table with these columns, from left to right.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Table {
            caption: None,
            headings: headings.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// The same table under a caption.
    #[must_use]
    pub fn with_caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// Appends a row. Cells that it lacks on the right are empty.
    ///
    /// # Panics
    ///
    /// When the row has more cells than the table has columns.
    pub fn push_row(&mut self, mut row: Vec<Cell<'a>>) {
        assert!(
            row.len() <= self.headings.len(),
            "a row of {} cells in a table of {} columns",
            row.len(),
            self.headings.len()
        );
        row.resize(self.headings.len(), Cell::Empty);
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests;
