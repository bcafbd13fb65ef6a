//! The control commands of `ovsdb-server` (ovsdb-server(1), "Runtime management commands"): a line for each, then what
//! each does. The answers are the reference program's.
//!
//! No command holds up the server: all work on versions, or hand the work over and wait.

mod replication;
mod time;
mod tlog;

use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use ovsdb_daemon::unixctl::{Answer, Call, Commands};
use ovsdb_daemon::{memory, notify, signals};
use ovsdb_server::configuration::Configuration;
use ovsdb_server::server::Server;
use tokio::sync::Notify;

use super::options::is_relay;
use super::reconfigure::Reconfiguration;

type Reply = Result<String, String>;

/// Options that switch something off, and so bring the command that switches it on again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switches {
    /// Differences of columns are not written.
    pub(super) no_column_diff: bool,
    /// Conversions of clustered databases carry data.
    pub(super) data_conversion: bool,
}

/// What the commands work on.
pub(super) struct Control {
    server: Arc<Server>,
    configuration: Arc<Configuration>,
    reconfiguration: Arc<Reconfiguration>,
    switches: Switches,
    exit: Arc<Notify>,
    /// What was last said about trimming memory: 0 for nothing.
    trimming: AtomicU8,
    /// Whether the clock is being moved on.
    is_warping: AtomicBool,
}

impl Control {
    pub(super) fn new(
        server: Arc<Server>,
        configuration: Arc<Configuration>,
        reconfiguration: Arc<Reconfiguration>,
        switches: Switches,
        exit: Arc<Notify>,
    ) -> Control {
        Control {
            server,
            configuration,
            reconfiguration,
            switches,
            exit,
            trimming: AtomicU8::new(0),
            is_warping: AtomicBool::new(false),
        }
    }

    /// Adds the commands of this program to the table.
    pub(super) fn register(self: &Arc<Control>, commands: &Commands) {
        let add = Adder {
            control: self,
            commands,
        };
        add.command("ovsdb-server/compact", "", 0, 1, Control::compact);
        add.command(
            "ovsdb-server/memory-trim-on-compaction",
            "on|off",
            1,
            1,
            Control::trim,
        );
        add.command("ovsdb-server/reconnect", "", 0, 0, Control::reconnect);
        add.command("ovsdb-server/reload", "", 0, 0, Control::reload);
        add.command(
            "ovsdb-server/add-remote",
            "REMOTE",
            1,
            1,
            Control::add_remote,
        );
        add.command(
            "ovsdb-server/remove-remote",
            "REMOTE",
            1,
            1,
            Control::remove_remote,
        );
        add.command("ovsdb-server/list-remotes", "", 0, 0, Control::list_remotes);
        add.command("ovsdb-server/add-db", "DB", 1, 1, Control::add_db);
        add.command("ovsdb-server/remove-db", "DB", 1, 1, Control::remove_db);
        add.command("ovsdb-server/list-dbs", "", 0, 0, Control::list_dbs);
        add.command("ovsdb-server/list-indexes", "", 0, 0, Control::list_indexes);
        add.command(
            "ovsdb-server/perf-counters-show",
            "",
            0,
            0,
            Control::show_perf_counters,
        );
        add.command(
            "ovsdb-server/perf-counters-clear",
            "",
            0,
            0,
            Control::do_nothing,
        );
        Control::register_tlog(&add);
        Control::register_replication(&add);
        Control::register_time(&add);
        if self.switches.no_column_diff {
            add.command(
                "ovsdb/file/column-diff-enable",
                "",
                0,
                0,
                Control::enable_column_diff,
            );
        }
        if self.switches.data_conversion {
            add.command(
                "ovsdb/file/no-data-conversion-enable",
                "",
                0,
                0,
                Control::do_nothing,
            );
        }
        add.command(
            "ovsdb-server/get-db-storage-status",
            "DB",
            1,
            1,
            Control::storage_status,
        );
        add.command(
            "ovsdb-server/disable-monitor-cond",
            "",
            0,
            0,
            Control::disable_monitor_cond,
        );
        let exit = self.exit.clone();
        commands.register("exit", Some(""), 0..=0, move |_| {
            let exit = exit.clone();
            Ok(Answer::text("").then(move || exit.notify_one()))
        });
    }

