//! The task that drives a follower: between a client, who has the connection, and those who read.
//!
//! It takes what comes without waiting for readers, and decides nothing. A small update that comes while nothing else is to be
//! done is not even brought to it: whoever reads the connection has the follower take it, without a switch of tasks. The task
//! is woken only if more follows from that than other contents. Of such updates those that have arrived together are taken
//! together, and readers see what they lead to, not what is between them.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use bytes::Bytes;
use ecow::EcoString;
use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::conditions::Wanted;
use super::follow::{Action, Follower, Input, Status, Trouble};
use super::handle::Shared;
use super::index::Index;
use super::submit::{Submission, Transactions};
use crate::event::RequestId;
use crate::upstream::{ConnectionId, Direct, Inbound, NotAccepted, Rejection, Requests, Upstream};

/// Longer messages are read on a thread for such work, so that a runtime of one thread goes on meanwhile.
const IN_PLACE_BYTES_MAX: usize = 256 << 10;

/// Longer updates go through the queue, so that the connection is read on meanwhile. Those that are taken together are no longer
/// together, either.
const DIRECT_BYTES_MAX: usize = 16 << 10;

/// What readers want of the task.
#[derive(Debug)]
pub(super) enum Order {
    /// Send a transaction.
    Transact(Submission),
    /// Have the transaction with this number canceled.
    Recall(u64),
    /// Say which conditions the server has confirmed.
    Known(oneshot::Sender<Wanted>),
    /// Keep this index.
    Index(Arc<Index>, oneshot::Sender<()>),
    /// What the contents are is not what the server has.
    Repair,
    /// Follow other rows of these tables.
    Conditions {
        /// The clauses for each table.
        changes: Vec<(EcoString, Json)>,
        /// Hears when it is so; of an error if it was refused.
        answer: oneshot::Sender<Result<(), Json>>,
    },
}

/// What the follower knows a request by.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// An [`Action::Request`].
    Request(u64),
    /// The [`Action::AskSchema`] for this monitor.
    Schema(u64),
}

/// See the module's documentation.
pub(super) struct Task {
    upstream: Upstream,
    desk: Arc<Desk>,
}

/// Where the follower is, for the task and for those who read the connection.
struct Desk {
    /// Nobody waits for anything while holding this.
    state: Mutex<State>,
    /// Wakes the task when it is to look at what is to be done.
    wake: Notify,
}

struct State {
    /// Not here while it reads something large.
    follower: Option<Box<Follower>>,
    work: Work,
    /// What the follower is to be told before anything else. Nothing while it is not here.
    gathered: Option<Gathered>,
}

/// Updates that came directly, as long as more are known to come.
struct Gathered {
    /// Of each.
    method: Method,
    /// Of each, by number.
    monitor: u64,
    /// The text of the parameters of each, in order.
    params: Vec<Bytes>,
    /// How long these are together.
    bytes: usize,
}

/// What is done for the follower, and what is known for that.
struct Work {
    requests_to: Requests,
    database: EcoString,
    shared: Arc<Shared>,
    /// Readers are woken by [`Shared::changed`] when it has changed, also by its end.
    status: watch::Sender<Status>,
    _ending: Ending,
    connection: Option<ConnectionId>,
    /// What the follower has asked that has no reply yet.
    requests: HashMap<RequestId, Question>,
    /// Requests for which the client had no room, in order.
    unsent: VecDeque<(Question, Method, Bytes)>,
    transactions: Transactions,
    /// Who waits for an index that is being made.
    indexed: Vec<oneshot::Sender<()>>,
    /// Who waits for which revision of the conditions, in order.
    conditions: VecDeque<(u64, oneshot::Sender<Result<(), Json>>)>,
    /// When the follower's time began.
    began: Instant,
}

/// Wakes readers in the end. Dropped after the status, so that they see that it has ended.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.changed.notify_waiters();
    }
}

impl Task {
    /// Ready to drive `follower`.
    pub(super) fn new(
        upstream: Upstream,
        database: &str,
        follower: Follower,
        shared: Arc<Shared>,
        status: watch::Sender<Status>,
    ) -> Task {
        let work = Work {
            requests_to: upstream.requests().clone(),
            database: database.into(),
            status,
            _ending: Ending(Arc::clone(&shared)),
            shared,
            connection: None,
            requests: HashMap::new(),
            unsent: VecDeque::new(),
            transactions: Transactions::default(),
            indexed: Vec::new(),
            conditions: VecDeque::new(),
            began: Instant::now(),
        };
        let follower = Some(Box::new(follower));
        let desk = Arc::new(Desk {
            state: Mutex::new(State {
                follower,
                work,
                gathered: None,
            }),
            wake: Notify::new(),
        });
        let direct: Arc<dyn Direct> = Arc::clone(&desk) as _;
        upstream.tell_directly(Arc::downgrade(&direct));
        Task { upstream, desk }
    }

