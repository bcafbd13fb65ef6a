//! The named list of differences between the two servers' messages that are no failure, each with its reason.
//!
//! Everything that is not in this list must be equal. `docs/differences.md` tells users of the same things. On the
//! left is the reference, on the right ours.

use std::collections::HashMap;

use ovsdb_testkit::raw::Raw;

use crate::canonical::member;
use crate::replica::members;
use crate::script::{Action, Step};

/// What a rule may look at.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// Whose messages these are.
    pub(crate) client: usize,
    /// Who owns which lock.
    pub(crate) owners: &'a [(String, usize)],
    /// The requests of the script by their ids.
    pub(crate) steps: &'a HashMap<String, &'a Step>,
}

/// A difference that is explained.
pub(crate) struct Rule {
    /// What it is called in summaries.
    pub(crate) name: &'static str,
    /// Why it is no failure.
    pub(crate) reason: &'static str,
    /// Takes the difference out of the two lists of messages; whether it was there.
    explain: fn(&Scene<'_>, &mut [Vec<Raw>; 2]) -> bool,
}

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "lost-at-the-end",
        reason: "the reference need not send what it owes to clients that it disconnects",
        explain: lost_at_the_end,
    },
    Rule {
        name: "empty-modify",
        reason: "the reference tells of rows in which only columns have changed that nobody asked for, but some condition names",
        explain: empty_modify,
    },
    Rule {
        name: "locked-again",
        reason: "the reference tells the owner of a lock once more when somebody else stops waiting for it",
        explain: locked_again,
    },
    Rule {
        name: "canceled",
        reason: "the reference answers a canceled transaction only in sessions that have called set_db_change_aware",
        explain: canceled,
    },
    Rule {
        name: "order-at-conversions",
        reason: "a conversion cancels what waits and disconnects clients that own locks; that may be told before or after its own reply",
        explain: order_at_conversions,
    },
    Rule {
        name: "stale-contents",
        reason: "with a select that leaves out kinds of change, the reference may have kept initial contents from before",
        explain: stale,
    },
    Rule {
        name: TIMES,
        reason: "the text tells how long a wait lasted, to the millisecond",
        explain: times_waited,
    },
    Rule {
        name: VIOLATIONS,
        reason: "a commit names the first violation found, and rows have no order",
        explain: violations,
    },
];

/// A wait has timed out, and each server tells how long it has lasted.
const TIMES: &str = "time-waited";

/// Two servers name different ones of several violations.
const VIOLATIONS: &str = "first-of-several-violations";

/// A session that cannot be compared any more, since the reference has kept a weak reference to a deleted row.
pub(crate) const DANGLING: &str = "dangling-weak-reference";

/// Several transactions of one step, one of which has waited for the other, are told of in one update or in several.
pub(crate) const MERGED: &str = "merged-updates";

/// A session in which the reference has crashed.
pub(crate) const CRASH: &str = "crash";

/// What two references may differ in.
pub(crate) const CHANCE: [&str; 5] = [VIOLATIONS, TIMES, MERGED, DANGLING, CRASH];

/// Why differences of this name are no failure.
pub(crate) fn reason(name: &str) -> &'static str {
    let others = [
        (
            DANGLING,
            "the reference has kept a weak reference to a deleted row; the session ends there",
        ),
        (
            MERGED,
            "one update may tell of a transaction and of those that have waited for it",
        ),
        (CRASH, "the reference has crashed; the session ends there"),
    ];
    let rules = RULES.iter().map(|rule| (rule.name, rule.reason));
    let mut all = rules.chain(others);
    let found = all.find(|(known, _)| *known == name);
    found.map_or("", |(_, reason)| reason)
}

/// Takes all explained differences out of the messages; the names of the rules that did it.
pub(crate) fn explain(scene: &Scene<'_>, ends: &mut [Vec<Raw>; 2]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for rule in RULES {
        if ends[0] == ends[1] {
            break;
        }
        if (rule.explain)(scene, ends) {
            names.push(rule.name);
        }
    }
    names
}

