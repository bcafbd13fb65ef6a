//! The reader of rows against the one that takes trees: what it accepts, and what it must not miss.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{a_json, counter, schema};
use crate::json::{self, Json};
use crate::row;

/// Values of columns of the table `t`, in the words of the protocol.
const VALUES: [(&str, &str); 34] = [
    ("b", "true"),
    ("b", r#"["set",[false]]"#),
    ("e", r#""left""#),
    ("e", r#""up""#),
    ("e", r#"["set",[]]"#),
    ("i", "-7"),
    ("i", "1e3"),
    ("i", "1.5"),
    ("im", r#"["map",[[2,3],[1,9]]]"#),
    ("im", r#"["map",[[2,3],[2,4]]]"#),
    ("im", r#"["map",[]]"#),
    ("im", r#"["set",[]]"#),
    ("is", r#"["set",[3,1,2]]"#),
    ("is", r#"["set",[3,1,3]]"#),
    ("is2", r#"["set",[]]"#),
    ("is2", r#"["set",[1,2]]"#),
    ("is2", r#"["set",[1,2,3]]"#),
    ("ismall", r#"["set",[-5,5]]"#),
    ("ismall", "6"),
    ("r", "7"),
    ("r", "0.1"),
    ("rs", r#"["set",[0,-0.0]]"#),
    ("ref", r#"["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]"#),
    (
        "ref",
        r#"["set",[["uuid","3F1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"],["named-uuid","a"]]]"#,
    ),
    ("ref", r#"["named-uuid","1a"]"#),
    ("s", r#""a string that needs memory of its own""#),
    ("s", r#""\u00e9\n\"""#),
    ("sm", r#"["map",[["b","x"],["a","y"]]]"#),
    (
        "sm",
        r#" [ "map" , [ [ "a key that is rather long" , "a value that is long, too" ] ] ] "#,
    ),
    ("short", r#""abcd""#),
    ("short", r#"["set",["abc","é"]]"#),
    ("u", r#"["uuid","3f1bd0d6-7f5e-4c21-9a07-00ff10a0b0c0"]"#),
    ("u", r#"["uuid","3f1bd0d6"]"#),
    ("nothing", "1"),
];

/// Reads `texts` one after another by one reader, and each by way of a tree: what is read must be the same. What the
/// reader does not read must be wrong, unless it may be `strange`.
fn check(texts: &[String], strange: bool) -> Result<(), TestCaseError> {
    let schema = schema();
    let (_, table) = schema.table_by_name("t").unwrap();
    for diff in [false, true] {
        let mut reader = RowReader::new(table);
        for text in texts {
            let (mut fresh, mut fresh_too) = (counter(), counter());
            let tree = json::parse(text.as_bytes()).unwrap();
            let expected = if diff {
                row::diff_from_json(table, &tree)
            } else {
                row::from_json(table, &tree, &mut Symbols::new(&mut fresh))
            };
            let mut read = Vec::new();
            let each = |id, datum| read.push((id, datum));
            let mut cursor = Cursor::new(text);
            let result = if diff {
                reader.read_diff(&mut cursor, each)
            } else {
                reader.read(&mut cursor, &mut Symbols::new(&mut fresh_too), each)
            };
            match result {
                Ok(()) => {
                    read.sort_unstable_by_key(|(id, _)| *id);
                    prop_assert_eq!(Ok(read), expected, "{}", text);
                    prop_assert_eq!(cursor.offset(), text.trim_end().len());
                }
                Err(_) => prop_assert!(strange || expected.is_err(), "{}", text),
            }
        }
    }
    Ok(())
}

fn row(columns: &[(&str, &str)]) -> String {
    let members = columns
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

#[test]
fn values_are_read_as_they_are_by_way_of_a_tree_also_when_they_are_shared() {
    let mut texts: Vec<String> = VALUES.iter().map(|&value| row(&[value])).collect();
    // Enough of them for the reader to begin to share, and to find what it has shared.
    for _ in 0..SHARING_ROWS {
        texts.push(row(&[VALUES[0], VALUES[5], VALUES[25]]));
    }
    for _ in 0..3 {
        texts.extend_from_within(..VALUES.len());
    }
    check(&texts, false).unwrap();
}

#[test]
fn columns_may_come_in_any_order_but_none_twice() {
    let in_order = row(&[VALUES[0], VALUES[5], VALUES[25]]);
    let backwards = row(&[VALUES[25], VALUES[5], VALUES[0]]);
    let spaced = format!(" {{ {} }} ", &in_order[1..in_order.len() - 1]);
    check(&[in_order, backwards, spaced, row(&[])], false).unwrap();
    let twice = row(&[VALUES[5], VALUES[0], VALUES[6]]);
    let schema = schema();
    let (_, table) = schema.table_by_name("t").unwrap();
    let stopped =
        RowReader::new(table).read(&mut Cursor::new(&twice), &mut Symbols::none(), |_, _| {});
    assert_eq!(stopped, Err(Stop::Unexpected));
    check(&[twice, row(&[("_uuid", VALUES[31].1)])], true).unwrap();
}

#[test]
fn what_repeats_is_shared() {
    let schema = schema();
    let (_, table) = schema.table_by_name("t").unwrap();
    let mut reader = RowReader::new(table);
    let text = row(&[VALUES[25], VALUES[27]]);
    let mut rows: Vec<Vec<Datum>> = Vec::new();
    for _ in 0..SHARING_ROWS + 2 {
        let mut row = Vec::new();
        reader
            .read(&mut Cursor::new(&text), &mut Symbols::none(), |_, datum| {
                row.push(datum)
            })
            .unwrap();
        rows.push(row);
    }
    let [.., before, last] = &rows[..] else {
        panic!("some rows")
    };
    let bytes = |datum: &Datum| match datum.as_atom() {
        Some(Atom::String(text)) => text.as_ptr(),
        other => panic!("{other:?}"),
    };
    assert_eq!(bytes(&before[0]), bytes(&last[0]));
    assert!(before[1].is_shared_with(&last[1]));
    assert!(!rows[0][1].is_shared_with(&last[1]));
}

#[test]
fn a_pool_that_finds_nothing_is_given_up_and_one_that_does_is_kept() {
    let mut pool = Pool::new();
    for number in 0..=POOL_TRIAL {
        string(
            &format!("a long text, of which there is one: {number}"),
            Some(&mut pool),
        );
    }
    assert!(pool.is_given_up && pool.slots.is_empty());
    let mut pool = Pool::new();
    for number in 0..=POOL_TRIAL {
        string(
            &format!("a long text, of which there are many: {}", number % 7),
            Some(&mut pool),
        );
    }
    assert!(!pool.is_given_up);
}

proptest! {
    #[test]
    fn nothing_is_accepted_that_is_refused_by_way_of_a_tree(
        values in prop::collection::vec((prop::sample::select(&VALUES[..]), a_json()), 1..40),
    ) {
        let texts: Vec<String> = values
            .iter()
            .map(|((name, _), json)| (name, json.to_bytes()))
            .filter_map(|(name, json)| Some(row(&[(name, &String::from_utf8(json).ok()?)])))
            .filter(|text| matches!(json::parse(text.as_bytes()), Ok(Json::Object(_))))
            .collect();
        check(&texts, false)?;
    }
}
