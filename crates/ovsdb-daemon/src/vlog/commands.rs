//! The control commands of logging.

use super::level::Level;
use super::{set_rate_limits, shared, spec};
use crate::unixctl::Commands;

/// Adds `vlog/set`, `vlog/list`, `vlog/list-pattern`, `vlog/reopen`, `vlog/close` and the commands of rate limits.
pub fn register_commands(commands: &Commands) {
    let shared = shared::get();
    commands.register(
        "vlog/set",
        Some("{spec | PATTERN:destination:pattern}"),
        0..=usize::MAX,
        move |call| {
            if call.args.is_empty() {
                shared.set_levels(None, None, Level::Dbg);
            }
            call.args
                .iter()
                .try_for_each(|text| spec::apply(shared, text))
                .map_err(|error| error.to_string())
        },
    );
    commands.register("vlog/list", Some(""), 0..=0, move |_| {
        Ok(shared.levels_table())
    });
    commands.register("vlog/list-pattern", Some(""), 0..=0, move |_| {
        Ok(shared.patterns_table())
    });
    commands.register(
        "vlog/enable-rate-limit",
        Some("[module]..."),
        0..=usize::MAX,
        move |call| set_limits(&call.args, true),
    );
    commands.register(
        "vlog/disable-rate-limit",
        Some("[module]..."),
        0..=usize::MAX,
        move |call| set_limits(&call.args, false),
    );
    commands.register("vlog/reopen", Some(""), 0..=0, move |_| {
        if shared.log_file_name().is_none() {
            return Err("Logging to file not configured".to_owned());
        }
        shared.reopen_log_file().map_err(|error| error.reason())
    });
    commands.register("vlog/close", Some(""), 0..=0, move |_| {
        shared.close_log_file();
        Ok(())
    });
    commands.register("vlog/message", None, 1..=1, |call| {
        tracing::info!(target: "vlog", "user-message: {}", call.args[0]);
        Ok(())
    });
}

fn set_limits(modules: &[String], honoured: bool) -> Result<(), String> {
    if modules.is_empty() {
        return set_rate_limits(None, honoured).map_err(|error| error.to_string());
    }
    modules.iter().try_for_each(|name| {
        let module = Some(name.as_str()).filter(|name| !name.eq_ignore_ascii_case("ANY"));
        set_rate_limits(module, honoured).map_err(|_| "unknown module".to_owned())
    })
}
