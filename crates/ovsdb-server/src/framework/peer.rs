//! Who asks: a client of the program, as its transport and its remote know it, and a way to send it something.

use std::fmt;
use std::sync::Arc;

use crate::access::Access;
use crate::mailbox::{Mailbox, SessionId};

/// A client. Clones are the same client; a new connection is another one.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

struct Inner {
    mailbox: Arc<Mailbox>,
    name: String,
    access: Access,
}

impl Peer {
    pub(crate) fn new(mailbox: Arc<Mailbox>, name: String, access: Access) -> Peer {
        let inner = Inner {
            mailbox,
            name,
            access,
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
