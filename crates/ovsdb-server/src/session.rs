//! A session: one client, one task, from its first byte to its last.
//!
//! The task receives, parses and checks requests, executes what only reads, hands the rest to the writers, and sends
//! what comes back. Requests take effect in the order in which they were sent: whatever is not a transaction waits until
//! the transactions before it are answered or parked, and so does a transaction that only reads, unless the writer
//! executes it in its turn. Updates leave before the reply (see `Session::reply`). An `echo` waits only for a moment, and
//! the answer to a probe not at all: that somebody has much to do is no sign of death.

mod calls;
mod conversion;
mod desk;
mod gate;
mod held;
mod joined;
mod link;
mod monitoring;
mod monitors;
mod outbox;
mod requests;
mod room;
mod telling;
mod transactions;
mod turns;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ovsdb_net::{Action, Disconnect, Reconnect, Stream};
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{self, Message};
use ovsdb_proto::words::Method;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::access::Access;
use crate::budget::Share;
use crate::contents::Reader;
use crate::database::Served;
use crate::framework::Peer;
use crate::lane;
use crate::limits;
use crate::mailbox::{Answer, DatabaseId, Letter, Mailbox};
use crate::published::Text;
use crate::queue::Closed;
use crate::runtime;
use crate::server::Server;
use crate::vigil::Patience;
use crate::writer::Job;

pub(crate) use self::conversion::canceled as canceled_conversion;
pub(crate) use self::joined::Joined;

use self::calls::Calls;
use self::desk::Desk;
use self::held::Held;
use self::link::{Link, Progress};
use self::monitors::Monitors;
use self::requests::ReadTransact;
use self::telling::{tell, tell_text, write_news};
use self::transactions::{IdUse, Transactions};
use self::waiting::Ready;

/// Settings of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// What the client may do.
    pub access: Access,
}

/// One client's session. See the module's documentation.
pub struct Session {
    server: Arc<Server>,
    mailbox: Arc<Mailbox>,
    options: SessionOptions,
    link: Link,
    transactions: Transactions,
    monitors: Monitors,
    /// Where others tell of news while the task waits.
    desk: Arc<Desk>,
    patience: Patience,
    held: Held,
    /// The first message, which is much to parse, or what was read of it, which is much to execute: the session is on its way
    /// to where it does not hold up others.
    postponed: Option<Postponed>,
    /// For whom the first of those waits who make indexes, by their [`Mark`](crate::indexing::Mark); 0 if it has not been
    /// looked at.
    indexes_awaited: AtomicU64,
    /// Transactions that are yet to be handed over.
    outgoing: VecDeque<Outgoing>,
    /// The database is being converted, and messages after that request are about what it will be then.
    is_converting: bool,
    /// Letters whose contents find no room in the outbox yet, oldest first.
    unopened: VecDeque<Letter>,
    /// What the session's requests hold.
    share: Share,
    /// The size of the message that is being handled.
    last_message_bytes: usize,
    /// Nothing more is expected from the peer, and it has this long to take what is due.
    lingers_until: Option<Instant>,
    /// The client as the program sees it, once it has looked.
    peer: Option<Peer>,
    /// What the program's service is asked for this client, once it has been.
    calls: Option<Box<Calls>>,
    /// Why nothing more is taken from the peer. What it had asked for before is still answered.
    failed: Option<End>,
}

/// What has come in.
enum Incoming {
    Message(Message),
    /// A request that has been read as far as its operations.
    Transact(Box<ReadTransact>),
}

/// What a session was about to do when it went to the lane.
enum Postponed {
    /// To parse a message.
    Message(Bytes),
    /// To execute a transaction that only reads, and whose request had so many bytes.
    Transact(Box<ReadTransact>, usize),
}

impl Postponed {
    /// The size of the message.
    fn bytes(&self) -> usize {
        match self {
            Postponed::Message(message) => message.len(),
            Postponed::Transact(_, bytes) => *bytes,
        }
    }
}

/// Transactions of one database on their way to its writer.
struct Outgoing {
    database: Arc<Served>,
    jobs: VecDeque<Box<Job>>,
    /// The writer's queue is full. All messages after these wait for them.
    waits_for_room: bool,
}

