//! The help text of one command of a program that has several.

use std::fmt;

use ovsdb_daemon::program;

/// What there is to say of a command.
pub(crate) struct CommandHelp<'a> {
    pub(crate) name: &'a str,
    /// How it is written, behind the program's name and the options.
    pub(crate) synopsis: &'a str,
    /// What it does: a phrase.
    pub(crate) help: &'a str,
    /// More about it, each line with its end; may be empty.
    pub(crate) details: &'a str,
    /// What an example shows, and its words behind the program's name.
    pub(crate) example: Option<(&'a str, &'a str)>,
    /// What the program's own help text tells of.
    pub(crate) elsewhere: &'a str,
}

impl fmt::Display for CommandHelp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = program::name();
        writeln!(
            f,
            "{program} {}: {}\nusage: {program} [OPTIONS] {}",
            self.name,
            self.help.replace('\n', " "),
            self.synopsis
        )?;
        if !self.details.is_empty() {
            write!(f, "\n{}", self.details)?;
        }
        if let Some((meaning, words)) = self.example {
            writeln!(f, "\nFor example, {meaning}:\n    {program} {words}")?;
        }
        writeln!(f, "\n\"{program} --help\" tells of {}.", self.elsewhere)
    }
}
