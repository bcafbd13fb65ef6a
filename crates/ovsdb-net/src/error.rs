//! Errors of connection methods and sockets, and the operating system's words for them.
//!
//! The words in parentheses that Open vSwitch programs print come from [`NetError::reason`]; nothing branches on them.

use std::io;

/// Why a connection method cannot be used as written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// There is no colon, or the word before it is no method.
    #[error("\"{name}\": unknown connection method")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// An active TCP method names no host.
    #[error("{target}: host must be specified")]
    NoHost {
        /// What follows the method's name.
        target: String,
    },
    /// The port is not a number from 0 to 65535.
    #[error("{target}: bad port number \"{port}\"")]
    BadPort {
        /// What follows the method's name.
        target: String,
        /// The part that should be a port.
        port: String,
    },
    /// The part with colons is no IPv6 address.
    #[error("{target}: bad IP address \"{host}\"")]
    BadAddress {
        /// What follows the method's name.
        target: String,
        /// The part that should be an address.
        host: String,
    },
    /// `pfd:` is not followed by a file descriptor's number.
    #[error("{name}: bad file descriptor \"{number}\"")]
    BadDescriptor {
        /// What was given.
        name: String,
        /// The part that should be a number.
        number: String,
    },
}

impl MethodError {
    /// Logs that `name` cannot be used, as the reference's programs do: what is wrong with it, and, of an active method,
    /// that nobody can be connected to.
    pub fn log(&self, name: &str) {
        if matches!(self, Self::BadPort { .. } | Self::BadAddress { .. }) {
            tracing::error!(target: "socket_util", "{self}");
        }
        log_useless(
            name,
            &errno_text(&io::Error::from_raw_os_error(AF_NOT_SUPPORTED)),
        );
    }
}

/// Logs that nobody can be connected to by such a name, in the words that tell of sockets that cannot be connected.
pub fn log_useless(name: &str, reason: &str) {
    // Who names nothing at all is told the port that would have been meant.
    let port = match name.ends_with(':') {
        true => format!(":{}", crate::DEFAULT_PORT),
        false => String::new(),
    };
    match name.split_once(':').map_or("", |(method, _)| method) {
        "tcp" => tracing::error!(target: "stream_tcp", "{name}{port}: connect: {reason}"),
        "ssl" => tracing::error!(target: "stream_ssl", "{name}{port}: connect: {reason}"),
        _ => {}
    }
}

/// Why a listener or a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The method is not usable as written.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Keys or certificates for TLS are missing; the log says which.
    #[error("{name}: TLS is not configured")]
    TlsNotConfigured {
        /// The method or the peer.
        name: String,
    },
    /// A TLS handshake did not come to a good end; the log says why.
    #[error("{name}: TLS handshake failed")]
    Handshake {
        /// The method or the peer.
        name: String,
        /// What programs print for the reason, which is "Protocol error" for almost all.
        #[source]
        source: io::Error,
    },
    /// An active method where a passive one is wanted, or the other way round.
    #[error("{name}: this connection method does not {wanted}")]
    WrongDirection {
        /// The method.
        name: String,
        /// `listen` or `connect`.
        wanted: &'static str,
    },
    /// A host name does not resolve at the moment.
    #[error("{name}: host name does not resolve")]
    Unresolved {
        /// The method.
        name: String,
        /// Whether a listener was wanted.
        passive: bool,
        /// What the resolver said.
        #[source]
        source: Option<io::Error>,
    },
    /// The operating system refused.
    #[error("{name}: {what}: {}", errno_text(.source))]
    Io {
        /// The method, or the path it stands for.
        name: String,
        /// The step that failed, such as `bind`.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl NetError {
    /// The words that Open vSwitch programs print in parentheses for this error: the text of an errno value.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Method(_) | Self::WrongDirection { .. } => {
                errno_text(&io::Error::from_raw_os_error(AF_NOT_SUPPORTED))
            }
            Self::TlsNotConfigured { .. } => errno_text(&rustix::io::Errno::NOPROTOOPT.into()),
            Self::Unresolved { passive, .. } => {
                errno_text(&io::Error::from_raw_os_error(if *passive {
                    rustix::io::Errno::AGAIN.raw_os_error()
                } else {
                    AF_NOT_SUPPORTED
                }))
            }
            Self::Io { source, .. } | Self::Handshake { source, .. } => errno_text(source),
        }
    }

    /// Whether the method itself is at fault, so that trying again cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Method(_) | Self::WrongDirection { .. })
    }
}

const AF_NOT_SUPPORTED: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();

/// The operating system's text for an error, as `strerror` gives it: `No such file or directory`.
#[must_use]
pub fn errno_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => text
            .strip_suffix(&format!(" (os error {code})"))
            .unwrap_or(&text)
            .to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_text_is_the_bare_words_of_strerror() {
        let cases = [
            (rustix::io::Errno::NOENT, "No such file or directory"),
            (
                rustix::io::Errno::AFNOSUPPORT,
                "Address family not supported by protocol",
            ),
            (rustix::io::Errno::PROTO, "Protocol error"),
        ];
        for (errno, expect) in cases {
            assert_eq!(
                errno_text(&io::Error::from_raw_os_error(errno.raw_os_error())),
                expect
            );
        }
        assert_eq!(errno_text(&io::Error::other("own words")), "own words");
    }
}
