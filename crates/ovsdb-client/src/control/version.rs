//! `version`: which program a daemon is.

use super::error::AnswerError;
use super::lines::lines;

/// Between the program's name and its version, in programs of Open vSwitch itself.
const OPEN_VSWITCH: &str = "(Open vSwitch) ";

/// Before the version of Open vSwitch that another program, such as one of OVN, was built with.
const LIBRARY: &str = "Open vSwitch Library ";

/// A program and its version.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// The program's name, such as `ovsdb-server`.
    pub program: String,
    /// The program's version, such as `3.1.0`.
    pub version: String,
    /// The version of Open vSwitch that it is part of or was built with, if it says so.
    pub open_vswitch: Option<String>,
    /// Further lines.
    pub other: Vec<String>,
}

impl Version {
    /// Reads the answer to `version`.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn parse(text: &str) -> Result<Self, AnswerError> {
        let mut lines = lines(text);
        let first = lines.next().unwrap_or_default();
        let Some((program, rest)) = first.split_once(' ') else {
            return Err(AnswerError {
                command: "version",
                missing: "which version it is",
            });
        };
        let of_open_vswitch = rest.strip_prefix(OPEN_VSWITCH);
        let version = of_open_vswitch.unwrap_or(rest).trim().to_owned();
        let mut out = Self {
            program: program.to_owned(),
            open_vswitch: of_open_vswitch.map(|_| version.clone()),
            version,
            other: Vec::new(),
        };
        for line in lines {
            match line.strip_prefix(LIBRARY) {
                Some(library) if out.open_vswitch.is_none() => {
                    out.open_vswitch = Some(library.trim().to_owned());
                }
                _ => out.other.push(line.to_owned()),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;

    fn check(text: &str, program: &str, version: &str, open_vswitch: Option<&str>, other: &[&str]) {
        let read = Version::parse(text).expect("a version");
        assert_eq!(
            (read.program.as_str(), read.version.as_str()),
            (program, version)
        );
        assert_eq!(read.open_vswitch.as_deref(), open_vswitch);
        assert_eq!(read.other, other);
    }

    #[test]
    fn versions_of_open_vswitch_and_of_ovn_are_read() {
        check(
            "ovsdb-server (Open vSwitch) 2.17.9\n",
            "ovsdb-server",
            "2.17.9",
            Some("2.17.9"),
            &[],
        );
        check(
            "ovn-northd 23.03.1\nOpen vSwitch Library 3.1.0\nSB DB Schema 20.27.0\n",
            "ovn-northd",
            "23.03.1",
            Some("3.1.0"),
            &["SB DB Schema 20.27.0"],
        );
        check("exporter 1", "exporter", "1", None, &[]);
    }

    #[test]
    fn recorded_versions_name_what_was_recorded() {
        for (name, text) in recorded("version") {
            let version = Version::parse(&text).expect("a version");
            assert!(name.starts_with(&version.version), "{name}: {version:?}");
            assert_eq!(version.open_vswitch.as_ref(), Some(&version.version));
        }
    }

    #[test]
    fn a_text_without_a_version_is_none() {
        for text in ["", "\n\n", "ovsdb-server"] {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
    }
}
