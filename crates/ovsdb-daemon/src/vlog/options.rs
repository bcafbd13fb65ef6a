//! The logging options that every program has.

use std::path::PathBuf;

use super::level::Level;
use super::shared::{self, Format};
use super::spec::{self, SpecError};
use super::syslog::{Syslog, udp};
use crate::options::{Arg, Spec};

/// The logging options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opt {
    /// `-v`, `--verbose`.
    Verbose,
    /// `--log-file`.
    LogFile,
    /// `--log-format`.
    LogFormat,
    /// `--syslog-method`.
    SyslogMethod,
    /// `--syslog-target`.
    SyslogTarget,
}

/// The logging options that every program has.
pub const OPTIONS: &[Spec<Opt>] = &[
    Spec::both(
        Opt::Verbose,
        "verbose",
        'v',
        Arg::Optional("SPEC"),
        "set logging levels, or the maximum verbosity without SPEC",
    ),
    Spec::long(
        Opt::LogFile,
        "log-file",
        Arg::Optional("FILE"),
        "enable logging to FILE\n(default: NAME.log in the log folder)",
    ),
    Spec::own(
        Opt::LogFormat,
        "log-format",
        Arg::Required("FORMAT"),
        "write lines to the log file and to the console as\ntext or as json: an object for each",
    )
    .leading(),
    Spec::long(
        Opt::SyslogMethod,
        "syslog-method",
        Arg::Required("METHOD"),
        "specify how to send messages to the syslog daemon:\nlibc, unix:FILE, udp:IP:PORT or null",
    ),
    Spec::long(
        Opt::SyslogTarget,
        "syslog-target",
        Arg::Required("HOST:PORT"),
        "also send syslog messages to HOST:PORT via UDP",
    ),
];

/// Why a logging option is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VlogOptionError {
    /// `-v` is followed by no valid specification.
    #[error("processing \"{spec}\": {source}")]
    Spec {
        /// What was given.
        spec: String,
        /// What is wrong with it.
        source: SpecError,
    },
    /// The log file that was named cannot be opened; the text of that error.
    #[error("{0}")]
    LogFile(String),
    /// No such form of log lines.
    #[error("unsupported log format '{0}'")]
    LogFormat(String),
    /// No such way to syslog.
    #[error("unsupported syslog method '{0}'")]
    SyslogMethod(String),
}

/// Carries out a logging option, at once: later options and messages go by it.
///
/// # Errors
/// See [`VlogOptionError`]. If it is the log file of the default name that cannot be opened, that is only logged.
pub fn apply(option: Opt, value: Option<&str>) -> Result<(), VlogOptionError> {
    let shared = shared::get();
    match (option, value) {
        (Opt::Verbose, None) => shared.set_levels(None, None, Level::Dbg),
        (Opt::Verbose, Some(text)) => {
            spec::apply(shared, text).map_err(|source| VlogOptionError::Spec {
                spec: text.to_owned(),
                source,
            })?
        }
        (Opt::LogFile, value) => {
            let opened = shared.set_log_file(value.map(PathBuf::from));
            if let (Err(error), Some(_)) = (opened, value) {
                return Err(VlogOptionError::LogFile(error.to_string()));
            }
        }
        (Opt::LogFormat, value) => {
            let format = value.unwrap_or_default();
            let format = Format::from_name(format)
                .ok_or_else(|| VlogOptionError::LogFormat(format.to_owned()))?;
            shared.set_format(format);
        }
        (Opt::SyslogMethod, value) => {
            let method = value.unwrap_or_default();
            let syslog = Syslog::from_method(method)
                .ok_or_else(|| VlogOptionError::SyslogMethod(method.to_owned()))?;
            shared.set_syslog(syslog);
        }
        (Opt::SyslogTarget, value) => {
            shared.set_syslog_target(udp(value.unwrap_or_default(), None));
            tracing::warn!(target: "vlog", "--syslog-target flag is deprecated, use --syslog-method instead");
        }
    }
    Ok(())
}
