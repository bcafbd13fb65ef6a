//! `xtask man`: writes the man pages into `docs/man`, from the tables that the programs read their command lines with.
//!
//! Options and commands come from the programs, the prose around them from [`pages`]; so a page cannot miss an option.
//! `xtask tidy` compares what stands in `docs/man` with what would be written.

mod codegen;
mod exporter;
mod pages;
mod roff;

use std::fs;
use std::process::ExitCode;

use crate::workspace::Workspace;

/// Where the pages are kept.
const FOLDER: &str = "docs/man";

/// One man page.
pub(crate) struct Page {
    /// The program's name, which is the page's.
    program: &'static str,
    /// Section of the manual.
    section: u8,
    /// What the program is, in a phrase.
    summary: &'static str,
    /// Ways to call it, without the program's name.
    usage: &'static [&'static str],
    /// What it is for, a paragraph each.
    description: &'static [&'static str],
    /// Its commands: how each is written, and what it does.
    commands: Vec<(String, String)>,
    /// Its options by heading.
    options: Vec<Options>,
    /// What else there is to say, a titled section each.
    sections: &'static [(&'static str, &'static [Block])],
}

/// Options under one heading: how each is written, and what it does.
struct Options {
    title: &'static str,
    items: Vec<(String, String)>,
}

/// A piece of prose.
enum Block {
    /// A paragraph.
    Text(&'static str),
    /// A term and what it means.
    Item(&'static str, &'static str),
    /// Lines as they are.
    Example(&'static str),
}

/// Every page: its path from the workspace's root, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let path = |page: &Page| format!("{FOLDER}/{}.{}", page.program, page.section);
    pages::all()
        .iter()
        .map(|page| (path(page), roff::render(page)))
        .collect()
}

/// Writes every page.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, crate::Error> {
    fs::create_dir_all(workspace.root.join(FOLDER))?;
    for (path, text) in files() {
        fs::write(workspace.root.join(&path), text)?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use ovsdb_tools::server::compatibility::{Kind, State, entries};

    use super::*;

    #[test]
    fn the_servers_page_has_every_control_command_variable_and_remote() {
        let files = files();
        let page = files
            .iter()
            .find(|(path, _)| path.ends_with("/ovsdb-server.1"));
        let (_, text) = page.expect("a page");
        // As it is shown: roff writes a hyphen as `\-`.
        let text = text.replace("\\-", "-").replace("\\&", "");
        let mut missing = Vec::new();
        for kind in [Kind::Command, Kind::Environment, Kind::Remote] {
            for entry in entries(kind) {
                // The method is what a remote is known by.
                let name = match kind {
                    Kind::Remote => entry.name.split_inclusive(':').next().unwrap_or_default(),
                    _ => entry.name,
                };
                let told = !matches!(entry.state, State::Refused | State::Ignored);
                if told && !text.contains(name) {
                    missing.push(entry.name);
                }
            }
        }
        assert_eq!(missing, [""; 0]);
    }
}
