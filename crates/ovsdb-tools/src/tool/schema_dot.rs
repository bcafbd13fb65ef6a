//! `schema-dot [SCHEMA]`: the tables of a database and what refers to what, as a graph in the language of Graphviz.
//!
//! What is drawn is what `ovsdb-dot` draws: a box for a table, bold if its rows stay by themselves; an arrow for a column
//! that refers, dotted if it does so weakly, with how many rows it refers to as in regular expressions.

use std::fmt::Write as _;

use ovsdb_proto::schema::Schema;
use ovsdb_proto::types::{BaseType, ColumnType, RefType, UNLIMITED};

use super::schema::read_schema_of;
use super::{Answer, Call, ToolError};

pub(super) fn run(call: &mut Call<'_>) -> Result<Answer, ToolError> {
    if let Some(format) = call.settings.format.filter(|format| *format != "dot") {
        return Err(ToolError::UnknownFormat {
            format: format.to_owned(),
            known: "dot",
        });
    }
    let graph = graph(&read_schema_of(&call.schema(0))?);
    call.out.write_all(graph.as_bytes())?;
    Ok(Answer::Yes)
}

/// The graph, tables and columns in the order of their names. Names in a schema need no escapes.
fn graph(schema: &Schema) -> String {
    let mut graph = format!(
        "digraph \"{}\" {{\n\trankdir=LR;\n\tnode [shape=box];\n",
        schema.name
    );
    let mut tables: Vec<_> = schema.tables.iter().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    for table in tables {
        let style = if table.is_root { " [style=bold]" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(graph, "\t\"{}\"{style};", table.name);
        let mut columns: Vec<_> = table.columns.iter().collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        for column in columns {
            let part = |part: &str| format!("{}{part}", column.name);
            if let Some(value) = &column.ty.value {
                edge(
                    &mut graph,
                    &table.name,
                    &column.ty,
                    &column.ty.key,
                    &part(" key"),
                );
                edge(&mut graph, &table.name, &column.ty, value, &part(" value"));
            } else {
                edge(
                    &mut graph,
                    &table.name,
                    &column.ty,
                    &column.ty.key,
                    &column.name,
                );
            }
        }
    }
    graph + "}\n"
}

fn edge(graph: &mut String, table: &str, ty: &ColumnType, base: &BaseType, label: &str) {
    let Some((target, strength)) = base.reference() else {
        return;
    };
    let style = match strength {
        RefType::Strong => "",
        RefType::Weak => ", style=dotted",
    };
    let count = count(ty);
    // Writing to a string does not fail.
    let _ = writeln!(
        graph,
        "\t\"{table}\" -> \"{target}\" [label=\"{label}{count}\"{style}];"
    );
}

/// How many references the column holds.
fn count(ty: &ColumnType) -> String {
    match (ty.min, ty.max) {
        (1, 1) => String::new(),
        (0, 1) => String::from("?"),
        (0, UNLIMITED) => String::from("*"),
        (1, UNLIMITED) => String::from("+"),
        (min, max) => format!("{{{min},{max}}}"),
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;

    use super::*;

    const SCHEMA: &str = r#"{"name": "Shop", "tables": {
        "Shelf": {"isRoot": true, "columns": {
            "best": {"type": {"key": {"type": "uuid", "refTable": "Thing", "refType": "weak"}, "min": 0}},
            "things": {"type": {"key": {"type": "uuid", "refTable": "Thing"}, "min": 1, "max": "unlimited"}},
            "places": {"type": {"key": {"type": "uuid", "refTable": "Thing"},
                                "value": {"type": "uuid", "refTable": "Shelf"}, "min": 0, "max": 9}},
            "owner": {"type": "uuid"}}},
        "Thing": {"columns": {
            "shelf": {"type": {"key": {"type": "uuid", "refTable": "Shelf"}}},
            "parts": {"type": {"key": {"type": "uuid", "refTable": "Thing"}, "min": 0, "max": "unlimited"}}}}}}"#;

    #[test]
    fn tables_are_boxes_and_references_are_arrows() {
        let json = json::parse(SCHEMA.as_bytes()).expect("JSON");
        let schema = Schema::from_json(&json).expect("a schema");
        assert_eq!(
            graph(&schema),
            r#"digraph "Shop" {
	rankdir=LR;
	node [shape=box];
	"Shelf" [style=bold];
	"Shelf" -> "Thing" [label="best?", style=dotted];
	"Shelf" -> "Thing" [label="places key{0,9}"];
	"Shelf" -> "Shelf" [label="places value{0,9}"];
	"Shelf" -> "Thing" [label="things+"];
	"Thing";
	"Thing" -> "Thing" [label="parts*"];
	"Thing" -> "Shelf" [label="shelf"];
}
"#
        );
    }
}
