//! Monitors of databases that the program answers for: what a client asks for, and telling it what is new.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor, Pending};
use ovsdb_engine::{Commit, RowChange};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json, Object};
use ovsdb_proto::jsonrpc;
use ovsdb_proto::monitor::{MonitorRequests, condition_changes_from_json, last_transaction_id};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::peer::{Gone, Peer};
use super::service::{Refusal, Reply};
use super::snapshot::Snapshot;
use crate::notice::MonitorKey;

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
    place: Arc<Place>,
}

/// What a session and the program have in common of a monitor, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: MonitorKey,
    /// Who tells the client, if it is a watcher.
    watcher: Mutex<Option<Watcher>>,
    /// Closed when the monitor ends.
    life: watch::Receiver<()>,
}

impl Place {
    pub(crate) fn watcher(&self) -> Option<Watcher> {
        self.watcher.lock().clone()
    }
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
        let place = Place {
            key: MonitorKey::fresh(),
            watcher: Mutex::default(),
            life,
        };
        let request = MonitorRequest {
            method,
            database: database.to_owned(),
            id: id.clone(),
            tables: tables.clone(),
            since: since.cloned(),
            place: Arc::new(place),
        };
        (request, end)
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// A watcher for `peer` that tells what was asked for, out of [`Snapshot`]s of this schema. It is what
    /// [`MonitorChange::apply`] changes later; of several the last one.
    ///
    /// # Errors
    /// What the client asks for does not fit the schema.
    pub fn watcher(&self, peer: &Peer, schema: &Arc<Schema>) -> Result<Watcher, Refusal> {
        let with_conditions = self.method != Method::Monitor;
        let requests = MonitorRequests::from_json(schema, &self.tables, with_conditions)?;
        let since = self.since.as_ref();
        let since = since.map_or(Ok(None), last_transaction_id)?;
        let form = match with_conditions {
            true => Form::Differences,
            false => Form::Values,
        };
        let telling = Telling {
            id: self.id.clone(),
            monitor: Arc::new(Monitor::new(schema.clone(), &requests, form)),
            told: None,
        };
        let watcher = Watcher {
            inner: Arc::new(Inner {
                peer: peer.clone(),
                method: self.method,
                since,
                key: self.place.key,
                schema: schema.clone(),
                life: self.place.life.clone(),
                turn: tokio::sync::Mutex::default(),
                telling: Mutex::new(telling),
            }),
        };
        *self.place.watcher.lock() = Some(watcher.clone());
        Ok(watcher)
    }
}

/// What a client asks for with `monitor_cond_change` (ovsdb-server(7), section 4.1.13).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MonitorChange {
    /// What the client calls the monitor.
    pub old_id: Json,
    /// What it is called from the reply on.
    pub new_id: Json,
    /// New conditions by table: an object.
    pub conditions: Json,
    watcher: Option<Watcher>,
}

impl MonitorChange {
    pub(crate) fn new(old_id: &Json, new_id: &Json, conditions: &Json, place: &Place) -> Self {
        MonitorChange {
            old_id: old_id.clone(),
            new_id: new_id.clone(),
            conditions: conditions.clone(),
            watcher: place.watcher(),
        }
    }

    /// Who tells the client, if the monitor has a [`Watcher`].
    pub fn watcher(&self) -> Option<&Watcher> {
        self.watcher.as_ref()
    }

    /// Has the watcher go on under the new conditions and the new id. What comes and goes by that, of what the client was told
    /// last, is told before this returns, and so before the reply. It is what the reply says.
    ///
    /// # Errors
    /// The conditions do not fit the schema; or nobody tells the client, or has told it how the database was
    /// ([`Watcher::initial`], [`Watcher::tell`]): [`Refusal::UnknownMethod`].
    pub async fn apply(&self) -> Reply {
        match &self.watcher {
            Some(watcher) => watcher.change(self).await,
            None => Err(Refusal::UnknownMethod),
        }
    }
}

/// A monitor that has somebody to tell. Clones are the same one.
///
/// It keeps the snapshot that it told of last, so that conditions can be changed.
///
/// Versions are named by the ids of snapshots ([`Snapshot::id`]): a client of `monitor_cond_since` that comes back names the last
/// one of which it heard, and gets what differs from that one if the program still has it ([`Watcher::resume`]).
#[derive(Clone, Debug)]
pub struct Watcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    peer: Peer,
    method: Method,
    /// The last version that the client knows.
    since: Option<Uuid>,
    key: MonitorKey,
    /// Of all that is told.
    schema: Arc<Schema>,
    life: watch::Receiver<()>,
    /// Held by whoever tells something, so that the client hears of one thing after the other.
    turn: tokio::sync::Mutex<()>,
    telling: Mutex<Telling>,
}

/// What is told under which name.
#[derive(Debug)]
struct Telling {
    id: Json,
    monitor: Arc<Monitor>,
    /// What the client was told last.
    told: Option<Snapshot>,
}

