//! Rules about `docs/library/coverage.md`: every section of the RFC has its row, every row a test, and every test is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use crate::workspace::TextFile;

/// The page.
const PAGE: &str = "docs/library/coverage.md";

/// Every test in files of this folder has to stand in the page.
const TESTS: &str = "crates/ovsdb/tests/rfc7047/";

/// Sections of RFC 7047 that have a row: the last number of those in each of these sections.
const SECTIONS: &[(&str, u32)] = &[("4.1", 11), ("5.2", 10)];

/// Checks the page against the tests.
pub(super) fn check(files: &[TextFile]) -> Vec<Problem> {
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let Some(page) = texts.get(PAGE) else {
        return vec![Problem::new(PAGE, "is missing")];
    };
    problems(page, &texts)
}

fn problems(page: &str, texts: &BTreeMap<&str, &str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut sections = BTreeSet::new();
    let mut named = BTreeSet::new();
    for (line, row) in page.lines().enumerate().filter(|(_, row)| is_row(row)) {
        let place = format!("{PAGE}:{}", line + 1);
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        sections.insert(cells[0].to_owned());
        let test = cells[cells.len() - 1].trim_matches('`');
        let Some((path, name)) = test.split_once(": ") else {
            problems.push(Problem::new(place, "a row ends with `FILE: TEST`"));
            continue;
        };
        let path = format!("crates/{path}");
        let is_there = texts
            .get(path.as_str())
            .is_some_and(|text| tests_in(text).any(|test| test == name));
        if !is_there {
            problems.push(Problem::new(
                place,
                format!("there is no test {name} in {path}"),
            ));
        }
        named.insert((path, name));
    }
    for (section, last) in SECTIONS {
        for number in 1..=*last {
            let section = format!("{section}.{number}");
            if !sections.contains(&section) {
                let text = format!("has no row for section {section} of RFC 7047");
                problems.push(Problem::new(PAGE, text));
            }
        }
    }
    for (path, text) in texts.iter().filter(|(path, _)| path.starts_with(TESTS)) {
        for name in tests_in(text) {
            if !named.contains(&((*path).to_owned(), name)) {
                let text = format!("{PAGE} does not name the test {name}");
                problems.push(Problem::new(*path, text));
            }
        }
    }
    problems
}

/// Whether a line is a row of a table, and neither its head nor the line below that.
fn is_row(line: &str) -> bool {
    line.starts_with('|') && !line.starts_with("|-") && !line.ends_with("| test |")
}

/// The names of functions behind `#[test]` or `#[tokio::test]`.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let mut lines = text.lines().map(str::trim);
    std::iter::from_fn(move || {
        lines.by_ref().find(|line| is_test(line))?;
        let function = lines.by_ref().find_map(|line| {
            let line = line.strip_prefix("async ").unwrap_or(line);
            line.strip_prefix("fn ")
        })?;
        function.split('(').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let sections = SECTIONS.iter().flat_map(|(section, last)| {
            (1..=*last).map(move |n| format!("| {section}.{n} | x | `a.rs: works` |\n"))
        });
        let rows: String = sections.collect();
        format!("# Title\n\n| section | what | test |\n|---|---|---|\n{rows}")
    }

    #[track_caller]
    fn check(page: &str, tests: &str, expected: &[&str]) {
        let texts = BTreeMap::from([
            (
                "crates/a.rs",
                "#[tokio::test(flavor = \"multi_thread\")]\nasync fn works() {}\nfn helps() {}\n",
            ),
            ("crates/ovsdb/tests/rfc7047/x.rs", tests),
        ]);
        let found = problems(page, &texts);
        let found: Vec<_> = found.iter().map(|problem| problem.text.as_str()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_page_with_all_sections_and_tests_is_tidy() {
        check(&page(), "", &[]);
    }

    #[test]
    fn a_section_without_row_is_reported() {
        let page = page().replace("| 4.1.7 |", "| |");
        check(&page, "", &["has no row for section 4.1.7 of RFC 7047"]);
    }

    #[test]
    fn a_row_without_a_test_that_is_there_is_reported() {
        for name in ["fails", "helps"] {
            let missing = format!("{}| | x | `a.rs: {name}` |\n", page());
            let text = format!("there is no test {name} in crates/a.rs");
            check(&missing, "", &[&text]);
        }
        let nameless = format!("{}| | x | y |\n", page());
        check(&nameless, "", &["a row ends with `FILE: TEST`"]);
    }

    #[test]
    fn a_test_without_row_is_reported() {
        let text = "docs/library/coverage.md does not name the test forgotten";
        check(&page(), "#[test]\nfn forgotten() {}\n", &[text]);
    }
}
