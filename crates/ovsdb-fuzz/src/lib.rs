//! Fuzz targets for everything that reads bytes which others wrote: what each is given, and what must hold then.
//!
//! A target takes any bytes and panics where something that must hold does not. Most undo what they did: what was
//! understood is written, read again, and must be the same. `tests/fuzz.rs` runs them: over the corpus and its
//! [variations](mutate) with `cargo test`, for as long as one likes, guided by coverage, with `cargo bolero test`.

pub mod mutate;
pub mod targets;
mod world;

/// A target by its name, which is that of its test and of the folder of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Panics if something that must hold does not, for this input.
    pub run: fn(&[u8]),
    /// How many variations of its corpus a short run tries.
    pub variations: u32,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "framing",
        run: targets::framing::run,
        variations: 20_000,
    },
    Target {
        name: "json_text",
        run: targets::json_text::run,
        variations: 20_000,
    },
    Target {
        name: "message",
        run: targets::message::run,
        variations: 20_000,
    },
    Target {
        name: "schema",
        run: targets::schema::run,
        variations: 10_000,
    },
    Target {
        name: "datum",
        run: targets::datum::run,
        variations: 20_000,
    },
    Target {
        name: "datum_text",
        run: targets::datum_text::run,
        variations: 20_000,
    },
    Target {
        name: "condition",
        run: targets::condition::run,
        variations: 10_000,
    },
    Target {
        name: "operations",
        run: targets::operations::run,
        variations: 5_000,
    },
    Target {
        name: "monitor_requests",
        run: targets::monitor_requests::run,
        variations: 5_000,
    },
    Target {
        name: "record",
        run: targets::record::run,
        variations: 5_000,
    },
    Target {
        name: "log_file",
        run: targets::log_file::run,
        variations: 5_000,
    },
    Target {
        name: "control_socket",
        run: targets::control_socket::run,
        variations: 1_000,
    },
    Target {
        name: "control_answers",
        run: targets::control_answers::run,
        variations: 10_000,
    },
    Target {
        name: "session",
        run: targets::session::run,
        variations: 2_000,
    },
    Target {
        name: "service",
        run: targets::service::run,
        variations: 2_000,
    },
    Target {
        name: "updates",
        run: targets::updates::run,
        variations: 5_000,
    },
    Target {
        name: "client_glance",
        run: targets::client_glance::run,
        variations: 20_000,
    },
    Target {
        name: "client_session",
        run: targets::client_session::run,
        variations: 1_000,
    },
    Target {
        name: "client_replica",
        run: targets::client_replica::run,
        variations: 5_000,
    },
    Target {
        name: "schema_project",
        run: targets::schema_project::run,
        variations: 5_000,
    },
];

#[cfg(test)]
use bolero as _;
