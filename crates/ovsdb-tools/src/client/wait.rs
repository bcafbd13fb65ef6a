//! `wait`: until a server has, has connected or no longer has a database.

use ovsdb_client::{Connector, Disconnect, RequestError, Retry};
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::words::Method;

use super::error::{ClientError, Shape};
use super::server::Server;

/// What to wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Connected,
    Added,
    Removed,
}

impl State {
    pub(crate) fn parse(name: &str) -> Result<State, ClientError> {
        match name {
            "connected" => Ok(State::Connected),
            "added" => Ok(State::Added),
            "removed" => Ok(State::Removed),
            _ => Err(ClientError::UnknownState(name.to_owned())),
        }
    }

    /// The parameters of a `transact` request whose `wait` operation ends when `database` is in this state.
    fn request(self, database: &str) -> Vec<Json> {
        let (columns, rows) = match self {
            State::Connected => {
                let row = Object::from_iter([("connected", Json::Bool(true))]);
                (vec![Json::string("connected")], vec![Json::Object(row)])
            }
            // A row of no columns: that there is one is all that counts.
            State::Added => (vec![], vec![Json::Object(Object::new())]),
            State::Removed => (vec![], vec![]),
        };
        let named = vec![
            Json::string("name"),
            Json::string("=="),
            Json::string(database),
        ];
        let wait = Object::from_iter([
            ("op", Json::string("wait")),
            ("table", Json::string("Database")),
            ("where", Json::Array(vec![Json::Array(named)])),
            ("columns", Json::Array(columns)),
            ("until", Json::string("==")),
            ("rows", Json::Array(rows)),
        ]);
        vec![Json::string("_Server"), Json::Object(wait)]
    }
}

/// Waits until `database` is in `state`, connecting again whenever the connection breaks.
pub(crate) async fn wait(method: &str, database: &str, state: State) -> Result<(), ClientError> {
    let mut connector = Connector::new(vec![method.to_owned()], Retry::Forever);
    // With tries without limit, connecting goes on for ever.
    while let Some(stream) = connector.connect().await {
        let (server, events) = Server::start(stream);
        drop(events);
        tokio::select! {
            answer = answered(&server, database, state) => match answer? {
                None => return Ok(()),
                Some(reason) => connector.lost(&reason),
            },
            () = connector.watch(&server.session) => {}
        }
    }
    Err(ClientError::NoServers)
}

/// `None` when the state has come, or why the connection ended before.
async fn answered(
    server: &Server,
    database: &str,
    state: State,
) -> Result<Option<Disconnect>, ClientError> {
    // Without this the server ends the connection when the database comes or goes.
    let aware = server
        .session
        .call(
            Method::SetDbChangeAware.as_str(),
            vec![Json::Bool(true)],
            None,
        )
        .await;
    match aware {
        Ok(_) => {}
        Err(RequestError::Server(error)) => {
            return Err(ClientError::ChangeAware {
                server: server.name.clone(),
                error: error.to_string(),
            });
        }
        Err(RequestError::Disconnected(reason) | RequestError::NotSent(reason)) => {
            return Ok(Some(reason));
        }
        Err(_) => return Ok(Some(Disconnect::Closed)),
    }
    match server
        .session
        .call(Method::Transact.as_str(), state.request(database), None)
        .await
    {
        Ok(results) => check(&results).map(|()| None),
        Err(RequestError::Server(error)) => Err(ClientError::Reply(error.to_string())),
        Err(RequestError::Disconnected(reason) | RequestError::NotSent(reason)) => Ok(Some(reason)),
        Err(_) => Ok(Some(Disconnect::Closed)),
    }
}

/// Every operation must have succeeded.
pub(crate) fn check(results: &Json) -> Result<(), ClientError> {
    for result in results.as_array().ok_or(Shape::ResultsNotArray)? {
        if result
            .as_object()
            .ok_or(Shape::ResultNotObject)?
            .contains("error")
        {
            return Err(ClientError::Operation(result.to_string()));
        }
    }
    Ok(())
}
