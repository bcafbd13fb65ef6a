//! TLS: the settings of a process, and the configurations that connections are made with.
//!
//! [`Tls`] holds what the options `--private-key`, `--certificate`, `--ca-cert` and the rest say, and watches the files
//! they name. A setting that cannot be used never weakens what is in force: it is logged once, and the last good one
//! stays. Sessions are never resumed, so that each peer shows its certificate anew. Private keys are shown nowhere.

mod ciphers;
mod config;
mod files;
mod handshake;
mod names;
mod protocols;
mod stream;
mod verify;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};

use self::ciphers::{Ciphers, Ciphersuites};
use self::files::{AuthorityFile, ChainFile, PairFiles};
use self::protocols::Protocols;
use crate::error::NetError;

pub use self::handshake::Gate;
pub(crate) use self::handshake::{Established, accept, connect};
pub(crate) use self::stream::{TlsRead, TlsWrite, halves, move_here};

/// Where the certificates are that peers are checked against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CaFile {
    /// A file of certificates.
    Verify(PathBuf),
    /// Likewise; as long as it does not exist, the first server to be connected to is believed, and the certificate at
    /// the end of its chain is written there.
    Bootstrap(PathBuf),
    /// Nowhere: peers are believed whatever they show (a security risk), and clients are not asked for certificates.
    Disabled,
}

impl CaFile {
    /// What `--ca-cert=VALUE` means, or `--bootstrap-ca-cert=VALUE`: the word `none` switches the check off.
    #[must_use]
    pub fn from_option(value: &str, bootstrap: bool) -> Self {
        match value {
            "none" => Self::Disabled,
            path if bootstrap => Self::Bootstrap(path.into()),
            path => Self::Verify(path.into()),
        }
    }
}

/// Settings of TLS; `None` keeps what is in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSettings {
    /// The file with the private key.
    pub private_key: Option<PathBuf>,
    /// The file with the certificate of that key, and maybe with those of its issuers.
    pub certificate: Option<PathBuf>,
    /// The certificates that peers are checked against.
    pub ca: Option<CaFile>,
    /// A file with certificates to be shown to peers besides one's own.
    pub peer_ca: Option<PathBuf>,
    /// Versions of the protocol: `TLSv1.2+`, `TLSv1.2-TLSv1.3`, or a list.
    pub protocols: Option<String>,
    /// Ciphers of TLS 1.2, as OpenSSL writes lists of them.
    pub ciphers: Option<String>,
    /// Ciphersuites of TLS 1.3.
    pub ciphersuites: Option<String>,
    /// The name that servers are told they are asked for, instead of the host's.
    pub server_name: Option<String>,
}

/// The parts of [`TlsSettings`] that are missing, so that no connection can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotConfigured;

/// What a connection to a server is made with.
pub(crate) struct Dialler {
    pub(crate) config: Arc<ClientConfig>,
    /// Told to the server instead of the host's name.
    pub(crate) server_name: Option<String>,
    /// Whether the server is believed, and where to write what it shows.
    pub(crate) bootstrap: Option<PathBuf>,
    /// Whether what the server shows is checked.
    pub(crate) is_checked: bool,
}

