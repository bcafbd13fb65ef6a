//! Handshakes: from a connected socket to a stream whose peer is known.
//!
//! What costs the processor something is done under a permit of a [`Gate`], so that a crowd that connects at once does
//! not take all threads; a peer that keeps one waiting holds none.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{NotConfigured, Tls, halves, names, protocol_error, words};
use crate::content::{Content, guess_content};
use crate::error::{NetError, errno_text};

/// First bytes of a peer that are kept, to tell what it speaks.
const HEAD_BYTES: usize = 8;

/// How many handshakes may be computed at the same time.
#[derive(Debug)]
pub struct Gate(Semaphore);

impl Gate {
    /// A gate for so many at a time, at least one.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self(Semaphore::new(permits.max(1)))
    }
}

impl Default for Gate {
    /// As many as there are.
    fn default() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }
}

/// A connection that is ready to carry data.
pub(crate) struct Established {
    pub(crate) socket: TcpStream,
    pub(crate) connection: Connection,
    /// The common name that the peer has proved to bear. Who was not asked for proof has none.
    pub(crate) client_id: Option<String>,
}

/// Waits for a client's part of the handshake.
pub(crate) async fn accept(
    name: &str,
    socket: TcpStream,
    config: Arc<ServerConfig>,
    gate: &Gate,
) -> Result<Established, NetError> {
    let connection = ServerConnection::new(config).map_err(|error| {
        tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25, "SSL_new: {error}");
        not_configured(name)
    })?;
    let connection = shake(name, "SSL_accept", &socket, connection.into(), gate).await?;
    // Clients that would not be checked are not asked for certificates.
    Ok(established(socket, connection, true))
}

/// Connects to a server over `socket`. It is asked for by the name of `host`, unless the settings say another one.
pub(crate) async fn connect(
    name: &str,
    socket: TcpStream,
    address: IpAddr,
    host: Option<&str>,
    tls: &Tls,
) -> Result<Established, NetError> {
    let dialler = tls
        .dialler()
        .map_err(|NotConfigured| not_configured(name))?;
    let server = match &dialler.server_name {
        Some(given) => ServerName::try_from(given.clone()).map_err(|error| {
            tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25,
                "{given}: failed to set server name indication ({error})");
            not_configured(name)
        })?,
        // Of addresses a server is told nothing, nor of names that are none by the rules (RFC 6066, section 3).
        None => host
            .and_then(|host| ServerName::try_from(host.to_owned()).ok())
            .unwrap_or(ServerName::IpAddress(address.into())),
    };
    let connection = ClientConnection::new(dialler.config, server).map_err(|error| {
        tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25, "SSL_new: {error}");
        not_configured(name)
    })?;
    let gate = Gate::default();
    let connection = shake(name, "SSL_connect", &socket, connection.into(), &gate).await?;
    if let Some(path) = dialler.bootstrap {
        let chain: Vec<CertificateDer<'static>> = connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|der| der.clone().into_owned())
            .collect();
        let tls = tls.clone();
        let reason = tokio::task::spawn_blocking(move || tls.bootstrap(&path, &chain));
        // The server is to find an end, no error.
        drop(halves(socket, connection));
        return Err(NetError::Handshake {
            name: name.to_owned(),
            source: reason.await.unwrap_or_else(io::Error::other),
        });
    }
    Ok(established(socket, connection, dialler.is_checked))
}

fn not_configured(name: &str) -> NetError {
    NetError::TlsNotConfigured {
        name: name.to_owned(),
    }
}

fn established(socket: TcpStream, connection: Connection, is_checked: bool) -> Established {
    let certificates = connection.peer_certificates().filter(|_| is_checked);
    let certificate = certificates.and_then(<[_]>::first);
    Established {
        client_id: certificate.and_then(|der| names::common_name(der)),
        connection,
        socket,
    }
}

/// A socket as rustls reads and writes it, which remembers what came first.
struct Wire<'a> {
    socket: &'a TcpStream,
    head: Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.socket.try_read(buffer)?;
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(buffer[..length].iter().take(missing));
        Ok(length)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.socket.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a handshake ended.
enum Failure {
    /// The peer, or what we think of it.
    Tls(rustls::Error),
    /// The peer has closed the connection.
    Closed,
    /// The system.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Does the handshake. What it fails for is logged, in the words of the reference.
async fn shake(
    name: &str,
    function: &str,
    socket: &TcpStream,
    mut connection: Connection,
    gate: &Gate,
) -> Result<Connection, NetError> {
    let mut wire = Wire {
        socket,
        head: Vec::new(),
    };
    let Err(failure) = exchange(&mut connection, &mut wire, gate).await else {
        return Ok(connection);
    };
    match &failure {
        Failure::Tls(error) => {
            tracing::warn!(target: "stream_ssl", per_minute = 10, burst = 25,
                "{function}: {}", words::of(error, &wire.head));
        }
        Failure::Closed => tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25,
            "{function}: unexpected SSL_ERROR_ZERO_RETURN"),
        Failure::Io(error) => tracing::warn!(target: "stream_ssl", per_minute = 10, burst = 25,
            "{function}: system error ({})", errno_text(error)),
    }
    let content = guess_content(&wire.head);
    // The peer is told why, if it listens and would understand it; after it has been logged, so that whoever sees the one
    // finds the other.
    if matches!(failure, Failure::Tls(_)) && content == Content::Tls {
        while connection.wants_write() && connection.write_tls(&mut wire).is_ok() {}
    }
    if !matches!(content, Content::Tls | Content::Unknown) {
        tracing::warn!(target: "stream_ssl", per_minute = 1, burst = 5,
            "{name}: received {content} data on SSL/TLS channel");
    }
    Err(NetError::Handshake {
        name: name.to_owned(),
        source: protocol_error(),
    })
}

async fn exchange(
    connection: &mut Connection,
    wire: &mut Wire<'_>,
    gate: &Gate,
) -> Result<(), Failure> {
    loop {
        while connection.wants_write() {
            match connection.write_tls(wire) {
                Ok(_) => {}
                Err(error) if is_retry(&error) => {
                    wire.socket.ready(Interest::WRITABLE).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !connection.is_handshaking() {
            return Ok(());
        }
        match connection.read_tls(wire) {
            Ok(0) => return Err(Failure::Closed),
            Ok(_) => {}
            Err(error) if is_retry(&error) => {
                wire.socket.ready(Interest::READABLE).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        // Never closed, so there is always a permit to be had in the end.
        let permit = gate.0.acquire().await;
        let processed = connection.process_new_packets();
        drop(permit);
        processed.map_err(Failure::Tls)?;
    }
}

pub(super) fn is_retry(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
