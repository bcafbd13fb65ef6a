//! What an engine is made of, and bringing it up.

use std::path::PathBuf;
use std::sync::Arc;

use ovsdb_engine::Database as Contents;
use ovsdb_proto::schema::Schema;

use super::engine::{Engine, RemoteError};
use super::gate::Gate;
use super::program::Answering;
use super::service::Service;
use crate::database::Storage;
use crate::file::{self, FileError};
use crate::limits::Limits;
use crate::remotes::RemoteOptions;
use crate::server::{AddError, Server};
use crate::tls::TlsSources;
use crate::writer::WriterOptions;

/// A database that the engine is to keep: on which schema, where, and behind which gate.
#[derive(Debug)]
pub struct Database {
    place: Place,
    gate: Option<Arc<dyn Gate>>,
}

#[derive(Debug)]
enum Place {
    Memory(Arc<Schema>),
    File(PathBuf),
    FileOrNew(PathBuf, Arc<Schema>),
}

impl Database {
    fn at(place: Place) -> Database {
        Database { place, gate: None }
    }

    /// An empty database that ends with the process.
    pub fn in_memory(schema: impl Into<Arc<Schema>>) -> Database {
        Database::at(Place::Memory(schema.into()))
    }

    /// The database of a file, which brings its schema along.
    pub fn in_file(path: impl Into<PathBuf>) -> Database {
        Database::at(Place::File(path.into()))
    }

    /// [`Database::in_file`]. If there is no such file, it is made first, with this schema and no rows. The schema of a file
    /// that is there stays what it is.
    pub fn in_file_or_new(path: impl Into<PathBuf>, schema: impl Into<Arc<Schema>>) -> Database {
        Database::at(Place::FileOrNew(path.into(), schema.into()))
    }

    /// Has clients pass a gate.
    #[must_use]
    pub fn behind(mut self, gate: impl Gate) -> Database {
        self.gate = Some(Arc::new(gate));
        self
    }

    /// Has `server` serve it.
    pub(super) async fn add_to(self, server: &Server) -> Result<(), AddError> {
        let Database { place, gate } = self;
        match place {
            Place::Memory(schema) => {
                let storage = Storage::Memory(Contents::new(schema));
                server.add_database_behind(gate, storage).await
            }
            Place::File(path) => server.add_file_behind(gate, &path).await,
            Place::FileOrNew(path, schema) => {
                let path = create(path, schema).await?;
                server.add_file_behind(gate, &path).await
            }
        }
    }
}

/// Makes a database file, unless it is there.
async fn create(path: PathBuf, schema: Arc<Schema>) -> Result<PathBuf, FileError> {
    let create = move || match file::create(&path, &schema) {
        // Should that be of no use, whoever opens it will say so.
        Err(_) if path.exists() => Ok(path),
        result => result.map(|()| path),
    };
    tokio::task::spawn_blocking(create)
        .await
        .expect("making a file does not panic")
}

/// Why an engine has not started. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system does not give us threads.
    #[error("cannot start threads ({0})")]
    Thread(std::io::Error),
    /// A database cannot be served.
    #[error(transparent)]
    Database(#[from] AddError),
    /// A remote cannot be listened on, or is none.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Says what an engine is to serve, and where. See [`Engine::builder`].
#[derive(Default)]
pub struct Builder {
    options: WriterOptions,
    limits: Limits,
    databases: Vec<Database>,
    service: Option<Arc<dyn Answering>>,
    remotes: Vec<(String, RemoteOptions)>,
    tls: Option<TlsSources>,
}

impl Builder {
    /// Serves a database that the engine keeps.
    #[must_use]
    pub fn database(mut self, database: Database) -> Builder {
        self.databases.push(database);
        self
    }

    /// Has a service answer for databases of its own, and for methods that nobody else knows. There can be one.
    #[must_use]
    pub fn service(mut self, service: impl Service) -> Builder {
        self.service = Some(Arc::new(service));
        self
    }

    /// Listens on, or connects to, a remote: `ptcp:PORT[:HOST]`, `pssl:PORT[:HOST]`, `punix:FILE`, `pfd:NUMBER`,
    /// `tcp:HOST:PORT`, `ssl:HOST:PORT` or `unix:FILE` (ovsdb(7), "Connection Methods"), or `db:DATABASE,TABLE,COLUMN`, which
    /// takes them from a database. An IPv6 address stands in brackets. `ptcp:0` takes a port that is free: see
    /// [`Engine::ports`].
    #[must_use]
    pub fn remote(self, name: &str) -> Builder {
        self.remote_with(name, RemoteOptions::default_for(name))
    }

    /// [`Builder::remote`] whose clients are to be treated like this: probed, read-only, under a role.
    #[must_use]
    pub fn remote_with(mut self, name: &str, options: RemoteOptions) -> Builder {
        self.remotes.push((name.to_owned(), options));
        self
    }

    /// Where key, certificates and the like of `pssl:` and `ssl:` remotes come from. They are the settings of the process:
    /// a second engine in it would replace them.
    #[must_use]
    pub fn tls(mut self, sources: TlsSources) -> Builder {
        self.tls = Some(sources);
        self
    }

    /// What clients may do at most.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Whether large columns are written to files as differences, which programs older than Open vSwitch 2.14 cannot read.
    #[must_use]
    pub fn column_diff(mut self, column_diff: bool) -> Builder {
        self.options.column_diff = column_diff;
        self
    }

    /// Starts everything. Must be called within a tokio runtime, and should be in one with several threads: with one alone,
    /// whoever asks for much holds up the others. When this returns, listeners accept connections.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(mut self) -> Result<Engine, StartError> {
        let databases = std::mem::take(&mut self.databases);
        let remotes = std::mem::take(&mut self.remotes);
        let service = self.service.take();
        let engine = self.prepare().await?;
        let started = async {
            for database in databases {
                engine.add_database(database).await?;
            }
            if let Some(service) = service {
                engine.set_service(service).await?;
            }
            for (name, options) in remotes {
                engine.add_remote_with(&name, options).await?;
            }
            Ok(())
        };
        match started.await {
            Ok(()) => {
                engine.keep_remotes();
                Ok(engine)
            }
            Err(error) => {
                engine.close().await;
                Err(error)
            }
        }
    }

    /// Makes an engine that serves nothing but `_Server` yet, and nobody. For programs that bring up databases and remotes
    /// in an order of their own, and call [`Engine::keep_remotes`] when they are there.
    ///
    /// # Errors
    /// The system does not give us threads.
    pub async fn prepare(self) -> Result<Engine, StartError> {
        let server = Server::with_limits(self.options, self.limits).map_err(StartError::Thread)?;
        let engine = Engine::new(server);
        if let Some(sources) = self.tls {
            engine.configuration().set_tls(sources).await;
        }
        Ok(engine)
    }
}
