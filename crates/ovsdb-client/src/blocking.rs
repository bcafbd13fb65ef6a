//! The client for programs without async: each call waits until it is done.
//!
//! This adds a runtime with one thread and nothing else; what happens is what [`crate::Client`] does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ovsdb_proto::build::Transaction;
use ovsdb_proto::json::Json;
use ovsdb_proto::reply::TransactReply;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use tokio::runtime::{Handle, Runtime};
use tokio::time::Instant;

use crate::client::Builder;
use crate::error::{ConnectError, RequestError};
use crate::execute::ExecuteError;
use crate::lock::{self, AlreadyWanted, LockState};
use crate::upstream::Server;

/// A client of the servers that serve one database: see [`crate::Client`]. Clones share its connection, and may be used by
/// several threads at once.
///
/// Times are how long to wait at most; with `None` a call waits as long as it takes. Calls from within a tokio runtime, whose
/// other tasks would be kept waiting, are refused: [`ConnectError::InsideRuntime`].
///
/// ```no_run
/// use std::time::Duration;
/// use ovsdb_client::blocking::Client;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let soon = Some(Duration::from_secs(10));
/// let client = Client::connect(ovsdb_client::Client::builder("tcp:127.0.0.1:6640"), soon)?;
/// println!("{:?}", client.list_dbs(soon)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    background: Arc<Background>,
}

/// The runtime that the tasks of a client run on.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Background {
    fn start() -> Result<Background, ConnectError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ovsdb-client")
            .enable_all()
            .build()
            .map_err(|error| ConnectError::Runtime(error.kind()))?;
        Ok(Background(Some(runtime)))
    }

    fn wait<F: Future>(&self, future: F) -> Result<F::Output, ConnectError> {
        if Handle::try_current().is_ok() {
            return Err(ConnectError::InsideRuntime);
        }
        match &self.0 {
            Some(runtime) => Ok(runtime.block_on(future)),
            // It is there until it is dropped.
            None => Err(ConnectError::Closed),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Does not wait, as tokio does not let it within another runtime.
            runtime.shutdown_background();
        }
    }
}

fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    // What is beyond all times is never.
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

impl Client {
    /// Starts a client and waits for its connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(builder: Builder, timeout: Option<Duration>) -> Result<Client, ConnectError> {
        let client = Client::start(builder)?;
        client.ready(timeout)?;
        Ok(client)
    }

    /// Starts a client, and does not wait for its connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn start(builder: Builder) -> Result<Client, ConnectError> {
        let background = Background::start()?;
        let client = background.wait(async { builder.start() })??;
        Ok(Client {
            client,
            background: Arc::new(background),
        })
    }

    /// The client itself. What it offers besides waiting may be called directly; for its futures there is [`Client::wait`].
    pub fn client(&self) -> &crate::Client {
        &self.client
    }

    /// Waits for whatever is done with the client: for what this type has no function for, such as replicas.
    ///
    /// # Errors
    /// [`ConnectError::InsideRuntime`]; then nothing has been done.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output, ConnectError> {
        self.background.wait(future)
    }

    /// See [`crate::Client::ready`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn ready(&self, timeout: Option<Duration>) -> Result<Server, ConnectError> {
        self.wait(async { self.client.ready(deadline(timeout)).await })?
    }

    /// See [`crate::Client::list_dbs`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn list_dbs(&self, timeout: Option<Duration>) -> Result<Vec<String>, RequestError> {
        self.wait(async { self.client.list_dbs(deadline(timeout)).await })?
    }

    /// See [`crate::Client::get_schema`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn get_schema(
        &self,
        database: &str,
        timeout: Option<Duration>,
    ) -> Result<Schema, RequestError> {
        self.wait(async { self.client.get_schema(database, deadline(timeout)).await })?
    }

    /// See [`crate::Client::transact`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn transact(
        &self,
        database: &str,
        operations: &[Json],
        timeout: Option<Duration>,
    ) -> Result<Vec<Json>, RequestError> {
        self.wait(async {
            let deadline = deadline(timeout);
            self.client.transact(database, operations, deadline).await
        })?
    }

    /// See [`crate::Client::execute`].
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn execute(
        &self,
        transaction: &Transaction,
        timeout: Option<Duration>,
    ) -> Result<TransactReply, ExecuteError> {
        self.wait(async { self.client.execute(transaction, deadline(timeout)).await })
            .map_err(RequestError::from)?
    }

    /// See [`crate::Client::get_server_id`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn get_server_id(&self, timeout: Option<Duration>) -> Result<Uuid, RequestError> {
        self.wait(async { self.client.get_server_id(deadline(timeout)).await })?
    }

    /// See [`crate::Client::convert`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn convert(
        &self,
        database: &str,
        schema: &Json,
        timeout: Option<Duration>,
    ) -> Result<(), RequestError> {
        self.wait(async {
            let deadline = deadline(timeout);
            self.client.convert(database, schema, deadline).await
        })?
    }

    /// See [`crate::Client::lock`].
    ///
    /// # Errors
    /// [`AlreadyWanted`]
    pub fn lock(&self, name: &str) -> Result<Lock, AlreadyWanted> {
        self.client.lock(name).map(|lock| self.hold(lock))
    }

    /// See [`crate::Client::steal`].
    ///
    /// # Errors
    /// [`AlreadyWanted`]
    pub fn steal(&self, name: &str) -> Result<Lock, AlreadyWanted> {
        self.client.steal(name).map(|lock| self.hold(lock))
    }

    fn hold(&self, lock: lock::Lock) -> Lock {
        Lock {
            lock,
            client: self.clone(),
        }
    }

    /// See [`crate::Client::close`].
    pub fn close(&self) {
        self.client.close();
    }
}

