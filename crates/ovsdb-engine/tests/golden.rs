//! Runs the dialogues in `testdata/txn`: one file a behaviour, named after it.
//!
//! A file begins with a schema, then come commands and, below `---`, what they print:
//!
//! - `transact OPERATIONS`: runs a transaction and prints its results, `blocked` for an unmet `wait`, and the
//!   record that the log would keep, if there is one;
//! - `wait-ms N OPERATIONS`: the same, with N milliseconds gone since the request was received;
//! - `dump`: prints the contents of all tables.
//!
//! UUIDs are counted up from 1, so that the output is the same at each run. `UPDATE_GOLDEN=1 cargo test`
//! rewrites the expectations; read the difference before you commit it.
#![expect(
    clippy::disallowed_methods,
    reason = "the dialogues are files; the engine itself reads none"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ovsdb_engine::record::{RecordOptions, commit_record, replay};
use ovsdb_engine::{Context, Database, Outcome, execute};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;

struct Session {
    database: Database,
    /// The same database, made from the records alone.
    replayed: Database,
    last_uuid: u128,
}

impl Session {
    fn new(schema: &str) -> Session {
        let schema = Schema::from_json(&json::parse(schema.as_bytes()).unwrap()).unwrap();
        let database = Database::new(Arc::new(schema));
        Session {
            replayed: database.clone(),
            database,
            last_uuid: 0,
        }
    }

    fn run(&mut self, command: &str) -> String {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "transact" => self.transact(rest, 0),
            "wait-ms" => {
                let (elapsed, operations) = rest.split_once(' ').expect("wait-ms N OPERATIONS");
                self.transact(operations, elapsed.parse().unwrap())
            }
            "dump" => self.dump(),
            _ => panic!("unknown command {word:?}"),
        }
    }

    fn transact(&mut self, operations: &str, elapsed_ms: u64) -> String {
        let Json::Array(operations) = json::parse(operations.as_bytes()).unwrap() else {
            panic!("operations are an array");
        };
        let last_uuid = &mut self.last_uuid;
        let mut fresh = || {
            *last_uuid += 1;
            Uuid::from_bytes(last_uuid.to_be_bytes())
        };
        let transact = parse_transact(self.database.schema(), &operations, &mut fresh);
        let outcome = execute(
            &self.database,
            &transact,
            &mut Context {
                elapsed_ms,
                holds_lock: &|name| name == "held",
                read_only: false,
                access: None,
                may_change_reserved: false,
                may_block: true,
                fresh: &mut fresh,
            },
        );
        let (results, prepared) = match outcome {
            Outcome::Blocked { timeout_ms, .. } => {
                return match timeout_ms {
                    Some(timeout_ms) => format!("blocked until {timeout_ms} ms\n"),
                    None => "blocked\n".to_owned(),
                };
            }
            Outcome::Failed(results) => (results, None),
            Outcome::Prepared(prepared) => (prepared.results.clone(), Some(prepared)),
        };
        let mut output = String::new();
        let text = String::from_utf8(results.to_bytes()).unwrap();
        json::parse(text.as_bytes()).expect("results are valid JSON");
        writeln!(output, "{text}").unwrap();
        if let Some(prepared) = prepared {
            if let Some(commit) = &prepared.commit {
                let options = RecordOptions {
                    date_ms: 0,
                    comment: prepared.comment.as_deref(),
                    column_diff: true,
                };
                if let Some(record) = commit_record(self.database.schema(), commit, options) {
                    writeln!(output, "record {}", std::str::from_utf8(&record).unwrap()).unwrap();
                    let (replayed, _) =
                        replay(&self.replayed, &record, &mut || Uuid::ZERO).unwrap();
                    self.replayed = replayed;
                }
            }
            self.database = prepared.next;
            self.database.check_consistency().unwrap();
            assert_eq!(
                dump(&self.replayed),
                dump(&self.database),
                "replaying the log gives the same"
            );
        }
        output
    }

    fn dump(&self) -> String {
        dump(&self.database)
    }
}

/// The contents without `_version` and ephemeral columns, which files do not keep.
fn dump(database: &Database) -> String {
    let mut output = String::new();
    for id in database.table_ids() {
        let schema = database.schema().table(id);
        for row in database.table(id).iter() {
            write!(output, "{} {}", schema.name, row.uuid()).unwrap();
            for (column, datum) in schema.columns.iter().zip(row.columns()).skip(2) {
                if column.persistent && !datum.is_default(&column.ty) {
                    write!(output, " {}={}", column.name, datum.to_json(&column.ty)).unwrap();
                }
            }
            output.push('\n');
        }
    }
    output
}

/// Runs one file and gives back what it would look like with the present output.
fn rerun(text: &str) -> String {
    let (schema, dialogue) = text
        .split_once("\n\n")
        .expect("a schema, an empty line, commands");
    let mut session = Session::new(schema);
    let mut output = format!("{}\n", schema.trim_end());
    for block in dialogue
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
    {
        let (command, _) = block.split_once("\n---").unwrap_or((block, ""));
        let (comments, command): (Vec<&str>, Vec<&str>) = command
            .trim()
            .lines()
            .partition(|line| line.starts_with('#'));
        output.push('\n');
        for comment in comments {
            writeln!(output, "{comment}").unwrap();
        }
        let printed = session.run(&command.join(" "));
        write!(output, "{}\n---\n{}", command.join("\n"), printed).unwrap();
    }
    output
}

#[test]
fn dialogues_give_the_expected_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/txn");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for file in files {
        let expected = std::fs::read_to_string(&file).unwrap();
        let actual = rerun(&expected);
        if actual != expected {
            if update {
                std::fs::write(&file, actual).unwrap();
            } else {
                different.push(format!("{}:\n{actual}", file.display()));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