impl Outgoing {
    /// Waits until some of the first transactions have found room in their writer's queue, if they wait for it.
    async fn taken(outgoing: &mut VecDeque<Outgoing>) -> Result<(), Closed> {
        match outgoing.front_mut() {
            Some(first) if first.waits_for_room => {
                first.database.submit_later(&mut first.jobs).await
            }
            _ => std::future::pending().await,
        }
    }
}

/// Linux's number for "Argument list too long".
const E2BIG: i32 = 7;
/// Linux's number for "Protocol error".
const EPROTO: i32 = 71;

/// The id of inactivity probes, which is how their answers are known.
const PROBE_ID: &str = "echo";

/// Why a session ends.
enum End {
    /// The peer has closed its side and has everything that was due.
    Eof,
    /// The operating system's reason, or ours in its words.
    Error(String),
    /// We want it so.
    Close,
}

/// How many of the requests that have arrived were handled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Handled {
    /// All of them.
    All,
    /// As many as may be before others get their turn.
    InPart,
    /// Those that need not wait for transactions or for room in the outbox.
    HeldUp,
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> End {
        End::Error(ovsdb_net::errno_text(&error))
    }
}

fn protocol_error() -> End {
    End::from(std::io::Error::from_raw_os_error(EPROTO))
}

impl Session {
    /// A session with the peer at the other end of `stream`.
    pub fn new(
        server: Arc<Server>,
        mailbox: Arc<Mailbox>,
        stream: Stream,
        options: SessionOptions,
    ) -> Session {
        Session {
            link: Link::new(stream, server.limits()),
            desk: Desk::new(&mailbox),
            share: Share::new(server.budget(), &mailbox),
            server,
            mailbox,
            options,
            transactions: Transactions::default(),
            monitors: Monitors::default(),
            patience: Patience::default(),
            held: Held::default(),
            postponed: None,
            indexes_awaited: AtomicU64::new(0),
            outgoing: VecDeque::new(),
            is_converting: false,
            unopened: VecDeque::new(),
            last_message_bytes: 0,
            lingers_until: None,
            peer: None,
            calls: None,
            failed: None,
        }
    }

    /// Serves the client until it or the server ends the session. `reconnect`, which must be connected, decides about
    /// inactivity probes, and is told the end.
    // In a box because a task has a place of its own for the arguments of each function that it awaits in.
    pub async fn run(mut self: Box<Self>, reconnect: &Mutex<Reconnect>) {
        let end = match self.serve(reconnect).await {
            Ok(end) | Err(end) => end,
        };
        let why = match end {
            End::Eof => Disconnect::Eof,
            End::Error(text) => Disconnect::Error(text),
            End::Close => Disconnect::Unspecified,
        };
        reconnect.lock().disconnected(self.server.now_ms(), &why);
        // What it has not been told may be much.
        let size = match self.monitors.len() {
            0 => self.held_bytes() + self.link.backlog(),
            _ => usize::MAX,
        };
        free_in_place(size, || drop(self));
    }