    /// Drives the follower until nobody reads any more, which is when `orders` end, or the client has ended.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(waiting) = self.desk.waiting() {
            // Until it is dealt with, nothing else is taken before it.
            let mut _held = None;
            let event = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => Event::Order(order),
                    None => Event::Close,
                },
                inbound = self.upstream.next_held() => match inbound {
                    Some((inbound, held)) => {
                        _held = Some(held);
                        Event::Inbound(inbound)
                    }
                    None => return,
                },
                () = room(waiting.full) => Event::Look,
                () = self.desk.wake.notified() => Event::Look,
                () = sleep_until(waiting.wakes_at) => Event::Tick,
            };
            match self.desk.handle(event) {
                Handled::Done => {}
                Handled::Ended => return,
                Handled::IsLarge(mut follower, now_ms, input) => {
                    let step = tokio::task::spawn_blocking(move || {
                        let actions = follower.step(now_ms, input);
                        (follower, actions)
                    });
                    match step.await {
                        Ok((follower, actions)) => self.desk.put_back(follower, actions),
                        Err(error) => match error.try_into_panic() {
                            Ok(panic) => std::panic::resume_unwind(panic),
                            // The runtime ends.
                            Err(_) => return,
                        },
                    }
                }
            }
        }
    }
}

/// What the task has to deal with.
enum Event {
    Order(Order),
    Inbound(Inbound),
    /// Something may be done now that could not be before.
    Look,
    Tick,
    /// Nobody reads any more.
    Close,
}

/// What the task waits for besides orders and what comes.
struct Waiting {
    /// For room to send what could not be sent.
    full: Option<Requests>,
    wakes_at: Option<Instant>,
}

/// What became of an event.
enum Handled {
    Done,
    /// It is to be read on another thread, at this time.
    IsLarge(Box<Follower>, u64, Input),
    /// There is nothing more to be done.
    Ended,
}

impl Desk {
    /// `None` if the follower was left in the middle of something, by a panic: then it is of no use any more.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.state.lock().ok()
    }

    fn waiting(&self) -> Option<Waiting> {
        let state = self.state()?;
        let wakes_at = state.follower.as_deref().and_then(Follower::wakes_at);
        let is_full = !state.work.unsent.is_empty();
        Some(Waiting {
            full: is_full.then(|| state.work.requests_to.clone()),
            wakes_at: wakes_at.map(|since| state.work.began + Duration::from_millis(since)),
        })
    }

    fn handle(&self, event: Event) -> Handled {
        let Some(mut state) = self.state() else {
            return Handled::Ended;
        };
        state.settle();
        let State { follower, work, .. } = &mut *state;
        let Some(here) = follower else {
            return Handled::Ended;
        };
        let input = match event {
            Event::Order(order) => work.order(order, here),
            Event::Inbound(inbound) => work.input(inbound, here),
            Event::Look => None,
            Event::Tick => Some(Input::Tick),
            Event::Close => {
                let last = here.close();
                work.act(last, false);
                return Handled::Ended;
            }
        };
        work.send_unsent();
        let Some(input) = input else {
            return Handled::Done;
        };
        let now_ms = work.now_ms();
        let is_large = match &input {
            Input::Index(_) => true,
            input => bytes(input) > IN_PLACE_BYTES_MAX,
        };
        if is_large {
            return match follower.take() {
                Some(follower) => Handled::IsLarge(follower, now_ms, input),
                None => Handled::Ended,
            };
        }
        state.step(input);
        Handled::Done
    }

    fn put_back(&self, follower: Box<Follower>, actions: Vec<Action>) {
        if let Some(mut state) = self.state() {
            state.work.finish(&follower, actions, true);
            state.follower = Some(follower);
        }
    }
}

