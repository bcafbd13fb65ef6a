//! The prose of the man pages, and which program's tables stand beside it.
//!
//! Says how to use a program; how it works inside stands in `docs/`.

use ovsdb_daemon::options::Table;
use ovsdb_tools::tool;

use super::{Block, Options, Page};
use Block::{Example, Item, Text};

/// Every page.
pub(super) fn all() -> Vec<Page> {
    vec![ovsdb_tool()]
}

/// A program's table of options as its page shows it.
fn options<T: Clone>(table: &Table<T>) -> Vec<Options> {
    table
        .groups()
        .iter()
        .map(|group| Options {
            title: group.title,
            items: group
                .specs
                .iter()
                .map(|spec| (spec.synopsis(), spec.help.to_owned()))
                .collect(),
        })
        .collect()
}

const FOLDERS: (&str, &[Block]) = (
    "ENVIRONMENT",
    &[
        Item("OVS_RUNDIR", "Folder of sockets and pidfiles."),
        Item("OVS_LOGDIR", "Folder of log files."),
        Item("OVS_DBDIR", "Folder of databases."),
        Item("OVS_PKGDATADIR", "Folder of schemas."),
    ],
);

fn ovsdb_tool() -> Page {
    Page {
        program: "ovsdb-tool",
        section: 1,
        summary: "look at OVSDB files and change them without a server",
        usage: &["[OPTION...] COMMAND [ARGUMENT...]"],
        description: &[
            "Works on database files and schema files directly. Commands that write take the lock of the database \
             file, so they refuse a file that a server has open; commands that only read do not mind.",
        ],
        commands: tool::commands()
            .map(|(synopsis, help)| (synopsis, help.to_owned()))
            .collect(),
        options: options(&tool::options()),
        sections: &[
            (
                "EXIT STATUS",
                &[
                    Item("0", "Done; or, of a command that asks a question, yes."),
                    Item("1", "The command failed; the reason is on standard error."),
                    Item("2", "Of a command that asks a question, no."),
                ],
            ),
            FOLDERS,
            (
                "EXAMPLES",
                &[
                    Text("Make a database, change it, and look at what the file says:"),
                    Example(
                        "ovsdb-tool create inventory.db examples/inventory.ovsschema\n\
                         ovsdb-tool transact inventory.db '[\"Inventory\",\n  \
                         {\"op\":\"insert\",\"table\":\"Site\",\"row\":{\"name\":\"north\"}}]'\n\
                         ovsdb-tool -m show-log inventory.db",
                    ),
                ],
            ),
            (
                "SEE ALSO",
                &[Text("ovsdb-server(1), ovsdb-client(1), ovs-appctl(8)")],
            ),
        ],
    }
}
