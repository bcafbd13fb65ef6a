//! The same command line given to the reference's program and to ours, and what both left compared byte by byte.
//!
//! Only what cannot be equal is erased: the path by which messages call the program, the times of log lines, and, where
//! each program works in a folder of its own, the folder's name and the UUIDs made there. What else differs is either
//! an error or stands in a table of [`Known`] differences, each of which must show.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ovsdb_proto::json::{self, Json};

use crate::names::{self, Names};
use crate::programs::Side;
use crate::sandbox::Sandbox;

/// Bytes of an output that are shown around the first that differs.
const SHOWN_BYTES: usize = 400;

/// How much of the order of what is printed counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lines {
    /// All of it.
    #[default]
    AsTheyAre,
    /// None: the reference prints lines in the order of a hash table.
    Sorted,
    /// It is JSON, of which the order of rows does not count: those of a transaction's results, or of tables.
    Json,
}

/// What stands on standard input.
#[derive(Clone, Debug)]
enum Input {
    /// These bytes, out of a pipe.
    Pipe(Vec<u8>),
    /// The file of this name in the sandbox.
    File(String),
}

/// One command line.
#[derive(Clone, Debug, Default)]
pub struct Call {
    args: Vec<String>,
    input: Option<Input>,
    variables: Vec<(String, String)>,
    lines: Lines,
    makes_rows: bool,
}

impl Call {
    /// A call with these arguments.
    pub fn new<A: AsRef<str>>(args: impl IntoIterator<Item = A>) -> Call {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        Call {
            args: args.collect(),
            ..Call::default()
        }
    }

    /// The same call with these bytes out of a pipe on standard input, instead of nothing.
    #[must_use]
    pub fn piped(mut self, bytes: impl Into<Vec<u8>>) -> Call {
        self.input = Some(Input::Pipe(bytes.into()));
        self
    }

    /// The same call with a file of the sandbox on standard input.
    #[must_use]
    pub fn input(mut self, file: &str) -> Call {
        self.input = Some(Input::File(file.to_owned()));
        self
    }

    /// The same call with a variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Call {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same call, compared without the order of lines that this says.
    #[must_use]
    pub fn lines(mut self, lines: Lines) -> Call {
        self.lines = lines;
        self
    }

    /// The same call, which makes rows: their UUIDs are others each time.
    #[must_use]
    pub fn makes_rows(mut self) -> Call {
        self.makes_rows = true;
        self
    }

    /// Its arguments.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={value} ")?;
        }
        write!(f, "{:?}", self.args)?;
        match &self.input {
            Some(Input::Pipe(bytes)) => write!(f, " < {:?}", String::from_utf8_lossy(bytes)),
            Some(Input::File(name)) => write!(f, " < {name}"),
            None => Ok(()),
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Code(code),
            (None, signal) => Ending::Signal(signal.unwrap_or_default()),
        }
    }
}

/// What a program left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Printed {
    /// How it ended.
    pub ending: Ending,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Printed {
    /// Standard output; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// A release of the reference: major and minor number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Release(pub u32, pub u32);

impl Release {
    /// The release of the reference's program `name`.
    ///
    /// # Panics
    /// If its `--version` does not say.
    pub fn of(name: &str) -> Release {
        let text = Sandbox::new().run_ok(Side::Reference.program(name), &["--version"]);
        let number = text
            .lines()
            .next()
            .and_then(|line| line.rsplit(' ').next())
            .unwrap_or_default();
        let mut parts = number.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Release(major, minor),
            _ => panic!("{name} does not say its release: {text}"),
        }
    }
}

/// A difference between the reference's program and ours that is meant to be.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Words that stand one after another in the command lines concerned.
    pub words: &'static [&'static str],
    /// Only releases of the reference before this one, if any.
    pub before: Option<Release>,
    /// Whether this is the difference, of what the reference's program left and what ours did.
    pub is: fn(&Printed, &Printed) -> bool,
    /// Why it is.
    pub why: &'static str,
}

impl Known {
    fn concerns(&self, call: &Call) -> bool {
        let found = |window: &[String]| window.iter().zip(self.words).all(|(a, b)| a == b);
        call.args.windows(self.words.len()).any(found)
    }
}

