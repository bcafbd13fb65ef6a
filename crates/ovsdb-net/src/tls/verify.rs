//! Whether a peer's certificate is to be believed.
//!
//! The chain is checked, and never the name: whoever has a certificate of a trusted authority is let in, and what it may
//! do is a matter of its common name. What rustls refuses and OpenSSL takes is checked here: certificates of version 1
//! (which `openssl x509` makes without extensions), and certificates that are authorities at the same time, such as
//! self-signed ones that are trusted themselves. And what rustls takes and OpenSSL refuses: authorities whose time is over,
//! and trusted certificates that are none as issuers of others. There is no revocation.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    RootCertStore, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{FromDer, X509Version};
use x509_parser::x509::SubjectPublicKeyInfo;

/// Most certificates of an own chain.
const CHAIN_MAX: usize = 10;

/// What peers are checked against.
pub(super) struct Trust {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    /// Their names, for clients that have several certificates.
    names: Vec<DistinguishedName>,
    /// Whether peers are checked at all.
    is_checked: bool,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Trust");
        shown.field("certificates", &self.certificates.len());
        shown.field("is_checked", &self.is_checked).finish()
    }
}

impl Trust {
    /// Trust in those certificates, and in what they have issued.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let roots = roots_of(&certificates, is_authority);
        let subject = |der: &CertificateDer<'_>| {
            let (_, parsed) = X509Certificate::from_der(der).ok()?;
            Some(DistinguishedName::from(parsed.subject().as_raw().to_vec()))
        };
        Self {
            names: certificates.iter().filter_map(subject).collect(),
            roots: Arc::new(roots),
            certificates,
            is_checked: true,
        }
    }

    /// Trust in whoever comes.
    pub(super) fn everybody() -> Self {
        Self {
            certificates: Vec::new(),
            roots: Arc::new(RootCertStore::empty()),
            names: Vec::new(),
            is_checked: false,
        }
    }

    /// Whether peers are checked at all.
    pub(super) fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// The authorities that are valid now; `None` if all of them are. webpki does not ask for their dates.
    fn roots_in_force(&self, now: UnixTime) -> Option<RootCertStore> {
        let is_in_force = |certificate: &X509Certificate<'_>| check_time(certificate, now).is_ok();
        let are_all = self.certificates.iter().all(|der| {
            X509Certificate::from_der(der).is_ok_and(|(_, certificate)| is_in_force(&certificate))
        });
        (!are_all).then(|| {
            roots_of(&self.certificates, |certificate| {
                is_authority(certificate) && is_in_force(certificate)
            })
        })
    }

    /// Adds those who issued the last certificate of a chain, as far as they are known here.
    pub(super) fn complete(&self, chain: &mut Vec<CertificateDer<'static>>) {
        while chain.len() < CHAIN_MAX {
            let Some((_, last)) = chain
                .last()
                .and_then(|der| X509Certificate::from_der(der).ok())
            else {
                return;
            };
            let is_issuer = |der: &&CertificateDer<'static>| {
                X509Certificate::from_der(der)
                    .is_ok_and(|(_, issuer)| issuer.subject().as_raw() == last.issuer().as_raw())
            };
            match self.certificates.iter().find(is_issuer) {
                Some(issuer) if !chain.contains(issuer) => {
                    let issuer = issuer.clone();
                    chain.push(issuer);
                }
                _ => return,
            }
        }
    }

    /// Checks a certificate of which rustls knows no use: of version 1, one of an authority, or one that is trusted itself
    /// and signed by itself. It must be that, or have been issued by an authority that is trusted. `None` for other
    /// certificates.
    fn check_unusual(
        &self,
        der: &CertificateDer<'_>,
        now: UnixTime,
        is_client: bool,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Option<Result<(), Error>> {
        let Ok((_, leaf)) = X509Certificate::from_der(der) else {
            return Some(Err(CertificateError::BadEncoding.into()));
        };
        if leaf.version() != X509Version::V1 && !leaf.is_ca() && !self.is_trusted_itself(der, &leaf)
        {
            return None;
        }
        let checked = self.check_simple(der, &leaf, now, is_client, algorithms);
        Some(checked.map_err(Error::from))
    }

    /// The reason for which a certificate is refused: that nobody knows its issuer comes before its dates.
    fn refine(
        &self,
        error: Error,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Error {
        let is_about_dates = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            )
        );
        if is_about_dates && !self.knows_issuer(der, intermediates) {
            CertificateError::UnknownIssuer.into()
        } else {
            error
        }
    }

    /// Whether a chain, by its names, ends with one that is trusted.
    fn knows_issuer(&self, der: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
        let mut der = der;
        for _ in 0..CHAIN_MAX {
            let Ok((_, certificate)) = X509Certificate::from_der(der) else {
                return false;
            };
            let is_issuer = |der: &&CertificateDer<'_>| {
                X509Certificate::from_der(der).is_ok_and(|(_, issuer)| {
                    issuer.subject().as_raw() == certificate.issuer().as_raw()
                })
            };
            if self.certificates.iter().any(|trusted| is_issuer(&trusted)) {
                return true;
            }
            match intermediates.iter().find(is_issuer) {
                Some(next) if next != der => der = next,
                _ => return false,
            }
        }
        false
    }

    /// Whether a certificate is signed by itself and among those that are trusted.
    fn is_trusted_itself(&self, der: &CertificateDer<'_>, leaf: &X509Certificate<'_>) -> bool {
        is_self_issued(leaf) && self.certificates.iter().any(|trusted| trusted == der)
    }

    fn check_simple(
        &self,
        der: &CertificateDer<'_>,
        leaf: &X509Certificate<'_>,
        now: UnixTime,
        is_client: bool,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), CertificateError> {
        let is_valid = || check_use(leaf, is_client).and_then(|()| check_time(leaf, now));
        if self.is_trusted_itself(der, leaf) {
            return is_valid();
        }
        let mut outcome = CertificateError::UnknownIssuer;
        for trusted in &self.certificates {
            let Ok((_, issuer)) = X509Certificate::from_der(trusted) else {
                continue;
            };
            if issuer.subject().as_raw() != leaf.issuer().as_raw() || !may_issue(&issuer) {
                continue;
            }
            let checked = check_time(&issuer, now)
                .and_then(|()| check_issued(der, leaf, issuer.public_key(), algorithms));
            match checked {
                Ok(()) => return is_valid(),
                Err(error) => outcome = error,
            }
        }
        Err(outcome)
    }
}

