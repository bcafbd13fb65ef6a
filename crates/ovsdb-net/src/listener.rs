//! Passive methods: binding, accepting, and the socket file's end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};

use crate::address::{Host, InetTarget, format_ip};
use crate::cleanup::FileGuard;
use crate::error::NetError;
use crate::inherited;
use crate::method::{Kind, Method};
use crate::stream::{Stream, set_nodelay};
use crate::tls::{self, Gate, Tls};
use crate::unix_stream::watch;

/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 64;

/// The differentiated services code point that connections have unless another one is asked for: that of network control,
/// so that busy links do not hold up what keeps them working.
pub const DSCP_DEFAULT: u8 = 48;

/// How sockets are set up, and what TLS connections over them are made with.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// The six bits of the IP header's differentiated services field; Unix sockets ignore it.
    pub dscp: u8,
    /// What `ssl:` and `pssl:` are used with.
    pub tls: Tls,
}

impl Default for SocketOptions {
    /// The default code point, and the TLS settings of the process.
    fn default() -> Self {
        Self {
            dscp: DSCP_DEFAULT,
            tls: Tls::process(),
        }
    }
}

/// A peer that has connected, whose handshake, if there is to be one, is still to be done.
#[derive(Debug)]
pub struct Incoming {
    name: String,
    kind: IncomingKind,
}

#[derive(Debug)]
enum IncomingKind {
    Ready(Stream),
    Tls(TcpStream, Arc<ServerConfig>),
}

impl Incoming {
    /// The peer's name, as logs show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stream, if there is no handshake to be waited for.
    ///
    /// # Errors
    /// There is one: see [`Incoming::establish`].
    pub fn ready(self) -> Result<Stream, Self> {
        match self.kind {
            IncomingKind::Ready(stream) => Ok(stream),
            kind => Err(Self { kind, ..self }),
        }
    }

    /// Does the handshake, its costly steps under permits of `gate`. It waits for the peer for as long as the caller does.
    ///
    /// # Errors
    /// [`NetError::Handshake`]; why is logged here.
    pub async fn establish(self, gate: &Gate) -> Result<Stream, NetError> {
        match self.kind {
            IncomingKind::Ready(stream) => Ok(stream),
            IncomingKind::Tls(socket, config) => {
                let established = tls::accept(&self.name, socket, config, gate).await?;
                Ok(Stream::from_tls(self.name, established))
            }
        }
    }
}

/// A socket that accepts streams. Dropping it closes the socket and removes a Unix socket's file.
#[derive(Debug)]
pub struct Listener {
    name: String,
    kind: ListenerKind,
    bound_port: Option<u16>,
    _file: Option<FileGuard>,
}

#[derive(Debug)]
enum ListenerKind {
    Tcp(TcpListener),
    Tls(TcpListener, Tls),
    Unix(AsyncFd<Socket>),
}

impl Listener {
    /// Listens with a passive method. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// See [`NetError`]; the cause is logged here as C logs it.
    pub async fn bind(method: &Method) -> Result<Self, NetError> {
        Self::bind_with(method, &SocketOptions::default()).await
    }

    /// Listens with a passive method and the given socket options.
    ///
    /// # Errors
    /// See [`NetError`].
    pub async fn bind_with(method: &Method, options: &SocketOptions) -> Result<Self, NetError> {
        match method.kind() {
            Kind::Ptcp(target) | Kind::Pssl(target) => bind_tcp(method, target, options).await,
            Kind::Punix(_) => bind_unix(method),
            Kind::Pfd(fd) => adopt(method, *fd, options),
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Ssl(_) => Err(NetError::WrongDirection {
                name: method.name().to_owned(),
                wanted: "listen",
            }),
        }
    }

