//! The worlds of `faults` with servers of the reference: one server, and a cluster of three whose lead changes.

#[path = "faults/actor.rs"]
mod actor;
#[path = "faults/deployment.rs"]
mod deployment;
#[path = "faults/director.rs"]
mod director;
#[path = "faults/ledger.rs"]
mod ledger;
#[path = "faults/schemas.rs"]
mod schemas;
#[path = "faults/truth.rs"]
mod truth;
#[path = "faults/world.rs"]
mod world;

use deployment::Kind;
use ovsdb_testkit::programs::Side;

#[test]
fn clients_of_the_references_server_converge_and_do_nothing_twice() {
    world::play(Kind::Single(Side::Reference), 2);
}

#[test]
fn clients_of_a_cluster_converge_and_do_nothing_twice() {
    world::play(Kind::Cluster, 2);
}
