//! Which remotes are wanted, by the command line, by control commands and by databases, and keeping them open.
//!
//! The status of remotes that rows of a database describe is written back to those rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_engine::Row;
use ovsdb_net::Tls;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::operation::{Operation, parse_transact};
use ovsdb_proto::schema::TableId;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use crate::access::Access;
use crate::database::Served;
use crate::limits;
use crate::locks::LockState;
use crate::mailbox::{Answer, Letter, Mailbox, SessionId, Token};
use crate::remotes::{RemoteOptions, RemoteStatus, Remotes};
use crate::runtime::fresh_uuid;
use crate::server::Server;
use crate::targets::{self, Target, TargetError};
use crate::tls::TlsSources;
use crate::writer::Job;

/// Tables of a database on which remotes depend.
struct Watched {
    database: Arc<Served>,
    tables: Vec<TableId>,
}

impl PartialEq for Watched {
    fn eq(&self, other: &Watched) -> bool {
        Arc::ptr_eq(&self.database, &other.database) && self.tables == other.tables
    }
}

struct State {
    wanted: BTreeMap<String, RemoteOptions>,
    remotes: Remotes,
    tls: TlsSources,
    /// What was wrong with them when they were last looked at.
    tls_errors: Vec<TargetError>,
    watched: Vec<Watched>,
    /// Rung when a database from which remotes come has changed.
    changed: Arc<Notify>,
}

/// What is wrong with remotes that databases should name: a line each.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TargetErrors(pub Vec<TargetError>);

/// The remotes of a server as they are configured. See the module's documentation.
pub struct Configuration {
    server: Arc<Server>,
    state: Mutex<State>,
    /// Rung when the wanted remotes have changed.
    edited: Notify,
    /// Where the answers to status updates go, which nobody reads.
    mailbox: Arc<Mailbox>,
}

impl Configuration {
    /// A configuration without remotes.
    pub fn new(server: Arc<Server>) -> Arc<Configuration> {
        let state = State {
            wanted: BTreeMap::new(),
            remotes: Remotes::new(server.clone()),
            tls: TlsSources::default(),
            tls_errors: Vec::new(),
            watched: Vec::new(),
            changed: Arc::default(),
        };
        Arc::new(Configuration {
            server,
            state: Mutex::new(state),
            edited: Notify::new(),
            mailbox: Mailbox::new(SessionId::fresh()),
        })
    }

    /// Adds a remote: a connection method or `db:DATABASE,TABLE,COLUMN`. It is opened by [`Configuration::apply`].
    ///
    /// # Errors
    /// The name refers to a column that does not exist.
    pub async fn add(&self, name: &str) -> Result<(), TargetError> {
        if targets::is_database(name) {
            Target::find(&self.server, name)?;
        }
        self.add_unchecked(name).await;
        Ok(())
    }

    /// Adds a remote whose database may be served only later.
    pub async fn add_unchecked(&self, name: &str) {
        let options = RemoteOptions::default_for(name);
        self.state
            .lock()
            .await
            .wanted
            .entry(name.to_owned())
            .or_insert(options);
        self.edited.notify_one();
    }

    /// Adds a remote with options, or gives it others.
    pub(crate) async fn put(&self, name: &str, options: RemoteOptions) {
        let name = name.to_owned();
        self.state.lock().await.wanted.insert(name, options);
        self.edited.notify_one();
    }

    /// Why a remote could not be opened when that was last tried.
    pub(crate) async fn failure(&self, name: &str) -> Option<String> {
        let state = self.state.lock().await;
        state.remotes.failure(name).map(str::to_owned)
    }

    /// [`Configuration::ports`], also while the remotes are being changed.
    pub(crate) async fn current_ports(&self) -> BTreeMap<String, u16> {
        self.state.lock().await.remotes.ports()
    }

    /// Closes all remotes, whatever is wanted. Returns when nobody listens any more.
    pub(crate) async fn close(&self) {
        self.state.lock().await.remotes.close_all().await;
    }

    /// Replaces all remotes. Their databases may be served only later.
    pub async fn set(&self, wanted: BTreeMap<String, RemoteOptions>) {
        self.state.lock().await.wanted = wanted;
        self.edited.notify_one();
    }

    /// The remotes that are wanted, with their options.
    pub async fn wanted(&self) -> BTreeMap<String, RemoteOptions> {
        self.state.lock().await.wanted.clone()
    }

