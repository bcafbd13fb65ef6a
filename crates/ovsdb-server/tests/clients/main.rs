//! Clients of the library in a simulated world: eight of them transact and read by way of the server that ships, on one thread
//! and in simulated time. What clients want, the network, the disk, the faults and all that the server does by chance follow from
//! a seed.
//!
//! Lines are slow, stall, carry a byte at a time, break at any byte, and are refused; the server is killed and comes back, and
//! the database is converted there and back. In the end each replica must be what the server has, what a client was told of a
//! transaction must be so, nobody may hang, and no task be left. What is checked is that of `faults` in `ovsdb-client`, which
//! does the same with processes and in real time.
//!
//! A failing seed is printed; `OVSDB_SIM_SEED=N cargo test -p ovsdb-server --test clients` tries it again and tells what happens.
//! `OVSDB_SIM_SEEDS=N` tries that many, from `OVSDB_SIM_FIRST=N` on.
//!
//! Which of two events is looked at first, and who of those who wait hears first, is by the chance of tokio, and follows from
//! the seed only in a build with `RUSTFLAGS="--cfg tokio_unstable"`; in others a seed may take several attempts.

#![expect(
    unexpected_cfgs,
    reason = "tokio_unstable is a setting of whole builds"
)]

#[path = "../../../ovsdb-client/tests/faults/actor.rs"]
mod actor;
mod host;
#[path = "../../../ovsdb-client/tests/faults/ledger.rs"]
mod ledger;
mod lines;
#[path = "../simulation/network.rs"]
mod network;
#[path = "../../../ovsdb-client/tests/faults/schemas.rs"]
mod schemas;
mod trace;
#[path = "../../../ovsdb-client/tests/faults/truth.rs"]
mod truth;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ovsdb_testkit::environment::number;

/// Seeds that are tried unless the environment says otherwise: few where the code is slow.
const SEEDS: u64 = if cfg!(debug_assertions) { 12 } else { 500 };

/// After so many that fail, no more are tried.
const FAILURES_MAX: usize = 5;

/// Threads that try them.
const THREADS: u64 = 2;

#[test]
fn whatever_the_seed_replicas_converge_and_nothing_happens_twice() {
    if let Some(seed) = number("OVSDB_SIM_SEED") {
        world::play(seed, true);
        return;
    }
    let seeds = number("OVSDB_SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("OVSDB_SIM_FIRST").unwrap_or(0);
    let (next, end) = (AtomicU64::new(first), first + seeds);
    let failed = Mutex::new(Vec::new());
    let tally = Mutex::new(world::Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let failed_so_far = || failed.lock().expect("nobody panics with it");
                    if seed >= end || failed_so_far().len() >= FAILURES_MAX {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| world::play(seed, false))) {
                        Ok(played) => tally.lock().expect("nobody panics with it").add(played),
                        Err(_) => {
                            eprintln!("OVSDB_SIM_SEED={seed} tries this again");
                            failed_so_far().push(seed);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panics with it");
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
    // Worlds in which nothing goes wrong show nothing.
    let tally = tally.into_inner().expect("nobody panics with it");
    println!("{tally:?}");
    if seeds >= SEEDS {
        tally.assert_eventful(seeds);
    }
}

/// Worlds that are tried twice.
#[cfg(tokio_unstable)]
const TWICE: u64 = 12;

#[test]
#[cfg(tokio_unstable)]
fn one_seed_is_one_world() {
    let first = number("OVSDB_SIM_FIRST").unwrap_or(0);
    for seed in first..first + number("OVSDB_SIM_SEEDS").unwrap_or(TWICE) {
        let traces = [(); 2].map(|()| world::play(seed, false).trace);
        assert_eq!(traces[0], traces[1], "the worlds of seed {seed} differ");
    }
}
