//! The named list of differences that are no failure, each with its reason.
//!
//! Everything that is not in this list must be equal. `docs/differences.md` tells users of the same things.

use crate::raw::Raw;

/// A difference between two answers that is explained.
pub struct Rule {
    /// What it is called in summaries.
    pub name: &'static str,
    /// Why it is no failure.
    pub reason: &'static str,
    /// Applies only if the reference is older than this version.
    pub reference_before: Option<(u32, u32)>,
    /// Whether it explains a difference.
    pub explains: fn(&Place<'_>) -> bool,
}

/// Where two answers differ.
#[derive(Debug)]
pub struct Place<'a> {
    /// The operation that they answer; `None` for what follows the last operation's answer.
    pub operation: Option<&'a Raw>,
    /// The reference's answer with numbers for UUIDs.
    pub left: &'a Raw,
    /// The other's.
    pub right: &'a Raw,
}

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "time-waited",
        reason: "the text tells how long a wait lasted, to the millisecond",
        reference_before: None,
        explains: |place| {
            let waited = |answer| {
                text_of(answer, "error") == "timed out"
                    && text_of(answer, "details").starts_with("\\\"wait\\\" timed out after ")
            };
            waited(place.left) && waited(place.right)
        },
    },
    Rule {
        name: "first-of-several-rows",
        reason: "a mutate stops at the first row that fails, and rows have no order",
        reference_before: None,
        explains: |place| {
            let mutate = place
                .operation
                .is_some_and(|operation| text_of(operation, "op") == "mutate");
            let tags = ["constraint violation", "range error", "domain error"];
            let failed = |answer| tags.contains(&text_of(answer, "error"));
            mutate && failed(place.left) && failed(place.right)
        },
    },
    Rule {
        name: "first-of-several-violations",
        reason: "a commit names the first violation found, and rows have no order",
        reference_before: None,
        explains: |place| {
            let tags = ["constraint violation", "referential integrity violation"];
            let violated = |answer| tags.contains(&text_of(answer, "error"));
            place.operation.is_none() && violated(place.left) && violated(place.right)
        },
    },
];

/// Whether an operation must be kept from a reference server, which would crash, hang or store garbage.
///
/// - `*=` with an integer that is not positive: zero kills the server (division by zero in its overflow check)
///   if a row holds a negative number, and products of two negative numbers wrap silently.
/// - `wait` with time to spare: it would hold back the transactions after it. Waits have a test of their own.
pub fn must_not_be_sent(operation: &Raw) -> bool {
    match text_of(operation, "op") {
        "mutate" => {
            let mutations = operation.get("mutations").and_then(Raw::elements);
            mutations.into_iter().flatten().any(|mutation| {
                let parts = mutation.elements().unwrap_or(&[]);
                parts.iter().any(|part| part.text() == Some("*="))
                    && parts.iter().any(has_number_not_positive)
            })
        }
        "wait" => match operation.get("timeout") {
            None => true,
            Some(timeout) => number(timeout).is_some_and(|milliseconds| milliseconds > 0.0),
        },
        _ => false,
    }
}

fn has_number_not_positive(raw: &Raw) -> bool {
    match raw {
        Raw::Array(elements) => elements.iter().any(has_number_not_positive),
        other => number(other).is_some_and(|number| number <= 0.0),
    }
}

fn number(raw: &Raw) -> Option<f64> {
    match raw {
        Raw::Token(token) => token.parse().ok(),
        _ => None,
    }
}

/// The text of a member that is a string; empty if there is none.
pub fn text_of<'a>(raw: &'a Raw, member: &str) -> &'a str {
    raw.get(member).and_then(Raw::text).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_kill_or_stall_the_reference_is_held_back() {
        for (operation, held) in [
            (r#"{"op":"mutate","mutations":[["a","+=",0]]}"#, false),
            (r#"{"op":"mutate","mutations":[["a","*=",2]]}"#, false),
            (
                r#"{"op":"mutate","mutations":[["b","+=",1],["a","*=",0]]}"#,
                true,
            ),
            (
                r#"{"op":"mutate","mutations":[["a","*=",["set",[-2]]]]}"#,
                true,
            ),
            (r#"{"op":"wait","timeout":0}"#, false),
            (r#"{"op":"wait","timeout":"x"}"#, false),
            (r#"{"op":"wait","timeout":1}"#, true),
            (r#"{"op":"wait"}"#, true),
        ] {
            let raw = Raw::parse(operation).expect("it is well formed");
            assert_eq!(must_not_be_sent(&raw), held, "{operation}");
        }
    }
}
