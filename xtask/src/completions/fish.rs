//! Scripts for fish: a command for each option and each command.

use std::fmt::Write as _;

use super::{Choice, Program, Value, origin};

pub(super) fn script(program: &Program) -> String {
    let name = program.name;
    let mut text = origin(program);
    for option in &program.options {
        // Writing to a String cannot fail.
        let _ = write!(text, "complete -c {name} -l {}", option.long);
        if let Some(letter) = option.short {
            let _ = write!(text, " -s {letter}");
        }
        if let Value::Required(..) = option.value {
            text.push_str(" -r");
        }
        match option.value.choice() {
            None | Some(Choice::File) => {}
            Some(Choice::User) => text.push_str(" -f -a '(__fish_complete_users)'"),
            Some(Choice::Words(words)) => {
                let _ = write!(text, " -f -a {}", quoted(&words.join(" ")));
            }
            Some(Choice::Free) => text.push_str(" -f"),
        }
        let _ = writeln!(text, " -d {}", quoted(&option.help));
    }
    for (command, help) in &program.commands {
        let _ = write!(
            text,
            "complete -c {name} -n __fish_use_subcommand -f -a {}",
            quoted(command)
        );
        if !help.is_empty() {
            let _ = write!(text, " -d {}", quoted(help));
        }
        text.push('\n');
    }
    text
}

/// A text in single quotes of fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
