//! One server with the clients of a script: sends steps and collects what comes back.
//!
//! It compares nothing. What it has seen is judged elsewhere.

use std::path::{Path, PathBuf};

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::raw::Raw;
use ovsdb_testkit::sandbox::Sandbox;

use crate::canonical::Names;
use crate::script::{Action, Step};

/// How many clients a script has at most.
pub(crate) const CLIENTS: usize = 4;

/// Stands among the messages of a client for the end of its connection.
pub(crate) const END: &str = r#"{"end":"of connection"}"#;

/// What a client asks, to know by the reply that what came before has been seen to. Not `echo`, which ours answers
/// before its turn if that takes long.
const BARRIER: &str = r#"{"id":"barrier","method":"get_server_id","params":[]}"#;

/// The name of the database's file.
const FILE: &str = "database";

/// How many atoms a database has that keeps a history of small transactions.
const BALLAST: u32 = 50_000;

/// The server has gone.
#[derive(Debug)]
pub(crate) struct Crash;

/// How a server keeps its database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Storage {
    /// In a file of its own.
    Standalone,
    /// As the only member of a cluster. The reference keeps a history of transactions only there.
    Cluster,
}

/// A server and its clients.
#[derive(Debug)]
pub(crate) struct Stage {
    clients: Vec<RawClient>,
    /// What each client has received since this was last taken.
    seen: Vec<Vec<String>>,
    witness: Option<usize>,
    /// What the script's texts stand for on this server.
    pub(crate) names: Names,
    side: Side,
    reference: bool,
    storage: Storage,
    schema: PathBuf,
    /// The server must go before the folder that it works in.
    server: Server,
    sandbox: Sandbox,
}

impl Stage {
    /// Starts a server with an empty database of the schema.
    pub(crate) fn start(side: Side, storage: Storage, schema: &Path) -> Stage {
        let sandbox = Sandbox::new();
        if storage == Storage::Cluster {
            let arguments = [
                "create-cluster".into(),
                sandbox.path(FILE).into_os_string(),
                schema.as_os_str().to_owned(),
                "unix:cluster.sock".into(),
            ];
            sandbox.run_ok(side.program("ovsdb-tool"), &arguments);
        }
        let server = Server::start(&sandbox, side, &[(FILE, schema)]);
        if storage == Storage::Cluster {
            // The reference's history has no more atoms than the database.
            let numbers: Vec<String> = (0..BALLAST).map(|number| number.to_string()).collect();
            let numbers = numbers.join(",");
            let insert = format!(
                r#"{{"id":0,"method":"transact","params":["Sessions",{{"op":"insert","table":"Ballast","row":{{"numbers":["set",[{numbers}]]}}}}]}}"#
            );
            RawClient::connect(server.socket()).call(&insert);
        }
        let version = sandbox.run_ok(side.program("ovsdb-server"), &["--version"]);
        Stage {
            clients: Vec::new(),
            seen: Vec::new(),
            witness: None,
            names: Names::default(),
            side,
            reference: !version.contains("ovsdb-rs"),
            storage,
            schema: schema.to_owned(),
            server,
            sandbox,
        }
    }

    /// The same with a fresh server.
    pub(crate) fn restarted(&self) -> Stage {
        let mut stage = Stage::start(self.side, self.storage, &self.schema);
        stage.names.transactions_are_alike = self.names.transactions_are_alike;
        stage
    }

    /// Whether this is the reference's server. Whoever compares two releases of it has them on both sides.
    pub(crate) fn is_reference(&self) -> bool {
        self.reference
    }

    /// The server's log.
    pub(crate) fn log(&self) -> String {
        self.sandbox.text("ovsdb-server.log")
    }

    /// Begins a session: nothing is left of earlier ones, the database is empty, all clients are connected.
    /// The requests see to the database. With a request of its own, there is one more client, a witness: it is no part
    /// of the script, and its request makes sure that it is told of every transaction.
    pub(crate) fn begin(
        &mut self,
        requests: &[String],
        clients: usize,
        witness: Option<&str>,
    ) -> Result<(), Crash> {
        while let Some(mut client) = self.clients.pop() {
            drain(&mut client);
        }
        for request in requests {
            let results = self.ask(request)?;
            let text = results.to_string();
            assert!(
                text.contains("count") && !text.contains("error"),
                "{request}: {text}"
            );
        }
        self.names.forget();
        self.witness = witness.map(|_| clients);
        let clients = clients + usize::from(witness.is_some());
        for _ in 0..clients {
            let client = self.enter()?;
            self.clients.push(client);
        }
        self.seen = vec![Vec::new(); clients];
        if let (Some(client), Some(request)) = (self.witness, witness) {
            let sent = self.clients[client].send(request.as_bytes());
            sent.map_err(|_| Crash)?;
            self.send_barrier(client);
            self.receive_barrier(client)?;
        }
        Ok(())
    }

    /// Does a step, without waiting for what it leads to.
    pub(crate) fn perform(&mut self, step: &Step) -> Result<(), Crash> {
        match step.text(|number| self.names.transaction(number)) {
            // A connection that has ended shows by what it receives.
            Some(text) => drop(self.clients[step.client].send(text.as_bytes())),
            None => {
                debug_assert!(matches!(step.action, Action::Reconnect));
                let rest = drain(&mut self.clients[step.client]);
                self.seen[step.client].extend(rest);
                self.clients[step.client] = self.enter()?;
            }
        }
        Ok(())
    }

