//! The named list of differences that are no failure, each with its reason.
//!
//! Everything that is not in this list must be equal. `docs/differences.md` tells users of the same things.

use crate::names::find_uuid;
use crate::raw::Raw;

/// A difference between two answers that is explained.
pub struct Rule {
    /// What it is called in summaries.
    pub name: &'static str,
    /// Why it is no failure.
    pub reason: &'static str,
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
        explains: |place| {
            let several = place.operation.is_some_and(|operation| {
                text_of(operation, "op") == "mutate" && !is_about_one_row(operation)
            });
            let tags = ["constraint violation", "range error", "domain error"];
            let failed = |answer| tags.contains(&text_of(answer, "error"));
            several && failed(place.left) && failed(place.right)
        },
    },
    Rule {
        name: "first-of-several-violations",
        reason: "a commit names the first violation found, and rows have no order",
        explains: |place| {
            let same = text_of(place.left, "error") == text_of(place.right, "error");
            let (left, right) = (violation(place.left), violation(place.right));
            place.operation.is_none() && same && left.is_some() && left == right
        },
    },
    Rule {
        name: "first-of-several-defaults",
        reason: "an insert checks the defaults of columns in the order of the reference's hash table",
        explains: |place| {
            let insert = place
                .operation
                .is_some_and(|operation| text_of(operation, "op") == "insert");
            let defaults = ["\\\"\\\" is not ", "0 is not ", "\\\"\\\" length 0 is "];
            let default = |answer| {
                let details = text_of(answer, "details");
                text_of(answer, "error") == "constraint violation"
                    && defaults.iter().any(|start| details.starts_with(start))
            };
            insert && default(place.left) && default(place.right)
        },
    },
    Rule {
        name: "first-of-several-unexpected",
        reason: "of several members that do not belong there, the first of a hash table is named",
        explains: |place| {
            // The same words but for the name.
            let unexpected = |answer| {
                let (start, rest) = text_of(answer, "details").split_once("Member '")?;
                let (_, rest) = rest.split_once("' ")?;
                rest.ends_with(" present but not allowed here.")
                    .then(|| (start.to_owned(), rest.to_owned()))
            };
            let left = unexpected(place.left);
            left.is_some() && left == unexpected(place.right)
        },
    },
];

/// The reference refuses some products that fit: of positive factors, those that reach the largest integer divided by
/// one of them, such as the largest integer times one. What it has refused is not done, so a comparison ends there,
/// and begins anew with the contents from before.
pub const PRODUCT: &str = "refused-product";

/// Whether the reference has refused a product that the other server has computed.
pub fn is_refused_product(place: &Place<'_>) -> bool {
    let mutate = place
        .operation
        .is_some_and(|operation| text_of(operation, "op") == "mutate");
    mutate
        && text_of(place.left, "details") == "Result of \\\"*=\\\" operation is out of range."
        && place.right.get("count").is_some()
}

/// The reference takes a strong reference for a row's own, which always exists, if the UUIDs are equal, even if the
/// column refers to another table. If it has committed such a row, the comparison begins anew.
pub const OWN_UUID: &str = "own-uuid-in-another-table";

/// Whether an answer complains of a reference to the UUID of the row that holds it.
pub fn is_about_own_uuid(answer: &Raw) -> bool {
    let details = text_of(answer, "details");
    let Some(range) = find_uuid(details, 0) else {
        return false;
    };
    let (row, rest) = (&details[range.clone()], &details[range.end..]);
    let target = rest.strip_prefix(" references nonexistent row ");
    target.is_some_and(|target| target.starts_with(row))
}

/// The reference prints 15 significant digits of a real number, which need not read back as the same number; more
/// are printed here where it takes more. Numbers are the same if they agree in 15 digits.
pub const DIGITS: &str = "digits-of-reals";

/// A row is read member by member, in the order of the reference's hash table: if several members are wrong, each
/// server may name another one. Compared by sending each member alone.
pub const MEMBERS: &str = "first-of-several-members";

/// What an error says about a member. Of errors that show the whole operation or row, only the words.
pub fn mistake(answer: &Raw) -> [String; 2] {
    let details = text_of(answer, "details");
    let whole = ["Cannot update immutable column ", "No column "];
    let syntax = match whole.iter().any(|start| details.starts_with(start)) {
        true => "",
        false => text_of(answer, "syntax"),
    };
    [details.to_owned(), syntax.to_owned()]
}

/// The operation once for each member of each of its rows, with this member alone.
pub fn single_members(operation: &Raw) -> Vec<Raw> {
    let Raw::Object(members) = operation else {
        return Vec::new();
    };
    let with = |name: &str, value: Raw| {
        let kept = members.iter().filter(|(member, _)| member != name);
        let mut members: Vec<_> = kept.cloned().collect();
        members.push((name.to_owned(), value));
        Raw::Object(members)
    };
    let singles = |row: &Raw| -> Vec<Raw> {
        match row {
            Raw::Object(members) => members
                .iter()
                .map(|member| Raw::Object(vec![member.clone()]))
                .collect(),
            _ => Vec::new(),
        }
    };
    let of_row = operation.get("row").map(singles).unwrap_or_default();
    let of_row = of_row.into_iter().map(|row| with("row", row));
    let rows = operation.get("rows").and_then(Raw::elements);
    let of_rows = rows.into_iter().flatten().flat_map(singles);
    let of_rows = of_rows.map(|row| with("rows", Raw::Array(vec![row])));
    of_row.chain(of_rows).collect()
}

