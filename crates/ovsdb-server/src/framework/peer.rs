//! Who asks: a client of the program, as its transport and its remote know it, and a way to send it something.

use std::fmt;
use std::sync::Arc;

use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::limits;
use crate::mailbox::{Letter, Mailbox, SessionId};
use crate::notice::{MonitorKey, Notice};

/// The client has gone, or its monitor has ended: nobody can be told anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("nobody is there any more")]
pub struct Gone;

/// A client. Clones are the same client; a new connection is another one.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

struct Inner {
    mailbox: Arc<Mailbox>,
    name: String,
    access: Access,
    /// In bytes, for what the program tells the client and the session has not taken yet.
    room: Arc<Semaphore>,
}

impl Peer {
    pub(crate) fn new(mailbox: Arc<Mailbox>, name: String, access: Access) -> Peer {
        let inner = Inner {
            mailbox,
            name,
            access,
            room: Arc::new(Semaphore::new(limits::SESSION_NOTICES_BYTES_MAX)),
        };
        Peer {
            inner: Arc::new(inner),
        }
    }

    /// Tells the client from all others that the process has served.
    pub fn id(&self) -> SessionId {
        self.inner.mailbox.id()
    }

    /// Where the connection comes from, as logs show it: `tcp:ADDRESS:PORT`, `ssl:ADDRESS:PORT`, or `unix#N` with a number
    /// that counts.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The name that the client has proved to bear: under TLS the common name of its certificate, which was checked. `None`
    /// if it has proved nothing.
    pub fn identity(&self) -> Option<&str> {
        self.inner.access.client_id.as_deref()
    }

    /// Sends the client a notification, behind all that it has been sent so far. Waits as long as there is much that it has not
    /// taken yet: [`SESSION_NOTICES_BYTES_MAX`](crate::limits::SESSION_NOTICES_BYTES_MAX).
    ///
    /// # Errors
    /// The client has gone.
    pub async fn notify(&self, method: &str, params: Vec<Json>) -> Result<(), Gone> {
        let mut text = Vec::new();
        Message::notification(method, params).write_to(&mut text);
        self.send(None, text).await
    }

    /// Sends the text of a message, which ends with the monitor that it belongs to.
    pub(super) async fn send(
        &self,
        monitor: Option<MonitorKey>,
        text: Vec<u8>,
    ) -> Result<(), Gone> {
        let bounds = limits::NOTICE_BYTES_MIN..=limits::SESSION_NOTICES_BYTES_MAX;
        // One that is too long has the room for itself.
        let bytes = text.len().clamp(*bounds.start(), *bounds.end());
        let bytes = u32::try_from(bytes).expect("the limit is far below that");
        let room = self.inner.room.clone().acquire_many_owned(bytes);
        let room = room.await.map_err(|_| Gone)?;
        let notice = Notice::new(monitor, text, room);
        self.inner.mailbox.deliver(Letter::Notice(Arc::new(notice)));
        Ok(())
    }

    /// The client has gone.
    pub(crate) fn close(&self) {
        self.inner.room.close();
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.inner.mailbox
    }

    /// The role that clients of this remote have; `None` may do everything. What a role means to databases on the engine
    /// stands in them; other databases give it what meaning they like.
    pub fn role(&self) -> Option<&str> {
        self.inner.access.role.as_deref()
    }

    /// Whether the client's remote was made read-only: it may change no database and hold no lock. The engine keeps to that
    /// by itself; a service looks at it.
    pub fn is_read_only(&self) -> bool {
        self.inner.access.read_only
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("name", &self.name())
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}
