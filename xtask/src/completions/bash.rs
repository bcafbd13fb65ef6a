//! Scripts for bash. They need nothing but bash itself.

use std::fmt::Write as _;

use super::{Choice, Opt, Program, Value, origin};

/// How an option may be written.
fn spellings(option: &Opt) -> impl Iterator<Item = String> {
    let short = option.short.map(|letter| format!("-{letter}"));
    [format!("--{}", option.long)].into_iter().chain(short)
}

/// The alternatives of a `case`.
fn alternatives(options: &[&Opt]) -> String {
    let names = options.iter().flat_map(|option| spellings(option));
    names.collect::<Vec<_>>().join(" | ")
}

pub(super) fn script(program: &Program) -> String {
    let required = |option: &&Opt| matches!(option.value, Value::Required(..));
    let required: Vec<&Opt> = program.options.iter().filter(required).collect();
    let required = alternatives(&required);
    let mut text = origin(program);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"
{function}() {{
    local word=$2 previous=$3 option= command= at
    COMPREPLY=()
    # The shell takes --option=VALUE apart at the sign.
    if [[ $word == = ]]; then
        option=$previous word=
    elif [[ $previous == = ]]; then
        option=${{COMP_WORDS[COMP_CWORD - 2]}}
    else
        case $previous in
        {required}) option=$previous ;;
        esac
    fi
    case $option in
    '') ;;
{values}    *) compopt +o default; return ;;
    esac
"#,
        function = program.function(),
        values = values(program),
    );
    let options: Vec<String> = program.options.iter().flat_map(words).collect();
    let _ = write!(
        text,
        r#"    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W '{options}' -- "$word"))
        [[ ${{COMPREPLY[0]-}} == *= ]] && compopt -o nospace
        return
    fi
"#,
        options = options.join(" "),
    );
    if !program.commands.is_empty() {
        let commands: Vec<&str> = program.commands.iter().map(|(name, _)| &**name).collect();
        let _ = write!(
            text,
            r#"    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
        =) ((at++)) ;;
        {required}) [[ ${{COMP_WORDS[at + 1]}} == = ]] || ((at++)) ;;
        -*) ;;
        *) command=${{COMP_WORDS[at]}} ;;
        esac
    done
    if [[ -z $command ]]; then
        COMPREPLY=($(compgen -W '{commands}' -- "$word"))
    fi
"#,
            commands = commands.join(" "),
        );
    }
    let _ = write!(
        text,
        "}}\n\ncomplete -o default -F {} {}\n",
        program.function(),
        program.name
    );
    text
}

/// The option as a word, with a sign if a value has to follow.
fn words(option: &Opt) -> Vec<String> {
    let mut words: Vec<String> = spellings(option).collect();
    if matches!(option.value, Value::Required(..)) {
        words[0].push('=');
    }
    words
}

/// What becomes of a value, by option.
fn values(program: &Program) -> String {
    let mut text = String::new();
    let mut choices: Vec<(Choice, Vec<&Opt>)> = Vec::new();
    for option in &program.options {
        let Some(choice) = option.value.choice() else {
            continue;
        };
        match choices.iter_mut().find(|(other, _)| *other == choice) {
            Some((_, options)) => options.push(option),
            None => choices.push((choice, vec![option])),
        }
    }
    for (choice, options) in choices {
        let action = match choice {
            // Without an answer of ours bash completes files.
            Choice::File => String::from("return"),
            Choice::User => String::from(r#"COMPREPLY=($(compgen -u -- "$word")); return"#),
            Choice::Words(words) => {
                let more = words.iter().any(|word| word.ends_with(':'));
                let space = if more { "compopt -o nospace; " } else { "" };
                let words = words.join(" ");
                format!(r#"COMPREPLY=($(compgen -W '{words}' -- "$word")); {space}return"#)
            }
            Choice::Free => continue,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {}) {action} ;;", alternatives(&options));
    }
    text
}
