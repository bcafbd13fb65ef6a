//! Requests that the program's service answers: which those are, and keeping them in their order.
//!
//! A call is a transaction like others as far as order and bounds go ([`Transactions`](super::transactions::Transactions)):
//! later requests wait for it, and it has the id of its request to itself. What it does is a task of its own, which leaves
//! its reply in the mailbox.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use foldhash::fast::RandomState;
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::Message;
use ovsdb_proto::words::Method;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::requests::bad_params;
use super::turns::{Order, Turn};
use super::{Session, monitoring};
use crate::framework::{
    Call, LockWish, MonitorChange, MonitorRequest, Peer, Place, Program, Question, Reply,
};
use crate::limits;
use crate::mailbox::{Answer, DatabaseId, Letter, Mailbox, Token};
use crate::notice::Notice;
use crate::server::Farewell;

/// What a call leads to if it succeeds, beside its reply.
enum Then {
    Nothing,
    /// A monitor begins.
    Begin(Json),
    /// A monitor has another id.
    Rename(Json, Json),
}

struct Open {
    task: AbortHandle,
    then: Then,
    is_aside: bool,
}

/// A monitor of the service.
struct Watched {
    id: Json,
    place: Arc<Place>,
    database: DatabaseId,
    /// The database has gone. Its end is told after the reply with which it would have begun.
    is_over: bool,
    /// What it is to be told as soon as the reply has left with which it begins; `None` after that. It takes of the room
    /// that all notices of the session share.
    held: Option<Vec<Arc<Notice>>>,
    /// Tells the service of the end by being dropped.
    _end: watch::Sender<()>,
}

/// Where a request goes.
enum Route {
    /// To the service.
    Ask(Question, Then),
    /// To the service, for a monitor, which lasts until the sender is dropped.
    Begin(MonitorRequest, DatabaseId, watch::Sender<()>),
    /// Nowhere, for this reason.
    Refuse(Json),
}

/// The calls of one session, and the monitors of the service that it has.
pub(super) struct Calls {
    program: Arc<Program>,
    /// Where calls run.
    runtime: Handle,
    peer: Peer,
    open: HashMap<Token, Open, RandomState>,
    /// How many of them have not stepped aside.
    busy: usize,
    order: Arc<Order>,
    watched: Vec<Watched>,
    /// Kept until the service has heard of the end.
    farewell: Option<Farewell>,
}

impl Calls {
    fn find(&self, id: &Json) -> Option<usize> {
        self.watched.iter().position(|watched| watched.id == *id)
    }

    /// Whether the service has as much to do for this session as it may.
    fn is_full(&self) -> bool {
        self.busy >= limits::SESSION_CALLS_MAX
    }

    /// Takes out a call that has ended. Says what it leads to.
    fn take(&mut self, token: Token) -> Option<Then> {
        self.step_aside(token);
        Some(self.open.remove(&token)?.then)
    }

    fn step_aside(&mut self, token: Token) {
        if let Some(open) = self.open.get_mut(&token)
            && !std::mem::replace(&mut open.is_aside, true)
        {
            self.busy -= 1;
        }
    }
}

impl Drop for Calls {
    /// The client has gone.
    fn drop(&mut self) {
        for open in self.open.values() {
            open.task.abort();
        }
        let (service, peer) = (self.program.service.clone(), self.peer.clone());
        let farewell = self.farewell.take();
        // In a task of its own, in which it may panic as it likes.
        self.runtime.spawn(async move {
            service.disconnected(&peer);
            drop(farewell);
        });
    }
}

/// Answers for a call, whatever happens to it.
struct Delivery {
    mailbox: Arc<Mailbox>,
    token: Token,
    reply: Option<Reply>,
}

