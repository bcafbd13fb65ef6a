//! Rules about files that `xtask` writes: they are up to date, and every program has its man page.

use std::fs;

use super::Problem;
use crate::workspace::Workspace;
use crate::{compatibility, completions, limits, man, metrics};

/// The crate whose programs users run.
const PROGRAMS: &str = "ovsdb-tools";

/// Compares the files with what the tasks that write files would write, and the man pages with the programs.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Problem>, crate::Error> {
    let pages = man::files();
    let written = [
        ("man", pages.clone()),
        ("limits", limits::files(workspace)?),
        ("compatibility", compatibility::files()),
        ("completions", completions::files()),
        ("metrics", metrics::files()),
    ];
    let mut problems = Vec::new();
    for (task, files) in written {
        for (path, text) in files {
            // A file that is missing is not up to date.
            if fs::read_to_string(workspace.root.join(&path)).ok().as_ref() != Some(&text) {
                let text = format!("is not up to date: run `cargo run -p xtask -- {task}`");
                problems.push(Problem::new(path, text));
            }
        }
    }
    let packages = workspace.metadata.workspace_packages();
    let programs = packages
        .iter()
        .filter(|package| package.name.as_str() == PROGRAMS)
        .flat_map(|package| &package.targets)
        .filter(|target| target.is_bin())
        .map(|target| target.name.as_str());
    problems.extend(without_page(
        programs,
        pages.iter().map(|(path, _)| path.as_str()),
    ));
    Ok(problems)
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
