//! Whether the server is ready to serve: what `/healthz` and `/readyz` say.
//!
//! Asks; changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ovsdb_daemon::http::Page;
use ovsdb_server::server::Server;

use super::reconfigure::Reconfiguration;

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const CLOSING: u8 = 2;

/// How far the server is between its start and its end, and what is wrong meanwhile.
pub(super) struct Health {
    server: Arc<Server>,
    reconfiguration: Arc<Reconfiguration>,
    state: AtomicU8,
}

impl Health {
    /// That of a server that is starting.
    pub(super) fn new(server: Arc<Server>, reconfiguration: Arc<Reconfiguration>) -> Arc<Health> {
        Arc::new(Health {
            server,
            reconfiguration,
            state: AtomicU8::new(STARTING),
        })
    }

    /// Everything that was asked for at the start is there.
    pub(super) fn serve(&self) {
        self.state.store(SERVING, Ordering::Relaxed);
    }

    /// The end has begun.
    pub(super) fn close(&self) {
        self.state.store(CLOSING, Ordering::Relaxed);
    }

    /// Why the server is not ready, a line each; nothing if it is.
    pub(super) fn complaints(&self) -> Vec<String> {
        match self.state.load(Ordering::Relaxed) {
            STARTING => return vec![String::from("starting")],
            CLOSING => return vec![String::from("closing")],
            _ => {}
        }
        let missing = self.reconfiguration.missing().into_iter();
        let troubled = self.server.databases().into_iter().filter_map(|served| {
            let trouble = served.trouble()?;
            Some(format!("{}: {trouble}", served.name()))
        });
        missing.chain(troubled).collect()
    }

    /// What `/healthz` says: that somebody answers.
    pub(super) fn alive() -> Page {
        Page::plain(true, "ok\n")
    }

    /// What `/readyz` says.
    pub(super) fn ready(&self) -> Page {
        let complaints = self.complaints();
        if complaints.is_empty() {
            return Page::plain(true, "ok\n");
        }
        // One line each, whatever is in it.
        let lines = complaints.iter().map(|line| line.replace('\n', " ") + "\n");
        Page::plain(false, lines.collect::<String>())
    }
}
