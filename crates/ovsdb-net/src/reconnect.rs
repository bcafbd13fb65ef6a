//! When to connect, to back off, to probe and to give up: a state machine that holds no socket and reads no clock.
//!
//! The owner reports what happens ([`Reconnect::connecting`], [`Reconnect::connected`], [`Reconnect::activity`], ...) and
//! calls [`Reconnect::run`] when [`Reconnect::deadline_ms`] has come. All times are milliseconds of one monotonic clock,
//! passed in. Lines of the log module `reconnect` are written here, in the words that monitoring searches for.

use std::fmt;

/// Shortest pause between attempts, in milliseconds.
const DEFAULT_MIN_BACKOFF_MS: u64 = 1_000;
/// Longest pause between attempts, in milliseconds.
const DEFAULT_MAX_BACKOFF_MS: u64 = 8_000;
/// Idle time after which a peer is probed, in milliseconds.
const DEFAULT_PROBE_INTERVAL_MS: u64 = 5_000;
/// No interval may be set shorter than this, in milliseconds.
const INTERVAL_MS_MIN: u64 = 1_000;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Disabled.
    Void,
    /// Waiting before the next attempt.
    Backoff,
    /// An attempt is under way.
    Connecting,
    /// Connected, and something was heard within the probe interval.
    Active,
    /// Connected; a probe was sent and nothing was heard since.
    Idle,
    /// About to be cut and made again, on request.
    Reconnect,
    /// Waiting for a peer (passive mode).
    Listening,
}

impl State {
    fn is_connected(self) -> bool {
        matches!(self, Self::Active | Self::Idle)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Void => "VOID",
            Self::Backoff => "BACKOFF",
            Self::Connecting => "CONNECTING",
            Self::Active => "ACTIVE",
            Self::Idle => "IDLE",
            Self::Reconnect => "RECONNECT",
            Self::Listening => "LISTENING",
        })
    }
}

/// What the owner must do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Start an attempt (or listen, in passive mode), and report it.
    Connect,
    /// Drop the connection or the attempt, and report it with [`Disconnect::Unspecified`].
    Disconnect,
    /// Send something that the peer answers, such as an `echo` request.
    Probe,
}

/// Why a connection or an attempt came to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Disconnect {
    /// An error, with the operating system's words for it.
    Error(String),
    /// The peer closed the connection.
    Eof,
    /// Our own decision, or a timeout.
    Unspecified,
}

/// What a connection has been through; times and durations in milliseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReconnectStats {
    /// The state now.
    pub state: State,
    /// How long it has been in this state.
    pub state_elapsed_ms: u64,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Since the last successful connection, if there was one.
    pub since_connect_ms: Option<u64>,
    /// Since the last loss of a connection, if there was one.
    pub since_disconnect_ms: Option<u64>,
    /// Time spent connected, in all.
    pub total_connected_ms: u64,
    /// The current pause.
    pub backoff_ms: u64,
    /// Attempts so far.
    pub n_attempted_connections: u64,
    /// Those that succeeded.
    pub n_successful_connections: u64,
    /// Grows with every connect and every disconnect.
    pub seqno: u64,
}

/// The state machine of one connection.
#[derive(Clone, Debug)]
pub struct Reconnect {
    name: String,
    min_backoff_ms: u64,
    max_backoff_ms: u64,
    probe_interval_ms: u64,
    passive: bool,
    quiet: bool,

    state: State,
    state_entered_ms: u64,
    backoff_ms: u64,
    /// The pause now: `backoff_ms`, and with jitter a little more or less.
    pause_ms: u64,
    /// The state of the generator of jitter; zero for none.
    jitter: u64,
    last_activity_ms: u64,
    last_connected_ms: Option<u64>,
    last_disconnected_ms: Option<u64>,
    last_receive_attempt_ms: u64,
    /// Attempts left; `None` for no limit.
    tries_left: Option<u32>,
    backoff_free_tries: u32,
    /// Attempts between which there is no pause, and how many of them are left; zero for none.
    round: u32,
    round_left: u32,

