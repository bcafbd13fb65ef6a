//! What the records of a database file tell of its past: when and why something changed, which values, and who set them.
//!
//! All of it works on versions and commits as replay makes them. Files belong to others: whoever reads one gives its
//! records to this module, one after the other, and keeps no more of them than it wants to.

mod annotations;
mod blame;
mod change;
mod difference;
mod selection;

pub use annotations::{AnnotationReader, Annotations, date_ms};
pub use blame::{Blame, ColumnBlame};
pub use change::{Change, ChangeKind, ColumnChange, Elements, Value};
pub use difference::{SchemaDifference, differences, schema_differences};
pub use selection::{Found, RowSelection, row_name};
