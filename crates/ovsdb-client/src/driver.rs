//! The task behind a session: it moves bytes and knows which message goes where, nothing of what they mean.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ovsdb_net::errno_text;
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::Json;
use ovsdb_proto::jsonrpc::{Message, ParseError};
use ovsdb_proto::words::Method;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::error::{Disconnect, RequestError};
use crate::event::{Event, Notification};
use crate::session::Shared;

/// Answers to `echo` that may wait to be written. A server that asks on without reading is cut off.
const ECHOES_MAX: usize = 64;

/// Bytes of small messages that are joined into one write.
const BATCH_BYTES: usize = 64 << 10;

/// What the task holds besides the two directions of the connection.
pub(crate) struct Driver {
    pub(crate) name: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) to_write: mpsc::Receiver<Bytes>,
    pub(crate) to_user: mpsc::Sender<Event>,
    pub(crate) message_bytes_max: usize,
}

impl Driver {
    /// Runs the session until the server or the last handle leaves.
    pub(crate) async fn run(self, reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin) {
        let (echo, echoes) = mpsc::channel(ECHOES_MAX);
        let incoming = Incoming {
            name: &self.name,
            shared: &self.shared,
            echo,
            to_user: self.to_user,
        };
        // The two directions wait for each other nowhere: a server that stops reading does not keep us from
        // reading, which may be what it waits for.
        let reason = tokio::select! {
            reason = incoming.read(reader, self.message_bytes_max) => reason,
            reason = write(&self.name, writer, self.to_write, echoes) => reason,
        };
        self.shared.end(reason);
    }
}

struct Incoming<'a> {
    name: &'a str,
    shared: &'a Shared,
    echo: mpsc::Sender<Bytes>,
    to_user: mpsc::Sender<Event>,
}

impl Incoming<'_> {
    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        message_bytes_max: usize,
    ) -> Disconnect {
        let mut framer = Framer::new(message_bytes_max);
        loop {
            match framer.next() {
                Ok(Some(bytes)) => {
                    if let Err(reason) = self.message(&bytes).await {
                        return reason;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: error parsing stream: {error}", self.name);
                    return Disconnect::Protocol;
                }
            }
            match reader.read_buf(framer.buf_mut()).await {
                Ok(0) => return Disconnect::EndOfFile,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(target: "jsonrpc", "{}: receive error: {}", self.name, errno_text(&error));
                    return Disconnect::Io(Arc::new(error));
                }
            }
        }
    }

    async fn message(&self, bytes: &[u8]) -> Result<(), Disconnect> {
        let message = Message::parse(bytes).map_err(|error| {
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
        let event = match message {
            Message::Reply { result, id } => self.shared.complete(&id, Ok(result)),
            Message::Error { error, id } => {
                self.shared.complete(&id, Err(RequestError::Server(error)))
            }
            Message::Request { method, params, id } if method == Method::Echo.as_str() => {
                let answer = Message::Reply {
                    result: Json::Array(params),
                    id,
                };
                tracing::debug!(target: "jsonrpc", "{}: send {answer}", self.name);
                self.echo
                    .try_send(answer.to_bytes().into())
                    .map_err(|_| Disconnect::Probes)?;
                None
            }
            // A client serves no other requests, and the server does not wait for an answer.
            Message::Request { .. } => None,
            Message::Notification { method, params } => Some(Event::Notification(Notification {
                method: method.to_string(),
                params,
            })),
        };
        if let Some(event) = event {
            // An error means that the user has dropped the events.
            drop(self.to_user.send(event).await);
        }
        Ok(())
    }
}

async fn write(
    name: &str,
    mut writer: impl AsyncWrite + Unpin,
    mut to_write: mpsc::Receiver<Bytes>,
    mut echoes: mpsc::Receiver<Bytes>,
) -> Disconnect {
    let mut batch = Vec::new();
    loop {
        let first = tokio::select! {
            Some(bytes) = echoes.recv() => bytes,
            message = to_write.recv() => match message {
                Some(bytes) => bytes,
                None => {
                    // The session ends either way; a failure here has nobody to tell.
                    drop(writer.shutdown().await);
                    return Disconnect::Closed;
                }
            },
        };
        batch.clear();
        let mut next = Some(first);
        while let Some(bytes) = next {
            if batch.is_empty() && bytes.len() >= BATCH_BYTES {
                if let Err(error) = write_out(&mut writer, &bytes).await {
                    return send_error(name, error);
                }
                break;
            }
            batch.extend_from_slice(&bytes);
            next = if batch.len() < BATCH_BYTES {
                to_write.try_recv().ok()
            } else {
                None
            };
        }
        if let Err(error) = write_out(&mut writer, &batch).await {
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
