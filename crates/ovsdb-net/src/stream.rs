//! A connected byte stream and its name, whatever carries it.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, tcp};

use crate::address::{Host, InetTarget, format_ip};
use crate::error::NetError;
use crate::listener::{SocketOptions, set_dscp};
use crate::memory_file::MemoryFile;
use crate::method::{Kind, Method};
use crate::tls::{self, TlsRead, TlsWrite};
use crate::unix_stream::{self, Glance, UnixRead, UnixWrite};

/// A connected stream.
#[derive(Debug)]
pub struct Stream {
    name: String,
    /// The name that the peer has proved to bear.
    client_id: Option<Arc<str>>,
    kind: StreamKind,
}

#[derive(Debug)]
enum StreamKind {
    Tcp(TcpStream),
    Unix(UnixRead, UnixWrite),
    Tls(TlsRead, TlsWrite),
    Custom(CustomRead, CustomWrite),
}

struct CustomRead(Pin<Box<dyn AsyncRead + Send>>);

struct CustomWrite(Pin<Box<dyn AsyncWrite + Send>>);

impl fmt::Debug for CustomRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomRead")
    }
}

impl fmt::Debug for CustomWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomWrite")
    }
}

impl Stream {
    /// Connects with an active method.
    ///
    /// # Errors
    /// See [`NetError`]; what C logs about it is logged here.
    pub async fn connect(method: &Method) -> Result<Self, NetError> {
        Self::connect_with(method, &SocketOptions::default()).await
    }

    /// Connects with an active method and the given socket options.
    ///
    /// # Errors
    /// See [`NetError`].
    pub async fn connect_with(method: &Method, options: &SocketOptions) -> Result<Self, NetError> {
        let name = method.name().to_owned();
        match method.kind() {
            Kind::Tcp(target) => {
                let socket = connect_tcp(&name, target, options).await?;
                Ok(Self {
                    name,
                    client_id: None,
                    kind: StreamKind::Tcp(socket),
                })
            }
            Kind::Ssl(target) => {
                // A server is not to be bothered by who has nothing to show.
                options.tls.check_dialler(&name)?;
                let socket = connect_tcp(&name, target, options).await?;
                let peer = socket.peer_addr().map_err(|source| NetError::Io {
                    name: name.clone(),
                    what: "getpeername",
                    source,
                })?;
                let host = match &target.host {
                    Some(Host::Name(host)) => Some(host.as_str()),
                    Some(Host::Ip(..)) | None => None,
                };
                let established =
                    tls::connect(&name, socket, peer.ip(), host, &options.tls).await?;
                Ok(Self::from_tls(name, established))
            }
            Kind::Unix(_) => {
                let path = method.socket_path().expect("a unix method has a path");
                match crate::unix::connect(&path).and_then(unix_stream::halves) {
                    Ok((read, write)) => Ok(Self {
                        name,
                        client_id: None,
                        kind: StreamKind::Unix(read, write),
                    }),
                    Err(source) => {
                        tracing::debug!(target: "stream_unix", "{}: connection failed ({})",
                            path.display(), crate::errno_text(&source));
                        Err(NetError::Io {
                            name,
                            what: "connect",
                            source,
                        })
                    }
                }
            }
            Kind::Ptcp(_) | Kind::Punix(_) | Kind::Pssl(_) | Kind::Pfd(_) => {
                Err(NetError::WrongDirection {
                    name,
                    wanted: "connect",
                })
            }
        }
    }

    /// A stream of an accepted or otherwise connected TCP socket, named `tcp:ADDRESS:PORT` after its peer.
    #[must_use]
    pub fn from_tcp(stream: TcpStream, peer: SocketAddr) -> Self {
        set_nodelay(&stream);
        Self {
            name: format!("tcp:{}:{}", format_ip(&peer), peer.port()),
            client_id: None,
            kind: StreamKind::Tcp(stream),
        }
    }

