//! A measured section of a workload: how long it took, what the server used, and how long another client waited.

use std::time::{Duration, Instant};

use crate::client::ClientError;
use crate::probe::{Probe, Probing, Waits};
use crate::process::Process;
use crate::server::Server;

/// What a section cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// From its beginning to its end.
    pub(crate) took: Duration,
    /// Processor time of the server, if it may be known.
    pub(crate) cpu: Option<Duration>,
    /// The most resident memory of the server meanwhile, in bytes.
    pub(crate) peak_bytes: Option<u64>,
    /// How long another client waited, if there was one.
    pub(crate) waits: Option<Waits>,
}

impl Effort {
    /// How long it took, in milliseconds.
    pub(crate) fn ms(&self) -> f64 {
        ms(self.took)
    }

    /// How many of `count` were done in a second.
    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / self.took.as_secs_f64()
    }

    /// The longest wait of the other client in milliseconds; of none, not a number.
    pub(crate) fn longest_wait_ms(&self) -> f64 {
        self.waits.map_or(f64::NAN, |waits| ms(waits.longest))
    }
}

/// A duration in milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A section that is being measured. Work whose cost does not count is done before and after.
pub(crate) struct Section {
    process: Option<Process>,
    probing: Probing,
    cpu: Option<Duration>,
    begin: Instant,
}

impl Section {
    /// Begins to measure `server`.
    pub(crate) fn begin(server: &Server, probe: Probe) -> Result<Section, ClientError> {
        let probing = Probing::start(server.method(), probe)?;
        let process = server.process();
        if let Some(process) = process {
            process.reset_peak();
        }
        Ok(Section {
            process,
            probing,
            cpu: process.and_then(Process::cpu_time),
            begin: Instant::now(),
        })
    }

    /// The section is over.
    ///
    /// # Errors
    /// If the other client was refused something.
    pub(crate) fn end(self) -> Result<Effort, ClientError> {
        let end = Instant::now();
        self.end_at(end)
    }

    /// The section was over at this moment.
    ///
    /// # Errors
    /// If the other client was refused something.
    pub(crate) fn end_at(self, end: Instant) -> Result<Effort, ClientError> {
        let after = self.process.and_then(Process::cpu_time);
        let peak_bytes = self.process.and_then(Process::peak_bytes);
        Ok(Effort {
            took: end.saturating_duration_since(self.begin),
            cpu: after
                .zip(self.cpu)
                .map(|(after, before)| after.saturating_sub(before)),
            peak_bytes,
            waits: self.probing.end()?,
        })
    }
}