    async fn compact(self: Arc<Control>, args: Vec<String>) -> Reply {
        let wanted = args.first();
        if wanted.is_some_and(|name| name.starts_with('_')) {
            return Err(String::from("cannot compact built-in databases"));
        }
        let mut databases = self.server.databases();
        databases.retain(|database| match wanted {
            Some(name) => name == database.name(),
            None => !database.is_internal(),
        });
        if databases.is_empty() {
            return Err(String::from("no database by that name"));
        }
        let mut errors = String::new();
        for database in databases {
            let name = database.name();
            tracing::info!(target: "ovsdb_server", "compacting {name} database by user request");
            if let Err(error) = database.compact().await {
                errors.push_str(&format!("{error}\n"));
            }
        }
        if errors.is_empty() {
            Ok(String::new())
        } else {
            Err(errors)
        }
    }

    /// The allocator gives memory back on its own, whatever this says.
    async fn trim(self: Arc<Control>, args: Vec<String>) -> Reply {
        let (code, state) = match args[0].as_str() {
            "on" => (1, "enabled"),
            "off" => (2, "disabled"),
            _ => return Err(String::from("invalid argument")),
        };
        if self.trimming.swap(code, Ordering::Relaxed) != code {
            tracing::info!(target: "ovsdb_server", "memory trimming after compaction {state}.");
        }
        Ok(String::new())
    }

    async fn reconnect(self: Arc<Control>, _: Vec<String>) -> Reply {
        self.server
            .disconnect_all(true, "user ran ovsdb-server/reconnect");
        Ok(String::new())
    }

    async fn disable_monitor_cond(self: Arc<Control>, _: Vec<String>) -> Reply {
        self.server.disable_monitor_cond();
        Ok(String::new())
    }

    async fn reload(self: Arc<Control>, _: Vec<String>) -> Reply {
        if self.reconfiguration.file().is_none() {
            return Err(String::from(
                "Configuration file was not specified on command line",
            ));
        }
        notify::reloading();
        let loaded = self.reconfiguration.load().await;
        notify::reloaded();
        loaded
            .map(|()| String::new())
            .map_err(|_| String::from("Configuration failed.  See the log file for details."))
    }

    /// Refuses what a command would change if a file says what is served.
    fn require_commands(&self) -> Result<(), String> {
        match self.reconfiguration.file() {
            None => Ok(()),
            Some(path) => Err(format!(
                "Update the {} and use ovsdb-server/reload instead",
                path.display()
            )),
        }
    }

    async fn do_nothing(self: Arc<Control>, _: Vec<String>) -> Reply {
        Ok(String::new())
    }

    /// The system offers such counters through calls that this program does not make.
    async fn show_perf_counters(self: Arc<Control>, _: Vec<String>) -> Reply {
        Ok(String::from(
            "performance counter is not supported on this platform",
        ))
    }

    async fn enable_column_diff(self: Arc<Control>, _: Vec<String>) -> Reply {
        self.server.enable_column_diff().await;
        Ok(String::new())
    }

    async fn add_remote(self: Arc<Control>, args: Vec<String>) -> Reply {
        self.require_commands()?;
        self.configuration
            .add(&args[0])
            .await
            .map_err(|error| error.to_string())?;
        self.reconfiguration.save().await;
        Ok(String::new())
    }

    async fn remove_remote(self: Arc<Control>, args: Vec<String>) -> Reply {
        self.require_commands()?;
        if !self.configuration.remove(&args[0]).await {
            return Err(String::from("no such remote"));
        }
        self.reconfiguration.save().await;
        Ok(String::new())
    }

    async fn list_remotes(self: Arc<Control>, _: Vec<String>) -> Reply {
        Ok(lines(self.configuration.list().await))
    }

    async fn add_db(self: Arc<Control>, args: Vec<String>) -> Reply {
        self.require_commands()?;
        if is_relay(&args[0]) {
            return Err(format!(
                "{}: relays are not supported by this server",
                args[0]
            ));
        }
        self.server
            .add_file(Path::new(&args[0]))
            .await
            .map_err(|error| error.to_string())?;
        self.configuration.refresh();
        self.reconfiguration.save().await;
        Ok(String::new())
    }

    async fn remove_db(self: Arc<Control>, args: Vec<String>) -> Reply {
        self.require_commands()?;
        let name = &args[0];
        let found = self.server.database(name);
        if found.is_some_and(|database| database.is_internal()) {
            return Err(String::from("Cannot remove reserved database."));
        }
        let comment = format!("removing {name} database by user request");
        if !self.server.remove(name, &comment).await {
            return Err(String::from("Failed to find the database."));
        }
        self.configuration.refresh();
        self.reconfiguration.save().await;
        Ok(String::new())
    }

    async fn list_dbs(self: Arc<Control>, _: Vec<String>) -> Reply {
        let databases = self.server.databases();
        Ok(lines(
            databases.iter().map(|database| database.name().to_owned()),
        ))
    }

