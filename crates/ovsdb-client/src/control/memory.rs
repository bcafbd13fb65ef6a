//! `memory/show`: how much there is of what takes memory.

use super::lines::{number, words};

/// What takes memory in a daemon.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Memory {
    /// Kinds of things and how many there are, in the daemon's order: that of the names. Units are the daemon's, often part
    /// of the name. Names may hold spaces (`udpif keys`).
    pub usage: Vec<(String, u64)>,
    /// What is none of these, line by line.
    pub other: Vec<String>,
}

impl Memory {
    /// Reads the answer to `memory/show`. An idle daemon may have nothing to tell.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            let mut name = String::new();
            for word in words(line) {
                if !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(word);
                // A name goes on until a number follows a colon.
                if let Some((kind, count)) = name.rsplit_once(':') {
                    match number(count) {
                        Some(count) => out.usage.push((kind.to_owned(), count)),
                        None => out.other.push(name.clone()),
                    }
                    name.clear();
                }
            }
            if !name.is_empty() {
                out.other.push(name);
            }
        }
        out
    }

    /// How many there are of one kind.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        let found = self.usage.iter().find(|(kind, _)| kind == name);
        found.map(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{letters, recorded};
    use super::*;
    use proptest::prelude::*;

    fn text_of(memory: &Memory) -> String {
        let words = memory
            .usage
            .iter()
            .map(|(name, count)| format!("{name}:{count}"));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn recorded_reports_are_read_without_loss() {
        for (name, text) in recorded("memory-show") {
            let memory = Memory::parse(&text);
            assert_eq!(text_of(&memory), text.trim_end(), "{name}");
            assert!(!memory.usage.is_empty(), "{name}");
        }
    }

    #[test]
    fn names_may_hold_spaces_and_colons() {
        let memory = Memory::parse("rules:10 udpif keys:1 a:b:7 idl-cells-Open_vSwitch:403\n");
        assert_eq!(memory.get("udpif keys"), Some(1));
        assert_eq!(memory.get("a:b"), Some(7));
        assert_eq!(memory.get("keys"), None);
        assert_eq!(memory.usage.len(), 4);
        assert_eq!(memory.other, [""; 0]);
    }

    #[test]
    fn what_is_no_count_is_kept() {
        let memory = Memory::parse("rules:10 cells:many files:3\nnothing");
        assert_eq!(memory.get("rules"), Some(10));
        assert_eq!(memory.get("files"), Some(3));
        assert_eq!(memory.other, ["cells:many", "nothing"]);
        assert_eq!(Memory::parse(""), Memory::default());
    }

    proptest! {
        #[test]
        fn what_is_reported_is_read(usage in prop::collection::vec((letters(), any::<u64>()), 0..5)) {
            let memory = Memory { usage, other: Vec::new() };
            prop_assert_eq!(Memory::parse(&text_of(&memory)), memory);
        }
    }
}
