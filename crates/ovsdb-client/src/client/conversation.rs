//! What a client says and hears on one connection: what it has to ask for itself, and what its replicas must know of the
//! connection. Of what the server tells them comes here what they had no room for when it came.
//!
//! Nothing here waits for the server to take what is to be sent: that is put into a queue, which cannot grow, as whoever asks
//! here does not ask again before there is an answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::words::Method;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::replicas::{send_all, welcome};
use super::wishes::{Watcher, Wish};
use super::{Shared, Status, count};
use crate::delivery::{Delivery, is_of_monitor};
use crate::error::{Disconnect, Unfit};
use crate::event::{RawEvent, RequestId};
use crate::link::{self, Link};
use crate::lock::table::{self, Table};
use crate::session::{RawEvents, Session};
use crate::upstream::{ConnectionId, Inbound, MonitorId, Server};

/// Bytes of text that a client reads for itself in one message. A server that sends more has misunderstood, or means harm.
const OWN_BYTES_MAX: usize = 32 << 20;

/// A request of the client itself.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) params: Bytes,
}

/// Who asked.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Link(u64),
    Lock(u64),
}

/// See the module's documentation.
pub(super) struct Conversation<'a> {
    session: &'a Session,
    connection: ConnectionId,
    server: Server,
    link: Option<&'a mut Link>,
    locks: &'a mut Table,
    shared: &'a Shared,
    status: &'a watch::Sender<Status>,
    next_id: &'a AtomicU64,
    asks: mpsc::UnboundedSender<Own>,
    /// What replicas that come later are to be told, once the server was found to do.
    up: Option<Inbound>,
    ready_at: Option<Instant>,
    asked: HashMap<RequestId, Asker>,
}

/// What a conversation is made of.
pub(super) struct Parts<'a> {
    /// The connection.
    pub(super) session: &'a Session,
    /// Its number.
    pub(super) connection: ConnectionId,
    /// Who is at the other end.
    pub(super) server: Server,
    /// Decides whether the server will do; there is none in clients without a database, for which all will.
    pub(super) link: Option<&'a mut Link>,
    /// The locks of the client.
    pub(super) locks: &'a mut Table,
    /// What the handles of the client see.
    pub(super) shared: &'a Shared,
    /// What they are told of the client's standing.
    pub(super) status: &'a watch::Sender<Status>,
    /// Where ids of requests come from.
    pub(super) next_id: &'a AtomicU64,
    /// Where requests of the client itself go.
    pub(super) asks: mpsc::UnboundedSender<Own>,
}

