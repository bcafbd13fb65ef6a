//! Which rows are shown: those in which all words of a filter are found.
//!
//! `column=text` and `column!=text` compare a column with text as `--data=bare` writes it, `column~text` looks for text in
//! a column, and any other word looks in all columns that are shown. Case does not count.

use ovsdb_client::replica::Row;
use ovsdb_proto::schema::{ColumnId, TableSchema};
use ovsdb_proto::text;

/// Words that all must be found in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug)]
enum Word {
    Is(String, String),
    IsNot(String, String),
    Has(String, String),
    Anywhere(String),
}

impl Filter {
    pub(super) fn parse(text: &str, table: &TableSchema) -> Filter {
        let words = text.split_whitespace().map(|word| {
            let split = |by: &str| {
                let (column, text) = word.split_once(by)?;
                table.column_id(column)?;
                Some((column.to_owned(), text.to_lowercase()))
            };
            if let Some((column, text)) = split("!=") {
                Word::IsNot(column, text)
            } else if let Some((column, text)) = split("=") {
                Word::Is(column, text)
            } else if let Some((column, text)) = split("~") {
                Word::Has(column, text)
            } else {
                Word::Anywhere(word.to_lowercase())
            }
        });
        Filter {
            text: text.trim().to_owned(),
            words: words.collect(),
        }
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// `shown` are the columns on the screen.
    pub(super) fn admits(&self, table: &TableSchema, row: &Row, shown: &[ColumnId]) -> bool {
        self.words.iter().all(|word| {
            let value = |column: &str| {
                let id = table.column_id(column)?;
                Some(text::datum_to_bare(row.get(id)).to_lowercase())
            };
            match word {
                Word::Is(column, text) => value(column).is_some_and(|value| value == *text),
                Word::IsNot(column, text) => value(column).is_none_or(|value| value != *text),
                Word::Has(column, text) => value(column).is_some_and(|value| value.contains(text)),
                Word::Anywhere(text) => has(table, row, shown, text),
            }
        })
    }
}

/// Whether `text`, in lower case, is found in one of these columns of a row.
pub(super) fn has(table: &TableSchema, row: &Row, columns: &[ColumnId], text: &str) -> bool {
    columns.iter().any(|&id| {
        let shown = text::datum_to_string(row.get(id), &table.column(id).ty);
        shown.to_lowercase().contains(text)
    })
}