    /// Sets where the settings of TLS come from. They are the process's, and [`Configuration::apply`] brings them into
    /// force.
    pub async fn set_tls(&self, sources: TlsSources) {
        self.state.lock().await.tls = sources;
        self.edited.notify_one();
    }

    /// What was wrong with the settings of TLS when they were last applied. What is not wrong is in force.
    ///
    /// # Errors
    /// Some settings name columns that do not exist, or hold no strings.
    pub async fn check_tls(&self) -> Result<(), TargetErrors> {
        let errors = self.state.lock().await.tls_errors.clone();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(TargetErrors(errors))
        }
    }

    /// Removes a remote. False if there is none of this name.
    pub async fn remove(&self, name: &str) -> bool {
        let removed = self.state.lock().await.wanted.remove(name).is_some();
        self.edited.notify_one();
        removed
    }

    /// The names of the remotes, in order.
    pub async fn list(&self) -> Vec<String> {
        self.state.lock().await.wanted.keys().cloned().collect()
    }

    /// How many of the connections that the server makes itself are not there at the moment.
    pub async fn unconnected(&self) -> usize {
        self.state.lock().await.remotes.unconnected()
    }

    /// The TCP ports on which remotes listen, by their names; `None` if the remotes are just being changed.
    pub fn ports(&self) -> Option<BTreeMap<String, u16>> {
        let state = self.state.try_lock().ok()?;
        Some(state.remotes.ports())
    }

    /// Has [`Configuration::run`] look at everything again: databases have come or gone.
    pub fn refresh(&self) {
        self.edited.notify_one();
    }

    /// Brings the open remotes in line with what is wanted now. Returns when new listeners accept connections.
    ///
    /// # Errors
    /// Some remotes name columns that do not exist. All others are open, or will be tried again.
    pub async fn apply(&self) -> Result<(), TargetErrors> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let mut remotes = BTreeMap::new();
        let mut watched = Vec::new();
        let mut errors = Vec::new();
        for (name, options) in &state.wanted {
            if !targets::is_database(name) {
                remotes
                    .entry(name.clone())
                    .or_insert_with(|| options.clone());
                continue;
            }
            match Target::find(&self.server, name) {
                Ok(target) => {
                    target.collect(&mut remotes);
                    let tables = target.tables();
                    watched.push(Watched {
                        database: target.database,
                        tables,
                    });
                }
                Err(error) => errors.push(error),
            }
        }
        let resolved = state.tls.resolve(&self.server);
        watched.extend(resolved.tables.into_iter().map(|(database, table)| {
            let tables = vec![table];
            Watched { database, tables }
        }));
        state.tls_errors = resolved.errors;
        // Before the remotes, which need it.
        Tls::process().set(resolved.settings);
        if watched != state.watched {
            // A change between the look above and this would go unnoticed, so look once more.
            state.changed = Arc::default();
            for Watched { database, tables } in &watched {
                database
                    .hub()
                    .ring_on_change(tables.clone(), &state.changed);
            }
            state.watched = watched;
            state.changed.notify_one();
        }
        state.remotes.set(&remotes).await;
        if errors.is_empty() {
            Ok(())
        } else {
            Err(TargetErrors(errors))
        }
    }

    /// Keeps the remotes in line with what is wanted, and their status in the databases, for as long as it is awaited.
    pub async fn run(&self) {
        let mut next_status = Instant::now();
        let mut last_error = None;
        let mut last_tls_error = None;
        loop {
            let error = self.apply().await.err();
            let tls_error = self.check_tls().await.err();
            // Each trouble is logged once.
            if let Some(error) = error
                .as_ref()
                .filter(|error| last_error.as_ref() != Some(*error))
            {
                tracing::warn!(target: "ovsdb_server", "{error}");
            }
            last_error = error;
            if let Some(error) = tls_error
                .as_ref()
                .filter(|error| last_tls_error.as_ref() != Some(*error))
            {
                tracing::warn!(target: "ovsdb_server", "{error}");
            }
            last_tls_error = tls_error;
            if Instant::now() >= next_status {
                self.write_status().await;
                next_status = Instant::now() + limits::STATUS_INTERVAL;
            }
            let changed = self.state.lock().await.changed.clone();
            tokio::select! {
                biased;
                () = self.edited.notified() => {}
                () = changed.notified() => {}
                () = tokio::time::sleep_until(next_status) => {}
            }
        }
    }

    /// Writes what is known of each remote to the row that describes it.
    async fn write_status(&self) {
        for (database, transact) in self.status_updates().await {
            let job = Job {
                mailbox: self.mailbox.clone(),
                token: Token(0),
                schema: database.schema().clone(),
                transact,
                received: Instant::now(),
                access: Access::FULL,
                bytes: 0,
            };
            // A database that was closed meanwhile needs no status.
            let _ = database.submit(job).await;
        }
        for letter in self.mailbox.take() {
            if let Letter::Done(_, Answer::Results(results)) = letter
                && let Some(error) = results.error()
            {
                tracing::error!(
                    target: "ovsdb_server", per_minute = 1, burst = 1,
                    "Failed to update remote status: {error}"
                );
            }
        }
    }

    async fn status_updates(&self) -> Vec<(Arc<Served>, ovsdb_proto::operation::Transact)> {
        let state = self.state.lock().await;
        let mut updates = Vec::new();
        for name in state
            .wanted
            .keys()
            .filter(|name| targets::is_database(name))
        {
            let Ok(target) = Target::find(&self.server, name) else {
                continue;
            };
            let Some(table) = target.referred() else {
                continue;
            };
            let schema = target.database.schema().clone();
            let mut operations = Vec::new();
            let mut rows = Vec::new();
            for row in target.referred_rows(&target.database.version().database) {
                let Some(remote) = targets::target_of(schema.table(table), &row) else {
                    continue;
                };
                let status = state.remotes.status(remote).unwrap_or_default();
                operations.push(update_of(&schema, table, &row, &status));
                rows.push(row);
            }
            let mut transact = parse_transact(&schema, &operations, &mut fresh_uuid);
            // Columns that the schema does not have, or not in the usual form, are no reason to complain.
            let is_new = |(operation, row): (&Operation, &Arc<Row>)| match operation {
                Operation::Update { row: columns, .. } => columns
                    .iter()
                    .any(|(column, datum)| row.get(*column) != datum),
                _ => false,
            };
            if transact.parse_error.is_none() && transact.operations.iter().zip(&rows).any(is_new) {
                transact.n_operations = transact.operations.len();
                updates.push((target.database.clone(), transact));
            }
        }
        updates
    }
}

