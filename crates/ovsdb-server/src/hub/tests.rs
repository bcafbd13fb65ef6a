//! What a hub tells its feeds, and what is shared: monitors, words and beginnings.

use ovsdb_engine::{Context, Outcome, execute};
use ovsdb_proto::condition::Clause;
use ovsdb_proto::json;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;

use super::*;
use crate::feed::Words;
use crate::runtime::fresh_uuid;

const SCHEMA: &str = r#"{"name":"D","tables":{
    "A":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
    "B":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

struct Fixture {
    hub: Hub,
}

impl Fixture {
    fn new() -> Fixture {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        Fixture {
            hub: Hub::new(Database::new(Arc::new(schema)), fresh_uuid()),
        }
    }

    fn feed(&self, tables: &[&str]) -> Arc<Feed> {
        self.feed_of(&Mailbox::new(SessionId::fresh()), tables)
    }

    fn feed_of(&self, mailbox: &Arc<Mailbox>, tables: &[&str]) -> Arc<Feed> {
        let feed = self.hub.subscribe(mailbox);
        for table in tables {
            self.watch(&feed, table);
        }
        feed
    }

    /// Watches all of a table.
    fn watch(&self, feed: &Arc<Feed>, table: &str) -> (WatchId, Arc<Monitor>) {
        let requests = json::parse(format!(r#"{{"{table}":{{}}}}"#).as_bytes()).unwrap();
        let schema = self.hub.version().database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, false).unwrap();
        let monitor = self.hub.monitor(&requests, Form::Values);
        let start = self.hub.watch(feed, &monitor, None);
        (start.watch, monitor)
    }

    /// Inserts a row with a fixed UUID.
    fn insert(&self, table: &str, n: usize) {
        let uuid = format!("00000000-0000-0000-0000-{n:012x}");
        let operation =
            format!(r#"[{{"op":"insert","table":"{table}","row":{{"n":{n}}},"uuid":"{uuid}"}}]"#);
        self.commit(&operation);
    }

    fn commit(&self, operations: &str) {
        let operations = json::parse(operations.as_bytes()).unwrap();
        let database = self.hub.version().database.clone();
        let operations = operations.as_array().unwrap();
        let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
        let mut fresh = fresh_uuid;
        let mut context = Context::unrestricted(&mut fresh);
        match execute(&database, &transact, &mut context) {
            Outcome::Prepared(prepared) => {
                let commit = Arc::new(prepared.commit.unwrap());
                self.hub.publish(prepared.next, &commit, fresh_uuid());
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What the monitors of a feed are told, `_version` aside.
fn told(fixture: &Fixture, feed: &Feed) -> Vec<String> {
    let news = fixture.hub.take(feed).into_iter();
    news.map(numbers).collect()
}

/// The numbers that are told of, `_version` aside.
fn numbers(news: News) -> String {
    let text = match news.into_words() {
        Words::Nothing => Vec::new(),
        Words::Own(text) => text,
        Words::Shared(text) => text.get().cloned().unwrap_or_default(),
    };
    let text = String::from_utf8(text).unwrap();
    let numbers = text.split(r#""n":"#).skip(1);
    let numbers: Vec<&str> = numbers.filter_map(|rest| rest.split('}').next()).collect();
    numbers.join(" ")
}

/// Who is told of which numbers.
fn told_to(news: Vec<News>) -> Vec<(Vec<WatchId>, String)> {
    let told = |one: News| (one.watches().to_vec(), numbers(one));
    news.into_iter().map(told).collect()
}

fn has_rung(mailbox: &Mailbox) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(mailbox.rung()).poll(&mut context).is_ready()
}

#[test]
fn monitors_of_the_same_thing_are_told_the_same_whenever_they_take_it() {
    let fixture = Fixture::new();
    let (quick, slow, other) = (
        fixture.feed(&["A", "B"]),
        fixture.feed(&["A"]),
        fixture.feed(&["B"]),
    );
    for n in 1..=3 {
        fixture.insert("A", n);
        assert_eq!(told(&fixture, &quick), [n.to_string()]);
    }
    fixture.insert("B", 4);
    assert_eq!(told(&fixture, &quick), ["4"]);
    assert_eq!(told(&fixture, &slow), ["1", "2", "3"]);
    assert_eq!(told(&fixture, &other), ["4"]);
    for feed in [quick, slow, other] {
        assert_eq!(told(&fixture, &feed), [""; 0]);
    }
}

#[test]
fn monitors_of_a_session_that_want_the_same_are_told_together_what_all_of_them_have_not_been_told()
{
    let fixture = Fixture::new();
    let (hub, feed) = (&fixture.hub, fixture.feed(&[]));
    let watch = |table| fixture.watch(&feed, table).0;
    let text = |number: &str| number.to_owned();
    let (first, other, second) = (watch("A"), watch("B"), watch("A"));
    fixture.insert("A", 1);
    // It knows of 1, and the others have not been told.
    let late = watch("A");
    fixture.insert("A", 2);
    fixture.insert("B", 3);
    let expected = [
        (vec![first, second], text("1")),
        (vec![first, second], text("2")),
        (vec![other], text("3")),
        (vec![late], text("2")),
    ];
    assert_eq!(told_to(hub.take(&feed)), expected);
    // All have been told everything.
    let last = watch("A");
    fixture.insert("A", 4);
    let expected = [
        (vec![first, second, last], text("4")),
        (vec![late], text("4")),
    ];
    assert_eq!(told_to(hub.take(&feed)), expected);
    assert_eq!((hub.monitors(), feed.len()), (5, 5));
    // One ends while there is something to tell, and those that are left are told.
    fixture.insert("A", 5);
    assert!(hub.unwatch(&feed, first));
    assert_eq!(
        told_to(hub.take(&feed)),
        [(vec![second, last], text("5")), (vec![late], text("5"))]
    );
    for (gone, are_left) in [(last, true), (second, true), (late, true), (other, false)] {
        assert_eq!(hub.unwatch(&feed, gone), are_left);
    }
    assert_eq!((hub.monitors(), feed.len()), (0, 0));
}

#[test]
fn a_monitor_that_wants_something_else_leaves_the_others_and_joins_others() {
    let fixture = Fixture::new();
    let (hub, feed) = (&fixture.hub, fixture.feed(&[]));
    let (first, all) = fixture.watch(&feed, "A");
    let (second, _) = fixture.watch(&feed, "A");
    let few = hub.with_conditions(&all, vec![Condition::new(vec![Clause::constant(true)])]);
    fixture.insert("A", 1);
    let (news, _) = hub.change(&feed, first, &few);
    assert_eq!(told_to(news), [(vec![first], String::from("1"))]);
    fixture.insert("A", 2);
    let news: Vec<_> = hub
        .take(&feed)
        .iter()
        .map(|one| (one.watches().to_vec(), one.rows()))
        .collect();
    // Of the second both commits.
    assert_eq!(
        news,
        [(vec![second], 1), (vec![second], 1), (vec![first], 1)]
    );
    let (news, _) = hub.change(&feed, second, &few);
    assert!(news.is_empty());
    fixture.insert("A", 3);
    let told: Vec<_> = hub
        .take(&feed)
        .iter()
        .map(|one| one.watches().to_vec())
        .collect();
    assert_eq!(told, [vec![first, second]]);
    assert_eq!((hub.monitors(), feed.len()), (2, 2));
}

#[test]
fn what_is_told_of_one_commit_is_written_once() {
    let fixture = Fixture::new();
    let feeds = [fixture.feed(&["A"]), fixture.feed(&["A"])];
    fixture.insert("A", 1);
    let texts = feeds.map(
        |feed| match fixture.hub.take(&feed).remove(0).into_words() {
            Words::Shared(text) => text,
            other => panic!("{other:?}"),
        },
    );
    assert!(Arc::ptr_eq(&texts[0], &texts[1]));
}

#[test]
fn who_comes_back_after_another_is_sent_the_same_text() {
    let fixture = Fixture::new();
    let id = fixture.hub.version().id;
    let come_back = || {
        let feed = fixture.feed(&[]);
        let requests = json::parse(br#"{"A":{"columns":["n"]}}"#).unwrap();
        let schema = fixture.hub.version().database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
        let monitor = fixture.hub.monitor(&requests, Form::Differences);
        let shown = Shown::KeptColumns;
        let start = fixture
            .hub
            .watch(&feed, &monitor, Some(Since { id, shown }));
        assert!(start.is_resumed());
        Arc::downgrade(&fixture.hub.beginning(&monitor, &start))
    };
    fixture.insert("A", 1);
    let texts = [come_back(), come_back()];
    assert!(texts[0].upgrade().is_some(), "it is kept for a while");
    assert!(Weak::ptr_eq(&texts[0], &texts[1]));
    fixture.insert("A", 2);
    assert!(!Weak::ptr_eq(&texts[0], &come_back()));
}

#[test]
fn monitors_with_equal_conditions_are_one_for_as_long_as_one_is_there() {
    let fixture = Fixture::new();
    let requests = json::parse(br#"{"A":{}}"#).unwrap();
    let schema = fixture.hub.version().database.schema().clone();
    let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
    let all = fixture.hub.monitor(&requests, Form::Differences);
    let never = || vec![Condition::new(vec![Clause::constant(false)])];
    let one = fixture.hub.with_conditions(&all, never());
    assert!(!Arc::ptr_eq(&one, &all));
    assert!(Arc::ptr_eq(
        &one,
        &fixture.hub.with_conditions(&all, never())
    ));
    let back = fixture.hub.with_conditions(&one, all.conditions().to_vec());
    assert!(Arc::ptr_eq(&back, &all));
    let gone = Arc::downgrade(&one);
    drop(one);
    assert!(gone.upgrade().is_none(), "the hub alone keeps none");
}

#[test]
fn sessions_are_left_alone_by_commits_to_other_tables() {
    let fixture = Fixture::new();
    let mailbox = Mailbox::new(SessionId::fresh());
    let feed = fixture.feed_of(&mailbox, &["A"]);
    fixture.insert("B", 1);
    assert!(!has_rung(&mailbox));
    fixture.insert("A", 2);
    assert!(has_rung(&mailbox));
    let news = fixture.hub.take(&feed);
    assert_eq!(news[0].version, fixture.hub.version().name());
}

#[test]
fn commits_that_wait_long_are_told_one_by_one_and_very_many_are_merged() {
    let fixture = Fixture::new();
    let feeds = [(); 2].map(|()| fixture.feed(&["A"]));
    let many = limits::FEED_COMMITS_TOLD_MAX;
    (1..=many).for_each(|n| fixture.insert("A", n));
    assert_eq!(told(&fixture, &feeds[0]).len(), many);
    fixture.insert("A", many + 1);
    let merged = told(&fixture, &feeds[1]);
    let rows = merged[0].split(' ').count();
    assert_eq!((merged.len(), rows), (1, many + 1));
}

#[test]
fn what_is_merged_for_one_is_what_others_are_told_that_are_as_far() {
    let fixture = Fixture::new();
    let feeds = [(); 4].map(|()| fixture.feed(&["A"]));
    let few = limits::FEED_COMMITS_MAX;
    (1..=few).for_each(|n| fixture.insert("A", n));
    // Two cannot send, one of them for a while longer.
    let hub = &fixture.hub;
    feeds[1..3].iter().for_each(|feed| hub.merge(feed));
    (few + 1..2 * few).for_each(|n| fixture.insert("A", n));
    hub.merge(&feeds[3]);
    fixture.insert("A", 2 * few);
    let mut ranges = Vec::new();
    let texts = feeds.each_ref().map(|feed| {
        let taken = fixture.hub.take_unless(feed, |_, _, range| {
            ranges.push(range);
            false
        });
        let news = taken.into_iter().flat_map(|taken| taken.news);
        let words = news.map(|news| (news.version, format!("{:?}", news.into_words())));
        words.collect::<Vec<_>>()
    });
    for (one, other) in [(0, 1), (0, 3), (1, 2), (1, 3)] {
        let is_same = ranges[one] == ranges[other];
        assert_eq!(is_same, (one, other) == (1, 2), "{one} and {other}");
        assert_eq!(is_same, texts[one] == texts[other], "{one} and {other}");
    }
    // Whoever has been told by what others were told has nothing left.
    fixture.insert("A", 2 * few + 1);
    hub.merge(&feeds[1]);
    let told = fixture.hub.take_unless(&feeds[1], |_, _, _| true);
    assert!(told.is_empty() && fixture.hub.take(&feeds[1]).is_empty());
}
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> std::task::Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn whoever_is_rung_finds_the_version_current() {
    let fixture = Arc::new(Fixture::new());
    let mailboxes = [(); 2].map(|()| Mailbox::new(SessionId::fresh()));
    for mailbox in &mailboxes {
        fixture.feed_of(mailbox, &["A"]);
    }
    let (ring, rung) = std::sync::mpsc::channel();
    let wakers = [(); 2].map(|()| {
        let (fixture, ring) = (fixture.clone(), ring.clone());
        // The writer does this.
        let tell = move || ring.send(fixture.hub.version().number).expect("we listen");
        Arc::new(OnWake(tell)).into()
    });
    let mut bells = mailboxes.each_ref().map(|mailbox| Box::pin(mailbox.rung()));
    for (bell, waker) in bells.iter_mut().zip(&wakers) {
        let mut context = std::task::Context::from_waker(waker);
        assert!(bell.as_mut().poll(&mut context).is_pending());
    }
    fixture.insert("A", 1);
    let current = fixture.hub.version().number;
    let found: Vec<u64> = rung.try_iter().collect();
    assert_eq!(found, [current; 2]);
}

#[test]
fn a_commit_is_not_taken_before_its_version_is_current() {
    let fixture = Fixture::new();
    let feed = fixture.feed(&["A"]);
    fixture.insert("A", 1);
    let first = fixture.hub.version();
    fixture.insert("A", 2);
    let taken = feed.take_unless(&first, |_, _, _| false);
    assert!(matches!(taken, Err(NotCurrent)));
    assert_eq!(told(&fixture, &feed), ["1", "2"], "nothing is lost");
}

mod crowd;
