//! What a record says of itself: its date and its comment (ovsdb(5), "Standalone Database Format").
//!
//! They stand anywhere among the tables of the record, which may be large, so the text is passed over piece by piece and
//! nothing else of it is kept. Whether the record makes sense is not looked at.

use ovsdb_proto::json::{self, Json};

/// Dates of this size and less are seconds, as old files have them, and not milliseconds.
const DATE_SECONDS_MAX: i64 = i32::MAX as i64 - 1;

/// How the comments of records begin that hold all that a database had at one moment: those of this project's programs and
/// of the reference's. Nothing else in a file tells such a record from a transaction that inserts rows into an empty database.
const SNAPSHOTS: [&str; 6] = [
    "compacting database online",
    "compacted by ovsdb-tool ",
    "converted by ovsdb-server",
    // With the program's version behind it, and without after `cluster-to-standalone`.
    "converted by ovsdb-tool",
    "restored by ovsdb-tool ",
    "produced by \"ovsdb-client backup\"",
];

/// When and why a record was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Annotations {
    /// Wall-clock time of who wrote it, in milliseconds since 1970.
    pub date_ms: Option<i64>,
    /// The comments of the transaction, one a line.
    pub comment: Option<String>,
}

impl Annotations {
    /// Those in the text of a record.
    pub fn of(record: &[u8]) -> Annotations {
        let mut reader = AnnotationReader::new();
        reader.push(record);
        reader.finish()
    }

    /// The command line that made the transaction, as `ovs-vsctl` and its kin note it: `ovs-vsctl add-br br0` of the comment
    /// `ovs-vsctl (invoked by bash): ovs-vsctl add-br br0`. `None` if the comment is of another form.
    pub fn command(&self) -> Option<&str> {
        self.comment.as_ref()?.lines().find_map(command)
    }

    /// Whether the record says that it holds all that the database had, after a compaction or a conversion, or in a backup.
    /// What was before it the file does not tell then.
    pub fn is_snapshot(&self) -> bool {
        let comment = self.comment.as_deref().unwrap_or_default();
        SNAPSHOTS.iter().any(|begin| comment.starts_with(begin))
    }
}

/// The `_date` of a record in milliseconds since 1970. Old files have it in seconds, which such small numbers are.
pub fn date_ms(date: i64) -> i64 {
    if date <= DATE_SECONDS_MAX {
        date.saturating_mul(1000)
    } else {
        date
    }
}

fn command(line: &str) -> Option<&str> {
    let program_end = line.find([' ', ':'])?;
    let (program, rest) = line.split_at(program_end);
    let command = match rest.strip_prefix(" (invoked by ") {
        // The name of who invoked it may hold a colon and parentheses; the command begins with the program's name.
        Some(invoked) => {
            let at = invoked.find(&format!("): {program}"))?;
            &invoked[at + "): ".len()..]
        }
        None => rest.strip_prefix(": ")?,
    };
    let is_control = program.ends_with("ctl") && command.starts_with(program);
    is_control.then_some(command)
}

/// Finds the [`Annotations`] in the text of a record that comes in pieces.
#[derive(Debug, Default)]
pub struct AnnotationReader {
    found: Annotations,
    /// How many brackets are open.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash within a string.
    escaped: bool,
    /// The text of the member at hand, as long as it may be an annotation.
    member: Vec<u8>,
    /// It is none.
    is_other: bool,
}

impl AnnotationReader {
    /// A reader at the beginning of a record.
    pub fn new() -> AnnotationReader {
        AnnotationReader::default()
    }

