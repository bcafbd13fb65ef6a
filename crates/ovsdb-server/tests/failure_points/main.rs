//! Every file operation of a server at work fails once, in every way that fits it, and the power is cut at every one.
//!
//! A workload drawn from a seed (transactions of several clients, durable and not, compactions, conversions, monitors) is
//! done by the whole server on one thread, over a simulated disk. First with a disk that is well: at each operation it is
//! looked what another process would find after a kill, and after power cuts. Then once for each operation and
//! each fault that fits it: what the next processes find shortly after it and at the end, whether the server goes on when
//! the disk is well again, and whether it serves what it has on the disk. What must hold is said in `observer`.
//!
//! `OVSDB_FAULT_WORKLOADS=N` and `OVSDB_FAULT_SEED=N` say how many workloads, from which seed on;
//! `OVSDB_FAULT_POINT=N` and `OVSDB_FAULT_KIND=NAME` repeat a single trial of one workload.

mod observer;
mod oracle;
mod plan;
mod trial;
mod wire;
mod workload;

use plan::Plan;
use trial::{Images, Setup};

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// All trials of the workload with this seed.
fn check_workload(seed: u64) {
    let setup = Setup::new(seed);
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
        if !is_meant {
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
        "seed {seed}: {} operations, {} transactions accepted; {trials} faults, {fired} of which refused {refused} transactions; {images} restarts",
        healthy.operations.len(),
        healthy.accepted,
    );
    assert!(healthy.operations.len() > 80, "the workload is small");
    assert_eq!(healthy.refused, 0, "nothing fails on a disk that is well");
    let is_whole = point.is_none() && kind.is_none();
    assert!(!is_whole || fired > 0, "some fault must have hit");
}

/// The workload with this seed, or those that the environment asks for.
fn check_workloads(seed: u64) {
    let count = number("OVSDB_FAULT_WORKLOADS");
    let from = number("OVSDB_FAULT_SEED").or(count.map(|_| 1));
    for seed in from.unwrap_or(seed)..from.unwrap_or(seed) + count.unwrap_or(1) {
        check_workload(seed);
    }
}

// Two tests, for two processors.

#[test]
fn nothing_acknowledged_is_lost_whatever_fails_and_wherever() {
    check_workloads(1);
}

#[test]
fn nothing_acknowledged_is_lost_in_another_workload() {
    // What the environment asks for, the first one does.
    if number("OVSDB_FAULT_SEED").is_none() && number("OVSDB_FAULT_WORKLOADS").is_none() {
        check_workloads(2);
    }
}
