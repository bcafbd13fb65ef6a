//! The table of `docs/compatibility.md` against the reference program: no option and no control command that it lists is
//! missing there, of whatever release it is.

use std::collections::BTreeSet;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_tools::server::compatibility::{Kind, State, entries};

/// The options in the help text of the reference: words that begin with a hyphen, without arguments and punctuation.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.split([' ', '\n', ',', '=', '[', '(', ')']);
    words
        .filter(|word| word.starts_with('-') && word.len() > 1)
        // The letter of -vSPEC.
        .map(|word| match word.strip_prefix("-v") {
            Some(_) => "-v",
            None => word.trim_end_matches('.'),
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_option_that_the_reference_explains_is_in_the_table() {
    let help = Sandbox::new().run_ok(reference("ovsdb-server"), &["--help"]);
    let listed = options(&help);
    assert!(
        listed.contains("--remote") && listed.contains("-p"),
        "the help text can be read: {help}"
    );
    let told: BTreeSet<String> = entries(Kind::Option)
        .filter(|entry| entry.state != State::Ours)
        .flat_map(|entry| entry.name.split(", "))
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = listed.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_command_that_the_reference_offers_is_in_the_table() {
    let sandbox = Sandbox::new();
    let help = sandbox.run_ok(reference("ovsdb-server"), &["--help"]);
    let mut arguments = vec!["--disable-file-column-diff"];
    // The help text says nothing of the other one, which is younger than this.
    if help.contains("--config-file") {
        arguments.push("--disable-file-no-data-conversion");
    }
    let schema = sandbox.path("empty.ovsschema");
    std::fs::write(&schema, r#"{"name":"D","tables":{}}"#).expect("the sandbox is writable");
    let server = Server::start_as(
        &sandbox,
        Side::Reference,
        "ovsdb-server",
        "db.sock",
        &[("d.db", &schema)],
        &arguments,
    );
    let control = server.control().display().to_string();
    let list = sandbox.run_ok(reference("ovs-appctl"), &["-t", &control, "list-commands"]);
    let listed: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(listed.contains("exit"), "the list can be read: {list}");
    let told = entries(Kind::Command).filter(|entry| entry.state != State::Ours);
    let told: BTreeSet<&str> = told.map(|entry| entry.name).collect();
    let missing: Vec<&&str> = listed.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Of the release that the table is about there is nothing else in it.
    if arguments.len() > 1 {
        assert_eq!(told, listed);
    }
}
