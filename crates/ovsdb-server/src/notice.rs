//! A message that the program has for a client, on its way to the session.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::OwnedSemaphorePermit;

/// Tells a monitor of the program from all others of the process, whatever its client calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MonitorKey(u64);

impl MonitorKey {
    /// A key that no monitor had before.
    pub(crate) fn fresh() -> MonitorKey {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        MonitorKey(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// See the module's documentation.
pub struct Notice {
    monitor: Option<MonitorKey>,
    text: Vec<u8>,
    /// Of what the program may have on its way to the client. It comes free when the message has left, or goes nowhere.
    _room: OwnedSemaphorePermit,
}

impl Notice {
    /// The text of a message, which ends with the monitor that it belongs to.
    pub(crate) fn new(
        monitor: Option<MonitorKey>,
        text: Vec<u8>,
        room: OwnedSemaphorePermit,
    ) -> Notice {
        Notice {
            monitor,
            text,
            _room: room,
        }
    }

    /// The monitor that it belongs to.
    pub(crate) fn monitor(&self) -> Option<MonitorKey> {
        self.monitor
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
