//! What many clients are told of the same commits, put together once.
//!
//! Clients that monitor the same thing under the same name, and have been told the same so far, are sent the same bytes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use ovsdb_engine::monitor::Monitor;
use ovsdb_proto::json::Json;

use crate::feed::Range;
use crate::limits;
use crate::meters::UPDATES;
use crate::published::Text;

use super::monitors::Protocol;

/// What a teller has told before. See the module's documentation.
#[derive(Default)]
pub(crate) struct Joined {
    /// The latest last.
    told: VecDeque<Told>,
    /// How often something was put together, and found, and not counted yet.
    made: Cell<u64>,
    found: Cell<u64>,
}

struct Told {
    id: Json,
    protocol: Protocol,
    monitor: Arc<Monitor>,
    range: Range,
    text: Text,
}

impl Joined {
    /// The messages that tell of `range`, if somebody has been told the same.
    pub(super) fn find(
        &self,
        id: &Json,
        protocol: Protocol,
        monitor: &Arc<Monitor>,
        range: Range,
    ) -> Option<&Text> {
        let is_same = |told: &&Told| {
            told.range == range
                && Arc::ptr_eq(&told.monitor, monitor)
                && told.protocol == protocol
                && told.id == *id
        };
        self.told.iter().rfind(is_same).map(|told| &told.text)
    }

    /// Notes that what was found has been sent.
    pub(super) fn note_found(&self) {
        self.found.set(self.found.get() + 1);
    }

    /// Has what happened counted.
    pub(crate) fn count(&self) {
        let counts = [(&self.made, &UPDATES.made), (&self.found, &UPDATES.found)];
        for (count, total) in counts {
            if count.get() > 0 {
                total.add(count.take());
            }
        }
    }

    /// Keeps the messages for others.
    pub(super) fn keep(
        &mut self,
        id: &Json,
        protocol: Protocol,
        monitor: &Arc<Monitor>,
        range: Range,
        messages: Vec<u8>,
    ) -> Text {
        self.made.set(self.made.get() + 1);
        if self.told.len() == limits::JOINED_MAX {
            self.told.pop_front();
        }
        let text = Text::new(messages.into());
        self.told.push_back(Told {
            id: id.clone(),
            protocol,
            monitor: monitor.clone(),
            range,
            text: text.clone(),
        });
        text
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.count();
    }
}
