//! The prose of the man pages, and which program's tables stand beside it.
//!
//! Says how to use a program; how it works inside stands in `docs/`.

use ovsdb_daemon::options::Table;
use ovsdb_tools::{appctl, tool};

use super::{Block, Options, Page};
use Block::{Example, Item, Text};

/// Every page.
pub(super) fn all() -> Vec<Page> {
    vec![ovsdb_tool(), ovs_appctl()]
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

/// Commands that a page lists because no table of the program has them.
fn commands(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(synopsis, text)| ((*synopsis).to_owned(), (*text).to_owned()))
        .collect()
}

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

fn ovs_appctl() -> Page {
    Page {
        program: "ovs-appctl",
        section: 8,
        summary: "give commands to running Open vSwitch daemons",
        usage: &["[OPTION...] [-t TARGET] COMMAND [ARGUMENT...]"],
        description: &[
            "Connects to the control socket of a daemon, gives it one command and prints the answer. It works with \
             every daemon of Open vSwitch and OVN, whoever has written it.",
            "TARGET is the absolute path of a control socket, or the name of a daemon: then the daemon's pidfile \
             TARGET.pid is looked up in the folder of pidfiles, and with the process id in it the control socket \
             TARGET.PID.ctl. Without it ovs-vswitchd is meant.",
        ],
        commands: commands(&[
            (
                "list-commands",
                "list the commands that the target understands",
            ),
            ("version", "print the target's version"),
            ("exit", "end the target"),
            ("vlog/list", "list log levels by module and destination"),
            (
                "vlog/list-pattern",
                "list the patterns of log lines by destination",
            ),
            (
                "vlog/set [SPEC...]",
                "set log levels; SPEC is a module, a destination (syslog, console, file) and a level (off, emer, \
                 err, warn, info, dbg), separated by colons, each of which may be left out",
            ),
            (
                "vlog/reopen",
                "open the log file anew, after it was moved away",
            ),
            ("memory/show", "print what the target uses its memory for"),
            ("coverage/show", "print counters of events and their rates"),
        ]),
        options: options(&appctl::options()),
        sections: &[
            (
                "EXIT STATUS",
                &[
                    Item(
                        "0",
                        "The target has done it; its answer is on standard output.",
                    ),
                    Item("1", "The target cannot be asked."),
                    Item(
                        "2",
                        "The target has answered with an error, which is on standard error.",
                    ),
                ],
            ),
            FOLDERS,
            (
                "EXAMPLES",
                &[Example(
                    "ovs-appctl -t ovsdb-server ovsdb-server/list-dbs\n\
                     ovs-appctl -t /tmp/inventory.ctl vlog/set jsonrpc:file:dbg",
                )],
            ),
            (
                "SEE ALSO",
                &[Text("ovsdb-server(1), ovsdb-tool(1), ovsdb-client(1)")],
            ),
        ],
    }
}