    n_attempted_connections: u64,
    n_successful_connections: u64,
    total_connected_ms: u64,
    seqno: u64,
}

/// Logs at INFO, or at DBG if the machine is quiet.
macro_rules! log_info {
    ($fsm:expr, $($arg:tt)+) => {
        if $fsm.quiet {
            tracing::debug!(target: "reconnect", $($arg)+);
        } else {
            tracing::info!(target: "reconnect", $($arg)+);
        }
    };
}

impl Reconnect {
    /// A disabled machine for the connection called `name` in logs.
    #[must_use]
    pub fn new(name: impl Into<String>, now_ms: u64) -> Self {
        Self {
            name: name.into(),
            min_backoff_ms: DEFAULT_MIN_BACKOFF_MS,
            max_backoff_ms: DEFAULT_MAX_BACKOFF_MS,
            probe_interval_ms: DEFAULT_PROBE_INTERVAL_MS,
            passive: false,
            quiet: false,
            state: State::Void,
            state_entered_ms: now_ms,
            backoff_ms: 0,
            pause_ms: 0,
            jitter: 0,
            last_activity_ms: now_ms,
            last_connected_ms: None,
            last_disconnected_ms: None,
            last_receive_attempt_ms: now_ms,
            tries_left: None,
            backoff_free_tries: 0,
            round: 0,
            round_left: 0,
            n_attempted_connections: 0,
            n_successful_connections: 0,
            total_connected_ms: 0,
            seqno: 0,
        }
    }

    /// The name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the name in logs, as when the next of several remotes is tried.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Whether informational lines go to DBG: for connections that are short-lived by design.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// How many more attempts may be made; `None` for no limit, which is the default. After the last the machine
    /// disables itself.
    pub fn set_tries_left(&mut self, tries: Option<u32>) {
        self.tries_left = tries;
    }

    /// How many more attempts may be made; `None` for no limit.
    #[must_use]
    pub fn tries_left(&self) -> Option<u32> {
        self.tries_left
    }

    /// How many of the next attempts follow without a pause: one for each of several remotes, say.
    pub fn set_backoff_free_tries(&mut self, tries: u32) {
        self.backoff_free_tries = tries;
    }

    /// Sets the shortest and the longest pause, in milliseconds. The current pause is also how long an attempt may last.
    /// `0` stands for the default; nothing is shorter than a second.
    pub fn set_backoff(&mut self, min_ms: u64, max_ms: u64) {
        self.min_backoff_ms = min_ms.max(INTERVAL_MS_MIN);
        self.max_backoff_ms = match max_ms {
            0 => DEFAULT_MAX_BACKOFF_MS,
            max => max.max(INTERVAL_MS_MIN),
        }
        .max(self.min_backoff_ms);
        if self.state == State::Backoff {
            self.backoff_ms = self.backoff_ms.min(self.max_backoff_ms);
            self.pause_ms = self.pause_ms.min(self.max_backoff_ms);
        }
    }

    /// Pauses only after each so many attempts, as is right where they are made at as many peers in turn.
    pub fn set_round(&mut self, attempts: u32) {
        self.round = attempts;
        self.begin_round();
    }

    /// Begins a round anew: after the connection that there may be, the next pause is after a whole round.
    pub fn begin_round(&mut self) {
        let connection = u32::from(self.state.is_connected());
        self.round_left = self.round.saturating_add(connection);
    }

    /// Makes each pause up to a fifth longer or shorter, by chance that comes from `seed`.
    pub fn set_jitter(&mut self, seed: u64) {
        self.jitter = seed.max(1);
    }

    /// Sets how long the peer may be silent before it is probed, and again before it is given up, in milliseconds.
    /// `0` never probes; nothing else is shorter than a second.
    pub fn set_probe_interval(&mut self, interval_ms: u64) {
        self.probe_interval_ms = match interval_ms {
            0 => 0,
            interval => interval.max(INTERVAL_MS_MIN),
        };
    }

    /// The probe interval in milliseconds; `0` if there is no probing.
    #[must_use]
    pub fn probe_interval_ms(&self) -> u64 {
        self.probe_interval_ms
    }

