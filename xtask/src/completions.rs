//! `xtask completions`: writes what shells need to complete command lines of the programs into `packaging/completions`,
//! from the tables that the programs read their command lines with.
//!
//! `xtask tidy` compares what stands there with what would be written. The scripts ask no program anything. Generators that
//! others offer want command lines as their own parsers read them, which those of these programs are not.

mod bash;
mod fish;
mod zsh;

use std::fs;
use std::process::ExitCode;

use ovsdb_daemon::options::{Arg, Table};
use ovsdb_tools::server::compatibility::{Kind, State, entries};
use ovsdb_tools::{appctl, client, codegen, exporter, server, tool};

use crate::workspace::Workspace;

/// Where the scripts are kept, in a folder for each shell.
const FOLDER: &str = "packaging/completions";

/// One program.
struct Program {
    name: &'static str,
    options: Vec<Opt>,
    /// Its commands, each with what it does; none if it takes files only.
    commands: Vec<(String, String)>,
}

/// One option.
struct Opt {
    long: &'static str,
    short: Option<char>,
    help: String,
    value: Value,
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    None,
    /// It has to have one, by this name.
    Required(&'static str, Choice),
    /// It may have one that is glued to it.
    Optional(&'static str, Choice),
}

impl Value {
    /// What a value may be, if there may be one.
    fn choice(self) -> Option<Choice> {
        match self {
            Value::None => None,
            Value::Required(_, choice) | Value::Optional(_, choice) => Some(choice),
        }
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    /// A file.
    File,
    /// A user.
    User,
    /// One of these.
    Words(&'static [&'static str]),
    /// Something that nobody can guess.
    Free,
}

impl Choice {
    /// By the program, the option and the name that its help text has for the value.
    fn of(program: &str, option: &str, value: &str) -> Choice {
        match (program, option, value) {
            (_, "log-format", _) | ("ovs-appctl", "format", _) => Choice::Words(&["text", "json"]),
            (_, "format", _) => Choice::Words(&["table", "list", "html", "csv", "json"]),
            (_, "data", _) => Choice::Words(&["string", "bare", "json"]),
            (_, "syslog-method", _) => Choice::Words(&["libc", "null", "udp:", "unix:"]),
            (_, "remote", _) => Choice::Words(&[
                "db:", "pfd:", "pssl:", "ptcp:", "punix:", "ssl:", "tcp:", "unix:",
            ]),
            (_, "verbose", _) => Choice::Words(&[
                "console:", "dbg", "emer", "err", "file:", "info", "off", "syslog:", "warn",
            ]),
            (_, _, "FILE" | "SCHEMA" | "DIR" | "TARGET" | "SOCKET") => Choice::File,
            (_, _, "USER[:GROUP]") => Choice::User,
            _ => Choice::Free,
        }
    }
}

impl Program {
    fn new<T: Clone>(
        name: &'static str,
        table: &Table<T>,
        commands: impl IntoIterator<Item = (String, String)>,
    ) -> Program {
        let options = table.specs().map(|spec| Opt {
            long: spec.long,
            short: spec.short,
            help: spec.help.replace('\n', " "),
            value: match spec.arg {
                Arg::No => Value::None,
                Arg::Required(value) => Value::Required(value, Choice::of(name, spec.long, value)),
                Arg::Optional(value) => Value::Optional(value, Choice::of(name, spec.long, value)),
            },
        });
        let commands = commands.into_iter().map(|(synopsis, help)| {
            let word = synopsis.split(' ').next().unwrap_or_default();
            (word.to_owned(), help.replace('\n', " "))
        });
        Program {
            name,
            options: options.collect(),
            commands: commands.collect(),
        }
    }

    /// The name of a function of the script.
    fn function(&self) -> String {
        format!("_{}", self.name.replace('-', "_"))
    }
}

fn programs() -> Vec<Program> {
    let owned = |(synopsis, help): (String, &str)| (synopsis, help.to_owned());
    // What other daemons understand besides, nobody knows without asking them.
    let control = entries(Kind::Command)
        .filter(|entry| entry.state != State::Refused)
        .map(|entry| (entry.name.to_owned(), String::new()));
    vec![
        Program::new("ovsdb-server", &server::table(), []),
        Program::new(
            "ovsdb-client",
            &client::options(),
            client::commands().map(owned),
        ),
        Program::new("ovsdb-tool", &tool::options(), tool::commands().map(owned)),
        Program::new("ovs-appctl", &appctl::options(), control),
        Program::new("ovsdb-exporter", &exporter::options(), []),
        Program::new("ovsdb-codegen", &codegen::options(), []),
    ]
}

/// Every script: its path from the workspace's root, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for program in programs() {
        let name = program.name;
        files.extend([
            (format!("{FOLDER}/bash/{name}"), bash::script(&program)),
            (format!("{FOLDER}/zsh/_{name}"), zsh::script(&program)),
            (format!("{FOLDER}/fish/{name}.fish"), fish::script(&program)),
        ]);
    }
    files
}