/// The TLS settings of a process, or of a part of it in tests. Clones share them.
#[derive(Clone, Default)]
pub struct Tls(Arc<Mutex<State>>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

#[derive(Default)]
struct State {
    settings: TlsSettings,
    pair: PairFiles,
    authority: AuthorityFile,
    peer_ca: ChainFile,
    protocols: Protocols,
    ciphers: Ciphers,
    ciphersuites: Ciphersuites,
    acceptor: Option<Arc<ServerConfig>>,
    dialler: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// Settings with nothing in force: connections cannot be made with them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The settings of the process, which connections use that are given no others.
    #[must_use]
    pub fn process() -> Self {
        static PROCESS: LazyLock<Tls> = LazyLock::new(Tls::default);
        PROCESS.clone()
    }

    /// Brings settings into force and looks at the files they name, and at those named before. What is wrong is logged,
    /// each trouble once.
    pub fn set(&self, settings: TlsSettings) {
        let mut state = self.lock();
        state.set(settings);
        state.refresh();
    }

    /// What to accept connections with. Files that have changed are read again first.
    pub(crate) fn acceptor(&self) -> Result<Arc<ServerConfig>, NotConfigured> {
        let mut state = self.lock();
        state.refresh();
        if let Some(config) = &state.acceptor {
            return Ok(config.clone());
        }
        state.check()?;
        let config = Arc::new(state.parts()?.acceptor()?);
        state.acceptor = Some(config.clone());
        Ok(config)
    }

    /// What to connect with. Files that have changed are read again first.
    pub(crate) fn dialler(&self) -> Result<Dialler, NotConfigured> {
        let mut state = self.lock();
        state.refresh();
        let config = match &state.dialler {
            Some(config) => config.clone(),
            None => {
                state.check()?;
                let config = Arc::new(state.parts()?.dialler()?);
                state.dialler = Some(config.clone());
                config
            }
        };
        Ok(Dialler {
            config,
            server_name: state.settings.server_name.clone(),
            bootstrap: state.authority.bootstrap().map(Path::to_owned),
            is_checked: state.authority.is_checked(),
        })
    }

    /// Finds out whether connections can be made to servers; what is missing is logged.
    pub(crate) fn check_dialler(&self, name: &str) -> Result<(), NetError> {
        let checked = self.dialler();
        checked
            .map(drop)
            .map_err(|NotConfigured| NetError::TlsNotConfigured {
                name: name.to_owned(),
            })
    }

    /// Comes to trust the last certificate that a server has shown that was believed. The connection is of no use
    /// either way: its peer is checked the next time.
    ///
    /// # Errors
    /// What programs print for the reason in parentheses: it is the system's, if the file cannot be written.
    pub(crate) fn bootstrap(&self, path: &Path, chain: &[CertificateDer<'_>]) -> std::io::Error {
        let mut state = self.lock();
        if state.authority.bootstrap() != Some(path) {
            tracing::info!(target: "stream_ssl", "rejecting SSL/TLS connection during bootstrap race window");
            return protocol_error();
        }
        let outcome = files::write_authority(path, chain);
        state.refresh();
        match outcome {
            Ok(()) => {
                tracing::info!(target: "stream_ssl", "killing successful connection to retry using CA cert");
                protocol_error()
            }
            Err(error) => error,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each step leaves the settings usable, so that a panic elsewhere is no reason to refuse connections.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What programs print as "Protocol error".
pub(crate) fn protocol_error() -> std::io::Error {
    rustix::io::Errno::PROTO.into()
}

impl State {
    fn set(&mut self, new: TlsSettings) {
        let old = &mut self.settings;
        let replace = |old: &mut Option<PathBuf>, new: Option<PathBuf>| {
            if new.is_some() {
                *old = new;
            }
        };
        replace(&mut old.private_key, new.private_key);
        replace(&mut old.certificate, new.certificate);
        replace(&mut old.peer_ca, new.peer_ca);
        if new.ca.is_some() {
            old.ca = new.ca;
        }
        if new.server_name.is_some() {
            old.server_name = new.server_name;
        }
        let mut is_changed = false;
        if let Some(text) = changed(&mut old.protocols, new.protocols) {
            is_changed |= self.protocols.set(text);
        }
        if let Some(text) = changed(&mut old.ciphers, new.ciphers) {
            is_changed |= self.ciphers.set(text);
        }
        if let Some(text) = changed(&mut old.ciphersuites, new.ciphersuites) {
            is_changed |= self.ciphersuites.set(text);
        }
        if is_changed {
            self.forget_configurations();
        }
    }

    /// Reads files again that have changed.
    fn refresh(&mut self) {
        let settings = &self.settings;
        let key = settings.private_key.as_deref();
        let certificate = settings.certificate.as_deref();
        let changed = [
            self.pair.refresh(key, certificate),
            self.authority.refresh(settings.ca.as_ref()),
            self.peer_ca.refresh(settings.peer_ca.as_deref()),
        ];
        if changed.contains(&true) {
            self.forget_configurations();
        }
    }

    fn forget_configurations(&mut self) {
        self.acceptor = None;
        self.dialler = None;
    }

    /// Says what is missing, as the reference does for each connection.
    fn check(&self) -> Result<(), NotConfigured> {
        let need = |is_there: bool, what: &str| {
            if !is_there {
                tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25, "{what}");
            }
            is_there
        };
        let has_files = [
            need(
                self.pair.is_key_read(),
                "Private key must be configured to use SSL",
            ),
            need(
                self.pair.is_certificate_read(),
                "Certificate must be configured to use SSL",
            ),
            need(
                self.authority.is_usable(),
                "CA certificate must be configured to use SSL",
            ),
        ];
        let is_complete = !has_files.contains(&false)
            && need(
                self.pair.identity().is_some(),
                "Private key does not match certificate public key",
            );
        is_complete.then_some(()).ok_or(NotConfigured)
    }

    fn parts(&self) -> Result<config::Parts<'_>, NotConfigured> {
        Ok(config::Parts {
            identity: self.pair.identity().ok_or(NotConfigured)?,
            trust: self.authority.trust(),
            is_bootstrapping: self.authority.bootstrap().is_some(),
            peer_ca: self.peer_ca.certificates(),
            protocols: &self.protocols,
            ciphers: &self.ciphers,
            ciphersuites: &self.ciphersuites,
        })
    }
}

/// Stores what is new, and returns it.
fn changed(old: &mut Option<String>, new: Option<String>) -> Option<&str> {
    let is_new = new.is_some() && *old != new;
    if is_new {
        *old = new;
    }
    old.as_deref().filter(|_| is_new)
}
