//! Rust types for the tables of a schema: a struct for each table, a constant for each column, an enumeration where the
//! schema lists words.
//!
//! In a build script one line does it:
//!
//! ```no_run
//! # fn main() -> Result<(), ovsdb_codegen::Error> {
//! ovsdb_codegen::generate("schemas/inventory.ovsschema")
//! # }
//! ```
//!
//! and in the program another one, `ovsdb::include_schema! { pub mod inventory = "inventory"; }`. The command
//! `ovsdb-codegen` prints the same text, for those who want to keep it.
//!
//! What is written stands on `ovsdb::typed`, whose documentation says which type a column has. Names are those of the
//! schema in the manner of Rust (`Logical_Switch_Port` becomes `LogicalSwitchPort`, with its columns in
//! `logical_switch_port`); where two become one, the later one gets a number.
//!
//! This crate knows nothing but the types of the protocol: it reads a schema and writes text.

mod names;
mod plan;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;

/// Why no types are written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The schema cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("{}: {source}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: json::JsonError,
    },
    /// The file is JSON, but no schema.
    #[error("{}: {source}", .path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: OvsdbError,
    },
    /// A table was chosen that the schema does not have.
    #[error("the schema has no table {0}")]
    NoTable(String),
    /// A column was chosen that its table does not have.
    #[error("table {table} has no column {column}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The text cannot be written.
    #[error("{}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// `OUT_DIR` is not set: this is for build scripts.
    #[error("OUT_DIR is not set, as it is in build scripts")]
    NoOutDir,
}

/// What is to have types. All tables with all columns, unless some are chosen.
#[derive(Clone, Debug, Default)]
pub struct Generator {
    /// The tables chosen, each with the columns chosen; none of either means all.
    tables: BTreeMap<String, Vec<String>>,
}

impl Generator {
    /// All tables with all columns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a table with all of its columns. References to tables that are not chosen are plain UUIDs.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.tables.insert(table.into(), Vec::new());
        self
    }

    /// Chooses some columns of a table.
    #[must_use]
    pub fn columns<C: Into<String>>(
        mut self,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.tables.insert(table.into(), columns);
        self
    }

    /// The types of the chosen part of a schema, as text.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoColumn`].
    pub fn text(&self, schema: &Schema) -> Result<String, Error> {
        Ok(text::write(&plan::plan(schema, &self.tables)?))
    }

    /// The same of the schema in a file.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn text_of_file(&self, schema: impl AsRef<Path>) -> Result<String, Error> {
        self.text(&read(schema.as_ref())?)
    }

    /// For build scripts: writes the types of the schema `NAME.ovsschema` to `NAME.rs` in `OUT_DIR`, and has cargo run the
    /// script again when the schema changes.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn build(&self, schema: impl AsRef<Path>) -> Result<(), Error> {
        let schema = schema.as_ref();
        println!("cargo::rerun-if-changed={}", schema.display());
        let folder = std::env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?;
        let path = Path::new(&folder).join(file_name(schema));
        let text = self.text_of_file(schema)?;
        std::fs::write(&path, text).map_err(|source| Error::Write { path, source })
    }
}

/// For build scripts: writes the types of all tables of a schema where `ovsdb::include_schema!` finds them; see
/// [`Generator::build`].
///
/// # Errors
/// See [`Error`].
pub fn generate(schema: impl AsRef<Path>) -> Result<(), Error> {
    Generator::new().build(schema)
}

/// The name of the file of types: that of the schema's file with `.rs` in the place of what follows its last dot.
fn file_name(schema: &Path) -> OsString {
    let mut name = schema.file_stem().unwrap_or(schema.as_os_str()).to_owned();
    name.push(".rs");
    name
}

fn read(path: &Path) -> Result<Schema, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let json = json::parse(&bytes).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    Schema::from_json(&json).map_err(|source| Error::Schema {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_names_of_files_stay() {
        let name = |schema| file_name(Path::new(schema));
        assert_eq!(name("schemas/inventory.ovsschema"), "inventory.rs");
        assert_eq!(
            name("schemas/inventory-20.27.ovsschema"),
            "inventory-20.27.rs"
        );
        assert_eq!(name("inventory"), "inventory.rs");
    }
}
