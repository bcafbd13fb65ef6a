//! The handle of a running engine: what a program does with its databases, its remotes and its clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ovsdb_net::{Method, MethodError, Stream};
use ovsdb_proto::build::{Invalid, Transaction};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::reply::{TransactError, TransactReply};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::builder::{Builder, Database};
use super::program::{Answering, Program};
use super::snapshot::Snapshot;
use super::watch::Watch;
use crate::configuration::Configuration;
use crate::database::Served;
use crate::in_process;
use crate::mailbox::Answer;
use crate::remotes::{self, RemoteOptions};
use crate::runtime::fresh_uuid;
use crate::server::{AddError, Server};
use crate::targets::{self, TargetError};

/// Why a remote is not open.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// It is no connection method.
    #[error("{name}: {source}")]
    Method {
        /// The remote.
        name: String,
        /// What is wrong with it.
        source: MethodError,
    },
    /// It cannot be listened on.
    #[error("{name}: listen failed: {reason}")]
    Listen {
        /// The remote.
        name: String,
        /// The system's reason.
        reason: String,
    },
    /// The column of a database that it is to come from does not exist.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Why a transaction of the program itself had no effect.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The engine keeps no database of this name.
    #[error("{name}: no such database")]
    UnknownDatabase {
        /// The database.
        name: String,
    },
    /// It cannot be written down.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database was closed, or converted, before it could be carried out.
    #[error("canceled")]
    Canceled,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] TransactError),
}

