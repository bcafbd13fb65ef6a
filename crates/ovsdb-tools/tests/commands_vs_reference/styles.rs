//! Tables and JSON in every style that options can ask for.

use ovsdb_testkit::alike::{Alike, Call, Lines};
use ovsdb_testkit::programs::Side;

use crate::{Stage, contents, known};

/// Rows of the large table.
const MANY: usize = 4_000;

const FORMATS: [&str; 5] = ["table", "list", "html", "csv", "json"];
const DATA: [&str; 3] = ["string", "bare", "json"];

/// Every format with every way to print data, with and without headings, and with what else has an effect there.
fn every_style() -> Vec<Vec<String>> {
    let mut styles = Vec::new();
    for format in FORMATS {
        for data in DATA {
            for headings in [&[] as &[&str], &["--no-headings"]] {
                let more: &[&[&str]] = match format {
                    "table" => &[
                        &[],
                        &["--max-column-width=1"],
                        &["--max-column-width=9"],
                        &["--max-column-width=33"],
                    ],
                    "json" => &[&[], &["--pretty"]],
                    _ => &[&[]],
                };
                for more in more {
                    let words = [&["-f", format, "-d", data], headings, more].concat();
                    styles.push(words.iter().map(|word| (*word).to_owned()).collect());
                }
            }
        }
    }
    styles
}

/// The ways in which these options are written, and what numbers and combinations they take.
const WRITTEN: &[&[&str]] = &[
    &[],
    &["--format=html"],
    &["--format", "csv"],
    &["-fjson"],
    &["-fjson", "-ftable"],
    &["-d", "string"],
    &["--data=bare"],
    &["-djson"],
    &["--bare"],
    &["--bare", "-f", "table"],
    &["-f", "json", "--bare"],
    &["--bare", "--data=json"],
    &["--pretty"],
    &["--pretty", "--bare"],
    &["--pretty", "-f", "list", "-d", "json"],
    &["--no-heading"],
    &["--no-heading", "--format=json", "--data=bare"],
    &["--max-column-width=0"],
    &["--max-column-width=-1"],
    &["--max-column-width", "3x", "-f", "list"],
    &["--max-column-width= 12"],
    &["--max-column-width=x"],
    &["--max-column-width=2147483647"],
    &["--max-column-width=4", "-f", "html"],
    &["--max-column-width=4", "--no-headings", "--bare"],
    &["--timestamp"],
];

/// What is printed: words, and whether the reference prints in the order of a hash table.
const SHOWN: &[(&[&str], Lines)] = &[
    (&["dump", "Every"], Lines::AsTheyAre),
    (&["dump", "Open_vSwitch"], Lines::AsTheyAre),
    (&["dump", "hardware_vtep"], Lines::AsTheyAre),
    (&["dump", "OVN_Northbound"], Lines::AsTheyAre),
    (&["dump", "OVN_Southbound"], Lines::AsTheyAre),
    (&["dump", "Every", "Empty"], Lines::AsTheyAre),
    (&["dump", "Every", "Single"], Lines::AsTheyAre),
    (
        &[
            "dump",
            "Every",
            "Every",
            "string",
            "_uuid",
            "weak_set",
            "integer_to_string",
        ],
        Lines::AsTheyAre,
    ),
    (&["dump", "Every", "Every", "_uuid"], Lines::AsTheyAre),
    (&["dump", "Bridge", "name", "ports"], Lines::AsTheyAre),
    (&["get-schema", "Every"], Lines::AsTheyAre),
    (
        &[
            "query",
            r#"["Every",{"op":"select","table":"Every","where":[]},{"op":"select","table":"Empty","where":[]}]"#,
        ],
        Lines::AsTheyAre,
    ),
];

fn calls(styles: impl IntoIterator<Item = Vec<String>>) -> Vec<Call> {
    let line = |style: &[String], command: &[&str], lines| {
        let words = style
            .iter()
            .map(String::as_str)
            .chain(command.iter().copied());
        Call::new(words).lines(lines)
    };
    styles
        .into_iter()
        .flat_map(|style| {
            SHOWN
                .iter()
                .map(move |(command, lines)| line(&style, command, *lines))
        })
        .collect()
}

fn written() -> impl Iterator<Item = Vec<String>> {
    WRITTEN
        .iter()
        .map(|style| style.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn databases_of_every_schema_look_alike_in_every_style() {
    let stage = Stage::new(Side::Reference, true);
    let alike = Alike::new("ovsdb-client", &stage.sandbox, known::STYLES);
    alike.check_all(&calls(every_style().into_iter().chain(written())));
    let count = alike.finish();
    assert!(count > 900, "{count}");
}

#[test]
fn databases_of_our_server_look_alike() {
    let stage = Stage::new(Side::Ours, true);
    let alike = Alike::new("ovsdb-client", &stage.sandbox, known::STYLES);
    alike.check_all(&calls(written()));
    alike.finish();
}

#[test]
fn a_large_table_looks_alike_in_every_format() {
    for side in Side::BOTH {
        let stage = Stage::new(side, false);
        contents::fill_many(stage.server.socket(), MANY);
        let alike = Alike::new("ovsdb-client", &stage.sandbox, &[]);
        let mut calls = Vec::new();
        for format in FORMATS {
            for data in DATA {
                calls.push(Call::new(["dump", "Many", "-f", format, "-d", data]));
            }
        }
        calls.push(Call::new(["dump", "Many", "--max-column-width=20"]));
        calls.push(Call::new(["dump", "Many", "--bare"]));
        calls.push(Call::new(["dump", "Many", "number", "wide"]));
        calls.push(Call::new([
            "query",
            r#"["Every",{"op":"select","table":"Many","where":[["number","<",3000]]}]"#,
        ]));
        alike.check_all(&calls);
        alike.finish();
    }
}
