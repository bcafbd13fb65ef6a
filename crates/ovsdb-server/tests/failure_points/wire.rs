//! A connection to the server in memory: what the server sends has arrived at once, and can be looked at at any moment.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ovsdb_net::Stream;
use ovsdb_server::remotes::{self, RemoteOptions};
use ovsdb_server::server::Server;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Default)]
struct Shared {
    to_server: VecDeque<u8>,
    reader: Option<Waker>,
    from_server: Vec<u8>,
}

/// The client's end; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Shared>>);

struct ServersEnd(Wire);

impl Wire {
    /// A client of `server`.
    pub(crate) fn connect(server: &Arc<Server>, name: &str) -> Wire {
        let wire = Wire::default();
        let (read, write) = (ServersEnd(wire.clone()), ServersEnd(wire.clone()));
        let stream = Stream::from_halves(name, read, write);
        remotes::serve(server, "memory", stream, &RemoteOptions::default());
        wire
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: &str) {
        let mut shared = self.lock();
        shared.to_server.extend(message.as_bytes());
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }

    /// Sends a request.
    pub(crate) fn request(&self, id: &str, method: &str, params: &str) {
        self.send(&format!(
            r#"{{"id":{id},"method":"{method}","params":{params}}}"#
        ));
    }

    /// The messages that have arrived since the last call.
    pub(crate) fn take(&self) -> Vec<Value> {
        let mut shared = self.lock();
        let mut messages = serde_json::Deserializer::from_slice(&shared.from_server).into_iter();
        let mut taken = Vec::new();
        while let Some(Ok(message)) = messages.next() {
            taken.push(message);
        }
        let end = messages.byte_offset();
        shared.from_server.drain(..end);
        taken
    }
}

impl AsyncRead for ServersEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = self.0.lock();
        if shared.to_server.is_empty() {
            shared.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = shared.to_server.len().min(buf.remaining());
        let bytes: Vec<u8> = shared.to_server.drain(..length).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServersEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().from_server.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