impl Direct for Desk {
    fn take(&self, inbound: Inbound, has_more: bool) -> Result<(), Inbound> {
        if inbound.bytes() > DIRECT_BYTES_MAX {
            return Err(inbound);
        }
        let Ok(mut state) = self.state.try_lock() else {
            return Err(inbound);
        };
        let has_follower = matches!(&state.follower, Some(follower) if follower.is_live());
        if !has_follower {
            return Err(inbound);
        }
        let inbound = match state.gather(inbound, has_more) {
            Ok(()) => return Ok(()),
            Err(inbound) => inbound,
        };
        state.settle();
        let State { follower, work, .. } = &mut *state;
        if let Some(follower) = follower
            && let Some(input) = work.input(inbound, follower)
        {
            state.step(input);
        }
        if state.is_work_left() {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn settle(&self) {
        match self.state.try_lock() {
            Ok(mut state) => {
                state.settle();
                if state.is_work_left() {
                    self.wake.notify_one();
                }
            }
            // Whoever has it may have been about to let go of it.
            Err(TryLockError::WouldBlock) => self.wake.notify_one(),
            // As after a panic elsewhere: there is no follower any more.
            Err(TryLockError::Poisoned(_)) => {}
        }
    }
}

impl State {
    /// Keeps an update to be taken together with what comes after it, if it can be. Gives it back if it is to be taken now.
    fn gather(&mut self, inbound: Inbound, has_more: bool) -> Result<(), Inbound> {
        if !has_more && self.gathered.is_none() {
            return Err(inbound);
        }
        let Inbound::Notification {
            method: method @ (Method::Update | Method::Update2 | Method::Update3),
            monitor,
            params,
        } = inbound
        else {
            return Err(inbound);
        };
        let is_alike = |gathered: &Gathered| {
            gathered.method == method
                && gathered.monitor == monitor.nth
                && gathered.bytes + params.len() <= DIRECT_BYTES_MAX
        };
        if !self.gathered.as_ref().is_none_or(is_alike) {
            self.settle();
        }
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            method,
            monitor: monitor.nth,
            params: Vec::new(),
            bytes: 0,
        });
        gathered.bytes += params.len();
        gathered.params.push(params);
        if !has_more {
            self.settle();
        }
        Ok(())
    }

    /// Has the follower take what was gathered.
    fn settle(&mut self) {
        if let Some(gathered) = self.gathered.take() {
            self.step(Input::Updates {
                method: gathered.method,
                monitor: gathered.monitor,
                params: gathered.params,
            });
        }
    }

    /// Has the follower, if it is here, go on with something small.
    fn step(&mut self, input: Input) {
        if let Some(follower) = &mut self.follower {
            let actions = follower.step(self.work.now_ms(), input);
            self.work.finish(follower, actions, false);
        }
    }

    /// Whether the task has something to do that did not come by its queue.
    fn is_work_left(&self) -> bool {
        let is_live = matches!(&self.follower, Some(follower) if follower.is_live());
        !is_live || !self.work.unsent.is_empty()
    }
}

impl Work {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does what a step of the follower led to, and tells readers.
    fn finish(&mut self, follower: &Follower, actions: Vec<Action>, is_large: bool) {
        self.act(actions, is_large);
        for answer in self.indexed.drain(..) {
            // Whoever asked may have gone.
            let _ = answer.send(());
        }
        let status = follower.status();
        if matches!(status, Status::Live | Status::Failed(_)) {
            self.transactions.release(generation(follower));
        }
        if matches!(status, Status::Failed(_)) {
            self.conditions.clear();
        }
        self.tell(status);
    }

    /// Tells readers how things stand, and that there may be other contents.
    fn tell(&mut self, status: Status) {
        // Mostly it is as before, and to say so once more costs more than to look.
        let is_as_before =
            matches!(status, Status::Live) && matches!(*self.status.borrow(), Status::Live);
        if !is_as_before {
            self.status.send_replace(status);
        }
        self.shared.changed.notify_waiters();
    }

    /// Does what a reader wants.
    fn order(&mut self, order: Order, follower: &Follower) -> Option<Input> {
        let requests = &self.requests_to;
        match order {
            Order::Transact(submission) => {
                // What is done on old contents would be refused, or worse.
                let is_live = matches!(follower.status(), Status::Live);
                let connection = self.connection.filter(|_| is_live);
                self.transactions.send(submission, requests, connection);
            }
            Order::Recall(number) => self.transactions.recall(number, requests, self.connection),
            Order::Known(answer) => {
                // Whoever asked may have gone.
                drop(answer.send(follower.conditions().clone()));
            }
            Order::Index(index, answer) => {
                self.indexed.push(answer);
                return Some(Input::Index(index));
            }
            Order::Repair => return Some(Input::Unequal),
            Order::Conditions { changes, answer } => {
                self.conditions.push_back((follower.revision() + 1, answer));
                return Some(Input::Conditions(changes));
            }
        }
        None
    }

