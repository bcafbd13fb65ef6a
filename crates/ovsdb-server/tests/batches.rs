//! Transactions that wait at the same time: written together, published and answered in their order, and refused one by one.

mod support;

use std::ops::Deref;
use std::sync::Arc;

use ovsdb_log::Replacement;
use ovsdb_log::compaction::Growth;
use ovsdb_proto::uuid::Uuid;
use ovsdb_server::journal::{
    Answer as JournalAnswer, Flushed, Journal, JournalError, NewRecord, Proposal, Replaced, Ticket,
};
use ovsdb_server::mailbox::{Answer, Token};
use ovsdb_server::writer::Event;
use ovsdb_server::{fresh_uuid, limits};
use parking_lot::Mutex;
use support::writing::Writing;
use tokio::sync::oneshot;

/// What the journal has done, and what it is to do.
#[derive(Default)]
struct Script {
    /// The records of each flush that was tried.
    flushes: Vec<Vec<String>>,
    /// No flush with a record that has this in it succeeds.
    refused: Option<&'static str>,
    answers: Vec<JournalAnswer>,
}

/// Keeps records until they are flushed. Durable ones are answered when the test says so.
struct StagingJournal {
    script: Arc<Mutex<Script>>,
    staged: Vec<String>,
    is_durable: bool,
    id: Uuid,
}

fn refusal() -> JournalError {
    JournalError::Thread(String::from("test"))
}

impl Journal for StagingJournal {
    fn propose(&mut self, record: NewRecord, durable: bool) -> Proposal {
        let record = String::from_utf8(record.into_text()).expect("records are text");
        self.staged.push(record);
        self.is_durable |= durable;
        self.id = fresh_uuid();
        Proposal::Staged
    }

