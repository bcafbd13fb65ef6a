//! Types of schemas, for tests of what `ovsdb-codegen` writes: that it compiles, and that it does what it should.
//!
//! Nothing is written here: the build script does that.

ovsdb::include_schema! {
    /// The schema `Inventory` of the examples.
    pub mod inventory = "inventory";

    /// A schema of names that are taken in Rust, and of columns of all kinds.
    pub mod awkward = "awkward";
}