/// The method of a notification.
fn method(message: &Raw) -> &str {
    message.get("method").and_then(Raw::text).unwrap_or("")
}

/// Drops what comes before the end of a connection, if it has ended on both sides.
fn lost_at_the_end(_: &Scene<'_>, ends: &mut [Vec<Raw>; 2]) -> bool {
    let ended = |messages: &[Raw]| {
        messages
            .iter()
            .position(|message| message.get("end").is_some())
    };
    let [Some(left), Some(right)] = ends.each_ref().map(|messages| ended(messages)) else {
        return false;
    };
    ends[0].drain(..left);
    ends[1].drain(..right);
    true
}

/// Drops changes of nothing, where the other side has none.
fn empty_modify(_: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let count = |messages: &[Raw]| -> usize {
        let mut copy = messages.to_vec();
        copy.iter_mut().map(drop_empty).sum()
    };
    if count(left) <= count(right) {
        return false;
    }
    for messages in [left, right] {
        for message in messages.iter_mut() {
            drop_empty(message);
        }
        messages.retain(|message| !is_empty_update(message));
    }
    true
}

fn is_empty_update(message: &Raw) -> bool {
    method(message).starts_with("update")
        && message
            .get("params")
            .and_then(|params| params.elements()?.last())
            .is_some_and(|updates| members(updates).is_empty())
}

/// Removes changes of nothing from an update; how many there were.
fn drop_empty(message: &mut Raw) -> usize {
    // A reply to a client that resumes has updates, too.
    let place = match method(message) {
        "" => "result",
        method if method.starts_with("update") => "params",
        _ => return 0,
    };
    let Some(Raw::Array(elements)) = member(message, place) else {
        return 0;
    };
    if place == "result" && elements.first() != Some(&Raw::boolean(true)) {
        return 0;
    }
    let Some(Raw::Object(tables)) = elements.last_mut() else {
        return 0;
    };
    let mut dropped = 0;
    for (_, rows) in tables.iter_mut() {
        if let Raw::Object(rows) = rows {
            let before = rows.len();
            rows.retain(|(_, change)| {
                let part = change.get("modify").or(change.get("old"));
                let deleted = change.get("old").is_some() && change.get("new").is_none();
                deleted || part.is_none_or(|part| !members(part).is_empty())
            });
            dropped += before - rows.len();
        }
    }
    tables.retain(|(_, rows)| !members(rows).is_empty());
    dropped
}

fn locked_again(scene: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let before = left.len();
    left.retain(|message| {
        let lock = message
            .get("params")
            .and_then(|params| params.elements()?.first()?.text());
        let own = scene
            .owners
            .iter()
            .any(|(name, owner)| *owner == scene.client && Some(name.as_str()) == lock);
        let extra = method(message) == "locked" && own && !right.contains(message);
        !extra
    });
    left.len() < before
}

fn canceled(_: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let before = right.len();
    right.retain(|message| {
        let answer = message.get("error").and_then(Raw::text) == Some("canceled");
        !answer || left.contains(message)
    });
    right.len() < before
}

/// What comes with a conversion gets one order, if it is the same then.
fn order_at_conversions(scene: &Scene<'_>, ends: &mut [Vec<Raw>; 2]) -> bool {
    let is_part = |message: &Raw| {
        let id = message.get("id").map(Raw::to_string).unwrap_or_default();
        message.get("error").and_then(Raw::text) == Some("canceled")
            || scene.steps.get(&id).map(|step| step.method()) == Some("convert")
    };
    if !ends[0].iter().any(is_part) {
        return false;
    }
    let mut sorted = ends.clone();
    for messages in &mut sorted {
        messages.sort_by_cached_key(Raw::to_string);
    }
    let same = sorted[0] == sorted[1];
    if same {
        *ends = sorted;
    }
    same
}

