//! Connecting to one of several servers, again and again if need be.
//!
//! The pauses, the probes and the log lines are those of [`Reconnect`]; this is its clock and its sockets.

use std::sync::Arc;

use ovsdb_net::{
    Action, Disconnect as Lost, Listener, Method, NetError, Reconnect, SocketOptions, Stream,
};
use tokio::time::{Duration, Instant};

use crate::dial::Dial;
use crate::error::Disconnect;
use crate::session::Session;

/// How often to try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Every server once.
    Once,
    /// Until one can be reached, with growing pauses.
    Forever,
}

/// What came of an attempt to connect.
pub(crate) enum Attempt {
    /// A connection.
    Connected(Stream),
    /// Nothing: see [`Connector::trouble`].
    Failed,
    /// There was none, and there will be none.
    None,
}

/// Connects to the servers of a list in turn.
#[derive(Debug)]
pub struct Connector {
    methods: Vec<String>,
    next: usize,
    reconnect: Reconnect,
    start: Instant,
    sockets: SocketOptions,
    dial: Option<Arc<dyn Dial>>,
    /// The socket that peers come to, and the method that it was made for. It stays while there is a connection: who comes
    /// meanwhile is next.
    listener: Option<(String, Listener)>,
    probe_interval_ms: u64,
    has_rounds: bool,
    trouble: Option<String>,
}

/// Silence after which a server is probed, in milliseconds.
const PROBE_INTERVAL_MS: u64 = 5000;

impl Connector {
    /// A connector for these connection methods, of which the first passive one makes it listen.
    pub fn new(methods: Vec<String>, retry: Retry) -> Self {
        let tries = u32::try_from(methods.len()).unwrap_or(u32::MAX);
        let mut reconnect = Reconnect::new("", 0);
        reconnect.enable(0);
        reconnect.set_backoff_free_tries(tries);
        if retry == Retry::Once {
            reconnect.set_tries_left(Some(tries));
            reconnect.set_backoff(u64::from(u32::MAX), u64::from(u32::MAX));
        }
        let mut connector = Connector {
            methods,
            next: 0,
            reconnect,
            start: Instant::now(),
            sockets: SocketOptions::default(),
            dial: None,
            listener: None,
            probe_interval_ms: PROBE_INTERVAL_MS,
            has_rounds: false,
            trouble: None,
        };
        connector.pick();
        connector
    }

    /// Makes connections with these options, and active ones in another way than by sockets if there is one.
    #[must_use]
    pub(crate) fn by(mut self, sockets: SocketOptions, dial: Option<Arc<dyn Dial>>) -> Self {
        self.sockets = sockets;
        self.dial = dial;
        self
    }

