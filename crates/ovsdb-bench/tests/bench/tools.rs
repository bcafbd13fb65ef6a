//! Tools measured beside each other: all tasks with ours, and with some that know less and lose something.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::Sandbox;

use crate::{SMALL, bench, list, text, workloads};

/// A schema of the tables that are written to, so that no package need be installed.
pub(crate) const SCHEMA: &str = concat!(
    "--southbound=",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/bench/southbound.ovsschema"
);

/// Loses one line of everything, and knows three commands less than ours.
const LOSING_CLIENT: &str = "#!/bin/sh
case \"$*\" in
    --help) echo '  dump [SERVER]'; echo '  --option' ;;
    *) \"$OURS/ovsdb-client\" \"$@\" | sed 20d ;;
esac
";

/// Writes what it was given in place of a compacted file, fails at `show-log`, and knows nothing else.
const IDLE_TOOL: &str = "#!/bin/sh
case \"$*\" in
    --help) echo '  compact [DB [DST]]'; echo '  [-m]... show-log [DB]' ;;
    compact*) cat \"$2\" > \"$3\" ;;
    *) echo 'no such thing' >&2; exit 3 ;;
esac
";

fn our_folder() -> String {
    let program = ours("ovsdb-tool");
    assert_eq!(ours("ovsdb-client").parent(), program.parent());
    assert_eq!(ours("ovsdb-server").parent(), program.parent());
    let folder = program.parent().expect("it is in a folder");
    folder.to_str().expect("the path is UTF-8").to_owned()
}

fn write_program(path: &Path, text: &str) {
    let text = text.replace("$OURS", &our_folder());
    fs::write(path, text).expect("the folder is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

/// What became of a task on each side.
fn outcomes(task: &Json) -> Vec<(&str, &str)> {
    let sides = list(task, "servers").iter();
    sides
        .map(|side| (text(side, "outcome"), text(side, "reason")))
        .collect()
}

#[test]
fn every_task_measures_our_tools_and_every_check_passes() {
    let folder = our_folder();
    let versus = format!("--vs={folder}");
    let sides = ["--tools", &folder, &versus, "-n", "2", SCHEMA];
    let output = bench(&[&SMALL[..], &sides].concat());
    let tasks = workloads(&output);
    let names: Vec<&str> = tasks.iter().map(|task| text(task, "name")).collect();
    let known: Vec<&str> = ovsdb_bench::tasks().map(|(name, _)| name).collect();
    assert_eq!(names, known);
    for task in &tasks {
        assert_eq!(outcomes(task), [("measured", ""); 2], "{output:?}");
        for figure in list(task, "figures") {
            for side in list(figure, "servers") {
                assert_eq!(list(side, "samples").len(), 2, "{figure}");
                let peak = side.get("peak_mib").and_then(Json::as_f64);
                assert!(peak.is_some_and(|peak| peak > 1.0), "{figure}");
            }
        }
    }
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_side_that_makes_something_else_has_failed_and_one_that_knows_no_command_has_not() {
    let sandbox = Sandbox::new();
    write_program(&sandbox.path("ovsdb-client"), LOSING_CLIENT);
    write_program(&sandbox.path("ovsdb-tool"), IDLE_TOOL);
    let versus = format!("--vs={}", sandbox.folder().display());
    let folder = our_folder();
    let sides = ["--tools", &folder, &versus, SCHEMA];
    let output = bench(&[&SMALL[..], &sides].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    // (task, what became of it on the side that is compared, what is said of it)
    let cases = [
        (
            "dump",
            "failed",
            "did not make the same bytes as the first call",
        ),
        ("backup", "not run", ""),
        ("show_log", "failed", "exit code 3: no such thing"),
        ("compact", "failed", "not a schema and one record of rows"),
        ("sql", "not run", ""),
        ("log", "not run", ""),
        ("blame", "not run", ""),
    ];
    let tasks = workloads(&output);
    assert_eq!(tasks.len(), cases.len());
    for (task, (name, outcome, reason)) in tasks.iter().zip(cases) {
        assert_eq!(text(task, "name"), name);
        let outcomes = outcomes(task);
        assert_eq!(outcomes[0], ("measured", ""), "{name}");
        assert_eq!(outcomes[1].0, outcome, "{name}: {}", outcomes[1].1);
        assert!(outcomes[1].1.contains(reason), "{name}: {}", outcomes[1].1);
        let failure = format!("{name} FAILED on B: ");
        let told = said.lines().any(|line| line.starts_with(&failure));
        assert_eq!(told, outcome == "failed", "{said}");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn a_metered_program_is_told_of_and_killed_when_it_takes_too_long() {
    let sandbox = Sandbox::new();
    let printed = sandbox.path("printed");
    let meter = format!("--meter={}", printed.display());
    // (the shell's command, its exit code, what it prints)
    let cases = [
        ("echo some -m; exit 3", Some(3), "some -m\n"),
        ("echo begun; exec sleep 600", None, "begun\n"),
    ];
    for (command, code, expected) in cases {
        let output = bench(&[&meter, "--patience=2", "--", "/bin/sh", "-c", command]);
        let told = json::parse(output.stdout.trim_ascii_end());
        let told = told.unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!(told.get("code").and_then(Json::as_i64), code, "{told}");
        let peak = told.get("peak_bytes").and_then(Json::as_i64);
        assert!(peak.is_some_and(|bytes| bytes > 100_000), "{told}");
        let printed = fs::read_to_string(&printed).expect("it was made");
        assert_eq!(printed, expected);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}
