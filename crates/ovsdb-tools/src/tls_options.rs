//! The options of TLS, which server and clients share.
//!
//! What they say is kept as text: to a server it may name a column of a database.

use ovsdb_daemon::options::{Arg, Spec};
use ovsdb_net::{CaFile, TlsSettings};
use ovsdb_server::tls::TlsSources;

/// One option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `-p`, `--private-key`.
    PrivateKey,
    /// `-c`, `--certificate`.
    Certificate,
    /// `-C`, `--ca-cert`.
    CaCert,
    /// `--bootstrap-ca-cert`.
    BootstrapCaCert,
    /// `--peer-ca-cert`.
    PeerCaCert,
    /// `--ssl-protocols`.
    Protocols,
    /// `--ssl-ciphers`.
    Ciphers,
    /// `--ssl-ciphersuites`.
    Ciphersuites,
    /// `--ssl-server-name`.
    ServerName,
}

/// The heading of [`FILES`].
pub const FILES_TITLE: &str = "PKI configuration (required to use SSL/TLS)";

/// Keys and certificates.
pub const FILES: &[Spec<Opt>] = &[
    Spec::both(
        Opt::PrivateKey,
        "private-key",
        'p',
        Arg::Required("FILE"),
        "file with private key",
    ),
    Spec::both(
        Opt::Certificate,
        "certificate",
        'c',
        Arg::Required("FILE"),
        "file with certificate for private key",
    ),
    Spec::both(
        Opt::CaCert,
        "ca-cert",
        'C',
        Arg::Required("FILE"),
        "file with peer CA certificate;\n\"none\" believes every peer",
    ),
    Spec::long(
        Opt::BootstrapCaCert,
        "bootstrap-ca-cert",
        Arg::Required("FILE"),
        "file with peer CA certificate to read or create",
    ),
    Spec::long(
        Opt::PeerCaCert,
        "peer-ca-cert",
        Arg::Required("FILE"),
        "file with CA certificates to send to peers",
    ),
];

/// The heading of [`PROTOCOL`].
pub const PROTOCOL_TITLE: &str = "SSL/TLS options";

/// Versions, ciphers and names.
pub const PROTOCOL: &[Spec<Opt>] = &[
    Spec::long(
        Opt::Protocols,
        "ssl-protocols",
        Arg::Required("PROTOS"),
        "range of SSL/TLS protocols to enable",
    ),
    Spec::long(
        Opt::Ciphers,
        "ssl-ciphers",
        Arg::Required("CIPHERS"),
        "list of SSL/TLS ciphers to enable with TLSv1.2",
    ),
    Spec::long(
        Opt::Ciphersuites,
        "ssl-ciphersuites",
        Arg::Required("SUITES"),
        "list of SSL/TLS ciphersuites to enable\nwith TLSv1.3 and later",
    ),
    Spec::long(
        Opt::ServerName,
        "ssl-server-name",
        Arg::Required("NAME"),
        "server name for TLS Server Name Indication",
    ),
];

/// What the options say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions(TlsSources);

impl TlsOptions {
    /// Takes one option; of several that say the same thing the last one counts.
    pub fn apply(&mut self, option: Opt, value: &str) {
        let sources = &mut self.0;
        let text = Some(value.to_owned());
        match option {
            Opt::PrivateKey => sources.private_key = text,
            Opt::Certificate => sources.certificate = text,
            Opt::CaCert | Opt::BootstrapCaCert => {
                sources.ca = text;
                sources.bootstraps = option == Opt::BootstrapCaCert;
            }
            Opt::PeerCaCert => sources.peer_ca = text,
            Opt::Protocols => sources.protocols = text,
            Opt::Ciphers => sources.ciphers = text,
            Opt::Ciphersuites => sources.ciphersuites = text,
            Opt::ServerName => sources.server_name = text,
        }
    }

    /// For a server, to which they may name columns.
    #[must_use]
    pub fn sources(&self) -> &TlsSources {
        &self.0
    }

    /// For a client, to which each is what it says.
    #[must_use]
    pub fn settings(&self) -> TlsSettings {
        let sources = self.0.clone();
        TlsSettings {
            private_key: sources.private_key.map(Into::into),
            certificate: sources.certificate.map(Into::into),
            ca: sources
                .ca
                .map(|value| CaFile::from_option(&value, sources.bootstraps)),
            peer_ca: sources.peer_ca.map(Into::into),
            protocols: sources.protocols,
            ciphers: sources.ciphers,
            ciphersuites: sources.ciphersuites,
            server_name: sources.server_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_option_about_authorities_counts() {
        let check = |options: &[(Opt, &str)], expected: CaFile| {
            let mut all = TlsOptions::default();
            for (option, value) in options {
                all.apply(*option, value);
            }
            assert_eq!(all.settings().ca, Some(expected), "{options:?}");
        };
        let (ca, bootstrap) = (Opt::CaCert, Opt::BootstrapCaCert);
        check(&[(ca, "a")], CaFile::Verify("a".into()));
        check(
            &[(ca, "a"), (bootstrap, "b")],
            CaFile::Bootstrap("b".into()),
        );
        check(&[(bootstrap, "b"), (ca, "a")], CaFile::Verify("a".into()));
        check(&[(bootstrap, "b"), (ca, "none")], CaFile::Disabled);
    }
}
