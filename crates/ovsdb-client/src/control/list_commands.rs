//! `list-commands`: the commands of a daemon, each with its arguments in words.

use super::lines::lines;

/// The line above the list.
const HEADING: &str = "The available commands are:";

/// What a daemon can be told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Commands {
    /// The commands, in the daemon's order: that of their names.
    pub commands: Vec<Command>,
    /// Lines that are none of the list.
    pub other: Vec<String>,
}

/// A command of a daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Command {
    /// Its name.
    pub name: String,
    /// Its arguments, as the daemon describes them; empty if it takes none.
    pub arguments: String,
}

impl Commands {
    /// Reads the answer to `list-commands`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in lines(text) {
            let entry = line.strip_prefix("  ").map(|entry| {
                let (name, arguments) = entry.split_once(' ').unwrap_or((entry, ""));
                (name, arguments.trim())
            });
            match entry {
                Some((name, arguments)) if !name.is_empty() => out.commands.push(Command {
                    name: name.to_owned(),
                    arguments: arguments.to_owned(),
                }),
                _ if line == HEADING => {}
                _ => out.other.push(line.to_owned()),
            }
        }
        out
    }

    /// Whether the daemon has a command of this name that it lists.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.commands.iter().any(|command| command.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{letters, recorded};
    use super::*;
    use proptest::prelude::*;

    fn text_of(commands: &Commands) -> String {
        let lines = commands
            .commands
            .iter()
            .map(|Command { name, arguments }| format!("  {name:<23} {arguments}\n"));
        format!("{HEADING}\n{}", lines.collect::<String>())
    }

    #[test]
    fn recorded_lists_are_read_without_loss() {
        for (name, text) in recorded("list-commands") {
            let commands = Commands::parse(&text);
            assert_eq!(text_of(&commands), text, "{name}");
            assert!(commands.contains("coverage/show"), "{name}");
            assert!(!commands.contains("coverage"), "{name}");
        }
    }

    #[test]
    fn other_lines_are_kept() {
        let commands = Commands::parse("  exit\nDeprecated:\n   indented more\n");
        assert_eq!(commands.commands.len(), 1);
        assert!(commands.contains("exit"));
        assert_eq!(commands.other, ["Deprecated:", "   indented more"]);
    }

    proptest! {
        #[test]
        fn what_is_listed_is_read(entries in prop::collection::vec((letters(), "[a-z]{0,3}"), 0..5)) {
            let commands = entries.into_iter().map(|(name, arguments)| Command { name, arguments });
            let commands = Commands { commands: commands.collect(), other: Vec::new() };
            prop_assert_eq!(Commands::parse(&text_of(&commands)), commands);
        }
    }
}
