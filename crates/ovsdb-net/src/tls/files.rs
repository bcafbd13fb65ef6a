//! The files of TLS: read when they change, and what was last good kept when they cannot be.
//!
//! Each trouble is logged once for a state of the file, in the words of the reference, with the file's name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::verify::Trust;
use super::{CaFile, names, protocol_error};
use crate::error::errno_text;

/// Most bytes of such a file. More than that is no file of certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long a key and a certificate that do not match may be on their way to being replaced together.
const REPLACEMENT: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    device: u64,
    inode: u64,
}

/// A file, and the state in which it was last looked at.
#[derive(Debug, Default)]
struct Watched {
    path: Option<PathBuf>,
    /// `None` if there was no such file.
    stamp: Option<Stamp>,
}

impl Watched {
    /// Whether `path` is another file than before, or its state is another.
    fn is_changed(&mut self, path: &Path) -> bool {
        let stamp = fs::metadata(path).ok().map(|data| Stamp {
            modified: (data.mtime(), data.mtime_nsec()),
            size: data.size(),
            device: data.dev(),
            inode: data.ino(),
        });
        let is_changed = self.path.as_deref() != Some(path) || self.stamp != stamp;
        if is_changed {
            self.path = Some(path.to_owned());
            self.stamp = stamp;
        }
        is_changed
    }
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{}", errno_text(.0))]
    Io(#[from] io::Error),
    #[error("not a regular file")]
    NotRegular,
    #[error("file is too long")]
    TooLong,
    #[error("no start line")]
    Empty,
    #[error("{0}")]
    Pem(pem::Error),
    #[error("not a certificate")]
    NotACertificate,
    #[error("{0}")]
    Key(rustls::Error),
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    // A device might never end, and a pipe keep everybody waiting. Names may come from a database.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong);
    }
    Ok(text)
}

fn pem_error(error: pem::Error) -> FileError {
    match error {
        pem::Error::NoItemsFound => FileError::Empty,
        error => FileError::Pem(error),
    }
}

/// All certificates of a file, at least one.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem_error)?;
    if certificates.is_empty() {
        return Err(FileError::Empty);
    }
    let is_certificate = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
    };
    if certificates.iter().all(is_certificate) {
        Ok(certificates)
    } else {
        Err(FileError::NotACertificate)
    }
}

/// Own key and certificate.
#[derive(Debug, Default)]
pub(super) struct PairFiles {
    key: Watched,
    certificate: Watched,
    is_key_read: bool,
    is_certificate_read: bool,
    /// Since when the files are seen not to match, until that has been logged.
    mismatch: Option<Instant>,
    identity: Option<Arc<CertifiedKey>>,
}

impl PairFiles {
    /// Whether there has been a key.
    pub(super) fn is_key_read(&self) -> bool {
        self.is_key_read
    }

    /// Whether there has been a certificate.
    pub(super) fn is_certificate_read(&self) -> bool {
        self.is_certificate_read
    }

    /// The last key and certificate that matched.
    pub(super) fn identity(&self) -> Option<&Arc<CertifiedKey>> {
        self.identity.as_ref()
    }

    /// Reads both again if either has changed; true if there is another pair.
    pub(super) fn refresh(&mut self, key: Option<&Path>, certificate: Option<&Path>) -> bool {
        let is_new_key = key.is_some_and(|path| self.key.is_changed(path));
        let is_new_certificate = certificate.is_some_and(|path| self.certificate.is_changed(path));
        if !is_new_key && !is_new_certificate {
            self.report_mismatch();
            return false;
        }
        let key = key.map(|path| {
            let read = read(path).and_then(|text| {
                let der = PrivateKeyDer::from_pem_slice(&text).map_err(pem_error)?;
                ring::sign::any_supported_type(&der).map_err(FileError::Key)
            });
            if let Err(error) = &read
                && is_new_key
            {
                tracing::error!(target: "stream_ssl", "SSL_use_PrivateKey_file: {}: {error}", path.display());
            }
            read
        });
        let certificate = certificate.map(|path| {
            let read = read_certificates(path);
            if let Err(error) = &read
                && is_new_certificate
            {
                tracing::error!(target: "stream_ssl", "SSL_use_certificate_file: {}: {error}", path.display());
            }
            read
        });
        self.is_key_read |= matches!(key, Some(Ok(_)));
        self.is_certificate_read |= matches!(certificate, Some(Ok(_)));
        self.mismatch = None;
        let (Some(Ok(key)), Some(Ok(chain))) = (key, certificate) else {
            return false;
        };
        let pair = CertifiedKey::new(chain, key);
        if matches_key(&pair) {
            self.identity = Some(Arc::new(pair));
            return true;
        }
        // Whoever replaces both does one before the other.
        self.mismatch = Some(Instant::now());
        false
    }

