//! Messages in a form that two servers share: members sorted, made-up UUIDs numbered, transaction ids too.
//!
//! Rows of these tests have UUIDs that the scripts choose, and those stay. What the server makes up (`_version`, its own
//! id, the rows of its own database) gets numbers in the order in which it is first seen.

use std::collections::HashMap;

use ovsdb_testkit::names::find_uuid;
use ovsdb_testkit::raw::Raw;

/// How UUIDs begin that scripts choose.
pub(crate) const CHOSEN: &str = "00000000-0000-4000-8000-";

/// The numbers of one server's UUIDs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    made_up: HashMap<String, usize>,
    /// Ids of transactions in the order in which they were first seen.
    transactions: Vec<String>,
    /// Whether all ids of transactions look the same, since a server does not tell them apart.
    pub(crate) transactions_are_alike: bool,
}

impl Names {
    /// The id of the transaction with this number; zeros if so many have not been seen.
    pub(crate) fn transaction(&self, number: usize) -> String {
        let known = self.transactions.get(number);
        known.map_or("00000000-0000-0000-0000-000000000000".into(), Clone::clone)
    }

    /// Forgets all UUIDs.
    pub(crate) fn forget(&mut self) {
        self.made_up.clear();
        self.transactions.clear();
    }

    /// How many ids of transactions have been seen.
    pub(crate) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// What a client has received, in the common form. `method` knows the methods of its requests by their ids.
    ///
    /// Between two replies, notifications about different monitors and locks have no order.
    pub(crate) fn canonical(
        &mut self,
        messages: &[String],
        method: impl Fn(&Raw) -> &'static str,
    ) -> Vec<Raw> {
        let parsed = messages.iter().map(|message| {
            let Some(mut raw) = Raw::parse(message) else {
                return Raw::string(message);
            };
            let method = raw.get("id").map_or("", &method);
            self.mark_transaction(&mut raw, method);
            sort(&mut raw);
            if method == "list_dbs" {
                sort_member(&mut raw, "result");
            }
            raw
        });
        let mut sorted: Vec<Raw> = parsed.collect();
        for part in sorted.split_mut(|message| message.get("method").is_none()) {
            // Those of one monitor stay in their order.
            part.sort_by_cached_key(|message| {
                let params = message.get("params").and_then(Raw::elements);
                let subject = params.and_then(<[Raw]>::first).map(Raw::to_string);
                (message.get("method").map(Raw::to_string), subject)
            });
        }
        let named = sorted.iter().map(|message| {
            let named = replace(&message.to_string(), |uuid| self.number(uuid));
            Raw::parse(&named).unwrap_or_else(|| Raw::string(&named))
        });
        named.collect()
    }

    fn number(&mut self, uuid: &str) -> String {
        let next = self.made_up.len();
        let number = *self.made_up.entry(uuid.to_owned()).or_insert(next);
        format!("<uuid-{number}>")
    }

    /// Replaces the transaction id in the places where messages have one.
    fn mark_transaction(&mut self, message: &mut Raw, method: &str) {
        let update3 = message.get("method").and_then(Raw::text) == Some("update3");
        let place = match (update3, method) {
            (true, _) => "params",
            (false, "monitor_cond_since") => "result",
            _ => return,
        };
        let Some(Raw::Array(elements)) = member(message, place) else {
            return;
        };
        let Some(id) = elements.get_mut(1) else {
            return;
        };
        let Some(text) = id.text() else { return };
        let number = self.transactions.iter().position(|known| known == text);
        let number = number.unwrap_or_else(|| {
            self.transactions.push(text.to_owned());
            self.transactions.len() - 1
        });
        *id = match self.transactions_are_alike {
            true => Raw::string("<txn>"),
            false => Raw::string(&format!("<txn-{number}>")),
        };
    }
}

/// The value of a member, to change it.
pub(crate) fn member<'a>(object: &'a mut Raw, name: &str) -> Option<&'a mut Raw> {
    match object {
        Raw::Object(members) => members
            .iter_mut()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn sort_member(object: &mut Raw, name: &str) {
    if let Some(Raw::Array(elements)) = member(object, name) {
        elements.sort_by_cached_key(|element| erase(&element.to_string()));
    }
}

/// Puts members of objects, and the rows of a `select`, into an order that does not depend on made-up UUIDs.
fn sort(raw: &mut Raw) {
    match raw {
        Raw::Array(elements) => elements.iter_mut().for_each(sort),
        Raw::Object(members) => {
            members.iter_mut().for_each(|(_, value)| sort(value));
            members.sort_by_cached_key(|(key, value)| (erase(key), erase(&value.to_string())));
            sort_member(raw, "rows");
        }
        Raw::Token(_) | Raw::Name(_) => {}
    }
}

/// The text without the UUIDs that servers make up.
fn erase(text: &str) -> String {
    replace(text, |_| "<uuid>".to_owned())
}

fn replace(text: &str, mut name: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(range) = find_uuid(text, at) {
        let uuid = &text[range.clone()];
        out.push_str(&text[at..range.start]);
        match uuid.starts_with(CHOSEN) || uuid.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
            true => out.push_str(uuid),
            false => out.push_str(&name(uuid)),
        }
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "00000000-0000-4000-8000-000000000001";
    const A: &str = "0123abcd-89ab-cdef-0123-456789abcdef";
    const B: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

    fn show(names: &mut Names, messages: &[String], method: &'static str) -> String {
        let shown = names.canonical(messages, |_| method);
        let lines: Vec<String> = shown.iter().map(Raw::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn the_order_of_members_and_the_uuids_made_up_do_not_show() {
        let message = |first: &str, second: &str| {
            format!(
                r#"{{"id":1,"result":{{"{first}":{{"name":"b"}},"{KNOWN}":1,"{second}":{{"name":"a"}}}}}}"#
            )
        };
        let one = show(&mut Names::default(), &[message(A, B)], "");
        let other = show(&mut Names::default(), &[message(B, A)], "");
        assert_eq!(one, other);
        assert!(one.contains(KNOWN) && one.contains("<uuid-1>"), "{one}");
    }

    #[test]
    fn notifications_have_no_order_between_replies_and_replies_do() {
        let messages = |text: &str| -> Vec<String> {
            let message = |word: &str| match word.parse::<u32>() {
                Ok(id) => format!(r#"{{"id":{id},"result":{{}}}}"#),
                Err(_) => format!(
                    r#"{{"id":null,"method":"update","params":["{}","{word}"]}}"#,
                    &word[..1]
                ),
            };
            text.split(' ').map(message).collect()
        };
        let same = |one: &str, other: &str| {
            let one = show(&mut Names::default(), &messages(one), "");
            one == show(&mut Names::default(), &messages(other), "")
        };
        assert!(same("a b 1 c", "b a 1 c"));
        assert!(!same("a b 1 c", "a 1 b c"));
        assert!(!same("1 2", "2 1"));
        assert!(same("a1 b a2 1", "a1 a2 b 1"));
        assert!(!same("a1 a2 1", "a2 a1 1"));
    }

    #[test]
    fn ids_of_transactions_are_numbered_where_messages_have_them() {
        let update = format!(r#"{{"id":null,"method":"update3","params":["m","{A}",{{}}]}}"#);
        let reply = format!(r#"{{"id":1,"result":[false,"{B}",{{}}]}}"#);
        let mut names = Names::default();
        let shown = show(&mut names, &[update, reply], "monitor_cond_since");
        assert!(
            shown.contains("<txn-0>") && shown.contains("<txn-1>"),
            "{shown}"
        );
        assert_eq!(names.transaction(1), B);
        assert_eq!(names.transactions(), 2);
    }
}