    /// A stream whose TLS handshake is done.
    pub(crate) fn from_tls(name: String, established: tls::Established) -> Self {
        let (read, write) = tls::halves(established.socket, established.connection);
        Self {
            name,
            client_id: established.client_id.map(Arc::from),
            kind: StreamKind::Tls(read, write),
        }
    }

    /// A stream of an accepted Unix socket: `unix:PATH` if the peer has bound its socket, else `unix#N` with a number
    /// that counts such peers of this process. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the system says; for instance that there is no room for another socket to be watched.
    pub fn from_unix(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking_unix(stream)
    }

    /// [`Stream::from_unix`] of a socket that does not block.
    pub(crate) fn from_nonblocking_unix(stream: UnixStream) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let bound = stream.peer_addr().ok().and_then(|address| {
            address
                .as_pathname()
                .map(|path| format!("unix:{}", path.display()))
        });
        let name =
            bound.unwrap_or_else(|| format!("unix#{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let (read, write) = unix_stream::halves(stream)?;
        Ok(Self {
            name,
            client_id: None,
            kind: StreamKind::Unix(read, write),
        })
    }

    /// A stream over a transport of the caller's own, such as a network that is simulated in memory: what arrives is read
    /// from `read`, and what is sent is written to `write`. `name` is the peer's, as logs are to show it.
    #[must_use]
    pub fn from_halves(
        name: impl Into<String>,
        read: impl AsyncRead + Send + 'static,
        write: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            client_id: None,
            kind: StreamKind::Custom(CustomRead(Box::pin(read)), CustomWrite(Box::pin(write))),
        }
    }

    /// The same stream with a peer that has proved to bear the name `id`. Whoever calls this has seen the proof, such as
    /// a certificate whose common name is `id`: access control relies on it.
    #[must_use]
    pub fn with_client_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// The name that the peer has proved to bear; `None` where the transport asks for no proof, as those of TCP and Unix
    /// sockets do not.
    #[must_use]
    pub const fn client_id(&self) -> Option<&Arc<str>> {
        self.client_id.as_ref()
    }

    /// The peer's name, as logs show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Both halves, to be used by different tasks.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.kind {
            StreamKind::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (
                    ReadHalf(ReadKind::Tcp(read)),
                    WriteHalf(WriteKind::Tcp(write)),
                )
            }
            StreamKind::Unix(read, write) => (
                ReadHalf(ReadKind::Unix(read)),
                WriteHalf(WriteKind::Unix(write)),
            ),
            StreamKind::Tls(read, write) => (
                ReadHalf(ReadKind::Tls(read)),
                WriteHalf(WriteKind::Tls(write)),
            ),
            StreamKind::Custom(read, write) => (
                ReadHalf(ReadKind::Custom(read)),
                WriteHalf(WriteKind::Custom(write)),
            ),
        }
    }
}

/// Has the runtime within which this is called watch the socket of both halves of a stream, instead of the one that did: for a
/// task that goes on in another runtime.
///
/// # Errors
/// What the system says if the connection is lost thereby. Where it can be kept as it is, it is.
pub fn move_here(read: &mut ReadHalf, write: &mut WriteHalf) -> io::Result<()> {
    match (&mut read.0, &mut write.0) {
        (ReadKind::Unix(read), WriteKind::Unix(write)) => {
            unix_stream::move_here(read, write);
            Ok(())
        }
        (ReadKind::Tcp(_), WriteKind::Tcp(_)) => {
            let nothing = ReadKind::Custom(CustomRead(Box::pin(tokio::io::empty())));
            let nowhere = WriteKind::Custom(CustomWrite(Box::pin(tokio::io::sink())));
            let halves = (
                std::mem::replace(&mut read.0, nothing),
                std::mem::replace(&mut write.0, nowhere),
            );
            let (ReadKind::Tcp(old_read), WriteKind::Tcp(old_write)) = halves else {
                unreachable!("they were looked at before");
            };
            let stream = old_read.reunite(old_write).map_err(io::Error::other)?;
            let (new_read, new_write) = TcpStream::from_std(stream.into_std()?)?.into_split();
            *read = ReadHalf(ReadKind::Tcp(new_read));
            *write = WriteHalf(WriteKind::Tcp(new_write));
            Ok(())
        }
        (ReadKind::Tls(read), WriteKind::Tls(_)) => {
            tls::move_here(read);
            Ok(())
        }
        // It has no socket that a runtime would watch.
        _ => Ok(()),
    }
}

