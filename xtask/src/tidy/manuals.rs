//! Rules about the man pages: every program has one, and every page says what the program says of itself.

use std::fs;

use super::Problem;
use crate::man;
use crate::workspace::Workspace;

/// The crate whose programs users run.
const PROGRAMS: &str = "ovsdb-tools";

/// Compares `docs/man` with what `xtask man` would write there, and with the programs there are.
pub(super) fn check(workspace: &Workspace) -> Vec<Problem> {
    let files = man::files();
    let mut problems: Vec<Problem> = files
        .iter()
        .filter(|(path, text)| {
            fs::read_to_string(workspace.root.join(path)).ok().as_ref() != Some(text)
        })
        .map(|(path, _)| {
            Problem::new(
                path.as_str(),
                "is not up to date: run `cargo run -p xtask -- man`",
            )
        })
        .collect();
    let packages = workspace.metadata.workspace_packages();
    let programs = packages
        .iter()
        .filter(|package| package.name.as_str() == PROGRAMS)
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_bin())
        .map(|target| target.name.as_str());
    problems.extend(without_page(
        programs,
        files.iter().map(|(path, _)| path.as_str()),
    ));
    problems
}

fn without_page<'a>(
    programs: impl Iterator<Item = &'a str>,
    pages: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Problem> {
    let names = |path: &str, program: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.rsplit_once('.')
            .is_some_and(|(name, _)| name == program)
    };
    programs
        .filter(|program| !pages.clone().any(|path| names(path, program)))
        .map(|program| Problem::new(program, "has no man page: add it to xtask's pages"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_page_of_its_name_is_reported() {
        let found = without_page(
            ["a", "b", "c"].into_iter(),
            ["docs/man/a.1", "docs/man/b-c.8"].into_iter(),
        );
        let places: Vec<_> = found.into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, ["b", "c"]);
    }
}