    fn report_mismatch(&mut self) {
        if self
            .mismatch
            .is_some_and(|since| since.elapsed() >= REPLACEMENT)
        {
            self.mismatch = None;
            let path = |file: &Watched| file.path.clone().unwrap_or_default();
            tracing::error!(target: "stream_ssl",
                "Private key does not match certificate public key: {}, {}",
                path(&self.key).display(), path(&self.certificate).display());
        }
    }
}

/// Whether a key is that of the certificate, also of one of which rustls does not know the version.
fn matches_key(pair: &CertifiedKey) -> bool {
    let Some(key) = pair.key.public_key() else {
        return false;
    };
    let leaf = pair
        .cert
        .first()
        .and_then(|der| X509Certificate::from_der(der).ok());
    leaf.is_some_and(|(_, leaf)| leaf.public_key().raw == key.as_ref())
}

/// A file of certificates to be shown besides one's own.
#[derive(Debug, Default)]
pub(super) struct ChainFile {
    file: Watched,
    certificates: Vec<CertificateDer<'static>>,
}

impl ChainFile {
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Reads the file again if it has changed; true if there are other certificates.
    pub(super) fn refresh(&mut self, path: Option<&Path>) -> bool {
        let Some(path) = path.filter(|path| self.file.is_changed(path)) else {
            return false;
        };
        match read_certificates(path) {
            Ok(certificates) => {
                self.certificates = certificates;
                true
            }
            Err(FileError::Io(error)) => {
                tracing::error!(target: "stream_ssl", "failed to open {} for reading: {}", path.display(), errno_text(&error));
                false
            }
            Err(error) => {
                tracing::error!(target: "stream_ssl", "PEM_read_X509 failed reading {}: {error}", path.display());
                false
            }
        }
    }
}

/// The certificates that peers are checked against.
#[derive(Debug, Default)]
pub(super) struct AuthorityFile {
    setting: Option<CaFile>,
    file: Watched,
    trust: Option<Arc<Trust>>,
    /// The file that the certificate of the first server is to be written to.
    bootstrap: Option<PathBuf>,
}

impl AuthorityFile {
    /// What peers are checked against; `None` if nobody can be.
    pub(super) fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    /// Where the certificate of the first server is to be written, while there is none.
    pub(super) fn bootstrap(&self) -> Option<&Path> {
        self.bootstrap.as_deref()
    }

