//! A message that the program has for a client, on its way to the session.

use std::fmt;

use ovsdb_proto::json::Json;
use tokio::sync::OwnedSemaphorePermit;

/// See the module's documentation.
pub struct Notice {
    monitor: Option<Json>,
    text: Vec<u8>,
    /// Of what the program may have on its way to the client. It comes free when the message has left, or goes nowhere.
    _room: OwnedSemaphorePermit,
}

impl Notice {
    /// The text of a message, which ends with the monitor that it belongs to.
    pub(crate) fn new(monitor: Option<Json>, text: Vec<u8>, room: OwnedSemaphorePermit) -> Notice {
        Notice {
            monitor,
            text,
            _room: room,
        }
    }

    /// The monitor that it belongs to.
    pub(crate) fn monitor(&self) -> Option<&Json> {
        self.monitor.as_ref()
    }

    /// The message.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}