/// Both programs, where they run, and what has been found so far.
#[derive(Debug)]
pub struct Alike<'a> {
    program: &'static str,
    sandboxes: [&'a Sandbox; 2],
    known: Vec<&'static Known>,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    calls: usize,
    differences: Vec<String>,
    shown: BTreeSet<usize>,
}

impl<'a> Alike<'a> {
    /// Compares in one sandbox, in which both programs find the same.
    pub fn new(program: &'static str, sandbox: &'a Sandbox, known: &'static [Known]) -> Alike<'a> {
        Alike::apart(program, [sandbox, sandbox], known)
    }

    /// Compares in two sandboxes that hold the same files, the reference's first: for programs that change them.
    pub fn apart(
        program: &'static str,
        sandboxes: [&'a Sandbox; 2],
        known: &'static [Known],
    ) -> Alike<'a> {
        let release = Release::of(program);
        let known = known
            .iter()
            .filter(|known| known.before.is_none_or(|before| release < before));
        Alike {
            program,
            sandboxes,
            known: known.collect(),
            found: Mutex::default(),
        }
    }

    /// Runs both programs, one after the other, and keeps what differs. Answers with what the reference's left.
    pub fn check(&self, call: &Call) -> Printed {
        let [reference, ours] = Side::BOTH.map(|side| self.run(side, call));
        self.compare(call, &reference, &ours);
        reference
    }

    /// Like [`Alike::check`] for calls that do not get into each other's way, some at the same time.
    pub fn check_all(&self, calls: &[Call]) {
        let next = AtomicUsize::new(0);
        let workers = thread::available_parallelism().map_or(2, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers.min(calls.len()) {
                scope.spawn(|| {
                    while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.check(call);
                    }
                });
            }
        });
    }

    /// Compares what both programs left, wherever they ran.
    pub fn compare(&self, call: &Call, reference: &Printed, ours: &Printed) {
        let mut found = self.found.lock().expect("no comparison panics");
        found.calls += 1;
        let [expect, got] = [(0, reference), (1, ours)]
            .map(|(index, printed)| self.normal(self.sandboxes[index], call, printed));
        if expect == got {
            return;
        }
        let known = self
            .known
            .iter()
            .position(|known| known.concerns(call) && (known.is)(&expect, &got));
        match known {
            Some(known) => {
                found.shown.insert(known);
            }
            None => found.differences.push(difference(call, &expect, &got)),
        }
    }

    /// Runs one side's program.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, side: Side, call: &Call) -> Printed {
        let sandbox = self.sandboxes[usize::from(side == Side::Ours)];
        let mut command = sandbox.command(side.program(self.program));
        command
            .args(&call.args)
            .envs(call.variables.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match &call.input {
            Some(Input::Pipe(_)) => drop(command.stdin(Stdio::piped())),
            Some(Input::File(name)) => {
                let file = File::open(sandbox.path(name))
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                command.stdin(file);
            }
            None => {}
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program));
        let output = thread::scope(|scope| {
            if let (Some(Input::Pipe(input)), Some(mut stdin)) = (&call.input, child.stdin.take()) {
                // A program need not read all that it is given.
                scope.spawn(move || drop(stdin.write_all(input)));
            }
            child.wait_with_output().expect("a child can be waited for")
        });
        let path = side.program(self.program).display().to_string();
        let stderr = String::from_utf8_lossy(&output.stderr).replace(&path, self.program);
        let lines: Vec<_> = stderr.split('\n').map(without_time).collect();
        Printed {
            ending: output.status.into(),
            stdout: output.stdout,
            stderr: lines.join("\n"),
        }
    }

    fn normal(&self, sandbox: &Sandbox, call: &Call, printed: &Printed) -> Printed {
        let mut stdout = match call.lines {
            Lines::AsTheyAre => printed.stdout.clone(),
            Lines::Sorted => {
                let mut lines: Vec<&[u8]> = printed.stdout.split(|byte| *byte == b'\n').collect();
                lines.sort_unstable();
                lines.join(&b'\n')
            }
            Lines::Json => sorted_rows(&printed.stdout),
        };
        let mut stderr = printed.stderr.clone();
        let [a, b] = self.sandboxes;
        if a.folder() != b.folder() || call.makes_rows {
            let folder = sandbox.folder().display().to_string();
            let mut names = Names::new();
            let text = String::from_utf8_lossy(&stdout).replace(&folder, "DIR");
            stdout = names.rename(&text).into_bytes();
            stderr = names.rename(&stderr.replace(&folder, "DIR"));
        }
        Printed {
            ending: printed.ending,
            stdout,
            stderr,
        }
    }

    /// Ends the comparison and answers with the number of calls.
    ///
    /// # Panics
    /// If anything differed that is not known, or if something is known to differ and did not.
    #[track_caller]
    pub fn finish(self) -> usize {
        let found = self.found.into_inner().expect("no comparison panics");
        assert!(
            found.differences.is_empty(),
            "{} of {} calls of {} differ:\n\n{}",
            found.differences.len(),
            found.calls,
            self.program,
            found.differences.join("\n")
        );
        let hidden: Vec<_> = self
            .known
            .iter()
            .enumerate()
            .filter(|(number, _)| !found.shown.contains(number))
            .map(|(_, known)| (known.words, known.why))
            .collect();
        assert!(
            hidden.is_empty(),
            "differences of {} that are known and did not show: {hidden:?}",
            self.program
        );
        found.calls
    }
}