/// A running engine. Clones are the same one, which serves until [`Engine::close`] or the end of the runtime.
///
/// Adding and removing databases, [`Engine::refresh_service`] and [`Engine::close`] go on to their end once they have begun, also
/// if their future is dropped.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    server: Arc<Server>,
    configuration: Arc<Configuration>,
    /// Keeps remotes as they are wanted.
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("databases", &self.databases())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins to say what is to be served.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(server: Arc<Server>) -> Engine {
        let configuration = Configuration::new(server.clone());
        Engine {
            shared: Arc::new(Shared {
                server,
                configuration,
                keeper: Mutex::default(),
            }),
        }
    }

    /// The names of all databases, those of the service and `_Server` among them, in order.
    pub fn databases(&self) -> Vec<String> {
        self.shared.server.database_names()
    }

    /// Serves one more database. Clients that do not look after such changes themselves are disconnected, so that they
    /// notice.
    ///
    /// # Errors
    /// See [`AddError`].
    pub async fn add_database(&self, database: Database) -> Result<(), AddError> {
        let shared = self.shared.clone();
        let added = async move {
            database.add_to(&shared.server).await?;
            shared.configuration.refresh();
            Ok(())
        };
        to_the_end(added).await
    }

    /// Stops serving a database. Returns when its file is closed and unlocked; false if there is none of this name.
    pub async fn remove_database(&self, name: &str) -> bool {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        let removed = async move {
            let comment = format!("removing {name} database");
            let removed = shared.server.remove(&name, &comment).await;
            shared.configuration.refresh();
            removed
        };
        to_the_end(removed).await
    }

    /// Has the service say anew for which databases it answers. Those whose schemas differ are others from now on: monitors on
    /// what has gone end, and clients that do not look after such changes themselves are disconnected, so that they notice.
    ///
    /// # Errors
    /// A name is taken or reserved, or there are too many databases. All is as before then.
    pub async fn refresh_service(&self) -> Result<(), AddError> {
        let make = |before: Option<&Program>| {
            let before = before?;
            let (service, engine) = (before.service.clone(), before.engine.clone());
            Some(Program::new(service, engine, Some(before)))
        };
        let server = self.shared.server.clone();
        to_the_end(async move { server.set_program(make).await }).await
    }

    /// Has a service answer for databases and methods.
    pub(super) async fn set_service(&self, service: Arc<dyn Answering>) -> Result<(), AddError> {
        let make = |_: Option<&Program>| Some(Program::new(service, self.clone(), None));
        self.shared.server.set_program(make).await
    }

    /// A database as it is now, if the engine keeps one of this name.
    pub fn snapshot(&self, database: &str) -> Option<Snapshot> {
        let served = self.shared.server.database(database)?;
        Some(Snapshot::from(&*served.version()))
    }

    /// Hears of what changes in a database from now on.
    pub fn watch(&self, database: &str) -> Option<Watch> {
        Watch::start(&self.shared.server, database)
    }

    /// Carries out a transaction of the program itself, with all rights, and gives the results of its operations. Clients are
    /// told of what it changes like of any other, but not necessarily before this returns. It passes no gate, and holds no
    /// lock: `assert` fails. Dropping the future takes back a transaction that a `wait` holds back, and no other.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn transact(&self, transaction: &Transaction) -> Result<TransactReply, ExecuteError> {
        let params = transaction.to_params()?;
        let result = self.execute(transaction.database(), &params[1..]).await?;
        Ok(transaction.read_reply(&result)?)
    }

    /// [`Engine::transact`] of operations as clients send them, with the result as clients get it: an array of one result an
    /// operation, the errors of those that failed among them (RFC 7047, section 4.1.3).
    ///
    /// # Errors
    /// [`ExecuteError::UnknownDatabase`] and [`ExecuteError::Canceled`].
    pub async fn execute(&self, database: &str, operations: &[Json]) -> Result<Json, ExecuteError> {
        let served = self.served(database)?;
        let transact = parse_transact(served.schema(), operations, &mut fresh_uuid);
        match in_process::transact(&served, transact).await {
            Answer::Results(results) => {
                Ok(json::parse(&results.to_bytes()).expect("results are JSON"))
            }
            _ => Err(ExecuteError::Canceled),
        }
    }

    fn served(&self, name: &str) -> Result<Arc<Served>, ExecuteError> {
        let served = self.shared.server.database(name);
        served.ok_or_else(|| ExecuteError::UnknownDatabase {
            name: name.to_owned(),
        })
    }

    /// Listens on, or connects to, one more remote: see [`Builder::remote`].
    ///
    /// # Errors
    /// See [`RemoteError`]. A server that cannot be reached at the moment is no error: it is tried again and again.
    pub async fn add_remote(&self, name: &str) -> Result<(), RemoteError> {
        self.add_remote_with(name, RemoteOptions::default_for(name))
            .await
    }

    /// [`Engine::add_remote`] with options. Those of a remote that is there are changed.
    ///
    /// # Errors
    /// As [`Engine::add_remote`].
    pub async fn add_remote_with(
        &self,
        name: &str,
        options: RemoteOptions,
    ) -> Result<(), RemoteError> {
        let configuration = &self.shared.configuration;
        if targets::is_database(name) {
            configuration.add(name).await?;
        } else {
            Method::parse(name).map_err(|source| RemoteError::Method {
                name: name.to_owned(),
                source,
            })?;
            configuration.put(name, options).await;
        }
        // What is wrong with other remotes is none of this one's business.
        let _ = configuration.apply().await;
        match configuration.failure(name).await {
            Some(reason) => {
                configuration.remove(name).await;
                let name = name.to_owned();
                Err(RemoteError::Listen { name, reason })
            }
            None => Ok(()),
        }
    }

    /// Closes a remote, and disconnects its clients. False if there is none of this name.
    pub async fn remove_remote(&self, name: &str) -> bool {
        let removed = self.shared.configuration.remove(name).await;
        let _ = self.shared.configuration.apply().await;
        removed
    }

    /// The names of the remotes, in order.
    pub async fn remotes(&self) -> Vec<String> {
        self.shared.configuration.list().await
    }

    /// The TCP ports on which remotes listen, by the names of the remotes.
    pub async fn ports(&self) -> BTreeMap<String, u16> {
        self.shared.configuration.current_ports().await
    }

    /// Serves the client at the other end of a stream that the program has come by in a way of its own.
    pub fn serve(&self, stream: Stream, options: &RemoteOptions) {
        remotes::serve(
            &self.shared.server,
            stream.name().to_owned().as_str(),
            stream,
            options,
        );
    }

    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.shared.server.sessions()
    }

    /// From now on remotes are opened and closed by themselves where databases name them, tried again where they could not be
    /// opened, and their status written to databases. [`Builder::start`] has seen to it.
    pub fn keep_remotes(&self) {
        let configuration = self.shared.configuration.clone();
        let keeper = tokio::spawn(async move { configuration.run().await });
        if let Some(old) = self.shared.keeper.lock().replace(keeper) {
            old.abort();
        }
    }

    /// Ends everything: what has been accepted is brought to its end, all else canceled, and clients are disconnected.
    /// Returns when files are closed and unlocked and nobody is served any more. Whoever calls it a second time waits as
    /// well.
    pub async fn close(&self) {
        let shared = self.shared.clone();
        let closed = async move {
            // From here on remotes and their status in databases are as they were.
            let keeper = shared.keeper.lock().take();
            if let Some(keeper) = keeper {
                keeper.abort();
                // That it was aborted is no news.
                let _ = keeper.await;
            }
            shared.server.close().await;
            shared.configuration.close().await;
            shared.server.deserted().await;
        };
        to_the_end(closed).await;
    }

    /// The server itself, for programs that look at its parts.
    pub fn server(&self) -> &Arc<Server> {
        &self.shared.server
    }

    /// The remotes and settings of TLS as they are wanted, for programs that have a configuration of their own.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.shared.configuration
    }
}

/// Does what must not be left half done, also if nobody waits for it any more: a call of a service ends with its client, and
/// that may be cut off by just this.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
