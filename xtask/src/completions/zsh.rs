//! Scripts for zsh, by its own function `_arguments`.

use std::fmt::Write as _;

use super::{Choice, Opt, Program, Value, origin, quoted};

pub(super) fn script(program: &Program) -> String {
    let (name, function) = (program.name, program.function());
    let mut text = format!("#compdef {name}\n{}\n", origin(program));
    if !program.commands.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{function}_commands() {{\n    local -a commands=(");
        for (name, help) in &program.commands {
            let item = match help.as_str() {
                "" => name.clone(),
                help => format!("{name}:{help}"),
            };
            let _ = writeln!(text, "        {}", quoted(&item));
        }
        text.push_str("    )\n    _describe -t commands command commands\n}\n\n");
    }
    text.push_str("_arguments -s -S \\\n");
    for option in &program.options {
        for spelling in spellings(option) {
            let _ = writeln!(text, "    {} \\", quoted(&spelling));
        }
    }
    if !program.commands.is_empty() {
        let _ = writeln!(text, "    '1: :{function}_commands' \\");
    }
    text.push_str("    '*: :_files'\n");
    text
}

/// The option as `_arguments` wants it, once for each way to write it.
fn spellings(option: &Opt) -> Vec<String> {
    // The brackets that end it, and the colon that ends what comes after it.
    let help = option.help.replace('\\', r"\\").replace('[', r"\[");
    let help = help.replace(']', r"\]").replace(':', r"\:");
    let (long, short, rest) = match option.value {
        Value::None => ("", "", String::new()),
        Value::Required(name, choice) => ("=", "+", format!(":{}:{}", plain(name), action(choice))),
        Value::Optional(name, choice) => {
            ("=-", "-", format!("::{}:{}", plain(name), action(choice)))
        }
    };
    let mut all = vec![format!("*--{}{long}[{help}]{rest}", option.long)];
    all.extend(
        option
            .short
            .map(|letter| format!("*-{letter}{short}[{help}]{rest}")),
    );
    all
}

/// The name of a value without what means something else here.
fn plain(name: &str) -> String {
    name.replace(':', r"\:")
}

fn action(choice: Choice) -> String {
    match choice {
        Choice::File => String::from("_files"),
        Choice::User => String::from("_users"),
        Choice::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| word.replace(':', r"\:")).collect();
            format!("({})", words.join(" "))
        }
        Choice::Free => String::from(" "),
    }
}