impl<'a> Conversation<'a> {
    /// One that has not begun.
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let Parts {
            session,
            connection,
            server,
            link,
            locks,
            shared,
            status,
            next_id,
            asks,
        } = parts;
        Conversation {
            session,
            connection,
            server,
            link,
            locks,
            shared,
            status,
            next_id,
            asks,
            up: None,
            ready_at: None,
            asked: HashMap::new(),
        }
    }

    /// Talks until the connection is over or is to be given up, and says why. The session is over then.
    pub(super) async fn run(
        &mut self,
        events: &mut RawEvents,
        replicas: &Delivery,
        wishes: &mut Watcher,
    ) -> Disconnect {
        let why = match self.talk(events, replicas, wishes).await {
            Ok(never) => match never {},
            Err(why) => why,
        };
        self.session.end(why.clone());
        // What is there already the server has said, and it has done what it says.
        while let Ok(event) = events.next().await {
            replicas.pass_on(&event).await;
        }
        why
    }

    /// Whether replicas were told of the connection, and are to be told of its end.
    pub(super) fn was_told(&self) -> bool {
        self.up.is_some()
    }

    /// When the server was found to do, if it was.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.ready_at
    }

    async fn talk(
        &mut self,
        events: &mut RawEvents,
        replicas: &Delivery,
        wishes: &mut Watcher,
    ) -> Result<Infallible, Disconnect> {
        match self
            .link
            .as_mut()
            .map(|link| link.step(link::Input::Connected))
        {
            Some(actions) => self.follow_link(actions, replicas).await?,
            None => self.be_ready(),
        }
        loop {
            tokio::select! {
                () = self.shared.entrance.arrived() => {
                    welcome(replicas, &self.shared.entrance, self.up.as_ref()).await;
                }
                () = self.shared.wanted.changed() => self.look_for_locks(),
                wish = wishes.next() => {
                    let input = match wish {
                        Wish::LeaderOnly(leader_only) => link::Input::LeaderOnly(leader_only),
                        Wish::ResetMinIndex => link::Input::ResetMinIndex,
                        // The task of the client looks after the connection.
                        Wish::Servers(_) | Wish::Reconnect => continue,
                        Wish::Close => return std::future::pending().await,
                    };
                    self.tell_link(input, replicas).await?;
                }
                event = events.next() => self.event(event?, replicas).await?,
            }
        }
    }

    async fn event(&mut self, event: RawEvent, replicas: &Delivery) -> Result<(), Disconnect> {
        let is_passed_on = replicas.pass_on(&event).await;
        match event {
            RawEvent::Notification {
                method: Method::MonitorCanceled,
                ..
            } if is_passed_on => self.tell_link(link::Input::DataCanceled, replicas).await,
            _ if is_passed_on => Ok(()),
            RawEvent::Notification { method, params } => {
                self.notification(method, params, replicas).await
            }
            RawEvent::Reply { id, result, .. } => self.reply(id, result, replicas).await,
        }
    }

    async fn notification(
        &mut self,
        method: Method,
        params: Bytes,
        replicas: &Delivery,
    ) -> Result<(), Disconnect> {
        match method {
            _ if is_of_monitor(method) => {
                let Some(monitor) = MonitorId::first_of(&params) else {
                    tracing::debug!(target: "ovsdb_client", "nobody waits for {method}");
                    return Ok(());
                };
                self.own_update(method, monitor.nth, &params, replicas)
                    .await?;
            }
            Method::Locked | Method::Stolen => {
                let params = read(&params)?;
                if let Some([Json::String(name)]) = params.as_array() {
                    let name: Arc<str> = name.as_str().into();
                    let input = match method {
                        Method::Locked => table::Input::Locked(name),
                        _ => table::Input::Stolen(name),
                    };
                    let actions = self.locks.step(input);
                    self.follow_locks(actions);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn own_update(
        &mut self,
        method: Method,
        monitor: u64,
        params: &Bytes,
        replicas: &Delivery,
    ) -> Result<(), Disconnect> {
        let params = read(params)?;
        let input = match (method, params.as_array()) {
            (Method::Update2, Some([_, updates])) => link::Input::Update {
                monitor,
                updates: updates.clone(),
            },
            (Method::MonitorCanceled, _) => link::Input::Canceled { monitor },
            _ => return Err(Disconnect::Protocol),
        };
        self.tell_link(input, replicas).await
    }

    async fn reply(
        &mut self,
        id: RequestId,
        result: Result<Bytes, Json>,
        replicas: &Delivery,
    ) -> Result<(), Disconnect> {
        let result = match result {
            Ok(text) => Ok(read(&text)?),
            Err(error) => Err(error),
        };
        match self.asked.remove(&id) {
            Some(Asker::Link(question)) => {
                self.tell_link(link::Input::Reply { question, result }, replicas)
                    .await?;
            }
            Some(Asker::Lock(question)) => {
                let actions = self.locks.step(table::Input::Reply { question, result });
                self.follow_locks(actions);
            }
            None => {}
        }
        Ok(())
    }

    async fn tell_link(
        &mut self,
        input: link::Input,
        replicas: &Delivery,
    ) -> Result<(), Disconnect> {
        let actions = self.link.as_mut().map(|link| link.step(input));
        self.follow_link(actions.unwrap_or_default(), replicas)
            .await
    }

    async fn follow_link(
        &mut self,
        actions: Vec<link::Action>,
        replicas: &Delivery,
    ) -> Result<(), Disconnect> {
        for action in actions {
            match action {
                link::Action::Ask {
                    question,
                    method,
                    params,
                } => self.ask(Asker::Link(question), method, params),
                link::Action::Fit(schema) => {
                    self.be_ready();
                    let up = self.up_with(schema);
                    send_all(replicas, &up).await;
                    self.up = Some(up);
                    welcome(replicas, &self.shared.entrance, self.up.as_ref()).await;
                }
                link::Action::Schema(schema) => {
                    // Whoever comes later is told of the schema that there is then.
                    self.up = Some(self.up_with(Arc::clone(&schema)));
                    send_all(replicas, &Inbound::Schema(schema)).await;
                }
                link::Action::GiveUp(why) => {
                    if matches!(why, Unfit::Stale { .. }) {
                        tracing::warn!(target: "ovsdb_cs", "{}: {why}; trying another server", self.server.name);
                    } else {
                        tracing::info!(target: "ovsdb_cs", "{}: {why}; trying another server", self.server.name);
                    }
                    count(&self.shared.counters.unfit);
                    return Err(Disconnect::Unfit(why));
                }
            }
        }
        Ok(())
    }

    fn up_with(&self, schema: Arc<Schema>) -> Inbound {
        Inbound::Up {
            connection: self.connection,
            server: self.server.clone(),
            schema,
        }
    }

    /// The server will do: requests may be made.
    fn be_ready(&mut self) {
        if self.session.has_ended() {
            // What was read here the server said before the end.
            return;
        }
        self.ready_at = Some(Instant::now());
        self.shared.wanted.connected();
        self.shared.set_current(Some(self.session.clone()));
        self.status.send_replace(Status::Ready {
            server: self.server.clone(),
            connection: self.connection,
        });
        let actions = self.locks.step(table::Input::Connected);
        self.follow_locks(actions);
        self.look_for_locks();
    }

    fn look_for_locks(&mut self) {
        let wanted = self.shared.wanted.wishes();
        let actions = self.locks.step(table::Input::Wanted(wanted));
        self.follow_locks(actions);
    }

    fn follow_locks(&mut self, actions: Vec<table::Action>) {
        for action in actions {
            match action {
                table::Action::Ask {
                    question,
                    method,
                    name,
                } => {
                    let params = vec![Json::string(&*name)];
                    self.ask(Asker::Lock(question), method, params);
                }
                table::Action::Show {
                    name,
                    generation,
                    state,
                } => self.shared.wanted.show(&name, generation, state),
            }
        }
    }

    fn ask(&mut self, asker: Asker, method: Method, params: Vec<Json>) {
        let id = RequestId(self.next_id.fetch_add(1, Ordering::Relaxed));
        self.asked.insert(id, asker);
        let params = Json::Array(params).to_bytes().into();
        // Without the other end the connection is over, as the events say.
        let _ = self.asks.send(Own { id, method, params });
    }
}

/// The value of a text whose insides nobody has checked.
fn read(text: &Bytes) -> Result<Json, Disconnect> {
    if text.len() > OWN_BYTES_MAX {
        tracing::warn!(target: "jsonrpc", "a message of {} bytes is too long to be what was asked for", text.len());
        return Err(Disconnect::Protocol);
    }
    json::parse(text).map_err(|error| {
        tracing::warn!(target: "jsonrpc", "error parsing stream: {error}");
        Disconnect::Protocol
    })
}