    /// Has every client ask for something, `first` before the others, and keeps what came before the answers.
    ///
    /// A client whose connection has ended is connected anew.
    pub(crate) fn barrier(&mut self, first: usize) -> Result<(), Crash> {
        self.send_barrier(first);
        self.receive_barrier(first)?;
        let others = (0..self.clients.len()).filter(|other| *other != first);
        for client in others.clone() {
            self.send_barrier(client);
        }
        for client in others {
            self.receive_barrier(client)?;
        }
        Ok(())
    }

    /// Waits until all these steps are answered that have to be, and then for a barrier of every client.
    pub(crate) fn settle(&mut self, steps: &[Step]) -> Result<(), Crash> {
        for step in steps.iter().filter(|step| step.is_answered()) {
            self.wait_for(step)?;
        }
        self.barrier(steps.first().map_or(0, |step| step.client))
    }

    /// Waits for the reply to a step's request, or for the end of its connection.
    pub(crate) fn wait_for(&mut self, step: &Step) -> Result<(), Crash> {
        let client = step.client;
        let id = Raw::integer(i64::try_from(step.number).expect("scripts are short"));
        let member = format!(r#""id":{id}"#);
        let ends = |text: &str| {
            // Few texts need to be parsed.
            let is_reply = || Raw::parse(text).is_some_and(|raw| raw.get("id") == Some(&id));
            text == END || (text.contains(&member) && is_reply())
        };
        let mut received = self.seen[client].iter();
        let mut ended = received.any(|text| ends(text));
        while !ended {
            match self.clients[client].receive() {
                Ok(Some(message)) => {
                    let text = String::from_utf8_lossy(&message).into_owned();
                    ended = ends(&text);
                    self.seen[client].push(text);
                }
                // The barrier shows it, too.
                Ok(None) => return Ok(()),
                Err(error) => return self.failed(&error),
            }
        }
        Ok(())
    }

    fn send_barrier(&mut self, client: usize) {
        // An error shows by what is received.
        let _ = self.clients[client].send(BARRIER.as_bytes());
    }

    fn receive_barrier(&mut self, client: usize) -> Result<(), Crash> {
        let barrier = Raw::string("barrier");
        loop {
            match self.clients[client].receive() {
                Ok(Some(message)) => {
                    let text = String::from_utf8_lossy(&message).into_owned();
                    if Raw::parse(&text).is_some_and(|raw| raw.get("id") == Some(&barrier)) {
                        return Ok(());
                    }
                    self.seen[client].push(text);
                }
                Ok(None) => {
                    self.seen[client].push(END.to_owned());
                    self.clients[client] = self.enter()?;
                    return Ok(());
                }
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// A server that is silent hangs, and any other failure is its end.
    fn failed<T>(&self, error: &std::io::Error) -> Result<T, Crash> {
        assert!(
            error.kind() != std::io::ErrorKind::WouldBlock,
            "{:?} does not answer; its log:\n{}",
            self.side,
            self.log()
        );
        Err(Crash)
    }

    /// Sends a request from a connection of its own; the reply's result.
    pub(crate) fn ask(&self, request: &str) -> Result<Raw, Crash> {
        let mut client = self.connect()?;
        client.send(request.as_bytes()).map_err(|_| Crash)?;
        let reply = match client.receive() {
            Ok(reply) => reply.ok_or(Crash)?,
            Err(error) => return self.failed(&error),
        };
        drain(&mut client);
        let reply = Raw::parse(&String::from_utf8_lossy(&reply)).ok_or(Crash)?;
        Ok(reply.get("result").cloned().unwrap_or(Raw::null()))
    }

    /// Sends a conversion from a connection of its own that outlives it.
    pub(crate) fn convert(&mut self, request: &str) -> Result<(), Crash> {
        const AWARE: &str = r#"{"id":0,"method":"set_db_change_aware","params":[true]}"#;
        let mut client = self.connect()?;
        for request in [AWARE, request] {
            client.send(request.as_bytes()).map_err(|_| Crash)?;
            let reply = match client.receive() {
                Ok(reply) => reply.ok_or(Crash)?,
                Err(error) => return self.failed(&error),
            };
            let reply = String::from_utf8_lossy(&reply);
            assert!(reply.contains(r#""result":{}"#), "{request}: {reply}");
        }
        drain(&mut client);
        Ok(())
    }

    /// What the witness has received, if there is one.
    pub(crate) fn seen_by_witness(&self) -> Option<&[String]> {
        self.witness.map(|client| self.seen[client].as_slice())
    }

    /// What each client has received so far in this step.
    pub(crate) fn seen(&self) -> &[Vec<String>] {
        &self.seen
    }

    /// Forgets what has been received.
    pub(crate) fn forget(&mut self) {
        self.seen.iter_mut().for_each(Vec::clear);
    }

    /// Connects a client of the script, and returns when the server knows of it. A connection that it has not accepted
    /// yet would not be ended by a conversion that comes meanwhile: the reference accepts one at a time, and serves the
    /// others in between.
    fn enter(&self) -> Result<RawClient, Crash> {
        let mut client = self.connect()?;
        client.send(BARRIER.as_bytes()).map_err(|_| Crash)?;
        match client.receive() {
            // If it has ended again, the next barrier shows it.
            Ok(_) => Ok(client),
            Err(error) => self.failed(&error),
        }
    }

    fn connect(&self) -> Result<RawClient, Crash> {
        // A server that has crashed does not accept any more.
        RawClient::try_connect(self.server.socket()).map_err(|_| Crash)
    }
}

/// Ends a connection properly: what the server sends until it has closed it, too. The server has then forgotten the
/// session.
fn drain(client: &mut RawClient) -> Vec<String> {
    // Whatever fails here, the connection has ended.
    let _ = client.finish_sending();
    let mut rest = Vec::new();
    while let Ok(Some(message)) = client.receive() {
        rest.push(String::from_utf8_lossy(&message).into_owned());
    }
    rest
}