    /// Passive mode listens instead of connecting.
    pub fn set_passive(&mut self, passive: bool, now_ms: u64) {
        if self.passive == passive {
            return;
        }
        self.passive = passive;
        let restart = if passive {
            matches!(self.state, State::Connecting | State::Reconnect)
        } else {
            self.state == State::Listening && self.take_try()
        };
        if restart {
            self.transition(now_ms, State::Backoff);
            self.backoff_ms = 0;
            self.pause_ms = 0;
        }
    }

    /// Whether this machine listens instead of connecting.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        self.passive
    }

    /// Wakes a disabled machine: the next [`Reconnect::run`] asks for a connection. No effect on others.
    pub fn enable(&mut self, now_ms: u64) {
        if self.state == State::Void && self.take_try() {
            self.transition(now_ms, State::Backoff);
            self.backoff_ms = 0;
            self.pause_ms = 0;
        }
    }

    /// Stops the machine: [`Reconnect::run`] asks for nothing more.
    pub fn disable(&mut self, now_ms: u64) {
        if self.state != State::Void {
            self.transition(now_ms, State::Void);
        }
    }

    /// Cuts a connection or an attempt: the next [`Reconnect::run`] asks for [`Action::Disconnect`].
    pub fn force_reconnect(&mut self, now_ms: u64) {
        if matches!(self.state, State::Connecting | State::Active | State::Idle) {
            self.transition(now_ms, State::Reconnect);
        }
    }

    /// Reports the end of a connection, of an attempt or of listening. The machine backs off.
    pub fn disconnected(&mut self, now_ms: u64, why: &Disconnect) {
        if matches!(self.state, State::Backoff | State::Void) {
            return;
        }
        self.log_disconnect(why);
        if self.state.is_connected() {
            self.last_disconnected_ms = Some(now_ms);
        }
        if !self.take_try() {
            self.transition(now_ms, State::Void);
            return;
        }
        self.pause_ms = match self.lengthen_backoff() {
            true => self.with_jitter(self.backoff_ms),
            false => 0,
        };
        self.transition(now_ms, State::Backoff);
    }

    /// Up to a fifth more or less, so that clients which lost their server together do not come back together.
    fn with_jitter(&mut self, pause_ms: u64) -> u64 {
        if self.jitter == 0 {
            return pause_ms;
        }
        // xorshift: good enough to tell clients apart, and never zero.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let fifth_ms = pause_ms / 5;
        pause_ms - fifth_ms + self.jitter % (2 * fifth_ms + 1)
    }

    fn log_disconnect(&self, why: &Disconnect) {
        let name = &self.name;
        match (self.state, why) {
            (State::Active | State::Idle, Disconnect::Error(text)) => {
                tracing::warn!(target: "reconnect", "{name}: connection dropped ({text})");
            }
            (State::Active | State::Idle, Disconnect::Eof) => {
                log_info!(self, "{name}: connection closed by peer")
            }
            (State::Active | State::Idle, Disconnect::Unspecified) => {
                log_info!(self, "{name}: connection dropped")
            }
            (State::Listening, Disconnect::Error(text)) => {
                tracing::warn!(target: "reconnect", "{name}: error listening for connections ({text})");
            }
            (State::Listening, _) => log_info!(self, "{name}: error listening for connections"),
            // At the longest pause the log would only be filled with the same line again and again.
            _ if self.backoff_ms >= self.max_backoff_ms => {}
            (_, why) => {
                let attempt = if self.passive { "listen" } else { "connection" };
                if let Disconnect::Error(text) = why {
                    tracing::info!(target: "reconnect", "{name}: {attempt} attempt failed ({text})");
                } else {
                    log_info!(self, "{name}: {attempt} attempt timed out");
                }
            }
        }
    }

    /// Says whether there is a pause at all.
    fn lengthen_backoff(&mut self) -> bool {
        let lasted_ms = self
            .last_connected_ms
            .map(|connected| self.last_activity_ms.saturating_sub(connected));
        let long_ms = match self.round {
            0 => self.backoff_ms,
            _ => self.backoff_ms.max(self.min_backoff_ms),
        };
        let has_lasted = self.state.is_connected()
            && (self.passive || lasted_ms.is_some_and(|lasted| lasted >= long_ms));
        if self.backoff_free_tries > 1 {
            self.backoff_free_tries -= 1;
            self.backoff_ms = 0;
            return true;
        }
        if has_lasted {
            self.backoff_ms = if self.passive { 0 } else { self.min_backoff_ms };
            self.round_left = self.round_left.max(self.round);
        }
        if self.round_left > 1 {
            self.round_left -= 1;
            return false;
        }
        self.round_left = self.round;
        if has_lasted {
            return true;
        }
        if self.backoff_ms < self.min_backoff_ms {
            self.backoff_ms = self.min_backoff_ms;
        } else if self.backoff_ms < self.max_backoff_ms / 2 {
            self.backoff_ms *= 2;
            let what = if self.passive {
                "trying to listen again"
            } else {
                "reconnect"
            };
            log_info!(
                self,
                "{}: waiting {} seconds before {what}",
                self.name,
                seconds(self.backoff_ms)
            );
        } else {
            if self.backoff_ms < self.max_backoff_ms {
                let what = if self.passive {
                    "try to listen"
                } else {
                    "reconnect"
                };
                tracing::info!(target: "reconnect",
                    "{}: continuing to {what} in the background but suppressing further logging", self.name);
            }
            self.backoff_ms = self.max_backoff_ms;
        }
        true
    }

    /// Reports that an attempt has begun. It may last as long as the current pause, and at least a second.
    pub fn connecting(&mut self, now_ms: u64) {
        if self.state == State::Connecting {
            return;
        }
        if self.passive {
            log_info!(self, "{}: listening...", self.name);
        } else if self.backoff_ms < self.max_backoff_ms {
            log_info!(self, "{}: connecting...", self.name);
        }
        self.transition(now_ms, State::Connecting);
    }

    /// Reports that a passive machine listens.
    pub fn listening(&mut self, now_ms: u64) {
        if self.state != State::Listening {
            log_info!(self, "{}: listening...", self.name);
            self.transition(now_ms, State::Listening);
        }
    }

    /// Reports that accepting failed; of no effect while a connection stands.
    pub fn listen_error(&mut self, now_ms: u64, why: &Disconnect) {
        if self.state == State::Listening {
            self.disconnected(now_ms, why);
        }
    }

    /// Reports that a connection stands.
    pub fn connected(&mut self, now_ms: u64) {
        if self.state.is_connected() {
            return;
        }
        self.connecting(now_ms);
        log_info!(self, "{}: connected", self.name);
        self.transition(now_ms, State::Active);
        self.last_connected_ms = Some(now_ms);
    }

    /// Reports that an attempt failed.
    pub fn connect_failed(&mut self, now_ms: u64, why: &Disconnect) {
        self.connecting(now_ms);
        self.disconnected(now_ms, why);
    }

    /// Reports that something was heard from the peer, or that it took data that had been queued.
    pub fn activity(&mut self, now_ms: u64) {
        if self.state == State::Idle {
            self.transition(now_ms, State::Active);
        }
        self.last_activity_ms = now_ms;
    }

    /// Reports that the owner has looked for input at `now_ms`. A silent peer is given up only after a look past the
    /// deadline, so that a pause of our own is not taken for one of the peer's. Owners that look all the time pass
    /// `u64::MAX` once.
    pub fn receive_attempted(&mut self, now_ms: u64) {
        self.last_receive_attempt_ms = now_ms;
    }

    /// What to do at `now_ms`, if anything.
    pub fn run(&mut self, now_ms: u64) -> Option<Action> {
        if self
            .deadline_ms(now_ms)
            .is_none_or(|deadline| now_ms < deadline)
        {
            return None;
        }
        match self.state {
            State::Void | State::Listening => None,
            State::Backoff => Some(Action::Connect),
            State::Connecting | State::Reconnect => Some(Action::Disconnect),
            State::Active => {
                let since = self.last_activity_ms.max(self.state_entered_ms);
                tracing::debug!(target: "reconnect", "{}: idle {} ms, sending inactivity probe",
                    self.name, now_ms.saturating_sub(since));
                self.transition(now_ms, State::Idle);
                Some(Action::Probe)
            }
            State::Idle => {
                tracing::error!(target: "reconnect",
                    "{}: no response to inactivity probe after {} seconds, disconnecting",
                    self.name, seconds(now_ms.saturating_sub(self.state_entered_ms)));
                Some(Action::Disconnect)
            }
        }
    }

    /// When [`Reconnect::run`] is to be called if nothing else happens; `None` for never. A time in the past means now.
    #[must_use]
    pub fn deadline_ms(&self, now_ms: u64) -> Option<u64> {
        let probe_after = |base: u64| {
            (self.probe_interval_ms > 0).then(|| {
                let expiration = base.saturating_add(self.probe_interval_ms);
                if now_ms < expiration || self.last_receive_attempt_ms >= expiration {
                    expiration
                } else {
                    // Nobody has looked for input since the interval ended: look first.
                    now_ms.saturating_add(1)
                }
            })
        };
        match self.state {
            State::Void | State::Listening => None,
            State::Backoff => Some(self.state_entered_ms.saturating_add(self.pause_ms)),
            State::Connecting => Some(
                self.state_entered_ms
                    .saturating_add(self.backoff_ms.max(INTERVAL_MS_MIN)),
            ),
            State::Active => probe_after(self.last_activity_ms.max(self.state_entered_ms)),
            State::Idle => probe_after(self.state_entered_ms),
            State::Reconnect => Some(self.state_entered_ms),
        }
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether a connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// Grows with every connect and every disconnect.
    #[must_use]
    pub fn seqno(&self) -> u64 {
        self.seqno
    }

    /// What the connection has been through.
    #[must_use]
    pub fn stats(&self, now_ms: u64) -> ReconnectStats {
        let since = |time: Option<u64>| time.map(|time| now_ms.saturating_sub(time));
        let since_connect_ms = since(self.last_connected_ms);
        ReconnectStats {
            state: self.state,
            state_elapsed_ms: now_ms.saturating_sub(self.state_entered_ms),
            is_connected: self.is_connected(),
            since_connect_ms,
            since_disconnect_ms: since(self.last_disconnected_ms),
            total_connected_ms: self.total_connected_ms
                + since_connect_ms
                    .filter(|_| self.is_connected())
                    .unwrap_or(0),
            backoff_ms: self.backoff_ms,
            n_attempted_connections: self.n_attempted_connections,
            n_successful_connections: self.n_successful_connections,
            seqno: self.seqno,
        }
    }

    fn take_try(&mut self) -> bool {
        match &mut self.tries_left {
            None => true,
            Some(0) => false,
            Some(tries) => {
                *tries -= 1;
                true
            }
        }
    }

    fn transition(&mut self, now_ms: u64, state: State) {
        if self.state == State::Connecting {
            self.n_attempted_connections += 1;
            if state == State::Active {
                self.n_successful_connections += 1;
            }
        }
        if self.state.is_connected() != state.is_connected() {
            if self.state.is_connected() {
                self.total_connected_ms += self
                    .last_connected_ms
                    .map_or(0, |connected| now_ms.saturating_sub(connected));
            }
            self.seqno += 1;
        }
        tracing::debug!(target: "reconnect", "{}: entering {state}", self.name);
        self.state = state;
        self.state_entered_ms = now_ms;
    }
}

/// Milliseconds as seconds with three significant digits, as C's `%.3g` prints them.
fn seconds(ms: u64) -> String {
    // Precise enough: an interval in milliseconds is far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let value = ms as f64 / 1000.0;
    let digits = match ms {
        0..10_000 => 2,
        10_000..100_000 => 1,
        100_000..999_500 => 0,
        // From here on three significant digits need an exponent.
        _ => {
            let shown = format!("{value:.2e}");
            let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
            return format!("{}e+{exponent:0>2}", trim_zeros(mantissa));
        }
    };
    trim_zeros(&format!("{value:.digits$}")).to_owned()
}

fn trim_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

#[cfg(test)]
mod tests;
