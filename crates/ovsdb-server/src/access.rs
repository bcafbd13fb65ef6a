//! What a client may do, as its remote and its transport say: read-only or not, role and name.
//!
//! What a role means stands in each database, and the engine reads it there.

use std::sync::Arc;

use ovsdb_engine::Unreadable;

/// The rights with which a session came to be. They last as long as the session: a remote that gets another role, or is
/// made read-only or writable, closes its sessions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// Refuse everything that could change a database or a lock.
    pub read_only: bool,
    /// The role, which is not empty; `None` may do everything.
    pub role: Option<Arc<str>>,
    /// The name that the peer has proved to the transport to bear.
    pub client_id: Option<Arc<str>>,
}

impl Access {
    /// May change what it likes.
    pub const FULL: Access = Access {
        read_only: false,
        role: None,
        client_id: None,
    };

    /// The part that the engine looks after: role and name, if there is a role.
    pub fn of_role(&self) -> Option<ovsdb_engine::Access<'_>> {
        Some(ovsdb_engine::Access {
            role: self.role.as_deref()?,
            client_id: self.client_id.as_deref(),
            report: &log_unreadable,
        })
    }
}

fn log_unreadable(what: Unreadable) {
    tracing::info!(target: "ovsdb_rbac", per_minute = 1, burst = 1, "{what}");
}
