//! The server that a command talks to: finding it, and asking it what every command needs to know.

use ovsdb_client::{
    Connector, DatabaseInfo, Disconnect, Events, Model, Options, Remotes, RequestError, Retry,
    Session,
};
use ovsdb_net::{Listener, Method, NetError, Stream};
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words;

use super::error::{ClientError, Shape};
use super::options::ChangeAware;
use super::output::Output;

/// A connected server.
pub(crate) struct Server {
    /// Its connection method, as messages show it.
    pub(crate) name: String,
    /// The connection.
    pub(crate) session: Session,
}

/// The events of a server that has been opened; only some commands want them.
pub(crate) type Opened = (Server, Events);

impl Server {
    /// Connects to an active method, or waits for a connection to a passive one.
    pub(crate) async fn open(method: &str) -> Result<Opened, ClientError> {
        tell_of_default_port(method);
        let parsed = match Method::parse(method) {
            Ok(parsed) => parsed,
            Err(error) => {
                error.log(method);
                return Err(ClientError::Listen {
                    server: method.to_owned(),
                    source: error.into(),
                });
            }
        };
        let stream = if parsed.is_passive() {
            let listener = Listener::bind(&parsed)
                .await
                .map_err(|source| ClientError::Listen {
                    server: method.to_owned(),
                    source,
                })?;
            tracing::info!(target: "ovsdb_client", "{method}: waiting for connection...");
            listener
                .accept()
                .await
                .map_err(|source| ClientError::Accept {
                    server: method.to_owned(),
                    source,
                })?
        } else {
            Stream::connect(&parsed)
                .await
                .map_err(|source| connect_error(method, source))?
        };
        Ok(Self::start(stream))
    }

    /// Connects to the first of several servers that is up and, if `database` is given, has it in an acceptable
    /// state.
    pub(crate) async fn open_any(
        remotes: Remotes,
        database: Option<&str>,
        leader_only: bool,
    ) -> Result<Opened, ClientError> {
        let cluster = remotes.cluster;
        if let Some(method) = remotes.methods.iter().find(|method| lacks_port(method)) {
            tell_of_default_port(method);
        }
        let mut connector = Connector::new(remotes.methods, Retry::Once);
        while let Some(stream) = connector.connect().await {
            let (server, events) = Self::start(stream);
            let Some(database) = database else {
                return Ok((server, events));
            };
            if server.serves(database, cluster, leader_only).await {
                return Ok((server, events));
            }
            connector.rejected();
        }
        Err(ClientError::NoServers)
    }

    /// Starts a session on a connection.
    pub(crate) fn start(stream: Stream) -> Opened {
        let name = stream.name().to_owned();
        let (session, events) = Session::start(stream, &Options::default());
        (Server { name, session }, events)
    }

    async fn serves(&self, database: &str, cluster: Option<Uuid>, leader_only: bool) -> bool {
        let Ok(reply) = self
            .session
            .call(
                words::Method::Transact.as_str(),
                DatabaseInfo::request(database),
                None,
            )
            .await
        else {
            return false;
        };
        match DatabaseInfo::parse(&reply, database, cluster) {
            Ok(info) => info.is_some_and(|info| info.is_acceptable(leader_only)),
            Err(error) => {
                tracing::warn!(target: "ovsdb_client", "{}: {error} for {database}", self.name);
                false
            }
        }
    }

    /// Makes a request whose failure ends the program.
    pub(crate) async fn call(
        &self,
        method: &str,
        params: Vec<Json>,
        out: &Output,
    ) -> Result<Json, ClientError> {
        self.session
            .call(method, params, None)
            .await
            .map_err(|error| match error {
                RequestError::Server(error) => ClientError::Reply(out.json_text(&error)),
                RequestError::Disconnected(reason) | RequestError::NotSent(reason) => {
                    ClientError::Broken(reason)
                }
                // There was no deadline; were there one, the connection would have been of no use.
                _ => ClientError::Broken(Disconnect::Closed),
            })
    }

    /// Whether a cluster serves `database`.
    pub(crate) async fn is_clustered(
        &self,
        database: &str,
        out: &Output,
    ) -> Result<bool, ClientError> {
        let reply = self
            .call(
                words::Method::Transact.as_str(),
                DatabaseInfo::request(database),
                out,
            )
            .await?;
        // Servers that do not tell know no clusters.
        let info = DatabaseInfo::parse(&reply, database, None).ok().flatten();
        Ok(info.is_some_and(|info| info.model == Model::Clustered))
    }

