//! Every file operation of a server at work fails once, in every way that fits it, and the power is cut at every one.
//!
//! A workload drawn from a seed (transactions of several clients, durable and not, compactions, conversions, monitors) is
//! done by the whole server on one thread, over a simulated disk. First with a disk that is well: at each operation it is
//! looked what another process would find after a kill, and after power cuts. Then once for each operation and
//! each fault that fits it: what the next processes find shortly after it and at the end, whether the server goes on when
//! the disk is well again, and whether it serves what it has on the disk. What must hold is said in `observer`.
//!
//! Another workload has large transactions, whose records are written by several writes each.
//!
//! `OVSDB_FAULT_WORKLOADS=N` and `OVSDB_FAULT_SEED=N` say how many workloads, from which seed on;
//! `OVSDB_FAULT_POINT=N` and `OVSDB_FAULT_KIND=NAME` repeat a single trial of one workload. `OVSDB_FAULT_CHAINS=N` says how
//! many rows of power cuts.

mod observer;
mod oracle;
mod plan;
mod trial;
mod wire;
mod workload;

use ovsdb_testkit::disk::Kind;
use ovsdb_testkit::environment::number;
use plan::Plan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use trial::{Images, Report, Setup};
use workload::Size;

/// Which failure points are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Points {
    All,
    /// Those that end a write between others, in the middle of a record or of several.
    AmongWrites,
}

impl Points {
    fn admits(self, plan: &Plan, operations: &[Kind]) -> bool {
        let is_write =
            |at: Option<u64>| at.and_then(|at| operations.get(at as usize)) == Some(&Kind::Write);
        let point = plan.point;
        self == Points::All
            || is_write(Some(point))
                && (is_write(point.checked_sub(1)) || is_write(Some(point + 1)))
                && !plan.kind.is_mended_at_once()
    }
}

/// The trials of the workload with this seed.
fn check_workload(size: Size, seed: u64, points: Points) {
    let setup = Setup::new(size, seed);
    let healthy = match setup.run(None, Images::Everywhere) {
        Ok(report) => report,
        Err(wrong) => panic!("OVSDB_FAULT_SEED={seed}, without a fault: {wrong}"),
    };
    let point = number("OVSDB_FAULT_POINT");
    let kind = std::env::var("OVSDB_FAULT_KIND").ok();
    let (mut trials, mut images, mut refused, mut fired) = (0, healthy.images, 0, 0);
    for plan in Plan::all(&healthy.operations) {
        let is_meant = point.is_none_or(|point| point == plan.point)
            && kind.as_ref().is_none_or(|kind| kind == plan.kind.name());
        if !is_meant || !points.admits(&plan, &healthy.operations) {
            continue;
        }
        match setup.run(Some(plan), Images::AfterFault) {
            Ok(report) => {
                trials += 1;
                images += report.images;
                refused += report.refused;
                fired += usize::from(report.refused > 0);
            }
            Err(wrong) => panic!(
                "OVSDB_FAULT_SEED={seed} OVSDB_FAULT_POINT={} OVSDB_FAULT_KIND={}: {wrong}",
                plan.point,
                plan.kind.name()
            ),
        }
    }
    println!(
        "{size:?}, seed {seed}: {} operations, {} transactions accepted; {trials} faults, {fired} of which refused {refused} transactions; {images} restarts",
        healthy.operations.len(),
        healthy.accepted,
    );
    let most_writes = healthy.operations.chunk_by(|a, b| a == b);
    let most_writes = most_writes.filter(|chunk| chunk[0] == Kind::Write);
    let most_writes = most_writes.map(<[Kind]>::len).max().unwrap_or(0);
    match size {
        Size::Small => {
            assert!(healthy.operations.len() > 80, "the workload is small");
            let with_room = healthy.images_with_room;
            assert!(with_room > 40, "only {with_room} images have room");
        }
        // A header, two pieces and the end of the line.
        Size::Large => assert!(
            most_writes >= 4,
            "records are written by {most_writes} writes"
        ),
    }
    assert_eq!(healthy.refused, 0, "nothing fails on a disk that is well");
    let is_whole = point.is_none() && kind.is_none();
    assert!(!is_whole || fired > 0, "some fault must have hit");
}

/// The workload with this seed, or those that the environment asks for.
fn check_workloads(size: Size, seed: u64, points: Points) {
    let count = number("OVSDB_FAULT_WORKLOADS");
    let from = number("OVSDB_FAULT_SEED").or(count.map(|_| 1));
    let points = if from.is_some() { Points::All } else { points };
    for seed in from.unwrap_or(seed)..from.unwrap_or(seed) + count.unwrap_or(1) {
        check_workload(size, seed, points);
    }
}

/// Power cuts in a row, each in what the next process does with what the one before has left.
const GENERATIONS: u64 = 4;
/// Rows of power cuts.
const CHAINS: u64 = 8;

/// A row of power cuts: while the file is read and mended, while the server works, while something fails.
fn check_chain(chain: u64) {
    let mut random = StdRng::seed_from_u64(chain);
    let mut setup = Setup::new(Size::Small, chain);
    let (mut accepted, mut cuts) = (0, 0);
    for generation in 0..GENERATIONS {
        let what = format!("chain {chain}, generation {generation}");
        let wrong = |wrong: String| -> Report { panic!("{what}: {wrong}") };
        let healthy = setup.run(None, Images::AfterFault).unwrap_or_else(wrong);
        let plans = Plan::all(&healthy.operations);
        let plan = match random.random_bool(0.6) {
            true => Some(plans[random.random_range(0..plans.len())]),
            false => None,
        };
        // Every third one soon after the start.
        let last = match random.random_range(0..3) {
            0 => 25,
            _ => healthy.operations.len() as u64 - 1,
        };
        let cut_at = random.random_range(0..last);
        let report = setup.run_and_cut(plan, Images::AfterFault, Some(cut_at));
        let report =
            report.unwrap_or_else(|text| wrong(format!("{plan:?}, cut at {cut_at}: {text}")));
        accepted += report.accepted;
        if let Some(cut) = report.cut {
            cuts += 1;
            let seed = chain * GENERATIONS + generation;
            let next = Setup::after(seed, &cut);
            setup = next.unwrap_or_else(|text| panic!("{what}: {text}"));
        }
    }
    println!("chain {chain}: {cuts} power cuts, {accepted} transactions accepted");
    assert!(cuts > 0 && accepted > 0);
}

#[test]
fn nothing_acknowledged_is_lost_by_power_cuts_one_after_the_other() {
    let chains = number("OVSDB_FAULT_CHAINS").unwrap_or(CHAINS);
    (0..chains).for_each(check_chain);
}

// Two tests, for two processors.

#[test]
fn nothing_acknowledged_is_lost_whatever_fails_and_wherever() {
    check_workloads(Size::Small, 1, Points::All);
}

#[test]
fn nothing_acknowledged_is_lost_in_another_workload() {
    // What the environment asks for, the first one does.
    if number("OVSDB_FAULT_SEED").is_none() && number("OVSDB_FAULT_WORKLOADS").is_none() {
        check_workloads(Size::Small, 2, Points::All);
    }
}

#[test]
fn nothing_of_a_record_that_is_written_in_pieces_is_there_in_part() {
    check_workloads(Size::Large, 1, Points::AmongWrites);
}
