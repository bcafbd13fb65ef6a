//! What is new for a monitor as a notification: `update`, `update2` or `update3`.
//!
//! Nothing here decides what is told, or when.

use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc;
use ovsdb_proto::uuid::Uuid;

use super::in_place;
use super::monitors::Protocol;
use super::outbox::Outbox;
use crate::feed::{News, Words};
use crate::limits;
use crate::published::Text;

/// Sends the notifications of what is new for monitors, each of which has a name and a protocol.
pub(super) fn tell<'a>(
    to: &mut Outbox,
    monitors: impl Iterator<Item = (&'a Json, Protocol)>,
    news: News,
) {
    let (size, version) = (news.rows() * limits::ROW_BYTES, news.version);
    let is_one = news.watches().len() == 1;
    let text = match in_place(size, || news.into_words()) {
        Words::Nothing => return,
        Words::Own(text) if is_one || text.len() < limits::OUTBOX_CHUNK_BYTES => {
            for (id, protocol) in monitors {
                tell_text(to, id, protocol, version.id, &text);
            }
            return;
        }
        Words::Own(text) => Text::new(text.into()),
        Words::Shared(text) => text,
    };
    let bytes = text.get().map_or(&[][..], Vec::as_slice);
    for (id, protocol) in monitors {
        if bytes.len() < limits::OUTBOX_CHUNK_BYTES {
            tell_text(to, id, protocol, version.id, bytes);
            continue;
        }
        let (mut message, mut place) = (Vec::new(), 0);
        let write = |out: &mut Vec<u8>| place = out.len();
        write_update(id, protocol, version.id, write, &mut message);
        let (before, after) = message.split_at(place);
        to.send_shared(before, text.clone(), after);
    }
}

/// Appends the notification of what is new for a monitor, unless that is nothing.
pub(super) fn write_news(id: &Json, protocol: Protocol, news: News, out: &mut Vec<u8>) {
    let version = news.version.id;
    let mut write = |updates: &[u8]| {
        let write_updates = |out: &mut Vec<u8>| out.extend_from_slice(updates);
        write_update(id, protocol, version, write_updates, out);
    };
    match news.into_words() {
        Words::Nothing => {}
        Words::Own(text) => write(&text),
        Words::Shared(text) => write(text.get().map_or(&[][..], Vec::as_slice)),
    }
}

/// Sends a notification of updates.
pub(super) fn tell_text(
    to: &mut Outbox,
    id: &Json,
    protocol: Protocol,
    version: Uuid,
    updates: &[u8],
) {
    to.send(|out| {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(updates);
        write_update(id, protocol, version, write, out);
        true
    });
}

/// Appends `update`, `update2` or `update3` (RFC 7047, section 4.1.6; ovsdb-server(7), sections 4.1.14 and 4.1.16).
fn write_update(
    id: &Json,
    protocol: Protocol,
    version: Uuid,
    write_updates: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let write_params = |out: &mut Vec<u8>| {
        out.push(b'[');
        id.write_to(out);
        out.push(b',');
        if protocol == Protocol::CondSince {
            out.push(b'"');
            out.extend_from_slice(&version.to_text());
            out.extend_from_slice(b"\",");
        }
        write_updates(out);
        out.push(b']');
    };
    jsonrpc::write_notification_with(protocol.update().as_str(), write_params, out);
}