    /// Pauses and probes in other intervals than the usual ones. `None` never probes.
    #[must_use]
    pub(crate) fn every(
        mut self,
        (min, max): (Duration, Duration),
        probe_interval: Option<Duration>,
    ) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.reconnect.set_backoff(ms(min), ms(max));
        self.probe_interval_ms = probe_interval.map_or(0, ms);
        self
    }

    /// Pauses only when all servers have been tried, and a little longer or shorter by chance: where one of several will do
    /// it is found at once, and clients which lost their server together do not come back together.
    #[must_use]
    pub(crate) fn by_rounds(mut self, seed: u64) -> Self {
        self.reconnect.set_jitter(seed);
        self.has_rounds = true;
        self.reconnect.set_backoff_free_tries(0);
        self.set_round();
        self
    }

    fn set_round(&mut self) {
        if self.has_rounds {
            let servers = u32::try_from(self.methods.len()).unwrap_or(u32::MAX);
            self.reconnect.set_round(servers);
        }
    }

    /// Other methods from now on, tried at once unless there is a connection, which stays. The one that it was made by
    /// is the last to be tried again.
    pub(crate) fn set_methods(&mut self, methods: Vec<String>) {
        let current = self.reconnect.name();
        let is_connected = self.reconnect.is_connected();
        self.next = match methods.iter().position(|method| method == current) {
            Some(at) if is_connected => (at + 1) % methods.len(),
            _ => 0,
        };
        if let Some((method, _)) = &self.listener
            && !methods.contains(method)
        {
            self.listener = None;
        }
        self.methods = methods;
        self.set_round();
        if !is_connected {
            self.pick();
        }
        self.forgive();
        self.hurry();
    }

    /// The method by which the connection was made, or is about to be.
    pub(crate) fn method(&self) -> &str {
        self.reconnect.name()
    }

    /// Makes the next attempts without a pause before each server was tried. For connectors that go [by rounds](Connector::by_rounds).
    pub(crate) fn forgive(&mut self) {
        self.reconnect.begin_round();
    }

    /// Ends a pause, and gives up an attempt that is under way.
    pub(crate) fn hurry(&mut self) {
        if !self.reconnect.is_connected() {
            let now_ms = self.now_ms();
            self.reconnect.disable(now_ms);
            self.reconnect.enable(now_ms);
        }
    }

    /// Why the last attempt or connection came to its end.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Connects to the next server that can be reached; `None` if all have been tried in vain.
    ///
    /// Whoever gives a connection up reports it with [`Connector::rejected`] or [`Connector::lost`] first.
    pub async fn connect(&mut self) -> Option<Stream> {
        loop {
            match self.connect_or_fail().await {
                Attempt::Connected(stream) => return Some(stream),
                Attempt::Failed => {}
                Attempt::None => return None,
            }
        }
    }

    /// [`Connector::connect`] as far as the end of the next attempt.
    pub(crate) async fn connect_or_fail(&mut self) -> Attempt {
        loop {
            if self.methods.is_empty() || self.reconnect.tries_left() == Some(0) {
                return Attempt::None;
            }
            match self.reconnect.run(self.now_ms()) {
                Some(Action::Connect) => {
                    return match self.attempt().await {
                        Some(stream) => Attempt::Connected(stream),
                        None => Attempt::Failed,
                    };
                }
                Some(_) => self.end(&Lost::Unspecified),
                None => match self.reconnect.deadline_ms(self.now_ms()) {
                    Some(deadline) => tokio::time::sleep_until(self.at(deadline)).await,
                    None => return Attempt::None,
                },
            }
        }
    }

    async fn attempt(&mut self) -> Option<Stream> {
        let method = match Method::parse(self.reconnect.name()) {
            Ok(method) => method,
            Err(error) => {
                self.failed(&error.into());
                return None;
            }
        };
        let now_ms = self.now_ms();
        self.reconnect.set_passive(method.is_passive(), now_ms);
        self.reconnect
            .set_probe_interval(match method.needs_probes() {
                true => self.probe_interval_ms,
                false => 0,
            });
        let attempt = if method.is_passive() {
            self.listen(&method).await
        } else {
            self.reconnect.connecting(now_ms);
            let deadline = self.reconnect.deadline_ms(now_ms).unwrap_or(u64::MAX);
            match tokio::time::timeout_at(self.at(deadline), self.dial(&method)).await {
                Ok(attempt) => attempt,
                Err(_) => {
                    self.trouble = Some("connection attempt timed out".to_owned());
                    self.end(&Lost::Unspecified);
                    return None;
                }
            }
        };
        match attempt {
            Ok(stream) => {
                self.reconnect.connected(self.now_ms());
                Some(stream)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn dial(&self, method: &Method) -> Result<Stream, NetError> {
        match &self.dial {
            Some(dial) => dial.dial(method).await,
            None => Stream::connect_with(method, &self.sockets).await,
        }
    }

    async fn listen(&mut self, method: &Method) -> Result<Stream, NetError> {
        let (_, listener) = match self.listener.take() {
            Some((name, listener)) if name == method.name() => {
                self.listener.insert((name, listener))
            }
            _ => {
                let listener = Listener::bind_with(method, &self.sockets).await?;
                self.listener.insert((method.name().to_owned(), listener))
            }
        };
        self.reconnect
            .listening(ms_between(self.start, Instant::now()));
        let accepted = listener.accept().await;
        accepted.map_err(|source| NetError::Io {
            name: method.name().to_owned(),
            what: "accept",
            source,
        })
    }

    /// Reports that the connected server will not do.
    pub fn rejected(&mut self) {
        self.reconnect.force_reconnect(self.now_ms());
        self.end(&Lost::Unspecified);
    }

    /// Reports that the connection has ended.
    pub fn lost(&mut self, why: &Disconnect) {
        self.trouble = Some(why.to_string());
        let why = match why {
            Disconnect::EndOfFile => Lost::Eof,
            // These are our own decision.
            Disconnect::Unfit(_) | Disconnect::Rejected(_) | Disconnect::Asked => Lost::Unspecified,
            other => Lost::Error(other.to_string()),
        };
        self.end(&why);
    }

    /// Probes the connected server while it is silent, and returns when it has been silent for too long after a probe.
    pub async fn watch(&mut self, session: &Session) {
        let mut heard = None;
        // The session reads all the time.
        self.reconnect.receive_attempted(u64::MAX);
        loop {
            let last_heard = session.last_heard();
            if heard < Some(last_heard) {
                heard = Some(last_heard);
                self.reconnect.activity(self.ms(last_heard));
            }
            match self.reconnect.run(self.now_ms()) {
                Some(Action::Probe) => session.probe(),
                Some(_) => {
                    self.trouble = Some(Disconnect::Silent.to_string());
                    self.end(&Lost::Unspecified);
                    return;
                }
                None => {}
            }
            let Some(deadline) = self.reconnect.deadline_ms(self.now_ms()) else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(self.at(deadline)).await;
        }
    }

    fn failed(&mut self, error: &NetError) {
        self.trouble = Some(error.to_string());
        self.reconnect
            .connect_failed(self.now_ms(), &Lost::Error(error.reason()));
        self.pick();
    }

    fn end(&mut self, why: &Lost) {
        self.reconnect.disconnected(self.now_ms(), why);
        self.pick();
    }

    fn pick(&mut self) {
        if let Some(method) = self.methods.get(self.next) {
            self.reconnect.set_name(method.clone());
            self.next = (self.next + 1) % self.methods.len();
        }
    }

    fn now_ms(&self) -> u64 {
        self.ms(Instant::now())
    }

    fn ms(&self, at: Instant) -> u64 {
        ms_between(self.start, at)
    }

    fn at(&self, ms: u64) -> Instant {
        // Times out of reach are as good as a year.
        const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;
        self.start + Duration::from_millis(ms.min(self.now_ms().saturating_add(YEAR_MS)))
    }
}

fn ms_between(start: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn method(folder: &tempfile::TempDir, socket: &str) -> String {
        format!("unix:{}", folder.path().join(socket).display())
    }

    fn connector(folder: &tempfile::TempDir, sockets: &[&str]) -> Connector {
        Connector::new(
            sockets
                .iter()
                .map(|socket| method(folder, socket))
                .collect(),
            Retry::Once,
        )
    }

    fn listen(folder: &tempfile::TempDir, socket: &str) -> UnixListener {
        UnixListener::bind(folder.path().join(socket)).expect("the folder is writable")
    }

    /// The last part of the name of what the connector connects to.
    async fn connected(connector: &mut Connector) -> Option<String> {
        let stream = connector.connect().await?;
        stream.name().rsplit('/').next().map(str::to_owned)
    }

    #[tokio::test]
    async fn every_server_is_tried_once() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        assert_eq!(connected(&mut connector(&folder, &[])).await, None);
        assert_eq!(connected(&mut connector(&folder, &["a", "b"])).await, None);
    }

    #[tokio::test]
    async fn the_next_server_is_taken_when_one_is_down_or_will_not_do() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let _listeners = [listen(&folder, "b"), listen(&folder, "c")];
        let mut connector = connector(&folder, &["a", "b", "c"]);
        assert_eq!(connected(&mut connector).await.as_deref(), Some("b"));
        connector.rejected();
        assert_eq!(connected(&mut connector).await.as_deref(), Some("c"));
        connector.lost(&Disconnect::EndOfFile);
        assert_eq!(connected(&mut connector).await, None);
    }

    #[tokio::test]
    async fn an_unknown_method_is_a_server_that_is_down() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let _listener = listen(&folder, "a");
        let methods = vec![
            "nonsense".to_owned(),
            "tcp:".to_owned(),
            method(&folder, "a"),
        ];
        let mut connector = Connector::new(methods, Retry::Once);
        assert_eq!(connected(&mut connector).await.as_deref(), Some("a"));
    }
}
