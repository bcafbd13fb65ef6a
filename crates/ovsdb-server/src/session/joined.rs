//! What many clients are told of the same commits, put together once.
//!
//! Clients that monitor the same thing under the same name, and have been told the same so far, are sent the same bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use ovsdb_engine::monitor::Monitor;
use ovsdb_proto::json::Json;

use crate::feed::Range;
use crate::limits;
use crate::published::Text;

use super::monitors::Protocol;

/// What a teller has told before. See the module's documentation.
#[derive(Default)]
pub(crate) struct Joined {
    /// The latest last.
    told: VecDeque<Told>,
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

    /// Keeps the messages for others.
    pub(super) fn keep(
        &mut self,
        id: &Json,
        protocol: Protocol,
        monitor: &Arc<Monitor>,
        range: Range,
        messages: Vec<u8>,
    ) -> Text {
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
