//! The methods of RFC 7047, section 4.1, and of ovsdb-server(7), section 4.1, one function each.
//!
//! Parameters and results are put into and taken out of JSON here; what tables, rows and operations are is for others.

use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;
use tokio::time::Instant;

use super::{Pending, Session};
use crate::error::RequestError;

/// The reply to [`Session::monitor_cond_since`].
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// Whether the server knew the transaction: then `updates` are what has changed since, else all contents.
    pub found: bool,
    /// The id of the last transaction that `updates` contain.
    pub last_transaction: String,
    /// The `<table-updates2>`.
    pub updates: Json,
}

/// Each gives up at its deadline, if it has one: see [`Session::call`].
///
/// # Errors
///
/// See [`RequestError`]; for each method, [`RequestError::Unexpected`] where the result is not of the form that the method has.
impl Session {
    /// The names of the databases that the server serves (RFC 7047, section 4.1.1).
    pub async fn list_dbs(&self, deadline: Option<Instant>) -> Result<Vec<String>, RequestError> {
        const METHOD: Method = Method::ListDbs;
        let result = self.ask(METHOD, vec![], deadline).await?;
        let Json::Array(names) = result else {
            return Err(unexpected(METHOD, "no array"));
        };
        names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| unexpected(METHOD, "a name that is no string"))
    }

    /// The schema of a database (RFC 7047, section 4.1.2).
    pub async fn get_schema(
        &self,
        database: &str,
        deadline: Option<Instant>,
    ) -> Result<Schema, RequestError> {
        const METHOD: Method = Method::GetSchema;
        let params = vec![Json::string(database)];
        let result = self.ask(METHOD, params, deadline).await?;
        Schema::from_json(&result).map_err(|error| unexpected(METHOD, error))
    }

    /// Carries out operations on a database, and gives their results, with the error last if one failed
    /// (RFC 7047, section 4.1.3).
    ///
    /// At the deadline, and when this future is dropped, the server is asked to cancel the transaction.
    pub async fn transact(
        &self,
        database: &str,
        operations: Vec<Json>,
        deadline: Option<Instant>,
    ) -> Result<Vec<Json>, RequestError> {
        const METHOD: Method = Method::Transact;
        let params = transact_params(database, operations);
        match self.ask(METHOD, params, deadline).await? {
            Json::Array(results) => Ok(results),
            _ => Err(unexpected(METHOD, "no array")),
        }
    }

    /// Sends a transaction whose result is to be awaited, or [cancelled](Pending::cancel), later.
    pub async fn begin_transact(
        &self,
        database: &str,
        operations: Vec<Json>,
    ) -> Result<Pending, RequestError> {
        let params = transact_params(database, operations);
        self.send(Method::Transact.as_str(), params).await
    }

    /// Monitors a database by RFC 7047, section 4.1.5, and gives the initial contents, a `<table-updates>`. What happens
    /// later is told by [`Typed::Update`](crate::Typed::Update).
    pub async fn monitor(
        &self,
        database: &str,
        id: Json,
        requests: Json,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        let params = vec![Json::string(database), id, requests];
        self.ask(Method::Monitor, params, deadline).await
    }

    /// Monitors rows that meet conditions, and gives the initial contents, a `<table-updates2>`. What happens later is told
    /// by [`Typed::Update2`](crate::Typed::Update2).
    pub async fn monitor_cond(
        &self,
        database: &str,
        id: Json,
        requests: Json,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        let params = vec![Json::string(database), id, requests];
        self.ask(Method::MonitorCond, params, deadline).await
    }

    /// Monitors rows that meet conditions, and gives what has changed since the transaction `last_transaction` if the server
    /// knows it. What happens later is told by [`Typed::Update3`](crate::Typed::Update3).
    pub async fn monitor_cond_since(
        &self,
        database: &str,
        id: Json,
        requests: Json,
        last_transaction: &str,
        deadline: Option<Instant>,
    ) -> Result<Since, RequestError> {
        const METHOD: Method = Method::MonitorCondSince;
        let last_transaction = Json::string(last_transaction);
        let params = vec![Json::string(database), id, requests, last_transaction];
        let Json::Array(result) = self.ask(METHOD, params, deadline).await? else {
            return Err(unexpected(METHOD, "no array"));
        };
        match <[Json; 3]>::try_from(result) {
            Ok([Json::Bool(found), Json::String(last_transaction), updates]) => Ok(Since {
                found,
                last_transaction: last_transaction.into(),
                updates,
            }),
            _ => Err(unexpected(METHOD, "other elements than there should be")),
        }
    }

    /// Gives a monitor other conditions, and another id. The update that this makes comes before the reply.
    pub async fn monitor_cond_change(
        &self,
        id: Json,
        new_id: Json,
        requests: Json,
        deadline: Option<Instant>,
    ) -> Result<(), RequestError> {
        let params = vec![id, new_id, requests];
        self.ask(Method::MonitorCondChange, params, deadline)
            .await
            .map(drop)
    }

    /// Ends a monitor (RFC 7047, section 4.1.7).
    pub async fn monitor_cancel(
        &self,
        id: Json,
        deadline: Option<Instant>,
    ) -> Result<(), RequestError> {
        self.ask(Method::MonitorCancel, vec![id], deadline)
            .await
            .map(drop)
    }

    /// Asks for a lock, and says whether it is held now (RFC 7047, section 4.1.8). If not,
    /// [`Typed::Locked`](crate::Typed::Locked) will say when it is.
    pub async fn lock(&self, lock: &str, deadline: Option<Instant>) -> Result<bool, RequestError> {
        self.ask_for_lock(Method::Lock, lock, deadline).await
    }

    /// Takes a lock from whoever holds it (RFC 7047, section 4.1.8).
    pub async fn steal(&self, lock: &str, deadline: Option<Instant>) -> Result<bool, RequestError> {
        self.ask_for_lock(Method::Steal, lock, deadline).await
    }

    /// Gives a lock back, or no longer waits for it (RFC 7047, section 4.1.8).
    pub async fn unlock(&self, lock: &str, deadline: Option<Instant>) -> Result<(), RequestError> {
        self.ask(Method::Unlock, vec![Json::string(lock)], deadline)
            .await
            .map(drop)
    }

    async fn ask_for_lock(
        &self,
        method: Method,
        lock: &str,
        deadline: Option<Instant>,
    ) -> Result<bool, RequestError> {
        let params = vec![Json::string(lock)];
        let result = self.ask(method, params, deadline).await?;
        let locked = result.get("locked").and_then(Json::as_bool);
        locked.ok_or_else(|| unexpected(method, "no member \"locked\""))
    }

    /// Has the server send the same values back (RFC 7047, section 4.1.11).
    pub async fn echo(
        &self,
        params: Vec<Json>,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        self.ask(Method::Echo, params, deadline).await
    }

    /// Converts a database to another schema (ovsdb-server(7), section 4.1.19).
    pub async fn convert(
        &self,
        database: &str,
        schema: Json,
        deadline: Option<Instant>,
    ) -> Result<(), RequestError> {
        let params = vec![Json::string(database), schema];
        self.ask(Method::Convert, params, deadline).await.map(drop)
    }

    /// The id of the server, another one each time it is started (ovsdb-server(7), section 4.1.17).
    pub async fn get_server_id(&self, deadline: Option<Instant>) -> Result<Uuid, RequestError> {
        const METHOD: Method = Method::GetServerId;
        let result = self.ask(METHOD, vec![], deadline).await?;
        let id = result.as_str().and_then(Uuid::parse);
        id.ok_or_else(|| unexpected(METHOD, "no UUID"))
    }

    /// Says whether this side bears databases that come, go and change their schema; if not, the server ends the
    /// connection instead (ovsdb-server(7), section 4.1.18).
    pub async fn set_db_change_aware(
        &self,
        is_aware: bool,
        deadline: Option<Instant>,
    ) -> Result<(), RequestError> {
        self.ask(
            Method::SetDbChangeAware,
            vec![Json::Bool(is_aware)],
            deadline,
        )
        .await
        .map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        params: Vec<Json>,
        deadline: Option<Instant>,
    ) -> Result<Json, RequestError> {
        self.call(method.as_str(), params, deadline).await
    }
}

