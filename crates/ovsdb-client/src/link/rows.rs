//! The rows of the `Database` table of `_Server` (ovsdb-server(5)) that a server tells of, as its updates leave them.
//!
//! What a column is not supposed to hold counts as nothing, as for the reference; what is no update at all is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::uuid::Uuid;

/// Databases that a server may tell of in `_Server`. One that tells of more is not used.
const ROWS_MAX: usize = 1024;

/// Bytes of text, schemas above all, that a server may tell of in `_Server`. One that tells of more is not used.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// The columns that matter here; a server may lack some.
pub(super) const COLUMNS: [&str; 7] = [
    "name",
    "model",
    "connected",
    "leader",
    "schema",
    "cid",
    "index",
];

/// How a database is served.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Model {
    /// From a file of its own; or in a way that is not known here.
    #[default]
    Standalone,
    /// By a cluster.
    Clustered,
    /// From another server.
    Relay,
}

/// What a server says of one database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Row {
    pub(super) name: Option<Arc<str>>,
    pub(super) model: Model,
    pub(super) connected: bool,
    pub(super) leader: bool,
    /// The text of the schema, if there is one yet.
    pub(super) schema: Option<Arc<str>>,
    /// The cluster.
    pub(super) cid: Option<Uuid>,
    /// How much of the cluster's log the server has.
    pub(super) index: i64,
}

impl Row {
    /// Takes over the columns that are named. Each of them holds one value at most, so a difference is the new value.
    fn take(&mut self, columns: &Object) {
        for (column, value) in columns.iter() {
            let value = one(value);
            let text = || value.and_then(Json::as_str);
            match column.as_str() {
                "name" => self.name = text().map(Arc::from),
                "model" => {
                    self.model = match text() {
                        Some("clustered") => Model::Clustered,
                        Some("relay") => Model::Relay,
                        _ => Model::Standalone,
                    }
                }
                "connected" => self.connected = value.and_then(Json::as_bool).unwrap_or(false),
                "leader" => self.leader = value.and_then(Json::as_bool).unwrap_or(false),
                "schema" => self.schema = text().map(Arc::from),
                "cid" => self.cid = value.and_then(uuid),
                "index" => self.index = value.and_then(Json::as_i64).unwrap_or(0),
                _ => {}
            }
        }
    }

    fn text_bytes(&self) -> usize {
        let bytes = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        bytes(&self.name) + bytes(&self.schema)
    }
}

/// The value of a column that holds one at most.
fn one(value: &Json) -> Option<&Json> {
    match value.as_array() {
        Some([Json::String(tag), Json::Array(elements)]) if tag == "set" => elements.first(),
        _ => Some(value),
    }
}