/// The differences that are recognised by more than the two answers, with their reasons.
const OTHERS: [(&str, &str); 5] = [
    (
        OWN_UUID,
        "the reference takes a row's own UUID for a reference to itself in any table",
    ),
    (
        DANGLING,
        "the reference has kept a weak reference to a deleted row; begun anew",
    ),
    (
        PRODUCT,
        "the reference has refused a product that fits; begun anew",
    ),
    (
        DIGITS,
        "the reference prints 15 digits of real numbers, even where they take more",
    ),
    (
        MEMBERS,
        "of several wrong members of a row, the first of a hash table is named",
    ),
];

/// Why differences of this name are no failure.
pub fn reason(name: &str) -> &'static str {
    let rules = RULES.iter().map(|rule| (rule.name, rule.reason));
    let mut all = rules.chain(OTHERS);
    let found = all.find(|(known, _)| *known == name);
    found.map_or("", |(_, reason)| reason)
}

/// Which of the checks at the end of a transaction failed: the first that fails, in the order of the checks, is
/// the same everywhere.
fn violation(answer: &Raw) -> Option<usize> {
    let details = text_of(answer, "details");
    let forms = [
        ["Table ", "references nonexistent row"],
        ["cannot delete ", "remaining reference(s)"],
        [
            "transaction causes ",
            "greater than the schema-defined limit",
        ],
        ["Deletion of ", "caused this column to become empty"],
        ["Weak reference column ", "is not allowed to be empty"],
        ["Transaction causes multiple rows", "for index on column"],
    ];
    let form = forms
        .iter()
        .position(|[start, middle]| details.starts_with(start) && details.contains(middle))?;
    // Both texts about weak references are of one check.
    Some(if form == 4 { 3 } else { form })
}

/// Whether a `where` names a row by its UUID.
fn is_about_one_row(operation: &Raw) -> bool {
    let clauses = operation.get("where").and_then(Raw::elements);
    clauses
        .into_iter()
        .flatten()
        .any(|clause| match clause.elements() {
            Some([column, function, _]) => {
                column.text() == Some("_uuid") && function.text() == Some("==")
            }
            _ => false,
        })
}

/// The reference may keep weak references to rows that a transaction deletes, if the transaction also touches the
/// row that holds the reference (its columns, or how often it is referred to). It depends on the order of its
/// hash tables whether the holder is examined before or after the reference is marked for removal. A comparison
/// ends there, and begins anew with the contents from before.
pub const DANGLING: &str = "dangling-weak-reference";

/// Factors below this, used again and again, lead to numbers without their full precision.
const TINY: f64 = 1e-10;

/// Whether an operation must be kept from a reference server, which would crash, hang or store garbage.
///
/// - `*=` with an integer that is not positive: zero kills the server (division by zero in its overflow check)
///   if a row holds a negative number, and products of two negative numbers wrap silently.
/// - Division by a huge number or multiplication by a tiny one: the server stores numbers so small that it
///   refuses to read them again, from clients and from its own file.
/// - Functions `true` and `false`, which are words of conditional monitors: they abort the server.
/// - `wait` with time to spare: it would hold back the transactions after it. Waits have a test of their own.
pub fn must_not_be_sent(operation: &Raw) -> bool {
    let clauses = operation.get("where").and_then(Raw::elements);
    let is_constant = |clause: &Raw| {
        let function = clause.elements().and_then(|parts| parts.get(1)?.text());
        matches!(function, Some("true" | "false"))
    };
    if clauses.into_iter().flatten().any(is_constant) {
        return true;
    }
    match text_of(operation, "op") {
        "mutate" => {
            let mutations = operation.get("mutations").and_then(Raw::elements);
            mutations.into_iter().flatten().any(|mutation| {
                let parts = mutation.elements().unwrap_or(&[]);
                let has = |mutator| parts.iter().any(|part| part.text() == Some(mutator));
                let holds = |test: fn(f64) -> bool| parts.iter().any(|part| any_number(part, test));
                has("*=") && holds(|number| number < TINY)
                    || has("/=") && holds(|number| number.abs() > 1.0 / TINY)
            })
        }
        "wait" => match operation.get("timeout") {
            None => true,
            Some(timeout) => number(timeout).is_some_and(|milliseconds| milliseconds > 0.0),
        },
        _ => false,
    }
}

/// Whether a number in a value passes a test.
fn any_number(raw: &Raw, test: fn(f64) -> bool) -> bool {
    match raw {
        Raw::Array(elements) => elements.iter().any(|element| any_number(element, test)),
        other => number(other).is_some_and(test),
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
            (r#"{"op":"mutate","mutations":[["a","/=",0]]}"#, false),
            (r#"{"op":"mutate","mutations":[["a","/=",-1e300]]}"#, true),
            (
                r#"{"op":"delete","where":[["_uuid","true",["uuid","x"]]]}"#,
                true,
            ),
            (r#"{"op":"delete","where":[true]}"#, false),
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
