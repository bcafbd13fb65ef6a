//! The part of the server that a program answers for: its service, and the databases that this names.
//!
//! Here the service loses its type. Nothing here knows sessions.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;

use super::engine::Engine;
use super::monitor::{MonitorChange, MonitorRequest};
use super::peer::Peer;
use super::service::{Call, LockWish, Reply, Service};
use crate::mailbox::DatabaseId;

/// A request to a service.
#[derive(Debug)]
pub(crate) enum Question {
    Transact {
        database: String,
        operations: Vec<Json>,
    },
    Monitor(MonitorRequest),
    MonitorCondChange(MonitorChange),
    MonitorCancel(Json),
    Lock(String, LockWish),
    Other {
        method: String,
        params: Vec<Json>,
    },
}

/// A [`Service`] of whatever type.
pub(crate) trait Answering: Send + Sync {
    fn schemas(&self) -> Vec<Arc<Schema>>;

    fn has_locks(&self) -> bool;

    fn answer(
        self: Arc<Self>,
        call: Call,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn disconnected(&self, peer: &Peer);
}

impl<S: Service> Answering for S {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        Service::schemas(self)
    }

    fn has_locks(&self) -> bool {
        Service::has_locks(self)
    }

    fn answer(
        self: Arc<Self>,
        call: Call,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Reply> + Send>> {
        Box::pin(async move {
            match question {
                Question::Transact {
                    database,
                    operations,
                } => self.transact(&call, &database, &operations).await,
                Question::Monitor(request) => self.monitor(&call, &request).await,
                Question::MonitorCondChange(change) => {
                    self.monitor_cond_change(&call, &change).await
                }
                Question::MonitorCancel(id) => self.monitor_cancel(&call, &id).await,
                Question::Lock(name, wish) => self.lock(&call, &name, wish).await,
                Question::Other { method, params } => self.call(&call, &method, &params).await,
            }
        })
    }

    fn disconnected(&self, peer: &Peer) {
        Service::disconnected(self, peer);
    }
}

/// A database that the service answers for.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Tells it from others, those of the same name and another schema included.
    pub(crate) id: DatabaseId,
    pub(crate) schema: Arc<Schema>,
    /// The schema as the reply to `get_schema`.
    pub(crate) schema_text: Vec<u8>,
}

/// See the module's documentation.
pub(crate) struct Program {
    pub(crate) service: Arc<dyn Answering>,
    pub(crate) engine: Engine,
    pub(crate) has_locks: bool,
    databases: BTreeMap<String, Arc<Answered>>,
}

impl Program {
    /// Asks a service what it answers for. Databases that it had `before` and that have the schema that they had are the
    /// same. Of several schemas of one name the first counts.
    pub(crate) fn new(
        service: Arc<dyn Answering>,
        engine: Engine,
        before: Option<&Program>,
    ) -> Program {
        let mut databases = BTreeMap::new();
        for schema in service.schemas() {
            let name = schema.name.to_string();
            let schema_text = schema.to_json().to_bytes();
            let known = before.and_then(|before| before.databases.get(&name));
            let database = match known {
                Some(known) if known.schema_text == schema_text => known.clone(),
                _ => Arc::new(Answered {
                    id: DatabaseId::fresh(),
                    schema_text,
                    schema,
                }),
            };
            databases.entry(name).or_insert(database);
        }
        Program {
            has_locks: service.has_locks(),
            service,
            engine,
            databases,
        }
    }

    /// The database of this name.
    pub(crate) fn database(&self, name: &str) -> Option<&Arc<Answered>> {
        self.databases.get(name)
    }

    /// All databases, by name.
    pub(crate) fn databases(&self) -> &BTreeMap<String, Arc<Answered>> {
        &self.databases
    }
}
