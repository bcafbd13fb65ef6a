//! Monitors of databases that the program answers for: what a client asks for, and telling it what is new.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_engine::{Commit, RowChange};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::jsonrpc;
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;
use tokio::sync::watch;

use super::peer::{Gone, Peer};
use super::service::Refusal;
use super::snapshot::Snapshot;

/// What a client asks for with `monitor`, `monitor_cond` or `monitor_cond_since`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MonitorRequest {
    /// Which of the three: [`Method::Monitor`], [`Method::MonitorCond`] or [`Method::MonitorCondSince`].
    pub method: Method,
    /// The database.
    pub database: String,
    /// What the client calls the monitor: any JSON.
    pub id: Json,
    /// The `<monitor-requests>` or `<monitor-cond-requests>`: an object.
    pub tables: Json,
    /// For `monitor_cond_since`: the last version that the client knows, as it wrote it.
    pub since: Option<Json>,
    /// Closed when the monitor ends.
    life: watch::Receiver<()>,
}

impl MonitorRequest {
    /// A request, and what keeps its monitor until it is dropped.
    pub(crate) fn new(
        method: Method,
        database: &str,
        id: &Json,
        tables: &Json,
        since: Option<&Json>,
    ) -> (MonitorRequest, watch::Sender<()>) {
        let (end, life) = watch::channel(());
        let request = MonitorRequest {
            method,
            database: database.to_owned(),
            id: id.clone(),
            tables: tables.clone(),
            since: since.cloned(),
            life,
        };
        (request, end)
    }

    /// A watcher for `peer` that tells what was asked for, out of [`Snapshot`]s of this schema.
    ///
    /// # Errors
    /// What the client asks for does not fit the schema.
    pub fn watcher(&self, peer: &Peer, schema: &Arc<Schema>) -> Result<Watcher, Refusal> {
        let with_conditions = self.method != Method::Monitor;
        let requests = MonitorRequests::from_json(schema, &self.tables, with_conditions)?;
        let form = match with_conditions {
            true => Form::Differences,
            false => Form::Values,
        };
        Ok(Watcher {
            peer: peer.clone(),
            method: self.method,
            id: self.id.clone(),
            monitor: Arc::new(Monitor::new(schema.clone(), &requests, form)),
            schema: schema.clone(),
            life: self.life.clone(),
        })
    }
}

/// A monitor that has somebody to tell. Clones are the same one.
///
/// Versions have no names here: a client of `monitor_cond_since` always gets all contents, and updates with an id of zeros.
#[derive(Clone, Debug)]
pub struct Watcher {
    peer: Peer,
    method: Method,
    id: Json,
    monitor: Arc<Monitor>,
    /// Of all that is told.
    schema: Arc<Schema>,
    life: watch::Receiver<()>,
}

impl Watcher {
    /// Who is told.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the monitor begins with, as the result of the request, if the database is like this.
    pub fn initial(&self, contents: &Snapshot) -> Json {
        let mut text = Vec::new();
        self.monitor.write_initial(&contents.database, &mut text);
        let updates = json::parse(&text).expect("updates are JSON");
        match self.method {
            Method::MonitorCondSince => {
                let version = Json::string(Uuid::ZERO.to_string());
                Json::Array(vec![Json::Bool(false), version, updates])
            }
            _ => updates,
        }
    }

    /// Waits until the monitor has ended, be it with its client.
    pub async fn ended(&self) {
        let mut life = self.life.clone();
        // Nobody sends anything.
        while life.changed().await.is_ok() {}
    }

    /// Tells the client of one snapshot after the other, beginning with what differs from the one that it was told last. Those
    /// that come while it is slow are told at once. Returns when the monitor has ended, when no snapshot can come any more, or
    /// when one is of another schema than the watcher: the monitor ends with the next
    /// [`Engine::refresh_service`](super::Engine::refresh_service).
    pub async fn follow(&self, mut told: Snapshot, mut contents: watch::Receiver<Snapshot>) {
        loop {
            let newer = contents.borrow_and_update().clone();
            if self.tell(&told, &newer).await.is_err() {
                return;
            }
            told = newer;
            tokio::select! {
                () = self.ended() => return,
                changed = contents.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn is_of_schema(&self, contents: &Snapshot) -> bool {
        let schema = contents.schema();
        Arc::ptr_eq(schema, &self.schema) || schema.is_equivalent(&self.schema)
    }

    /// Tells the client what differs between two snapshots, if that concerns it. The client must have been told of the older
    /// one, and both must be of the schema that the watcher was made for. Waits as long as the client has much that it has
    /// not taken yet. That may be until the reply has left with which the monitor begins, so that the call that gives it must
    /// not wait for this.
    ///
    /// # Errors
    /// The monitor has ended, be it with its client, or can tell nothing of a snapshot that is of another schema.
    pub async fn tell(&self, older: &Snapshot, newer: &Snapshot) -> Result<(), Gone> {
        // Rows are told by the numbers of their columns.
        if !self.is_of_schema(older) || !self.is_of_schema(newer) {
            return Err(Gone);
        }
        let mut updates = Vec::new();
        {
            let mut pending = Pending::default();
            if let Some(commit) = commit_between(older, newer) {
                self.monitor.add(&mut pending, &commit);
            }
            if !self.monitor.write_pending(&mut pending, &mut updates) {
                return Ok(());
            }
        }
        let write_params = |out: &mut Vec<u8>| {
            out.push(b'[');
            self.id.write_to(out);
            out.push(b',');
            if self.method == Method::MonitorCondSince {
                out.push(b'"');
                out.extend_from_slice(&Uuid::ZERO.to_text());
                out.extend_from_slice(b"\",");
            }
            out.extend_from_slice(&updates);
            out.push(b']');
        };
        let method = match self.method {
            Method::Monitor => Method::Update,
            Method::MonitorCondSince => Method::Update3,
            _ => Method::Update2,
        };
        let mut text = Vec::new();
        jsonrpc::write_notification_with(method.as_str(), write_params, &mut text);
        tokio::select! {
            biased;
            () = self.ended() => Err(Gone),
            sent = self.peer.send(Some(self.id.clone()), text) => sent,
        }
    }
}

/// The way from one snapshot to another as one commit.
fn commit_between(older: &Snapshot, newer: &Snapshot) -> Option<Commit> {
    let mut changes = Vec::new();
    for table in newer.database.table_ids() {
        let (old, new) = (older.database.table(table), newer.database.table(table));
        changes.extend(old.differences(new).filter_map(|(old, new)| {
            Some(RowChange {
                table,
                uuid: old.or(new)?.uuid(),
                old: old.cloned(),
                new: new.cloned(),
            })
        }));
    }
    (!changes.is_empty()).then_some(Commit { changes })
}
