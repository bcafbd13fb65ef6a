//! Versions of the protocol as `--ssl-protocols` writes them.
//!
//! A list with a gap means the whole range. What is not understood changes nothing.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Names and versions, in order.
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("TLSv1.2", &TLS12), ("TLSv1.3", &TLS13)];

/// A range of versions: indices of [`VERSIONS`], both inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Protocols {
    first: usize,
    last: usize,
}

impl Default for Protocols {
    fn default() -> Self {
        Self {
            first: 0,
            last: VERSIONS.len() - 1,
        }
    }
}

/// What is wrong with a setting.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum ProtocolsError {
    /// It names nothing.
    #[error("SSL/TLS protocol settings invalid")]
    Empty,
    /// It names these, which are not known.
    #[error("{}", .0.iter().map(|word| format!("{word}: SSL/TLS protocol not recognized")).collect::<Vec<_>>().join("\n"))]
    Unknown(Vec<String>),
}

impl Protocols {
    /// Parses `X+`, `X-Y` or a list with blanks, commas or tabs between its words.
    pub(super) fn parse(text: &str) -> Result<Self, ProtocolsError> {
        let words: Vec<&str> = if let Some(word) = text.strip_suffix('+') {
            vec![word]
        } else if let Some((first, last)) = text.split_once('-') {
            vec![first, last]
        } else {
            let words = text.split([' ', ',', '\t']);
            words.filter(|word| !word.is_empty()).collect()
        };
        let place = |word: &str| VERSIONS.iter().position(|(name, _)| *name == word);
        let unknown: Vec<String> = words
            .iter()
            .filter(|word| place(word).is_none())
            .map(|word| (*word).to_owned())
            .collect();
        if !unknown.is_empty() {
            return Err(ProtocolsError::Unknown(unknown));
        }
        let places = || words.iter().filter_map(|word| place(word));
        match (places().min(), places().max()) {
            (Some(first), Some(last)) => Ok(Self {
                first,
                last: if text.ends_with('+') {
                    VERSIONS.len() - 1
                } else {
                    last
                },
            }),
            _ => Err(ProtocolsError::Empty),
        }
    }

    /// Brings a setting into force; false if it changes nothing.
    pub(super) fn set(&mut self, text: &str) -> bool {
        match Self::parse(text) {
            Ok(new) => {
                let is_last = new.last == VERSIONS.len() - 1;
                let (between, last) = if is_last {
                    (" or ", "later")
                } else {
                    (" - ", VERSIONS[new.last].0)
                };
                tracing::debug!(target: "stream_ssl", "Enabled protocol range: {}{between}{last}", VERSIONS[new.first].0);
                std::mem::replace(self, new) != new
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    tracing::error!(target: "stream_ssl", "{line}");
                }
                false
            }
        }
    }

    /// The versions, the oldest first.
    pub(super) fn versions(self) -> impl Iterator<Item = &'static SupportedProtocolVersion> {
        VERSIONS[self.first..=self.last]
            .iter()
            .map(|(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match Protocols::parse(text) {
            Ok(range) => format!("{}..{}", VERSIONS[range.first].0, VERSIONS[range.last].0),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn settings_are_ranges_or_lists() {
        check("TLSv1.2+", "TLSv1.2..TLSv1.3");
        check("TLSv1.3+", "TLSv1.3..TLSv1.3");
        check("TLSv1.2-TLSv1.3", "TLSv1.2..TLSv1.3");
        check("TLSv1.3-TLSv1.2", "TLSv1.2..TLSv1.3");
        check("TLSv1.2", "TLSv1.2..TLSv1.2");
        check("TLSv1.3", "TLSv1.3..TLSv1.3");
        check("TLSv1.3,TLSv1.2", "TLSv1.2..TLSv1.3");
        check(" TLSv1.2\t TLSv1.3,", "TLSv1.2..TLSv1.3");
    }

    #[test]
    fn what_is_not_known_is_named() {
        check("", "SSL/TLS protocol settings invalid");
        check(" , ", "SSL/TLS protocol settings invalid");
        check("SSLv3", "SSLv3: SSL/TLS protocol not recognized");
        check(
            "TLSv1,TLSv1.1,TLSv1.2",
            "TLSv1: SSL/TLS protocol not recognized\nTLSv1.1: SSL/TLS protocol not recognized",
        );
        check("+", ": SSL/TLS protocol not recognized");
        check(
            "TLSv1.2,TLSv1.3+",
            "TLSv1.2,TLSv1.3: SSL/TLS protocol not recognized",
        );
        check("tlsv1.2", "tlsv1.2: SSL/TLS protocol not recognized");
    }
}
