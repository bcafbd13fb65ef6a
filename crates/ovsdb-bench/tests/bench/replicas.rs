//! Replicas measured beside each other: with the libraries that are installed, without, and with one that is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ovsdb_proto::json::{self, Json};
use ovsdb_testkit::programs::ours;
use ovsdb_testkit::sandbox::Sandbox;

use crate::{bench, list, text};

/// A schema of the tables that are written to, so that no package need be installed.
const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/bench/southbound.ovsschema"
);

/// An interpreter that says that it has the package, and was never told of anything.
const DEAF: &str = "#!/bin/sh
case \"$2\" in *SchemaHelper*) ;; *) echo deaf; exit ;; esac
echo ready
while read line; do
    case \"$line\" in until*) echo 'seen 0' ;; *) echo end ;; esac
done
";

/// Measures little. Answers with what was printed as JSON, what was said beside it, and the exit code.
fn measured(arguments: &[&str]) -> (Json, String, Option<i32>) {
    let program = ours("ovsdb-server");
    let program = program.to_str().expect("the path is UTF-8");
    let schema = format!("--southbound={SCHEMA}");
    let always = [
        "--replicas",
        "--scale=1",
        "-n",
        "1",
        "--json",
        &schema,
        program,
    ];
    let output = bench(&[&always[..], arguments].concat());
    let parsed = json::parse(output.stdout.trim_ascii_end());
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (parsed, said, output.status.code())
}

/// What became of ours, C's, Python's and the one that only reads.
fn outcomes(printed: &Json) -> Vec<&str> {
    let libraries = list(printed, "libraries").iter();
    libraries.map(|library| text(library, "outcome")).collect()
}

#[test]
fn our_replica_and_those_that_are_installed_are_right_and_measured() {
    let (printed, said, code) = measured(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(printed.get("rows").and_then(Json::as_i64), Some(2_000));
    let outcomes = outcomes(&printed);
    assert_eq!([outcomes[0], outcomes[3]], ["measured"; 2], "{said}");
    assert!(!outcomes.contains(&"failed"), "{said}");
    for figure in list(&printed, "figures") {
        for (library, outcome) in list(figure, "libraries").iter().zip(&outcomes) {
            let median = library.get("median").and_then(Json::as_f64);
            assert_eq!(median.is_some(), *outcome == "measured", "{figure}");
        }
    }
}

#[test]
fn libraries_that_are_missing_are_left_out_by_name() {
    let (printed, said, code) = measured(&["--sbctl=/nowhere/c", "--python=/nowhere/python"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        outcomes(&printed),
        ["measured", "left out", "left out", "measured"]
    );
    assert!(said.contains("c is left out: /nowhere/c"), "{said}");
    assert!(
        said.contains("python is left out: /nowhere/python"),
        "{said}"
    );
}

#[test]
fn a_library_that_misses_changes_has_failed() {
    let sandbox = Sandbox::new();
    let deaf = sandbox.path("deaf");
    fs::write(&deaf, DEAF).expect("the folder is ours");
    fs::set_permissions(&deaf, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let deaf = format!("--python={}", deaf.display());
    let (printed, said, code) = measured(&["--sbctl=/nowhere/c", &deaf]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        outcomes(&printed),
        ["measured", "left out", "failed", "measured"]
    );
    assert!(said.contains("was told of 0 changes of 100"), "{said}");
}