/// The operation that writes a remote's status to its row.
fn update_of(
    schema: &ovsdb_proto::schema::Schema,
    table: TableId,
    row: &Row,
    status: &RemoteStatus,
) -> Json {
    let table = schema.table(table);
    let mut columns = Object::new();
    if table.column_id("is_connected").is_some() {
        columns.insert("is_connected", status.is_connected);
    }
    if table.column_id("status").is_some() {
        let pairs = status_pairs(status);
        let pairs = pairs
            .iter()
            .map(|(key, value)| Json::array([key.as_str(), value.as_str()]));
        columns.insert(
            "status",
            Json::Array(vec![Json::string("map"), Json::array(pairs)]),
        );
    }
    let uuid = Json::array(["uuid", row.uuid().to_string().as_str()]);
    let clause = Json::Array(vec![Json::string("_uuid"), Json::string("=="), uuid]);
    let mut operation = Object::new();
    operation.insert("op", "update");
    operation.insert("table", table.name.to_string());
    operation.insert("where", Json::Array(vec![clause]));
    operation.insert("row", Json::Object(columns));
    Json::Object(operation)
}

/// A remote's status as ovs-vswitchd.conf.db(5) describes it for the `status` column of `Manager`.
fn status_pairs(status: &RemoteStatus) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut put = |key: &str, value: String| pairs.push((key.to_owned(), value));
    if let Some(stats) = &status.reconnect {
        put("state", stats.state.to_string());
        if let Some(ms) = stats.since_connect_ms {
            put("sec_since_connect", (ms / 1000).to_string());
        }
        if let Some(ms) = stats.since_disconnect_ms {
            put("sec_since_disconnect", (ms / 1000).to_string());
        }
    } else if status.is_listening {
        // Nothing that a listener has; but the reference writes them, and who reads them finds them.
        put("sec_since_connect", String::from("0"));
        put("sec_since_disconnect", String::from("0"));
    }
    for (key, wanted) in [
        ("locks_held", LockState::Held),
        ("locks_waiting", LockState::Waiting),
        ("locks_lost", LockState::Lost),
    ] {
        let of_state = status.locks.iter().filter(|(_, state)| *state == wanted);
        let names: Vec<&str> = of_state.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            put(key, names.join(" "));
        }
    }
    if status.connections > 1 {
        put("n_connections", status.connections.to_string());
    }
    if let Some(port) = status.bound_port {
        put("bound_port", port.to_string());
    }
    pairs
}
