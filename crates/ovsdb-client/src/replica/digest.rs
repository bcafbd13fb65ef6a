//! A number for what is in a version, by which two programs can tell whether they have the same.
//!
//! It depends on the chosen tables and columns and on the rows in them, not on how they came, nor on `_version`.

use std::fmt;

use ovsdb_proto::json::Json;
use sha1::{Digest as _, Sha1};

use super::version::Version;

/// The SHA-1 of the contents of a [`Version`]. For each table, by name, the text that is hashed has a line with the name as a
/// JSON string, and then for each row, by its name, a line with its UUID, a space, and the values of its columns, by name,
/// as a JSON array on the wire (RFC 7047, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 20]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Version {
    /// The digest of the contents. Looks at every row.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha1::new();
        let mut line = Vec::new();
        for id in self.schema().table_ids() {
            let table = self.schema().table(id);
            line.extend_from_slice(&Json::string(table.name.clone()).to_bytes());
            line.push(b'\n');
            hash.update(&line);
            line.clear();
            for (uuid, row) in self.rows(id).iter() {
                line.extend_from_slice(format!("{uuid} [").as_bytes());
                for (nth, &column) in table.column_ids_by_name().iter().enumerate() {
                    if nth > 0 {
                        line.push(b',');
                    }
                    row.get(column)
                        .write_json(&table.column(column).ty, &mut line);
                }
                line.extend_from_slice(b"]\n");
                hash.update(&line);
                line.clear();
            }
        }
        Digest(hash.finalize().into())
    }
}
