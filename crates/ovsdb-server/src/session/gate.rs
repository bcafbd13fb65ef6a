//! Whom requests have to pass on their way to a database: the gate that the program has put before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ovsdb_engine::monitor::Shape;
use ovsdb_proto::condition::Condition;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::Json;
use ovsdb_proto::operation::Transact;
use ovsdb_proto::schema::Schema;

use super::Session;
use super::requests::ReadTransact;
use crate::database::Served;
use crate::framework::{Gate, MonitorProposal, Peer, Proposal};

impl Session {
    /// The client as the program sees it.
    pub(super) fn peer(&mut self) -> &Peer {
        self.peer.get_or_insert_with(|| {
            let name = self.link.name().to_owned();
            Peer::new(self.mailbox.clone(), name, self.options.access.clone())
        })
    }

    /// Asks whether a transaction may be tried.
    pub(super) fn pass(
        &mut self,
        gate: &Arc<dyn Gate>,
        read: &ReadTransact,
    ) -> Result<(), OvsdbError> {
        let proposal = Proposal {
            peer: self.peer(),
            database: &read.database,
            transact: &read.transact,
        };
        ask(|| gate.transact(&proposal))
    }

    /// Asks whether a monitor of this shape may begin, or go on, under these conditions.
    pub(super) fn pass_monitor(
        &mut self,
        database: &Arc<Served>,
        shape: &Shape,
        conditions: &[Condition],
        is_change: bool,
    ) -> Result<(), OvsdbError> {
        let Some(gate) = database.gate() else {
            return Ok(());
        };
        let proposal = MonitorProposal {
            peer: self.peer(),
            database,
            shape,
            conditions,
            is_change,
        };
        ask(|| gate.monitor(&proposal))
    }

    /// Asks whether the client may give a database another schema.
    pub(super) fn pass_conversion(
        &mut self,
        gate: &Arc<dyn Gate>,
        schema: &Schema,
    ) -> Result<(), OvsdbError> {
        let peer = self.peer();
        ask(|| gate.convert(peer, schema))
    }
}

/// What the program answers. Should it panic, that is the end of this request and of nothing else.
fn ask(question: impl FnOnce() -> Result<(), OvsdbError>) -> Result<(), OvsdbError> {
    let answer = catch_unwind(AssertUnwindSafe(question));
    answer.unwrap_or_else(|_| {
        let details = "the gate of the database has failed";
        Err(OvsdbError::new(ErrorTag::InternalError, details))
    })
}

/// The results of a transaction that was not tried: its first operation has failed (RFC 7047, section 4.1.3).
pub(super) fn refused(transact: &Transact, error: OvsdbError) -> Json {
    let others = transact.n_operations.saturating_sub(1);
    let others = std::iter::repeat_n(Json::Null, others);
    Json::Array(std::iter::once(error.to_json()).chain(others).collect())
}