/// Those of some certificates of which something is true, as far as webpki can use them as authorities. It does not ask
/// whether they are any.
fn roots_of(
    certificates: &[CertificateDer<'static>],
    is_wanted: impl Fn(&X509Certificate<'_>) -> bool,
) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let is_wanted = |der: &&CertificateDer<'static>| {
        X509Certificate::from_der(der).is_ok_and(|(_, certificate)| is_wanted(&certificate))
    };
    // What webpki cannot use as an authority may still be somebody's own certificate.
    roots.add_parsable_certificates(certificates.iter().filter(is_wanted).cloned());
    roots
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether a certificate is that of an authority. Somebody's own that is trusted is none: who has its key would make
/// others believe in any name.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let may_sign = match certificate.key_usage() {
        Ok(usage) => usage.map(|usage| usage.value.key_cert_sign()),
        Err(_) => return false,
    };
    if may_sign == Some(false) {
        return false;
    }
    match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        // Before there were extensions, whoever had signed itself was one. Later some said only what their keys are for.
        Ok(None) => {
            let is_old = certificate.version() == X509Version::V1 && is_self_issued(certificate);
            is_old || may_sign == Some(true)
        }
        Err(_) => false,
    }
}

/// Whether a certificate is that of an authority, one without restrictions that would have to be checked.
fn may_issue(issuer: &X509Certificate<'_>) -> bool {
    is_authority(issuer) && matches!(issuer.name_constraints(), Ok(None))
}

/// A purpose that is stated must be the one at hand, and nothing may be demanded that is not understood here.
fn check_use(leaf: &X509Certificate<'_>, is_client: bool) -> Result<(), CertificateError> {
    match leaf.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if is_client && usage.value.client_auth => {}
        Ok(Some(usage)) if !is_client && usage.value.server_auth => {}
        Ok(Some(_)) => return Err(CertificateError::InvalidPurpose),
        Err(_) => return Err(CertificateError::BadEncoding),
    }
    match leaf.key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.digital_signature() => {}
        Ok(Some(_)) => return Err(CertificateError::InvalidPurpose),
        Err(_) => return Err(CertificateError::BadEncoding),
    }
    // Basic constraints, key usage, extended key usage, alternative name.
    const UNDERSTOOD: [&str; 4] = ["2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17"];
    let is_strange = |oid: String| !UNDERSTOOD.contains(&oid.as_str());
    let mut extensions = leaf.extensions().iter();
    if extensions.any(|extension| extension.critical && is_strange(extension.oid.to_id_string())) {
        return Err(CertificateError::UnhandledCriticalExtension);
    }
    Ok(())
}

fn check_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet)
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