impl Watcher {
    /// Who is told.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// What the monitor begins with, as the result of the request, if the database is like this.
    pub fn initial(&self, contents: &Snapshot) -> Json {
        let mut text = Vec::new();
        let mut telling = self.inner.telling.lock();
        telling.monitor.write_initial(&contents.database, &mut text);
        telling.told = Some(contents.clone());
        self.beginning(false, contents, &text)
    }

    /// What the monitor begins with if the database is like this, for a client that may have seen an earlier version: the one
    /// that it names, if it does, is asked of `known`, for example of a [`History`](super::History). If that knows it, the client
    /// is told what differs, and else everything.
    pub fn resume(
        &self,
        contents: &Snapshot,
        known: impl FnOnce(Uuid) -> Option<Snapshot>,
    ) -> Json {
        let since = self.inner.since.and_then(known);
        let Some(since) = since.filter(|since| self.is_of_schema(since)) else {
            return self.initial(contents);
        };
        let mut telling = self.inner.telling.lock();
        let (mut pending, mut text) = (Pending::default(), Vec::new());
        if let Some(commit) = commit_between(&since, contents) {
            telling.monitor.add_missed(&mut pending, &commit);
        }
        if !telling.monitor.write_pending(&mut pending, &mut text) {
            text.extend_from_slice(b"{}");
        }
        telling.told = Some(contents.clone());
        self.beginning(true, contents, &text)
    }

    fn beginning(&self, is_resumed: bool, contents: &Snapshot, updates: &[u8]) -> Json {
        let updates = json::parse(updates).expect("updates are JSON");
        match self.inner.method {
            Method::MonitorCondSince => {
                let version = Json::string(contents.id().to_string());
                Json::Array(vec![Json::Bool(is_resumed), version, updates])
            }
            _ => updates,
        }
    }

    /// Waits until the monitor has ended, be it with its client.
    pub async fn ended(&self) {
        let mut life = self.inner.life.clone();
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
        contents.schema().is_laid_out_as(&self.inner.schema)
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
        let _turn = self.inner.turn.lock().await;
        let mut updates = Vec::new();
        let id = {
            let telling = self.inner.telling.lock();
            let mut pending = Pending::default();
            if let Some(commit) = commit_between(older, newer) {
                telling.monitor.add(&mut pending, &commit);
            }
            let has_news = telling.monitor.write_pending(&mut pending, &mut updates);
            has_news.then(|| telling.id.clone())
        };
        if let Some(id) = id {
            self.send(&id, newer, &updates).await?;
        }
        self.inner.telling.lock().told = Some(newer.clone());
        Ok(())
    }

    /// Does what [`MonitorChange::apply`] says.
    async fn change(&self, change: &MonitorChange) -> Reply {
        let _turn = self.inner.turn.lock().await;
        let (before, told) = {
            let telling = self.inner.telling.lock();
            let told = telling.told.clone().ok_or(Refusal::UnknownMethod)?;
            (telling.monitor.clone(), told)
        };
        let shape = before.shape();
        let mut conditions = before.conditions().to_vec();
        let changes = condition_changes_from_json(
            &self.inner.schema,
            |table| shape.position(table).is_some(),
            self.inner.method != Method::Monitor,
            &change.conditions,
        )?;
        for (table, condition) in changes {
            if let Some(at) = shape.position(table) {
                conditions[at] = condition;
            }
        }
        let after = Monitor::with_conditions(shape.clone(), before.form(), conditions);
        let mut updates = Vec::new();
        if after.write_difference(&before, &told.database, &mut updates) {
            let sent = self.send(&change.new_id, &told, &updates).await;
            // As of a monitor that nobody knows.
            sent.map_err(|Gone| OvsdbError::syntax(&change.old_id, "unknown monitor session"))?;
        }
        let mut telling = self.inner.telling.lock();
        telling.monitor = Arc::new(after);
        telling.id = change.new_id.clone();
        Ok(Json::Object(Object::new()))
    }

    /// Sends an update, by which the client knows this version.
    async fn send(&self, id: &Json, version: &Snapshot, updates: &[u8]) -> Result<(), Gone> {
        let inner = &self.inner;
        let write_params = |out: &mut Vec<u8>| {
            out.push(b'[');
            id.write_to(out);
            out.push(b',');
            if inner.method == Method::MonitorCondSince {
                out.push(b'"');
                out.extend_from_slice(&version.id().to_text());
                out.extend_from_slice(b"\",");
            }
            out.extend_from_slice(updates);
            out.push(b']');
        };
        let method = match inner.method {
            Method::Monitor => Method::Update,
            Method::MonitorCondSince => Method::Update3,
            _ => Method::Update2,
        };
        let mut text = Vec::new();
        jsonrpc::write_notification_with(method.as_str(), write_params, &mut text);
        tokio::select! {
            biased;
            () = self.ended() => Err(Gone),
            sent = inner.peer.send(Some(inner.key), text) => sent,
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
