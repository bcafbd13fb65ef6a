//! `xtask tidy`: the rules of the house that the compiler and clippy do not check.
//!
//! Every rule is a function from what it looks at to the problems it found, so that each has a test that
//! shows it firing. Nothing is repaired here.

mod coverage;
mod edges;
mod manifests;
mod packaging;
mod sources;
mod written;

use std::fmt;
use std::process::ExitCode;

use crate::workspace::Workspace;

/// One broken rule at one place.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// File, and line where there is one, or the name of a crate.
    place: String,
    /// What is wrong, and what to do instead.
    text: String,
}

impl Problem {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Problem {
            place: place.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Checks everything and prints every problem.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, crate::Error> {
    let files = workspace.text_files()?;
    let mut problems = Vec::new();
    for file in &files {
        problems.extend(sources::check(&file.path, &file.text));
    }
    problems.extend(edges::check(&workspace.metadata));
    problems.extend(manifests::check(workspace)?);
    problems.extend(packaging::check(workspace, &files));
    problems.extend(coverage::check(&files));
    problems.extend(written::check(workspace)?);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        println!(
            "tidy: {} files, {} crates",
            files.len(),
            workspace.metadata.workspace_packages().len()
        );
        Ok(ExitCode::SUCCESS)
    } else {
        eprintln!("tidy: {} problems", problems.len());
        Ok(ExitCode::FAILURE)
    }
}
