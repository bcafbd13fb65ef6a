//! Logging as Open vSwitch daemons do it (ovs-vlog(7) in spirit): modules, levels per destination, patterns.
//!
//! The rest of the project logs with the macros of `tracing`, whose `target` is the module's name; [`init`] installs the
//! [`Layer`] that turns those events into lines on the console, in syslog and in the log file. Fields named `per_minute`
//! and `burst` limit the rate of their call site. Levels map one to one, with TRACE counted as DBG; EMER has no
//! counterpart in `tracing` and goes through [`log`].
//!
//! Nothing here decides what is worth logging.

mod commands;
mod facility;
mod file;
mod layer;
mod level;
mod modules;
mod options;
mod pattern;
mod rate;
mod shared;
mod spec;
mod syslog;

pub use commands::register_commands;
pub use file::LogFileError;
pub use layer::Layer;
pub use level::{Destination, Level};
pub use options::{OPTIONS, Opt, VlogOptionError, apply};
pub use spec::SpecError;

use std::fmt;
use std::path::PathBuf;

/// Sends events of `tracing` to the logs. Call it once, early; later calls do nothing, nor does a call in a program
/// that has installed a subscriber of its own.
pub fn init() {
    use tracing_subscriber::layer::SubscriberExt as _;

    shared::get();
    // An error says that a subscriber stands already, which is then this one or the embedding program's choice.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Layer));
}

/// Logs a message of `module` without going through `tracing`: for EMER, and for modules whose name is not a constant.
pub fn log(module: &str, level: Level, message: fmt::Arguments<'_>) {
    shared::get().write(module, level, message);
}

/// Logs at EMER, prints the message on standard error whatever the console's level, and ends the program with exit
/// code 1.
pub fn fatal(module: &str, message: fmt::Arguments<'_>) -> ! {
    let shared = shared::get();
    // The message goes to standard error below, once.
    shared
        .module(module)
        .set_level(Destination::Console, Level::Off);
    shared.write(module, Level::Emer, message);
    crate::program::fatal(message)
}

/// What the program says on standard error in words of its own, as a line of the form that the console's log lines have;
/// `None` if they are text.
pub(crate) fn console_json(message: fmt::Arguments<'_>) -> Option<String> {
    shared::get().console_json("program", Level::Emer, message)
}

/// Changes levels, a pattern or the facility by a specification such as `jsonrpc:file:dbg` or `PATTERN:console:%m`.
///
/// # Errors
/// See [`SpecError`]; nothing is changed then.
pub fn set(spec: &str) -> Result<(), SpecError> {
    spec::apply(shared::get(), spec)
}

/// Sets the level of one module, or of all, at one destination, or at all.
///
/// # Errors
/// [`SpecError::Unknown`] if there is no such module.
pub fn set_level(
    module: Option<&str>,
    destination: Option<Destination>,
    level: Level,
) -> Result<(), SpecError> {
    let shared = shared::get();
    let module = module
        .map(|name| {
            shared
                .find_module(name)
                .ok_or_else(|| SpecError::Unknown(name.to_owned()))
        })
        .transpose()?;
    shared.set_levels(module.as_deref(), destination, level);
    Ok(())
}

/// Makes `name` a module that `-v` and `vlog/set` accept, besides those of the Open vSwitch database programs.
pub fn register_module(name: &str) {
    shared::get().module(name);
}

/// Whether the limits of rate of one module, or of all, are honoured. They are until told otherwise.
///
/// # Errors
/// [`SpecError::Unknown`] if there is no such module.
pub fn set_rate_limits(module: Option<&str>, honoured: bool) -> Result<(), SpecError> {
    let shared = shared::get();
    let module = module
        .map(|name| {
            shared
                .find_module(name)
                .ok_or_else(|| SpecError::Unknown(name.to_owned()))
        })
        .transpose()?;
    shared.set_limited(module.as_deref(), honoured);
    Ok(())
}

/// Sets the pattern of one destination, or of all.
pub fn set_pattern(destination: Option<Destination>, pattern: &str) {
    shared::get().set_pattern(destination, pattern);
}

/// Opens `file` for logging, or `LOGDIR/NAME.log`, and closes the one before.
///
/// # Errors
/// The file could not be opened; that is logged too, and the file before stays.
pub fn set_log_file(file: Option<PathBuf>) -> Result<(), LogFileError> {
    shared::get().set_log_file(file)
}

/// Opens the log file again under its name, after it has been rotated, say. Without a log file there is nothing to do.
///
/// # Errors
/// See [`set_log_file`].
pub fn reopen_log_file() -> Result<(), LogFileError> {
    shared::get().reopen_log_file()
}

/// Closes the log file but remembers its name.
pub fn close_log_file() {
    shared::get().close_log_file();
}

/// Gives the log file, if one is open, to another user.
///
/// # Errors
/// What the operating system says.
pub fn change_log_file_owner(uid: u32, gid: u32) -> std::io::Result<()> {
    shared::get().change_log_file_owner(uid, gid)
}

/// The name of the log file, if one was set.
#[must_use]
pub fn log_file() -> Option<PathBuf> {
    shared::get().log_file_name()
}

/// The size of the log file as this process knows it, in bytes; `None` if there is none. Waits for no disk but while a line is
/// written.
#[must_use]
pub fn log_file_bytes() -> Option<u64> {
    shared::get().log_file_bytes()
}

/// How many messages were logged anywhere, by module and level; without those that there have been none of.
#[must_use]
pub fn counts() -> Vec<(String, Level, u64)> {
    let modules = shared::get().all_modules();
    let counts = modules.iter().flat_map(|module| {
        let counts = module.counts();
        counts.map(|(level, count)| (module.name.clone(), level, count))
    });
    counts.collect()
}

/// The table that `vlog/list` prints.
#[must_use]
pub fn levels_table() -> String {
    shared::get().levels_table()
}

/// The table that `vlog/list-pattern` prints.
#[must_use]
pub fn patterns_table() -> String {
    shared::get().patterns_table()
}