/// A lock that a client holds or waits for: see [`crate::Lock`]. It is given back when this is dropped, and keeps its client.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Lock {
    lock: lock::Lock,
    client: Client,
}

impl Lock {
    /// Its name, as an `assert` operation names it.
    pub fn name(&self) -> &str {
        self.lock.name()
    }

    /// How it stands with it now.
    pub fn state(&self) -> LockState {
        self.lock.state().borrow().clone()
    }

    /// The lock itself, as [`Txn::wait_for_lock`](crate::txn::Txn::wait_for_lock) takes it.
    pub fn as_lock(&self) -> &lock::Lock {
        &self.lock
    }

    /// Waits until it is held.
    ///
    /// # Errors
    /// [`ConnectError::Deadline`], [`ConnectError::Closed`], [`ConnectError::InsideRuntime`].
    pub fn held(&self, timeout: Option<Duration>) -> Result<(), ConnectError> {
        self.client
            .wait(async { self.lock.held(deadline(timeout)).await })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_gives_up_in_time_and_several_threads_wait_at_once() {
        let servers = crate::Client::builder("unix:/nonexistent/socket");
        let client = Client::start(servers).expect("the method is well formed");
        let soon = Some(Duration::from_millis(10));
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let client = client.clone();
                std::thread::spawn(move || client.list_dbs(soon))
            })
            .collect();
        for thread in waiting {
            let result = thread.join().expect("no panic");
            assert!(matches!(
                result,
                Err(RequestError::NotConnected(ConnectError::Deadline { .. }))
            ));
        }
        let lock = client.lock("l").expect("nobody wants it");
        assert_eq!(lock.state(), LockState::Requested);
        assert!(matches!(
            lock.held(soon),
            Err(ConnectError::Deadline { .. })
        ));
        client.close();
        assert_eq!(client.ready(None), Err(ConnectError::Closed));
        assert_eq!(lock.held(None), Err(ConnectError::Closed));
    }

    #[test]
    fn within_a_runtime_calls_are_refused_and_dropping_is_not() {
        let builder = || crate::Client::builder("unix:/nonexistent/socket");
        let client = Client::start(builder()).expect("the method is well formed");
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().expect("tests can make runtimes");
        runtime.block_on(async {
            let refused = Client::connect(builder(), None).err();
            assert_eq!(refused, Some(ConnectError::InsideRuntime));
            assert!(matches!(
                client.get_server_id(None),
                Err(RequestError::NotConnected(ConnectError::InsideRuntime))
            ));
            drop(client);
        });
    }
}
