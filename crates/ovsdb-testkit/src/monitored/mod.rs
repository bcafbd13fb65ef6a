//! Monitors interpreted naively: random databases, changes and monitors, what a monitor has to be told, and replicas
//! rebuilt from what it is told.
//!
//! Written from RFC 7047 (sections 4.1.5, 4.1.6) and ovsdb-server(7) (sections 4.1.12 to 4.1.16) over plain JSON. It
//! knows nothing of how a server does it, and takes no short cut: conditions are tried clause by clause, differences are
//! taken element by element, and everything is compared with everything.

mod changes;
mod condition;
mod monitor;
mod schema;
mod updates;
mod value;

use std::collections::BTreeMap;

pub use self::changes::{Contents, any_transaction};
pub use self::condition::{Clause, any_condition, condition_to_json};
pub use self::monitor::{Asked, Form, Monitor, Select};
pub use self::schema::{Column, Kind, Row, SCHEMA, TABLES, Table, Type, table};
pub use self::updates::{Oracle, Replica, RowUpdate, Updates, change_told, concerns};
pub use self::value::{Atom, Value, default_value, value_from_json, value_to_json};

/// Something for each row of each table, by the table's name and the row's UUID.
pub type ByRow<T> = BTreeMap<(&'static str, String), T>;
