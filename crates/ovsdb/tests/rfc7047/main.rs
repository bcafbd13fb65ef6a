//! Every method of RFC 7047, section 4.1, every part of section 5.1 that programs write, and every operation of section 5.2, by
//! this library on servers of both sides. `docs/library/coverage.md` has the table.

mod methods;
mod notation;
mod operations;

use std::fs;
use std::time::Duration;

use ovsdb::build::Transaction;
use ovsdb::error::ErrorTag;
use ovsdb::net::{Method, Stream};
use ovsdb::reply::{TransactError, TransactReply};
use ovsdb::{Event, Events, ExecuteError, Notification, Options, Session};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::{Instant, timeout_at};

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{
    "Root":{"columns":{
        "name":{"type":"string"},
        "fixed":{"type":"string","mutable":false},
        "number":{"type":"integer"},
        "real":{"type":"real"},
        "flag":{"type":"boolean"},
        "set":{"type":{"key":"integer","min":0,"max":"unlimited"}},
        "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
        "parts":{"type":{"key":{"type":"uuid","refTable":"Part"},"min":0,"max":"unlimited"}},
        "remotes":{"type":{"key":{"type":"uuid","refTable":"Remote"},"min":0,"max":"unlimited"}}},
        "isRoot":true,"indexes":[["name"]]},
    "Part":{"columns":{"name":{"type":"string"}}},
    "Remote":{"columns":{"target":{"type":"string"},
        "inactivity_probe":{"type":{"key":"integer","min":0,"max":1}}}}}}"#;

/// No test waits longer than this for anything.
pub(crate) fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

/// Where a test finds things.
pub(crate) struct Place<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) server: &'a Server,
    pub(crate) side: Side,
}

impl Place<'_> {
    /// A session of its own.
    pub(crate) async fn session(&self) -> (Session, Events) {
        self.session_by(&self.server.remote()).await
    }

    pub(crate) async fn session_by(&self, remote: &str) -> (Session, Events) {
        let method = Method::parse(remote).expect("the server has an address");
        let stream = Stream::connect(&method).await.expect("the server is up");
        Session::start(stream, &Options::default())
    }
}

/// Runs a test on a server of each side.
pub(crate) fn check(test: impl AsyncFn(Place<'_>, Session, Events)) {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("test.ovsschema");
        fs::write(&schema, SCHEMA).expect("the sandbox is writable");
        let databases: [(&str, &std::path::Path); 1] = [("test.db", &schema)];
        let remotes = ["--remote=db:test,Root,remotes"];
        let server = Server::start_as(&sandbox, side, "server", "db.sock", &databases, &remotes);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        runtime.block_on(async {
            let place = Place {
                sandbox: &sandbox,
                server: &server,
                side,
            };
            let (session, events) = place.session().await;
            test(place, session, events).await;
        });
    }
}

/// A transaction of no operations on the database of these tests.
pub(crate) fn transaction() -> Transaction {
    Transaction::new("test")
}

/// Carries out a transaction that succeeds.
pub(crate) async fn done(session: &Session, transaction: &Transaction) -> TransactReply {
    let reply = session.execute(transaction, soon()).await;
    reply.unwrap_or_else(|error| panic!("{transaction:?}: {error}"))
}

/// Carries out a transaction of which an operation fails: its place, and with what.
pub(crate) async fn failed(
    session: &Session,
    transaction: &Transaction,
) -> (usize, Option<ErrorTag>) {
    match session.execute(transaction, soon()).await {
        Err(ExecuteError::Failed(TransactError::Operation { at, error, .. })) => (at, error.tag()),
        other => panic!("{transaction:?}: {other:?}"),
    }
}

/// The next notification.
pub(crate) async fn told(events: &mut Events) -> Notification {
    let deadline = soon().expect("there is a deadline");
    let event = timeout_at(deadline, events.next()).await;
    match event.expect("something comes in time") {
        Ok(Event::Notification(notification)) => notification,
        other => panic!("{other:?}"),
    }
}