    /// The failure of a command that waits for what the server sends.
    pub(crate) fn receive_error(&self, reason: Disconnect) -> ClientError {
        ClientError::Receive {
            server: self.name.clone(),
            reason,
        }
    }

    /// The failure of a request whose reply was to come among the events.
    pub(crate) fn refused(&self, method: &str, error: RequestError) -> ClientError {
        match error {
            RequestError::Disconnected(reason) | RequestError::NotSent(reason) => {
                self.receive_error(reason)
            }
            error => ClientError::Refused {
                server: self.name.clone(),
                method: method.to_owned(),
                error: error.to_string(),
            },
        }
    }

    /// The databases of the server, sorted.
    pub(crate) async fn databases(&self, out: &Output) -> Result<Vec<String>, ClientError> {
        let reply = self
            .call(words::Method::ListDbs.as_str(), vec![], out)
            .await?;
        let names = reply.as_array().ok_or(Shape::DatabasesNotArray)?;
        let named = |(number, name): (usize, &Json)| {
            name.as_str()
                .map(str::to_owned)
                .ok_or(Shape::DatabaseNotString(number))
        };
        let mut names = names
            .iter()
            .enumerate()
            .map(named)
            .collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// The schema of `database`.
    pub(crate) async fn schema(&self, database: &str, out: &Output) -> Result<Schema, ClientError> {
        let reply = self
            .call(
                words::Method::GetSchema.as_str(),
                vec![Json::string(database)],
                out,
            )
            .await?;
        Ok(Schema::from_json(&reply)?)
    }

    /// Asks the server to tell of database changes instead of closing the connection, as the options say.
    pub(crate) async fn set_change_aware(&self, aware: ChangeAware) -> Result<(), ClientError> {
        if aware == ChangeAware::Never {
            return Ok(());
        }
        let params = vec![Json::Bool(true)];
        match self
            .session
            .call(words::Method::SetDbChangeAware.as_str(), params, None)
            .await
        {
            Ok(_) => Ok(()),
            Err(RequestError::Server(error)) if aware == ChangeAware::Required => {
                Err(ClientError::ChangeAware {
                    server: self.name.clone(),
                    error: error.to_string(),
                })
            }
            // A server too old to know the method closes the connection; there is nothing to be aware of.
            Err(RequestError::Server(_)) => Ok(()),
            Err(RequestError::Disconnected(reason) | RequestError::NotSent(reason)) => {
                Err(ClientError::ChangeAwareBroken {
                    server: self.name.clone(),
                    reason,
                })
            }
            Err(_) => Err(ClientError::ChangeAwareBroken {
                server: self.name.clone(),
                reason: Disconnect::Closed,
            }),
        }
    }
}

/// Whether an active method leaves its port out: it has fewer than three parts between colons.
fn lacks_port(method: &str) -> bool {
    let parts = method.split(':').filter(|part| !part.is_empty());
    (method.starts_with("tcp:") || method.starts_with("ssl:")) && parts.count() < 3
}

/// The port that is meant if none is named has once been another, and users are told so.
fn tell_of_default_port(method: &str) {
    if lacks_port(method) {
        tracing::warn!(target: "stream",
            "The default OVSDB port number has changed from 6632 to {}", ovsdb_net::DEFAULT_PORT);
    }
}

/// A method that could not even be tried might have been one to listen on.
fn connect_error(method: &str, source: NetError) -> ClientError {
    let server = method.to_owned();
    match source {
        NetError::Io { .. } | NetError::TlsNotConfigured { .. } | NetError::Handshake { .. } => {
            ClientError::Connect { server, source }
        }
        _ => ClientError::Listen { server, source },
    }
}

/// The database to use when none is named: `Open_vSwitch`, or the only one that is not internal.
pub(crate) fn default_database(databases: &[String]) -> Result<&str, ClientError> {
    if let Some(name) = databases.iter().find(|name| *name == "Open_vSwitch") {
        return Ok(name);
    }
    let mut candidates = databases.iter().filter(|name| !name.starts_with('_'));
    match (candidates.next(), candidates.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(ClientError::NoDefaultDatabase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_database_is_open_vswitch_or_the_only_one() {
        let cases: [(&[&str], Option<&str>); 5] = [
            (&["Open_vSwitch", "other"], Some("Open_vSwitch")),
            (&["_Server", "db"], Some("db")),
            (&["_Server", "a", "b"], None),
            (&["_Server"], None),
            (&[], None),
        ];
        for (databases, expected) in cases {
            let databases: Vec<String> = databases.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(default_database(&databases).ok(), expected, "{databases:?}");
        }
    }
}
