//! Scripts of commands that are run against two servers, and the comparison of what they printed.
//!
//! A script is text, one command a line:
//!
//! ```text
//! # Comment.
//! ovs-vsctl add-br br0
//! ! ovs-vsctl add-br br0            expected to fail
//! ~ ovs-vsctl list-ports br0        the order of lines does not matter
//! - ovs-vsctl create bridge name=x   only success or failure matters
//! ```
//!
//! Words are separated by blanks; quotes work as in a shell, and nothing else of a shell does. The programs are the
//! reference's: what is compared is the server behind them. UUIDs, times and the sandbox's folder are renamed
//! before comparison.

use std::fmt;

use crate::names::{self, Names};
use crate::programs;
use crate::sandbox::{Output, Sandbox};

/// One command of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Line of the script, from 1.
    pub line: usize,
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// True if the command is expected to fail.
    pub fails: bool,
    /// True if the order of the lines of output says nothing.
    pub any_order: bool,
    /// True if what the command prints depends on UUIDs in ways that renaming cannot undo.
    pub silent: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words.join(" "))
    }
}

/// Reads a script.
///
/// # Panics
/// If a quote is not closed, or a mark stands without a command.
pub fn parse(script: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, line) in script.lines().enumerate() {
        let mut rest = line.trim();
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        let mut step = Step {
            line: index + 1,
            words: Vec::new(),
            fails: false,
            any_order: false,
            silent: false,
        };
        loop {
            if let Some(more) = rest.strip_prefix("! ") {
                (step.fails, rest) = (true, more.trim_start());
            } else if let Some(more) = rest.strip_prefix("~ ") {
                (step.any_order, rest) = (true, more.trim_start());
            } else if let Some(more) = rest.strip_prefix("- ") {
                (step.silent, rest) = (true, more.trim_start());
            } else {
                break;
            }
        }
        step.words =
            words(rest).unwrap_or_else(|| panic!("line {}: a quote is not closed", step.line));
        assert!(
            !step.words.is_empty(),
            "line {}: a mark without a command",
            step.line
        );
        steps.push(step);
    }
    steps
}

/// Runs a script in a sandbox and returns what each command left, ready for comparison.
///
/// # Panics
/// If a command succeeds that is expected to fail, or the other way round.
pub fn run(sandbox: &Sandbox, steps: &[Step]) -> Vec<String> {
    let mut names = Names::new();
    steps
        .iter()
        .map(|step| comparable(sandbox, step, run_step(sandbox, step), &mut names))
        .collect()
}

fn run_step(sandbox: &Sandbox, step: &Step) -> Output {
    let output = sandbox.run(programs::reference(&step.words[0]), &step.words[1..]);
    assert_eq!(output.ok(), !step.fails, "{step}: {output}");
    output
}

/// What two runs of one step must agree on.
fn comparable(sandbox: &Sandbox, step: &Step, output: Output, names: &mut Names) -> String {
    if step.silent {
        return format!("{:?}", output.code);
    }
    let folder = sandbox.folder().to_string_lossy().into_owned();
    let text = output.to_string().replace(&folder, "<folder>");
    let mut lines: Vec<String> = text.lines().map(without_time).collect();
    if step.any_order {
        // The numbers of names follow the order of lines, so they go with it.
        lines = lines.iter().map(|line| names::erase(line)).collect();
        lines.sort();
        lines.join("\n")
    } else {
        names.rename(&lines.join("\n"))
    }
}

/// A log line without its time and number; any other line as it is.
fn without_time(line: &str) -> String {
    let mut fields = line.splitn(3, '|');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(time), Some(number), Some(rest))
            if time.ends_with('Z') && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("<time>|{rest}")
        }
        _ => line.to_owned(),
    }
}

/// Compares two runs of one script.
///
/// # Panics
/// At the first step whose results differ; the message has both.
pub fn assert_equal(steps: &[Step], reference: &[String], ours: &[String]) {
    assert_eq!(reference.len(), steps.len(), "one result a step");
    assert_eq!(ours.len(), steps.len(), "one result a step");
    for ((step, reference), ours) in steps.iter().zip(reference).zip(ours) {
        assert!(
            reference == ours,
            "{step}\n--- with the reference's server\n{reference}\n--- with ours\n{ours}\n---"
        );
    }
}

/// Splits a line into words as a shell does, without its other powers. `None` if a quote is not closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("a  b\tc", &["a", "b", "c"]),
            ("a='b c'd", &["a=b cd"]),
            (r#""a\"b" '' e"#, &["a\"b", "", "e"]),
            (r"a\ b", &["a b"]),
            (r#"'{"x": "y z"}'"#, &[r#"{"x": "y z"}"#]),
            ("''", &[""]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).expect("quotes are closed"), expected, "{line}");
        }
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(words(open), None, "{open}");
        }
    }

    #[test]
    fn marks_say_what_is_expected_of_a_command() {
        let steps = parse("# nothing\n\na b\n! c\n  ~ d\n! ~ e f\n! - g\n");
        let seen: Vec<_> = steps
            .iter()
            .map(|step| (step.line, step.words.join(" "), step.fails, step.any_order))
            .collect();
        let expected = [
            (3, "a b", false, false),
            (4, "c", true, false),
            (5, "d", false, true),
            (6, "e f", true, true),
            (7, "g", true, false),
        ]
        .map(|(line, words, fails, any_order)| (line, words.to_owned(), fails, any_order));
        assert_eq!(seen, expected);
        let silent: Vec<_> = steps
            .iter()
            .filter(|step| step.silent)
            .map(|step| step.line)
            .collect();
        assert_eq!(silent, [7]);
    }

    #[test]
    fn times_of_log_lines_are_not_compared_and_other_lines_stay() {
        assert_eq!(
            without_time("2026-01-02T03:04:05Z|00001|ovs|WARN|a|b"),
            "<time>|ovs|WARN|a|b"
        );
        for line in ["", "a|b|c", "aZ|b|c", "a|1"] {
            assert_eq!(without_time(line), line);
        }
    }

    #[test]
    fn a_command_that_does_not_do_what_is_expected_stops_the_script() {
        let sandbox = Sandbox::new();
        run(&sandbox, &parse("true\n! false\n"));
        for script in ["false", "! true"] {
            let steps = parse(script);
            let caught = std::panic::catch_unwind(|| run(&Sandbox::new(), &steps));
            assert!(caught.is_err(), "{script}");
        }
    }

    #[test]
    fn results_that_differ_in_more_than_names_are_reported() {
        let sandbox = Sandbox::new();
        let result = |line: &str| run(&sandbox, &parse(line));
        let steps = parse("echo");
        let uuid = |digit: &str| {
            let four = digit.repeat(4);
            format!("echo {four}{four}-{four}-{four}-{four}-{four}{four}{four}")
        };
        assert_equal(&steps, &result(&uuid("1")), &result(&uuid("a")));
        let caught =
            std::panic::catch_unwind(|| assert_equal(&steps, &result("echo a"), &result("echo b")));
        assert!(caught.is_err());
    }
}
