//! The task of a client: it finds a server, watches over the connection, and carries what replicas ask.
//!
//! Nothing here waits for a replica and keeps it waiting at the same time: what it asks is sent beside what it is told.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ovsdb_net::Stream;
use tokio::sync::{mpsc, watch};
use tokio::time::Duration;

use super::conversation::{Conversation, Own, Parts};
use super::replicas::tell_end;
use super::wishes::{Watcher, Wish};
use super::{Shared, Status, count};
use crate::connector::{Attempt, Connector};
use crate::delivery::Delivery;
use crate::error::{Disconnect, Unfit};
use crate::link::{Input, Link};
use crate::lock::table::{self, Table};
use crate::session::{Options, Session};
use crate::upstream::{Asked, ConnectionId, OWN, Outbound, Rejection, Server};

/// A server that has not said by then what a client must know of the database is left. One that does not answer probes is left
/// sooner.
const CHOICE_TIME_MAX: Duration = Duration::from_secs(60);

/// See the module's documentation.
pub(super) struct Line {
    pub(super) connector: Connector,
    /// `None` for a client without a database.
    pub(super) link: Option<Link>,
    pub(super) locks: Table,
    pub(super) limits: Options,
    pub(super) next_id: Arc<AtomicU64>,
    pub(super) asked: Asked,
    pub(super) shared: Arc<Shared>,
    pub(super) status: watch::Sender<Status>,
    pub(super) wishes: Watcher,
    /// A server that was of use so long and is then given up is replaced without a pause.
    pub(super) useful: Duration,
}

/// The client is to be closed.
struct Closed;

/// How a connection came to its end.
enum End {
    /// The conversation is over.
    Over(Disconnect),
    /// The session is over. The conversation has not come to its end yet: there is more to be read, and a replica may take its
    /// time.
    Gone,
    /// The conversation is to be ended.
    Ended(Disconnect),
}

impl Line {
    /// Runs until the client is closed.
    pub(super) async fn run(mut self) {
        let replicas = Arc::new(Delivery::new(Arc::clone(&self.shared.counters.received)));
        let mut connection = ConnectionId(0);
        while let Some(stream) = self.connect().await {
            connection.0 += 1;
            count(&self.shared.counters.connections);
            if let Err(Closed) = self.serve(stream, connection, &replicas).await {
                break;
            }
        }
        self.shared.set_current(None);
        self.lose_locks();
        self.shared.wanted.close();
        self.shared.entrance.close();
        self.status.send_replace(Status::Closed);
    }

    /// The next connection; `None` when the client is to be closed.
    async fn connect(&mut self) -> Option<Stream> {
        loop {
            let last = self.connector.trouble().map(Arc::from);
            self.set_connecting(last);
            let wish = tokio::select! {
                attempt = self.connector.connect_or_fail() => match attempt {
                    Attempt::Connected(stream) => return Some(stream),
                    Attempt::Failed => continue,
                    Attempt::None => return None,
                },
                wish = self.wishes.next() => wish,
            };
            match wish {
                Wish::Close => return None,
                Wish::Reconnect => {
                    self.connector.forgive();
                    self.connector.hurry();
                }
                Wish::Servers(servers) => {
                    self.connector.set_methods(servers.methods.clone());
                    if let Some(link) = &mut self.link {
                        link.set_cluster(servers.cluster);
                    }
                }
                Wish::LeaderOnly(leader_only) => self.tell_link(Input::LeaderOnly(leader_only)),
                Wish::ResetMinIndex => self.tell_link(Input::ResetMinIndex),
            }
        }
    }

    fn set_connecting(&self, last: Option<Arc<str>>) {
        let connecting = Status::Connecting { last };
        self.status.send_if_modified(|status| {
            let is_new = *status != connecting;
            if is_new {
                *status = connecting;
            }
            is_new
        });
    }

    /// Tells the link something while it has no server to talk to.
    fn tell_link(&mut self, input: Input) {
        if let Some(link) = &mut self.link {
            link.step(input);
        }
    }