impl Delivery {
    /// Awaits the reply, with which it begins when it is its turn.
    async fn of(mut self, reply: impl Future<Output = Reply>, turn: Turn) {
        turn.comes().await;
        let mut reply = pin!(reply);
        let first = poll_fn(|context| Poll::Ready(reply.as_mut().poll(context))).await;
        drop(turn);
        self.reply = Some(match first {
            Poll::Ready(reply) => reply,
            Poll::Pending => reply.await,
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let reply = self.reply.take().unwrap_or_else(|| {
            let details = "the service has failed";
            Err(OvsdbError::new(ErrorTag::InternalError, details).into())
        });
        let served = match reply {
            Ok(result) => Ok(result.to_bytes()),
            Err(refusal) => Err(refusal.to_json()),
        };
        let answer = Answer::Served(Arc::new(served));
        self.mailbox.deliver(Letter::Done(self.token, answer));
    }
}

impl Session {
    /// Has the program's service answer a request, if it is the service's. Gives the parameters back if it is not.
    pub(super) fn ask_service(
        &mut self,
        method: &str,
        params: Vec<Json>,
        id: Json,
    ) -> Option<(Vec<Json>, Json)> {
        let Some(program) = self.server.program() else {
            return Some((params, id));
        };
        let mut watched = None;
        let (question, then) = match self.route(&program, method, &params) {
            None => return Some((params, id)),
            Some(Route::Refuse(error)) => {
                self.refuse(&id, &error);
                return None;
            }
            Some(Route::Ask(question, then)) => (question, then),
            Some(Route::Begin(request, database, end)) => {
                let id = request.id.clone();
                watched = Some(Watched {
                    id: id.clone(),
                    place: request.place().clone(),
                    database,
                    is_over: false,
                    held: Some(Vec::new()),
                    _end: end,
                });
                (Question::Monitor(request), Then::Begin(id))
            }
        };
        match self.duplicate_id(method, &params, &id) {
            Some(error) => self.refuse(&id, &error),
            None => {
                if let Question::MonitorCancel(id) = &question {
                    self.forget_monitor(id);
                }
                let calls = self.call(&program, question, then, id);
                calls.watched.extend(watched);
            }
        }
        None
    }

    /// Where a request goes that is the service's.
    fn route(&self, program: &Arc<Program>, method: &str, params: &[Json]) -> Option<Route> {
        let Some(known) = Method::from_text(method) else {
            let (method, params) = (method.to_owned(), params.to_vec());
            return Some(Route::Ask(
                Question::Other { method, params },
                Then::Nothing,
            ));
        };
        let first = params.first();
        let database = first.and_then(|name| program.database(name.as_str()?));
        let monitor = |id: Option<&Json>| {
            let calls = self.calls.as_ref()?;
            Some(&calls.watched[calls.find(id?)?])
        };
        let question = match known {
            Method::Transact => Question::Transact {
                database: database?.schema.name.to_string(),
                operations: params[1..].to_vec(),
            },
            Method::Convert => {
                database?;
                let (method, params) = (method.to_owned(), params.to_vec());
                Question::Other { method, params }
            }
            Method::Monitor | Method::MonitorCond | Method::Monitor2 | Method::MonitorCondSince => {
                let database = database?;
                let name = &database.schema.name;
                return Some(match self.monitor_request(known, name, params) {
                    Ok((request, end)) => Route::Begin(request, database.id, end),
                    Err(error) => Route::Refuse(error),
                });
            }
            Method::MonitorCondChange => {
                let watched = monitor(first)?;
                let [old_id, new_id, conditions] = params else {
                    let error = bad_params(params, String::from("invalid parameters"));
                    return Some(Route::Refuse(error));
                };
                if new_id != old_id && self.has_monitor(new_id) {
                    return Some(Route::Refuse(monitoring::duplicate(new_id)));
                }
                let then = Then::Rename(old_id.clone(), new_id.clone());
                let change = MonitorChange::new(old_id, new_id, conditions, &watched.place);
                return Some(Route::Ask(Question::MonitorCondChange(change), then));
            }
            Method::MonitorCancel => match params {
                [id] => {
                    monitor(Some(id))?;
                    Question::MonitorCancel(id.clone())
                }
                _ => return None,
            },
            Method::Lock | Method::Steal | Method::Unlock if program.has_locks => {
                let wish = match known {
                    Method::Lock => LockWish::Lock,
                    Method::Steal => LockWish::Steal,
                    _ => LockWish::Unlock,
                };
                match self.lock_name(known, params) {
                    Ok(name) => Question::Lock(name.to_owned(), wish),
                    Err(error) => return Some(Route::Refuse(error)),
                }
            }
            _ => return None,
        };
        Some(Route::Ask(question, Then::Nothing))
    }

    /// What a request for a monitor of the service asks for.
    fn monitor_request(
        &self,
        method: Method,
        database: &str,
        params: &[Json],
    ) -> Result<(MonitorRequest, watch::Sender<()>), Json> {
        let (id, tables, since) = match (method, params) {
            // What else a `monitor` says is not looked at.
            (Method::Monitor, [_, id, tables, ..]) => (id, tables, None),
            (Method::MonitorCond | Method::Monitor2, [_, id, tables]) => (id, tables, None),
            (Method::MonitorCondSince, [_, id, tables, since]) => (id, tables, Some(since)),
            _ => return Err(bad_params(params, String::from("invalid parameters"))),
        };
        let method = match method {
            Method::Monitor2 => Method::MonitorCond,
            method => method,
        };
        monitoring::check_requests(tables)?;
        if self.has_monitor(id) {
            return Err(monitoring::duplicate(id));
        }
        if self.monitors() >= limits::SESSION_MONITORS_MAX {
            return Err(self.exhausted(monitoring::TOO_MANY));
        }
        Ok(MonitorRequest::new(method, database, id, tables, since))
    }

    fn call(
        &mut self,
        program: &Arc<Program>,
        question: Question,
        then: Then,
        id: Json,
    ) -> &mut Calls {
        let bytes = self.last_message_bytes;
        let token = self.transactions.open(id, None, bytes);
        let peer = self.peer().clone();
        let call = Call::new(peer.clone(), program.engine.clone(), token);
        let delivery = Delivery {
            mailbox: self.mailbox.clone(),
            token,
            reply: None,
        };
        let service = program.service.clone();
        let runtime = self.server.lane().outside();
        let server = &self.server;
        let calls = self.calls.get_or_insert_with(|| {
            Box::new(Calls {
                program: program.clone(),
                runtime: runtime.clone(),
                peer,
                open: HashMap::default(),
                busy: 0,
                order: Arc::default(),
                watched: Vec::new(),
                farewell: Some(server.farewell()),
            })
        });
        let turn = calls.order.join();
        let task = runtime.spawn(async move {
            // Within the task: whatever the service does, it does to this call alone.
            let answer = async { service.answer(call, question).await };
            delivery.of(answer, turn).await;
        });
        let task = task.abort_handle();
        calls.busy += 1;
        let is_aside = false;
        calls.open.insert(
            token,
            Open {
                task,
                then,
                is_aside,
            },
        );
        calls
    }

    /// Whether a `transact` has to wait because the service has enough to do for this client.
    pub(super) fn are_calls_full(&self) -> bool {
        self.calls.as_ref().is_some_and(|calls| calls.is_full())
    }

    /// Records that a call has stepped aside.
    pub(super) fn step_aside(&mut self, token: Token) {
        if let Some(calls) = self.calls.as_deref_mut() {
            calls.step_aside(token);
        }
    }

    /// Whether a message is about a call that is under way, so that it must not wait for its end.
    pub(super) fn is_about_call(&self, message: &Message) -> bool {
        match message {
            Message::Notification { method, params } if self.calls.is_some() => {
                let is_cancel = Method::from_text(method) == Some(Method::Cancel);
                is_cancel && matches!(&params[..], [id] if self.transactions.call(id).is_some())
            }
            _ => false,
        }
    }

    /// Ends a call before it is done, and answers for it.
    pub(super) fn abort_call(&mut self, token: Token, answer: Answer) {
        let open = self.calls.as_ref().and_then(|calls| calls.open.get(&token));
        if let Some(open) = open {
            // Before the call is dropped and says that it has failed: the first answer counts.
            self.mailbox.deliver(Letter::Done(token, answer));
            open.task.abort();
        }
    }

    /// Tells what has come of a call.
    pub(super) fn end_call(&mut self, token: Token, id: &Json, answer: &Answer) {
        let calls = self.calls.as_deref_mut();
        let then = calls.and_then(|calls| calls.take(token));
        let succeeds = matches!(answer, Answer::Served(reply) if reply.is_ok());
        self.answer(id, answer);
        let Some(calls) = self.calls.as_deref_mut() else {
            return;
        };
        let mut held = None;
        let mut ended = None;
        match then {
            Some(Then::Begin(id)) => {
                if let Some(place) = calls.find(&id) {
                    let watched = &mut calls.watched[place];
                    if succeeds && !watched.is_over {
                        held = watched.held.take();
                    } else {
                        calls.watched.remove(place);
                        ended = succeeds.then_some(id);
                    }
                }
            }
            Some(Then::Rename(old_id, new_id)) if succeeds => {
                if let Some(place) = calls.find(&old_id) {
                    calls.watched[place].id = new_id;
                }
            }
            _ => {}
        }
        for notice in held.into_iter().flatten() {
            self.send_notice(&notice);
        }
        if let Some(id) = ended {
            self.tell_end_of_monitor(id);
        }
    }

    /// Passes on what the program tells the client.
    pub(super) fn pass_on(&mut self, notice: Arc<Notice>) {
        if let Some(key) = notice.monitor() {
            let calls = self.calls.as_deref_mut();
            let watched = calls.and_then(|calls| {
                let mut watched = calls.watched.iter_mut();
                watched.find(|watched| watched.place.key == key)
            });
            match watched {
                // It has ended.
                None | Some(Watched { is_over: true, .. }) => return,
                Some(Watched {
                    held: Some(held), ..
                }) => return held.push(notice),
                Some(_) => {}
            }
        }
        self.send_notice(&notice);
    }

    fn send_notice(&mut self, notice: &Notice) {
        self.send_updates();
        self.link.out().send(|out| {
            out.extend_from_slice(notice.text());
            true
        });
    }

    /// Forgets a call that was canceled.
    pub(super) fn forget_call(&mut self, token: Token) {
        if let Some(calls) = self.calls.as_deref_mut()
            && let Some(Then::Begin(id)) = calls.take(token)
        {
            self.forget_monitor(&id);
        }
    }

    /// Forgets a monitor of the service.
    fn forget_monitor(&mut self, id: &Json) {
        if let Some(calls) = self.calls.as_deref_mut()
            && let Some(place) = calls.find(id)
        {
            calls.watched.remove(place);
        }
    }

    /// Whether the client has a monitor of this id, be it on the engine or the service's.
    pub(super) fn has_monitor(&self, id: &Json) -> bool {
        let calls = self.calls.as_deref();
        self.monitors.find(id).is_some() || calls.is_some_and(|calls| calls.find(id).is_some())
    }

    /// How many monitors the client has.
    pub(super) fn monitors(&self) -> usize {
        let calls = self.calls.as_deref();
        self.monitors.len() + calls.map_or(0, |calls| calls.watched.len())
    }

    /// Ends the monitors on a database of the service that has gone, and returns the ids of those that have begun. The others
    /// end when they would begin.
    pub(super) fn end_watched(&mut self, database: DatabaseId) -> Vec<Json> {
        let Some(calls) = self.calls.as_deref_mut() else {
            return Vec::new();
        };
        let ended = calls.watched.extract_if(.., |watched| {
            let is_of_it = watched.database == database;
            let has_begun = watched.held.is_none();
            if is_of_it && !has_begun {
                watched.is_over = true;
                watched.held = Some(Vec::new());
            }
            is_of_it && has_begun
        });
        ended.map(|watched| watched.id).collect()
    }
}
