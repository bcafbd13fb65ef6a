//! The operations of RFC 7047, section 5.2, one builder each.
//!
//! A builder holds names and values as they were given; nothing is checked before the transaction is written.

use ecow::EcoString;

use super::{Clause, Mutation};
use crate::uuid::Uuid;
use crate::value::{Row, Value};

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Makes a row (5.2.1).
    Insert(Insert),
    /// Reads rows (5.2.2).
    Select(Select),
    /// Gives columns new values (5.2.3).
    Update(Update),
    /// Changes columns by what they hold (5.2.4).
    Mutate(Mutate),
    /// Removes rows (5.2.5).
    Delete(Delete),
    /// Holds the transaction back until a query gives what is expected (5.2.6).
    Wait(Wait),
    /// Asks for a reply that comes when the transaction is on disk (5.2.7).
    Commit {
        /// Whether it has to be.
        durable: bool,
    },
    /// Undoes the transaction (5.2.8).
    Abort,
    /// Leaves a note in the log (5.2.9).
    Comment(EcoString),
    /// Fails unless the client holds a lock (5.2.10).
    Assert(EcoString),
}

impl Operation {
    /// The operation's `op`.
    pub const fn name(&self) -> &'static str {
        match self {
            Operation::Insert(_) => "insert",
            Operation::Select(_) => "select",
            Operation::Update(_) => "update",
            Operation::Mutate(_) => "mutate",
            Operation::Delete(_) => "delete",
            Operation::Wait(_) => "wait",
            Operation::Commit { .. } => "commit",
            Operation::Abort => "abort",
            Operation::Comment(_) => "comment",
            Operation::Assert(_) => "assert",
        }
    }

    /// The name of the table that the operation is about, if it is about one.
    pub const fn table(&self) -> Option<&EcoString> {
        match self {
            Operation::Insert(Insert { table, .. })
            | Operation::Select(Select { table, .. })
            | Operation::Update(Update { table, .. })
            | Operation::Mutate(Mutate { table, .. })
            | Operation::Delete(Delete { table, .. })
            | Operation::Wait(Wait { table, .. }) => Some(table),
            Operation::Commit { .. }
            | Operation::Abort
            | Operation::Comment(_)
            | Operation::Assert(_) => None,
        }
    }
}

/// `insert`: see [`insert`].
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: EcoString,
    /// The UUID that the row is to have; the server chooses one if there is none.
    pub uuid: Option<Uuid>,
    /// The name by which the transaction speaks of the row, an `<id>`.
    pub uuid_name: Option<EcoString>,
    /// The values of columns that are not to have their defaults.
    pub row: Row,
}

/// `select`: see [`select`].
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// The table.
    pub table: EcoString,
    /// The clauses that rows have to meet, all of them.
    pub condition: Vec<Clause>,
    /// The columns to read; `None` for all, `_uuid` and `_version` included.
    pub columns: Option<Vec<EcoString>>,
    /// The columns to sort by, most important first.
    pub sort: Vec<EcoString>,
}

/// `update`: see [`update`].
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The table.
    pub table: EcoString,
    /// The clauses that rows have to meet, all of them.
    pub condition: Vec<Clause>,
    /// The new values.
    pub row: Row,
}

/// `mutate`: see [`mutate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Mutate {
    /// The table.
    pub table: EcoString,
    /// The clauses that rows have to meet, all of them.
    pub condition: Vec<Clause>,
    /// The changes, in order.
    pub mutations: Vec<Mutation>,
}

/// `delete`: see [`delete`].
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: EcoString,
    /// The clauses that rows have to meet, all of them.
    pub condition: Vec<Clause>,
}

/// `wait`: see [`wait`].
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// The table.
    pub table: EcoString,
    /// The clauses that rows have to meet, all of them.
    pub condition: Vec<Clause>,
    /// The columns that are compared; `None` for those that any of `rows` has, or `_uuid` if there are no rows.
    pub columns: Option<Vec<EcoString>>,
    /// True to wait until the query gives `rows`, false to wait until it gives anything else.
    pub until_equal: bool,
    /// What is compared with. A column that a row lacks has its default value there.
    pub rows: Vec<Row>,
    /// Milliseconds from the receipt of the request; `None` waits for ever, 0 tries once.
    pub timeout_ms: Option<u64>,
}

/// An `insert` of a row with nothing but default values into `table`.
///
/// [`Transaction::insert`](super::Transaction::insert) gives what stands for the row in other operations.
pub fn insert(table: impl Into<EcoString>) -> Insert {
    Insert {
        table: table.into(),
        uuid: None,
        uuid_name: None,
        row: Row::new(),
    }
}

/// A `select` of all columns of all rows of `table`.
///
/// ```
/// use ovsdb_proto::build::{Transaction, column, select};
///
/// let all_down = select("Interface")
///     .filter(column("link_state").eq("down"))
///     .columns(["name", "ofport"])
///     .sort(["name"]);
/// assert_eq!(
///     Transaction::new("Open_vSwitch").with(all_down).to_text()?,
///     concat!(
///         r#"["Open_vSwitch",{"op":"select","table":"Interface","where":[["link_state","==","down"]],"#,
///         r#""columns":["name","ofport"],"sort":["name"]}]"#
///     )
/// );
/// # Ok::<(), ovsdb_proto::build::Invalid>(())
/// ```
pub fn select(table: impl Into<EcoString>) -> Select {
    Select {
        table: table.into(),
        condition: Vec::new(),
        columns: None,
        sort: Vec::new(),
    }
}

/// An `update` of nothing in all rows of `table`.
pub fn update(table: impl Into<EcoString>) -> Update {
    Update {
        table: table.into(),
        condition: Vec::new(),
        row: Row::new(),
    }
}

