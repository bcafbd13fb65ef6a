//! Updates that begin as earlier ones did, known by that: what such a message is need not be found out once more.
//!
//! Messages about one monitor begin with the same bytes, up to its id, and end with the brackets that close the parameters and
//! the message. Between these are the contents, which whoever reads them finds to be what they should be or not, as after a
//! look at the whole message: what stands there besides is no valid update.

use bytes::Bytes;
use ovsdb_proto::json::cursor::Cursor;
use ovsdb_proto::words::Method;

use crate::event::RawEvent;
use crate::upstream::MonitorId;

/// So many monitors are known at a time. Few programs have more on one connection that tell much.
const MONITORS_MAX: usize = 4;

/// What closes the parameters and the message.
const END: &[u8] = b"]}";

/// The beginnings of messages that have come.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    known: Vec<Beginning>,
    /// The one that makes place for another when there are enough.
    oldest: usize,
}

/// How messages about a monitor begin.
#[derive(Debug)]
struct Beginning {
    /// Up to the comma behind the monitor's id.
    text: Box<[u8]>,
    /// Where in it the parameters begin.
    params: usize,
    method: Method,
    monitor: MonitorId,
}

impl Usual {
    /// What a whole message is, and about which monitor, if it begins as one did that was [learned](Usual::learn).
    pub(crate) fn read(&self, message: &Bytes) -> Option<(RawEvent, MonitorId)> {
        let begins = |known: &&Beginning| message.starts_with(&known.text);
        let beginning = self.known.iter().find(begins)?;
        let is_closed = message[beginning.text.len()..].ends_with(END);
        is_closed.then(|| {
            let event = RawEvent::Notification {
                method: beginning.method,
                params: message.slice(beginning.params..message.len() - 1),
            };
            (event, beginning.monitor)
        })
    }

    /// Knows messages that begin as this one from now on, whose method and monitor have been found to be these. `params` is the
    /// part of the message that has its parameters.
    pub(crate) fn learn(
        &mut self,
        message: &Bytes,
        method: Method,
        params: &Bytes,
        monitor: MonitorId,
    ) {
        let Some(beginning) = Beginning::of(message, method, params, monitor) else {
            return;
        };
        if self.known.len() < MONITORS_MAX {
            self.known.push(beginning);
        } else {
            self.known[self.oldest] = beginning;
            self.oldest = (self.oldest + 1) % MONITORS_MAX;
        }
    }
}

impl Beginning {
    /// None if something stands behind the parameters.
    fn of(
        message: &Bytes,
        method: Method,
        params: &Bytes,
        monitor: MonitorId,
    ) -> Option<Beginning> {
        let behind = params.len() + 1;
        let at = message.len().checked_sub(behind)?;
        if message[at..at + params.len()] != params[..] || !message.ends_with(END) {
            return None;
        }
        let mut cursor = Cursor::new(std::str::from_utf8(params).ok()?);
        cursor.expect(b'[').ok()?;
        cursor.skip().ok()?;
        cursor.expect(b',').ok()?;
        Some(Beginning {
            text: message[..at + cursor.offset()].into(),
            params: at,
            method,
            monitor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about the monitor, whose contents are these.
    fn message(nth: u64, contents: &str) -> Bytes {
        let monitor = MonitorId { replica: 3, nth }.to_json();
        format!(r#"{{"id":null,"method":"update3","params":[{monitor},{contents}]}}"#).into()
    }

    fn learned(message: &Bytes, nth: u64) -> Usual {
        let mut usual = Usual::default();
        let monitor = MonitorId { replica: 3, nth };
        usual.learn(message, Method::Update3, &params_of(message), monitor);
        usual
    }

    /// The parameters, if nothing is behind them.
    fn params_of(message: &Bytes) -> Bytes {
        let text = std::str::from_utf8(message).expect("it is text");
        let at = text.find(r#""params":"#).expect("there are parameters") + r#""params":"#.len();
        message.slice(at..message.len() - 1)
    }

    /// The text of the parameters and the monitor.
    fn read(usual: &Usual, message: &Bytes) -> Option<(Bytes, u64)> {
        let (event, monitor) = usual.read(message)?;
        match event {
            RawEvent::Notification {
                method: Method::Update3,
                params,
            } => Some((params, monitor.nth)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_begins_as_a_message_did_is_read_as_that_was() {
        let usual = learned(&message(7, r#""a",{}"#), 7);
        for contents in [r#""a",{}"#, r#""b",{"t":{"x":{"y":[1,{}]}}}"#, "0"] {
            let message = message(7, contents);
            assert_eq!(read(&usual, &message), Some((params_of(&message), 7)));
        }
    }

    #[test]
    fn what_begins_or_ends_otherwise_is_not_known() {
        let usual = learned(&message(7, r#""a",{}"#), 7);
        let known = r#"{"id":null,"method":"update3","params":[["ovsdb-rs",3,7],"#;
        assert!(
            read(&usual, &Bytes::from(format!("{known}1]}}"))).is_some(),
            "it begins so"
        );
        let others = [
            message(8, r#""a",{}"#),
            message(77, r#""a",{}"#),
            format!("{known}1],\"x\":1}}").into(),
            format!("{known}1] }}").into(),
            // The brackets at the end are those of the beginning.
            known.to_owned().into(),
            format!("{known}}}").into(),
            known.replace("null", "1").into(),
            Bytes::new(),
        ];
        for other in others {
            assert_eq!(read(&usual, &other), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_is_learned_where_something_follows_the_parameters() {
        let monitor = MonitorId { replica: 3, nth: 7 }.to_json();
        let params = Bytes::from(format!("[{monitor},{{}}]"));
        let text = std::str::from_utf8(&params).expect("it is text");
        for behind in [r#","id":null}"#, " }", r#","x":[]}"#] {
            let message = format!(r#"{{"method":"update2","params":{text}{behind}"#);
            let mut usual = Usual::default();
            let id = MonitorId { replica: 3, nth: 7 };
            usual.learn(&Bytes::from(message), Method::Update2, &params, id);
            assert!(usual.known.is_empty(), "{behind}");
        }
    }

    #[test]
    fn the_last_few_are_known() {
        let mut usual = Usual::default();
        let count = MONITORS_MAX as u64 + 1;
        for nth in 0..count {
            let message = message(nth, "{}");
            let monitor = MonitorId { replica: 3, nth };
            usual.learn(&message, Method::Update3, &params_of(&message), monitor);
        }
        let known = |nth| read(&usual, &message(nth, "1")).map(|(_, nth)| nth);
        assert_eq!(known(0), None);
        for nth in 1..count {
            assert_eq!(known(nth), Some(nth));
        }
    }
}
