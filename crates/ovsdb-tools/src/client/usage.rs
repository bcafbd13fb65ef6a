//! The help text.

use ovsdb_daemon::{dirs, program};

use super::commands::Command;
use super::options::options;
use super::{commands, examples};
use crate::command_help::CommandHelp;

/// What `--help` prints with the name of a command, if there is one of that name, or without.
pub(crate) fn about(command: Option<&str>) -> String {
    command.and_then(Command::find).map_or_else(text, of)
}

/// About one command.
fn of(command: &Command) -> String {
    let synopsis = format!("{} {}", command.name, command.usage);
    CommandHelp {
        name: command.name,
        synopsis: synopsis.trim_end(),
        help: command.help,
        details: "",
        example: examples::of(command.name),
        elsewhere: "servers, options and other commands",
    }
    .to_string()
}

/// What `--help` prints without a command.
fn text() -> String {
    let name = program::name();
    let mut text = format!(
        "{name}: Open vSwitch database JSON-RPC client\nusage: {name} [OPTIONS] COMMAND [ARG...]\n\nValid commands are:\n"
    );
    for (synopsis, help) in commands() {
        text.extend(["\n  ", &synopsis, "\n"]);
        for line in help.lines() {
            text.extend(["    ", line, "\n"]);
        }
    }
    text.push_str(&format!(
        "\nThe default SERVER is unix:{}/db.sock.\nThe default DATABASE is Open_vSwitch.\n\n\
         Active SERVER connection methods:\n\
         \x20 ssl:HOST:PORT           SSL/TLS PORT at remote HOST\n\
         \x20 tcp:HOST:PORT           PORT at remote HOST\n\
         \x20 unix:FILE               Unix domain socket named FILE\n\
         Passive SERVER connection methods:\n\
         \x20 pssl:PORT[:IP]          listen for SSL/TLS on PORT on IP\n\
         \x20 ptcp:PORT[:IP]          listen to TCP PORT on IP\n\
         \x20 punix:FILE              listen on Unix domain socket FILE\n",
        dirs::rundir().display()
    ));
    text + &options().help()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::commands::COMMANDS;

    #[test]
    fn every_command_has_an_example_that_calls_it() {
        for command in COMMANDS {
            let (_, words) =
                examples::of(command.name).unwrap_or_else(|| panic!("none of {}", command.name));
            assert!(words.split(' ').any(|word| word == command.name), "{words}");
            let about = about(Some(command.name));
            assert!(
                about.contains(words) && about.contains("usage: "),
                "{about}"
            );
        }
    }

    #[test]
    fn what_is_no_command_gets_the_whole_text() {
        assert_eq!(about(Some("nothing")), about(None));
        assert_ne!(about(Some("dump")), about(None));
    }
}
