//! How a table is to look: the values of `--format`, `--data` and their companions.

use std::str::FromStr;

/// The layout of a table (`-f`, `--format`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One cell a line, rows separated by blank lines.
    List,
    /// An HTML table.
    Html,
    /// Comma-separated values (RFC 4180, with bare newlines).
    Csv,
    /// One JSON object a table.
    Json,
}

/// The layout of a cell (`-d`, `--data`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CellFormat {
    /// The form that `ovs-vsctl` reads and writes.
    String,
    /// That form without brackets, braces, commas and quotes.
    Bare,
    /// JSON.
    Json,
}

/// The argument of `--format` or `--data` is not one of those known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownFormat {
    /// Of `--format`.
    #[error("unknown output format \"{0}\"")]
    Output(String),
    /// Of `--data`.
    #[error("unknown data format \"{0}\"")]
    Data(String),
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Ok(match name {
            "table" => Format::Table,
            "list" => Format::List,
            "html" => Format::Html,
            "csv" => Format::Csv,
            "json" => Format::Json,
            _ => return Err(UnknownFormat::Output(name.to_owned())),
        })
    }
}

impl FromStr for CellFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Ok(match name {
            "string" => CellFormat::String,
            "bare" => CellFormat::Bare,
            "json" => CellFormat::Json,
            _ => return Err(UnknownFormat::Data(name.to_owned())),
        })
    }
}

/// Everything the options say about tables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Style {
    /// The layout of tables.
    pub format: Format,
    /// The layout of cells. The JSON format ignores it.
    pub cells: CellFormat,
    /// Whether headings are shown. The JSON format ignores it.
    pub headings: bool,
    /// Whether JSON outside of cells is spread over lines (`--pretty`).
    pub pretty: bool,
    /// The widest column of [`Format::Table`] in bytes, except for its heading; `None` is no limit.
    pub max_column_width: Option<usize>,
}

impl Style {
    /// The defaults of a program whose tables are laid out as `format`.
    pub fn new(format: Format) -> Self {
        Style {
            format,
            cells: CellFormat::String,
            headings: true,
            pretty: false,
            max_column_width: None,
        }
    }

    /// What `--bare` stands for: `--format=list --data=bare --no-headings`.
    pub fn set_bare(&mut self) {
        self.format = Format::List;
        self.cells = CellFormat::Bare;
        self.headings = false;
    }

    /// Takes the argument of `--max-column-width` as the C library's `atoi` does: leading digits count, and
    /// whatever is not positive is no limit.
    pub fn set_max_column_width(&mut self, argument: &str) {
        let digits = argument.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        // No digits, or too many of them: no limit worth the name.
        self.max_column_width = digits[..end].parse().ok().filter(|&width| width > 0);
    }
}
