//! One table in every style.

use ovsdb_proto::json;
use ovsdb_proto::types::ColumnType;

use super::*;

const UUID: &str = "0123abcd-89ab-cdef-0123-456789abcdef";

/// The types of the sample's columns, which cells borrow.
struct Types {
    uuid: ColumnType,
    name: ColumnType,
    tags: ColumnType,
    map: ColumnType,
}

impl Types {
    fn new() -> Self {
        let ty = |text: &str| ColumnType::from_json(&value(text)).expect("the sample is a type");
        Types {
            uuid: ty(r#""uuid""#),
            name: ty(r#"{"key":{"type":"string","maxLength":9}}"#),
            tags: ty(r#"{"key":"string","min":0,"max":"unlimited"}"#),
            map: ty(r#"{"key":"string","value":"integer","min":0,"max":"unlimited"}"#),
        }
    }
}

/// A JSON value of any kind.
fn value(text: &str) -> Json {
    match json::parse(format!("[{text}]").as_bytes()) {
        Ok(Json::Array(mut values)) => values.remove(0),
        other => panic!("{text}: {other:?}"),
    }
}

fn datum<'a>(text: &str, ty: &'a ColumnType) -> Cell<'a> {
    Cell::Datum {
        value: value(text),
        ty,
    }
}

fn sample(types: &Types) -> Table<'_> {
    let mut table =
        Table::new(["_uuid", "name", "tags", "map", "note"]).with_caption("A & B table");
    table.push_row(vec![
        datum(&format!(r#"["uuid","{UUID}"]"#), &types.uuid),
        datum(r#""a b""#, &types.name),
        datum(r#"["set",["x","<y>"]]"#, &types.tags),
        datum(r#"["map",[["k",1],["l",2]]]"#, &types.map),
        Cell::Text(format!("see {UUID}.")),
    ]);
    table.push_row(vec![
        Cell::Empty,
        datum(r#""longer than allowed""#, &types.name),
        datum(r#"["set",[]]"#, &types.tags),
        datum(r#"["map",[]]"#, &types.map),
    ]);
    table.push_row(vec![
        Cell::Json(value(r#"{"b":1,"a":[]}"#)),
        datum(r#""\u00e9\n\"""#, &types.name),
        datum(r#""one""#, &types.tags),
    ]);
    table
}

#[track_caller]
fn check(change: impl FnOnce(&mut Style), expected: &str) {
    let mut style = Style::new(Format::Table);
    change(&mut style);
    let types = Types::new();
    let text = Renderer::new(style.clone()).render(&sample(&types), None);
    assert_eq!(String::from_utf8_lossy(&text), expected, "{style:?}");
}

#[test]
fn columns_are_as_wide_as_their_widest_cell_in_bytes() {
    check(
        |_| {},
        &format!(
            "\
A & B table
_uuid                                name                  tags       map        note
------------------------------------ --------------------- ---------- ---------- -----------------------------------------
{UUID} \"a b\"                 [\"<y>\", x] {{k=1, l=2}} see {UUID}.
                                     \"longer than allowed\" []         {{}}
{{\"a\":[],\"b\":1}}                       \"é\\n\\\"\"              [one]
"
        ),
    );
}

#[test]
fn maximum_width_cuts_cells_and_not_headings() {
    check(
        |style| style.set_max_column_width("2"),
        "\
A & B table
_uuid name tags map note
----- ---- ---- --- ----
0123a \"a b [\"<y {k= see
      \"lon []   {}
{\"a\": \"é\\ [one
",
    );
    check(
        |style| {
            style.headings = false;
            style.set_max_column_width("2");
        },
        "A & B table\n01 \"a [\" {k se\n   \"l [] {}\n{\" \"\u{fffd} [o\n",
    );
}

#[test]
fn bare_cells_have_no_punctuation() {
    check(
        Style::set_bare,
        &format!(
            "\
A & B table
{UUID}
a b
<y> x
k=1 l=2
see {UUID}.


\"longer than allowed\"




{{\"a\":[],\"b\":1}}
é
\"
one


"
        ),
    );
}

#[test]
fn lists_pad_headings_to_twenty() {
    check(
        |style| {
            style.format = Format::List;
            style.cells = CellFormat::Json;
        },
        &format!(
            "\
A & B table
_uuid               : [\"uuid\",\"{UUID}\"]
name                : \"a b\"
tags                : [\"set\",[\"x\",\"<y>\"]]
map                 : [\"map\",[[\"k\",1],[\"l\",2]]]
note                : see {UUID}.

_uuid               : 
name                : \"longer than allowed\"
tags                : [\"set\",[]]
map                 : [\"map\",[]]
note                : 

_uuid               : {{\"a\":[],\"b\":1}}
name                : \"é\\n\\\"\"
tags                : \"one\"
map                 : 
note                : 
"
        ),
    );
}

#[test]
fn csv_quotes_what_would_end_a_cell() {
    check(
        |style| {
            style.format = Format::Csv;
            style.cells = CellFormat::Bare;
        },
        &format!(
            "\
A & B table
_uuid,name,tags,map,note
{UUID},a b,<y> x,k=1 l=2,see {UUID}.
,\"\"\"longer than allowed\"\"\",,,
\"{{\"\"a\"\":[],\"\"b\"\":1}}\",\"é
\"\"\",one,,
"
        ),
    );
}

#[test]
fn html_links_uuids_to_their_rows() {
    check(
        |style| {
            style.format = Format::Html;
            style.headings = false;
        },
        &format!(
            "\
<table border=1>
    <caption>A &amp; B table</caption>
  <tr>
    <td><a name=\"{UUID}\">0123abcd</a></td>
    <td>&quot;a b&quot;</td>
    <td>[&quot;&lt;y&gt;&quot;, x]</td>
    <td>{{k=1, l=2}}</td>
    <td>see <a href=\"#{UUID}\">0123abcd</a>.</td>
  </tr>
  <tr>
    <td><a name=\"\"></a></td>
    <td>&quot;longer than allowed&quot;</td>
    <td>[]</td>
    <td>{{}}</td>
    <td></td>
  </tr>
  <tr>
    <td><a name=\"{{&quot;a&quot;:[],&quot;b&quot;:1}}\">{{&quot;a&quot;:[],</a></td>
    <td>&quot;é\\n\\&quot;&quot;</td>
    <td>[one]</td>
    <td></td>
    <td></td>
  </tr>
</table>
"
        ),
    );
}

#[test]
fn json_keeps_data_and_shows_nothing_as_null() {
    check(
        |style| {
            style.format = Format::Json;
            style.headings = false;
        },
        &format!(
            "{{\"caption\":\"A & B table\",\"data\":[[[\"uuid\",\"{UUID}\"],\"a b\",[\"set\",[\"x\",\"<y>\"]],\
             [\"map\",[[\"k\",1],[\"l\",2]]],\"see {UUID}.\"],[null,\"longer than allowed\",[\"set\",[]],\
             [\"map\",[]],null],[{{\"a\":[],\"b\":1}},\"é\\n\\\"\",\"one\",null,null]],\
             \"headings\":[\"_uuid\",\"name\",\"tags\",\"map\",\"note\"]}}\n"
        ),
    );
}

#[test]
fn tables_after_the_first_are_set_apart_and_dated() {
    let mut table = Table::new(["a"]);
    table.push_row(vec![Cell::Text("1".into())]);
    let cases = [
        (Format::Table, "then\na\n-\n1\n\nthen\na\n-\n1\n"),
        (
            Format::List,
            "then\na                   : 1\n\nthen\na                   : 1\n",
        ),
        (Format::Csv, "then\na\n1\n\nthen\na\n1\n"),
        (
            Format::Json,
            "{\"data\":[[\"1\"]],\"headings\":[\"a\"],\"time\":\"then\"}\n\
             {\"data\":[[\"1\"]],\"headings\":[\"a\"],\"time\":\"then\"}\n",
        ),
    ];
    for (format, expected) in cases {
        let mut renderer = Renderer::new(Style::new(format));
        let mut text = renderer.render(&table, Some("then"));
        text.extend(renderer.render(&table, Some("then")));
        assert_eq!(String::from_utf8_lossy(&text), expected, "{format:?}");
    }
}

#[test]
fn maximum_width_is_read_like_atoi() {
    for (argument, expected) in [
        ("7", Some(7)),
        (" +7x", Some(7)),
        ("0", None),
        ("-3", None),
        ("x", None),
        ("", None),
    ] {
        let mut style = Style::new(Format::Table);
        style.set_max_column_width(argument);
        assert_eq!(style.max_column_width, expected, "{argument:?}");
    }
}

#[test]
fn formats_have_names() {
    for name in ["table", "list", "html", "csv", "json"] {
        assert!(name.parse::<Format>().is_ok(), "{name}");
    }
    for name in ["string", "bare", "json"] {
        assert!(name.parse::<CellFormat>().is_ok(), "{name}");
    }
    let texts = [
        "JSON".parse::<Format>().map_err(|e| e.to_string()),
        "x".parse::<Format>().map_err(|e| e.to_string()),
    ];
    assert_eq!(
        texts,
        [
            Err("unknown output format \"JSON\"".into()),
            Err("unknown output format \"x\"".into())
        ]
    );
    assert_eq!(
        "list".parse::<CellFormat>().map_err(|e| e.to_string()),
        Err("unknown data format \"list\"".into())
    );
}