    async fn serve(&mut self, reconnect: &Mutex<Reconnect>) -> Result<End, End> {
        // This task looks for input whenever it comes, except where it says so below.
        reconnect.lock().receive_attempted(u64::MAX);
        let mut listened = true;
        // What was owed to the peer when this task last waited, and what it had taken by then.
        let (mut owed, mut taken) = (0, self.link.taken());
        loop {
            self.link.settle()?;
            self.open_letters(reconnect)?;
            let handled = self.handle_requests();
            self.hand_over();
            let handled = match handled {
                Ok(handled) => handled,
                Err(end) => {
                    self.failed = Some(end);
                    // It came after what failed.
                    self.postponed = None;
                    self.lingers_until = Some(Instant::now() + limits::LINGER);
                    Handled::All
                }
            };
            // Some answers are there already; they are to leave with the rest.
            self.mailbox.hush();
            let any_left = self.open_letters(reconnect)?;
            if self.link.backlog() > 0 {
                self.monitors.merge_news();
            } else if !self.goes_to_tell() {
                self.send_updates();
            }
            let now_ms = self.server.now_ms();
            // While we do not listen, silence is not the peer's. One that takes nothing is no better than a silent one.
            let listens = self.may_receive() || !self.has_room();
            if listens && !listened {
                reconnect.lock().activity(now_ms);
            }
            listened = listens;
            let action = listens.then(|| reconnect.lock().run(now_ms)).flatten();
            match action {
                // Behind what the peer does not take it would be of no use. What has come up just now does not count.
                Some(Action::Probe) if owed == 0 => self.link.out().send(|out| {
                    Message::request(Method::Echo.as_str(), Vec::new(), PROBE_ID).write_to(out);
                    true
                }),
                Some(Action::Disconnect) => return Ok(End::Close),
                Some(Action::Connect | Action::Probe) | None => {}
            }
            self.check_limits()?;
            self.link.send_now().await?;
            // A peer that takes what had been waiting for it is alive. What the system takes at once says nothing: it
            // has room for much that may never arrive.
            if owed > 0 && self.link.taken() > taken {
                reconnect.lock().activity(now_ms);
            }
            // Room that has come about just now is announced by nobody: whatever had waited for it goes on at once.
            let any_news = self.link.backlog() == 0 && !self.goes_to_tell() && {
                self.send_updates();
                self.link.backlog() > 0
            };
            let more = any_news
                || lane::is_ahead()
                || any_left && self.has_room()
                || self.may_go_on()
                || match handled {
                    Handled::All => false,
                    Handled::InPart => true,
                    Handled::HeldUp => self.may_receive(),
                };
            if !more && (self.link.is_at_end() || self.failed.is_some()) && self.is_done() {
                return Ok(self.end());
            }
            if more {
                tokio::task::yield_now().await;
                continue;
            }

            (owed, taken) = (self.link.backlog(), self.link.taken());
            match self.wait(reconnect, now_ms, listens).await {
                Ready::Progress(progress) => match progress? {
                    Progress::Received => reconnect.lock().activity(self.server.now_ms()),
                    Progress::Drained => {}
                    Progress::End => self.lingers_until = Some(Instant::now() + limits::LINGER),
                },
                Ready::Taken(taken) => {
                    if taken == Err(Closed) {
                        self.answer_closed();
                    }
                    self.hand_over();
                }
                Ready::Other => {}
            }
            if self
                .lingers_until
                .is_some_and(|until| until <= Instant::now())
            {
                return Ok(self.end());
            }
            if owed > 0 && self.link.taken() > taken {
                reconnect.lock().activity(self.server.now_ms());
                taken = self.link.taken();
            }
        }
    }

    /// Whether telling the monitors what is new should wait until the session is in the lane, where it goes then.
    fn goes_to_tell(&self) -> bool {
        self.monitors.has_long_news() && lane::wish()
    }

    /// Accounts for what the session's requests hold, and ends it if its peer is owed too much.
    fn check_limits(&mut self) -> Result<(), End> {
        self.share.set(self.held_bytes());
        let Some(max) = self.link.out().overfull() else {
            return Ok(());
        };
        tracing::warn!(
            target: "jsonrpc", per_minute = 5, burst = 5,
            "sending backlog exceeded maximum size ({} > {max} bytes), disconnecting, jsonrpc: {}.",
            self.link.backlog(), self.link.name()
        );
        Err(End::from(std::io::Error::from_raw_os_error(E2BIG)))
    }

    /// What the session's requests hold.
    fn held_bytes(&self) -> usize {
        let postponed = self.postponed.as_ref().map_or(0, Postponed::bytes);
        self.link.received() + self.held.bytes() + self.transactions.bytes() + postponed
    }

    /// Why the session ends, once nothing more is due to the peer.
    fn end(&mut self) -> End {
        self.failed.take().unwrap_or(End::Eof)
    }

    /// Whether everything that the peer has asked for is done and sent.
    fn is_done(&self) -> bool {
        self.held.is_empty()
            && self.postponed.is_none()
            && self.unopened.is_empty()
            && self.transactions.in_flight() == 0
            && self.link.backlog() == 0
    }

    /// Whether the peer may cause more work.
    fn may_receive(&self) -> bool {
        !self.held.is_full() && self.failed.is_none() && self.has_room()
    }