    fn flush(&mut self, _may_wait: &mut dyn FnMut() -> bool) -> Result<Flushed, JournalError> {
        let (staged, durable) = (
            std::mem::take(&mut self.staged),
            std::mem::take(&mut self.is_durable),
        );
        let mut script = self.script.lock();
        let is_refused = |record: &String| script.refused.is_some_and(|text| record.contains(text));
        let is_refused = staged.iter().any(is_refused);
        if !staged.is_empty() {
            script.flushes.push(staged);
        }
        if is_refused {
            return Err(refusal());
        }
        Ok(Flushed {
            ticket: durable.then_some(Ticket(script.flushes.len() as u64)),
            sync: None,
        })
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn answers(&mut self) -> Vec<JournalAnswer> {
        std::mem::take(&mut self.script.lock().answers)
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

    fn replace(&mut self, _records: &[Vec<u8>], _id: Uuid) -> Replaced {
        Replaced::Refused(refusal())
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
    fn new(refused: Option<&'static str>) -> Fixture {
        let script = Arc::new(Mutex::new(Script {
            refused,
            ..Script::default()
        }));
        let journal = StagingJournal {
            script: script.clone(),
            staged: Vec::new(),
            is_durable: false,
            id: fresh_uuid(),
        };
        Fixture {
            writing: Writing::new(Box::new(journal)),
            script,
        }
    }

    /// Has transactions wait at the same time. `cancel N` takes back number N.
    fn send(&mut self, batch: &[&str]) {
        let events: Vec<Event> = batch
            .iter()
            .map(|step| match step.strip_prefix("cancel ") {
                None => self.writing.transaction(step),
                Some(number) => Event::Cancel(
                    self.mailbox.id(),
                    Token(number.parse().expect("a number")),
                    Answer::Canceled,
                ),
            })
            .collect();
        self.queue.push_all(events).expect("the writer runs");
        self.queue.nudge();
    }

    /// How many records each flush had.
    fn flushes(&self) -> Vec<usize> {
        self.script.lock().flushes.iter().map(Vec::len).collect()
    }

    /// Returns when there have been flushes of `count` records in all.
    fn wait_for_records(&self, count: usize) {
        while self.flushes().iter().sum::<usize>() < count {
            std::thread::yield_now();
        }
    }

    fn answer(&self, ticket: u64, result: Result<(), JournalError>) {
        self.script.lock().answers.push((Ticket(ticket), result));
        self.push(Event::JournalReady);
    }
}

fn insert(n: u32) -> String {
    format!(r#"{{"op":"insert","table":"U","row":{{"n":{n}}}}}"#)
}

fn set(n: u32) -> String {
    format!(r#"{{"op":"update","table":"U","where":[],"row":{{"n":{n}}}}}"#)
}

const SELECT: &str = r#"{"op":"select","table":"U","where":[],"columns":["n"],"sort":["n"]}"#;
const DURABLE: &str = r#"{"op":"commit","durable":true}"#;
const ABORT: &str = r#"{"op":"abort"}"#;
const INSERTED: &str = r#"{"uuid":["uuid","U"]}"#;
const ABORTED: &str = r#"{"details":"aborted by request","error":"aborted"}"#;
const REFUSED: &str = r#"{"details":"cannot start a thread (test)","error":"resources exhausted"}"#;

fn wait_for(n: u32) -> String {
    format!(
        r#"{{"op":"wait","table":"U","where":[],"columns":["n"],"until":"==","rows":[{{"n":{n}}}]}},{}"#,
        r#"{"op":"insert","table":"T","row":{"name":"seen"}}"#
    )
}

/// Sends steps at once to a journal that refuses what has `refused` in it, and compares what is told and how many records
/// each flush had.
#[track_caller]
fn check(refused: Option<&'static str>, steps: &[&str], letters: &[String], flushes: &[usize]) {
    let mut fixture = Fixture::new(refused);
    fixture.send(steps);
    assert_eq!(fixture.letters(letters.len()), letters, "{steps:?}");
    assert_eq!(fixture.flushes(), flushes, "{steps:?}");
}

#[test]
fn what_waits_at_the_same_time_is_written_at_once_and_answered_in_order() {
    check(
        None,
        &[&insert(1), &insert(2), SELECT, &insert(3), SELECT],
        &[
            format!("1 [{INSERTED}]"),
            format!("2 [{INSERTED}]"),
            String::from(r#"3 [{"rows":[{"n":1},{"n":2}]}]"#),
            format!("4 [{INSERTED}]"),
            String::from(r#"5 [{"rows":[{"n":1},{"n":2},{"n":3}]}]"#),
        ],
        &[3],
    );
}

#[test]
fn each_commit_of_a_batch_makes_a_version() {
    let mut fixture = Fixture::new(None);
    fixture.send(&[&insert(1), &insert(2), &insert(3)]);
    fixture.letters(3);
    assert_eq!(fixture.hub.version().number, 3);
}

#[test]
fn a_transaction_that_fails_leaves_nothing_behind_for_those_after_it() {
    check(
        None,
        &[
            &insert(1),
            &format!("{},{},{ABORT}", set(7), insert(8)),
            SELECT,
            &insert(2),
            SELECT,
        ],
        &[
            format!("1 [{INSERTED}]"),
            format!(r#"2 [{{"count":1}},{INSERTED},{ABORTED}]"#),
            String::from(r#"3 [{"rows":[{"n":1}]}]"#),
            format!("4 [{INSERTED}]"),
            String::from(r#"5 [{"rows":[{"n":1},{"n":2}]}]"#),
        ],
        &[2],
    );
}

#[test]
fn of_a_batch_that_cannot_be_written_each_transaction_is_tried_alone() {
    check(
        Some(r#""n":13"#),
        &[&insert(1), SELECT, &insert(13), SELECT, &insert(2), SELECT],
        &[
            format!("1 [{INSERTED}]"),
            String::from(r#"2 [{"rows":[{"n":1}]}]"#),
            format!("3 [{INSERTED},{REFUSED}]"),
            String::from(r#"4 [{"rows":[{"n":1}]}]"#),
            format!("5 [{INSERTED}]"),
            String::from(r#"6 [{"rows":[{"n":1},{"n":2}]}]"#),
        ],
        &[3, 1, 1, 1],
    );
}

#[test]
fn a_single_refused_transaction_takes_only_those_after_it_along() {
    check(
        Some(r#""n":13"#),
        &[SELECT, &insert(13), SELECT],
        &[
            String::from(r#"1 [{"rows":[]}]"#),
            format!("2 [{INSERTED},{REFUSED}]"),
            String::from(r#"3 [{"rows":[]}]"#),
        ],
        &[1],
    );
}

#[test]
fn a_wait_sees_what_is_true_only_for_a_moment() {
    check(
        None,
        &[&insert(1), &wait_for(2), &set(2), &set(3), SELECT],
        &[
            String::from("2 parked"),
            format!("1 [{INSERTED}]"),
            String::from(r#"3 [{"count":1}]"#),
            format!("2 [{{}},{INSERTED}]"),
            String::from(r#"4 [{"count":1}]"#),
            String::from(r#"5 [{"rows":[{"n":3}]}]"#),
        ],
        &[1, 1, 1, 1],
    );
}

#[test]
fn a_wait_among_others_can_be_taken_back() {
    check(
        None,
        &[&insert(1), &wait_for(9), "cancel 2", &set(9), SELECT],
        &[
            String::from("2 parked"),
            format!("1 [{INSERTED}]"),
            String::from("2 canceled"),
            String::from(r#"3 [{"count":1}]"#),
            String::from(r#"4 [{"rows":[{"n":9}]}]"#),
        ],
        &[1, 1],
    );
}

/// Three transactions, the second of which is durable.
fn durable_among_others() -> Fixture {
    let mut fixture = Fixture::new(None);
    fixture.send(&[
        &insert(1),
        &format!("{},{DURABLE}", insert(2)),
        &insert(3),
        SELECT,
    ]);
    // What is before it does not wait for the disk, what is after it does.
    assert_eq!(fixture.letters(1), [format!("1 [{INSERTED}]")]);
    assert_eq!(fixture.flushes(), [3]);
    assert_eq!(fixture.hub.version().number, 1);
    fixture
}

#[test]
fn what_comes_after_a_durable_transaction_waits_with_it() {
    let fixture = durable_among_others();
    fixture.answer(1, Ok(()));
    assert_eq!(
        fixture.letters(3),
        [
            format!("2 [{INSERTED},{{}}]"),
            format!("3 [{INSERTED}]"),
            String::from(r#"4 [{"rows":[{"n":1},{"n":2},{"n":3}]}]"#),
        ]
    );
    assert_eq!(fixture.hub.version().number, 3);
}

#[test]
fn what_comes_after_a_durable_transaction_that_is_refused_runs_again() {
    let fixture = durable_among_others();
    fixture.answer(1, Err(refusal()));
    assert_eq!(
        fixture.letters(3),
        [
            format!("2 [{INSERTED},{{}},{REFUSED}]"),
            format!("3 [{INSERTED}]"),
            String::from(r#"4 [{"rows":[{"n":1},{"n":3}]}]"#),
        ]
    );
    assert_eq!(fixture.flushes(), [3, 1]);
    assert_eq!(fixture.hub.version().number, 2);
}

#[test]
fn nobody_remembers_what_was_taken_back_once_it_has_been_answered() {
    let mut fixture = durable_among_others();
    let remembered = |fixture: &Fixture, count: usize| {
        let shown = format!("{:?}", fixture.writer.lock());
        shown.contains(&format!("canceled: {count},"))
    };
    fixture.send(&["cancel 3"]);
    while !remembered(&fixture, 1) {
        std::thread::yield_now();
    }
    // It runs again, and is answered without the journal's having anything to say.
    fixture.answer(1, Err(refusal()));
    fixture.letters(3);
    fixture.send(&[SELECT]);
    fixture.letters(1);
    assert!(remembered(&fixture, 0), "{:?}", fixture.writer.lock());
}

#[test]
fn batches_are_bounded() {
    let mut fixture = Fixture::new(None);
    let inserts: Vec<String> = (0..500).map(insert).collect();
    let steps: Vec<&str> = inserts.iter().map(String::as_str).collect();
    fixture.send(&steps);
    fixture.letters(steps.len());
    let flushes = fixture.flushes();
    assert_eq!(flushes.iter().sum::<usize>(), steps.len());
    assert!(
        flushes
            .iter()
            .all(|count| *count <= limits::BATCH_TRANSACTIONS_MAX),
        "{flushes:?}"
    );
}

#[test]
fn with_as_much_ahead_as_may_be_the_writer_still_sees_to_all_but_transactions() {
    let mut fixture = Fixture::new(None);
    let inserts: Vec<String> = (0..limits::WRITER_AHEAD_MAX as u32).map(insert).collect();
    let durable = format!("{},{DURABLE}", insert(0));
    let steps = std::iter::once(durable.as_str());
    let steps: Vec<&str> = steps
        .chain(inserts.iter().skip(1).map(String::as_str))
        .collect();
    fixture.send(&steps);
    fixture.wait_for_records(steps.len());
    // Nothing waits but this.
    let (reply, outcome) = oneshot::channel();
    let compact = Event::Compact(reply);
    fixture.queue.push(compact).expect("the writer runs");
    let outcome = outcome.blocking_recv().expect("it is answered");
    assert!(outcome.is_ok());
    fixture.answer(1, Ok(()));
    fixture.letters(steps.len());
}