/// Writes every script.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, crate::Error> {
    for (path, text) in files() {
        let path = workspace.root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        println!("{}", workspace.relative(&path));
    }
    Ok(ExitCode::SUCCESS)
}

/// The line that says where a script comes from.
fn origin(program: &Program) -> String {
    format!(
        "# Completes {}; written by `cargo run -p xtask -- completions`.\n",
        program.name
    )
}

/// A text in single quotes of bash and zsh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_program_has_a_script_for_each_shell_with_all_its_options() {
        let files = files();
        assert_eq!(files.len(), 3 * programs().len());
        for program in programs() {
            let scripts = files.iter().filter(|(path, _)| path.contains(program.name));
            for (path, text) in scripts {
                for option in &program.options {
                    assert!(text.contains(option.long), "{path}: {}", option.long);
                }
                for (command, _) in &program.commands {
                    assert!(text.contains(command.as_str()), "{path}: {command}");
                }
            }
        }
    }

    /// What bash offers for a command line, whose words it has taken apart.
    #[track_caller]
    fn check(line: &[&str], expected: &str) {
        let path = format!("{FOLDER}/bash/{}", line[0]);
        let files = files();
        let script = files.iter().find(|(found, _)| *found == path);
        let (_, script) = script.expect("a script");
        let call = "\n\
            compopt() { :; }\n\
            COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n\
            _${1//-/_} \"$1\" \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n\
            echo \"${COMPREPLY[*]}\"\n";
        let output = Command::new("bash")
            .args(["-c", &format!("{script}{call}"), "bash"])
            .args(line)
            .output()
            .expect("bash runs");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(shown.trim_end(), expected, "{line:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }

    #[test]
    fn bash_offers_options_values_and_commands_where_they_belong() {
        check(
            &["ovsdb-client", "get-s"],
            "get-schema get-schema-version get-schema-cksum",
        );
        check(&["ovsdb-client", "--no-h"], "--no-headings");
        check(&["ovsdb-client", "--form"], "--format=");
        check(&["ovsdb-client", "--format", "=", "j"], "json");
        check(
            &["ovsdb-client", "--format", "="],
            "table list html csv json",
        );
        check(&["ovsdb-client", "-f", "li"], "list");
        // A value is no command, and a command comes once.
        check(
            &["ovsdb-client", "-f", "list", "lis"],
            "list-dbs list-tables list-columns",
        );
        check(&["ovsdb-client", "--format", "=", "list", "du"], "dump");
        check(&["ovsdb-client", "-v", "du"], "dump");
        check(&["ovsdb-client", "dump", "du"], "");
        // Files are left to bash.
        check(&["ovsdb-server", "--private-key", "="], "");
        check(&["ovsdb-server", "--remote", "=", "pu"], "punix:");
        check(
            &["ovs-appctl", "-t", "x", "vlog/l"],
            "vlog/list vlog/list-pattern",
        );
    }
}