fn transact_params(database: &str, operations: Vec<Json>) -> Vec<Json> {
    let mut params = vec![Json::string(database)];
    params.extend(operations);
    params
}

fn unexpected(method: Method, why: impl ToString) -> RequestError {
    RequestError::Unexpected {
        method,
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::future::Future;

    use super::super::Options;
    use super::super::tests::pair;
    use super::*;

    /// What a method makes of a result, and what it sent to get it.
    async fn exchange<T: Debug, F: Future<Output = Result<T, RequestError>>>(
        method: impl FnOnce(Session) -> F,
        result: &str,
    ) -> (String, String) {
        let (session, _events, mut server) = pair(&Options::default());
        let (outcome, request) = tokio::join!(method(session), async {
            let request = server.receive().await;
            let reply = format!("{{\"id\":0,\"error\":null,\"result\":{result}}}");
            server.send(&reply).await;
            request
        });
        let outcome = match outcome {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("error: {error}"),
        };
        (request, outcome)
    }

    /// Calls a method as often as there are results, and checks what it sends and what it returns.
    macro_rules! check {
        ($session:ident => $call:expr, $params:literal, $($result:literal => $expected:literal),+ $(,)?) => {
            $(
                let (request, outcome) =
                    exchange(|$session| async move { $call.await }, $result).await;
                assert_eq!(request, format!("{{\"id\":0,{}}}", $params));
                assert_eq!(outcome, $expected, "{}", $result);
            )+
        };
    }

    fn id(text: &str) -> Json {
        Json::string(text)
    }

    #[tokio::test]
    async fn every_method_sends_what_its_section_says_and_takes_no_other_result() {
        check!(session => session.list_dbs(None),
            r#""method":"list_dbs","params":[]"#,
            r#"["a","b"]"# => r#"["a", "b"]"#,
            "{}" => r#"error: unexpected result of "list_dbs": no array"#,
            "[1]" => r#"error: unexpected result of "list_dbs": a name that is no string"#,
        );
        check!(session => async { session.get_schema("db", None).await.map(|schema| schema.name) },
            r#""method":"get_schema","params":["db"]"#,
            r#"{"name":"db","tables":{}}"# => "\"db\"",
        );
        check!(session => session.transact("db", vec![Json::Bool(true)], None),
            r#""method":"transact","params":["db",true]"#,
            "[]" => "[]",
            "{}" => r#"error: unexpected result of "transact": no array"#,
        );
        check!(session => async { session.monitor("db", id("m"), Json::Bool(true), None).await.map(|contents| contents.to_string()) },
            r#""method":"monitor","params":["db","m",true]"#,
            "{}" => "\"{}\"",
        );
        check!(session => async { session.monitor_cond("db", id("m"), Json::Bool(true), None).await.map(|contents| contents.to_string()) },
            r#""method":"monitor_cond","params":["db","m",true]"#,
            "{}" => "\"{}\"",
        );
        check!(session => async { session.monitor_cond_since("db", id("m"), Json::Bool(true), "last", None).await.map(|since| (since.found, since.last_transaction)) },
            r#""method":"monitor_cond_since","params":["db","m",true,"last"]"#,
            r#"[true,"new",{}]"# => "(true, \"new\")",
            r#"[1,"new",{}]"# => r#"error: unexpected result of "monitor_cond_since": other elements than there should be"#,
            r#"[true,"new"]"# => r#"error: unexpected result of "monitor_cond_since": other elements than there should be"#,
            "{}" => r#"error: unexpected result of "monitor_cond_since": no array"#,
        );
        check!(session => session.monitor_cond_change(id("m"), id("n"), Json::Bool(true), None),
            r#""method":"monitor_cond_change","params":["m","n",true]"#,
            "{}" => "()",
        );
        check!(session => session.monitor_cancel(id("m"), None),
            r#""method":"monitor_cancel","params":["m"]"#,
            "{}" => "()",
        );
        check!(session => session.lock("l", None),
            r#""method":"lock","params":["l"]"#,
            r#"{"locked":false}"# => "false",
            "{}" => r#"error: unexpected result of "lock": no member "locked""#,
        );
        check!(session => session.steal("l", None),
            r#""method":"steal","params":["l"]"#,
            r#"{"locked":true}"# => "true",
        );
        check!(session => session.unlock("l", None),
            r#""method":"unlock","params":["l"]"#,
            "{}" => "()",
        );
        check!(session => async { session.echo(vec![id("x")], None).await.map(|echo| echo.to_string()) },
            r#""method":"echo","params":["x"]"#,
            r#"["x"]"# => r#""[\"x\"]""#,
        );
        check!(session => session.convert("db", Json::Bool(true), None),
            r#""method":"convert","params":["db",true]"#,
            "{}" => "()",
        );
        check!(session => async { session.get_server_id(None).await.map(|id| id.to_string()) },
            r#""method":"get_server_id","params":[]"#,
            r#""f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9""# => "\"f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9\"",
            "\"x\"" => r#"error: unexpected result of "get_server_id": no UUID"#,
        );
        check!(session => session.set_db_change_aware(true, None),
            r#""method":"set_db_change_aware","params":[true]"#,
            "{}" => "()",
        );
    }
}