    /// Whether what servers show is checked.
    pub(super) fn is_checked(&self) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.is_checked())
    }

    /// Whether connections may be tried.
    pub(super) fn is_usable(&self) -> bool {
        self.trust.is_some() || self.bootstrap.is_some()
    }

    /// Reads the file again if it has changed; true if there is something else to check against.
    pub(super) fn refresh(&mut self, setting: Option<&CaFile>) -> bool {
        let Some(setting) = setting else {
            return false;
        };
        let is_new = self.setting.as_ref() != Some(setting);
        let mut has_ended = false;
        if is_new {
            // Who is told to check peers believes nobody any more only because it was told so before, also if there
            // turns out to be nothing to check them against.
            let was_off = self.setting == Some(CaFile::Disabled);
            has_ended = self.bootstrap.take().is_some() || was_off;
            if was_off {
                self.trust = None;
            }
            self.setting = Some(setting.clone());
        }
        let (path, may_bootstrap) = match setting {
            CaFile::Verify(path) => (path, false),
            CaFile::Bootstrap(path) => (path, true),
            CaFile::Disabled => {
                if is_new {
                    tracing::warn!(target: "stream_ssl",
                        "Peer certificate validation disabled (this is a security risk)");
                    self.trust = Some(Arc::new(Trust::everybody()));
                    self.bootstrap = None;
                    self.file = Watched::default();
                }
                return is_new;
            }
        };
        if !self.file.is_changed(path) && !is_new {
            return false;
        }
        match read_certificates(path) {
            Ok(certificates) => {
                self.trust = Some(Arc::new(Trust::new(certificates)));
                self.bootstrap = None;
                true
            }
            // Who has lost the file of those it trusts does not take to believing anybody.
            Err(FileError::Io(error))
                if may_bootstrap
                    && error.kind() == io::ErrorKind::NotFound
                    && self.trust.is_none() =>
            {
                let bootstrap = Some(path.clone());
                std::mem::replace(&mut self.bootstrap, bootstrap.clone()) != bootstrap || has_ended
            }
            Err(error) => {
                tracing::error!(target: "stream_ssl", "failed to load client certificates from {}: {error}", path.display());
                has_ended
            }
        }
    }
}

/// Writes the certificate at the end of a chain to a file that does not exist yet, as one that is trusted from now on.
///
/// # Errors
/// What programs print for the reason; the cause is logged.
pub(super) fn write_authority(path: &Path, chain: &[CertificateDer<'_>]) -> io::Result<()> {
    let Some(last) = chain.last() else {
        tracing::error!(target: "stream_ssl", "could not bootstrap CA cert: no certificate presented by peer");
        return Err(protocol_error());
    };
    let Ok((_, certificate)) = X509Certificate::from_der(last) else {
        tracing::error!(target: "stream_ssl", "could not bootstrap CA cert: the peer's certificate cannot be read");
        return Err(protocol_error());
    };
    if certificate.subject().as_raw() != certificate.issuer().as_raw() {
        tracing::error!(target: "stream_ssl",
            "could not bootstrap CA cert: obtained certificate is not self-signed (subject issuer mismatch)");
        if chain.len() < 2 {
            tracing::error!(target: "stream_ssl",
                "only one certificate was received, so probably the peer is not configured to send its CA certificate");
        }
        return Err(protocol_error());
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o444).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tracing::info!(target: "stream_ssl", "reading CA cert {} created by another process", path.display());
            return Err(protocol_error());
        }
        Err(error) => {
            tracing::error!(target: "stream_ssl",
                "could not bootstrap CA cert: creating {} failed: {}", path.display(), errno_text(&error));
            return Err(error);
        }
    };
    if let Err(error) = file.write_all(pem_text(last).as_bytes()) {
        tracing::error!(target: "stream_ssl",
            "could not bootstrap CA cert: writing {} failed: {}", path.display(), errno_text(&error));
        // It was made a moment ago, and half of it helps nobody.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    tracing::info!(target: "stream_ssl", "successfully bootstrapped CA cert to {}", path.display());
    tracing::info!(target: "stream_ssl", "Trusting CA cert from {} ({}) (fingerprint {})",
        path.display(), names::subject(&certificate), names::fingerprint(last));
    Ok(())
}

/// A certificate as PEM (RFC 7468, section 5).
fn pem_text(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes make a line of 64 characters.
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group
                .iter()
                .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - group.len()));
            for place in 0..4 {
                if place <= group.len() {
                    let digit = (bits >> (18 - 6 * place)) & 0x3f;
                    text.push(char::from(DIGITS[digit as usize]));
                } else {
                    text.push('=');
                }
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_pem_is_read_back() {
        for length in [0, 1, 2, 3, 47, 48, 49, 1000] {
            let der: Vec<u8> = (0..length).map(|n: usize| (n * 7) as u8).collect();
            let read = CertificateDer::from_pem_slice(pem_text(&der).as_bytes());
            assert_eq!(read.expect("it is PEM").as_ref(), der, "{length}");
        }
    }
}
