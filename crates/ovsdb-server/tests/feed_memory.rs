//! What the feed of a session that cannot send keeps of commits that change the same rows again and again.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Waker};

use ovsdb_engine::monitor::Form;
use ovsdb_engine::{Commit, Context, Database, Outcome, execute};
use ovsdb_proto::json;
use ovsdb_proto::monitor::MonitorRequests;
use ovsdb_proto::operation::parse_transact;
use ovsdb_proto::schema::Schema;
use ovsdb_server::feed::{Feed, Words};
use ovsdb_server::fresh_uuid;
use ovsdb_server::history::{Bounds, History};
use ovsdb_server::hub::Hub;
use ovsdb_server::limits;
use ovsdb_server::mailbox::{Mailbox, SessionId};

const SCHEMA: &str =
    r#"{"name":"D","tables":{"T":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

/// A hub that keeps no past for others.
fn hub() -> Hub {
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).expect("JSON"));
    let bounds = Bounds {
        base: 0,
        per_row: 0,
        max: 0,
    };
    let history = History::with_bounds(fresh_uuid(), 0, bounds);
    Hub::with_history(Database::new(Arc::new(schema.expect("a schema"))), history)
}

/// Executes operations on a version.
fn run(database: &Database, operations: &str) -> (Database, Arc<Commit>) {
    let operations = json::parse(operations.as_bytes()).expect("JSON");
    let operations = operations.as_array().expect("an array");
    let transact = parse_transact(database.schema(), operations, &mut fresh_uuid);
    let mut fresh = fresh_uuid;
    let context = &mut Context::unrestricted(&mut fresh);
    let Outcome::Prepared(prepared) = execute(database, &transact, context) else {
        panic!("{operations:?} fails");
    };
    let commit = prepared.commit.expect("something has changed");
    (prepared.next, Arc::new(commit))
}

fn commit(hub: &Hub, operations: &str) -> Weak<Commit> {
    let (next, commit) = run(&hub.version().database, operations);
    hub.publish(next, &commit, fresh_uuid());
    Arc::downgrade(&commit)
}

fn has_rung(mailbox: &Mailbox) -> bool {
    let mut context = TaskContext::from_waker(Waker::noop());
    pin!(mailbox.rung()).poll(&mut context).is_ready()
}

fn watch(hub: &Hub, mailbox: &Arc<Mailbox>) -> Arc<Feed> {
    watch_where(hub, mailbox, "[]")
}

/// Watches the rows that meet a condition.
fn watch_where(hub: &Hub, mailbox: &Arc<Mailbox>, condition: &str) -> Arc<Feed> {
    let feed = hub.subscribe(mailbox);
    add_where(hub, &feed, condition);
    feed
}