    /// The indexes that have come by use, a line each.
    async fn list_indexes(self: Arc<Control>, _: Vec<String>) -> Reply {
        let mut names = Vec::new();
        for served in self.server.databases() {
            let version = served.version();
            let schema = version.database.schema();
            for index in version.database.indexes_by_use() {
                let table = schema.table(index.table);
                let column = &table.column(index.column).name;
                names.push(format!(
                    "{} {}.{column}: {} entries",
                    schema.name, table.name, index.entries
                ));
            }
        }
        names.sort();
        Ok(lines(names))
    }

    async fn storage_status(self: Arc<Control>, args: Vec<String>) -> Reply {
        match self.server.database(&args[0]) {
            None => Err(String::from("Failed to find the database.")),
            Some(database) => Ok(match database.trouble() {
                None => String::from("status: ok"),
                Some(error) => format!("status: {error}"),
            }),
        }
    }

    /// The figures of `memory/show`. Those that are zero are left out, as in the reference, but for a few.
    pub(super) fn memory_report(&self) -> impl Future<Output = memory::Report> + Send + use<> {
        let (server, configuration) = (self.server.clone(), self.configuration.clone());
        async move {
            // Those that are tried again and again count as sessions, too.
            let unconnected = configuration.unconnected().await;
            let counting = tokio::task::spawn_blocking(move || count(&server, unconnected));
            // Counting does not panic; and a report without figures would be no harm.
            counting.await.unwrap_or_default()
        }
    }
}

fn count(server: &Server, unconnected: usize) -> memory::Report {
    let mut report = count_quickly(server);
    if unconnected > 0 {
        *report.entry(String::from("sessions")).or_default() += unconnected as u64;
    }
    report.extend(count_rows(server));
    report
}

/// Those figures of `memory/show` that lie ready.
pub(super) fn count_quickly(server: &Server) -> memory::Report {
    let mut report: BTreeMap<String, u64> = BTreeMap::new();
    let mut add =
        |name: &str, count: usize| *report.entry(name.to_owned()).or_default() += count as u64;
    add("cells", 0);
    add("monitors", 0);
    if server.sessions() > 0 {
        add("sessions", server.sessions());
    }
    for served in server.databases() {
        add("monitors", served.hub().monitors());
        if served.parked() > 0 {
            add("triggers", served.parked());
        }
        let version = served.version();
        let database = &version.database;
        let entries = database
            .indexes_by_use()
            .iter()
            .map(|index| index.entries)
            .sum();
        if entries > 0 {
            add("index-entries", entries);
        }
        for id in database.table_ids() {
            let (table, schema) = (database.table(id), database.schema().table(id));
            add("cells", table.len() * schema.columns.len());
        }
    }
    report
}

/// Those figures of `memory/show` for which every row has to be looked at.
pub(super) fn count_rows(server: &Server) -> memory::Report {
    let (mut atoms, mut weak_refs) = (0, 0);
    for served in server.databases() {
        let version = served.version();
        let database = &version.database;
        for id in database.table_ids() {
            let (table, schema) = (database.table(id), database.schema().table(id));
            for row in table.iter() {
                for id in schema.column_ids() {
                    let (datum, ty) = (row.get(id), &schema.column(id).ty);
                    atoms += datum.len() * if datum.is_map() { 2 } else { 1 };
                    let weak = ty.bases().filter(|base| base.is_weak_ref()).count();
                    weak_refs += datum.len() * weak;
                }
            }
        }
    }
    BTreeMap::from([
        (String::from("atoms"), atoms as u64),
        (String::from("n-weak-refs"), weak_refs as u64),
    ])
}

/// Registers methods of [`Control`] as commands.
struct Adder<'a> {
    control: &'a Arc<Control>,
    commands: &'a Commands,
}

impl Adder<'_> {
    fn command<F>(
        &self,
        name: &str,
        usage: &str,
        args_min: usize,
        args_max: usize,
        method: fn(Arc<Control>, Vec<String>) -> F,
    ) where
        F: Future<Output = Reply> + Send + 'static,
    {
        let control = self.control.clone();
        self.commands
            .register_async(name, Some(usage), args_min..=args_max, move |call: Call| {
                method(control.clone(), call.args)
            });
    }
}

fn lines(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().map(|name| name + "\n").collect()
}

/// How a process ended, in the reference program's words.
pub(super) fn exit_text(status: ExitStatus) -> String {
    let mut text = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed ({})", signals::name(signal)),
        (None, None) => format!("terminated abnormally ({status})"),
    };
    if status.core_dumped() {
        text.push_str(", core dumped");
    }
    text
}
