//! The help texts, and the list of commands.

use ovsdb_daemon::program;

use super::commands::{COMMANDS, Command};
use super::options::options;
use super::{Answer, Call, ToolError, default_database, default_schema, examples};
use crate::command_help::CommandHelp;

/// `help [COMMAND]`.
pub(super) fn help(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    let text = about(call.arguments.first().map(String::as_str));
    call.out.write_all(text.as_bytes())?;
    Ok(Answer::Yes)
}

/// `list-commands`.
pub(super) fn list_commands(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    call.line("The available commands are:")?;
    for Command { name, usage, .. } in COMMANDS {
        call.line(format_args!("  {name:<23} {usage}"))?;
    }
    Ok(Answer::Yes)
}

/// What `--help` prints with the name of a command, if there is one of that name, or without.
pub(super) fn about(command: Option<&str>) -> String {
    command.and_then(Command::find).map_or_else(text, of)
}

/// About one command.
fn of(command: &Command) -> String {
    CommandHelp {
        name: command.name,
        synopsis: &command.synopsis(),
        help: command.help,
        details: command.details,
        example: examples::of(command.name),
        elsewhere: "the default files, options and other commands",
    }
    .to_string()
}

/// What `--help` prints without a command.
fn text() -> String {
    let name = program::name();
    let mut text = format!(
        "{name}: Open vSwitch database management utility\nusage: {name} [OPTIONS] COMMAND [ARG...]\n"
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:<31} {}\n", command.synopsis(), command.help));
    }
    text.push_str(&format!(
        "The default DB is {}.\nThe default SCHEMA is {}.\n",
        default_database().display(),
        default_schema().display()
    ));
    text + &options().help()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::cluster::REFUSED;

    #[test]
    fn every_command_that_is_not_refused_has_an_example_that_calls_it() {
        for command in COMMANDS {
            let about = about(Some(command.name));
            assert!(about.contains("usage: "), "{about}");
            let is_refused = REFUSED.contains(&command.name);
            let Some((_, words)) = examples::of(command.name) else {
                assert!(is_refused, "none of {}", command.name);
                continue;
            };
            assert!(!is_refused, "{}", command.name);
            assert!(words.split(' ').any(|word| word == command.name), "{words}");
            assert!(about.contains(words), "{about}");
        }
    }

    #[test]
    fn what_is_no_command_gets_the_whole_text() {
        assert_eq!(about(Some("nothing")), about(None));
        assert_ne!(about(Some("log")), about(None));
    }

    #[test]
    fn commands_tell_of_the_options_that_they_take() {
        for command in COMMANDS {
            for spec in options().specs() {
                let name = format!("--{}", spec.long);
                let mut words = command.details.split([' ', '=', ',', '\n']);
                let is_taken = command.options.contains(&spec.id);
                assert_eq!(
                    words.any(|word| word == name),
                    is_taken,
                    "{} {name}",
                    command.name
                );
                assert!(!is_taken || spec.id.is_of_some(), "{name}");
            }
        }
    }
}
