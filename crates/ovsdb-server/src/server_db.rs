//! The built-in database `_Server` (ovsdb-server(5)): what clients can learn of the databases that a server has.
//!
//! It lives in memory and is served like any other. Its rows change by transactions that go the way of all transactions,
//! so monitors and waits work on it as anywhere; clients cannot change them. Nothing here decides what is served.

use std::sync::Arc;

use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json, Object};
use ovsdb_proto::operation::{Transact, parse_transact};
use ovsdb_proto::schema::Schema;

use crate::database::{Served, Storage};
use crate::in_process;
use crate::locks::Locks;
use crate::mailbox::Answer;
use crate::runtime::fresh_uuid;
use crate::writer::WriterOptions;

/// The database's name.
pub(crate) const NAME: &str = "_Server";

/// The schema, which clients know by its version and checksum.
const SCHEMA: &str = r#"{"name":"_Server","version":"1.2.0","cksum":"3009684573 744","tables":{"Database":{
    "isRoot":true,
    "columns":{
        "name":{"type":"string"},
        "model":{"type":{"key":{"type":"string","enum":["set",["standalone","clustered","relay"]]}}},
        "connected":{"type":"boolean"},
        "leader":{"type":"boolean"},
        "schema":{"type":{"key":"string","min":0,"max":1}},
        "cid":{"type":{"key":"uuid","min":0,"max":1}},
        "sid":{"type":{"key":"uuid","min":0,"max":1}},
        "index":{"type":{"key":"integer","min":0,"max":1}}}}}}"#;

/// The database and the right to change it. See the module's documentation.
pub(crate) struct ServerDb {
    served: Arc<Served>,
    /// Held while a row changes.
    changing: tokio::sync::Mutex<()>,
}

impl ServerDb {
    /// Starts the database. It begins with one row: its own.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(locks: Arc<Locks>, options: WriterOptions) -> std::io::Result<ServerDb> {
        let served = Served::start(Storage::Memory(first_version()), locks, options)?;
        let changing = tokio::sync::Mutex::default();
        Ok(ServerDb { served, changing })
    }

    /// The database as the rest of the server sees it.
    pub(crate) fn served(&self) -> &Arc<Served> {
        &self.served
    }

    /// Brings the row of the database `name` in line with what `find` finds: its schema, if it is served. It looks when no other change is under way,
    /// so that the last look counts. Returns when clients can see the row, or that it is gone.
    pub(crate) async fn tell(&self, name: &str, find: impl FnOnce() -> Option<Arc<Schema>>) {
        let _changing = self.changing.lock().await;
        let operation = match find() {
            Some(schema) if self.has_row(name) => Object::from_iter([
                ("op", Json::string("update")),
                ("table", Json::string("Database")),
                ("where", named(name)),
                ("row", Json::Object(row(&schema))),
            ]),
            Some(schema) => insert(row(&schema)),
            None => Object::from_iter([
                ("op", Json::string("delete")),
                ("table", Json::string("Database")),
                ("where", named(name)),
            ]),
        };
        self.transact(operation).await;
    }

    fn has_row(&self, name: &str) -> bool {
        let database = &self.served.version().database;
        let (table, schema) = database
            .schema()
            .table_by_name("Database")
            .expect("the schema above has it");
        let column = schema.column_id("name").expect("the schema above has it");
        let name = Datum::from_atom(Atom::String(name.into()));
        let mut rows = database.table(table).iter();
        rows.any(|row| *row.get(column) == name)
    }

    async fn transact(&self, operation: Object) {
        let transact = parse(self.served.schema(), operation);
        // Should the server be closed meanwhile, nobody looks any more.
        let answer = in_process::transact(&self.served, transact).await;
        if let Answer::Results(results) = answer
            && let Some(error) = results.error()
        {
            tracing::error!(
                target: "ovsdb_server", per_minute = 1, burst = 1,
                "Failed to update {NAME}: {error}"
            );
        }
    }
}

/// The database with the row of itself.
fn first_version() -> Database {
    let schema = json::parse(SCHEMA.as_bytes()).expect("the text above is JSON");
    let schema = Arc::new(Schema::from_json(&schema).expect("the text above is a schema"));
    let mut fresh = fresh_uuid;
    let mut context = Context {
        may_change_reserved: true,
        ..Context::unrestricted(&mut fresh)
    };
    let transact = parse(&schema, insert(row(&schema)));
    match execute(&Database::new(schema), &transact, &mut context) {
        Outcome::Prepared(prepared) => prepared.next,
        other => unreachable!("the row fits the schema: {other:?}"),
    }
}

/// What is told of a database. All that there are now are in a file of their own, or in memory, and always at hand.
fn row(schema: &Schema) -> Object {
    let text = schema.to_json().to_string();
    Object::from_iter([
        ("name", Json::string(schema.name.clone())),
        ("model", Json::string("standalone")),
        ("connected", Json::Bool(true)),
        ("leader", Json::Bool(true)),
        ("schema", Json::string(text)),
    ])
}

fn insert(row: Object) -> Object {
    Object::from_iter([
        ("op", Json::string("insert")),
        ("table", Json::string("Database")),
        ("row", Json::Object(row)),
    ])
}

/// The condition that the row is that of the database `name`.
fn named(name: &str) -> Json {
    let clause = Json::array(["name", "==", name]);
    Json::Array(vec![clause])
}

fn parse(schema: &Schema, operation: Object) -> Transact {
    parse_transact(schema, &[Json::Object(operation)], &mut fresh_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_the_one_that_clients_know() {
        let schema = first_version().schema().clone();
        assert_eq!(
            schema.to_json().to_string(),
            r#"{"cksum":"3009684573 744","name":"_Server","tables":{"Database":{"columns":{"cid":{"type":{"key":"uuid","min":0}},"connected":{"type":"boolean"},"index":{"type":{"key":"integer","min":0}},"leader":{"type":"boolean"},"model":{"type":{"key":{"enum":["set",["clustered","relay","standalone"]],"type":"string"}}},"name":{"type":"string"},"schema":{"type":{"key":"string","min":0}},"sid":{"type":{"key":"uuid","min":0}}}}},"version":"1.2.0"}"#
        );
    }
}
