//! The tasks that the tools are given: with which arguments they are called, and what must come of it.

use std::ffi::OsString;
use std::path::Path;

use super::call::Program;
use super::check::{Amount, Check, Same};
use super::files::Files;
use crate::southbound::{CHANGING, DATABASE};
use crate::workload::{Figure, Unit};

/// Every task, in the order in which they are run and shown.
pub(crate) const ALL: [Task; 7] = [
    Task {
        name: "dump",
        about: "all of a server's 200,000 rows",
        program: Program::Client,
        command: "dump",
        figures: &[
            time("table", "as tables"),
            time("csv", "`--format=csv`"),
            time("json", "`--format=json`"),
        ],
        calls: dump,
    },
    Task {
        name: "backup",
        about: "the same as a database file",
        program: Program::Client,
        command: "backup",
        figures: &[time("rows", "the whole of it")],
        calls: backup,
    },
    Task {
        name: "show_log",
        about: "`show-log`, without `-m` and with two",
        program: Program::Tool,
        command: "show-log",
        figures: &[
            time("log", "of the log"),
            time("log_mm", "of the log, `-mm`"),
            time("rows", "of the compacted file"),
            time("rows_mm", "of the compacted file, `-mm`"),
        ],
        calls: show_log,
    },
    Task {
        name: "compact",
        about: "compaction into a new file",
        program: Program::Tool,
        command: "compact",
        figures: &[
            time("rows", "of the compacted file"),
            time("log", "of the log"),
        ],
        calls: compact,
    },
    Task {
        name: "sql",
        about: "`sql` of the compacted file",
        program: Program::Client,
        command: "sql",
        figures: &[
            time("join", "flows, each with its datapath and its port"),
            time("count", "every flow beside every port of its datapath"),
        ],
        calls: sql,
    },
    Task {
        name: "log",
        about: "`log` of the log",
        program: Program::Tool,
        command: "log",
        figures: &[time("all", "what happened in all transactions")],
        calls: history,
    },
    Task {
        name: "blame",
        about: "`blame` of the log",
        program: Program::Tool,
        command: "blame",
        figures: &[time("row", "who set the values of one row")],
        calls: blame,
    },
];

/// Something that a program is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// What it is called in options, tables and JSON: lower case and underscores.
    pub(crate) name: &'static str,
    /// What it does, in a phrase without a final stop.
    pub(crate) about: &'static str,
    pub(crate) program: Program,
    /// The command, which not every program knows.
    pub(crate) command: &'static str,
    /// What is measured, in the order of the calls.
    pub(crate) figures: &'static [Figure],
    /// How the program is called, once for each figure. The second argument is a file that is not there yet.
    pub(crate) calls: fn(&Files, &Path) -> Vec<Call>,
}

/// A call of a program.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<OsString>,
    /// Whether it writes a file, in place of printing.
    pub(crate) writes: bool,
    pub(crate) check: Check,
}

const fn time(name: &'static str, about: &'static str) -> Figure {
    Figure::new(name, Unit::Milliseconds, about)
}

impl Call {
    fn printing<const N: usize>(arguments: [OsString; N], check: Check) -> Call {
        Call {
            arguments: arguments.into(),
            writes: false,
            check,
        }
    }
}

impl Check {
    fn new(same: Same, mark: &str, amount: Amount) -> Check {
        Check {
            same,
            mark: mark.to_owned(),
            amount,
        }
    }

    fn rows(count: usize) -> Check {
        Check::new(Same::Rows, "rows", Amount::Exactly(count))
    }
}

fn dump(files: &Files, _: &Path) -> Vec<Call> {
    // Every row is a line, or tells its UUID.
    let formats = [("table", "\n"), ("csv", "\n"), ("json", "[\"uuid\",\"")];
    let call = |(format, mark): (&str, &str)| {
        let arguments = [
            format!("--format={format}").into(),
            "dump".into(),
            files.method().into(),
            DATABASE.into(),
        ];
        Call::printing(
            arguments,
            Check::new(Same::Bytes, mark, Amount::AtLeast(files.rows)),
        )
    };
    formats.map(call).into()
}

