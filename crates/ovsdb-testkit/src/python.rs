//! Scripts in Python that are clients of a server under test, and what they ask of the test while they run.
//!
//! A script prints lines. One that begins with `? ` is a question to the test: a JSON array of words, answered by one
//! line of JSON on the script's standard input. All other lines are its transcript. The test knows servers and
//! programs, the script knows its library; neither does the other's work.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::programs;
use crate::sandbox::Sandbox;

/// Names an interpreter that has the Python packages which the scripts import.
pub const INTERPRETER: &str = "OVSDB_TEST_PYTHON";

/// The file of the sandbox that has a script's standard error.
pub const ERRORS: &str = "script.err";

/// The interpreter that scripts run in: the named one, else the one that `./test` keeps in the target folder.
///
/// # Panics
/// If there is none.
pub fn interpreter() -> PathBuf {
    let path = match std::env::var_os(INTERPRETER) {
        Some(path) => PathBuf::from(path),
        None => programs::target_folder().join("python/bin/python3"),
    };
    assert!(
        path.is_file(),
        "{} is missing: ./test makes it, or {INTERPRETER} names an interpreter that has the packages of \
         crates/ovsdb-tools/tests/python/requirements.txt",
        path.display()
    );
    path
}

/// Runs a script to its end, with variables added to its environment, and returns its transcript.
///
/// # Panics
/// If it fails; the message has its transcript and its standard error.
pub fn run(
    sandbox: &Sandbox,
    script: &Path,
    environment: &[(&str, &str)],
    mut answer: impl FnMut(&[String]) -> Value,
) -> Vec<String> {
    let mut child = sandbox
        .command(interpreter())
        .arg(script)
        .envs(environment.iter().copied())
        // Compiled modules would be left in the source tree.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(sandbox.path(ERRORS)).expect("a writable sandbox"))
        .spawn()
        .expect("the interpreter starts");
    let mut answers = child.stdin.take().expect("standard input is a pipe");
    let lines = BufReader::new(child.stdout.take().expect("standard output is a pipe")).lines();
    let mut transcript = Vec::new();
    for line in lines {
        let line = line.expect("scripts print UTF-8");
        let Some(question) = line.strip_prefix("? ") else {
            transcript.push(line);
            continue;
        };
        let words: Vec<String> =
            serde_json::from_str(question).unwrap_or_else(|error| panic!("{line}: {error}"));
        // A script that has died says so by its exit code below.
        if writeln!(answers, "{}", answer(&words)).is_err() {
            break;
        }
    }
    let status = child.wait().expect("a child can be waited for");
    assert!(
        status.success(),
        "{}: {status}\n--- transcript\n{}\n--- standard error\n{}",
        script.display(),
        transcript.join("\n"),
        sandbox.text(ERRORS)
    );
    transcript
}
