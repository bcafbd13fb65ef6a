//! A process that runs one program to its end and tells what that took: what `--meter` does.
//!
//! It is a process of its own since the system tells the peak of memory only of all children together, of which it has one,
//! and since a child's peak is at least what its parent had resident when it was started: this one is small.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use ovsdb_proto::json::Json;

use crate::report::object;

/// Why a program could not be run, or not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeterError {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("waiting: {0}")]
    Wait(io::Error),
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// What is to be run.
pub(crate) struct Meter {
    /// The file for what it prints.
    pub(crate) printed: PathBuf,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    /// When it is killed.
    pub(crate) patience: Duration,
}

/// What became of a program, as [`Meter::run`] prints it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Metered {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i64>,
    /// From its start to its end.
    pub(crate) took: Duration,
    /// Processor time of all its threads.
    pub(crate) cpu: Duration,
    /// The most resident memory, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Meter {
    /// Runs it, and prints what became of it.
    pub(crate) fn run(&self) -> Result<(), MeterError> {
        let printed = File::create(&self.printed).map_err(|source| MeterError::File {
            path: self.printed.clone(),
            source,
        })?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(printed);
        let begin = Instant::now();
        let mut child = command.spawn().map_err(|source| MeterError::Start {
            program: self.program.clone(),
            source,
        })?;
        let id =
            i32::try_from(child.id()).map_err(|_| MeterError::Wait(io::ErrorKind::Other.into()))?;
        let pid = Pid::from_raw(id);
        let (to_ended, ended) = channel::<()>();
        let patience = self.patience;
        let guard = std::thread::spawn(move || {
            if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                // Fails only if it has just ended: its id is not given to another before it is waited for below.
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let end = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let took = begin.elapsed();
        drop(to_ended);
        // It panics nowhere.
        let _ = guard.join();
        end.map_err(|errno| MeterError::Wait(errno.into()))?;
        let status = child.wait().map_err(MeterError::Wait)?;
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
        let usage = usage.map_err(|errno| MeterError::Wait(errno.into()))?;
        let kib = u64::try_from(usage.max_rss()).unwrap_or_default();
        let metered = Metered {
            code: status.code().map(i64::from),
            took,
            cpu: duration(usage.user_time()) + duration(usage.system_time()),
            peak_bytes: kib * 1024,
        };
        writeln!(io::stdout(), "{}", metered.to_json()).map_err(MeterError::Output)
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

impl Metered {
    fn to_json(self) -> Json {
        let integer = |number: u128| Json::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        object([
            ("code", self.code.map_or(Json::Null, Json::Integer)),
            ("took_us", integer(self.took.as_micros())),
            ("cpu_us", integer(self.cpu.as_micros())),
            ("peak_bytes", integer(self.peak_bytes.into())),
        ])
    }

    /// Reads what [`Meter::run`] prints.
    pub(crate) fn from_json(json: &Json) -> Option<Metered> {
        let number = |name: &str| u64::try_from(json.get(name)?.as_i64()?).ok();
        Some(Metered {
            code: json.get("code")?.as_i64(),
            took: Duration::from_micros(number("took_us")?),
            cpu: Duration::from_micros(number("cpu_us")?),
            peak_bytes: number("peak_bytes")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        for code in [Some(3), None] {
            let metered = Metered {
                code,
                took: Duration::from_micros(1_500_000),
                cpu: Duration::from_micros(7),
                peak_bytes: 5 << 30,
            };
            assert_eq!(Metered::from_json(&metered.to_json()), Some(metered));
        }
    }
}