    /// Waits for the next peer, and for the end of its handshake if it has one: for callers with one peer at a time. To be
    /// cancelled only if peers may be lost.
    ///
    /// # Errors
    /// As for [`Listener::accept_incoming`]; or "Protocol error" if the handshake failed.
    pub async fn accept(&self) -> io::Result<Stream> {
        let incoming = self.accept_incoming().await?;
        let established = incoming.establish(&Gate::default()).await;
        established.map_err(|_| tls::protocol_error())
    }

    /// Waits for the next peer. Safe to cancel.
    ///
    /// # Errors
    /// What `accept` says. An error such as "Too many open files" can come back at once, so that whoever loops over
    /// this must pause after an error. "Protocol not available": TLS is not configured, and the peer has been sent away.
    pub async fn accept_incoming(&self) -> io::Result<Incoming> {
        let stream = match &self.kind {
            ListenerKind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Stream::from_tcp(stream, peer)
            }
            ListenerKind::Tls(listener, tls) => {
                let (socket, peer) = listener.accept().await?;
                let config = tls.acceptor();
                let config = config.map_err(|_| io::Error::from(rustix::io::Errno::NOPROTOOPT))?;
                set_nodelay(&socket);
                return Ok(Incoming {
                    name: format!("ssl:{}:{}", format_ip(&peer), peer.port()),
                    kind: IncomingKind::Tls(socket, config),
                });
            }
            ListenerKind::Unix(listener) => {
                let accepted = listener.async_io(Interest::READABLE, crate::unix::accept);
                Stream::from_nonblocking_unix(accepted.await?)?
            }
        };
        Ok(Incoming {
            name: stream.name().to_owned(),
            kind: IncomingKind::Ready(stream),
        })
    }

    /// The listener's name, as logs show it: `ptcp:PORT:ADDRESS` with the port in use, or the method as written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The TCP port in use; `None` for Unix sockets.
    #[must_use]
    pub fn bound_port(&self) -> Option<u16> {
        self.bound_port
    }
}

fn bind_unix(method: &Method) -> Result<Listener, NetError> {
    let path = method.socket_path().expect("a punix method has a path");
    let fail = |source: io::Error| {
        tracing::error!(target: "stream_unix", per_minute = 1, burst = 5, "{}: binding failed: {}", path.display(), crate::errno_text(&source));
        NetError::Io {
            name: path.display().to_string(),
            what: "binding failed",
            source,
        }
    };
    // Before bind(), so that no failure and no signal leaves a file behind.
    let guard = FileGuard::new(&path);
    let socket = crate::unix::listen(&path, BACKLOG).map_err(fail)?;
    let listener = watch(socket, Interest::READABLE).map_err(fail)?;
    Ok(Listener {
        name: method.name().to_owned(),
        kind: ListenerKind::Unix(listener),
        bound_port: None,
        _file: Some(guard),
    })
}

async fn bind_tcp(
    method: &Method,
    target: &InetTarget,
    options: &SocketOptions,
) -> Result<Listener, NetError> {
    let text = match method.target() {
        "" => crate::DEFAULT_PORT.to_string(),
        text => text.to_owned(),
    };
    let address = target
        .resolve()
        .await
        .map_err(|source| match &target.host {
            // No name that somebody may give an address sooner or later.
            Some(Host::Ip(_, Some(zone))) => {
                tracing::error!(target: "socket_util", per_minute = 1, burst = 5,
                "{text}: bad IPv6 scope \"{zone}\" ({})", crate::errno_text(&source));
                NetError::Io {
                    name: text.clone(),
                    what: "scope",
                    source,
                }
            }
            _ => NetError::Unresolved {
                name: method.name().to_owned(),
                passive: true,
                source: Some(source),
            },
        })?;
    let fail = |what: &'static str| {
        let text = &text;
        move |source: io::Error| {
            tracing::error!(target: "socket_util", per_minute = 1, burst = 5,
                "{text}: {what}: {}", crate::errno_text(&source));
            NetError::Io {
                name: text.clone(),
                what,
                source,
            }
        }
    };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .map_err(fail("socket"))?;
    socket
        .set_nonblocking(true)
        .map_err(fail("set_nonblocking"))?;
    socket
        .set_reuse_address(true)
        .map_err(fail("setsockopt(SO_REUSEADDR)"))?;
    socket.bind(&address.into()).map_err(fail("bind"))?;
    set_dscp(&socket, address, options.dscp).map_err(fail("set_dscp"))?;
    socket.listen(BACKLOG).map_err(fail("listen"))?;
    let listener = TcpListener::from_std(socket.into()).map_err(fail("listen"))?;
    let bound = listener.local_addr().map_err(fail("getsockname"))?;
    if target.port == 0 {
        tracing::info!(target: "socket_util", "{text}: listening on port {}", bound.port());
    }
    let tls = method.is_tls().then(|| options.tls.clone());
    Ok(tcp_listener(listener, bound, tls))
}