async fn connect_tcp(
    name: &str,
    target: &InetTarget,
    options: &SocketOptions,
) -> Result<TcpStream, NetError> {
    let address = match target.resolve().await {
        Ok(address) => address,
        Err(source) => {
            let error = NetError::Unresolved {
                name: name.to_owned(),
                passive: false,
                source: Some(source),
            };
            tracing::error!(target: "stream_tcp", "{name}: connect: {}", error.reason());
            return Err(error);
        }
    };
    let fail = |source| NetError::Io {
        name: name.to_owned(),
        what: "connect",
        source,
    };
    // Like the reference, what cannot even be tried is logged as an error; what the peer or the network does about
    // an attempt is the business of the one who wanted it.
    let stream = begin_connect(address, options.dscp).map_err(|source| {
        tracing::error!(target: "stream_tcp", "{name}: connect: {}", crate::errno_text(&source));
        fail(source)
    })?;
    stream.writable().await.map_err(fail)?;
    if let Some(error) = stream.take_error().map_err(fail)? {
        return Err(fail(error));
    }
    set_nodelay(&stream);
    Ok(stream)
}

/// A socket that is connected, or about to be: it is so once it is writable and has no error.
fn begin_connect(address: SocketAddr, dscp: u8) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // Before connect(), so that the handshake carries it too.
    set_dscp(&socket, address, dscp)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => Err(error),
        _ => TcpStream::from_std(socket.into()),
    }
}

const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

pub(crate) fn set_nodelay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::error!(target: "socket_util", "setsockopt(TCP_NODELAY): {}", crate::errno_text(&error));
    }
}

/// The half of a [`Stream`] that reads.
#[derive(Debug)]
pub struct ReadHalf(ReadKind);

impl ReadHalf {
    /// What shows whether something has arrived; `None` if this kind of stream has nothing of that kind.
    #[must_use]
    pub fn glance(&self) -> Option<Glance> {
        match &self.0 {
            ReadKind::Unix(half) => Some(half.glance()),
            ReadKind::Tcp(_) | ReadKind::Tls(_) | ReadKind::Custom(_) => None,
        }
    }
}

#[derive(Debug)]
enum ReadKind {
    Tcp(tcp::OwnedReadHalf),
    Unix(UnixRead),
    Tls(TlsRead),
    Custom(CustomRead),
}

/// The half of a [`Stream`] that writes. Dropping it closes that direction.
#[derive(Debug)]
pub struct WriteHalf(WriteKind);

#[derive(Debug)]
enum WriteKind {
    Tcp(tcp::OwnedWriteHalf),
    Unix(UnixWrite),
    Tls(TlsWrite),
    Custom(CustomWrite),
}

impl WriteHalf {
    /// Bytes that [`AsyncWrite::poll_write`] has taken, or what was made of them, that have not gone to the system yet:
    /// [`AsyncWrite::poll_flush`] sends them. Always 0 where there is nothing in between.
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> usize {
        match &self.0 {
            WriteKind::Tls(half) => half.unsent(),
            WriteKind::Tcp(_) | WriteKind::Unix(_) | WriteKind::Custom(_) => 0,
        }
    }

    /// Whether there is anything in between, so that [`AsyncWrite::poll_flush`] is worth calling.
    #[inline]
    #[must_use]
    pub fn may_hold_back(&self) -> bool {
        matches!(self.0, WriteKind::Tls(_) | WriteKind::Custom(_))
    }

