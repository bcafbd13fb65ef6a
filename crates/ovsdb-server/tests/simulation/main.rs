//! Whole servers with their clients in a simulated world: one thread, and time, chance, disk and network that follow from
//! a seed.
//!
//! The code is the one that ships. A world has a database file, a few lives of a server that serves it, and clients who do
//! what they like: transactions of all kinds, held back, taken back and pipelined; monitors with conditions that change and
//! come back with what they knew; locks; conversions; lines that break at any byte. Meanwhile files are compacted, disks
//! fail and are full, databases come and go, processes are killed and the power is cut. What must hold is looked after by
//! `chronicle` (one order of versions explains everything), `watching` (monitors), `locks`, `client` (replies, and
//! that there is one), and `life` (nothing is left behind).
//!
//! A failing seed is printed; `OVSDB_SIM_SEED=N cargo test -p ovsdb-server --test simulation` repeats it and tells
//! everything that happens. `OVSDB_SIM_SEEDS=N` tries that many, from `OVSDB_SIM_FIRST=N` on.

mod chronicle;
mod client;
mod life;
mod locks;
mod network;
mod requests;
mod watching;
mod wire;
mod world;

use std::cell::Cell;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use ovsdb_server::runtime;
use ovsdb_testkit::environment::number;
use parking_lot::Mutex;

use crate::life::Ending;
use crate::world::World;

/// Seeds that are tried unless the environment says otherwise: few where the code is slow.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 3000 };

/// After so many that fail, no more are tried.
const FAILURES_MAX: usize = 10;

/// Threads that try them.
const THREADS: u64 = 2;

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Has a panic say which seed it belongs to, also where it ends the process.
fn name_seeds_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(seed) = SEED.get() {
                // Not by way of what the test prints, which is lost if the process ends now.
                let _ = writeln!(
                    std::io::stderr(),
                    "OVSDB_SIM_SEED={seed} repeats this: {panic}"
                );
            }
            print(panic);
        }));
    });
}

/// Lets a world be, from its beginning to its end. Returns its trace.
fn run(seed: u64, is_told: bool) -> u64 {
    name_seeds_of_panics();
    SEED.set(Some(seed));
    let (world, mut dice) = World::new(seed, is_told);
    let _simulated = runtime::enter(world.clone());
    let mut disk = life::new_disk(&mut dice);
    let mut is_same = true;
    for _ in 0..dice.below(3) {
        let ending = *dice.pick(&[
            Ending::Peace,
            Ending::Kill,
            Ending::PowerCut,
            Ending::PowerCut,
        ]);
        disk = life::live(&world, &mut dice, disk, is_same, ending);
        is_same = ending != Ending::PowerCut;
    }
    life::live(&world, &mut dice, disk, is_same, Ending::Peace);
    SEED.set(None);
    world.trace()
}

#[test]
fn whatever_the_seed_nobody_is_told_what_is_not_so() {
    if let Some(seed) = number("OVSDB_SIM_SEED") {
        run(seed, true);
        return;
    }
    let seeds = number("OVSDB_SIM_SEEDS").unwrap_or(SEEDS);
    let first = number("OVSDB_SIM_FIRST").unwrap_or(0);
    let (next, end) = (AtomicU64::new(first), first + seeds);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.lock().len() >= FAILURES_MAX {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| run(seed, false))).is_err() {
                        failed.lock().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..10 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed}");
    }
}