    /// Uses a connection to its end.
    async fn serve(
        &mut self,
        stream: Stream,
        connection: ConnectionId,
        replicas: &Arc<Delivery>,
    ) -> Result<(), Closed> {
        let server = Server::new(stream.name());
        self.status.send_replace(Status::Choosing {
            server: server.clone(),
        });
        replicas.connected();
        let (session, mut events) = Session::raw(
            stream,
            &self.limits,
            Arc::clone(&self.next_id),
            Arc::clone(replicas),
        );
        // The session must not outlive this, whoever has a handle on it.
        let end_of_session = EndOfSession(&session);
        let (asks, mut own) = mpsc::unbounded_channel();
        let mut cluster = self.link.as_ref().and_then(Link::cluster);
        let mut conversation = Conversation::new(Parts {
            session: &session,
            connection,
            server,
            link: self.link.as_mut(),
            locks: &mut self.locks,
            shared: &self.shared,
            status: &self.status,
            next_id: &self.next_id,
            asks,
        });
        let mut wishes = self.wishes.another();
        let mut wishes_of_talk = self.wishes.another();
        let why = {
            // What it has taken from the session it must deliver: it goes on until the session's end.
            let talk = conversation.run(&mut events, replicas, &mut wishes_of_talk);
            let mut talk = pin!(talk);
            let mut undecided = pin!(undecided(self.status.subscribe()));
            let mut sending = pin!(send_asked(
                &session,
                &mut self.asked.requests,
                &mut own,
                connection
            ));
            let end = loop {
                let wish = tokio::select! {
                    why = &mut talk => break End::Over(why),
                    () = session.over() => break End::Gone,
                    never = &mut sending => match never {},
                    () = self.connector.watch(&session) => break End::Ended(Disconnect::Silent),
                    () = &mut undecided => {
                        count(&self.shared.counters.unfit);
                        break End::Ended(Disconnect::Unfit(Unfit::Undecided));
                    }
                    why = rejected(&mut self.asked.rejected, connection) => {
                        break End::Ended(Disconnect::Rejected(why));
                    }
                    wish = wishes.next() => wish,
                };
                match wish {
                    Wish::Close => return Err(Closed),
                    Wish::Reconnect => break End::Ended(Disconnect::Asked),
                    Wish::Servers(servers) => {
                        let is_in_use = servers
                            .methods
                            .iter()
                            .any(|method| method == self.connector.method());
                        self.connector.set_methods(servers.methods.clone());
                        let is_same_cluster = servers.cluster == cluster;
                        cluster = servers.cluster;
                        if !is_in_use || !is_same_cluster {
                            break End::Ended(Disconnect::Asked);
                        }
                    }
                    // For the conversation.
                    Wish::LeaderOnly(_) | Wish::ResetMinIndex => {}
                }
            };
            // Nobody is to rely on the connection, or on what it has given, while others read what is left of it.
            self.shared.set_current(None);
            self.shared.wanted.lost();
            let show_connecting = |why: &Disconnect| {
                let last = Some(why.to_string().into());
                self.status.send_replace(Status::Connecting { last });
            };
            match end {
                End::Over(why) => why,
                End::Gone => {
                    show_connecting(&session.end_reason());
                    tokio::select! {
                        why = talk => why,
                        () = wishes.closed() => return Err(Closed),
                    }
                }
                End::Ended(why) => {
                    session.end(why.clone());
                    show_connecting(&why);
                    tokio::select! {
                        _ = talk => why,
                        () = wishes.closed() => return Err(Closed),
                    }
                }
            }
        };
        let was_told = conversation.was_told();
        let ready_at = conversation.ready_at();
        // What the conversation did not come to is for the next one.
        self.wishes = wishes.with_choice_of(&wishes_of_talk);
        if let Some(link) = &mut self.link {
            link.set_cluster(cluster);
        }
        let is_our_decision = matches!(
            why,
            Disconnect::Unfit(_) | Disconnect::Rejected(_) | Disconnect::Asked
        );
        if is_our_decision && ready_at.is_some_and(|at| at.elapsed() >= self.useful) {
            self.connector.forgive();
        }
        self.connector.lost(&why);
        self.set_connecting(self.connector.trouble().map(Arc::from));
        drop(end_of_session);
        self.lose_locks();
        if was_told {
            tokio::select! {
                () = tell_end(replicas, connection, &why, &events) => {}
                () = self.wishes.closed() => return Err(Closed),
            }
        }
        Ok(())
    }

    /// What a server gives it gives to a connection.
    fn lose_locks(&mut self) {
        for action in self.locks.step(table::Input::Disconnected) {
            if let table::Action::Show {
                name,
                generation,
                state,
            } = action
            {
                self.shared.wanted.show(&name, generation, state);
            }
        }
    }
}

/// Ends a session when it goes.
struct EndOfSession<'a>(&'a Session);

impl Drop for EndOfSession<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Sends what the client itself and its replicas ask for on this connection.
async fn send_asked(
    session: &Session,
    requests: &mut mpsc::Receiver<Outbound>,
    own: &mut mpsc::UnboundedReceiver<Own>,
    connection: ConnectionId,
) -> Infallible {
    loop {
        let sent = tokio::select! {
            Some(asked) = own.recv() => {
                session.send_for(OWN, asked.id, asked.method, &asked.params).await
            }
            Some(asked) = requests.recv() => {
                if asked.connection != connection {
                    continue;
                }
                session.send_for(asked.replica, asked.id, asked.method, &asked.params).await
            }
            else => break,
        };
        if sent.is_err() {
            // The session is over, as others see, too.
            break;
        }
    }
    std::future::pending().await
}

/// Returns when the choice of a server takes too long.
async fn undecided(mut status: watch::Receiver<Status>) {
    let ready = status.wait_for(|status| matches!(status, Status::Ready { .. }));
    // What this finds is locked while it is held.
    let is_ready = tokio::time::timeout(CHOICE_TIME_MAX, ready).await.is_ok();
    if is_ready {
        std::future::pending().await
    }
}

/// Returns when a replica rejects this connection.
async fn rejected(
    rejected: &mut watch::Receiver<Option<(ConnectionId, Rejection)>>,
    connection: ConnectionId,
) -> Rejection {
    let is_this = |rejected: &Option<(ConnectionId, Rejection)>| {
        rejected.is_some_and(|(which, _)| which == connection)
    };
    let found = match rejected.wait_for(is_this).await {
        Ok(found) => *found,
        Err(_) => None,
    };
    match found {
        Some((_, why)) => why,
        // Whoever could reject it is gone.
        None => std::future::pending().await,
    }
}
