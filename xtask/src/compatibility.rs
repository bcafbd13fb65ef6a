//! `xtask compatibility`: writes `docs/compatibility.md` from the table in the code.
//!
//! `xtask tidy` compares what stands there with what would be written.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use ovsdb_tools::server::compatibility::{Entry, Kind, State, entries};

use crate::Error;
use crate::workspace::Workspace;

/// Where the page is kept.
const PATH: &str = "docs/compatibility.md";

const HEAD: &str = "# Compatibility of `ovsdb-server`

What the reference program of release 3.7 takes, and what becomes of it here. Tests compare this page with what that program
lists, and with what ours offers; it is written by `cargo run -p xtask -- compatibility`. What differs in behaviour stands in
[differences.md](differences.md).
";

const CHAPTERS: [(Kind, &str); 4] = [
    (Kind::Option, "Options"),
    (Kind::Environment, "Environment"),
    (Kind::Remote, "Remotes"),
    (Kind::Command, "Control commands"),
];

const STATES: [(State, &str); 5] = [
    (State::Works, "as in the reference"),
    (State::Accepted, "there is nothing for it to do"),
    (State::Refused, "with a message that names it"),
    (State::Ignored, "it changes nothing"),
    (State::Ours, "the reference does not have it"),
];

/// Writes the page.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Error> {
    for (path, text) in files() {
        fs::write(workspace.root.join(&path), text)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The page: its path from the workspace's root, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut text = String::from(HEAD);
    text.push('\n');
    for (state, meaning) in STATES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- *{}*: {meaning}", state.word());
    }
    for (kind, title) in CHAPTERS {
        let _ = write!(text, "\n## {title}\n\n| name | here | |\n|---|---|---|\n");
        for entry in entries(kind) {
            text.push_str(&line(entry));
        }
    }
    vec![(PATH.to_owned(), text)]
}

fn line(entry: &Entry) -> String {
    let note = entry.note.replace('|', "\\|");
    format!("| `{}` | {} | {note} |\n", entry.name, entry.state.word())
}
