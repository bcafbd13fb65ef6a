//! The prose of the man pages, and which program's tables stand beside it.
//!
//! Says how to use a program; how it works inside stands in `docs/`.

use ovsdb_daemon::options::Table;
use ovsdb_tools::{appctl, client, server, tool};

use super::{Block, Options, Page};
use Block::{Example, Item, Text};

/// Every page.
pub(super) fn all() -> Vec<Page> {
    vec![
        ovsdb_server(),
        ovsdb_client(),
        ovsdb_tool(),
        ovs_appctl(),
        super::exporter::page(),
        super::codegen::page(),
        ovsdb_bench(),
    ]
}

/// A program's table of options as its page shows it.
pub(super) fn options<T: Clone>(table: &Table<T>) -> Vec<Options> {
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

pub(super) const FOLDERS: (&str, &[Block]) = (
    "ENVIRONMENT",
    &[
        Item("OVS_RUNDIR", "Folder of sockets and pidfiles."),
        Item("OVS_LOGDIR", "Folder of log files."),
        Item("OVS_DBDIR", "Folder of databases."),
        Item(
            "OVS_SYSCONFDIR",
            "Folder of configuration; databases are in its openvswitch without OVS_DBDIR.",
        ),
        Item("OVS_PKGDATADIR", "Folder of schemas."),
        Item(
            "OVS_SYSLOG_METHOD",
            "How messages get to syslog, if --syslog-method does not say it.",
        ),
        Item(
            "POSIXLY_CORRECT",
            "If it is set, options end with the first word that is none.",
        ),
    ],
);

pub(super) const TLS: (&str, &[Block]) = (
    "TLS",
    &[
        Text(
            "ssl: and pssl: take a private key, its certificate and the certificates of authorities, in PEM files. Each \
             side shows its certificate to the other and believes those that its authorities vouch for; names of hosts \
             are not compared. With --ca-cert=none every peer is believed, and none has an id.",
        ),
        Text(
            "With --bootstrap-ca-cert, a program that connects and does not have the file yet believes the first server \
             and writes the last certificate that it shows to the file; the next connection is checked against that. Of \
             this option and --ca-cert the later counts. --peer-ca-cert names certificates to be shown besides one's \
             own, for those who bootstrap.",
        ),
        Text(
            "PROTOS is a range (TLSv1.2-TLSv1.3), a version and all later ones (TLSv1.2+), or a list (TLSv1.2,TLSv1.3). \
             CIPHERS is a list as OpenSSL writes it, for TLSv1.2; SUITES has names with colons between them, for TLSv1.3.",
        ),
        Text(
            "Files are read again when they change, for connections from then on. What cannot be used is logged, and what \
             was good before stays.",
        ),
    ],
);

/// Commands that a page lists because no table of the program has them.
fn commands(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(synopsis, text)| ((*synopsis).to_owned(), (*text).to_owned()))
        .collect()
}