/// Initial contents become the same that the reference may take from those of an earlier monitor.
fn stale(scene: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let keeps = |message: &Raw| {
        let step = message
            .get("id")
            .and_then(|id| scene.steps.get(&id.to_string()));
        let Some(Action::Request { method, params }) = step.map(|step| &step.action) else {
            return false;
        };
        let fine = message
            .get("error")
            .is_none_or(|error| *error == Raw::null());
        let left_out = ["insert", "delete", "modify"]
            .iter()
            .any(|kind| params.contains(&format!(r#""{kind}":false"#)));
        fine && left_out && ["monitor", "monitor_cond", "monitor_cond_since"].contains(method)
    };
    let mut explained = false;
    for (left, right) in left.iter_mut().zip(right) {
        if left != right && left.get("id") == right.get("id") && keeps(left) && keeps(right) {
            *right = left.clone();
            explained = true;
        }
    }
    explained
}

/// Replies in which a wait has timed out become the same.
fn times_waited(_: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let place = |message: &Raw| {
        let results = message.get("result").and_then(Raw::elements)?;
        results
            .iter()
            .position(|result| result.get("error").and_then(Raw::text) == Some("timed out"))
    };
    let mut explained = false;
    for (left, right) in left.iter_mut().zip(right) {
        let same = left.get("id") == right.get("id") && place(left) == place(right);
        if left != right && same && place(left).is_some() {
            *right = left.clone();
            explained = true;
        }
    }
    explained
}

/// Replies that end with another one of several violations become the same.
fn violations(_: &Scene<'_>, [left, right]: &mut [Vec<Raw>; 2]) -> bool {
    let mut explained = false;
    for (left, right) in left.iter_mut().zip(right) {
        if left.get("id") != right.get("id") {
            continue;
        }
        let last = |message: &Raw| {
            let results = message.get("result").and_then(Raw::elements)?;
            let last = results.last()?;
            let error = last.get("error").and_then(Raw::text)?;
            let details = last.get("details").and_then(Raw::text)?;
            // The first word says which check has failed.
            let check = details.split(' ').next().unwrap_or("");
            let violation = ["constraint violation", "referential integrity violation"];
            violation
                .contains(&error)
                .then(|| (results.len(), error.to_owned(), check.to_owned()))
        };
        if left != right && last(left).is_some() && last(left) == last(right) {
            *right = left.clone();
            explained = true;
        }
    }
    explained
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &[&str], right: &[&str], rule: Option<&'static str>) {
        let parse = |messages: &[&str]| -> Vec<Raw> {
            let parsed = messages.iter().map(|text| Raw::parse(text));
            parsed.map(|raw| raw.expect("it is well formed")).collect()
        };
        let mut ends = [parse(left), parse(right)];
        let request = |number: usize, params: &str| Step {
            number,
            client: 1,
            action: Action::Request {
                method: "monitor_cond",
                params: params.to_owned(),
            },
        };
        let some_kinds = request(7, r#"["D","m",{"T":{"select":{"modify":false}}}]"#);
        let all_kinds = request(8, r#"["D","m",{"T":{"select":{"initial":false}}}]"#);
        let conversion = Step {
            action: Action::Request {
                method: "convert",
                params: "[]".to_owned(),
            },
            ..request(9, "")
        };
        let steps = [some_kinds, all_kinds, conversion];
        let steps = steps.iter().map(|step| (step.number.to_string(), step));
        let scene = Scene {
            client: 1,
            owners: &[("L".to_owned(), 1)],
            steps: &steps.collect(),
        };
        let names = explain(&scene, &mut ends);
        assert_eq!(ends[0] == ends[1], rule.is_some(), "{ends:?}");
        assert_eq!(names.into_iter().next(), rule);
    }

    #[test]
    fn empty_changes_of_the_reference_are_explained_and_no_others() {
        let empty = r#"{"method":"update2","params":["m",{"T":{"u":{"modify":{}}}}]}"#;
        let full = r#"{"method":"update2","params":["m",{"T":{"u":{"modify":{"a":1}}}}]}"#;
        let both = r#"{"method":"update2","params":["m",{"T":{"u":{"modify":{"a":1}},"v":{"modify":{}}}}]}"#;
        check(&[empty], &[], Some("empty-modify"));
        check(&[both], &[full], Some("empty-modify"));
        check(&[], &[empty], None);
        check(&[full], &[], None);
        let old = r#"{"method":"update","params":["m",{"T":{"u":{"new":{"a":1},"old":{}}}}]}"#;
        let deleted = r#"{"method":"update","params":["m",{"T":{"u":{"old":{}}}}]}"#;
        check(&[old], &[], Some("empty-modify"));
        let resumed = r#"{"id":1,"result":[true,"t",{"T":{"u":{"modify":{}}}}]}"#;
        check(
            &[resumed],
            &[r#"{"id":1,"result":[true,"t",{}]}"#],
            Some("empty-modify"),
        );
        check(&[deleted], &[], None);
    }

    #[test]
    fn what_comes_before_the_end_of_a_connection_may_be_lost() {
        let (reply, end) = (r#"{"id":1,"result":{}}"#, r#"{"end":"of connection"}"#);
        check(&[end], &[reply, end], Some("lost-at-the-end"));
        check(&[end], &[reply], None);
        check(&[], &[reply], None);
    }

    #[test]
    fn only_the_owner_is_told_of_its_lock_once_more() {
        let locked = |name: &str| format!(r#"{{"method":"locked","params":["{name}"]}}"#);
        check(&[&locked("L")], &[], Some("locked-again"));
        check(&[&locked("M")], &[], None);
        check(&[], &[&locked("L")], None);
    }

    #[test]
    fn only_ours_answers_a_cancellation() {
        let reply = r#"{"error":"canceled","id":1,"result":null}"#;
        check(&[], &[reply], Some("canceled"));
        check(&[reply], &[], None);
    }

    #[test]
    fn the_reference_may_have_kept_contents_for_some_kinds_of_change_only() {
        let reply = |id: u32, contents: &str| format!(r#"{{"id":{id},"result":{contents}}}"#);
        let row = r#"{"T":{"u":{"initial":{}}}}"#;
        check(
            &[&reply(7, "{}")],
            &[&reply(7, row)],
            Some("stale-contents"),
        );
        check(&[&reply(8, "{}")], &[&reply(8, row)], None);
    }

    #[test]
    fn cancellations_come_before_or_after_what_has_led_to_them() {
        let (reply, error) = (r#"{"id":2,"result":{}}"#, r#"{"error":"canceled","id":1}"#);
        check(
            &[reply, error],
            &[error, reply],
            Some("order-at-conversions"),
        );
        check(&[reply, error], &[error], None);
        let (reply, locked) = (
            r#"{"id":9,"result":{}}"#,
            r#"{"method":"locked","params":["M"]}"#,
        );
        check(
            &[reply, locked],
            &[locked, reply],
            Some("order-at-conversions"),
        );
        let reply = r#"{"id":8,"result":{}}"#;
        check(&[reply, locked], &[locked, reply], None);
    }

    #[test]
    fn violations_of_one_kind_are_the_same() {
        let reply = |error: &str, details: &str| {
            format!(
                r#"{{"id":1,"error":null,"result":[null,{{"error":"{error}","details":"{details}"}}]}}"#
            )
        };
        let violation = "referential integrity violation";
        check(
            &[&reply(violation, "Table A column x")],
            &[&reply(violation, "Table B column y")],
            Some("first-of-several-violations"),
        );
        check(
            &[&reply(violation, "Table A column x")],
            &[&reply("constraint violation", "Table A column x")],
            None,
        );
        check(
            &[&reply("timed out", "a")],
            &[&reply("timed out", "b")],
            Some("time-waited"),
        );
        check(
            &[&reply("timed out", "a")],
            &[&reply("not owner", "a")],
            None,
        );
    }
}
