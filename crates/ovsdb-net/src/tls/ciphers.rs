//! Ciphers as OpenSSL writes lists of them: `--ssl-ciphers` for TLS 1.2 and `--ssl-ciphersuites` for TLS 1.3.
//!
//! Of OpenSSL's ciphers only those are offered that agree on a fresh key for each connection and prove each record; the
//! others are known by name, so that a list of them is told from nonsense.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as suite;

/// A cipher of TLS 1.2 that is offered, by OpenSSL's name and by the registered one.
struct Cipher {
    name: &'static str,
    registered: &'static str,
    suite: SupportedCipherSuite,
}

/// In the order of preference.
const CIPHERS: [Cipher; 6] = [
    Cipher {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        registered: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        registered: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        registered: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        registered: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        registered: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        registered: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
];

/// Words of OpenSSL's lists that stand for none of [`CIPHERS`]: kinds of ciphers, then single ones.
const KNOWN: &str = include_str!("known_ciphers.txt");

/// The ciphersuites of TLS 1.3, in the order of preference; `None` for those that are not offered.
const SUITES: [(&str, Option<SupportedCipherSuite>); 5] = [
    (
        "TLS_AES_256_GCM_SHA384",
        Some(suite::TLS13_AES_256_GCM_SHA384),
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        Some(suite::TLS13_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        Some(suite::TLS13_AES_128_GCM_SHA256),
    ),
    ("TLS_AES_128_CCM_SHA256", None),
    ("TLS_AES_128_CCM_8_SHA256", None),
];

/// Why a list is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("error:0A0000B9:SSL routines::no cipher match")]
pub(super) struct NoMatch;

/// The ciphers of TLS 1.2 in force, in the order of preference.
pub(super) struct Ciphers(Vec<usize>);

impl Default for Ciphers {
    fn default() -> Self {
        Self((0..CIPHERS.len()).collect())
    }
}

impl Ciphers {
    /// Evaluates a list from left to right. The result is empty if the list names only what is not offered.
    fn parse(text: &str) -> Result<Self, NoMatch> {
        let mut chosen: Vec<usize> = Vec::new();
        let mut killed = Vec::new();
        let mut is_known = false;
        for item in text
            .split([':', ' ', ',', ';'])
            .filter(|item| !item.is_empty())
        {
            if let Some(command) = item.strip_prefix('@') {
                match command.strip_prefix("SECLEVEL=").map(str::parse::<u8>) {
                    Some(Ok(0..=5)) => {}
                    None if command == "STRENGTH" => {
                        chosen.sort_by_key(|&at| !has(at, "AES256") && !has(at, "CHACHA20"))
                    }
                    _ => return Err(NoMatch),
                }
                continue;
            }
            let operator = item.chars().next().filter(|first| "!-+".contains(*first));
            let words = operator.map_or(item, |_| &item[1..]);
            // Unknown words are passed over.
            let Some(matching) = matching(words) else {
                continue;
            };
            match operator {
                Some('!') => {
                    chosen.retain(|at| !matching.contains(at));
                    killed.extend(matching);
                }
                Some('-') => chosen.retain(|at| !matching.contains(at)),
                Some(_) => {
                    let (mut last, first): (Vec<usize>, Vec<usize>) =
                        chosen.iter().partition(|at| matching.contains(at));
                    chosen = first;
                    chosen.append(&mut last);
                }
                None => {
                    is_known = true;
                    for at in matching {
                        if !chosen.contains(&at) && !killed.contains(&at) {
                            chosen.push(at);
                        }
                    }
                }
            }
        }
        if is_known {
            Ok(Self(chosen))
        } else {
            Err(NoMatch)
        }
    }

    /// Brings a list into force; false if it changes nothing.
    pub(super) fn set(&mut self, text: &str) -> bool {
        match Self::parse(text) {
            Ok(new) => {
                if new.0.is_empty() {
                    tracing::warn!(target: "stream_ssl",
                        "none of the ciphers \"{text}\" is offered by this program: TLSv1.2 is disabled");
                }
                *self = new;
                true
            }
            Err(error) => {
                tracing::error!(target: "stream_ssl", "SSL_CTX_set_cipher_list: {error}");
                false
            }
        }
    }

    pub(super) fn suites(&self) -> impl Iterator<Item = SupportedCipherSuite> {
        self.0.iter().map(|&at| CIPHERS[at].suite)
    }
}

/// The ciphers that all words of `A+B` mean, in the order of preference; `None` if one of them means nothing.
fn matching(words: &str) -> Option<Vec<usize>> {
    let mut matching: Vec<usize> = (0..CIPHERS.len()).collect();
    for word in words.split('+') {
        let is_ours = (0..CIPHERS.len()).any(|at| has(at, word));
        if !is_ours && !KNOWN.split_whitespace().any(|known| known == word) {
            return None;
        }
        matching.retain(|&at| has(at, word));
    }
    Some(matching)
}

/// Whether a word means a cipher.
fn has(at: usize, word: &str) -> bool {
    let Cipher {
        name, registered, ..
    } = CIPHERS[at];
    match word {
        "ALL" | "DEFAULT" | "HIGH" | "TLSv1.2" => true,
        "ECDH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" => true,
        "aRSA" => name.contains("-RSA-"),
        "aECDSA" | "ECDSA" => name.contains("-ECDSA-"),
        "AES" | "AESGCM" | "FIPS" => name.contains("AES"),
        "AES128" => name.contains("AES128"),
        "AES256" => name.contains("AES256"),
        "CHACHA20" => name.contains("CHACHA20"),
        _ => word == name || word == registered,
    }
}

/// The ciphersuites of TLS 1.3 in force, in the order of preference.
pub(super) struct Ciphersuites(Vec<SupportedCipherSuite>);

impl Default for Ciphersuites {
    fn default() -> Self {
        Self(SUITES.iter().filter_map(|(_, suite)| *suite).collect())
    }
}

impl Ciphersuites {
    /// An empty list is one, too. One of only what is not offered is empty.
    fn parse(text: &str) -> Result<Self, NoMatch> {
        let mut chosen = Vec::new();
        for word in text.split(':').filter(|word| !word.is_empty()) {
            let (_, suite) = SUITES
                .iter()
                .find(|(name, _)| *name == word)
                .ok_or(NoMatch)?;
            chosen.extend(*suite);
        }
        Ok(Self(chosen))
    }

    /// Brings a list into force; false if it changes nothing.
    pub(super) fn set(&mut self, text: &str) -> bool {
        match Self::parse(text) {
            Ok(new) => {
                if new.0.is_empty() {
                    tracing::warn!(target: "stream_ssl",
                        "none of the ciphersuites \"{text}\" is offered by this program: TLSv1.3 is disabled");
                }
                *self = new;
                true
            }
            Err(error) => {
                tracing::error!(target: "stream_ssl", "SSL_CTX_set_ciphersuites: {error}");
                false
            }
        }
    }

    pub(super) fn suites(&self) -> impl Iterator<Item = SupportedCipherSuite> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `E` and `R` for ECDSA and RSA, with `256`, `cha` and `128`.
    fn check(text: &str, expected: &str) {
        let shown = match Ciphers::parse(text) {
            Ok(Ciphers(chosen)) => {
                let short = |at: usize| {
                    let key = if has(at, "aRSA") { 'R' } else { 'E' };
                    let cipher = match () {
                        () if has(at, "AES256") => "256",
                        () if has(at, "AES128") => "128",
                        () => "cha",
                    };
                    format!("{key}{cipher}")
                };
                chosen.into_iter().map(short).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn lists_are_evaluated_from_left_to_right() {
        let all = "E256 R256 Echa Rcha E128 R128";
        check("DEFAULT:@SECLEVEL=2", all);
        check("HIGH:!aNULL:!MD5", all);
        check("ECDHE+AESGCM", "E256 R256 E128 R128");
        check("ECDHE-RSA-AES128-GCM-SHA256", "R128");
        check("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "R128");
        check("ALL:!aECDSA", "R256 Rcha R128");
        check("CHACHA20:ALL", "Echa Rcha E256 R256 E128 R128");
        check("ALL:+AES256", "Echa Rcha E128 R128 E256 R256");
        check("ALL:-AES:AES128", "Echa Rcha E128 R128");
        check("!AES:ALL", "Echa Rcha");
        check("AES128:AES256:@STRENGTH", "E256 R256 E128 R128");
        check("AES256,AES128 nonsense", "E256 R256 E128 R128");
    }

    #[test]
    fn what_is_known_and_not_offered_is_no_nonsense() {
        check("AES256-SHA", "");
        check("kRSA:DHE+AESGCM", "");
        check("ALL:!ALL", "");
        let no_match = "error:0A0000B9:SSL routines::no cipher match";
        check("nonsense", no_match);
        check("", no_match);
        check("!ALL", no_match);
        check("ALL:@SECLEVEL=9", no_match);
    }

    #[test]
    fn ciphersuites_are_taken_by_name_only() {
        let count = |text: &str| Ciphersuites::parse(text).map(|suites| suites.0.len());
        assert_eq!(
            count("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"),
            Ok(2)
        );
        assert_eq!(count("TLS_AES_128_CCM_SHA256"), Ok(0));
        assert_eq!(count(""), Ok(0));
        assert_eq!(count("TLS_AES_256_GCM_SHA384:bogus"), Err(NoMatch));
        assert_eq!(count("AES256-SHA"), Err(NoMatch));
    }
}
