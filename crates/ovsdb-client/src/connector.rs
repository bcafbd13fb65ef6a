//! Connecting to one of several servers, again and again if need be.
//!
//! The pauses, the probes and the log lines are those of [`Reconnect`]; this is its clock and its sockets.

use ovsdb_net::{Action, Disconnect as Lost, Listener, Method, NetError, Reconnect, Stream};
use tokio::time::{Duration, Instant};

use crate::error::Disconnect;
use crate::session::{Pending, Session};
use ovsdb_proto::words;

/// How often to try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Every server once.
    Once,
    /// Until one can be reached, with growing pauses.
    Forever,
}

/// Connects to the servers of a list in turn.
#[derive(Debug)]
pub struct Connector {
    methods: Vec<String>,
    next: usize,
    reconnect: Reconnect,
    start: Instant,
}

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
        };
        connector.pick();
        connector
    }

    /// Connects to the next server that can be reached; `None` if all have been tried in vain.
    ///
    /// Whoever gives a connection up reports it with [`Connector::rejected`] or [`Connector::lost`] first.
    pub async fn connect(&mut self) -> Option<Stream> {
        loop {
            if self.methods.is_empty() || self.reconnect.tries_left() == Some(0) {
                return None;
            }
            match self.reconnect.run(self.now_ms()) {
                Some(Action::Connect) => {
                    if let Some(stream) = self.attempt().await {
                        return Some(stream);
                    }
                }
                Some(_) => self.end(&Lost::Unspecified),
                None => {
                    let deadline = self.reconnect.deadline_ms(self.now_ms())?;
                    tokio::time::sleep_until(self.at(deadline)).await;
                }
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
            .set_probe_interval(if method.needs_probes() { 5000 } else { 0 });
        let attempt = if method.is_passive() {
            self.listen(&method).await
        } else {
            self.reconnect.connecting(now_ms);
            let deadline = self.reconnect.deadline_ms(now_ms).unwrap_or(u64::MAX);
            match tokio::time::timeout_at(self.at(deadline), Stream::connect(&method)).await {
                Ok(attempt) => attempt,
                Err(_) => {
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

    async fn listen(&mut self, method: &Method) -> Result<Stream, NetError> {
        let listener = Listener::bind(method).await?;
        self.reconnect.listening(self.now_ms());
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
        let why = match why {
            Disconnect::EndOfFile => Lost::Eof,
            other => Lost::Error(other.to_string()),
        };
        self.end(&why);
    }

    /// Probes the connected server while it is silent, and returns when it has not answered for too long.
    pub async fn watch(&mut self, session: &Session) {
        let mut probe: Option<Pending> = None;
        // The session reads all the time.
        self.reconnect.receive_attempted(u64::MAX);
        loop {
            match self.reconnect.run(self.now_ms()) {
                Some(Action::Probe) => {
                    probe = session
                        .send(words::Method::Echo.as_str(), vec![])
                        .await
                        .ok()
                }
                Some(_) => {
                    self.end(&Lost::Unspecified);
                    return;
                }
                None => {}
            }
            let Some(deadline) = self.reconnect.deadline_ms(self.now_ms()) else {
                return std::future::pending().await;
            };
            let silence = tokio::time::sleep_until(self.at(deadline));
            match &mut probe {
                None => silence.await,
                Some(answer) => tokio::select! {
                    () = silence => {}
                    answer = answer => {
                        probe = None;
                        if answer.is_ok() {
                            self.reconnect.activity(self.now_ms());
                        }
                    }
                },
            }
        }
    }

    fn failed(&mut self, error: &NetError) {
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
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, ms: u64) -> Instant {
        // Times out of reach are as good as a year.
        const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;
        self.start + Duration::from_millis(ms.min(self.now_ms().saturating_add(YEAR_MS)))
    }
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
