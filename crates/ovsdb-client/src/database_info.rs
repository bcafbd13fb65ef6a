//! What a server says of a database: its row in the `_Server` database (ovsdb-server(5)).
//!
//! Pure: the request and the reading of its reply, for those who look for a server that will do.

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::uuid::Uuid;

/// The state of one database on one server. Servers before Open vSwitch 2.9 do not tell it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseInfo {
    /// How the database is served.
    pub model: Model,
    /// Whether the server can serve it now. Absent counts as yes.
    pub connected: Option<bool>,
    /// Whether the server leads its cluster. Absent counts as yes.
    pub leader: Option<bool>,
}

/// How a database is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Model {
    /// From a file of its own.
    Standalone,
    /// By a cluster.
    Clustered,
    /// From another server, or in a way this crate does not know.
    Other,
}

/// A reply that is no answer to [`DatabaseInfo::request`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// It is not the result of one operation.
    #[error("unexpected reply to _Server request")]
    NotOneResult,
    /// The operation did not select rows.
    #[error("missing \"rows\" member in _Server reply")]
    NoRows,
}

impl DatabaseInfo {
    /// The parameters of the `transact` request that asks for `database`.
    pub fn request(database: &str) -> Vec<Json> {
        let equal = Json::Array(vec![
            Json::string("name"),
            Json::string("=="),
            Json::string(database),
        ]);
        let select = Object::from_iter([
            ("op", Json::string("select")),
            ("table", Json::string("Database")),
            ("where", Json::Array(vec![equal])),
        ]);
        vec![Json::string("_Server"), Json::Object(select)]
    }

    /// Reads the reply. `None` means that the server has no such database, or not that of `cluster`.
    ///
    /// # Errors
    ///
    /// When the reply has another shape.
    pub fn parse(
        reply: &Json,
        database: &str,
        cluster: Option<Uuid>,
    ) -> Result<Option<DatabaseInfo>, InfoError> {
        let Some([Json::Object(result)]) = reply.as_array() else {
            return Err(InfoError::NotOneResult);
        };
        let rows = result
            .get("rows")
            .and_then(Json::as_array)
            .ok_or(InfoError::NoRows)?;
        let wanted = |row: &&Object| {
            row.get("name").and_then(Json::as_str) == Some(database)
                && (cluster.is_none() || cluster == uuid(row, "cid"))
        };
        Ok(rows
            .iter()
            .filter_map(Json::as_object)
            .find(wanted)
            .map(|row| DatabaseInfo {
                model: match row.get("model").and_then(Json::as_str) {
                    Some("standalone") => Model::Standalone,
                    Some("clustered") => Model::Clustered,
                    _ => Model::Other,
                },
                connected: boolean(row, "connected"),
                leader: boolean(row, "leader"),
            }))
    }

    /// Whether a client may stay with this server.
    pub fn is_acceptable(&self, leader_only: bool) -> bool {
        self.model == Model::Standalone
            || (self.connected.unwrap_or(true) && (!leader_only || self.leader.unwrap_or(true)))
    }
}

fn boolean(row: &Object, column: &str) -> Option<bool> {
    match row.get(column) {
        Some(Json::Bool(value)) => Some(*value),
        _ => None,
    }
}

fn uuid(row: &Object, column: &str) -> Option<Uuid> {
    match row.get(column)?.as_array()? {
        [Json::String(tag), Json::String(text)] if tag == "uuid" => Uuid::parse(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;

    use super::*;

    const CLUSTER: &str = "f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9";

    /// Whether a client that insists on a leader, or one that does not, stays; or what is wrong.
    #[track_caller]
    fn check(
        reply: &str,
        cluster: Option<&str>,
        expected: Result<Option<(bool, bool)>, InfoError>,
    ) {
        let reply = json::parse(reply.as_bytes()).expect("the case is JSON");
        let info = DatabaseInfo::parse(&reply, "db", cluster.and_then(Uuid::parse));
        let stays =
            info.map(|info| info.map(|info| (info.is_acceptable(true), info.is_acceptable(false))));
        assert_eq!(stays, expected, "{reply}");
    }

    fn row(columns: &str) -> String {
        format!("[{{\"rows\":[1,{{\"name\":\"other\"}},{{\"name\":\"db\",{columns}}}]}}]")
    }

    #[test]
    fn a_server_is_acceptable_as_its_row_says() {
        check(
            &row(r#""model":"standalone","connected":false"#),
            None,
            Ok(Some((true, true))),
        );
        check(
            &row(r#""model":"clustered","connected":true,"leader":true"#),
            None,
            Ok(Some((true, true))),
        );
        check(
            &row(r#""model":"clustered","connected":true,"leader":false"#),
            None,
            Ok(Some((false, true))),
        );
        check(
            &row(r#""model":"clustered","connected":false,"leader":true"#),
            None,
            Ok(Some((false, false))),
        );
        check(&row(r#""model":"relay""#), None, Ok(Some((true, true))));
        check(r#"[{"rows":[]}]"#, None, Ok(None));
    }

    #[test]
    fn another_cluster_is_another_database() {
        let clustered = row(&format!(
            r#""model":"clustered","cid":["uuid","{CLUSTER}"]"#
        ));
        check(&clustered, Some(CLUSTER), Ok(Some((true, true))));
        check(
            &clustered,
            Some("00000000-0000-0000-0000-000000000001"),
            Ok(None),
        );
        check(&row(r#""cid":["set",[]]"#), Some(CLUSTER), Ok(None));
    }

    #[test]
    fn replies_of_another_shape_are_errors() {
        check("{}", None, Err(InfoError::NotOneResult));
        check("[]", None, Err(InfoError::NotOneResult));
        check("[1]", None, Err(InfoError::NotOneResult));
        check(r#"[{"error":"x"}]"#, None, Err(InfoError::NoRows));
    }
}
