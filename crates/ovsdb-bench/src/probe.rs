//! Another client, who asks for little again and again while something is measured, and notes how long it waits.
//!
//! It asks at a fixed pace, so that it does not disturb what is measured. What it would have asked for while it waited
//! counts as well: a stall of a second is many waits, not one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ovsdb_proto::json::Json;

use crate::client::{Client, ClientError, succeeded};
use crate::rows::DATABASE;

/// What the other client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    /// A transaction that changes a row of a table that nobody watches.
    Write,
    /// The same, five times as often: for stalls that are short.
    WriteOften,
    /// A row of a table that nobody changes: for where a write would disturb.
    Read,
    /// The same, five times as often.
    ReadOften,
}

impl Probe {
    /// From one request to the next.
    fn pace(self) -> Duration {
        match self {
            Probe::Write | Probe::Read => Duration::from_millis(5),
            Probe::WriteOften | Probe::ReadOften => Duration::from_millis(1),
        }
    }
}

/// How long the other client waited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Waits {
    pub(crate) longest: Duration,
    pub(crate) percentile_99: Duration,
}

/// Another client at work.
pub(crate) struct Probing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<Duration>, ClientError>>>,
}

impl Probing {
    /// Connects and begins.
    pub(crate) fn start(method: &str, probe: Probe) -> Result<Probing, ClientError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut client, request) = prepare(method, probe)?;
        let thread = std::thread::spawn({
            let (stop, pace) = (Arc::clone(&stop), probe.pace());
            move || ask(&mut client, &request, pace, &stop)
        });
        Ok(Probing {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it. A request that is under way is waited for, and counts.
    ///
    /// # Errors
    /// That of the first request that failed.
    pub(crate) fn end(mut self) -> Result<Option<Waits>, ClientError> {
        let Some(waits) = self.join() else {
            return Ok(None);
        };
        let mut waits = waits?;
        waits.sort_unstable();
        Ok(waits.last().map(|longest| Waits {
            longest: *longest,
            percentile_99: waits[(waits.len() * 99 / 100).min(waits.len() - 1)],
        }))
    }

    fn join(&mut self) -> Option<Result<Vec<Duration>, ClientError>> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        // The thread panics nowhere, so that what it says is there.
        Some(thread.join().unwrap_or_else(|_| Ok(Vec::new())))
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        // Whatever it found: something else went wrong before.
        let _ = self.join();
    }
}

/// A connection, and the request that is sent over it. The row that it is about is made now.
fn prepare(method: &str, probe: Probe) -> Result<(Client, String), ClientError> {
    let mut client = Client::connect(method)?;
    let insert = format!(
        "[\"{DATABASE}\",{{\"op\":\"insert\",\"table\":\"Probe\",\"row\":{{\"value\":0}}}}]"
    );
    let result = client.call("transact", &insert)?;
    let row = succeeded(&result, 1)?[0].get("uuid").map(Json::to_string);
    let row = row.unwrap_or_default();
    let request = match probe {
        Probe::Read | Probe::ReadOften => format!(
            "[\"{DATABASE}\",{{\"op\":\"select\",\"table\":\"Probe\",\"where\":[[\"_uuid\",\"==\",{row}]],\
             \"columns\":[\"value\"]}}]"
        ),
        _ => format!(
            "[\"{DATABASE}\",{{\"op\":\"mutate\",\"table\":\"Probe\",\"where\":[[\"_uuid\",\"==\",{row}]],\
             \"mutations\":[[\"value\",\"+=\",1]]}}]"
        ),
    };
    Ok((client, request))
}

fn ask(
    client: &mut Client,
    request: &str,
    pace: Duration,
    stop: &AtomicBool,
) -> Result<Vec<Duration>, ClientError> {
    let mut waits = Vec::new();
    let mut due = Instant::now();
    loop {
        while let Some(rest) = due.checked_duration_since(Instant::now())
            && !stop.load(Ordering::Acquire)
        {
            std::thread::park_timeout(rest);
        }
        // Asks once at least, however short the section is.
        if stop.load(Ordering::Acquire) && !waits.is_empty() {
            return Ok(waits);
        }
        let asked = Instant::now();
        client.transact(request)?;
        let answered = Instant::now();
        waits.push(answered - asked);
        due = asked + pace;
        while due < answered {
            waits.push(answered - due);
            due += pace;
        }
    }
}
