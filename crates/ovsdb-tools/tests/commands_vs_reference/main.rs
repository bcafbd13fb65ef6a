//! Every command of `ovsdb-client`, `ovsdb-tool` and `ovs-appctl`, the reference's beside ours, on the same input: both print the same
//! bytes and end by the same code.
//!
//! The command lines are tables: what is shown in which styles (`styles`), what else there is to say to `ovsdb-client`
//! (`client`), to `ovsdb-tool` (`tool`, on the files of `tool_files`), and to `ovs-appctl` (`appctl`). Clients that stay (`monitor`, `lock`, `--detach`) have a test of their own,
//! `client_vs_reference`. `restore` is about what only ours can do. What differs and is meant to stands in `known`, for each release of the reference.

mod appctl;
mod client;
mod contents;
mod known;
mod restore;
mod styles;
mod tool;
mod tool_files;

use std::path::PathBuf;

use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;

/// Rows of each table but those that are said otherwise.
const ROWS: usize = 7;

/// A server with filled databases of all schemas, `db.sock` in its sandbox.
struct Stage {
    /// What it serves: a stage that is taken down ends the server first.
    server: Server,
    sandbox: Sandbox,
}

impl Stage {
    /// A server of this side with the database `Every`, and those of Open vSwitch and OVN if it is to have `all`.
    fn new(side: Side, all: bool) -> Stage {
        let sandbox = Sandbox::new();
        let every = sandbox.path("every.ovsschema");
        std::fs::write(&every, contents::every_type()).expect("the sandbox is writable");
        let mut schemas: Vec<(String, PathBuf)> = vec![("every.db".into(), every)];
        if all {
            for name in ["vswitch", "vtep", "ovn-nb", "ovn-sb"] {
                schemas.push((format!("{name}.db"), reference_schema(name)));
            }
        }
        let databases: Vec<_> = schemas
            .iter()
            .map(|(file, schema)| (file.as_str(), schema.as_path()))
            .collect();
        let server = Server::start(&sandbox, side, &databases);
        for (_, schema) in &databases {
            let text = std::fs::read_to_string(schema).expect("the schema is there");
            contents::fill(server.socket(), &text, ROWS);
        }
        Stage { server, sandbox }
    }
}
