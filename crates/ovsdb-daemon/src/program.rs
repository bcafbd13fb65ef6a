//! What a program is called, which version it tells, and how it says that it cannot go on.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::{OnceLock, RwLock};

use crate::vlog;

/// The release of Open vSwitch whose behaviour, protocol and files this one has. Scripts read it.
pub const OPEN_VSWITCH_VERSION: &str = "3.7.1";

/// The version of this project.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

static NAME: OnceLock<String> = OnceLock::new();
static SUBPROGRAM: RwLock<Option<&'static str>> = RwLock::new(None);

/// Sets the program's name from `argv[0]`, or from `fallback` if there is none. The first call counts. From then on a file
/// that may not grow any further is an error like a full disk.
pub fn init(fallback: &str) {
    crate::signals::outlive_file_limits();
    let first = std::env::args_os().next();
    let name = first
        .as_deref()
        .map(std::path::Path::new)
        .and_then(|path| path.file_name())
        .map_or_else(
            || fallback.to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
    NAME.get_or_init(|| name);
}

/// The program's name, as its messages, pidfile and control socket show it.
#[must_use]
pub fn name() -> &'static str {
    NAME.get().map_or("ovsdb-rs", String::as_str)
}

/// Names the role of this process, such as `monitor`, in logs and messages.
pub fn set_subprogram(role: Option<&'static str>) {
    *SUBPROGRAM
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = role;
}

/// The role of this process, if it is not the program itself.
#[must_use]
pub fn subprogram() -> Option<&'static str> {
    *SUBPROGRAM
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// `NAME (Open vSwitch) X`: what the control command `version` answers.
#[must_use]
pub fn version() -> String {
    format!("{} (Open vSwitch) {OPEN_VSWITCH_VERSION}", name())
}

/// What `--version` prints: the line that scripts read, and one that says what this program really is.
#[must_use]
pub fn version_text() -> String {
    format!("{}\novsdb-rs {VERSION}\n", version())
}

/// Prints `NAME: message` on standard error; as a JSON object with `--log-format=json`.
pub fn error(message: impl Display) {
    let name = name();
    let line = match (vlog::console_json(format_args!("{message}")), subprogram()) {
        (Some(line), _) => line,
        (None, Some(role)) => format!("{name}({role}): {message}\n"),
        (None, None) => format!("{name}: {message}\n"),
    };
    // Nobody is left to tell if standard error is gone.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Prints `NAME: message` on standard error, removes sockets and pidfiles, and ends with exit code 1.
pub fn fatal(message: impl Display) -> ! {
    error(message);
    exit(1)
}

/// Prints a command line's error as `getopt_long` does, after `argv[0]` as given.
pub fn complain_of_usage(message: impl Display) {
    let given = std::env::args_os().next();
    let given = given.map_or_else(
        || name().to_owned(),
        |given| given.to_string_lossy().into_owned(),
    );
    // Nobody is left to tell if standard error is gone.
    let _ = std::io::stderr().write_all(format!("{given}: {message}\n").as_bytes());
}

/// Prints a command line's error as [`complain_of_usage`] does, and ends with exit code 1.
pub fn usage_error(message: impl Display) -> ! {
    complain_of_usage(message);
    exit(1)
}

/// Removes sockets and pidfiles and ends the process.
pub fn exit(code: i32) -> ! {
    ovsdb_net::unlink_all();
    std::process::exit(code)
}