    /// Passes over the next piece of the text, cut off anywhere.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            let length = if self.in_string {
                self.in_string(rest)
            } else {
                self.between_strings(byte);
                1
            };
            rest = &rest[length..];
        }
    }

    /// Passes over as much of a string as there is, and says how much that is.
    fn in_string(&mut self, rest: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            self.keep(&rest[..1]);
            return 1;
        }
        let end = memchr::memchr2(b'"', b'\\', rest);
        let length = end.map_or(rest.len(), |end| end + 1);
        self.keep(&rest[..length]);
        match end.map(|end| rest[end]) {
            Some(b'"') => self.in_string = false,
            Some(_) => self.escaped = true,
            None => {}
        }
        length
    }

    fn between_strings(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 1 {
                    return;
                }
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_member();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b',' if self.depth == 1 => return self.end_member(),
            b'"' => self.in_string = true,
            _ => {}
        }
        self.keep(&[byte]);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_other || self.member.is_empty() && bytes.trim_ascii().is_empty() {
            return;
        }
        self.member.extend_from_slice(bytes);
        // A name may be escaped, and nobody writes it so: that is for the parser to say.
        self.is_other = match *self.member {
            [b'"', second, ..] => !matches!(second, b'_' | b'\\'),
            [b'"'] => false,
            _ => true,
        };
        if self.is_other {
            self.member.clear();
        }
    }

    fn end_member(&mut self) {
        self.is_other = false;
        if self.member.is_empty() {
            return;
        }
        let object = [b"{", &*self.member, b"}"].concat();
        self.member.clear();
        // What is no JSON is not told here.
        let Ok(object) = json::parse(&object) else {
            return;
        };
        if let Some(Json::Integer(date)) = object.get("_date") {
            self.found.date_ms = Some(date_ms(*date));
        }
        if let Some(comment) = object.get("_comment").and_then(Json::as_str) {
            self.found.comment = Some(comment.to_owned());
        }
    }

    /// What there was.
    pub fn finish(self) -> Annotations {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(date_ms: Option<i64>, comment: Option<&str>) -> Annotations {
        Annotations {
            date_ms,
            comment: comment.map(str::to_owned),
        }
    }

    #[test]
    fn dates_and_comments_are_found_wherever_they_stand_and_however_the_text_is_cut() {
        let ms = 1_795_264_782_918;
        for (text, date, comment) in [
            (
                r#"{"A":{"x":{"_date":3}},"_comment":"a","_date":1795264782918,"b":{}}"#,
                Some(ms),
                Some("a"),
            ),
            (
                r#" { "_date" : 1795264782918 , "T" : { "\"_comment\"" : [ "}" , {} ] } , "_comment" : "\"\\\n" } "#,
                Some(ms),
                Some("\"\\\n"),
            ),
            (
                r#"{"_date":5,"_date":1234567890}"#,
                Some(1_234_567_890_000),
                None,
            ),
            (r#"{"\u005fcomment":"b","_is_diff":true}"#, None, Some("b")),
            (r#"{"_date":"x","_comment":5}"#, None, None),
            ("{}", None, None),
            ("[1,2]", None, None),
            ("", None, None),
            ("]]}}", None, None),
        ] {
            for size in 1..=text.len().max(1) {
                let mut reader = AnnotationReader::new();
                text.as_bytes()
                    .chunks(size)
                    .for_each(|piece| reader.push(piece));
                assert_eq!(reader.finish(), annotations(date, comment), "{text} {size}");
            }
        }
    }

    #[test]
    fn commands_are_found_in_comments_of_the_usual_forms_only() {
        for (comment, expected) in [
            (
                "ovs-vsctl: ovs-vsctl add-br br0",
                Some("ovs-vsctl add-br br0"),
            ),
            (
                "ovs-vsctl (invoked by sh: (x) (pid 7)): ovs-vsctl -- set a b",
                Some("ovs-vsctl -- set a b"),
            ),
            (
                "first\novn-nbctl: ovn-nbctl ls-add a",
                Some("ovn-nbctl ls-add a"),
            ),
            ("ovs-vswitchd: ovs-vswitchd", None),
            ("ovs-vsctl: something else", None),
            ("ovn-controller", None),
            ("", None),
        ] {
            assert_eq!(
                annotations(None, Some(comment)).command(),
                expected,
                "{comment}"
            );
        }
        assert_eq!(annotations(None, None).command(), None);
    }

    #[test]
    fn records_with_all_contents_are_known_by_the_comments_of_who_writes_such() {
        for (comment, expected) in [
            (Some("compacting database online"), true),
            (
                Some("compacting database online; transaction 5f8aa9f8, seal 81b2"),
                true,
            ),
            (Some("compacted by ovsdb-tool 3.1.0"), true),
            (Some("converted by ovsdb-server"), true),
            (
                Some("converted by ovsdb-server; transaction 5f8aa9f8, seal 81b2"),
                true,
            ),
            (Some("converted by ovsdb-tool 3.7.1"), true),
            (Some("converted by ovsdb-tool"), true),
            (Some("restored by ovsdb-tool 3.7.1 from conf.db"), true),
            (Some("produced by \"ovsdb-client backup\""), true),
            (Some("ovs-vsctl: ovs-vsctl add-br br0"), false),
            (Some("compacting"), false),
            (None, false),
        ] {
            let found = annotations(None, comment);
            assert_eq!(found.is_snapshot(), expected, "{comment:?}");
        }
    }
}
