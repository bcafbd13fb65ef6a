//! Configurations of rustls, made of the settings in force.
//!
//! The provider of cryptography is given explicitly: a library installs nothing for the whole process.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use super::NotConfigured;
use super::ciphers::{Ciphers, Ciphersuites};
use super::protocols::Protocols;
use super::verify::{ClientVerifier, ServerVerifier, Trust};

/// Settings that make a configuration.
pub(super) struct Parts<'a> {
    pub(super) identity: &'a Arc<CertifiedKey>,
    /// What peers are checked against; `None` if nobody can be.
    pub(super) trust: Option<&'a Arc<Trust>>,
    /// Whether servers are believed, because there is nothing to check them against yet.
    pub(super) is_bootstrapping: bool,
    pub(super) peer_ca: &'a [CertificateDer<'static>],
    pub(super) protocols: &'a Protocols,
    pub(super) ciphers: &'a Ciphers,
    pub(super) ciphersuites: &'a Ciphersuites,
}

impl Parts<'_> {
    /// What to accept connections with.
    pub(super) fn acceptor(&self) -> Result<ServerConfig, NotConfigured> {
        let (provider, versions) = self.provider()?;
        let verifier = ClientVerifier::new(self.trust(), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(not_configured)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(self.identity());
        // A session that is resumed would not show its certificate to what has come to be trusted since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.ignore_client_order = false;
        Ok(config)
    }

    /// What to connect with.
    pub(super) fn dialler(&self) -> Result<ClientConfig, NotConfigured> {
        let (provider, versions) = self.provider()?;
        let trust = if self.is_bootstrapping {
            Arc::new(Trust::everybody())
        } else {
            self.trust()
        };
        let verifier = ServerVerifier::new(trust, provider.clone());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(not_configured)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(self.identity());
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Nobody is trusted if it is not known who.
    fn trust(&self) -> Arc<Trust> {
        self.trust
            .cloned()
            .unwrap_or_else(|| Arc::new(Trust::new(Vec::new())))
    }

    /// The cryptography and the versions of the protocol for which there is any.
    fn provider(
        &self,
    ) -> Result<(Arc<CryptoProvider>, Vec<&'static SupportedProtocolVersion>), NotConfigured> {
        let newer = self.ciphersuites.suites();
        let cipher_suites: Vec<_> = newer.chain(self.ciphers.suites()).collect();
        let has_suite = |version: &&SupportedProtocolVersion| {
            cipher_suites
                .iter()
                .any(|suite| suite.version().version == version.version)
        };
        let mut versions: Vec<_> = self.protocols.versions().filter(has_suite).collect();
        // The newest is preferred.
        versions.reverse();
        if versions.is_empty() {
            tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25,
                "no cipher is left for the SSL/TLS protocols that are enabled");
            return Err(NotConfigured);
        }
        let provider = CryptoProvider {
            cipher_suites,
            ..ring::default_provider()
        };
        Ok((Arc::new(provider), versions))
    }

    /// Own key, and the certificates to be shown: one's own, those that stand beside it in its file, and those of
    /// `--peer-ca-cert`. If there are none of these, the issuers in the file of the authorities, as OpenSSL does it: a
    /// peer that does not know them yet can come to trust the last one.
    fn identity(&self) -> Arc<SingleCertAndKey> {
        let mut chain = self.identity.cert.clone();
        if self.peer_ca.is_empty() {
            if let Some(trust) = self.trust {
                trust.complete(&mut chain);
            }
        } else {
            chain.extend_from_slice(self.peer_ca);
        }
        let pair = CertifiedKey::new(chain, self.identity.key.clone());
        Arc::new(SingleCertAndKey::from(pair))
    }
}

fn not_configured(error: rustls::Error) -> NotConfigured {
    tracing::error!(target: "stream_ssl", per_minute = 10, burst = 25, "SSL_CTX_new: {error}");
    NotConfigured
}
