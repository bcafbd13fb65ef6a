//! `transact [DB] TRNS` and `query [DB] TRNS`: run a transaction on a database file.
//!
//! `query` opens the file for reading, so a transaction that changes something fails when it comes to writing. Under a
//! role the transaction has no client id, and so may change nothing where roles are in use.

use std::path::PathBuf;

use ovsdb_engine::record::{RecordOptions, commit_record};
use ovsdb_engine::{Access, Context, Database, Outcome, execute};
use ovsdb_log::{LockPolicy, Log, LogError, OpenMode};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_server::file::Loaded;
use ovsdb_server::{fresh_uuid, journal};

use super::progress::load;
use super::{Answer, Call, ToolError, default_database};

pub(super) fn transact(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    run(call, OpenMode::ReadWrite)
}

pub(super) fn query(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    run(call, OpenMode::ReadOnly)
}

fn run(call: &mut Call<'_>, mode: OpenMode) -> Result<Answer, ToolError> {
    let (path, text) = match call.arguments {
        [text] => (default_database(), text),
        [path, text] => (PathBuf::from(path), text),
        _ => unreachable!("the table of commands says one or two"),
    };
    let Loaded {
        database, mut log, ..
    } = load(&path, mode, LockPolicy::IfWritable)?;
    let request = json::parse(text.as_bytes()).map_err(|source| ToolError::Transaction {
        text: text.clone(),
        source,
    })?;
    let mut reply = reply(&database, &mut log, &request, call.settings.role);
    reply.push(b'\n');
    call.out.write_all(&reply)?;
    Ok(Answer::Yes)
}

/// Carries out a request and gives its reply, as JSON.
fn reply(database: &Database, log: &mut Log, request: &Json, role: Option<&str>) -> Vec<u8> {
    let operations = match request {
        Json::Array(elements) => match elements.split_first() {
            Some((Json::String(name), operations)) if *name == database.schema().name => {
                Ok(operations)
            }
            _ => Err("database name expected as first parameter"),
        },
        _ => Err("array expected"),
    };
    let operations = match operations {
        Ok(operations) => operations,
        Err(details) => return OvsdbError::syntax(request, details).to_json().to_bytes(),
    };

    let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
    let mut context = Context {
        elapsed_ms: 0,
        holds_lock: &|_| false,
        read_only: false,
        // Without an id no rule is read, so none can be unreadable.
        access: role.map(|role| Access {
            role,
            client_id: None,
            report: &|_| {},
        }),
        may_change_reserved: false,
        may_block: false,
        fresh: &mut fresh_uuid,
    };
    let prepared = match execute(database, &transact, &mut context) {
        Outcome::Failed(results) => return results.to_bytes(),
        Outcome::Prepared(prepared) => prepared,
        Outcome::Blocked { .. } => unreachable!("it may not block"),
    };
    let record = prepared.commit.as_ref().and_then(|commit| {
        let comment = prepared.comment.as_deref();
        let options = RecordOptions {
            date_ms: super::date_ms(),
            comment,
            column_diff: true,
        };
        commit_record(database.schema(), commit, options)
    });
    let written = match record {
        Some(record) => write(log, record, prepared.durable),
        None => Ok(()),
    };
    match written {
        Ok(()) => prepared.results.to_bytes(),
        Err(error) => prepared
            .results
            .with_commit_error(journal::log_error(&error))
            .to_bytes(),
    }
}

fn write(log: &mut Log, mut record: Vec<u8>, durable: bool) -> Result<(), LogError> {
    record.push(b'\n');
    log.append(&record)?;
    if durable { log.commit() } else { Ok(()) }
}