fn uuid(value: &Json) -> Option<Uuid> {
    match value.as_array()? {
        [Json::String(tag), Json::String(text)] if tag == "uuid" => Uuid::parse(text),
        _ => None,
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows(BTreeMap<Uuid, Row>);

/// Why an update cannot be made use of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unusable {
    /// It is no `<table-updates2>` of these rows.
    #[error("the server's updates of \"_Server\" are not in order")]
    Malformed,
    /// There are more than [`ROWS_MAX`] or [`TEXT_BYTES_MAX`].
    #[error("the server has too many databases")]
    TooLarge,
}

impl Rows {
    /// Makes of them what an update, a `<table-updates2>`, says.
    pub(super) fn update(&mut self, updates: &Json) -> Result<(), Unusable> {
        let tables = updates.as_object().ok_or(Unusable::Malformed)?;
        let Some(rows) = tables.get("Database") else {
            return Ok(());
        };
        for (id, update) in rows.as_object().ok_or(Unusable::Malformed)?.iter() {
            let id = Uuid::parse(id).ok_or(Unusable::Malformed)?;
            let update = update.as_object().ok_or(Unusable::Malformed)?;
            if update.contains("delete") {
                self.0.remove(&id);
                continue;
            }
            let (what, columns) = update.iter().next().ok_or(Unusable::Malformed)?;
            let columns = columns.as_object().ok_or(Unusable::Malformed)?;
            if what != "modify" {
                self.0.remove(&id);
            }
            self.0.entry(id).or_default().take(columns);
        }
        let text_bytes: usize = self.0.values().map(Row::text_bytes).sum();
        if self.0.len() > ROWS_MAX || text_bytes > TEXT_BYTES_MAX {
            return Err(Unusable::TooLarge);
        }
        Ok(())
    }

    /// The row of a database: by its cluster alone, if one is named.
    pub(super) fn find(&self, database: &str, cluster: Option<Uuid>) -> Option<(Uuid, &Row)> {
        let wanted = |row: &Row| match cluster {
            Some(_) => row.cid == cluster,
            None => row.name.as_deref() == Some(database),
        };
        let (id, row) = self.0.iter().find(|(_, row)| wanted(row))?;
        Some((*id, row))
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;

    use super::*;

    const ID: &str = "f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9";

    fn update(rows: &mut Rows, update: &str) -> Result<(), Unusable> {
        let text = format!(r#"{{"Database":{{"{ID}":{update}}}}}"#);
        rows.update(&json::parse(text.as_bytes()).expect("the case is JSON"))
    }

    #[test]
    fn updates_change_the_columns_that_they_name() {
        let mut rows = Rows::default();
        update(
            &mut rows,
            r#"{"initial":{"name":"db","model":"clustered","connected":true,"schema":["set",["{}"]],
               "cid":["uuid","f6f2d3ce-05de-4a4b-9ab2-4dd9fd5ee6b9"],"index":["set",[]]}}"#,
        )
        .expect("this is one");
        let (_, row) = rows.find("db", None).expect("there is one");
        let first = Row {
            name: Some("db".into()),
            model: Model::Clustered,
            connected: true,
            leader: false,
            schema: Some("{}".into()),
            cid: Uuid::parse(ID),
            index: 0,
        };
        assert_eq!(row, &first);
        assert!(rows.find("other", None).is_none());
        assert!(rows.find("other", Uuid::parse(ID)).is_some());
        assert!(rows.find("db", Some(Uuid::ZERO)).is_none());
        update(
            &mut rows,
            r#"{"modify":{"leader":true,"schema":["set",[]],"index":7,"cid":["set",[]],"other":1}}"#,
        )
        .expect("this is one");
        let (_, row) = rows.find("db", None).expect("there is one");
        let expected = Row {
            leader: true,
            schema: None,
            cid: None,
            index: 7,
            ..first
        };
        assert_eq!(row, &expected);
        // A column of a kind that it does not have is as good as empty.
        update(
            &mut rows,
            r#"{"modify":{"connected":1,"leader":{},"index":"x"}}"#,
        )
        .expect("this is one");
        let (_, row) = rows.find("db", None).expect("there is one");
        assert_eq!((row.connected, row.leader, row.index), (false, false, 0));
        update(&mut rows, r#"{"insert":{"name":"db"}}"#).expect("this is one");
        let (_, row) = rows.find("db", None).expect("there is one");
        assert_eq!(row.model, Model::Standalone);
        update(&mut rows, r#"{"delete":null}"#).expect("this is one");
        assert!(rows.find("db", None).is_none());
    }

    #[test]
    fn what_is_no_update_is_refused() {
        for text in ["[]", r#"{"Database":[]}"#, r#"{"Database":{"x":{}}}"#] {
            let json = json::parse(text.as_bytes()).expect("the case is JSON");
            assert_eq!(Rows::default().update(&json), Err(Unusable::Malformed));
        }
        for row in ["[]", "{}", r#"{"modify":[]}"#] {
            let refused = update(&mut Rows::default(), row);
            assert_eq!(refused, Err(Unusable::Malformed), "{row}");
        }
        let mut rows = Rows::default();
        assert_eq!(rows.update(&Json::Object(Object::default())), Ok(()));
    }

    #[test]
    fn a_server_cannot_fill_the_memory() {
        let mut rows = Rows::default();
        let many = |n: usize, name: &Json| {
            let row = |i: usize| {
                let columns = Object::from_iter([("name", name.clone())]);
                let update = Object::from_iter([("insert", Json::Object(columns))]);
                let id = format!("00000000-0000-0000-0000-{i:012x}");
                (id, Json::Object(update))
            };
            let rows: Object = (0..n).map(row).collect();
            Json::Object(Object::from_iter([("Database", Json::Object(rows))]))
        };
        assert_eq!(rows.update(&many(ROWS_MAX, &Json::string("x"))), Ok(()));
        assert_eq!(
            rows.update(&many(ROWS_MAX + 1, &Json::string("x"))),
            Err(Unusable::TooLarge)
        );
        let long = Json::string("x".repeat(TEXT_BYTES_MAX / 2));
        assert_eq!(Rows::default().update(&many(2, &long)), Ok(()));
        assert_eq!(
            Rows::default().update(&many(3, &long)),
            Err(Unusable::TooLarge)
        );
    }
}
