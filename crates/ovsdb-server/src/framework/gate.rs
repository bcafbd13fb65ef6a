//! Who has a say before a client changes a database that the engine keeps.

use std::fmt;
use std::sync::Arc;

use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::operation::{Operation, Transact};
use ovsdb_proto::schema::Schema;

use super::peer::Peer;
use super::snapshot::Snapshot;
use crate::database::Served;

/// Asked before a transaction or a conversion of a client reaches a database.
///
/// Monitors pass no gate: whoever can connect can read everything. What not all may read belongs into another database, on an
/// engine with remotes of its own.
///
/// What it lets through has to pass the checks of the engine as well. What the program does itself
/// ([`Engine::transact`](super::Engine::transact)) passes no gate.
///
/// It is asked by the task of the client, so it must not block, and others wait for the thread meanwhile; what takes long
/// is the business of a [`Service`](super::Service). Should it panic, the client is refused with an `internal error`.
pub trait Gate: Send + Sync + 'static {
    /// Whether a transaction may be tried, one that only reads included.
    ///
    /// # Errors
    /// The error that the client gets, as that of the first operation. Nothing of the transaction is done.
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError>;

    /// Whether a client may give the database another schema (`convert`). Unless a gate says otherwise it may not.
    ///
    /// # Errors
    /// The error that the client gets.
    fn convert(&self, peer: &Peer, schema: &Schema) -> Result<(), OvsdbError> {
        let details = format!("{} may not convert {}", peer.name(), schema.name);
        Err(OvsdbError::new(ErrorTag::NotAllowed, details))
    }
}

impl fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// A transaction that a client proposes.
#[derive(Clone, Copy)]
pub struct Proposal<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) database: &'a Arc<Served>,
    pub(crate) transact: &'a Transact,
}

impl<'a> Proposal<'a> {
    /// Who proposes it.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// The schema of the database, in which [`Operation`]s name tables and columns by their ids.
    pub fn schema(&self) -> &'a Schema {
        self.database.schema()
    }

    /// The operations, up to the first that is not written as it should be: for the sake of that one the engine refuses the
    /// transaction.
    pub fn operations(&self) -> &'a [Operation] {
        &self.transact.operations
    }

    /// Whether nothing in it can change the database.
    pub fn is_read_only(&self) -> bool {
        self.transact.is_read_only()
    }

    /// For each operation that can change rows, the name of its table.
    pub fn tables_changed(&self) -> impl Iterator<Item = &'a str> {
        let schema = self.schema();
        let changing = self.operations().iter().filter(|it| !it.is_read_only());
        changing.filter_map(|operation| Some(&*schema.table(operation.table()?).name))
    }

    /// The database as it is now. Other transactions may come before this one.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::from(self.database.version().database.clone())
    }
}