/// Adds a monitor of the rows that meet a condition.
fn add_where(hub: &Hub, feed: &Arc<Feed>, condition: &str) {
    let requests = match condition {
        "[]" => String::from(r#"{"T":{"columns":["n"]}}"#),
        _ => format!(r#"{{"T":{{"columns":["n"],"where":{condition}}}}}"#),
    };
    let requests = json::parse(requests.as_bytes()).expect("JSON");
    let schema = hub.version().database.schema().clone();
    let requests = MonitorRequests::from_json(&schema, &requests, true).expect("requests");
    let monitor = hub.monitor(&requests, Form::Differences);
    hub.watch(feed, &monitor, None);
}

/// Commits changes of all of `rows` rows, and checks how many commits are kept for a session that merges when it is rung.
#[track_caller]
fn check(rows: usize, kept_max: usize) {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    let insert = r#"{"op":"insert","table":"T","row":{}}"#;
    commit(&hub, &format!("[{}]", vec![insert; rows].join(",")));
    let feed = watch(&hub, &mailbox);
    let mut commits: Vec<Weak<Commit>> = Vec::new();
    let count = (3 * limits::FEED_COMMITS_MAX).min(200_000 / rows);
    for number in 1..=count {
        let add = r#"[{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}]"#;
        commits.push(commit(&hub, add));
        if has_rung(&mailbox) {
            hub.merge(&feed);
        }
        let kept = commits.iter().filter(|commit| commit.strong_count() > 0);
        let kept = kept.count();
        assert!(kept <= kept_max, "{rows} rows: {kept} of {number} commits");
    }
    // And it is all there.
    let news = hub.take(&feed).remove(0);
    assert_eq!((news.rows(), news.version), (rows, hub.version().name()));
    let Words::Own(text) = news.into_words() else {
        panic!("nobody else is told");
    };
    let text = String::from_utf8(text).expect("text");
    let modified = format!(r#"{{"modify":{{"n":{count}}}}}"#);
    assert_eq!(text.matches(&modified).count(), rows);
}

#[test]
fn commits_of_few_rows_are_merged_when_there_are_some() {
    check(1, limits::FEED_COMMITS_MAX);
}

#[test]
fn commits_of_many_rows_are_merged_at_once() {
    check(limits::FEED_CHANGES_APART_MAX + 1, 1);
}

#[test]
fn nothing_is_lost_that_comes_while_a_session_merges() {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    let feed = watch(&hub, &mailbox);
    let (rows, commits) = (limits::FEED_CHANGES_APART_MAX + 1, 50);
    let insert = r#"{"op":"insert","table":"T","row":{}}"#;
    let inserts = format!("[{}]", vec![insert; rows].join(","));
    let mut database = hub.version().database.clone();
    let prepared = (0..commits).map(|_| {
        let (next, commit) = run(&database, &inserts);
        database = next.clone();
        (next, commit)
    });
    let prepared: Vec<_> = prepared.collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                hub.merge(&feed);
            }
        });
        for (next, commit) in prepared {
            hub.publish(next, &commit, fresh_uuid());
            // Merging has time to begin, and not to end.
            std::thread::yield_now();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    // The latest may be apart.
    let news = hub.take(&feed);
    let told: usize = news.iter().map(|news| news.rows()).sum();
    let last = news.last().map(|news| news.version);
    assert_eq!((told, last), (rows * commits, Some(hub.version().name())));
}

/// Changes all rows behind a session, a third of them at a time, again and again. The session merges when it is rung, which
/// is to be so often.
#[track_caller]
fn check_behind(stands: bool, rings_expected: usize) {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    let third = limits::FEED_CHANGES_APART_MAX + 1;
    let insert = |n: usize| format!(r#"{{"op":"insert","table":"T","row":{{"n":{n}}}}}"#);
    let inserts: Vec<String> = (0..3 * third).map(|row| insert(row % 3)).collect();
    commit(&hub, &format!("[{}]", inserts.join(",")));
    let feed = watch(&hub, &mailbox);
    hub.stand(&feed, stands);
    let change = |n: usize| {
        format!(
            r#"[{{"op":"mutate","table":"T","where":[["n","==",{n}]],"mutations":[["n","+=",3]]}}]"#
        )
    };
    let mut rings = 0;
    for number in 0..30 {
        commit(&hub, &change(number));
        if has_rung(&mailbox) {
            rings += 1;
            hub.merge(&feed);
        }
    }
    assert_eq!(rings, rings_expected, "times that it was rung");
    // Two come, and go with a third of the others, and one comes.
    let gone = r#"{"op":"delete","table":"T","where":[["n","==",30]]}"#;
    let came = insert(30);
    commit(&hub, &format!("[{came},{came}]"));
    commit(&hub, &format!("[{gone},{came}]"));
    let [news] = <[_; 1]>::try_from(hub.take(&feed)).expect("one piece of news");
    assert_eq!(
        (news.rows(), news.version),
        (3 * third + 1, hub.version().name())
    );
    let Words::Own(text) = news.into_words() else {
        panic!("nobody else is told");
    };
    let text = String::from_utf8(text).expect("text");
    for (what, expected) in [
        (r#"{"delete":null}"#, third),
        (r#"{"modify":{"n":31}}"#, third),
        (r#"{"modify":{"n":32}}"#, third),
        (r#"{"insert":{"n":30}}"#, 1),
    ] {
        assert_eq!(text.matches(what).count(), expected, "{what}");
    }
    // From here on it is like any other.
    commit(&hub, &change(30));
    assert!(has_rung(&mailbox));
    let [news] = <[_; 1]>::try_from(hub.take(&feed)).expect("one piece of news");
    assert!(matches!(news.into_words(), Words::Shared(_)));
    assert!(hub.take(&feed).is_empty());
}

#[test]
fn a_session_behind_which_all_rows_change_again_and_again_is_left_alone() {
    // With the first and the second commit, of which it need not merge any.
    check_behind(true, 2);
    // Until it has merged more than all rows.
    check_behind(false, 4);
}

#[test]
fn rows_that_come_while_a_session_is_behind_are_work_when_it_catches_up() {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    let feed = watch(&hub, &mailbox);
    hub.stand(&feed, true);
    let rows = limits::FEED_CHANGES_APART_MAX + 1;
    let insert = r#"{"op":"insert","table":"T","row":{}}"#;
    let inserts = format!("[{}]", vec![insert; rows].join(","));
    for number in 1..=4 {
        commit(&hub, &inserts);
        if has_rung(&mailbox) {
            hub.merge(&feed);
        }
        assert!(feed.effort() >= number * rows, "{number} commits");
    }
    let told: usize = hub.take(&feed).iter().map(|news| news.rows()).sum();
    assert_eq!((told, feed.effort()), (4 * rows, 0));
}

#[test]
fn a_session_that_stands_keeps_no_rows_that_its_monitors_do_not_show() {
    for (condition, is_kept) in [("[]", true), (r#"[["n","==",5]]"#, false)] {
        let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
        commit(&hub, r#"[{"op":"insert","table":"T","row":{"n":1}}]"#);
        let feed = watch_where(&hub, &mailbox, condition);
        hub.stand(&feed, true);
        let change = r#"[{"op":"update","table":"T","where":[],"row":{"n":2}}]"#;
        let (next, commit) = run(&hub.version().database, change);
        let before = commit.changes[0].old.as_ref().map(Arc::downgrade);
        let before = before.expect("it was there before");
        hub.publish(next, &commit, fresh_uuid());
        drop(commit);
        assert_eq!(before.strong_count() > 0, is_kept, "{condition}");
    }
}

#[test]
fn a_session_with_many_monitors_keeps_no_more_apart_than_one_with_few() {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    let feed = watch(&hub, &mailbox);
    let monitors = limits::FEED_COMMITS_TOLD_MAX / 2;
    let schema = hub.version().database.schema().clone();
    let requests = json::parse(br#"{"T":{"columns":["n"]}}"#).expect("JSON");
    let requests = MonitorRequests::from_json(&schema, &requests, true).expect("requests");
    let monitor = hub.monitor(&requests, Form::Differences);
    for _ in 1..monitors {
        hub.watch(&feed, &monitor, None);
    }
    let insert = r#"[{"op":"insert","table":"T","row":{}}]"#;
    for (commits, told) in [(1, 1), (2, 2), (3, 1)] {
        (0..commits).for_each(|_| drop(commit(&hub, insert)));
        let news = hub.take(&feed);
        assert_eq!(news.len(), told, "{commits} commits");
        let messages: usize = news.iter().map(|one| one.watches().len()).sum();
        assert_eq!(messages, told * monitors, "{commits} commits");
    }
}

#[test]
fn many_monitors_that_differ_keep_one_version_instead_of_commits() {
    let (hub, mailbox) = (hub(), Mailbox::new(SessionId::fresh()));
    commit(&hub, r#"[{"op":"insert","table":"T","row":{}}]"#);
    let monitors = 3 * limits::FEED_GROUPS_APART;
    let feed = watch_where(&hub, &mailbox, r#"[["n","!=",-1]]"#);
    for number in 2..=monitors {
        let condition = format!(r#"[["n","!=",-{number}]]"#);
        add_where(&hub, &feed, &condition);
    }
    let add = r#"[{"op":"mutate","table":"T","where":[],"mutations":[["n","+=",1]]}]"#;
    let mut commits: Vec<Weak<Commit>> = Vec::new();
    let count = 4 * limits::FEED_COMMITS_MAX;
    for number in 1..=count {
        commits.push(commit(&hub, add));
        // It is rung for those that are found by themselves.
        if has_rung(&mailbox) {
            hub.merge(&feed);
        }
        let kept = commits.iter().filter(|commit| commit.strong_count() > 0);
        let (kept, max) = (
            kept.count(),
            limits::FEED_COMMITS_TOLD_MAX / limits::FEED_GROUPS_APART,
        );
        assert!(kept <= max, "{kept} of {number} commits");
    }
    let changed = format!(r#""n":{count}"#);
    let news = hub.take(&feed);
    assert_eq!(news.len(), monitors);
    for one in news {
        assert_eq!(one.version, hub.version().name());
        let text = match one.into_words() {
            Words::Nothing => panic!("all are told"),
            Words::Own(text) => text,
            Words::Shared(text) => text.get().expect("it is written").clone(),
        };
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text.matches(&changed).count(), 1, "{text}");
    }
}
