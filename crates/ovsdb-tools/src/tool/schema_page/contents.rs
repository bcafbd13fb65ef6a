//! What stands on a page about a schema: what it is, its tables at a glance, and each table with its columns.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb_proto::schema::{ColumnSchema, Schema, TableSchema};
use ovsdb_proto::types::{BaseType, RefType, UNLIMITED};

use super::page::{Block, Page, Span, join};
use super::words;

/// The columns that refer to a table: name of their table, their own name, and whether some reference is strong.
type Referrers<'a> = BTreeMap<&'a str, BTreeSet<(&'a str, &'a str, bool)>>;

/// The page about `schema`; tables and columns in the order of their names.
pub(super) fn of(schema: &Schema) -> Page {
    let mut tables: Vec<&TableSchema> = schema.tables.iter().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let referrers = referrers(schema);

    let mut blocks = vec![Block::Paragraph(identity(schema)), Block::Heading("Tables")];
    blocks.push(Block::Grid {
        head: &[
            "table",
            "rows",
            "stays by itself",
            "columns",
            "referred to by",
        ],
        rows: tables
            .iter()
            .map(|table| glance(table, &referrers))
            .collect(),
    });
    for table in tables {
        blocks.push(Block::TableHeading(table.name.to_string()));
        blocks.push(Block::Paragraph(vec![life(table).into()]));
        let points = points(table, &referrers);
        if !points.is_empty() {
            blocks.push(Block::List(points));
        }
        let mut columns: Vec<&ColumnSchema> = own_columns(table).collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        blocks.push(Block::Grid {
            head: &["column", "type", ""],
            rows: columns.into_iter().map(column_row).collect(),
        });
    }
    Page {
        title: format!("Database {}", schema.name),
        blocks,
    }
}

fn identity(schema: &Schema) -> Vec<Span> {
    let mut spans = vec!["Schema ".into(), Span::Code(schema.name.to_string())];
    if let Some(version) = &schema.version {
        spans.push(format!(", version {version}").into());
    }
    if !schema.cksum.is_empty() {
        spans.push(", checksum ".into());
        spans.push(Span::Code(schema.cksum.to_string()));
    }
    let count = schema.tables.len();
    let plural = if count == 1 { "" } else { "s" };
    spans.push(format!(". {count} table{plural}.").into());
    spans
}

/// The columns of the schema, without those that every row has.
fn own_columns(table: &TableSchema) -> impl Iterator<Item = &ColumnSchema> {
    table
        .columns
        .iter()
        .filter(|column| !column.name.starts_with('_'))
}

fn is_strong(base: &BaseType) -> Option<(&str, bool)> {
    let (table, strength) = base.reference()?;
    Some((table, strength == RefType::Strong))
}

fn referrers(schema: &Schema) -> Referrers<'_> {
    let mut referrers = Referrers::new();
    for table in &schema.tables {
        for column in &table.columns {
            for (target, is_strong) in column.ty.bases().filter_map(is_strong) {
                referrers
                    .entry(target)
                    .or_default()
                    .insert((&table.name, &column.name, is_strong));
            }
        }
    }
    referrers
}

fn glance(table: &TableSchema, referrers: &Referrers<'_>) -> Vec<Vec<Span>> {
    let rows = match table.max_rows {
        UNLIMITED => String::new(),
        rows => format!("at most {rows}"),
    };
    let by: BTreeSet<&str> = referrers
        .get(table.name.as_str())
        .into_iter()
        .flatten()
        .map(|&(table, ..)| table)
        .collect();
    vec![
        vec![Span::Table(table.name.to_string())],
        vec![rows.into()],
        vec![if table.is_root { "yes" } else { "no" }.into()],
        vec![own_columns(table).count().to_string().into()],
        join(
            by.into_iter().map(|by| vec![Span::Table(by.to_owned())]),
            ", ",
        ),
    ]
}

fn life(table: &TableSchema) -> String {
    let rows = match table.max_rows {
        UNLIMITED => String::new(),
        1 => " The table has at most one row.".to_owned(),
        rows => format!(" The table has at most {rows} rows."),
    };
    let life = if table.is_root {
        "A row stays until it is deleted."
    } else {
        "A row goes when nothing refers to it strongly any more."
    };
    life.to_owned() + &rows
}

fn points(table: &TableSchema, referrers: &Referrers<'_>) -> Vec<Vec<Span>> {
    let mut points = Vec::new();
    for index in &table.indexes {
        let columns = index
            .iter()
            .map(|&id| vec![Span::Code(table.column(id).name.to_string())]);
        let mut point = vec!["No two rows have the same ".into()];
        point.extend(join(columns, " and "));
        point.push(".".into());
        points.push(point);
    }
    let referrers = referrers.get(table.name.as_str());
    for &(by, column, is_strong) in referrers.into_iter().flatten() {
        let strength = if is_strong { "" } else { "weakly " };
        points.push(vec![
            format!("Referred to {strength}by ").into(),
            Span::Code(column.to_owned()),
            " of ".into(),
            Span::Table(by.to_owned()),
            ".".into(),
        ]);
    }
    points
}

fn column_row(column: &ColumnSchema) -> Vec<Vec<Span>> {
    let mut notes = Vec::new();
    if !column.mutable {
        notes.push("set when the row is inserted, and never again");
    }
    if !column.persistent {
        notes.push("not kept when the server ends");
    }
    vec![
        vec![Span::Code(column.name.to_string())],
        words::column_type(&column.ty),
        vec![notes.join("; ").into()],
    ]
}
