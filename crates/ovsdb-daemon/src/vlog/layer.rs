//! The bridge from `tracing` to the logs.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::LazyLock;
use std::time::Instant;

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;

use super::level::Level;
use super::modules::module_of_target;
use super::rate::{Bucket, Verdict};
use super::shared;

/// Writes events to the console, to syslog and to the log file, as the levels of their modules say.
///
/// The integer fields `per_minute` and `burst` limit how often an event's call site is logged; other fields follow the
/// message as `name=value`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layer;

/// Call sites with a limit. There are as many as are written in the source code.
static BUCKETS: LazyLock<Mutex<HashMap<Identifier, Bucket>>> = LazyLock::new(Mutex::default);
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

fn is_enabled(metadata: &Metadata<'_>) -> bool {
    let shared = shared::get();
    let module = shared.module(module_of_target(metadata.target()));
    shared.threshold(&module) >= Level::from_tracing(*metadata.level())
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Layer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked anew whenever a level changes.
        if is_enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match shared::get().overall_threshold() {
            Level::Off | Level::Emer => LevelFilter::OFF,
            Level::Err => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Dbg => LevelFilter::TRACE,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let shared = shared::get();
        let module = shared.module(module_of_target(metadata.target()));
        let level = Level::from_tracing(*metadata.level());
        if module.is_limited() && metadata.fields().field("burst").is_some() {
            let mut limit = Limit::default();
            event.record(&mut limit);
            let now_ms = u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(u64::MAX);
            let verdict = BUCKETS
                .lock()
                .entry(metadata.callsite())
                .or_insert_with(Bucket::new)
                .take(now_ms, limit.per_minute, limit.burst);
            match verdict {
                Verdict::Drop => return,
                Verdict::Pass => {}
                Verdict::PassAfter(dropped) => {
                    shared.write_module(&module, level, format_args!("{dropped}"))
                }
            }
        }
        let mut text = Text::default();
        event.record(&mut text);
        shared.write_module(
            &module,
            level,
            format_args!("{}{}", text.message, text.fields),
        );
    }
}

#[derive(Default)]
struct Limit {
    per_minute: u64,
    burst: u64,
}

impl Visit for Limit {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "per_minute" => self.per_minute = value,
            "burst" => self.burst = value,
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_u64(field, u64::try_from(value).unwrap_or(0));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.fields.extend([" ", name, "=", value]),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "per_minute" | "burst" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
