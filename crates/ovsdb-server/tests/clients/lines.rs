//! How clients come to the server: lines of the simulated network, and what becomes of them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ovsdb_client::{Dial, Dialing};
use ovsdb_net::{Method, NetError, Stream};
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::server::Server;
use ovsdb_testkit::differential::dice::Dice;
use tokio::time::sleep;

use crate::network::{Line, Pace};

/// A line on which nothing moves for longer than clients wait.
const STALLED: Pace = Pace {
    capacity: 64,
    piece: 1,
    pauses: 100,
    pause_ms_max: 60_000,
};

/// How new lines are, unless nothing is to go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) pace: Pace,
    /// Of a hundred lines, how many break by themselves.
    pub(crate) breaks: u32,
    /// After how many bytes they do at the latest.
    pub(crate) lasts_bytes_max: usize,
}

/// Lines that are as quick as a network is, and do not break.
pub(crate) const FAIR: Weather = Weather {
    pace: Pace {
        pauses: 50,
        pause_ms_max: 5,
        ..Pace::CALM
    },
    breaks: 0,
    lasts_bytes_max: 1,
};

/// The network between clients and the server. Clones are the same.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    server: Option<Arc<Server>>,
    /// Those that a client or the server may still have: what a client that has left did not take goes on coming.
    lines: Vec<Line>,
    weather: Weather,
    refuses: bool,
    n_lines: u64,
    n_broken: u64,
}

impl State {
    /// Forgets the lines that nobody has any more.
    fn clear(&mut self) {
        let broken = self.lines.iter().filter(|line| line.is_broken()).count();
        self.n_broken += broken as u64;
        self.lines
            .retain(|line| !(line.is_broken() || line.is_left()));
    }
}

impl Network {
    pub(crate) fn new(dice: Dice) -> Network {
        Network(Arc::new(Mutex::new(State {
            dice,
            server: None,
            lines: Vec::new(),
            weather: FAIR,
            refuses: false,
            n_lines: 0,
            n_broken: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads to this server from now on, or to none.
    pub(crate) fn lead_to(&self, server: Option<Arc<Server>>) {
        self.state().server = server;
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// Breaks some of the lines.
    pub(crate) fn cut(&self, percent: u32) {
        let state = &mut *self.state();
        for line in &state.lines {
            if state.dice.chance(percent) {
                line.cut();
            }
        }
    }

    /// Has some of the lines carry next to nothing.
    pub(crate) fn stall(&self, percent: u32) {
        let state = &mut *self.state();
        for line in &state.lines {
            if state.dice.chance(percent) {
                line.set_pace(STALLED);
            }
        }
    }

    /// Lets nothing go wrong any more. Some keep the lines that they have.
    pub(crate) fn heal(&self) {
        self.set_weather(FAIR);
        self.refuse(false);
        self.cut(50);
        for line in &self.state().lines {
            line.calm();
        }
    }

    /// How many lines there were, and how many of them broke.
    pub(crate) fn tally(&self) -> (u64, u64) {
        let mut state = self.state();
        state.clear();
        (state.n_lines, state.n_broken)
    }

    fn connect(&self) -> io::Result<Stream> {
        let state = &mut *self.state();
        let Some(server) = state.server.as_ref().filter(|_| !state.refuses) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let Weather {
            pace,
            breaks,
            lasts_bytes_max,
        } = state.weather;
        let breaks = state.dice.chance(breaks).then(|| {
            let way = state.dice.below(2);
            (way, state.dice.below(lasts_bytes_max) as u64)
        });
        let dice = Dice::new(state.dice.between(0, i64::MAX) as u64);
        let (line, own, other) = Line::new(dice, pace, breaks);
        state.n_lines += 1;
        let name = format!("client {}", state.n_lines);
        let options = RemoteOptions {
            probe_interval_ms: *state.dice.pick(&[0, 5_000]),
            ..RemoteOptions::default()
        };
        let stream = Stream::from_halves(name.clone(), other.read, other.write);
        remotes::serve(server, "clients", stream, &options);
        state.clear();
        state.lines.push(line);
        Ok(Stream::from_halves(name, own.read, own.write))
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        Box::pin(async move {
            let ms = self.state().dice.below(10) as u64;
            sleep(Duration::from_millis(ms)).await;
            self.connect().map_err(|source| NetError::Io {
                name: method.name().to_owned(),
                what: "connect",
                source,
            })
        })
    }
}
