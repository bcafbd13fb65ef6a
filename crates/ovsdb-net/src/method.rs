//! Connection methods as users write them (ovsdb(7), section 4): `tcp:`, `unix:`, `ssl:` and their passive forms.
//!
//! Parsing opens nothing. The text given is kept, because logs and replies show it unchanged.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::address::{Host, InetTarget};
use crate::error::MethodError;
use crate::rundir::{absolute, rundir};

/// The port of OVSDB, registered with IANA.
pub const DEFAULT_PORT: u16 = 6640;

/// A parsed connection method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Method {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Tcp(InetTarget),
    Unix(PathBuf),
    Ssl(InetTarget),
    Ptcp(InetTarget),
    Punix(PathBuf),
    Pssl(InetTarget),
    Pfd(i32),
}

impl Method {
    /// Parses a connection method; ports default to [`DEFAULT_PORT`].
    ///
    /// # Errors
    /// See [`MethodError`].
    pub fn parse(name: &str) -> Result<Self, MethodError> {
        let unknown = || MethodError::Unknown {
            name: name.to_owned(),
        };
        let (method, rest) = name.split_once(':').ok_or_else(unknown)?;
        let kind = match method {
            "tcp" => Kind::Tcp(InetTarget::parse_active(rest, DEFAULT_PORT)?),
            "ssl" => Kind::Ssl(InetTarget::parse_active(rest, DEFAULT_PORT)?),
            "unix" => Kind::Unix(PathBuf::from(rest)),
            "ptcp" => Kind::Ptcp(InetTarget::parse_passive(rest, DEFAULT_PORT)?),
            "pssl" => Kind::Pssl(InetTarget::parse_passive(rest, DEFAULT_PORT)?),
            "punix" => Kind::Punix(PathBuf::from(rest)),
            "pfd" => Kind::Pfd(rest.parse().ok().filter(|fd| *fd >= 0).ok_or_else(|| {
                MethodError::BadDescriptor {
                    name: name.to_owned(),
                    number: rest.to_owned(),
                }
            })?),
            _ => return Err(unknown()),
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
        })
    }

    /// A Unix socket to connect to; a relative path is taken from the run folder.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: format!("unix:{}", path.display()),
            kind: Kind::Unix(path),
        }
    }

    /// A Unix socket to listen on; a relative path is taken from the run folder.
    #[must_use]
    pub fn punix(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: format!("punix:{}", path.display()),
            kind: Kind::Punix(path),
        }
    }

    /// The method as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the first colon.
    #[must_use]
    pub fn target(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, rest)| rest)
    }

    /// Whether this method listens.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        matches!(
            self.kind,
            Kind::Ptcp(_) | Kind::Punix(_) | Kind::Pssl(_) | Kind::Pfd(_)
        )
    }

    /// Whether its host is a name, so that opening it means to ask the resolver.
    #[must_use]
    pub fn needs_resolver(&self) -> bool {
        match &self.kind {
            Kind::Tcp(target) | Kind::Ssl(target) | Kind::Ptcp(target) | Kind::Pssl(target) => {
                matches!(target.host, Some(Host::Name(_)))
            }
            Kind::Unix(_) | Kind::Punix(_) | Kind::Pfd(_) => false,
        }
    }

    /// Whether this method connects.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.is_passive()
    }

    /// Whether a dead peer can go unnoticed, so that inactivity probes are worth their price: all but local sockets.
    #[must_use]
    pub fn needs_probes(&self) -> bool {
        !matches!(self.kind, Kind::Unix(_) | Kind::Punix(_) | Kind::Pfd(_))
    }

    /// Whether the method asks for TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Ssl(_) | Kind::Pssl(_))
    }

    /// The absolute path of a Unix socket's method.
    #[must_use]
    pub fn socket_path(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Unix(path) | Kind::Punix(path) => Some(absolute(&rundir(), path)),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Method {
    type Err = MethodError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        let shown = match Method::parse(input) {
            Ok(method) => {
                assert_eq!(method.to_string(), input, "the text is kept");
                assert_ne!(method.is_active(), method.is_passive());
                format!(
                    "{}{}{}",
                    if method.is_passive() {
                        "passive"
                    } else {
                        "active"
                    },
                    if method.needs_probes() { " probes" } else { "" },
                    if method.is_tls() { " tls" } else { "" },
                )
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expect, "{input}");
    }

    #[test]
    fn methods_are_told_apart_by_the_word_before_the_colon() {
        check("tcp:127.0.0.1:6640", "active probes");
        check("tcp:127.0.0.1", "active probes");
        check("ssl:[::1]:6640", "active probes tls");
        check("unix:db.sock", "active");
        check("ptcp:", "passive probes");
        check("ptcp:0:127.0.0.1", "passive probes");
        check("pssl:6640", "passive probes tls");
        check("punix:/run/x", "passive");
        check("pfd:3", "passive");
    }

    #[test]
    fn wrong_methods_are_refused_with_what_is_wrong() {
        check("", "\"\": unknown connection method");
        check("tcp", "\"tcp\": unknown connection method");
        check(
            "TCP:127.0.0.1",
            "\"TCP:127.0.0.1\": unknown connection method",
        );
        check(
            "udp:1.2.3.4:5",
            "\"udp:1.2.3.4:5\": unknown connection method",
        );
        check("tcp:", ": host must be specified");
        check("tcp:h:99999", "h:99999: bad port number \"99999\"");
        check("pfd:x", "pfd:x: bad file descriptor \"x\"");
        check("pfd:-1", "pfd:-1: bad file descriptor \"-1\"");
    }

    #[test]
    fn socket_paths_are_relative_to_the_run_folder() {
        assert_eq!(
            Method::punix("/a/b").socket_path(),
            Some(PathBuf::from("/a/b"))
        );
        assert_eq!(Method::unix("s").socket_path(), Some(rundir().join("s")));
        assert_eq!(Method::parse("tcp:h:1").expect("valid").socket_path(), None);
    }
}
