//! The task behind a session: it moves bytes and knows which message goes where, nothing of what they mean.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ovsdb_net::{ReadSize, errno_text};
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Glance, Message, ParseError, glance};
use ovsdb_proto::words::Method;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::delivery::{Delivered, Delivery, monitor_of};
use crate::error::{Disconnect, RequestError};
use crate::event::{Event, Notification, RawEvent};
use crate::queue;
use crate::session::Shared;
use crate::upstream::MonitorId;
use crate::usual::Usual;

/// Answers to `echo` that may wait to be written. A server that asks on without reading is cut off.
const ECHOES_MAX: usize = 64;

/// Bytes of such answers; one that is longer waits alone.
const ECHO_BYTES_MAX: usize = 1 << 20;

/// Bytes of small messages that are joined into one write.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// Bytes of the longest message that is read in place. A longer one would keep other tasks of this thread waiting.
const READ_HERE_BYTES_MAX: usize = 256 << 10;

/// Bytes of the longest message that is read as a tree though it has another form than messages usually have, or is an error
/// or a request. A tree takes many times as much memory as its text. Replies that somebody awaits may be longer.
const UNUSUAL_BYTES_MAX: usize = 32 << 20;

/// A message on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// Its text.
    pub(crate) bytes: Bytes,
    /// The request that it is, if somebody awaits the reply.
    pub(crate) request: Option<u64>,
}

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// To a user who takes them as values.
    Parsed(queue::Sender<Event>),
    /// To those who read them themselves.
    Raw {
        /// The replicas of a client.
        replicas: Arc<Delivery>,
        /// The client's task: for what concerns it, and what replicas have no room for.
        to_client: queue::Sender<RawEvent>,
    },
}

/// What the task holds besides the two directions of the connection.
pub(crate) struct Driver {
    pub(crate) name: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) to_write: mpsc::Receiver<Outgoing>,
    pub(crate) sink: Sink,
    pub(crate) message_bytes_max: usize,
}

impl Driver {
    /// Runs the session until the server or the last handle leaves.
    pub(crate) async fn run(self, reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin) {
        let (echo, echoes) = queue::channel(ECHOES_MAX, ECHO_BYTES_MAX);
        let incoming = Incoming {
            name: &self.name,
            shared: &self.shared,
            echo,
            sink: self.sink,
        };
        // The two directions wait for each other nowhere: a server that stops reading does not keep us from
        // reading, which may be what it waits for.
        let reason = tokio::select! {
            reason = incoming.read(reader, self.message_bytes_max) => reason,
            reason = write(&self.name, &self.shared, writer, self.to_write, echoes) => reason,
            () = self.shared.stopped() => Disconnect::Closed,
        };
        // Events end after this, so whoever sees their end finds the reason.
        self.shared.end(reason);
    }
}

struct Incoming<'a> {
    name: &'a str,
    shared: &'a Shared,
    echo: queue::Sender<Outgoing>,
    sink: Sink,
}