    /// Whether the first of the messages that had to wait need not any longer.
    fn may_go_on(&self) -> bool {
        self.has_room()
            && self
                .held
                .front()
                .is_some_and(|message| !self.must_wait(message))
    }

    /// Whether the outbox takes more.
    fn has_room(&self) -> bool {
        self.link.backlog() <= limits::OUTBOX_BYTES_MAX
    }

    /// Handles requests that have arrived, as far as possible without waiting.
    fn handle_requests(&mut self) -> Result<Handled, End> {
        if lane::is_ahead() {
            return Ok(Handled::InPart);
        }
        for _ in 0..limits::REQUESTS_IN_A_ROW_MAX {
            let message = match self.next_ready() {
                Some(message) => message,
                None if self.may_receive() => match self.next_message()? {
                    Some(Incoming::Message(message)) if self.must_hold(&message) => {
                        let bytes = self.last_message_bytes;
                        self.held.push(message, bytes, Instant::now());
                        continue;
                    }
                    Some(message) => {
                        if self.held.is_empty() {
                            self.indexes_awaited.store(0, Ordering::Relaxed);
                        }
                        message
                    }
                    None => return Ok(Handled::All),
                },
                None => return Ok(Handled::HeldUp),
            };
            self.handle(message)?;
            if lane::is_ahead() {
                break;
            }
        }
        Ok(Handled::InPart)
    }

    /// A message that came before all others that are to be received.
    fn next_ready(&mut self) -> Option<Incoming> {
        match self.postponed.take() {
            Some(Postponed::Transact(read, bytes)) => {
                self.last_message_bytes = bytes;
                let current = self.server.database(read.database.name());
                if current.is_some_and(|current| Arc::ptr_eq(&current, &read.database)) {
                    return Some(Incoming::Transact(read));
                }
                // The database has gone meanwhile, or has another schema.
                self.answer(&read.id, &Answer::Canceled);
            }
            postponed => self.postponed = postponed,
        }
        self.next_held().map(Incoming::Message)
    }

    /// Of the messages that had to wait, one that need not any longer.
    fn next_held(&mut self) -> Option<Message> {
        let (message, bytes) = if self.may_go_on() {
            self.indexes_awaited.store(0, Ordering::Relaxed);
            self.held.pop()?
        } else if self.has_room() {
            self.held.take_overdue_echo(Instant::now())?
        } else {
            return None;
        };
        self.last_message_bytes = bytes;
        Some(message)
    }