/// A line of a log without its time.
fn without_time(line: &str) -> String {
    match line.split_once("Z|") {
        Some((time, rest)) if time.starts_with("20") => format!("TIME|{rest}"),
        _ => line.to_owned(),
    }
}

/// JSON with the rows of results (`rows`) and of tables (`data`) sorted by what is in them but for UUIDs; a text that is no
/// JSON as it is.
pub fn sorted_rows(text: &[u8]) -> Vec<u8> {
    let sort = |value: Json| match value {
        Json::Object(mut object) => {
            for member in ["rows", "data"] {
                if let Some(Json::Array(rows)) = object.get_mut(member) {
                    rows.sort_by_cached_key(|row| names::erase(&row.to_string()));
                }
            }
            Json::Object(object)
        }
        other => other,
    };
    match json::parse(text) {
        Ok(Json::Array(results)) => Json::Array(results.into_iter().map(sort).collect()).to_bytes(),
        Ok(table @ Json::Object(_)) => sort(table).to_bytes(),
        _ => text.to_owned(),
    }
}

fn difference(call: &Call, reference: &Printed, ours: &Printed) -> String {
    let mut text = format!("{call}\n");
    if reference.ending != ours.ending {
        text += &format!(
            "  the reference ends by {:?}, ours by {:?}\n",
            reference.ending, ours.ending
        );
    }
    let streams = [
        ("stdout", &reference.stdout, &ours.stdout),
        (
            "stderr",
            &reference.stderr.clone().into_bytes(),
            &ours.stderr.clone().into_bytes(),
        ),
    ];
    for (name, reference, ours) in streams {
        if reference == ours {
            continue;
        }
        let same = reference.iter().zip(ours).take_while(|(a, b)| a == b);
        let at = same.count();
        for (whose, bytes) in [("the reference", reference), ("ours", ours)] {
            let from = at.saturating_sub(SHOWN_BYTES / 4).min(bytes.len());
            let to = (from + SHOWN_BYTES).min(bytes.len());
            text += &format!(
                "  {name} of {whose}, from byte {from} of {}: {:?}\n",
                bytes.len(),
                String::from_utf8_lossy(&bytes[from..to])
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_wherever_tables_and_results_have_them() {
        let check = |text: &str, expect: &str| {
            assert_eq!(
                String::from_utf8_lossy(&sorted_rows(text.as_bytes())),
                expect
            );
        };
        check(
            r#"[{"rows":[{"a":2},{"a":1}]},{}]"#,
            r#"[{"rows":[{"a":1},{"a":2}]},{}]"#,
        );
        check(
            r#"{"headings":["b","a"],"data":[[2],[1]]}"#,
            r#"{"data":[[1],[2]],"headings":["b","a"]}"#,
        );
        check("no JSON\n", "no JSON\n");
    }

    #[test]
    fn times_of_log_lines_are_erased() {
        assert_eq!(
            without_time("2026-01-02T03:04:05Z|00001|module|WARN|text"),
            "TIME|00001|module|WARN|text"
        );
        assert_eq!(without_time("program: text"), "program: text");
    }
}
