//! Eight clients of our server transact and read while connections are cut, stall and trickle, the server is killed and
//! stands still, and the database is converted there and back.

mod actor;
mod deployment;
mod director;
mod ledger;
mod schemas;
mod truth;
mod world;

use deployment::Kind;
use ovsdb_testkit::programs::Side;

#[test]
fn clients_of_our_server_converge_and_do_nothing_twice() {
    world::play(Kind::Single(Side::Ours), 3);
}
