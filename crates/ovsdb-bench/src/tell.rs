//! Tells results while they come: a table on standard output, failures beside it, and all of it as JSON in the end.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::options::JsonTo;
use crate::progress::Progress;
use crate::report::{self, LETTERS, Layout};
use crate::workload::Size;

/// Why the results cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Somebody who tells.
pub(crate) struct Teller<'a> {
    json: &'a JsonTo,
    names: Vec<String>,
    layout: Layout,
    results: Vec<report::Result>,
}

impl<'a> Teller<'a> {
    /// Begins, with what the letters stand for and the head of the table. `waits`: whether it is told how long another
    /// client waited.
    pub(crate) fn begin(
        json: &'a JsonTo,
        names: Vec<String>,
        waits: bool,
    ) -> Result<Teller<'a>, TellError> {
        let layout = Layout {
            sides: names.len(),
            waits,
        };
        let teller = Teller {
            json,
            names,
            layout,
            results: Vec::new(),
        };
        if teller.has_table() {
            for (letter, name) in LETTERS.iter().zip(&teller.names) {
                writeln!(io::stdout(), "{letter}: {name}")?;
            }
            writeln!(io::stdout(), "\n{}", report::head(layout))?;
        }
        Ok(teller)
    }

    fn has_table(&self) -> bool {
        !matches!(self.json, JsonTo::Output)
    }

    /// Tells of one result.
    pub(crate) fn add(
        &mut self,
        result: report::Result,
        progress: &Progress,
    ) -> Result<(), TellError> {
        let mut told = Ok(());
        progress.aside(|| {
            let failures = result.failures().try_for_each(|failure| {
                // Beside the table, so that what is printed there stays a table.
                writeln!(io::stderr(), "{failure}")
            });
            let lines = result.lines(self.layout);
            let mut lines = lines.iter().filter(|_| self.has_table());
            told =
                failures.and_then(|()| lines.try_for_each(|line| writeln!(io::stdout(), "{line}")));
        });
        self.results.push(result);
        Ok(told?)
    }

    /// Ends, with the JSON. Says whether nothing failed.
    pub(crate) fn end(self, runs: usize, size: Size) -> Result<bool, TellError> {
        let json = || {
            let mut text = report::json(&self.results, &self.names, runs, size).to_bytes();
            text.push(b'\n');
            text
        };
        match self.json {
            JsonTo::None => {}
            JsonTo::Output => io::stdout().write_all(&json())?,
            JsonTo::File(path) => {
                std::fs::write(path, json()).map_err(|source| TellError::File {
                    path: path.clone(),
                    source,
                })?;
            }
        }
        let mut results = self.results.iter();
        Ok(results.all(|result| result.failures().next().is_none()))
    }
}
