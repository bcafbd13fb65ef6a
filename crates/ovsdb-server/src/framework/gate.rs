//! Who has a say before a client changes a database that the engine keeps.

use std::fmt;
use std::sync::Arc;

use ovsdb_engine::monitor::Shape;
use ovsdb_proto::condition::Condition;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::operation::{Operation, Transact};
use ovsdb_proto::schema::{ColumnId, Schema, TableSchema};

use super::peer::Peer;
use super::snapshot::Snapshot;
use crate::database::Served;

/// Asked before a transaction, a monitor or a conversion of a client reaches a database.
///
/// What not all may read is kept from them by both [`Gate::transact`], which `select` and `wait` pass, and [`Gate::monitor`]; the
/// schema is shown to everybody. A monitor that a gate has let through goes on, whatever the gate would say later.
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

    /// Whether a monitor may begin (`monitor`, `monitor_cond`, `monitor_cond_since`), or go on under other conditions
    /// (`monitor_cond_change`). Unless a gate says otherwise it may.
    ///
    /// # Errors
    /// The error that the client gets. No monitor begins, or the one that there is goes on under the conditions that it has.
    fn monitor(&self, proposal: &MonitorProposal<'_>) -> Result<(), OvsdbError> {
        let _ = proposal;
        Ok(())
    }

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
        Snapshot::from(&*self.database.version())
    }
}

/// A monitor that a client proposes, or other conditions for one that it has.
#[derive(Clone, Copy)]
pub struct MonitorProposal<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) database: &'a Arc<Served>,
    pub(crate) shape: &'a Shape,
    pub(crate) conditions: &'a [Condition],
    pub(crate) is_change: bool,
}

impl<'a> MonitorProposal<'a> {
    /// Who proposes it.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// The schema of the database.
    pub fn schema(&self) -> &'a Schema {
        self.database.schema()
    }

    /// Whether the monitor is there and is to have other conditions. Its tables and columns stay what they are.
    pub fn is_change(&self) -> bool {
        self.is_change
    }

    /// The tables that it is to tell of.
    pub fn tables(&self) -> impl Iterator<Item = MonitoredTable<'a>> {
        let (schema, shape) = (self.schema(), self.shape);
        let tables = shape.tables().zip(self.conditions).enumerate();
        tables.map(move |(at, (table, condition))| MonitoredTable {
            schema: schema.table(table),
            shape,
            at,
            condition,
        })
    }

    /// The database as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::from(&*self.database.version())
    }
}

/// What a monitor is to tell of one table.
#[derive(Clone, Copy)]
pub struct MonitoredTable<'a> {
    schema: &'a TableSchema,
    shape: &'a Shape,
    at: usize,
    condition: &'a Condition,
}

impl<'a> MonitoredTable<'a> {
    /// The name of the table.
    pub fn name(&self) -> &'a str {
        &self.schema.name
    }

    /// The names of the columns that it tells, in the order of their names.
    pub fn columns(&self) -> impl Iterator<Item = &'a str> {
        let schema = self.schema;
        let columns = self.shape.columns(self.at);
        columns.map(move |column| &*schema.column(column).name)
    }

    /// The rows of which it tells: those that meet one of the clauses, or all if there are none. A clause names its column by
    /// its id in the [schema](MonitorProposal::schema).
    pub fn condition(&self) -> &'a Condition {
        self.condition
    }

    /// The names of the columns of which the client learns something: those that are told, and those that a clause looks at,
    /// since whether a row is told says what it holds.
    pub fn columns_read(&self) -> impl Iterator<Item = &'a str> {
        let schema = self.schema;
        let looked_at = self.condition.clauses().iter().map(|clause| clause.column);
        // `true` and `false` look at none; what a row is called is no secret once it is told.
        let looked_at = looked_at.filter(|column| *column != ColumnId::UUID);
        let looked_at = looked_at.map(move |column| &*schema.column(column).name);
        self.columns().chain(looked_at)
    }
}
