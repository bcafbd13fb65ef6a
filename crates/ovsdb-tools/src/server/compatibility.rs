//! What `ovsdb-server` of Open vSwitch 3.7 takes from command lines, the environment, configurations and control commands,
//! and what becomes of it here: one table, from which `docs/compatibility.md` is written.
//!
//! Tests compare it with what this program offers and with what the reference program lists.

/// Where a name is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An option of the command line, by its long name with two hyphens; with its letter before it, if it has one.
    Option,
    /// A variable of the environment.
    Environment,
    /// A form of remote.
    Remote,
    /// A control command.
    Command,
}

/// What becomes of it here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// As in the reference.
    Works,
    /// Accepted, and there is nothing for it to do.
    Accepted,
    /// Refused with a message that names it.
    Refused,
    /// Not looked at.
    Ignored,
    /// The reference does not have it.
    Ours,
}

impl State {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            State::Works => "works",
            State::Accepted => "accepted",
            State::Refused => "refused",
            State::Ignored => "not used",
            State::Ours => "ours",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where the name is used.
    pub kind: Kind,
    /// The name.
    pub name: &'static str,
    /// What becomes of it.
    pub state: State,
    /// What else there is to say; may be empty.
    pub note: &'static str,
}

const fn option(name: &'static str, state: State, note: &'static str) -> Entry {
    Entry {
        kind: Kind::Option,
        name,
        state,
        note,
    }
}

const fn variable(name: &'static str, state: State, note: &'static str) -> Entry {
    Entry {
        kind: Kind::Environment,
        name,
        state,
        note,
    }
}

const fn remote(name: &'static str, state: State, note: &'static str) -> Entry {
    Entry {
        kind: Kind::Remote,
        name,
        state,
        note,
    }
}

const fn command(name: &'static str, state: State, note: &'static str) -> Entry {
    Entry {
        kind: Kind::Command,
        name,
        state,
        note,
    }
}

const NO_BACKUP: &str = "kept and told; this server is never a backup";

