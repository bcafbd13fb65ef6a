//! `restore`: replaces the contents of a database by those of a database file, in one transaction.
//!
//! The rows get new UUIDs: operations refer to each other by names made from the old ones. [`keep_uuids`] has them keep theirs.

use std::io::{self, IsTerminal};

use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::schema::{Schema, TableSchema, Version};
use ovsdb_proto::types::{BaseType, ColumnType};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;
use ovsdb_server::file::Loaded;

use super::error::ClientError;
use super::options::Settings;
use super::output::Output;
use super::server::Server;
use super::{keep_uuids, snapshot, wait};

pub(crate) async fn restore(
    server: &Server,
    database: &str,
    settings: &Settings,
    out: &Output,
) -> Result<(), ClientError> {
    if io::stdin().is_terminal() {
        return Err(ClientError::RestoreFromTerminal);
    }
    let Loaded {
        database: backup, ..
    } = snapshot::load()?;
    let schema = backup.schema();
    if let Some(difference) = difference(schema, &server.schema(database, out).await?) {
        if !settings.force {
            return Err(ClientError::OtherSchema(difference));
        }
        tracing::info!(target: "ovsdb_client", "{difference}");
    }

    if settings.keep_uuids {
        return keep_uuids::restore(server, &backup, out).await;
    }
    let mut transaction = vec![Json::string(schema.name.as_str())];
    for (id, table) in backup.table_ids().zip(&schema.tables) {
        let all = Json::Array(Vec::new());
        transaction.push(operation("delete", table, [("where", all)]));
        for row in backup.table(id).iter() {
            let values = table.column_ids().map(|column| row.get(column));
            transaction.push(insert(table, &row.uuid(), values));
        }
    }
    let results = server
        .call(Method::Transact.as_str(), transaction, out)
        .await?;
    wait::check(&results)
}

/// How the schema of a backup differs from that of the database, if it does.
fn difference(backup: &Schema, database: &Schema) -> Option<String> {
    if backup.is_equivalent(database) {
        return None;
    }
    let version = |schema: &Schema| {
        schema
            .version
            .as_ref()
            .map_or("", Version::as_str)
            .to_owned()
    };
    let (ours, theirs) = (version(backup), version(database));
    Some(if ours == theirs {
        format!("backup schema and database schema are both version {ours} but still differ")
    } else {
        format!("backup schema has version \"{ours}\" but database schema has version \"{theirs}\"")
    })
}

/// An operation that inserts a row under the name made from its UUID. `values` are those of all columns.
fn insert<'r>(table: &TableSchema, uuid: &Uuid, values: impl Iterator<Item = &'r Datum>) -> Json {
    operation(
        "insert",
        table,
        [
            ("uuid-name", Json::string(uuid.row_name())),
            ("row", row_values(table, values, with_names)),
        ],
    )
}

/// An operation on a table, with what else belongs to it.
pub(super) fn operation<const N: usize>(
    name: &str,
    table: &TableSchema,
    members: [(&str, Json); N],
) -> Json {
    let common = [
        ("op", Json::string(name)),
        ("table", Json::string(table.name.as_str())),
    ];
    Json::Object(Object::from_iter(common.into_iter().chain(members)))
}

/// The values of a new row, `values` being those of all columns: those that are not what they would be anyway.
pub(super) fn row_values<'r>(
    table: &TableSchema,
    values: impl Iterator<Item = &'r Datum>,
    to_json: impl Fn(&Datum, &ColumnType) -> Json,
) -> Json {
    let mut row = Object::new();
    for ((id, column), value) in table.column_ids().zip(&table.columns).zip(values) {
        if !id.is_standard() && column.persistent && !value.is_default(&column.ty) {
            row.insert(column.name.clone(), to_json(value, &column.ty));
        }
    }
    Json::Object(row)
}

/// A datum with references by name.
fn with_names(value: &Datum, ty: &ColumnType) -> Json {
    if ty.bases().all(|base| base.reference().is_none()) {
        return value.to_json(ty);
    }
    let atom = |atom: &Atom, base: &BaseType| match atom {
        Atom::Uuid(uuid) if base.reference().is_some() => Json::Array(vec![
            Json::string("named-uuid"),
            Json::string(uuid.row_name()),
        ]),
        _ => atom.to_json(),
    };
    let tagged = |tag: &str, elements: Vec<Json>| {
        Json::Array(vec![Json::string(tag), Json::Array(elements)])
    };
    match &ty.value {
        None => tagged("set", value.keys().map(|key| atom(key, &ty.key)).collect()),
        Some(value_type) => {
            let pair = |(key, value): (&Atom, &Atom)| {
                Json::Array(vec![atom(key, &ty.key), atom(value, value_type)])
            };
            tagged("map", value.keys().zip(value.values()).map(pair).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;

    use super::*;

    const SCHEMA: &str = r#"{"name": "db", "version": "1.2.3", "tables": {"T": {"columns": {
        "all": {"type": {"key": {"type": "uuid", "refTable": "T"}, "min": 0, "max": "unlimited"}},
        "by": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "T"}, "min": 0, "max": 3}},
        "free": {"type": "uuid"}, "gone": {"type": "integer", "ephemeral": true}, "n": {"type": "integer"}}}}}"#;

    fn schema(text: &str) -> Schema {
        let json = json::parse(text.as_bytes()).expect("the sample is JSON");
        Schema::from_json(&json).expect("the sample is a schema")
    }

    #[test]
    fn references_go_by_name_and_defaults_and_ephemeral_columns_are_left_out() {
        let schema = schema(SCHEMA);
        let uuid = Uuid::from_bytes([1; 16]);
        let atom = || Atom::Uuid(uuid);
        let values = [
            Datum::from_atom(atom()),
            Datum::from_atom(atom()),
            Datum::from_atom(atom()),
            Datum::from_pair(Atom::from("k"), atom()),
            Datum::from_atom(atom()),
            Datum::from_atom(Atom::from(7)),
            Datum::from_atom(Atom::from(0)),
        ];
        let name = "row01010101_0101_0101_0101_010101010101";
        assert_eq!(
            insert(&schema.tables[0], &uuid, values.iter()).to_string(),
            format!(
                r#"{{"op":"insert","row":{{"all":["set",[["named-uuid","{name}"]]],"by":["map",[["k",["named-uuid","{name}"]]]],"free":["uuid","{uuid}"]}},"table":"T","uuid-name":"{name}"}}"#
            )
        );
    }

    #[test]
    fn schemas_differ_by_version_or_otherwise() {
        let [original, newer, wider] = [
            SCHEMA.to_owned(),
            SCHEMA.replace("1.2.3", "1.2.4"),
            SCHEMA.replace("\"max\": 3", "\"max\": 4"),
        ]
        .map(|text| schema(&text));
        assert_eq!(difference(&original, &original), None);
        assert_eq!(
            difference(&newer, &original).as_deref(),
            Some("backup schema has version \"1.2.4\" but database schema has version \"1.2.3\"")
        );
        assert_eq!(
            difference(&wider, &original).as_deref(),
            Some("backup schema and database schema are both version 1.2.3 but still differ")
        );
    }
}
