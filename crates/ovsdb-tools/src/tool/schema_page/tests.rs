//! Pages to the letter for a small schema with awkward values, and what holds of the page of any schema.

use std::collections::BTreeSet;

use ovsdb_proto::json;
use ovsdb_proto::schema::Schema;

use super::{contents, html, markdown};

const SMALL: &str = r#"{"name": "Shop", "version": "1.2.0", "cksum": "12 34", "tables": {
    "Shelf": {"isRoot": true, "maxRows": 3, "indexes": [["name", "floor"]], "columns": {
        "name": {"type": "string", "mutable": false},
        "floor": {"type": {"key": {"type": "integer", "minInteger": -1, "maxInteger": 4}}},
        "sign": {"type": {"key": {"type": "string", "enum": ["set", ["a|b", "`<&>`"]]}, "min": 0}},
        "best": {"type": {"key": {"type": "uuid", "refTable": "Thing", "refType": "weak"}, "min": 0}},
        "things": {"type": {"key": {"type": "uuid", "refTable": "Thing"}, "min": 1, "max": 9}},
        "lit": {"type": "boolean", "ephemeral": true}}},
    "Thing": {"columns": {
        "weight": {"type": {"key": {"type": "real", "minReal": 0.5}}},
        "words": {"type": {"key": {"type": "string", "maxLength": 8}, "value": "string",
                           "min": 0, "max": "unlimited"}}}}}}"#;

const SMALL_MARKDOWN: &str = r##"# Database Shop

Schema `Shop`, version 1.2.0, checksum `12 34`. 2 tables.

## Tables

| table | rows | stays by itself | columns | referred to by |
|---|---|---|---|---|
| [`Shelf`](#Shelf) | at most 3 | yes | 6 |  |
| [`Thing`](#Thing) |  | no | 2 | [`Shelf`](#Shelf) |

## <a id="Shelf"></a>`Shelf`

A row stays until it is deleted. The table has at most 3 rows.

- No two rows have the same `name` and `floor`.

| column | type |  |
|---|---|---|
| `best` | optional weak reference to [`Thing`](#Thing) |  |
| `floor` | integer, -1 to 4 |  |
| `lit` | boolean | not kept when the server ends |
| `name` | string | set when the row is inserted, and never again |
| `sign` | optional string, one of ``"`<&>`"``, `"a\|b"` |  |
| `things` | set of 1 to 9 references to [`Thing`](#Thing) |  |

## <a id="Thing"></a>`Thing`

A row goes when nothing refers to it strongly any more.

- Referred to weakly by `best` of [`Shelf`](#Shelf).
- Referred to by `things` of [`Shelf`](#Shelf).

| column | type |  |
|---|---|---|
| `weight` | real number, at least 0.5 |  |
| `words` | map from strings, at most 8 characters long, to strings |  |
"##;

fn schema(text: &str) -> Schema {
    let json = json::parse(text.as_bytes()).expect("JSON");
    Schema::from_json(&json).expect("a schema")
}

#[test]
fn a_page_in_markdown() {
    assert_eq!(
        markdown::write(&contents::of(&schema(SMALL))),
        SMALL_MARKDOWN
    );
}

#[test]
fn a_page_in_html() {
    let page = html::write(&contents::of(&schema(SMALL)));
    for part in [
        "<title>Database Shop</title>",
        "<h2 id=\"Thing\"><code>Thing</code></h2>",
        "<tr><td><code>sign</code></td><td>optional string, one of <code>&quot;`&lt;&amp;&gt;`&quot;</code>, \
         <code>&quot;a|b&quot;</code></td><td></td></tr>",
        "<li>Referred to weakly by <code>best</code> of <a href=\"#Shelf\"><code>Shelf</code></a>.</li>",
    ] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
}

/// What stands between `start` and `end` in `text`, wherever that is.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> BTreeSet<&'a str> {
    text.split(start)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(end)?.0))
        .collect()
}

/// Asserts that each element that begins in `page` ends, in order.
fn assert_nested(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page
        .split('<')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('>')?.0))
    {
        let name = tag.split(' ').next().expect("a split has a first part");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if matches!(name, "!DOCTYPE" | "meta") => (),
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn every_table_and_column_of_every_schema_is_there_and_every_link_leads_somewhere() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../ovsdb-testkit/schemas");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the schemas for tests") {
        let path = entry.expect("an entry of a folder").path();
        let schema = schema(&std::fs::read_to_string(&path).expect("a text"));
        let page = contents::of(&schema);
        let (markdown, html) = (markdown::write(&page), html::write(&page));
        assert_nested(&html);

        let names: BTreeSet<&str> = schema
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        assert_eq!(between(&markdown, "<a id=\"", "\""), names);
        assert_eq!(between(&markdown, "](#", ")"), names);
        assert_eq!(between(&html, "<h2 id=\"", "\""), names);
        assert_eq!(between(&html, "href=\"#", "\""), names);

        let columns: usize = schema
            .tables
            .iter()
            .map(|table| {
                table
                    .columns
                    .iter()
                    .filter(|column| !column.name.starts_with('_'))
                    .count()
            })
            .sum();
        let rows = markdown
            .lines()
            .filter(|line| line.starts_with("| `"))
            .count();
        assert_eq!(rows, columns, "{}", path.display());
        count += 1;
    }
    assert!(count > 3, "{count} schemas");
}