fn check_issued(
    der: &[u8],
    leaf: &X509Certificate<'_>,
    issuer: &SubjectPublicKeyInfo<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), CertificateError> {
    // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue } (RFC 5280, section 4.1).
    let (body, _) = der_value(der).ok_or(CertificateError::BadEncoding)?;
    let (_, after) = der_value(body).ok_or(CertificateError::BadEncoding)?;
    let (algorithm, _) = der_value(after).ok_or(CertificateError::BadEncoding)?;
    let fitting: Vec<_> = algorithms
        .all
        .iter()
        .filter(|known| known.signature_alg_id().as_ref() == algorithm)
        .copied()
        .collect();
    let signed = leaf.tbs_certificate.as_ref();
    if is_signed(issuer, &fitting, signed, &leaf.signature_value.data) {
        Ok(())
    } else {
        Err(CertificateError::BadSignature)
    }
}

/// Whether one of those algorithms finds that the key has signed the message.
fn is_signed(
    key: &SubjectPublicKeyInfo<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    signature: &[u8],
) -> bool {
    // SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey } (RFC 5280, section 4.1).
    let kind = der_value(key.raw).and_then(|(body, _)| der_value(body));
    let Some((kind, _)) = kind else {
        return false;
    };
    algorithms
        .iter()
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == kind)
        .any(|algorithm| {
            algorithm
                .verify_signature(&key.subject_public_key.data, message, signature)
                .is_ok()
        })
}

/// The contents of the first DER value of `bytes`, and what follows it.
fn der_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(digits)?;
        let length = digits
            .iter()
            .fold(0, |length, digit| length << 8 | usize::from(*digit));
        (length, rest)
    };
    rest.split_at_checked(length)
}

/// Checks that the peer has the key of its certificate, also of one that rustls does not read.
fn check_possession(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
    is_tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let mut fitting = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == signed.scheme)
        .map(|(_, fitting)| *fitting);
    let fitting = fitting.next().unwrap_or_default();
    // TLS 1.3 binds a scheme to one curve, and knows no PKCS #1 signatures (RFC 8446, section 4.2.3).
    let fitting = match fitting {
        [first, ..] if is_tls13 => std::slice::from_ref(first),
        all => all,
    };
    let is_allowed = !is_tls13
        || !matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
                | SignatureScheme::RSA_PKCS1_SHA1
                | SignatureScheme::ECDSA_SHA1_Legacy
        );
    if fitting.is_empty() || !is_allowed {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    if is_signed(parsed.public_key(), fitting, message, signed.signature()) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}

/// Checks clients.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    trust: Arc<Trust>,
    /// `None` if there is no authority that it could use.
    usual: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub(super) fn new(trust: Arc<Trust>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            usual: usual_verifier(trust.roots.clone(), &provider),
            algorithms: provider.signature_verification_algorithms,
            provider,
            trust,
        }
    }

    /// Checks a certificate as rustls does it, and the dates of its authority.
    fn check_usual(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let unknown = || Error::from(CertificateError::UnknownIssuer);
        let usual = self.usual.as_ref().ok_or_else(unknown)?;
        usual.verify_client_cert(end_entity, intermediates, now)?;
        let Some(in_force) = self.trust.roots_in_force(now) else {
            return Ok(());
        };
        usual_verifier(Arc::new(in_force), &self.provider)
            .and_then(|usual| {
                usual
                    .verify_client_cert(end_entity, intermediates, now)
                    .ok()
            })
            .map(drop)
            .ok_or_else(|| CertificateError::Expired.into())
    }
}

/// `None` if there is no authority that it could use.
fn usual_verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let usual = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    usual.build().ok()
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.trust.is_checked
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.trust.names
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let usual = self.check_usual(end_entity, intermediates, now);
        usual.or_else(|error| {
            let unusual = self
                .trust
                .check_unusual(end_entity, now, true, &self.algorithms);
            unusual.unwrap_or_else(|| Err(self.trust.refine(error, end_entity, intermediates)))
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_possession(message, cert, dss, &self.algorithms, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_possession(message, cert, dss, &self.algorithms, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Arc<Trust>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(super) fn new(trust: Arc<Trust>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            trust,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.trust.is_checked {
            return Ok(ServerCertVerified::assertion());
        }
        let usual = ParsedCertificate::try_from(end_entity).and_then(|parsed| {
            let verify = |roots: &RootCertStore| {
                let algorithms = self.algorithms.all;
                verify_server_cert_signed_by_trust_anchor(
                    &parsed,
                    roots,
                    intermediates,
                    now,
                    algorithms,
                )
            };
            verify(&self.trust.roots)?;
            match self.trust.roots_in_force(now) {
                Some(in_force) => verify(&in_force).map_err(|_| CertificateError::Expired.into()),
                None => Ok(()),
            }
        });
        usual.or_else(|error| {
            let unusual = self
                .trust
                .check_unusual(end_entity, now, false, &self.algorithms);
            unusual.unwrap_or_else(|| Err(self.trust.refine(error, end_entity, intermediates)))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_possession(message, cert, dss, &self.algorithms, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_possession(message, cert, dss, &self.algorithms, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
