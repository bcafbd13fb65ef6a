//! A session script: what each of several clients sends, step by step.
//!
//! It is data: it can be shown, and shortened step by step. It plays nothing.

use std::fmt;

/// What stands in parameters for the transaction id that was seen as the number K: `<txn-K>`.
pub(crate) const TRANSACTION: &str = "<txn-";

/// One step of a script.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Which step of the script it was before that was shortened; the id of its request.
    pub(crate) number: usize,
    /// Whose step it is.
    pub(crate) client: usize,
    /// What happens.
    pub(crate) action: Action,
}

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// It sends a request.
    Request {
        /// Its method.
        method: &'static str,
        /// Its parameters as JSON text.
        params: String,
    },
    /// It sends bytes that are no ordinary request.
    Raw(String),
    /// It stops sending, waits for the end of the connection and connects anew.
    Reconnect,
}

/// Steps between which servers are given time, and steps that are sent at once.
#[derive(Clone, Debug)]
pub(crate) enum Stretch {
    /// Each step is over before the next begins.
    Paced(Step),
    /// Everything is sent before anything is read.
    Burst(Vec<Step>),
    /// Whoever sends a step waits for its reply; nobody else reads before all is done.
    Flood(Vec<Step>),
}

/// A whole script.
pub(crate) type Script = Vec<Stretch>;

impl Stretch {
    /// Its steps.
    pub(crate) fn steps(&self) -> &[Step] {
        match self {
            Stretch::Paced(step) => std::slice::from_ref(step),
            Stretch::Burst(steps) | Stretch::Flood(steps) => steps,
        }
    }

    /// The same without one of its steps; `None` if there is only one.
    pub(crate) fn without(&self, place: usize) -> Option<Stretch> {
        let mut fewer = self.steps().to_vec();
        (fewer.len() > 1).then(|| {
            fewer.remove(place);
            match self {
                Stretch::Flood(_) => Stretch::Flood(fewer),
                _ => Stretch::Burst(fewer),
            }
        })
    }
}

impl Step {
    /// The method of its request; empty if it is none.
    pub(crate) fn method(&self) -> &'static str {
        match &self.action {
            Action::Request { method, .. } => method,
            Action::Raw(_) | Action::Reconnect => "",
        }
    }

    /// Whether there is a reply in any case: a transaction that waits may never get one.
    pub(crate) fn is_answered(&self) -> bool {
        match &self.action {
            Action::Request { params, .. } => {
                !params.contains(r#""op":"wait""#) || params.contains(r#""timeout":0"#)
            }
            Action::Raw(_) | Action::Reconnect => false,
        }
    }

    /// The bytes that it sends, with the ids of transactions that `id` knows; `None` if it sends nothing.
    pub(crate) fn text(&self, id: impl Fn(usize) -> String) -> Option<String> {
        let text = match &self.action {
            Action::Request { method, params } => {
                let number = self.number;
                format!(r#"{{"id":{number},"method":"{method}","params":{params}}}"#)
            }
            Action::Raw(text) => text.clone(),
            Action::Reconnect => return None,
        };
        Some(fill(&text, id))
    }
}

/// Replaces the marks of transaction ids.
fn fill(text: &str, id: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(TRANSACTION) {
        let (number, after) = after.split_once('>').expect("a mark is closed");
        out.push_str(before);
        out.push_str(&id(number.parse().expect("a mark holds a number")));
        rest = after;
    }
    out.push_str(rest);
    out
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:3} client {}: ", self.number, self.client)?;
        match &self.action {
            Action::Request { method, params } => write!(f, "{method} {params}"),
            Action::Raw(text) => write!(f, "sends {text}"),
            Action::Reconnect => write!(f, "reconnects"),
        }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stretch::Paced(step) => writeln!(f, "{step}"),
            Stretch::Burst(steps) | Stretch::Flood(steps) => {
                let title = match self {
                    Stretch::Flood(_) => "while others do not read",
                    _ => "at once",
                };
                writeln!(f, "    {title}:")?;
                steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_transactions_are_replaced_by_their_ids() {
        let id = |number: usize| format!("id{number}");
        for (text, filled) in [
            ("", ""),
            ("a", "a"),
            ("[\"<txn-0>\",<txn-12>]", "[\"id0\",id12]"),
        ] {
            assert_eq!(fill(text, id), filled);
        }
    }
}