    /// Tells those who wait for these revisions of the conditions what became of them.
    fn settle(&mut self, revisions: &RangeInclusive<u64>, result: &Result<(), Json>) {
        let waiting = std::mem::take(&mut self.conditions);
        for (revision, answer) in waiting {
            if revisions.contains(&revision) {
                // Whoever waited may have gone.
                drop(answer.send(result.clone()));
            } else {
                self.conditions.push_back((revision, answer));
            }
        }
    }

    /// What the follower is told of something that came.
    fn input(&mut self, inbound: Inbound, follower: &Follower) -> Option<Input> {
        Some(match inbound {
            Inbound::Up {
                connection, schema, ..
            } => {
                self.forget_requests();
                self.connection = Some(connection);
                Input::Up(schema)
            }
            Inbound::Schema(schema) => Input::Schema(schema),
            Inbound::Notification {
                method,
                monitor,
                params,
            } => Input::Notification {
                method,
                monitor: monitor.nth,
                params,
            },
            Inbound::Reply { id, result } => {
                let is_live = matches!(follower.status(), Status::Live);
                let generation = generation(follower);
                let other = self.transactions.reply(id, result, is_live, generation);
                let result = other.err()?;
                match self.requests.remove(&id)? {
                    Question::Request(request) => Input::Reply { request, result },
                    Question::Schema(monitor) => Input::Confirmed { monitor, result },
                }
            }
            Inbound::Down { why, in_doubt, .. } => {
                self.transactions
                    .down(&why, &in_doubt, generation(follower));
                self.forget_requests();
                self.connection = None;
                Input::Down
            }
        })
    }

    /// No reply will come any more, and what was not sent is not to be sent.
    fn forget_requests(&mut self) {
        self.requests.clear();
        self.unsent.clear();
    }

    fn act(&mut self, actions: Vec<Action>, is_large: bool) {
        for action in actions {
            match action {
                Action::Request {
                    request,
                    method,
                    params,
                } => {
                    let question = Question::Request(request);
                    self.unsent.push_back((question, method, params));
                    self.send_unsent();
                }
                Action::AskSchema { monitor } => {
                    let question = Question::Schema(monitor);
                    let params = Json::Array(vec![Json::string(self.database.clone())]);
                    let params = params.to_bytes().into();
                    self.unsent.push_back((question, Method::GetSchema, params));
                    self.send_unsent();
                }
                Action::Publish(version) => {
                    let before = self.shared.current.swap(Some(version));
                    if is_large {
                        // It may be the last to hold many rows, and to let go of them takes a while.
                        tokio::task::spawn_blocking(move || drop(before));
                    }
                }
                Action::Confirm(revision) => self.settle(&(0..=revision), &Ok(())),
                Action::Refuse { revisions, error } => self.settle(&revisions, &Err(error)),
                Action::Warn(trouble) => {
                    tracing::warn!(target: "ovsdb_idl", "{trouble}");
                    if matches!(trouble, Trouble::TooLarge(_) | Trouble::TooMuch(_)) {
                        self.shared.current.store(None);
                    }
                }
                Action::Reject(trouble) => {
                    tracing::warn!(target: "ovsdb_idl", "{trouble}; giving the server up");
                    if let Some(connection) = self.connection {
                        let why = if trouble.is_garbage() {
                            Rejection::Protocol
                        } else {
                            Rejection::Inconsistent
                        };
                        self.requests_to.reject(connection, why);
                    }
                }
            }
        }
    }

    /// Sends the requests for which there is room.
    fn send_unsent(&mut self) {
        let Some(connection) = self.connection else {
            return;
        };
        while let Some((question, method, params)) = self.unsent.front() {
            let requests = &self.requests_to;
            match requests.try_request(connection, *method, params.clone()) {
                Ok(id) => {
                    self.requests.insert(id, *question);
                    self.unsent.pop_front();
                }
                Err(NotAccepted::Full) => return,
                // The end of what comes says so, too.
                Err(NotAccepted::Closed) => {
                    self.unsent.clear();
                    return;
                }
            }
        }
    }
}

/// The generation of the contents; zero before there are any.
fn generation(follower: &Follower) -> u64 {
    follower.version().map_or(0, |version| version.generation())
}

fn bytes(input: &Input) -> usize {
    match input {
        Input::Notification { params, .. } => params.len(),
        Input::Updates { params, .. } => params.iter().map(Bytes::len).sum(),
        Input::Reply {
            result: Ok(text), ..
        }
        | Input::Confirmed {
            result: Ok(text), ..
        } => text.len(),
        _ => 0,
    }
}

/// Returns when there may be room where there was none.
async fn room(full: Option<Requests>) {
    match full {
        Some(requests) => requests.room().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