impl Incoming<'_> {
    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        message_bytes_max: usize,
    ) -> Disconnect {
        let mut framer = Framer::new(message_bytes_max);
        let mut usual = Usual::default();
        let mut read_size = ReadSize::default();
        // Little of a peer who says little is read into what is filled already: that of the framer would have to be filled anew
        // before each read, which costs more than to copy what came.
        let mut little = vec![0; ReadSize::default().bytes()];
        loop {
            match framer.next() {
                Ok(Some(bytes)) => {
                    let has_more = framer.buffered() > 0;
                    if let Err(reason) = self.message(bytes, &mut usual, has_more).await {
                        return reason;
                    }
                    continue;
                }
                Ok(None) => self.settle(),
                Err(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: error parsing stream: {error}", self.name);
                    return Disconnect::Protocol;
                }
            }
            let read = if read_size == ReadSize::default() && framer.buffered() == 0 {
                let read = reader.read(&mut little).await;
                if let Ok(bytes) = read {
                    framer.push(&little[..bytes]);
                }
                read
            } else {
                let buffer = framer.buf_mut();
                read_size.make_room(buffer);
                reader.read_buf(buffer).await
            };
            match read {
                Ok(0) => return Disconnect::EndOfFile,
                Ok(bytes) => {
                    read_size.learn(bytes);
                    self.shared.hear();
                }
                Err(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: receive error: {}", self.name, errno_text(&error));
                    return Disconnect::Io(Arc::new(error));
                }
            }
        }
    }

    /// Has replicas do what they left until more had come.
    fn settle(&self) {
        if let Sink::Raw { replicas, .. } = &self.sink {
            replicas.settle();
        }
    }

    async fn message(
        &self,
        bytes: Bytes,
        usual: &mut Usual,
        has_more: bool,
    ) -> Result<(), Disconnect> {
        let length = bytes.len();
        if length > READ_HERE_BYTES_MAX {
            self.settle();
        }
        match &self.sink {
            Sink::Parsed(to_user) => {
                let message = self.read_all(bytes).await?;
                if let Some(event) = self.dispatch(message)? {
                    self.put(to_user, event, length).await;
                }
            }
            Sink::Raw {
                replicas,
                to_client,
            } => {
                if let Some((event, monitor)) = self.event(bytes, usual).await? {
                    match replicas.deliver(event, monitor, has_more) {
                        Delivered::Replica(reply) => {
                            if let Some(reply) = reply {
                                self.shared.taken(reply);
                            }
                            // Nothing of this waits, so much that has arrived at once would keep others of this thread waiting.
                            tokio::task::coop::consume_budget().await;
                        }
                        Delivered::Client(event) => {
                            replicas.settle();
                            self.put(to_client, event, length).await;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// [`Incoming::unread`], and the monitor that the event is about.
    async fn event(
        &self,
        bytes: Bytes,
        usual: &mut Usual,
    ) -> Result<Option<(RawEvent, Option<MonitorId>)>, Disconnect> {
        let is_logged = tracing::enabled!(target: "jsonrpc", tracing::Level::DEBUG);
        if !is_logged && let Some((event, monitor)) = usual.read(&bytes) {
            return Ok(Some((event, Some(monitor))));
        }
        let Some(event) = self.unread(bytes.clone()).await? else {
            return Ok(None);
        };
        let monitor = monitor_of(&event);
        if let (RawEvent::Notification { method, params }, Some(monitor)) = (&event, monitor) {
            usual.learn(&bytes, *method, params, monitor);
        }
        Ok(Some((event, monitor)))
    }

    /// The event that a message is, with its contents left unread. What is no event is dealt with.
    async fn unread(&self, bytes: Bytes) -> Result<Option<RawEvent>, Disconnect> {
        // The log shows messages in full.
        if !tracing::enabled!(target: "jsonrpc", tracing::Level::DEBUG) {
            let look = bytes.clone();
            match here_or_beside(bytes.len(), move || Look::at(&look)).await {
                Look::Notification { method, params } => {
                    return Ok(method.map(|method| RawEvent::Notification { method, params }));
                }
                Look::Reply { id, result } => {
                    if let Some(owner) = self.shared.owner(&id) {
                        let id = self.shared.complete_event(&id);
                        let result = Ok(result);
                        return Ok(id.map(|id| RawEvent::Reply { owner, id, result }));
                    }
                    if !self.shared.is_awaited(&id) {
                        return Ok(None);
                    }
                }
                Look::Other if bytes.len() > UNUSUAL_BYTES_MAX => {
                    tracing::warn!(target: "jsonrpc", "{}: a message of {} bytes is too long for its form", self.name, bytes.len());
                    return Err(Disconnect::Protocol);
                }
                Look::Other => {}
            }
        }
        let message = self.read_all(bytes).await?;
        // Whoever hears of a reply is to find what came before it.
        self.settle();
        Ok(match message {
            Message::Notification { method, params } => {
                Method::from_text(&method).map(|method| RawEvent::Notification {
                    method,
                    params: Json::Array(params).to_bytes().into(),
                })
            }
            Message::Reply { result, id } => match self.shared.owner(&id) {
                Some(owner) => self.shared.complete_event(&id).map(|id| RawEvent::Reply {
                    owner,
                    id,
                    result: Ok(result.to_bytes().into()),
                }),
                None => {
                    self.shared.complete(&id, Ok(result));
                    None
                }
            },
            Message::Error { error, id } => match self.shared.owner(&id) {
                Some(owner) => self.shared.complete_event(&id).map(|id| RawEvent::Reply {
                    owner,
                    id,
                    result: Err(error),
                }),
                None => {
                    let error = Err(RequestError::Server(error));
                    self.shared.complete(&id, error);
                    None
                }
            },
            request @ Message::Request { .. } => {
                self.dispatch(request)?;
                None
            }
        })
    }

    /// The message, with all of its contents.
    async fn read_all(&self, bytes: Bytes) -> Result<Message, Disconnect> {
        let parsed = here_or_beside(bytes.len(), move || Message::parse(&bytes)).await;
        let message = parsed.map_err(|error| {
            match error {
                ParseError::Json(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: error parsing stream: {error}", self.name);
                }
                ParseError::Message(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: received bad JSON-RPC message: {error}", self.name);
                }
            }
            Disconnect::Protocol
        })?;
        tracing::debug!(target: "jsonrpc", "{}: received {message}", self.name);
        Ok(message)
    }

    /// Brings a message to where it belongs; what belongs among the events comes back.
    fn dispatch(&self, message: Message) -> Result<Option<Event>, Disconnect> {
        let reply = |(id, result)| Event::Reply { id, result };
        Ok(match message {
            Message::Reply { result, id } => self.shared.complete(&id, Ok(result)).map(reply),
            Message::Error { error, id } => {
                let error = Err(RequestError::Server(error));
                self.shared.complete(&id, error).map(reply)
            }
            Message::Request { method, params, id } if method == Method::Echo.as_str() => {
                let answer = Message::Reply {
                    result: Json::Array(params),
                    id,
                };
                tracing::debug!(target: "jsonrpc", "{}: send {answer}", self.name);
                let answer = Outgoing {
                    bytes: answer.to_bytes().into(),
                    request: None,
                };
                let bytes = answer.bytes.len();
                if !self.echo.try_send(answer, bytes) {
                    return Err(Disconnect::Probes);
                }
                None
            }
            // A client serves no other requests, and the server does not wait for an answer.
            Message::Request { .. } => None,
            Message::Notification { method, params } => Some(Event::Notification(Notification {
                method: method.to_string(),
                params,
            })),
        })
    }

    async fn put<T>(&self, to_user: &queue::Sender<T>, event: T, bytes: usize) {
        self.shared.hold_up(true);
        // An error means that the user has dropped the events.
        let _ = to_user.send(event, bytes).await;
        self.shared.hold_up(false);
    }
}

/// The outside of a message for those who read its contents themselves.
enum Look {
    /// `method` is `None` if no method has that name.
    Notification {
        method: Option<Method>,
        params: Bytes,
    },
    Reply {
        id: Json,
        result: Bytes,
    },
    /// To be read in full.
    Other,
}

impl Look {
    fn at(bytes: &Bytes) -> Look {
        let part = |text: &str| bytes.slice_ref(text.as_bytes());
        match glance(bytes) {
            Ok(Glance::Notification { method, params }) => Look::Notification {
                method: Method::from_text(&method),
                params: part(params),
            },
            Ok(Glance::Reply { result, id }) => Look::Reply {
                result: part(result),
                id,
            },
            _ => Look::Other,
        }
    }
}

/// Does work on a message of `length` bytes: here if it is little, else where it keeps no task waiting.
async fn here_or_beside<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if length <= READ_HERE_BYTES_MAX {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn write(
    name: &str,
    shared: &Shared,
    mut writer: impl AsyncWrite + Unpin,
    mut to_write: mpsc::Receiver<Outgoing>,
    mut echoes: queue::Receiver<Outgoing>,
) -> Disconnect {
    let mut batch = Vec::new();
    let mut requests = Vec::new();
    loop {
        let first = tokio::select! {
            Some(message) = echoes.recv() => message,
            message = to_write.recv() => match message {
                Some(message) => message,
                None => {
                    // The session ends either way; a failure here has nobody to tell.
                    drop(writer.shutdown().await);
                    return Disconnect::Closed;
                }
            },
        };
        batch.clear();
        requests.clear();
        let mut next = Some(first);
        let mut long = None;
        while let Some(Outgoing { bytes, request }) = next {
            requests.extend(request);
            if batch.is_empty() && bytes.len() >= BATCH_BYTES {
                long = Some(bytes);
                break;
            }
            batch.extend_from_slice(&bytes);
            next = if batch.len() < BATCH_BYTES {
                to_write.try_recv().ok()
            } else {
                None
            };
        }
        // From here on the server may see them.
        if !shared.may_send(&requests) {
            return Disconnect::Closed;
        }
        let bytes = long.as_deref().unwrap_or(&batch);
        if let Err(error) = write_out(&mut writer, bytes).await {
            return send_error(name, error);
        }
    }
}

/// A stream that holds something back sends it, too: it might be the end of what the server waits for.
async fn write_out(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

fn send_error(name: &str, error: io::Error) -> Disconnect {
    tracing::warn!(target: "jsonrpc", "{name}: send error: {}", errno_text(&error));
    Disconnect::Io(Arc::new(error))
}