fn ovsdb_server() -> Page {
    Page {
        program: "ovsdb-server",
        section: 1,
        summary: "serve OVSDB databases",
        usage: &["[OPTION...] [DATABASE...]"],
        description: &[
            "Serves each DATABASE, a file in the format of ovsdb(5), to clients that speak the protocol of RFC 7047. \
             Without a DATABASE it serves conf.db in the folder of databases, unless --no-dbs says otherwise.",
            "With --create a DATABASE that does not exist is made first, empty and with the given schema. A file \
             that exists is left as it is.",
            "With --detach the command returns when the server listens; if it cannot, it says why and the exit \
             code is 1.",
        ],
        commands: Vec::new(),
        options: options(&server::table()),
        sections: &[
            (
                "REMOTES",
                &[
                    Text(
                        "A REMOTE is where clients come from. --remote may be given several times.",
                    ),
                    Item(
                        "punix:FILE",
                        "Listen on a Unix socket. A relative name is in the folder of sockets.",
                    ),
                    Item(
                        "ptcp:[PORT][:HOST]",
                        "Listen on a TCP port, 6640 unless given, of all addresses or of HOST. With port 0 the \
                         system chooses one, which the log names.",
                    ),
                    Item("pssl:[PORT][:HOST]", "The same for connections over TLS."),
                    Item(
                        "pfd:N",
                        "Listen on the socket that the program has inherited as descriptor N; see SERVICE MANAGER.",
                    ),
                    Item(
                        "unix:FILE, tcp:HOST:PORT, ssl:HOST:PORT",
                        "Connect to a client that listens there, again and again.",
                    ),
                    Item(
                        "db:DATABASE,TABLE,COLUMN",
                        "What that column says: remotes as strings, or references to rows that have a column target. \
                         Followed as the column changes. The row's columns read_only and role limit what clients may \
                         do; see ACCESS CONTROL.",
                    ),
                ],
            ),
            TLS,
            (
                "COLUMNS FOR TLS",
                &[Text(
                    "Each option about TLS takes db:DATABASE,TABLE,COLUMN instead: the first string of the column that is \
                     not empty, followed as it changes. While there is none, what was there before stays.",
                )],
            ),
            (
                "CONFIGURATION FILE",
                &[
                    Text(
                        "With --config-file databases and remotes come from a file, and control commands that would add \
                         or remove some are refused. ovsdb-server/reload reads the file again: what has gone from it is \
                         closed, what is new is opened, and what has stayed is not disturbed. A file that cannot be read \
                         changes nothing. A relative name is in the folder of databases.",
                    ),
                    Text(
                        "The file is a JSON object with two members. Both, and what they hold, may be null for nothing in \
                         particular. Member remotes is an object whose members are named like a REMOTE:",
                    ),
                    Item(
                        "inactivity-probe, max-backoff",
                        "Milliseconds of silence before a peer is probed, and between attempts to connect at most.",
                    ),
                    Item(
                        "dscp",
                        "The differentiated services code point of the connections, from 0 to 63; 48 unless given.",
                    ),
                    Item(
                        "read-only, role",
                        "Whether clients may only read, and the role that they have; see ACCESS CONTROL.",
                    ),
                    Text(
                        "Member databases is an object whose members are named like a DATABASE. Member service-model of \
                         each says what the file has to be: standalone, which is the only model served here, or \
                         active-backup with false in member backup, for the active one of two servers.",
                    ),
                    Example(
                        "{\"remotes\": {\"punix:db.sock\": null,\n             \
                         \"ptcp:6640\": {\"inactivity-probe\": 5000, \"read-only\": true}},\n \
                         \"databases\": {\"/etc/openvswitch/conf.db\": {\"service-model\": \"standalone\"}}}",
                    ),
                ],
            ),
            (
                "ACCESS CONTROL",
                &[Text(
                    "Clients of a read-only remote may read and monitor. Clients of a remote with a role may \
                         change what the database allows the role: a row of its table RBAC_Role has the role's name \
                         and, by table, references to rows that say whose rows may be changed (authorization), \
                         whether inserted and deleted (insert_delete), and in which columns (update). Rows are \
                         compared with the id that the client's connection has proved: with TLS the common name \
                         of its certificate. Unix sockets and TCP prove none, and a client without an id may change nothing under a role. Databases without \
                         RBAC_Role do not look at roles.",
                )],
            ),
            (
                "LOGS",
                &[
                    Text(
                        "A line of the log file and of the console has the form TIME|NUMBER|MODULE|LEVEL|MESSAGE, unless a \
                         pattern (-vPATTERN:DESTINATION:PATTERN) says otherwise. With --log-format=json it is a JSON \
                         object whose members are time, number, pid, program, module, level, message, and role for a \
                         process that is not the server itself (monitor). A message of several lines is one object. Why the \
                         program cannot go on is said in the same form, by module program at level EMER. Syslog keeps its \
                         own form.",
                    ),
                    Text(
                        "--log-format is known by its full name only, so that --log stands for --log-file.",
                    ),
                ],
            ),
            (
                "SERVICE MANAGER",
                &[
                    Text(
                        "Under systemd the server is best a service of type notify, in the foreground, without --monitor. It \
                         says that it is ready when its remotes listen, that it reloads while ovsdb-server/reload is \
                         under way, that it stops, and in one line what it serves. With WatchdogSec= it gives signs of \
                         life as long as it gives its tasks their turn.",
                    ),
                    Text(
                        "With --detach or --monitor the process that was started says that the server is ready, and which \
                         process is the main one: the server, or its monitor. All else the server says itself, so with \
                         --monitor only NotifyAccess=all lets it through; without that there must be no WatchdogSec=.",
                    ),
                    Text(
                        "Sockets that systemd listens on, or any that whoever starts the server leaves open in it, are \
                         named pfd:N by their descriptors, the first one of systemd pfd:3. They outlive a crash under \
                         --monitor. While such a remote is closed clients wait at its socket. Programs that the server \
                         runs (--run) inherit none of this.",
                    ),
                ],
            ),
            (
                "METRICS AND HEALTH",
                &[
                    Text(
                        "With --http the program serves pages over HTTP, on 127.0.0.1:9475 unless an address is given: IP:PORT, \
                         or unix:FILE for a Unix socket, whose relative name is in the folder of sockets. They can only be read. \
                         There is no access control but that of the address, so let it be one that only those reach who may know.",
                    ),
                    Item(
                        "/metrics",
                        "Figures in the text format of Prometheus, each with what it means and the unit in its name.",
                    ),
                    Item("/healthz", "The status 200, if the program answers at all."),
                    Item(
                        "/readyz",
                        "The status 200 if everything that is configured is served and can be written. Else 503, and a line for \
                         what is not; so it is while the program starts and ends, too.",
                    ),
                    Example(
                        "ovsdb-server /etc/openvswitch/conf.db --remote=punix:db.sock --http=127.0.0.1:9475\n\
                         curl http://127.0.0.1:9475/metrics",
                    ),
                ],
            ),
            (
                "CONTROL COMMANDS",
                &[
                    Text("For ovs-appctl(8), which also lists commands that every daemon has."),
                    Item(
                        "exit",
                        "End the server, and remove its pidfile and sockets.",
                    ),
                    Item("version", "Print the version."),
                    Item("list-commands", "List all commands."),
                    Item("ovsdb-server/add-db FILE", "Serve another database file."),
                    Item(
                        "ovsdb-server/remove-db DATABASE",
                        "Serve a database no longer. Its file stays.",
                    ),
                    Item("ovsdb-server/list-dbs", "List the databases."),
                    Item(
                        "ovsdb-server/list-indexes",
                        "List the columns that have got an index because rows were looked up by them, with the number of its entries.",
                    ),
                    Item("ovsdb-server/add-remote REMOTE", "Open another remote."),
                    Item(
                        "ovsdb-server/remove-remote REMOTE",
                        "Close a remote, and the sessions that came by it.",
                    ),
                    Item("ovsdb-server/list-remotes", "List the remotes."),
                    Item(
                        "ovsdb-server/reconnect",
                        "Close all sessions, so that clients come anew.",
                    ),
                    Item(
                        "ovsdb-server/disable-monitor-cond",
                        "Make the methods monitor_cond and monitor_cond_since unknown until the program ends, and \
                         close all sessions, so that clients find out.",
                    ),
                    Item(
                        "ovsdb-server/compact [DATABASE]",
                        "Write the file of a database, or of all, anew without its history. Clients are served \
                         meanwhile.",
                    ),
                    Item(
                        "ovsdb-server/memory-trim-on-compaction on|off",
                        "Accepted for scripts; memory goes back to the system by itself.",
                    ),
                    Item(
                        "ovsdb-server/get-db-storage-status DATABASE",
                        "Print whether the file can be written.",
                    ),
                    Item(
                        "ovsdb-server/sync-status",
                        "Print the state of replication, which is active.",
                    ),
                    Item(
                        "ovsdb-server/reload",
                        "Read the file of --config-file again; see CONFIGURATION FILE.",
                    ),
                    Item(
                        "ovsdb-server/tlog-set DATABASE:TABLE on|off",
                        "Log what changes in a table, or no longer: a line for each row, ten a minute.",
                    ),
                    Item(
                        "ovsdb-server/tlog-list",
                        "List all tables, and whether their changes are logged.",
                    ),
                    Item(
                        "ovsdb-server/perf-counters-show, ovsdb-server/perf-counters-clear",
                        "Accepted for scripts; there are no such counters.",
                    ),
                    Item(
                        "ovsdb-server/set-active-ovsdb-server SERVER, ovsdb-server/get-active-ovsdb-server",
                        "Keep the name of an active server, and print it. This server is never a backup.",
                    ),
                    Item(
                        "ovsdb-server/connect-active-ovsdb-server, ovsdb-server/disconnect-active-ovsdb-server",
                        "Refused, as this server is never a backup; and accepted, for the same reason.",
                    ),
                    Item(
                        "ovsdb-server/set-active-ovsdb-server-probe-interval MS, ovsdb-server/set-relay-source-probe-interval MS",
                        "Accepted for scripts; nobody is probed.",
                    ),
                    Item(
                        "ovsdb-server/set-sync-exclude-tables [TABLES], ovsdb-server/get-sync-exclude-tables",
                        "Keep the names of tables that a backup would leave out, and print them.",
                    ),
                    Item(
                        "ovsdb/file/column-diff-enable",
                        "Write differences of columns from now on. Only with --disable-file-column-diff.",
                    ),
                    Item(
                        "ovsdb/file/no-data-conversion-enable",
                        "Accepted for scripts. Only with --disable-file-no-data-conversion.",
                    ),
                    Item(
                        "memory/show",
                        "Print numbers of rows, sessions, monitors and the like.",
                    ),
                    Item("coverage/show", "Print counters of events and their rates."),
                    Item("coverage/read-counter COUNTER", "Print one counter."),
                    Item(
                        "stopwatch/show [NAME], stopwatch/reset [NAME]",
                        "Print how long transactions, fsync, compactions and conversions have taken, or begin anew.",
                    ),
                    Item(
                        "time/stop",
                        "For tests: stop the clock by which peers are probed and connected to again. It does not go on by itself.",
                    ),
                    Item(
                        "time/warp [LARGE_MSECS] MSECS",
                        "For tests: move that clock on by MSECS milliseconds, or as often as makes LARGE_MSECS.",
                    ),
                    Item(
                        "vlog/set, vlog/list, vlog/list-pattern",
                        "Change and print log levels and patterns.",
                    ),
                    Item(
                        "vlog/reopen, vlog/close",
                        "Open the log file anew, or close it.",
                    ),
                    Item(
                        "set-options [--format text|json]",
                        "Choose how answers on this connection are written.",
                    ),
                    Item(
                        "vlog/enable-rate-limit, vlog/disable-rate-limit",
                        "Limit repeated log lines, or do not.",
                    ),
                ],
            ),
            FOLDERS,
            (
                "ENVIRONMENT OF THE SERVER",
                &[
                    Item(
                        "TMPDIR",
                        "Folder for what control commands have changed, until the server ends: one that its monitor starts \
                         again after a crash goes on with it.",
                    ),
                    Item(
                        "NOTIFY_SOCKET",
                        "The socket of the service manager. A name that begins with @ has no file.",
                    ),
                    Item(
                        "WATCHDOG_USEC, WATCHDOG_PID",
                        "In how many microseconds it expects a sign of life, and of which process.",
                    ),
                ],
            ),
            (
                "FILES",
                &[
                    Item(
                        ".NAME.~lock~",
                        "Beside the database file NAME; locked while the server has it open.",
                    ),
                    Item(
                        "NAME.PID.ctl",
                        "The control socket, in the folder of sockets, unless --unixctl says otherwise.",
                    ),
                ],
            ),
            (
                "EXAMPLES",
                &[
                    Text("Make and serve a sample database:"),
                    Example(
                        "ovsdb-server --create=examples/inventory.ovsschema /tmp/inventory.db \\\n    \
                         --remote=punix:/tmp/inventory.sock --unixctl=/tmp/inventory.ctl --detach --no-chdir",
                    ),
                    Text("Serve Open vSwitch:"),
                    Example(
                        "ovsdb-server /etc/openvswitch/conf.db --remote=punix:/var/run/openvswitch/db.sock \\\n    \
                         --remote=db:Open_vSwitch,Open_vSwitch,manager_options --pidfile --log-file --detach",
                    ),
                ],
            ),
            (
                "SEE ALSO",
                &[Text(
                    "ovsdb-client(1), ovsdb-tool(1), ovs-appctl(8), ovsdb(5), ovsdb(7)",
                )],
            ),
        ],
    }
}

