//! Rules about the text of a file: module headers, words that may not stay, paths of one machine, length.

use super::Problem;

/// Longest Rust file, in lines. One that grows beyond it wants to be two.
const LINES_MAX: usize = 900;

/// Words that mark unfinished work or a test that is switched off.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("#[", "ignore"),
];

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
];

/// Files that may lift the workspace's ban on `unsafe`, each with what it needs it for.
const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "crates/ovsdb-daemon/src/fork.rs",
        "fork(2), for --detach and --monitor",
    ),
    (
        "crates/ovsdb-sql/src/vtab.rs",
        "the traits of SQLite's virtual tables; no pointer is touched",
    ),
];

/// Checks one file; `path` is seen from the workspace's root.
pub(super) fn check(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    machine_paths(path, text, &mut problems);
    merge_markers(path, text, &mut problems);
    if path.ends_with(".rs") {
        header(path, text, &mut problems);
        length(path, text, &mut problems);
        unfinished(path, text, &mut problems);
        unsafe_code(path, text, &mut problems);
        reference_feature(path, text, &mut problems);
    }
    problems
}

fn header(path: &str, text: &str, problems: &mut Vec<Problem>) {
    if !text.starts_with("//! ") {
        problems.push(Problem::new(
            path,
            "begin with a `//!` header: what the file owns and what it never does",
        ));
    }
}

fn length(path: &str, text: &str, problems: &mut Vec<Problem>) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        problems.push(Problem::new(
            path,
            format!("{lines} lines are more than {LINES_MAX}: make it two files"),
        ));
    }
}

fn unfinished(path: &str, text: &str, problems: &mut Vec<Problem>) {
    for (line, word) in occurrences(text, UNFINISHED) {
        problems.push(Problem::new(
            format!("{path}:{line}"),
            format!("{word:?} may not stay"),
        ));
    }
}

fn machine_paths(path: &str, text: &str, problems: &mut Vec<Problem>) {
    for (line, word) in occurrences(text, MACHINE_PATHS) {
        problems.push(Problem::new(
            format!("{path}:{line}"),
            format!("a path below {word:?} belongs to one machine"),
        ));
    }
}

/// What git leaves where two changes could not be brought together.
fn merge_markers(path: &str, text: &str, problems: &mut Vec<Problem>) {
    const MARKERS: [&str; 2] = ["<<<<<<< ", ">>>>>>> "];
    for (number, line) in (1..).zip(text.lines()) {
        if MARKERS.iter().any(|marker| line.starts_with(marker)) {
            let text = "a merge that was not finished";
            problems.push(Problem::new(format!("{path}:{number}"), text));
        }
    }
}

fn unsafe_code(path: &str, text: &str, problems: &mut Vec<Problem>) {
    if UNSAFE_FILES.iter().any(|(allowed, _)| *allowed == path) {
        return;
    }
    // The workspace denies `unsafe`, so lifting the ban is the only way in.
    const LIFTS: &[&str] = &[
        concat!("allow(un", "safe_code"),
        concat!("expect(un", "safe_code"),
    ];
    for (line, _) in occurrences(text, LIFTS) {
        let text = "`unsafe` stays in the files that xtask's table names, each with its reason";
        problems.push(Problem::new(format!("{path}:{line}"), text));
    }
}

fn reference_feature(path: &str, text: &str, problems: &mut Vec<Problem>) {
    const WORD: &[&str] = &[concat!("feature = \"", "reference\"")];
    for (line, _) in occurrences(text, WORD) {
        let text = "a test that needs the reference programs is a target of its own with `required-features`, \
                    so that ./test can name what it leaves out";
        problems.push(Problem::new(format!("{path}:{line}"), text));
    }
}

/// Every (line number, word) where one of `words` stands in `text`.
fn occurrences<'a>(
    text: &'a str,
    words: &'a [&'static str],
) -> impl Iterator<Item = (usize, &'static str)> + 'a {
    text.lines().enumerate().flat_map(move |(index, line)| {
        words
            .iter()
            .filter(move |word| line.contains(**word))
            .map(move |word| (index + 1, *word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of the problems found in a file `src/a.rs` of this text.
    fn places(text: &str) -> Vec<String> {
        check("src/a.rs", text)
            .into_iter()
            .map(|problem| problem.place)
            .collect()
    }

    #[test]
    fn a_file_with_header_and_nothing_else_is_tidy() {
        assert_eq!(places("//! Owns nothing.\n\nfn main() {}\n"), [""; 0]);
    }

    #[test]
    fn a_file_without_header_is_reported() {
        assert_eq!(places("fn main() {}\n"), ["src/a.rs"]);
    }

    #[test]
    fn every_unfinished_word_is_reported_with_its_line() {
        for word in UNFINISHED {
            assert_eq!(
                places(&format!("//! Header.\n\n{word}\n")),
                ["src/a.rs:3"],
                "{word}"
            );
        }
    }

    #[test]
    fn a_file_may_be_as_long_as_the_limit_and_no_longer() {
        let lines = |n: usize| format!("//! Header.\n{}", "\n".repeat(n - 1));
        assert_eq!(places(&lines(LINES_MAX)), [""; 0]);
        assert_eq!(places(&lines(LINES_MAX + 1)), ["src/a.rs"]);
    }

    #[test]
    fn machine_paths_are_reported_in_any_text_file() {
        for path in MACHINE_PATHS {
            let found = check("README.md", &format!("see {path}me\n"));
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!(found[0].place, "README.md:1");
        }
    }

    #[test]
    fn a_merge_that_was_not_finished_is_reported_in_any_text_file() {
        let text = "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n";
        let places: Vec<String> = check("README.md", text)
            .into_iter()
            .map(|problem| problem.place)
            .collect();
        assert_eq!(places, ["README.md:2", "README.md:6"]);
    }

    #[test]
    fn lifting_the_ban_on_unsafe_is_reported() {
        assert_eq!(
            places(concat!("//! Header.\n#![allow(un", "safe_code)]\n")),
            ["src/a.rs:2"]
        );
    }

    #[test]
    fn a_test_hidden_behind_the_reference_feature_is_reported() {
        assert_eq!(
            places(concat!(
                "//! Header.\n#![cfg(feature = \"",
                "reference\")]\n"
            )),
            ["src/a.rs:2"]
        );
    }
}
