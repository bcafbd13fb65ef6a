//! A writer that runs ahead of its journal: nothing is told before it is accepted, and a refusal undoes what stood on it.

mod support;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc;

use ovsdb_log::Replacement;
use ovsdb_log::compaction::Growth;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::journal::{
    Answer as JournalAnswer, Flushed, Journal, JournalError, NewRecord, Proposal, Replaced, Ticket,
};
use ovsdb_server::mailbox::{Answer, Token};
use ovsdb_server::writer::{Conversion, Converted, Event};
use parking_lot::Mutex;
use support::writing::Writing;

/// What the journal was asked, and what it is to answer.
#[derive(Default)]
struct Script {
    records: Vec<String>,
    answers: Vec<JournalAnswer>,
    refuses_replacement: bool,
    /// What took the place of all records.
    replacement: Vec<String>,
}

/// The transaction id that a record gets.
fn id_of(record: usize) -> Uuid {
    Uuid::from_bytes([u8::try_from(record).expect("few"); 16])
}

/// Answers nothing until it is told to.
struct LateJournal(Arc<Mutex<Script>>);

impl Journal for LateJournal {
    fn propose(&mut self, record: NewRecord, _durable: bool) -> Proposal {
        let mut script = self.0.lock();
        script
            .records
            .push(String::from_utf8(record.into_text()).expect("records are text"));
        Proposal::Pending(Ticket(script.records.len() as u64))
    }

    fn answers_each(&self) -> bool {
        true
    }

    fn flush(&mut self, _may_wait: &mut dyn FnMut() -> bool) -> Result<Flushed, JournalError> {
        Ok(Flushed::default())
    }

    fn id(&self) -> Uuid {
        id_of(self.0.lock().records.len())
    }

    fn answers(&mut self) -> Vec<JournalAnswer> {
        std::mem::take(&mut self.0.lock().answers)
    }

    fn begin_compaction(&mut self) -> Result<Option<Replacement>, JournalError> {
        Ok(None)
    }

    fn end(&self) -> u64 {
        0
    }

    fn finish_compaction(&mut self, _new: Replacement) -> Result<(), JournalError> {
        Ok(())
    }

    fn replace(&mut self, records: &[Vec<u8>], _id: Uuid) -> Replaced {
        let mut script = self.0.lock();
        if script.refuses_replacement {
            return Replaced::Refused(JournalError::Thread(String::from("test")));
        }
        let last = Ticket(script.records.len() as u64);
        script.answers.push((last, Ok(())));
        let records = records.iter().cloned().map(String::from_utf8);
        script.replacement = records
            .map(|record| record.expect("records are text"))
            .collect();
        Replaced::Done
    }

    fn growth(&self) -> Option<Growth> {
        None
    }

    fn trouble(&self) -> Option<JournalError> {
        None
    }

    fn needs_compaction(&self) -> bool {
        false
    }
}

struct Fixture {
    writing: Writing,
    script: Arc<Mutex<Script>>,
}

impl Deref for Fixture {
    type Target = Writing;

    fn deref(&self) -> &Writing {
        &self.writing
    }
}

impl Fixture {
    fn new() -> Fixture {
        let script = Arc::new(Mutex::new(Script::default()));
        Fixture {
            writing: Writing::new(Box::new(LateJournal(script.clone()))),
            script,
        }
    }

    /// Has operations executed.
    fn transact(&mut self, operations: &str) {
        let transaction = self.writing.transaction(operations);
        self.push(transaction);
    }

    /// Returns when the journal has been asked for `count` records in all.
    fn wait_for_records(&self, count: usize) {
        while self.script.lock().records.len() < count {
            std::thread::yield_now();
        }
    }

    fn answer(&self, upto: u64, result: Result<(), JournalError>) {
        self.script.lock().answers.push((Ticket(upto), result));
        self.push(Event::JournalReady);
    }

    fn accept(&self, upto: u64) {
        self.answer(upto, Ok(()));
    }

    fn refuse(&self, upto: u64) {
        self.answer(upto, Err(JournalError::Thread(String::from("test"))));
    }

    /// Has the database converted, so that `U` has one more column; what comes of it can be received.
    fn convert(&self) -> mpsc::Receiver<Converted> {
        let schema = self.hub.version().database.schema().to_json().to_string();
        let schema = schema.replace(
            r#""U":{"columns":{"#,
            r#""U":{"columns":{"more":{"type":"string"},"#,
        );
        let schema = Schema::from_json(&json::parse(schema.as_bytes()).expect("valid JSON"));
        let (sender, receiver) = mpsc::channel();
        let conversion = Conversion {
            schema: schema.expect("a valid schema"),
            done: Box::new(move |converted| sender.send(converted).expect("somebody listens")),
        };
        self.push(Event::Convert(Box::new(conversion)));
        receiver
    }

