//! Names of a schema as names of Rust.

use std::collections::BTreeSet;

/// Words that are names only with `r#` before them.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Words that are no names even so.
const NEVER: &[&str] = &["crate", "self", "super", "Self", "_"];

/// Names that the text uses for what is not the schema's.
pub(crate) const TYPES_IN_USE: &[&str] = &[
    "BTreeMap", "BTreeSet", "Check", "Column", "Default", "Err", "None", "Ok", "Option", "Real",
    "Ref", "Result", "Self", "Some", "String", "Uuid",
];

/// Names of one space, each given once.
#[derive(Debug, Default)]
pub(crate) struct Space {
    taken: BTreeSet<String>,
}

impl Space {
    /// With names that nobody is to get.
    pub(crate) fn without(names: &[&str]) -> Space {
        Space {
            taken: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// The name, or the name with a number behind `joint`, if it is taken. `r#` is put before keywords.
    pub(crate) fn take(&mut self, name: String, joint: &str) -> String {
        let name = match NEVER.contains(&name.as_str()) {
            true => format!("{name}_"),
            false => name,
        };
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.taken.insert(candidate.clone()) {
            candidate = format!("{name}{joint}{number}");
            number += 1;
        }
        match KEYWORDS.contains(&candidate.as_str()) {
            true => format!("r#{candidate}"),
            false => candidate,
        }
    }
}

/// The parts of a name between what cannot be in names.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
}

/// `Logical_Switch_Port`, `in-band` and `SSL` as `LogicalSwitchPort`, `InBand` and `Ssl`.
pub(crate) fn of_type(name: &str) -> String {
    let mut out = String::new();
    for part in parts(name) {
        let is_shouted = part.len() > 1 && !part.contains(|c: char| c.is_ascii_lowercase());
        let mut chars = part.chars();
        out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        match is_shouted {
            true => out.extend(chars.map(|c| c.to_ascii_lowercase())),
            false => out.extend(chars),
        }
    }
    beginning_with_a_letter(out, "V")
}

/// A name in small letters: of a module or a field.
pub(crate) fn of_value(name: &str) -> String {
    let name = parts(name).collect::<Vec<_>>().join("_");
    beginning_with_a_letter(name.to_ascii_lowercase(), "v")
}

/// A name in capitals: of a constant.
pub(crate) fn of_constant(name: &str) -> String {
    of_value(name).to_ascii_uppercase()
}

fn beginning_with_a_letter(name: String, letter: &str) -> String {
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => name,
        false => format!("{letter}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_manner_of_rust() {
        let cases = [
            (
                "Logical_Switch_Port",
                "LogicalSwitchPort",
                "logical_switch_port",
            ),
            ("Open_vSwitch", "OpenVSwitch", "open_vswitch"),
            ("SSL", "Ssl", "ssl"),
            ("NB_Global", "NbGlobal", "nb_global"),
            ("QoS", "QoS", "qos"),
            ("in-band", "InBand", "in_band"),
            ("802.1ad", "V8021ad", "v802_1ad"),
            ("!=", "V", "v"),
            ("_private", "Private", "private"),
        ];
        for (name, ty, value) in cases {
            assert_eq!(
                (of_type(name).as_str(), of_value(name).as_str()),
                (ty, value)
            );
        }
        assert_eq!(of_constant("max_backoff"), "MAX_BACKOFF");
    }

    #[test]
    fn names_are_given_once_and_keywords_marked() {
        let mut space = Space::without(&["Option"]);
        let mut take = |name: &str| space.take(name.to_owned(), "_");
        assert_eq!(take("type"), "r#type");
        assert_eq!(take("type"), "type_2");
        assert_eq!(take("type"), "type_3");
        assert_eq!(take("Option"), "Option_2");
        assert_eq!(take("self"), "self_");
        assert_eq!(take("plain"), "plain");
    }
}
