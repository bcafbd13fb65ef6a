//! The servers of a world, each behind a network that fails: one server, or a cluster of three.
//!
//! What is done here waits for its event; nothing here decides what is done.

use std::fs;
use std::path::{Path, PathBuf};

use ovsdb_testkit::control::Control;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::proxy::{Proxy, Weather};
use ovsdb_testkit::sandbox::Sandbox;

use super::schemas::{DATABASE, FIRST, SECOND};

/// What serves the database of a world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// One server.
    Single(Side),
    /// A cluster of three servers of the reference.
    Cluster,
}

/// The servers of a world.
pub(crate) struct Deployment {
    kind: Kind,
    pub(crate) members: Vec<Member>,
    schemas: [PathBuf; 2],
    // Its folder goes after everything that uses it.
    sandbox: Sandbox,
}

/// A server, and how clients reach it.
pub(crate) struct Member {
    name: String,
    port: Port,
    socket: PathBuf,
    control: PathBuf,
    server: Option<Server>,
    is_stopped: bool,
    pub(crate) proxy: Proxy,
}

impl Deployment {
    /// Starts the servers, and waits until they serve.
    pub(crate) fn start(kind: Kind, seed: u64) -> Deployment {
        let sandbox = Sandbox::new();
        let schemas = [("first", FIRST), ("second", SECOND)].map(|(name, text)| {
            let path = sandbox.path(format!("{name}.ovsschema"));
            fs::write(&path, text).expect("the sandbox is writable");
            path
        });
        let mut deployment = Deployment {
            kind,
            members: Vec::new(),
            schemas,
            sandbox,
        };
        deployment.make_files();
        let n = match kind {
            Kind::Single(_) => 1,
            Kind::Cluster => 3,
        };
        for nth in 0..n {
            let port = Port::reserve();
            let name = nth.to_string();
            deployment.members.push(Member {
                proxy: Proxy::tcp(port.number(), seed.wrapping_add(nth)),
                port,
                socket: deployment.sandbox.path(format!("{name}.sock")),
                control: deployment.sandbox.path(format!("{name}.ctl")),
                name,
                server: None,
                is_stopped: false,
            });
        }
        for nth in 0..deployment.members.len() {
            deployment.revive(nth);
            // The others join by way of the first.
            deployment.wait_for(nth);
        }
        deployment
    }

    /// Waits until each server has the database.
    pub(crate) fn wait(&self) {
        for nth in 0..self.members.len() {
            self.wait_for(nth);
        }
    }

    fn wait_for(&self, nth: usize) {
        let words = ["-t60", "wait", &self.direct(nth), DATABASE, "connected"];
        let client = self.side().program("ovsdb-client");
        self.sandbox.run_ok(client, &words);
    }

    fn side(&self) -> Side {
        match self.kind {
            Kind::Single(side) => side,
            Kind::Cluster => Side::Reference,
        }
    }

    /// A single server makes its own file.
    fn make_files(&self) {
        if self.kind != Kind::Cluster {
            return;
        }
        let tool = |words: &[&str]| {
            let tool = Side::Reference.program("ovsdb-tool");
            self.sandbox.run_ok(tool, words);
        };
        let path = |name: &str| self.sandbox.path(name).display().to_string();
        let addresses =
            ["0", "1", "2"].map(|name| format!("unix:{}", path(&format!("{name}.raft"))));
        let schema = self.schemas[0].display().to_string();
        tool(&["create-cluster", &path("0.db"), &schema, &addresses[0]]);
        for (file, address) in ["1.db", "2.db"].into_iter().zip(&addresses[1..]) {
            let first = &addresses[0];
            tool(&["join-cluster", &path(file), DATABASE, address, first]);
        }
    }

    /// Where a server listens itself, without a network in between.
    fn direct(&self, nth: usize) -> String {
        format!("unix:{}", self.members[nth].socket.display())
    }

    /// Where clients reach all of them without a network in between.
    pub(crate) fn all_direct(&self) -> String {
        let all: Vec<String> = (0..self.members.len())
            .map(|nth| self.direct(nth))
            .collect();
        all.join(",")
    }

    /// Where clients reach all of them through the network.
    pub(crate) fn remotes(&self) -> String {
        let all: Vec<&str> = self
            .members
            .iter()
            .map(|member| member.proxy.remote())
            .collect();
        all.join(",")
    }

    /// Kills a server where it stands.
    pub(crate) fn kill(&mut self, nth: usize) {
        let member = &mut self.members[nth];
        if let Some(server) = member.server.take() {
            server.kill();
            for left in [&member.socket, &member.control] {
                fs::remove_file(left).expect("the killed server left its sockets");
            }
        }
        member.is_stopped = false;
    }

    /// Starts a server, if it does not run.
    pub(crate) fn revive(&mut self, nth: usize) {
        let side = self.side();
        let member = &mut self.members[nth];
        if member.server.is_none() {
            let file = format!("{}.db", member.name);
            member.server = Some(Server::start_as(
                &self.sandbox,
                side,
                &member.name,
                &format!("{}.sock", member.name),
                &[(&file, Path::new(&self.schemas[0]))],
                &[&member.port.server_option()],
            ));
        }
    }

    /// Has a server stand still, or go on.
    pub(crate) fn stop(&mut self, nth: usize, is_stopped: bool) {
        let member = &mut self.members[nth];
        if let Some(server) = &member.server
            && member.is_stopped != is_stopped
        {
            match is_stopped {
                true => server.daemon().freeze(),
                false => server.daemon().thaw(),
            }
            member.is_stopped = is_stopped;
        }
    }

    /// Has everything run, over a fair network, on new connections.
    pub(crate) fn heal(&mut self) {
        for nth in 0..self.members.len() {
            self.stop(nth, false);
            self.revive(nth);
            let proxy = &self.members[nth].proxy;
            proxy.set_weather(Weather::FAIR);
            proxy.refuse(false);
            proxy.cut(100);
        }
    }

    /// Tries to convert the database, to the first schema or the second. A server that is cut off from its cluster refuses.
    pub(crate) fn convert(&self, nth: usize) -> bool {
        let schema = self.schemas[nth].display().to_string();
        let words = ["-t10", "convert", &self.all_direct(), &schema];
        let program = self.side().program("ovsdb-client");
        self.sandbox.run(program, &words).ok()
    }

    /// The server that leads, by its own words; `None` if none says so just now.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leads = |member: &&Member| {
            let runs = member.server.is_some() && !member.is_stopped;
            runs && {
                let status = Control::connect(&member.control).text("cluster/status", &[DATABASE]);
                status.is_ok_and(|status| status.contains("\nRole: leader\n"))
            }
        };
        self.members.iter().position(|member| leads(&member))
    }

    /// Has the leader of a cluster give the lead away.
    pub(crate) fn transfer(&self) {
        if let Some(nth) = self.leader() {
            let mut control = Control::connect(&self.members[nth].control);
            // One that has lost the lead meanwhile refuses.
            let _ = control.call("cluster/failure-test", &["transfer-leadership"]);
        }
    }
}