    /// The numbers in table `U` of the current version.
    fn version(&self) -> (u64, usize) {
        let version = self.hub.version();
        let (table, _) = version
            .database
            .schema()
            .table_by_name("U")
            .expect("the schema has it");
        (version.number, version.database.table(table).len())
    }
}

const INSERT: &str = r#"{"op":"insert","table":"U","row":{"n":1}}"#;
const ADD: &str = r#"{"op":"mutate","table":"U","where":[],"mutations":[["n","+=",1]]}"#;
const SELECT: &str = r#"{"op":"select","table":"U","where":[],"columns":["n"]}"#;
const REFUSED: &str = r#"{"details":"cannot start a thread (test)","error":"resources exhausted"}"#;

#[test]
fn nothing_is_told_before_the_journal_has_accepted_it_and_then_in_order() {
    let mut fixture = Fixture::new();
    fixture.transact(INSERT);
    fixture.transact(SELECT);
    fixture.transact(ADD);
    fixture.transact(SELECT);
    fixture.wait_for_records(2);
    assert_eq!(fixture.version(), (0, 0));
    assert!(fixture.mailbox.take().is_empty());

    fixture.accept(1);
    let expected = [r#"1 [{"uuid":["uuid","U"]}]"#, r#"2 [{"rows":[{"n":1}]}]"#];
    assert_eq!(fixture.letters(2), expected);
    assert_eq!(fixture.version(), (1, 1));
    fixture.accept(2);
    assert_eq!(
        fixture.letters(2),
        [r#"3 [{"count":1}]"#, r#"4 [{"rows":[{"n":2}]}]"#]
    );
    assert_eq!(fixture.version(), (2, 1));
}

#[test]
fn a_version_has_the_transaction_id_of_its_own_record() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.transact(INSERT);
    }
    fixture.wait_for_records(3);
    fixture.accept(1);
    fixture.letters(1);
    assert_eq!(fixture.hub.version().id, id_of(1));
    fixture.refuse(2);
    // The third runs again.
    fixture.wait_for_records(4);
    assert_eq!(fixture.hub.version().id, id_of(1));
    fixture.accept(4);
    fixture.letters(2);
    assert_eq!(fixture.hub.version().id, id_of(4));
}

#[test]
fn one_answer_may_accept_several_records() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.transact(INSERT);
    }
    fixture.wait_for_records(3);
    fixture.accept(3);
    assert_eq!(fixture.letters(3).len(), 3);
    assert_eq!(fixture.version(), (3, 3));
}

#[test]
fn what_stood_on_a_refused_record_runs_again() {
    let mut fixture = Fixture::new();
    fixture.transact(INSERT);
    fixture.wait_for_records(1);
    fixture.accept(1);
    fixture.letters(1);

    fixture.transact(&format!("{ADD},{SELECT}"));
    fixture.transact(&format!("{ADD},{SELECT}"));
    fixture.transact(SELECT);
    fixture.wait_for_records(3);
    fixture.refuse(3);
    assert_eq!(
        fixture.letters(1),
        [format!(
            r#"2 [{{"count":1}},{{"rows":[{{"n":2}}]}},{REFUSED}]"#
        )]
    );
    // The second counts from where the first had not been.
    fixture.wait_for_records(4);
    assert_eq!(fixture.version().0, 1);
    fixture.accept(4);
    assert_eq!(
        fixture.letters(2),
        [
            r#"3 [{"count":1},{"rows":[{"n":2}]}]"#,
            r#"4 [{"rows":[{"n":2}]}]"#
        ]
    );
}

