//! Types of a schema whose names are taken in Rust, and whose columns are of all kinds.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::typed::{Model, Real, Violation, Word};
use ovsdb_models::awkward::{Option2, Self_, String2, String3, Use, option, string, string_2};

#[test]
fn names_that_are_taken_get_numbers_and_keywords_are_marked() {
    let row = Option2 {
        r#type: "t".to_owned(),
        self_: 1,
        r#match: true,
        string: None,
        string_2: "s".to_owned(),
        a_b: "capitals come first".to_owned(),
        a_b_2: "then others".to_owned(),
        indexes: "i".to_owned(),
    };
    assert_eq!(row.clone(), row);
    let names = |columns: &[ovsdb::typed::ColumnInfo]| -> Vec<&str> {
        columns.iter().map(|column| column.name).collect()
    };
    assert_eq!(
        names(Option2::COLUMNS),
        [
            "A_B", "String", "a_b", "indexes", "match", "self", "string", "type"
        ]
    );
    assert_eq!((option::A_B.name(), option::A_B_2.name()), ("A_B", "a_b"));
    assert_eq!(option::INDEXES_2.name(), "indexes");
    assert_eq!(option::INDEXES, [&["type", "self"] as &[&str], &["a_b"]]);
    assert_eq!(
        [Self_::TABLE, String2::TABLE, String3::TABLE, Use::TABLE],
        ["Self", "String", "string", "use"]
    );
    assert_eq!(string_2::YES.name(), "yes");
}

#[test]
fn each_word_is_a_variant_and_is_written_as_it_is() {
    for word in string::Words::WORDS {
        let value = string::Words::from_word(word);
        assert!(!matches!(value, string::Words::Other(_)), "{word}");
        assert_eq!(&value.word(), word);
    }
    assert_eq!(string::Words::WORDS.len(), 10);
    assert_eq!(
        string::Words::from_word("x"),
        string::Words::Other("x".to_owned())
    );
    assert_eq!(
        String2::default().option,
        string::Option2::Other(String::new())
    );
}

#[test]
fn what_the_schema_demands_is_checked() {
    let uuid = ovsdb::uuid::Uuid::default();
    let uuids = |count: u8| -> BTreeSet<_> {
        (0..count)
            .map(|number| ovsdb::uuid::Uuid::from_bytes([number; 16]))
            .collect()
    };
    assert_eq!(uuids(1).first(), Some(&uuid));
    let reals = |values: &[f64]| values.iter().copied().map(Real).collect::<BTreeSet<_>>();
    let times = |value| BTreeMap::from([(string::TimesKey::Up, value)]);
    let lost = string::TimesKey::Other("lost".to_owned());
    let results = [
        (true, string::ODD.check(&Some(3)).is_ok()),
        (true, string::ODD.check(&None).is_ok()),
        (false, string::ODD.check(&Some(2)).is_ok()),
        (true, string::PARTS.check(&reals(&[0.0, 0.5, 1.0])).is_ok()),
        (false, string::PARTS.check(&reals(&[0.5, 1.5])).is_ok()),
        (true, string::AT_LEAST.check(&-0.5).is_ok()),
        (false, string::AT_LEAST.check(&-0.6).is_ok()),
        (false, string::NAMES.check(&uuids(0)).is_ok()),
        (true, string::NAMES.check(&uuids(3)).is_ok()),
        (false, string::NAMES.check(&uuids(4)).is_ok()),
        (true, string::SHORT.check(&"äöüß".to_owned()).is_ok()),
        (false, string::SHORT.check(&"a".to_owned()).is_ok()),
        (false, string::SHORT.check(&"abcde".to_owned()).is_ok()),
        (true, string::TIMES.check(&times(9)).is_ok()),
        (false, string::TIMES.check(&times(10)).is_ok()),
        (
            false,
            string::TIMES.check(&BTreeMap::from([(lost, 1)])).is_ok(),
        ),
    ];
    for (nth, (expect, ok)) in results.into_iter().enumerate() {
        assert_eq!(ok, expect, "case {nth}");
    }
    let error = string::ODD.check(&Some(2)).expect_err("an even number");
    assert_eq!(error.to_string(), "2 is not one of 1, 3, 5");
    let error = string::NAMES.check(&uuids(4)).expect_err("too many");
    assert_eq!(error.to_string(), "4 values where there must be 1 to 3");
    assert!(matches!(error, Violation::Count { count: 4, .. }));
}