/// The table.
pub const ENTRIES: &[Entry] = &[
    option("--remote", State::Works, ""),
    option(
        "--config-file",
        State::Works,
        "databases of the models `relay` and `clustered`, and backups, are refused by name",
    ),
    option("-p, --private-key", State::Works, ""),
    option("-c, --certificate", State::Works, ""),
    option("-C, --ca-cert", State::Works, ""),
    option("--bootstrap-ca-cert", State::Works, ""),
    option("--peer-ca-cert", State::Works, ""),
    option("--ssl-protocols", State::Works, ""),
    option("--ssl-ciphers", State::Works, ""),
    option("--ssl-ciphersuites", State::Works, ""),
    option("--ssl-server-name", State::Works, ""),
    option("--detach", State::Works, ""),
    option(
        "--monitor",
        State::Works,
        "the command line of the monitor stays as it was given",
    ),
    option("--user", State::Works, ""),
    option("--no-chdir", State::Works, ""),
    option(
        "--no-self-confinement",
        State::Accepted,
        "as in the reference's server, which confines itself in nothing",
    ),
    option("--pidfile", State::Works, ""),
    option("--overwrite-pidfile", State::Works, ""),
    option("-v, --verbose", State::Works, ""),
    option("--log-file", State::Works, ""),
    option(
        "--log-format",
        State::Ours,
        "`json` for an object a line in the log file and on the console; only by its full name",
    ),
    option("--syslog-method", State::Works, ""),
    option("--syslog-target", State::Works, ""),
    option(
        "--sync-from",
        State::Works,
        "only with `--active`; alone it is refused: there are no backups",
    ),
    option("--sync-exclude-tables", State::Accepted, NO_BACKUP),
    option("--active", State::Works, ""),
    option("--record", State::Refused, ""),
    option("--replay", State::Refused, ""),
    option("--run", State::Works, ""),
    option("--unixctl", State::Works, ""),
    option(
        "--http",
        State::Ours,
        "figures for Prometheus, and whether the server is well",
    ),
    option("--no-dbs", State::Works, ""),
    option("--disable-file-column-diff", State::Works, ""),
    option(
        "--disable-file-no-data-conversion",
        State::Accepted,
        "concerns clustered databases only",
    ),
    option("-h, --help", State::Works, ""),
    option("-V, --version", State::Works, "the second line is our own"),
    option(
        "--create",
        State::Ours,
        "makes database files that are missing",
    ),
    option(
        "-o, --option",
        State::Ours,
        "lists the options, as the reference's other programs do",
    ),
    variable("OVS_RUNDIR", State::Works, ""),
    variable("OVS_LOGDIR", State::Works, ""),
    variable("OVS_DBDIR", State::Works, ""),
    variable("OVS_SYSCONFDIR", State::Works, ""),
    variable("OVS_PKGDATADIR", State::Works, ""),
    variable("OVS_SYSLOG_METHOD", State::Works, ""),
    variable(
        "POSIXLY_CORRECT",
        State::Works,
        "options end with the first operand",
    ),
    variable(
        "TMPDIR",
        State::Works,
        "where a daemon keeps what control commands have changed",
    ),
    variable(
        "OVS_RESOLV_CONF",
        State::Ignored,
        "names are looked up by the system's resolver",
    ),
    variable("OVS_UNBOUND_CONF", State::Ignored, "likewise"),
    variable(
        "NOTIFY_SOCKET",
        State::Ours,
        "a service manager that is told when the server is ready, reloads and stops",
    ),
    variable(
        "WATCHDOG_USEC",
        State::Ours,
        "in which time it expects signs of life",
    ),
    remote("ptcp:[PORT][:HOST]", State::Works, ""),
    remote("punix:FILE", State::Works, ""),
    remote("tcp:HOST[:PORT]", State::Works, ""),
    remote("unix:FILE", State::Works, ""),
    remote("pssl:[PORT][:HOST]", State::Works, ""),
    remote("ssl:HOST[:PORT]", State::Works, ""),
    remote(
        "db:DATABASE,TABLE,COLUMN",
        State::Works,
        "string and UUID columns; the columns of the rows are those of `Manager` and `Connection`",
    ),
    remote(
        "pfd:N",
        State::Ours,
        "a listening socket that the program has inherited",
    ),
    command(
        "coverage/read-counter",
        State::Works,
        "the counters are our own but for a few",
    ),
    command("coverage/show", State::Works, ""),
    command("exit", State::Works, ""),
    command("list-commands", State::Works, ""),
    command("memory/show", State::Works, ""),
    command("set-options", State::Works, ""),
    command("version", State::Works, ""),
    command(
        "ovsdb-server/add-db",
        State::Works,
        "`relay:DB:REMOTES` is refused",
    ),
    command("ovsdb-server/add-remote", State::Works, ""),
    command(
        "ovsdb-server/compact",
        State::Works,
        "clients are served meanwhile",
    ),
    command(
        "ovsdb-server/connect-active-ovsdb-server",
        State::Refused,
        "the reference's answer where no active server is set",
    ),
    command("ovsdb-server/disable-monitor-cond", State::Works, ""),
    command(
        "ovsdb-server/disconnect-active-ovsdb-server",
        State::Works,
        "",
    ),
    command("ovsdb-server/get-active-ovsdb-server", State::Works, ""),
    command(
        "ovsdb-server/get-db-storage-status",
        State::Works,
        "tells of a full disk, too",
    ),
    command("ovsdb-server/get-sync-exclude-tables", State::Works, ""),
    command("ovsdb-server/list-dbs", State::Works, ""),
    command(
        "ovsdb-server/list-indexes",
        State::Ours,
        "the indexes that have come by use",
    ),
    command("ovsdb-server/list-remotes", State::Works, ""),
    command(
        "ovsdb-server/memory-trim-on-compaction",
        State::Accepted,
        "memory goes back to the system by itself",
    ),
    command("ovsdb-server/perf-counters-clear", State::Accepted, ""),
    command(
        "ovsdb-server/perf-counters-show",
        State::Works,
        "says that there are none, as the reference does where the system has none",
    ),
    command("ovsdb-server/reconnect", State::Works, ""),
    command("ovsdb-server/reload", State::Works, ""),
    command("ovsdb-server/remove-db", State::Works, ""),
    command("ovsdb-server/remove-remote", State::Works, ""),
    command(
        "ovsdb-server/set-active-ovsdb-server",
        State::Accepted,
        NO_BACKUP,
    ),
    command(
        "ovsdb-server/set-active-ovsdb-server-probe-interval",
        State::Accepted,
        "nobody is probed",
    ),
    command(
        "ovsdb-server/set-relay-source-probe-interval",
        State::Accepted,
        "nobody is probed",
    ),
    command(
        "ovsdb-server/set-sync-exclude-tables",
        State::Accepted,
        NO_BACKUP,
    ),
    command("ovsdb-server/sync-status", State::Works, "always `active`"),
    command("ovsdb-server/tlog-list", State::Works, ""),
    command(
        "ovsdb-server/tlog-set",
        State::Works,
        "changes are logged; release 3.7 keeps the setting and logs nothing",
    ),
    command(
        "ovsdb/file/column-diff-enable",
        State::Works,
        "with `--disable-file-column-diff` only, as in the reference",
    ),
    command(
        "ovsdb/file/no-data-conversion-enable",
        State::Accepted,
        "with `--disable-file-no-data-conversion` only, likewise",
    ),
    command(
        "stopwatch/reset",
        State::Ours,
        "the reference has it in other programs",
    ),
    command(
        "stopwatch/show",
        State::Ours,
        "`transaction`, `fsync`, `compaction` and `conversion`, in the form of the reference's other programs",
    ),
    command(
        "time/stop",
        State::Ours,
        "the reference has it in programs for its tests; here it is for the clock of probes and of attempts to connect",
    ),
    command("time/warp", State::Ours, "likewise"),
    command("vlog/close", State::Works, ""),
    command("vlog/disable-rate-limit", State::Works, ""),
    command("vlog/enable-rate-limit", State::Works, ""),
    command("vlog/list", State::Works, ""),
    command("vlog/list-pattern", State::Works, ""),
    command("vlog/reopen", State::Works, ""),
    command("vlog/set", State::Works, ""),
];

/// The entries of one kind, in the order of the table.
pub fn entries(kind: Kind) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().filter(move |entry| entry.kind == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::server::options::REFERENCE_ORDER;

    #[test]
    fn every_option_of_the_program_is_in_the_table_and_no_other() {
        let table = crate::server::table();
        let offered: BTreeSet<String> = table
            .specs()
            .map(|spec| match spec.short {
                Some(letter) => format!("-{letter}, --{}", spec.long),
                None => format!("--{}", spec.long),
            })
            .collect();
        let told: BTreeSet<String> = entries(Kind::Option)
            .map(|entry| entry.name.to_owned())
            .collect();
        assert_eq!(told, offered);
    }

    #[test]
    fn the_options_of_the_reference_are_those_that_are_not_ours() {
        let theirs = entries(Kind::Option).filter(|entry| entry.state != State::Ours);
        let theirs: BTreeSet<&str> = theirs
            .filter_map(|entry| entry.name.split_once("--").map(|(_, long)| long))
            .collect();
        assert_eq!(theirs, BTreeSet::from(REFERENCE_ORDER));
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: BTreeSet<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ENTRIES.len());
    }
}
