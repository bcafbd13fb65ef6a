//! The man page of the server and the table of what is compatible, against the running server: no control command is
//! missing in either, and none is made up.

use std::collections::BTreeSet;
use std::path::Path;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{self, Side};
use ovsdb_testkit::sandbox::Sandbox;
use ovsdb_tools::server::compatibility::{Kind, entries};

/// The heading of the section that lists the commands.
const SECTION: &str = ".SH CONTROL COMMANDS\n";

/// The commands that the page describes: the first word of each term, and several terms where commas stand.
fn described(page: &str) -> BTreeSet<String> {
    let section = page
        .split(SECTION)
        .nth(1)
        .expect("the page has the section");
    let section = section
        .split("\n.SH ")
        .next()
        .expect("a split has a first part");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("\\fB")?.strip_suffix("\\fR"))
        .flat_map(|terms| terms.split(", "))
        .filter_map(|term| term.split_whitespace().next())
        .map(|word| word.replace("\\-", "-"))
        .collect()
}

#[test]
fn the_man_page_and_the_table_have_every_control_command_of_the_server() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/ovsdb-server.1");
    let page = std::fs::read_to_string(page).expect("the page is in the tree");

    let sandbox = Sandbox::new();
    let server = Server::start_as(
        &sandbox,
        Side::Ours,
        "ovsdb-server",
        "db.sock",
        &[],
        &[
            "--no-dbs",
            "--disable-file-column-diff",
            "--disable-file-no-data-conversion",
        ],
    );
    let control = server.control().display().to_string();
    let list = sandbox.run_ok(
        programs::ours("ovs-appctl"),
        &["-t", &control, "list-commands"],
    );
    let offered: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect();

    assert!(offered.contains("exit"), "the list can be read: {list}");
    assert_eq!(
        described(&page),
        offered,
        "left: the page; right: the server"
    );
    let told: BTreeSet<String> = entries(Kind::Command)
        .map(|entry| entry.name.to_owned())
        .collect();
    assert_eq!(told, offered, "left: the table; right: the server");
}
