//! What the commands print: lines, JSON and tables on standard output.

use std::io::{self, Write};

use ovsdb_proto::json::Json;

use super::error::ClientError;
use crate::table::{Renderer, Style, Table};

/// Standard output, buffered, in the style that the options ask for.
pub(crate) struct Output {
    out: io::BufWriter<io::Stdout>,
    renderer: Renderer,
}

impl Output {
    pub(crate) fn new(style: Style) -> Self {
        Output {
            out: io::BufWriter::new(io::stdout()),
            renderer: Renderer::new(style),
        }
    }

    /// Prints `table`, with the time of day if there is one.
    pub(crate) fn table(
        &mut self,
        table: &Table<'_>,
        timestamp: Option<&str>,
    ) -> Result<(), ClientError> {
        let text = self.renderer.render(table, timestamp);
        self.bytes(&text)
    }

    /// Prints `value`, pretty if the options say so.
    pub(crate) fn json(&mut self, value: &Json) -> Result<(), ClientError> {
        let text = self.renderer.json_line(value);
        self.bytes(&text)
    }

    /// `value` as [`Output::json`] would print it, for a message.
    pub(crate) fn json_text(&self, value: &Json) -> String {
        let mut text = self.renderer.json_line(value);
        text.pop();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<(), ClientError> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.out.write_all(bytes).map_err(ClientError::Stdout)
    }

    /// Passes on what has been printed so far.
    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        self.out.flush().map_err(ClientError::Stdout)
    }
}
