//! What the database must contain after given transactions in a given order.

use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, snapshot_record};
use ovsdb_engine::{Context, Database, Outcome, convert, execute};
use ovsdb_proto::atom::Atom;
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

use crate::workload::{Transaction, schema_text};

/// One step from a version to the next.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Transaction(Arc<Transaction>),
    Conversion(usize),
}

impl Change {
    fn is(&self, other: &Change) -> bool {
        match (self, other) {
            (Change::Transaction(a), Change::Transaction(b)) => a.token == b.token,
            (Change::Conversion(a), Change::Conversion(b)) => a == b,
            _ => false,
        }
    }
}

pub(crate) fn schema(number: usize) -> Schema {
    let json = json::parse(schema_text(number).as_bytes()).expect("valid JSON");
    Schema::from_json(&json).expect("a valid schema")
}

/// All that is kept of a database, as one text.
pub(crate) fn dump(database: &Database) -> String {
    let options = RecordOptions {
        date_ms: 0,
        comment: None,
        column_diff: false,
    };
    let text = snapshot_record(database, options);
    String::from_utf8(text).expect("records are text")
}

/// The tokens of the transactions that a database is made of, in ascending order.
pub(crate) fn tokens(database: &Database) -> Vec<u64> {
    let (table, schema) = database
        .schema()
        .table_by_name("Entry")
        .expect("every schema here has it");
    let column = schema.column_id("token").expect("it has this column");
    let token = |row: &ovsdb_engine::Row| match row.get(column).first() {
        Some(Atom::Integer(token)) => u64::try_from(*token).ok(),
        _ => None,
    };
    let rows = database.table(table).iter();
    let mut tokens: Vec<u64> = rows.filter_map(|row| token(row)).collect();
    tokens.sort_unstable();
    tokens
}

/// The number of the schema that a database has.
pub(crate) fn schema_number(database: &Database) -> usize {
    let version = database.schema().version.clone();
    let text = version.map(|version| version.to_string());
    let number = text.and_then(|text| text.rsplit('.').next()?.parse().ok());
    number.expect("every schema here has a version")
}

/// Computes versions, and keeps those on the way to the last one.
pub(crate) struct Oracle {
    base: Database,
    known: Vec<(Change, Database)>,
}

impl Oracle {
    pub(crate) fn new(base: Database) -> Oracle {
        Oracle {
            base,
            known: Vec::new(),
        }
    }

    /// The version after these changes; an error if one of them would not have succeeded.
    pub(crate) fn after(&mut self, changes: &[Change]) -> Result<Database, String> {
        let common = self
            .known
            .iter()
            .zip(changes)
            .take_while(|((known, _), change)| known.is(change))
            .count();
        self.known.truncate(common);
        for change in &changes[common..] {
            let before = self.known.last().map_or(&self.base, |(_, after)| after);
            let after = apply(before, change)?;
            self.known.push((change.clone(), after));
        }
        let last = self.known.last();
        Ok(last.map_or(&self.base, |(_, after)| after).clone())
    }
}

fn apply(database: &Database, change: &Change) -> Result<Database, String> {
    // Row versions are not kept.
    let mut fresh = || Uuid::from_bytes([7; 16]);
    match change {
        Change::Conversion(number) => convert(database, schema(*number), &mut fresh)
            .map(|conversion| conversion.database)
            .map_err(|error| format!("conversion {number}: {error}")),
        Change::Transaction(transaction) => {
            let json = json::parse(format!("[{}]", transaction.operations).as_bytes())
                .expect("valid JSON");
            let operations = json.as_array().expect("an array");
            let transact = parse_transact(database.schema(), operations, &mut fresh);
            match execute(database, &transact, &mut Context::unrestricted(&mut fresh)) {
                Outcome::Prepared(prepared) => Ok(prepared.next),
                other => Err(format!("transaction {}: {other:?}", transaction.token)),
            }
        }
    }
}