fn backup(files: &Files, _: &Path) -> Vec<Call> {
    let arguments = ["backup".into(), files.method().into(), DATABASE.into()];
    vec![Call::printing(arguments, Check::rows(files.rows))]
}

fn show_log(files: &Files, _: &Path) -> Vec<Call> {
    // The first record is that of the schema, at the very beginning.
    let log = Amount::Exactly(files.transactions);
    let call = |more: &[&str], file: &Path, check: Check| Call {
        arguments: more
            .iter()
            .map(OsString::from)
            .chain(["show-log".into(), file.into()])
            .collect(),
        writes: false,
        check,
    };
    let record = "\nrecord ";
    vec![
        call(&[], &files.log_db, Check::new(Same::Bytes, record, log)),
        call(
            &["-mm"],
            &files.log_db,
            Check::new(Same::Lines, record, log),
        ),
        call(
            &[],
            &files.rows_db,
            Check::new(Same::Bytes, record, Amount::Exactly(1)),
        ),
        call(
            &["-mm"],
            &files.rows_db,
            Check::new(Same::Lines, " insert row ", Amount::Exactly(files.rows)),
        ),
    ]
}

fn compact(files: &Files, new: &Path) -> Vec<Call> {
    let sources = [
        (&files.rows_db, files.rows),
        (&files.log_db, files.log_rows),
    ];
    let call = |(file, rows): (&std::path::PathBuf, usize)| Call {
        arguments: vec!["compact".into(), file.into(), new.into()],
        writes: true,
        check: Check::rows(rows),
    };
    sources.map(call).into()
}

fn sql(files: &Files, _: &Path) -> Vec<Call> {
    let datapaths = "SELECT count(*) FROM Logical_Flow f JOIN Datapath_Binding d ON d._uuid = f.logical_datapath \
                     JOIN Port_Binding p ON p.datapath = d._uuid";
    let call = |condition: &str, count: usize| {
        let statement = format!("{datapaths}{condition}");
        let arguments = [
            "--no-headings".into(),
            "sql".into(),
            (&files.rows_db).into(),
            statement.into(),
        ];
        Call::printing(
            arguments,
            Check::new(Same::Bytes, &format!("{count}\n"), Amount::Exactly(1)),
        )
    };
    vec![
        call(" AND p.tunnel_key = 1", files.flows_beside_one),
        call("", files.flows_beside_any),
    ]
}

fn history(files: &Files, _: &Path) -> Vec<Call> {
    let arguments = ["log".into(), (&files.log_db).into()];
    // The newest is at the very beginning.
    let amount = Amount::Exactly(files.transactions - 1);
    vec![Call::printing(
        arguments,
        Check::new(Same::Bytes, "\nrecord ", amount),
    )]
}

fn blame(files: &Files, _: &Path) -> Vec<Call> {
    let arguments = [
        "blame".into(),
        (&files.log_db).into(),
        CHANGING.into(),
        files.flow.as_str().into(),
    ];
    // One value was set by the last transaction.
    let comment = format!("\"{}\"", files.comment);
    vec![Call::printing(
        arguments,
        Check::new(Same::Bytes, &comment, Amount::Exactly(1)),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_performance_names_every_task_and_figure() {
        let page = include_str!("../../../../docs/performance.md");
        for task in &ALL {
            let mut lines = page.lines();
            let named = format!("| `{}` | {} |", task.name, task.about);
            let line = lines.find(|line| line.starts_with(&named));
            let line = line.unwrap_or_else(|| panic!("docs/performance.md lacks {named}"));
            for figure in task.figures {
                let figure = format!("`{}`: {}", figure.name, figure.about);
                assert!(line.contains(&figure), "{line} lacks {figure}");
            }
        }
    }
}
