//! Severities and places to log to.

use std::fmt;

/// How serious a message is; a destination's level lets through what is as serious or more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Level {
    /// As a destination's level: nothing.
    Off,
    /// A major failure that ended the program.
    Emer,
    /// A high-level operation or a subsystem failed.
    Err,
    /// A low-level operation failed, but higher levels may be able to recover.
    Warn,
    /// Information for those who look into a problem.
    Info,
    /// Information for developers only.
    Dbg,
}

impl Level {
    pub(super) const ALL: [Self; 6] = [
        Self::Off,
        Self::Emer,
        Self::Err,
        Self::Warn,
        Self::Info,
        Self::Dbg,
    ];

    /// The name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Emer => "EMER",
            Self::Err => "ERR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Dbg => "DBG",
        }
    }

    /// The level of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn from_tracing(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Err,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Self::Dbg,
        }
    }

    /// The severity of RFC 5424.
    pub(super) fn severity(self) -> u32 {
        match self {
            Self::Off | Self::Emer => 1,
            Self::Err => 3,
            Self::Warn => 4,
            Self::Info => 5,
            Self::Dbg => 7,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where messages go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination {
    /// The system's log.
    Syslog,
    /// Standard error.
    Console,
    /// The log file, once one is set.
    File,
}

impl Destination {
    /// All, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Syslog, Self::Console, Self::File];

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syslog => "SYSLOG",
            Self::Console => "CONSOLE",
            Self::File => "FILE",
        }
    }

    /// The destination of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|destination| destination.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Syslog => 0,
            Self::Console => 1,
            Self::File => 2,
        }
    }

    pub(super) fn default_pattern(self) -> &'static str {
        match self {
            Self::Syslog => "ovs|%05N|%c%T|%p|%m",
            Self::Console => "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
            Self::File => "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
        }
    }
}