/// A program's commands as its page shows them, each with its example, if it has one.
fn with_examples(
    program: &str,
    commands: impl Iterator<Item = (String, &'static str)>,
    example: fn(&str) -> Option<(&'static str, &'static str)>,
) -> Vec<(String, String)> {
    let shown = commands.map(|(synopsis, help)| {
        let name = synopsis.split(' ').next().unwrap_or_default();
        let text = match example(name) {
            Some((meaning, words)) => {
                format!("{help}.\nFor example, {meaning}: {program} {words}")
            }
            None => help.to_owned(),
        };
        (synopsis, text)
    });
    shown.collect()
}

fn ovsdb_client() -> Page {
    Page {
        program: "ovsdb-client",
        section: 1,
        summary: "ask an OVSDB server, change its databases and watch them",
        usage: &["[OPTION...] COMMAND [SERVER] [DATABASE] [ARGUMENT...]"],
        description: &[
            "SERVER is a connection method such as unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, or several separated by commas, of \
             which one that will do is chosen. Without it the client connects to db.sock in the folder of sockets.",
            "Without DATABASE it is Open_vSwitch, or the only one that the server has.",
        ],
        commands: with_examples("ovsdb-client", client::commands(), client::example),
        options: options(&client::options()),
        sections: &[
            TLS,
            (
                "EXIT STATUS",
                &[
                    Item("0", "Done."),
                    Item("1", "The command failed; the reason is on standard error."),
                ],
            ),
            FOLDERS,
            (
                "EXAMPLES",
                &[
                    Text("Print one table, and change a row of it:"),
                    Example(
                        "ovsdb-client dump unix:/tmp/inventory.sock Inventory Host\n\
                         ovsdb-client transact unix:/tmp/inventory.sock '[\"Inventory\",\n  \
                         {\"op\":\"update\",\"table\":\"Host\",\"where\":[[\"name\",\"==\",\"beta\"]],\n   \
                         \"row\":{\"state\":\"running\"}}]'",
                    ),
                    Text("Watch two columns of it:"),
                    Example(
                        "ovsdb-client monitor unix:/tmp/inventory.sock Inventory Host name,state",
                    ),
                    Text("The same on the whole screen, to sort, filter and follow references:"),
                    Example(
                        "ovsdb-client watch unix:/tmp/inventory.sock Inventory Host name,state",
                    ),
                    Text("Ask a question of a server or of a database file:"),
                    Example(
                        "ovsdb-client sql /tmp/inventory.db \\\n    \
                         \"SELECT state, count(*) FROM Host GROUP BY state\"",
                    ),
                ],
            ),
            (
                "SEE ALSO",
                &[Text("ovsdb-server(1), ovsdb-tool(1), ovs-appctl(8)")],
            ),
        ],
    }
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
        commands: with_examples("ovsdb-tool", tool::commands(), tool::example),
        options: options(&tool::options()),
        sections: &[
            (
                "EXIT STATUS",
                &[
                    Item("0", "Done; or, of a command that asks a question, yes."),
                    Item("1", "The command failed; the reason is on standard error."),
                    Item("2", "Of a command that asks a question, no."),
                    Text(
                        "Of diff, those of diff(1): 0 if nothing differs, 1 if something does, 2 if that cannot be told, or not \
                         of all of a damaged file.",
                    ),
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
                    Text(
                        "A page about what a database holds, and a picture of what refers to what:",
                    ),
                    Example(
                        "ovsdb-tool --format=html schema-doc inventory.db > inventory.html\n\
                         ovsdb-tool schema-dot inventory.db | dot -Tsvg > inventory.svg",
                    ),
                    Text("Look into the past of a file, whoever wrote it, and bring it back:"),
                    Example(
                        "ovsdb-tool log inventory.db --table=Site --since=\"2 hours ago\"\n\
                         ovsdb-tool blame inventory.db Site north\n\
                         ovsdb-tool diff inventory.db@1 inventory.db\n\
                         ovsdb-tool restore --at=1 inventory.db before.db",
                    ),
                    Text("ovsdb-tool log --help, and so for blame, diff and restore, says more."),
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

fn ovsdb_bench() -> Page {
    let mut options = options(&ovsdb_bench::table());
    options.push(Options {
        title: "The workloads",
        items: ovsdb_bench::workloads()
            .map(|(name, about)| (name.to_owned(), about.to_owned()))
            .collect(),
    });
    options.push(Options {
        title: "The tasks of --tools",
        items: ovsdb_bench::tasks()
            .map(|(name, about)| (name.to_owned(), about.to_owned()))
            .collect(),
    });
    Page {
        program: "ovsdb-bench",
        section: 1,
        summary: "measure OVSDB servers, replicas and tools, and compare two",
        usage: &[
            "[OPTION...] PROGRAM [--vs PROGRAM]",
            "[OPTION...] --remote METHOD",
            "[OPTION...] --replicas PROGRAM",
            "[OPTION...] --tools FOLDER [--vs FOLDER]",
        ],
        description: &[
            "Starts PROGRAM, an ovsdb-server of any make, on databases of its own in temporary folders, puts work on it \
             and prints how fast it did it: a line of a table for each figure. With --vs another PROGRAM does the same \
             work in turn, and the column \"A is\" says how many times better the first one is. All figures are medians of \
             the runs.",
            "Beside each figure stand what the server needed for it, as far as the server is a process of this machine \
             that may be looked at: its processor time in seconds, its peak of resident memory, and how long another \
             client waited that asked for very little every few milliseconds: the longest wait and the 99th percentile.",
            "What is received is checked: numbers of rows, and at every client which rows it was told of, and that it was \
             told of each of them once. A server that loses or repeats something, or falls silent, has failed; its line \
             says FAILED, and standard error says why. The other workloads go on.",
        ],
        commands: Vec::new(),
        options,
        sections: &[
            (
                "RUNNING SERVERS",
                &[Text(
                    "A server that runs already is measured with --remote. It must serve the schema that --schema prints, \
                     as a database of the name Bench, and nobody else may use that database: every workload begins by \
                     deleting all its rows. Workloads that restart the server or use its control socket are not run.",
                )],
            ),
            (
                "TOOLS",
                &[Text(
                    "With --tools each ovsdb-client and ovsdb-tool of one or two folders does the same tasks in turn, with \
                     files that the ovsdb-server of the first folder makes: 200,000 rows of OVN_Southbound, compacted and \
                     served by it, and a log of 100,000 small transactions. What the tools print and write is compared. A \
                     task whose command a side does not know is not run there, and its figure is \"-\".",
                )],
            ),
            (
                "EXIT STATUS",
                &[
                    Item("0", "Everything was measured."),
                    Item(
                        "1",
                        "A server or a tool has failed, or nothing could be measured.",
                    ),
                ],
            ),
            (
                "EXAMPLES",
                &[Example(
                    "ovsdb-bench --quick /usr/sbin/ovsdb-server\n\
                     ovsdb-bench ./ovsdb-server --vs /usr/sbin/ovsdb-server --json=results.json\n\
                     ovsdb-bench --only=txn_par,fanout -n 5 ./ovsdb-server\n\
                     ovsdb-bench --tools . --vs /usr/bin",
                )],
            ),
            ("SEE ALSO", &[Text("ovsdb-server(1), ovsdb(7)")]),
        ],
    }
}