fn tcp_listener(listener: TcpListener, bound: SocketAddr, tls: Option<Tls>) -> Listener {
    let (method, kind) = match tls {
        Some(tls) => ("pssl", ListenerKind::Tls(listener, tls)),
        None => ("ptcp", ListenerKind::Tcp(listener)),
    };
    Listener {
        name: format!("{method}:{}:{}", bound.port(), format_ip(&bound)),
        kind,
        bound_port: Some(bound.port()),
        _file: None,
    }
}

/// Listens on an inherited socket (systemd's socket activation). A duplicate is used, so that the socket can be taken up
/// again after the listener is gone.
fn adopt(method: &Method, fd: i32, options: &SocketOptions) -> Result<Listener, NetError> {
    let fail = |what: &'static str| {
        move |source: io::Error| {
            tracing::error!(target: "stream_fd", per_minute = 1, burst = 5, "{}: {what}: {}", method.name(), crate::errno_text(&source));
            NetError::Io {
                name: method.name().to_owned(),
                what,
                source,
            }
        }
    };
    let socket = inherited::duplicate(fd).map_err(fail("no inherited listening socket"))?;
    let socket = Socket::from(socket);
    socket
        .set_nonblocking(true)
        .map_err(fail("set_nonblocking"))?;
    if socket.domain().map_err(fail("getsockopt(SO_DOMAIN)"))? == Domain::UNIX {
        let listener = watch(socket, Interest::READABLE).map_err(fail("listen"))?;
        // The file belongs to whoever made the socket.
        return Ok(Listener {
            name: method.name().to_owned(),
            kind: ListenerKind::Unix(listener),
            bound_port: None,
            _file: None,
        });
    }
    let address = socket.local_addr().map_err(fail("getsockname"))?;
    if let Some(address) = address.as_socket() {
        set_dscp(&socket, address, options.dscp).map_err(fail("set_dscp"))?;
    }
    let listener = TcpListener::from_std(socket.into()).map_err(fail("listen"))?;
    let bound = listener.local_addr().map_err(fail("getsockname"))?;
    Ok(tcp_listener(listener, bound, None))
}

pub(crate) fn set_dscp(socket: &Socket, address: SocketAddr, dscp: u8) -> io::Result<()> {
    if dscp > 63 {
        return Err(rustix::io::Errno::INVAL.into());
    }
    let value = u32::from(dscp) << 2;
    match address {
        SocketAddr::V4(_) => socket.set_tos_v4(value),
        SocketAddr::V6(_) => socket.set_tclass_v6(value),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_code_point_is_in_the_upper_six_bits_of_the_header_field() {
        for dscp in [DSCP_DEFAULT, 0, 63] {
            let shifted = u32::from(dscp) << 2;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            set_dscp(&socket, address, dscp).expect("a code point");
            assert_eq!(socket.tos_v4().expect("an option that was set"), shifted);

            let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
            set_dscp(&socket, address, dscp).expect("a code point");
            assert_eq!(socket.tclass_v6().expect("an option that was set"), shifted);
            assert!(set_dscp(&socket, address, 64).is_err());
        }
    }
}