    /// Whether files can be sent as they are: see [`WriteHalf::poll_send_file`].
    #[must_use]
    pub fn takes_files(&self) -> bool {
        matches!(self.0, WriteKind::Tcp(_) | WriteKind::Unix(_))
    }

    /// Writes so many bytes of a file, from `offset` on, as [`AsyncWrite::poll_write`] does, but without copying them.
    /// `None`: this kind of stream, or the system, does not do that, for whatever reason, and nothing has been written. If it
    /// is the stream that is at fault, whoever writes the bytes themselves learns of it.
    pub fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &MemoryFile,
        offset: u64,
        length: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        let sent = match &mut self.0 {
            WriteKind::Tcp(half) => poll_send_file(half.as_ref(), cx, file, offset, length),
            WriteKind::Unix(half) => half.poll_send_file(cx, file, offset, length),
            WriteKind::Tls(_) | WriteKind::Custom(_) => return None,
        };
        match sent {
            // A policy of the system may forbid it, or there may be no memory for it: the peer must not pay for that.
            Poll::Ready(Err(_)) => None,
            sent => Some(sent),
        }
    }
}

fn poll_send_file(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    file: &MemoryFile,
    offset: u64,
    length: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let send = || file.send(stream, offset, length);
        match stream.try_io(Interest::WRITABLE, send) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            sent => return Poll::Ready(sent),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            ReadKind::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            ReadKind::Unix(half) => Pin::new(half).poll_read(cx, buf),
            ReadKind::Tls(half) => Pin::new(half).poll_read(cx, buf),
            ReadKind::Custom(half) => half.0.as_mut().poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            WriteKind::Tcp(half) => Pin::new(half).poll_write(cx, buf),
            WriteKind::Unix(half) => Pin::new(half).poll_write(cx, buf),
            WriteKind::Tls(half) => Pin::new(half).poll_write(cx, buf),
            WriteKind::Custom(half) => half.0.as_mut().poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            WriteKind::Tcp(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            WriteKind::Unix(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            WriteKind::Tls(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            WriteKind::Custom(half) => half.0.as_mut().poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            WriteKind::Tcp(_) | WriteKind::Unix(_) | WriteKind::Tls(_) => true,
            WriteKind::Custom(half) => half.0.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            WriteKind::Tcp(half) => Pin::new(half).poll_flush(cx),
            WriteKind::Unix(half) => Pin::new(half).poll_flush(cx),
            WriteKind::Tls(half) => Pin::new(half).poll_flush(cx),
            WriteKind::Custom(half) => half.0.as_mut().poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            WriteKind::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            WriteKind::Unix(half) => Pin::new(half).poll_shutdown(cx),
            WriteKind::Tls(half) => Pin::new(half).poll_shutdown(cx),
            WriteKind::Custom(half) => half.0.as_mut().poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_tcp_stream_goes_on_in_another_runtime() {
        let runtime = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().expect("a runtime")
        };
        let (first, second) = (runtime(), runtime());
        let (near, far) = first.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
            let listener = listener.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            let near = TcpStream::connect(address).await.expect("it listens");
            let (far, _) = listener.accept().await.expect("somebody has connected");
            (
                Stream::from_tcp(near, address),
                far.into_std().expect("it is alive"),
            )
        });
        let (mut read, mut write) = near.into_split();
        second.block_on(async {
            move_here(&mut read, &mut write).expect("room for a socket");
            write.write_all(b"question").await.expect("an open socket");
            let mut far = TcpStream::from_std(far).expect("room for a socket");
            let mut got = [0; 8];
            far.read_exact(&mut got).await.expect("an open socket");
            assert_eq!(&got, b"question");
            let answers = tokio::spawn(async move { far.write_all(b"answer").await });
            let mut got = Vec::new();
            read.read_to_end(&mut got).await.expect("an open socket");
            assert_eq!(got, b"answer");
            answers.await.expect("no panic").expect("an open socket");
        });
    }
}