    fn next_message(&mut self) -> Result<Option<Incoming>, End> {
        let next = match self.postponed.take() {
            Some(Postponed::Message(bytes)) => Ok(Some(bytes)),
            postponed => {
                self.postponed = postponed;
                in_place(self.link.unexamined(), || self.link.next_message())
            }
        };
        let bytes = match next {
            Ok(Some(bytes)) if bytes.len() > limits::LANE_MESSAGE_BYTES && lane::wish() => {
                self.postponed = Some(Postponed::Message(bytes));
                return Ok(None);
            }
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5, "{}: error parsing stream: {error}", self.link.name());
                return Err(protocol_error());
            }
        };
        self.last_message_bytes = bytes.len();
        if let Some(read) = self.read_transact(&bytes) {
            return Ok(Some(Incoming::Transact(Box::new(read))));
        }
        let parsed = in_place(bytes.len(), || Message::parse(&bytes));
        let message = parsed.map_err(|error| {
            let name = self.link.name();
            match error {
                jsonrpc::ParseError::Json(error) => {
                    tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5, "{name}: error parsing stream: {error}");
                }
                jsonrpc::ParseError::Message(error) => {
                    tracing::warn!(target: "jsonrpc", per_minute = 5, burst = 5, "{name}: received bad JSON-RPC message: {error}");
                }
            }
            protocol_error()
        })?;
        tracing::debug!(target: "jsonrpc", "{}: received {message}", self.link.name());
        Ok(Some(Incoming::Message(message)))
    }

    /// Whether a message that has just come has to wait.
    fn must_hold(&self, message: &Message) -> bool {
        !is_probe_answer(message)
            && !self.is_about_call(message)
            && (!self.held.is_empty() || self.must_wait(message))
    }

    /// Whether a message has to wait for the transactions before it, or for indexes that it may need.
    fn must_wait(&self, message: &Message) -> bool {
        if self.indexing_for(message).is_some() {
            return true;
        }
        if self.transactions.in_flight() == 0 {
            return false;
        }
        match message {
            _ if self.waits_for_room() || self.is_converting => true,
            // The writer keeps the order. Only for an id that is in use it must be known whether that is for long.
            Message::Request { method, id, .. }
                if Method::from_text(method) == Some(Method::Transact) =>
            {
                self.transactions.is_flight_full()
                    || self.are_calls_full()
                    || self.transactions.id_use(id) == IdUse::InFlight
            }
            _ => true,
        }
    }

    /// Whether transactions wait for room in a writer's queue.
    fn waits_for_room(&self) -> bool {
        let first = self.outgoing.front();
        first.is_some_and(|outgoing| outgoing.waits_for_room)
    }

    /// Hands transactions over to their writers, as far as there is room.
    fn hand_over(&mut self) {
        while let Some(first) = self.outgoing.front_mut() {
            match first.database.try_submit(&mut first.jobs) {
                Ok(true) => {
                    self.outgoing.pop_front();
                }
                Ok(false) => {
                    first.waits_for_room = true;
                    break;
                }
                Err(Closed) => self.answer_closed(),
            }
        }
    }

    fn handle(&mut self, message: Incoming) -> Result<(), End> {
        in_place(self.last_message_bytes, || self.handle_here(message))
    }

    fn handle_here(&mut self, message: Incoming) -> Result<(), End> {
        let message = match message {
            Incoming::Message(message) => message,
            Incoming::Transact(read) => {
                self.submit(*read);
                return Ok(());
            }
        };
        let kind = message.kind();
        match message {
            Message::Request { method, params, id } => {
                self.handle_request(&method, params, id);
                Ok(())
            }
            Message::Notification { method, params } => {
                self.handle_notification(&method, &params);
                Ok(())
            }
            message if is_probe_answer(&message) => Ok(()),
            Message::Reply { .. } | Message::Error { .. } => {
                let name = self.link.name();
                tracing::warn!(target: "ovsdb_jsonrpc_server", "{name}: received unexpected {kind} message");
                Err(End::Close)
            }
        }
    }

    /// Opens letters for as long as the outbox has room for what is in them; says whether some may be left. An order to
    /// close has no time for that.
    fn open_letters(&mut self, reconnect: &Mutex<Reconnect>) -> Result<bool, End> {
        if let Some(comment) = self.mailbox.take_close() {
            if let Some(comment) = comment {
                let name = self.link.name();
                tracing::info!(target: "ovsdb_jsonrpc_server", "{name}: disconnecting ({comment})");
            }
            return Err(End::Close);
        }
        // What there is to tell leaves before any answer.
        if self.goes_to_tell() {
            return Ok(true);
        }
        while self.has_room() {
            if self.unopened.is_empty() {
                self.unopened = self.mailbox.take();
            }
            match self.unopened.pop_front() {
                Some(letter) => self.open_letter(letter, reconnect),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn open_letter(&mut self, letter: Letter, reconnect: &Mutex<Reconnect>) {
        match letter {
            Letter::Done(token, answer) => {
                if let Some(open) = self.transactions.close(token) {
                    match open.database {
                        Some(_) => self.answer(&open.id, &answer),
                        None => self.end_call(token, &open.id, &answer),
                    }
                }
            }
            Letter::Notice(notice) => self.pass_on(notice),
            Letter::Parked(token) => {
                self.transactions.park(token);
                self.step_aside(token);
                if self.transactions.is_parking_full() {
                    self.log_refusal(requests::TOO_MANY_PARKED);
                    self.take_back(token, Answer::Exhausted);
                }
            }
            Letter::Locked(lock) => self.notify(Method::Locked, vec![Json::string(lock)]),
            Letter::Stolen(lock) => self.notify(Method::Stolen, vec![Json::string(lock)]),
            Letter::DatabaseRemoved(database) => self.cancel_monitors(database),
            Letter::Goodbye(comment) => self.say_goodbye(&comment),
            Letter::ProbeInterval(interval_ms) => reconnect.lock().set_probe_interval(interval_ms),
        }
    }

    /// Opens the letters about the ends of monitors and transactions, before all others.
    fn open_endings(&mut self) {
        self.unopened.extend(self.mailbox.take());
        let is_ending = |letter: &Letter| {
            matches!(
                letter,
                Letter::DatabaseRemoved(_) | Letter::Done(_, Answer::Canceled)
            )
        };
        let letters = std::mem::take(&mut self.unopened).into_iter();
        let (endings, others): (VecDeque<Letter>, _) = letters.partition(is_ending);
        self.unopened = others;
        for ending in endings {
            match ending {
                Letter::DatabaseRemoved(database) => self.cancel_monitors(database),
                Letter::Done(token, _) => {
                    if let Some(open) = self.transactions.close(token) {
                        self.forget_call(token);
                        self.refuse_at_once(&open.id, &requests::canceled());
                    }
                }
                _ => unreachable!("these were not taken out"),
            }
        }
    }

    /// Ends the monitors on a database that has gone, once they have told everything.
    fn cancel_monitors(&mut self, database: DatabaseId) {
        self.send_news(|served| served.id() == database);
        let mut ended = self.monitors.cancel_database(database, &self.mailbox);
        ended.extend(self.end_watched(database));
        for id in ended {
            self.tell_end_of_monitor(id);
        }
    }

    /// Tells that a monitor has ended with its database, if the client looks after such things itself.
    fn tell_end_of_monitor(&mut self, id: Json) {
        if self.mailbox.is_db_change_aware() {
            self.notify_at_once(Method::MonitorCanceled, vec![id]);
        }
    }

    /// Takes nothing more from the peer, and closes the connection when it has what is on its way.
    fn say_goodbye(&mut self, comment: &str) {
        let name = self.link.name();
        tracing::info!(target: "ovsdb_jsonrpc_server", "{name}: disconnecting ({comment})");
        self.held = Held::default();
        self.postponed = None;
        self.failed = Some(End::Close);
        self.lingers_until = Some(Instant::now() + limits::LINGER);
    }

    fn answer(&mut self, id: &Json, answer: &Answer) {
        match answer {
            Answer::Results(results) => {
                let size = results.rows() * limits::ROW_BYTES;
                self.reply(id, |out| in_place(size, || results.write_to(out)));
            }
            Answer::Exhausted => self.reply(id, |out| requests::exhausted().write_to(out)),
            Answer::Canceled => self.refuse_at_once(id, &requests::canceled()),
            Answer::Untold => {}
            Answer::Served(reply) => match &**reply {
                Ok(result) => self.reply(id, |out| out.extend_from_slice(result)),
                Err(error) => self.refuse(id, error),
            },
            Answer::Converted(result) => self.answer_conversion(id, result),
        }
    }

    /// Answers a request with a result.
    ///
    /// Updates leave before the reply: a client that has its reply has seen its own change (ovsdb-server(7),
    /// section 4.1.5).
    fn reply(&mut self, id: &Json, write_result: impl FnOnce(&mut Vec<u8>)) {
        self.send_updates();
        self.reply_at_once(id, write_result);
    }

    /// Answers a request with a result, before any update: a monitor that is new must not be heard of before the reply
    /// that says what it starts from.
    fn reply_at_once(&mut self, id: &Json, write_result: impl FnOnce(&mut Vec<u8>)) {
        self.link.out().send(|out| {
            jsonrpc::write_reply_with(id, write_result, out);
            true
        });
    }

    /// [`Session::reply_at_once`] with a result of which other sessions send a part as well: `before`, that part,
    /// `after`.
    fn reply_shared(&mut self, id: &Json, before: &[u8], part: Text, after: &[u8]) {
        let (message, place) = reply_around(id, before, after);
        let (before, after) = message.split_at(place);
        self.link.out().send_shared(before, part, after);
    }

    /// [`Session::reply_at_once`] with a result that consists of `before`, `contents` and `after`.
    fn reply_in_pieces(&mut self, id: &Json, before: &[u8], contents: Reader, after: &[u8]) {
        let (message, place) = reply_around(id, before, after);
        let (before, after) = message.split_at(place);
        self.link.out().send_pieces(before, contents, after);
    }

    /// Answers a request with an error.
    fn refuse(&mut self, id: &Json, error: &Json) {
        self.send_updates();
        self.refuse_at_once(id, error);
    }

    /// Answers a request with an error, before any update: it is about nothing that changed anything.
    fn refuse_at_once(&mut self, id: &Json, error: &Json) {
        self.link.out().send(|out| {
            jsonrpc::write_error(id, &error.to_bytes(), out);
            true
        });
    }

    fn notify(&mut self, method: Method, params: Vec<Json>) {
        self.send_updates();
        self.notify_at_once(method, params);
    }

    fn notify_at_once(&mut self, method: Method, params: Vec<Json>) {
        self.link.out().send(|out| {
            Message::notification(method.as_str(), params).write_to(out);
            true
        });
    }

    /// Tells the monitors what is new.
    ///
    /// When a database goes, the ends of its monitors and transactions are told before `_Server` tells of it. They are in
    /// the mailbox by then. What `_Server` has to tell from this moment on rings, and is told the next time.
    fn send_updates(&mut self) {
        let with_internal = self.monitors.has_internal_news();
        if with_internal {
            self.open_endings();
        }
        self.send_news(|served| with_internal || !served.is_internal());
    }

    /// Tells the monitors on some databases what is new.
    fn send_news(&mut self, of: impl Fn(&Served) -> bool) {
        self.monitors.tell_news(of, self.link.out());
    }
}

/// A reply whose result begins with `before` and ends with `after`, and the place between the two.
fn reply_around(id: &Json, before: &[u8], after: &[u8]) -> (Vec<u8>, usize) {
    let (mut message, mut place) = (Vec::new(), 0);
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(before);
        place = out.len();
        out.extend_from_slice(after);
    };
    jsonrpc::write_reply_with(id, write, &mut message);
    (message, place)
}

impl Drop for Session {
    /// However a session ends, nobody goes on waiting for it, or it for anybody.
    fn drop(&mut self) {
        // Should the task have been given up while it waited.
        self.return_to_desk();
        if let Some(peer) = &self.peer {
            peer.close();
        }
        let id = self.mailbox.id();
        let has_parked = self.mailbox.abandon();
        self.server.locks().release_all(id);
        for database in self.server.databases() {
            database.disconnected(id, has_parked);
        }
        self.server.forget_session(id);
    }
}

/// Whether this is the answer to our inactivity probe.
fn is_probe_answer(message: &Message) -> bool {
    matches!(message, Message::Reply { id, .. } if id.as_str() == Some(PROBE_ID))
}

/// Does a piece of work of `size` bytes; a large one without holding up the sessions that share this thread. Of the
/// largest ones only so many are done at a time that a processor is left for those who have little to do.
fn in_place<T>(size: usize, work: impl FnOnce() -> T) -> T {
    if size <= limits::MESSAGE_BYTES_SMALL {
        work()
    } else if !lane::is_here() {
        runtime::in_place(work)
    } else if size > limits::LANE_PIECE_BYTES {
        lane::in_turn(work)
    } else {
        work()
    }
}

/// Moves or gives back so many bytes of memory. In the lane even very many of them do not take long enough for others there
/// to be served meanwhile, which would be at the cost of those who are not.
fn free_in_place(size: usize, work: impl FnOnce()) {
    match lane::is_here() {
        true => work(),
        false => in_place(size, work),
    }
}

/// Makes the indexes that look-ups in a database have shown to be wanted. The writer and other sessions go on meanwhile.
fn make_indexes(database: &Served) {
    if database.hub().wants_indexes() {
        runtime::in_place(|| database.hub().make_indexes());
    }
}

/// Logs a message that is about to go out, in the form that `-vjsonrpc:dbg` shows.
fn log_message(name: &str, what: &str, text: &[u8]) {
    if let Ok(message) = Message::parse(text) {
        tracing::debug!(target: "jsonrpc", "{name}: {what} {message}");
    }
}

#[cfg(test)]
mod tests;
