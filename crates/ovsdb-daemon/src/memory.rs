//! The memory of the process: `memory/show`, a log line when it has grown, and the size of its pages.
//!
//! The figures are the daemon's own (rows, sessions, ...), given as a function that is called anew for each report.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::unixctl::Commands;

/// Time before the first look at the process's size, and between two.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Figures by name.
pub type Report = BTreeMap<String, u64>;

/// The form of a report: `cells:10 monitors:0`, sorted by name.
#[must_use]
pub fn format(report: &Report) -> String {
    report
        .iter()
        .map(|(name, value)| format!("{name}:{value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Has the system give this process and its children pages of the usual size only.
///
/// A huge page is cleared as a whole when the first byte of it is touched, which holds up whoever does so and makes what a
/// database with small rows frees and takes again cost several times as much. Where the system knows no huge pages nothing
/// is lost.
pub fn use_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(target: "memory", "cannot do without huge pages ({error})");
    }
}

/// Adds `memory/show`.
pub fn register_commands<F>(commands: &Commands, report: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = Report> + Send + 'static,
{
    let report = Arc::new(report);
    commands.register_async("memory/show", Some(""), 0..=0, move |_| {
        let report = report();
        async move { Ok::<_, String>(format(&report.await)) }
    });
}

/// Looks at the process's size every ten seconds for ever, and logs it with a report once, and again whenever it has
/// grown by half; to be spawned once in a daemon.
pub async fn run<F>(report: impl Fn() -> F + Send) -> Infallible
where
    F: Future<Output = Report> + Send,
{
    let started = Instant::now();
    let mut last: Option<(Instant, i64)> = None;
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        // getrusage cannot fail with a valid argument; without a figure there is nothing to report.
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            continue;
        };
        let peak_kb = usage.max_rss();
        let Some(line) = growth(started, last, peak_kb) else {
            continue;
        };
        tracing::info!(target: "memory", "{line}");
        last = Some((Instant::now(), peak_kb));
        let text = format(&report().await);
        if !text.is_empty() {
            tracing::info!(target: "memory", "{text}");
        }
    }
}

fn growth(started: Instant, last: Option<(Instant, i64)>, peak_kb: i64) -> Option<String> {
    match last {
        None => Some(format!(
            "{peak_kb} kB peak resident set size after {:.1} seconds",
            started.elapsed().as_secs_f64()
        )),
        Some((when, before_kb)) if peak_kb >= before_kb + before_kb / 2 => {
            let percent = (peak_kb - before_kb) * 100 / before_kb.max(1);
            Some(format!(
                "peak resident set size grew {percent}% in last {:.1} seconds, from {before_kb} kB to {peak_kb} kB",
                when.elapsed().as_secs_f64()
            ))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_small_when_that_was_asked_for() {
        let status = || std::fs::read_to_string("/proc/self/status").expect("a process of Linux");
        // Systems without huge pages have no such line.
        let knows_them = status().contains("THP_enabled:");
        use_small_pages();
        assert_eq!(status().contains("THP_enabled:\t0"), knows_them);
    }

    #[test]
    fn reports_are_sorted_by_name() {
        let report = Report::from([("monitors".to_owned(), 0), ("cells".to_owned(), 10)]);
        assert_eq!(format(&report), "cells:10 monitors:0");
        assert_eq!(format(&Report::new()), "");
    }

    #[test]
    fn only_growth_by_half_is_worth_a_line() {
        let now = Instant::now();
        assert!(
            growth(now, None, 100)
                .is_some_and(|l| l.starts_with("100 kB peak resident set size after 0.0 seconds"))
        );
        assert_eq!(growth(now, Some((now, 100)), 149), None);
        assert!(growth(now, Some((now, 100)), 150).is_some_and(|l| {
            l.starts_with(
                "peak resident set size grew 50% in last 0.0 seconds, from 100 kB to 150 kB",
            )
        }));
    }
}
