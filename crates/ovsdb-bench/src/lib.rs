//! `ovsdb-bench`: measures an OVSDB server, or two in turn, and checks that they keep what they are given; and what it costs
//! to keep a replica of a database, and what the command line tools take.
//!
//! Starts servers on databases of its own in temporary folders, or uses one that runs and serves the schema that
//! `--schema` prints. A server that loses or repeats something has failed, and is not measured. [`table`] is the table of
//! its options, for the man page; [`workloads`] and [`tasks`] name what it can measure.

mod client;
mod contents;
mod cutter;
mod download;
mod load;
mod measure;
mod options;
mod probe;
mod process;
mod progress;
mod replica;
mod replicas;
mod report;
mod rows;
mod section;
mod server;
mod socket;
mod southbound;
mod tell;
mod tools;
mod watchers;
mod watching;
mod workload;

use std::ffi::OsString;
use std::process::ExitCode;

use ovsdb_daemon::program;

pub use options::{Opt, table};

/// The name of every workload, and what it does in a phrase.
pub fn workloads() -> impl Iterator<Item = (&'static str, &'static str)> {
    workload::ALL
        .iter()
        .map(|workload| (workload.name(), workload.about()))
}

/// The name of every task that tools are given, and what it is in a phrase.
pub fn tasks() -> impl Iterator<Item = (&'static str, &'static str)> {
    tools::ALL.iter().map(|task| (task.name, task.about))
}

/// The program. Its exit code is 0 if everything was measured, 1 if something failed.
pub fn main() -> ExitCode {
    program::init("ovsdb-bench");
    match run(std::env::args_os().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            program::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Says whether nothing failed.
fn run(args: impl Iterator<Item = OsString>) -> Result<bool, options::BenchError> {
    match options::parse(args)? {
        options::Command::Print(text) => {
            print!("{text}");
            Ok(true)
        }
        options::Command::Measure(plan) => Ok(measure::measure(&plan)?),
        options::Command::Replicas(plan) => Ok(replicas::measure(&plan)?),
        options::Command::Keep(method) => {
            replicas::keep(&method)?;
            Ok(true)
        }
        options::Command::Read(method) => {
            replicas::read(&method)?;
            Ok(true)
        }
        options::Command::Tools(plan) => Ok(tools::measure(&plan)?),
        options::Command::Meter(meter) => {
            meter.run()?;
            Ok(true)
        }
    }
}
