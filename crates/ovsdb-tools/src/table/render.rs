//! From a table to bytes, in each format.

use std::borrow::Cow;

use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::symbols::Symbols;
use ovsdb_proto::text;

use super::{Cell, CellFormat, Format, Style, Table, html};

/// Renders the tables of one program run, one after another: all but the first are set apart by a blank line.
#[derive(Debug)]
pub struct Renderer {
    style: Style,
    started: bool,
}

impl Renderer {
    /// A renderer whose first table comes next.
    pub fn new(style: Style) -> Self {
        Renderer {
            style,
            started: false,
        }
    }

    /// The style of its tables.
    pub fn style(&self) -> &Style {
        &self.style
    }

    /// Renders `table`, with `timestamp` where the format has a place for it.
    ///
    /// The result is bytes because `--max-column-width` may cut within a character.
    pub fn render(&mut self, table: &Table<'_>, timestamp: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.style.format == Format::Json {
            self.json(table, timestamp, &mut out);
            return out;
        }
        let cells: Vec<Vec<Cow<'_, str>>> = table
            .rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| cell_text(cell, self.style.cells))
                    .collect()
            })
            .collect();
        if self.style.format == Format::Html {
            line(timestamp, &mut out);
            self.html(table, &cells, &mut out);
            return out;
        }
        if self.started {
            out.push(b'\n');
        }
        self.started = true;
        line(timestamp, &mut out);
        line(table.caption.as_deref(), &mut out);
        match self.style.format {
            Format::Table => self.columns(table, &cells, &mut out),
            Format::List => self.list(table, &cells, &mut out),
            _ => self.csv(table, &cells, &mut out),
        }
        out
    }

    /// `value` on a line of its own, or on several if the style is pretty.
    pub fn json_line(&self, value: &Json) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_json(value, &mut out);
        out
    }

    fn write_json(&self, value: &Json, out: &mut Vec<u8>) {
        if self.style.pretty {
            out.extend_from_slice(value.to_pretty_string().as_bytes());
        } else {
            value.write_to(out);
        }
        out.push(b'\n');
    }

    fn columns(&self, table: &Table<'_>, cells: &[Vec<Cow<'_, str>>], out: &mut Vec<u8>) {
        let widths: Vec<usize> = (0..table.headings.len())
            .map(|x| {
                let widest = cells.iter().map(|row| row[x].len()).max().unwrap_or(0);
                let width = widest.min(self.style.max_column_width.unwrap_or(usize::MAX));
                if self.style.headings {
                    width.max(table.headings[x].len())
                } else {
                    width
                }
            })
            .collect();
        if self.style.headings {
            aligned(table.headings.iter().map(String::as_bytes), &widths, out);
            let dashes = vec![b'-'; widths.iter().copied().max().unwrap_or(0)];
            aligned(widths.iter().map(|&width| &dashes[..width]), &widths, out);
        }
        for row in cells {
            aligned(row.iter().map(|cell| cell.as_bytes()), &widths, out);
        }
    }

    fn list(&self, table: &Table<'_>, cells: &[Vec<Cow<'_, str>>], out: &mut Vec<u8>) {
        for (y, row) in cells.iter().enumerate() {
            if y > 0 {
                out.push(b'\n');
            }
            for (heading, cell) in table.headings.iter().zip(row) {
                if self.style.headings {
                    pad(heading.as_bytes(), 20, out);
                    out.extend_from_slice(b": ");
                }
                out.extend_from_slice(cell.as_bytes());
                out.push(b'\n');
            }
        }
    }

    fn html(&self, table: &Table<'_>, cells: &[Vec<Cow<'_, str>>], out: &mut Vec<u8>) {
        out.extend_from_slice(b"<table border=1>\n");
        if let Some(caption) = &table.caption {
            html::cell("caption", caption, out);
        }
        if self.style.headings {
            out.extend_from_slice(b"  <tr>\n");
            for heading in &table.headings {
                html::cell("th", heading, out);
            }
            out.extend_from_slice(b"  </tr>\n");
        }
        for row in cells {
            out.extend_from_slice(b"  <tr>\n");
            for (heading, cell) in table.headings.iter().zip(row) {
                if heading == "_uuid" {
                    html::anchor(cell, out);
                } else {
                    html::cell("td", cell, out);
                }
            }
            out.extend_from_slice(b"  </tr>\n");
        }
        out.extend_from_slice(b"</table>\n");
    }

    fn csv(&self, table: &Table<'_>, cells: &[Vec<Cow<'_, str>>], out: &mut Vec<u8>) {
        if self.style.headings {
            csv_row(table.headings.iter().map(String::as_str), out);
        }
        for row in cells {
            csv_row(row.iter().map(AsRef::as_ref), out);
        }
    }

    fn json(&self, table: &Table<'_>, timestamp: Option<&str>, out: &mut Vec<u8>) {
        let mut object = Object::new();
        if let Some(caption) = &table.caption {
            object.insert("caption", Json::string(caption.as_str()));
        }
        if let Some(timestamp) = timestamp {
            object.insert("time", Json::string(timestamp));
        }
        object.insert(
            "headings",
            Json::Array(
                table
                    .headings
                    .iter()
                    .map(|h| Json::string(h.as_str()))
                    .collect(),
            ),
        );
        let value = |cell: &Cell<'_>| match cell {
            Cell::Empty => Json::Null,
            Cell::Text(text) => Json::string(text.as_str()),
            Cell::Json(value) | Cell::Datum { value, .. } => value.clone(),
        };
        let rows = table
            .rows
            .iter()
            .map(|row| Json::Array(row.iter().map(value).collect()));
        object.insert("data", rows.collect::<Vec<_>>());
        self.write_json(&Json::Object(object), out);
    }
}

fn cell_text<'c>(cell: &'c Cell<'_>, format: CellFormat) -> Cow<'c, str> {
    match cell {
        Cell::Empty => Cow::Borrowed(""),
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Json(value) => Cow::Owned(value.to_string()),
        Cell::Datum { value, ty } => {
            let datum = match format {
                CellFormat::Json => None,
                _ => Datum::from_json(value, ty, &mut Symbols::none()).ok(),
            };
            Cow::Owned(match (format, datum) {
                (CellFormat::String, Some(datum)) => text::datum_to_string(&datum, ty),
                (CellFormat::Bare, Some(datum)) => text::datum_to_bare(&datum),
                _ => value.to_string(),
            })
        }
    }
}

fn line(text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

fn pad(text: &[u8], width: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(text);
    out.resize(out.len() + width.saturating_sub(text.len()), b' ');
}

/// One line of cells, each cut or padded to its width, with no spaces at the end.
fn aligned<'c>(cells: impl Iterator<Item = &'c [u8]>, widths: &[usize], out: &mut Vec<u8>) {
    let start = out.len();
    for (x, (cell, &width)) in cells.zip(widths).enumerate() {
        if x > 0 {
            out.push(b' ');
        }
        pad(&cell[..cell.len().min(width)], width, out);
    }
    while out.len() > start && out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

fn csv_row<'c>(cells: impl Iterator<Item = &'c str>, out: &mut Vec<u8>) {
    for (x, cell) in cells.enumerate() {
        if x > 0 {
            out.push(b',');
        }
        if cell.contains(['\n', '"', ',']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}
