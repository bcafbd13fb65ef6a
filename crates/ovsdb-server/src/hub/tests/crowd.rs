//! Very many monitors of one session that differ: what they are told is what others are told who are few.

use std::collections::BTreeMap;

use super::*;
use crate::feed::Due;

/// So many that there is a crowd.
const MANY: i64 = 3 * limits::FEED_GROUPS_APART as i64;

/// Of so many commits the crowd is told one by one.
const FEW: usize = limits::FEED_COMMITS_TOLD_MAX / (MANY as usize - limits::FEED_GROUPS_APART);

impl Fixture {
    /// A monitor of the rows of a table but those with a number.
    fn but(&self, table: &str, number: i64) -> Arc<Monitor> {
        let requests = format!(r#"{{"{table}":{{"where":[["n","!=",{number}]]}}}}"#);
        let requests = json::parse(requests.as_bytes()).unwrap();
        let schema = self.hub.version().database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
        self.hub.monitor(&requests, Form::Differences)
    }

    /// Watches the rows of a table but those with a number.
    fn watch_but(&self, feed: &Arc<Feed>, table: &str, number: i64) -> WatchId {
        let monitor = self.but(table, number);
        self.hub.watch(feed, &monitor, None).watch
    }

    /// A feed with very many monitors of a table, each of which does not want one number, from 1 on.
    fn crowd(&self, table: &str) -> (Arc<Feed>, Vec<WatchId>) {
        let feed = self.feed(&[]);
        let watches = (1..=MANY).map(|number| self.watch_but(&feed, table, number));
        let watches = watches.collect();
        (feed, watches)
    }
}

/// What each monitor is told, in the order of the messages; nothing is left out.
fn told_each(news: Vec<News>) -> BTreeMap<WatchId, Vec<String>> {
    let mut told: BTreeMap<WatchId, Vec<String>> = BTreeMap::new();
    for (watches, numbers) in told_to(news) {
        for watch in watches {
            if !numbers.is_empty() {
                told.entry(watch).or_default().push(numbers.clone());
            }
        }
    }
    told
}

/// How many slots of the routes are in use.
fn slots(fixture: &Fixture) -> usize {
    fixture.hub.registry.lock().routes.len()
}

#[test]
fn a_crowd_is_told_what_each_of_its_monitors_wants_and_has_one_place_in_the_routes() {
    let fixture = Fixture::new();
    let (feed, watches) = fixture.crowd("A");
    assert_eq!(
        (fixture.hub.monitors(), feed.len()),
        (MANY as usize, MANY as usize)
    );
    assert_eq!(slots(&fixture), limits::FEED_GROUPS_APART + 1);
    assert_eq!(feed.due(), Due::default());
    fixture.insert("B", 1);
    assert!(!feed.has_news());
    // One that some do not want: of those that are found by themselves, and of the crowd.
    for unwanted in [1, MANY] {
        fixture.insert("A", unwanted as usize);
        let due = feed.due();
        assert!(
            due.monitors >= MANY as usize - 1 && due.is_long(),
            "{due:?}"
        );
        let told = told_each(fixture.hub.take(&feed));
        for (watch, number) in watches.iter().zip(1..) {
            let expected = (number != unwanted).then(|| vec![unwanted.to_string()]);
            assert_eq!(told.get(watch), expected.as_ref(), "{unwanted}, {number}");
        }
        assert!(!feed.has_news() && fixture.hub.take(&feed).is_empty());
    }
}

#[test]
fn a_crowd_is_told_of_rows_that_come_to_be_wanted_by_what_it_is_not_shown() {
    let fixture = Fixture::new();
    let feed = fixture.feed(&[]);
    let watch = |number: i64| {
        let requests = format!(r#"{{"A":{{"columns":[],"where":[["n","!=",{number}]]}}}}"#);
        let requests = json::parse(requests.as_bytes()).unwrap();
        let schema = fixture.hub.version().database.schema().clone();
        let requests = MonitorRequests::from_json(&schema, &requests, true).unwrap();
        let monitor = fixture.hub.monitor(&requests, Form::Differences);
        fixture.hub.watch(&feed, &monitor, None).watch
    };
    let watches: Vec<WatchId> = (1..=MANY).map(watch).collect();
    fixture.insert("A", MANY as usize);
    drop(fixture.hub.take(&feed));
    fixture.commit(r#"[{"op":"update","table":"A","where":[],"row":{"n":1}}]"#);
    let mut told = Vec::new();
    for news in fixture.hub.take(&feed) {
        let watch = news.watches()[0];
        if let Words::Shared(text) = news.into_words() {
            let text = String::from_utf8(text.get().unwrap().clone()).unwrap();
            let kinds = ["insert", "delete", "modify"].into_iter();
            told.push((watch, kinds.filter(|kind| text.contains(kind)).collect()));
        }
    }
    let [first, .., last] = watches[..] else {
        panic!("there are many");
    };
    assert_eq!(told, [(first, vec!["delete"]), (last, vec!["insert"])]);
}

#[test]
fn those_who_admit_the_same_of_a_commit_share_the_words() {
    let fixture = Fixture::new();
    let (feed, watches) = fixture.crowd("A");
    fixture.insert("A", MANY as usize);
    let mut texts: Vec<(WatchId, Text)> = Vec::new();
    for news in fixture.hub.take(&feed) {
        let watch = news.watches()[0];
        if let Words::Shared(text) = news.into_words() {
            texts.push((watch, text));
        }
    }
    let told: Vec<WatchId> = texts.iter().map(|(watch, _)| *watch).collect();
    assert_eq!(
        told,
        watches[..watches.len() - 1],
        "the last does not want it"
    );
    assert!(texts.iter().all(|(_, text)| Arc::ptr_eq(text, &texts[0].1)));
}

#[test]
fn a_crowd_that_is_told_late_is_told_what_has_become_of_the_rows() {
    let fixture = Fixture::new();
    let (feed, watches) = fixture.crowd("A");
    for (commits, messages) in [(FEW, FEW), (FEW + 1, 1)] {
        let first = fixture.hub.version().number as usize + 1;
        let numbers = first + MANY as usize..first + MANY as usize + commits;
        numbers.clone().for_each(|n| fixture.insert("A", n));
        let news = fixture.hub.take(&feed);
        let last = news.last().map(|news| news.version);
        assert_eq!(last, Some(fixture.hub.version().name()));
        let told = told_each(news);
        let numbers: Vec<String> = numbers.map(|n| n.to_string()).collect();
        for (place, watch) in watches.iter().enumerate() {
            assert_eq!(told[watch].join(" "), numbers.join(" "));
            if place >= limits::FEED_GROUPS_APART {
                assert_eq!(told[watch].len(), messages);
            }
        }
    }
}

#[test]
fn who_comes_to_a_crowd_or_leaves_it_is_told_what_he_has_not_been_told() {
    for before in [1, FEW + 1] {
        for after in [0, 1, FEW + 1] {
            let fixture = Fixture::new();
            let (feed, watches) = fixture.crowd("A");
            let (hub, base) = (&fixture.hub, 10 * MANY as usize);
            let numbers = |from: usize, count: usize| {
                let numbers = (from..from + count).map(|n| n.to_string());
                numbers.collect::<Vec<_>>().join(" ")
            };
            (0..before).for_each(|n| fixture.insert("A", base + n));
            // He knows of them, and the others have not been told.
            let late = fixture.watch_but(&feed, "A", -1);
            (0..after).for_each(|n| fixture.insert("A", base + before + n));
            let name = format!("{before} before, {after} after");
            // Of the crowd, and he who has come; he wants other rows then, and both stay where they are.
            let [first, second] = [watches[watches.len() - 2], late];
            let (news, version) = hub.change(&feed, first, &fixture.but("A", -2));
            assert_eq!(version.number, hub.version().number);
            assert_eq!(
                told_each(news)[&first].join(" "),
                numbers(base, before + after),
                "{name}"
            );
            let (news, _) = hub.change(&feed, second, &fixture.but("A", -3));
            let told = told_each(news).remove(&second).unwrap_or_default();
            assert_eq!(told.join(" "), numbers(base + before, after), "{name}");
            // He who has gone is told nothing.
            let gone = watches[watches.len() - 3];
            assert!(hub.unwatch(&feed, gone));
            let newcomer = fixture.watch_but(&feed, "A", -4);
            fixture.insert("A", base + before + after);
            let told = told_each(hub.take(&feed));
            for watch in [first, second, newcomer] {
                assert_eq!(told[&watch], [numbers(base + before + after, 1)], "{name}");
            }
            assert!(!told.contains_key(&gone), "{name}");
            for watch in watches
                .iter()
                .filter(|watch| ![first, gone].contains(watch))
            {
                let all = numbers(base, before + after + 1);
                assert_eq!(told[watch].join(" "), all, "{name}");
            }
            // All know the same now.
            fixture.insert("A", base + before + after + 1);
            let told = told_each(hub.take(&feed));
            assert_eq!(told.len(), watches.len() + 1, "{name}");
            let last = numbers(base + before + after + 1, 1);
            assert!(told.values().all(|told| *told == [last.clone()]), "{name}");
        }
    }
}

#[test]
fn a_crowd_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let (feed, watches) = fixture.crowd("A");
    // Of another shape.
    let other = fixture.watch_but(&feed, "B", 1);
    assert_eq!(slots(&fixture), limits::FEED_GROUPS_APART + 2);
    assert!(fixture.hub.unwatch(&feed, other));
    assert_eq!(slots(&fixture), limits::FEED_GROUPS_APART + 1);
    fixture.insert("A", 1);
    for (watch, left) in watches.iter().rev().zip((0..watches.len()).rev()) {
        assert_eq!(fixture.hub.unwatch(&feed, *watch), left > 0);
        assert_eq!((fixture.hub.monitors(), feed.len()), (left, left));
    }
    assert_eq!(slots(&fixture), 0);
    assert!(fixture.hub.take(&feed).is_empty());
    // And all at once.
    let mailbox = Mailbox::new(SessionId::fresh());
    let feed = fixture.feed_of(&mailbox, &[]);
    for number in 1..=MANY {
        fixture.watch_but(&feed, "A", number);
    }
    fixture.hub.unsubscribe(mailbox.id());
    assert_eq!((slots(&fixture), fixture.hub.monitors()), (0, 0));
}

#[test]
fn who_wants_the_same_as_one_of_a_crowd_joins_him_if_all_has_been_told() {
    let fixture = Fixture::new();
    let (feed, watches) = fixture.crowd("A");
    let last = *watches.last().expect("there are many");
    let joined = fixture.watch_but(&feed, "A", MANY);
    fixture.insert("A", MANY as usize + 1);
    let late = fixture.watch_but(&feed, "A", MANY);
    let told = told_to(fixture.hub.take(&feed));
    let number = (MANY + 1).to_string();
    assert!(told.contains(&(vec![last, joined], number)));
    assert!(!told.iter().any(|(watches, _)| watches.contains(&late)));
    assert_eq!(feed.len(), watches.len() + 2);
    // One of the two goes, and the other stays.
    assert!(fixture.hub.unwatch(&feed, last));
    fixture.insert("A", MANY as usize + 2);
    let told = told_each(fixture.hub.take(&feed));
    assert!(!told.contains_key(&last));
    assert_eq!(
        [&told[&joined], &told[&late]],
        [&[(MANY + 2).to_string()]; 2]
    );
}

#[test]
fn what_a_crowd_has_to_be_told_is_not_taken_before_its_version_is_current() {
    let fixture = Fixture::new();
    let (feed, _) = fixture.crowd("A");
    // Those that are found by themselves are not concerned.
    for number in 1..=limits::FEED_GROUPS_APART as i64 {
        let monitor = fixture.but("B", number);
        fixture.hub.watch(&feed, &monitor, None);
    }
    fixture.insert("B", MANY as usize);
    let first = fixture.hub.version();
    fixture.insert("B", MANY as usize + 1);
    let taken = feed.take_unless(&first, |_, _, _| false);
    assert!(matches!(taken, Err(NotCurrent)));
    let told = told_each(fixture.hub.take(&feed));
    assert_eq!(told.len(), limits::FEED_GROUPS_APART);
    let expected = [MANY, MANY + 1].map(|number| number.to_string());
    assert!(
        told.values().all(|told| *told == expected),
        "nothing is lost"
    );
}