/// A `mutate` of nothing in all rows of `table`.
pub fn mutate(table: impl Into<EcoString>) -> Mutate {
    Mutate {
        table: table.into(),
        condition: Vec::new(),
        mutations: Vec::new(),
    }
}

/// A `delete` of all rows of `table`, unless it is told which.
pub fn delete(table: impl Into<EcoString>) -> Delete {
    Delete {
        table: table.into(),
        condition: Vec::new(),
    }
}

/// A `wait` for ever until no row is in `table`, unless it is told which rows, until what and for how long.
///
/// ```
/// use ovsdb_proto::build::{Transaction, row, wait};
/// use ovsdb_proto::uuid::Uuid;
/// use ovsdb_proto::value::Row;
///
/// // Goes on only if the row has the value that was read.
/// let verify = wait("Bridge")
///     .filter(row(Uuid::ZERO))
///     .until_equal([Row::new().set("fail_mode", "secure")])
///     .timeout_ms(0);
/// assert_eq!(
///     Transaction::new("Open_vSwitch").with(verify).to_text()?,
///     concat!(
///         r#"["Open_vSwitch",{"op":"wait","table":"Bridge","timeout":0,"#,
///         r#""where":[["_uuid","==",["uuid","00000000-0000-0000-0000-000000000000"]]],"#,
///         r#""columns":["fail_mode"],"until":"==","rows":[{"fail_mode":"secure"}]}]"#
///     )
/// );
/// # Ok::<(), ovsdb_proto::build::Invalid>(())
/// ```
pub fn wait(table: impl Into<EcoString>) -> Wait {
    Wait {
        table: table.into(),
        condition: Vec::new(),
        columns: None,
        until_equal: true,
        rows: Vec::new(),
        timeout_ms: None,
    }
}

/// A `commit`; with `durable` the reply comes when the transaction is on disk.
pub const fn commit(durable: bool) -> Operation {
    Operation::Commit { durable }
}

/// An `abort`: the transaction fails here, with all that was before it.
pub const fn abort() -> Operation {
    Operation::Abort
}

/// A `comment` for whoever reads the log.
pub fn comment(text: impl Into<EcoString>) -> Operation {
    Operation::Comment(text.into())
}

/// An `assert` that the client holds the lock with this name, an `<id>`.
pub fn assert(lock: impl Into<EcoString>) -> Operation {
    Operation::Assert(lock.into())
}

impl Insert {
    /// The same insert with `value` in `column`.
    #[must_use]
    pub fn set(mut self, column: impl Into<EcoString>, value: impl Into<Value>) -> Insert {
        self.row.insert(column, value);
        self
    }

    /// The same insert of a row with this UUID. It is an addition of Open vSwitch; old servers refuse it.
    #[must_use]
    pub fn uuid(mut self, uuid: Uuid) -> Insert {
        self.uuid = Some(uuid);
        self
    }

    /// The same insert of a row that the transaction calls by this name, an `<id>`.
    #[must_use]
    pub fn named(mut self, name: impl Into<EcoString>) -> Insert {
        self.uuid_name = Some(name.into());
        self
    }
}

impl Update {
    /// The same update with `value` for `column`.
    #[must_use]
    pub fn set(mut self, column: impl Into<EcoString>, value: impl Into<Value>) -> Update {
        self.row.insert(column, value);
        self
    }
}

impl Mutate {
    /// The same operation with one more change.
    #[must_use]
    pub fn apply(mut self, mutation: Mutation) -> Mutate {
        self.mutations.push(mutation);
        self
    }
}

impl Select {
    /// The same query of these columns only.
    #[must_use]
    pub fn columns<C: Into<EcoString>>(mut self, columns: impl IntoIterator<Item = C>) -> Select {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The same query with its rows in the order of these columns. It is an addition of Open vSwitch.
    #[must_use]
    pub fn sort<C: Into<EcoString>>(mut self, columns: impl IntoIterator<Item = C>) -> Select {
        self.sort = columns.into_iter().map(Into::into).collect();
        self
    }
}

impl Wait {
    /// The same wait, in which these columns are compared.
    #[must_use]
    pub fn columns<C: Into<EcoString>>(mut self, columns: impl IntoIterator<Item = C>) -> Wait {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The same wait until the query gives `rows`, in any order.
    #[must_use]
    pub fn until_equal(mut self, rows: impl IntoIterator<Item = Row>) -> Wait {
        self.until_equal = true;
        self.rows = rows.into_iter().collect();
        self
    }

    /// The same wait until the query gives anything but `rows`.
    #[must_use]
    pub fn until_not_equal(mut self, rows: impl IntoIterator<Item = Row>) -> Wait {
        self.until_equal = false;
        self.rows = rows.into_iter().collect();
        self
    }

    /// The same wait for at most `timeout_ms` milliseconds from the receipt of the request; with 0 the server tries once.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Wait {
        self.timeout_ms = Some(timeout_ms);
        self
    }
}

/// Operations with a condition.
macro_rules! filtered {
    ($($operation:ident)*) => {$(
        impl $operation {
            /// The same operation on those of its rows only that meet `clause`.
            #[must_use]
            pub fn filter(mut self, clause: impl Into<Clause>) -> $operation {
                self.condition.push(clause.into());
                self
            }
        }
    )*};
}

filtered! { Select Update Mutate Delete Wait }

macro_rules! operations {
    ($($name:ident)*) => {$(
        impl From<$name> for Operation {
            fn from(operation: $name) -> Operation {
                Operation::$name(operation)
            }
        }
    )*};
}

operations! { Insert Select Update Mutate Delete Wait }
