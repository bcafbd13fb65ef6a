//! The text of a record, read without making a tree of it: what it says of itself, and where its tables, rows and columns
//! stand.
//!
//! Members come in the order of their names, of those with the same name the last one, as in a tree. That the text is JSON is
//! found out once, for the whole record; from then on only the places of values are looked for.

use std::borrow::Cow;

use ovsdb_proto::json::cursor::{Cursor, Stop};
use ovsdb_proto::json::reader::{Event, Reader};
use ovsdb_proto::json::{self, Json, JsonError};

/// A record.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    /// `_date`, if it is an integer.
    pub(super) date: Option<i64>,
    /// `_comment`, if it is a string.
    pub(super) comment: Option<Cow<'a, str>>,
    /// `_is_diff`: values are differences to those before.
    pub(super) is_diff: bool,
    /// The texts of the tables that are objects.
    pub(super) tables: Members<'a>,
}

/// The members of an object: their names, and the texts of their values.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Why a record has no outline.
#[derive(Debug)]
pub(super) enum Fault {
    NotJson(JsonError),
    NotObject,
}

impl<'a> Outline<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// It is not JSON, or no object.
    pub(super) fn of(text: &'a str) -> Result<Outline<'a>, Fault> {
        let mut reader = Reader::of_text(text);
        let mut outline = Outline::default();
        match reader.next_event().map_err(Fault::NotJson)? {
            Event::BeginObject => {}
            first => {
                reader.skip(&first).map_err(Fault::NotJson)?;
                end(&mut reader)?;
                return Err(Fault::NotObject);
            }
        }
        while let Event::Name(name) = reader.next_event().map_err(Fault::NotJson)? {
            let first = reader.next_event().map_err(Fault::NotJson)?;
            let begin = reader.offset() - 1;
            let is_object = first == Event::BeginObject;
            match &*name {
                "_date" => {
                    outline.date = match first {
                        Event::Integer(date) => Some(date),
                        _ => None,
                    }
                }
                "_is_diff" => outline.is_diff = first == Event::Bool(true),
                "_comment" => {
                    outline.comment = match &first {
                        Event::String(comment) => Some(comment.clone()),
                        _ => None,
                    }
                }
                _ => {}
            }
            reader.skip(&first).map_err(Fault::NotJson)?;
            if !name.starts_with('_') {
                let place = if is_object {
                    begin..reader.offset()
                } else {
                    0..0
                };
                outline.tables.push((name, &text[place]));
            }
        }
        end(&mut reader)?;
        in_order(&mut outline.tables);
        outline.tables.retain(|(_, table)| !table.is_empty());
        Ok(outline)
    }
}

fn end(reader: &mut Reader<'_>) -> Result<(), Fault> {
    match reader.next_event() {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::NotJson(error)),
    }
}

/// The members of an object in a record that has an outline.
///
/// # Errors
/// `object` is none.
pub(super) fn members(object: &str) -> Result<Members<'_>, Stop> {
    let mut cursor = Cursor::new(object);
    let mut members = Members::new();
    cursor.expect(b'{')?;
    while cursor.another(b'}', members.is_empty())? {
        members.push((cursor.name()?, cursor.skip()?));
    }
    in_order(&mut members);
    Ok(members)
}

fn in_order(members: &mut Members<'_>) {
    let name = |at: usize| -> &[u8] { members[at].0.as_bytes() };
    if (1..members.len()).all(|at| name(at - 1) < name(at)) {
        return;
    }
    // The last one of a name comes first, and stays.
    members.reverse();
    members.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
    members.dedup_by(|(a, _), (b, _)| a == b);
}

/// A value in a record that has an outline, as a tree.
///
/// # Errors
/// `text` is no value.
pub(super) fn tree(text: &str) -> Result<Json, JsonError> {
    // Only arrays and objects stand alone.
    match json::parse(format!("[{text}]").as_bytes())? {
        Json::Array(mut elements) if !elements.is_empty() => Ok(elements.remove(0)),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_annotations_and_its_tables_in_order() {
        let text = r#"{"B":{"x":{"n":[1,"]}"]}},"_date":5,"_comment":"a\"b","A":{"y":null},"_is_diff":true,"C":7} "#;
        let outline = Outline::of(text).expect("a record");
        assert_eq!(outline.date, Some(5));
        assert_eq!(outline.comment.as_deref(), Some("a\"b"));
        assert!(outline.is_diff);
        let expect = [("A", r#"{"y":null}"#), ("B", r#"{"x":{"n":[1,"]}"]}}"#)];
        assert_eq!(
            outline.tables,
            expect.map(|(name, text)| (name.into(), text))
        );
        let rows = members(outline.tables[1].1).expect("an object");
        assert_eq!(rows, [("x".into(), r#"{"n":[1,"]}"]}"#)]);
    }

    #[test]
    fn of_members_with_one_name_the_last_one_counts() {
        let outline = Outline::of(r#"{"T":{"a":1},"_date":1,"S":{},"T":{"b":2},"_date":"x"}"#);
        let outline = outline.expect("a record");
        assert_eq!(outline.date, None);
        assert_eq!(
            outline.tables,
            [("S".into(), "{}"), ("T".into(), r#"{"b":2}"#)]
        );
        let outline = Outline::of(r#"{"T":{"a":1},"T":7}"#).expect("a record");
        assert_eq!(outline.tables, []);
        let found = members(r#"{"b":1, "a":2,"b" : [3] }"#).expect("an object");
        assert_eq!(found, [("a".into(), "2"), ("b".into(), "[3]")]);
    }

    #[test]
    fn what_is_no_record_has_no_outline() {
        for text in [
            "{",
            "{\"T\":{\"a\":tru}}",
            "{\"T\":{\"a\":[1,]}}",
            "{} {}",
            "",
            "{\"T\":\"\\ud800\"}",
        ] {
            assert!(
                matches!(Outline::of(text), Err(Fault::NotJson(_))),
                "{text}"
            );
        }
        assert!(matches!(Outline::of("[1]"), Err(Fault::NotObject)));
    }

    #[test]
    fn a_value_is_a_tree_by_itself() {
        assert_eq!(tree("1.5").expect("a number"), Json::Real(1.5));
        assert_eq!(tree("\"x\"").expect("a string"), Json::string("x"));
        assert_eq!(tree("[]").expect("an array"), Json::Array(Vec::new()));
        assert!(tree("1,").is_err());
    }
}
