//! Generated transactions on the reference's server and on ours: the same answers, to the byte.
//!
//! `OVSDB_DIFF_OPERATIONS` and `OVSDB_DIFF_SEED` set size and seed.

use std::path::{Path, PathBuf};

use ovsdb_testkit::differential::run::{Settings, run};
use ovsdb_testkit::programs::reference_schema;

/// A schema of this crate.
fn own_schema(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(format!("{name}.ovsschema"))
}

fn check(schema: &Path, percent: usize) {
    check_settings(&Settings::from_environment(schema, percent));
}

fn check_settings(settings: &Settings) {
    match run(settings) {
        Ok(tally) => println!("{tally}"),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn all_types_and_their_constraints_behave_as_in_the_reference() {
    check(&own_schema("types"), 25);
}

#[test]
fn references_and_garbage_behave_as_in_the_reference() {
    check(&own_schema("references"), 25);
}

#[test]
fn indexes_and_row_limits_behave_as_in_the_reference() {
    check(&own_schema("limits"), 18);
}

#[test]
fn big_sets_and_maps_behave_as_in_the_reference() {
    // Beyond a few hundred elements they are kept in parts.
    check_settings(&Settings {
        bulk: 900,
        ..Settings::from_environment(&own_schema("bulk"), 2)
    });
}

#[test]
fn the_open_vswitch_schema_behaves_as_in_the_reference() {
    check(&reference_schema("vswitch"), 10);
}

#[test]
fn the_ovn_northbound_schema_behaves_as_in_the_reference() {
    check(&reference_schema("ovn-nb"), 10);
}

#[test]
fn the_ovn_southbound_schema_behaves_as_in_the_reference() {
    check(&reference_schema("ovn-sb"), 10);
}