#[test]
fn a_wait_is_judged_anew_when_what_it_saw_is_refused() {
    let mut fixture = Fixture::new();
    let wait = concat!(
        r#"{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[]},"#,
        r#"{"op":"insert","table":"T","row":{}}"#
    );
    fixture.transact(INSERT);
    fixture.wait_for_records(1);
    fixture.transact(wait);
    assert_eq!(fixture.letters(1), ["2 parked"]);
    fixture.refuse(1);
    fixture.wait_for_records(2);
    fixture.accept(2);
    assert_eq!(
        fixture.letters(2),
        [
            format!(r#"1 [{{"uuid":["uuid","U"]}},{REFUSED}]"#),
            String::from(r#"2 [{},{"uuid":["uuid","U"]}]"#)
        ]
    );
}

#[test]
fn what_runs_again_for_a_session_that_has_gone_is_not_parked() {
    let mut fixture = Fixture::new();
    let wait_for_the_first = concat!(
        r#"{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":1}]},"#,
        r#"{"op":"insert","table":"T","row":{}}"#
    );
    fixture.transact(INSERT);
    fixture.transact(wait_for_the_first);
    fixture.wait_for_records(2);
    fixture.mailbox.abandon();
    fixture
        .queue
        .push(Event::Disconnected(fixture.mailbox.id()))
        .expect("the writer runs");
    fixture.refuse(1);
    fixture.transact(SELECT);
    assert_eq!(
        fixture.letters(2),
        [
            format!(r#"1 [{{"uuid":["uuid","U"]}},{REFUSED}]"#),
            String::from(r#"3 [{"rows":[]}]"#)
        ]
    );
}

#[test]
fn what_was_taken_back_while_it_was_ahead_is_canceled_when_it_would_have_to_wait() {
    let mut fixture = Fixture::new();
    let wait_for_the_first = concat!(
        r#"{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":1}]},"#,
        r#"{"op":"insert","table":"T","row":{}}"#
    );
    fixture.transact(INSERT);
    fixture.transact(wait_for_the_first);
    let cancel = Event::Cancel(fixture.mailbox.id(), Token(2), Answer::Canceled);
    fixture.queue.push(cancel).expect("the writer runs");
    fixture.transact(r#"{"op":"insert","table":"T","row":{"name":"b"}}"#);
    fixture.wait_for_records(3);
    fixture.refuse(1);
    fixture.wait_for_records(4);
    fixture.accept(4);
    assert_eq!(
        fixture.letters(3),
        [
            format!(r#"1 [{{"uuid":["uuid","U"]}},{REFUSED}]"#),
            String::from("2 canceled"),
            String::from(r#"3 [{"uuid":["uuid","U"]}]"#)
        ]
    );
}

#[test]
fn a_conversion_completes_what_is_ahead_of_it_and_cancels_what_was_meant_for_the_old_schema() {
    let mut fixture = Fixture::new();
    fixture.transact(
        r#"{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{"n":9}]}"#,
    );
    assert_eq!(fixture.letters(1), ["1 parked"]);
    fixture.transact(INSERT);
    fixture.transact(ADD);
    fixture.wait_for_records(2);
    assert_eq!(fixture.version(), (0, 0));
    let converted = fixture.convert();
    fixture.transact(ADD);
    fixture.transact(SELECT);
    assert_eq!(
        fixture.letters(4),
        [
            r#"2 [{"uuid":["uuid","U"]}]"#,
            r#"3 [{"count":1}]"#,
            "4 canceled",
            "5 canceled"
        ]
    );
    let converted = converted.recv().expect("it is told");
    let Converted {
        hub,
        result,
        canceled,
    } = converted;
    result.expect("the journal is willing");
    let tokens = canceled.iter().map(|(_, token)| *token);
    assert!(tokens.eq([Token(1)]), "{canceled:?}");
    // What was ahead has been published where it was asked for; what comes is published elsewhere.
    assert_eq!(fixture.version(), (2, 1));
    assert_eq!(fixture.script.lock().records.len(), 2);
    let replacement = std::mem::take(&mut fixture.script.lock().replacement);
    let [schema, contents] = &replacement[..] else {
        panic!("a schema and its contents");
    };
    assert!(schema.contains(r#""more":{"type":"string"}"#), "{schema}");
    assert!(contents.contains(r#"{"n":2}"#), "{contents}");

    fixture.writing.hub = hub.expect("the database has its new schema");
    fixture.transact(&format!(
        r#"{ADD},{{"op":"select","table":"U","where":[],"columns":["more","n"]}}"#
    ));
    fixture.wait_for_records(3);
    fixture.accept(3);
    assert_eq!(
        fixture.letters(1),
        [r#"6 [{"count":1},{"rows":[{"more":"","n":3}]}]"#]
    );
    assert_eq!(fixture.version(), (1, 1));
}

#[test]
fn a_conversion_that_the_journal_refuses_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.transact(INSERT);
    fixture.wait_for_records(1);
    fixture.script.lock().refuses_replacement = true;
    let converted = fixture.convert();
    fixture.transact(ADD);
    let Converted { hub, result, .. } = converted.recv().expect("it is told");
    assert!(hub.is_none());
    assert_eq!(
        result.expect_err("it was refused").to_string(),
        "resources exhausted: cannot start a thread (test)"
    );
    fixture.wait_for_records(2);
    assert_eq!(fixture.version(), (0, 0));
    fixture.accept(2);
    assert_eq!(
        fixture.letters(2),
        [r#"1 [{"uuid":["uuid","U"]}]"#, r#"2 [{"count":1}]"#]
    );
}
