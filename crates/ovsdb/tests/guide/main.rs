//! The code that the guide and the notes on migration show, run on servers of both sides; and whether they show it.

mod guide;
mod migration;
mod pages;
mod serving;
mod tls;

use std::error::Error;
use std::time::Duration;

use ovsdb::Client;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// No test waits longer than this for anything.
fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

/// A server with an OVN Northbound database, and the reference's program for it.
struct Northbound {
    sandbox: Sandbox,
    server: Server,
}

impl Northbound {
    fn start(side: Side) -> Northbound {
        let sandbox = Sandbox::new();
        let schema = reference_schema("ovn-nb");
        let server = Server::start(&sandbox, side, &[("nb.db", &schema)]);
        let northbound = Northbound { sandbox, server };
        northbound.nbctl(&["init"]);
        northbound
    }

    fn nbctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db={}", self.server.remote());
        let all = [&[database.as_str()], arguments].concat();
        self.sandbox.run_ok(reference("ovn-nbctl"), &all)
    }

    async fn client(&self) -> Client {
        let builder = Client::builder(&self.server.remote()).database("OVN_Northbound");
        builder.connect(soon()).await.expect("the server is up")
    }
}
