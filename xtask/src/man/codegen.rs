//! The prose of the man page of `ovsdb-codegen`.

use ovsdb_tools::codegen;

use super::Block::{Example, Item, Text};
use super::Page;
use super::pages::options;

/// The page.
pub(super) fn page() -> Page {
    Page {
        program: "ovsdb-codegen",
        section: 1,
        summary: "Rust types for the tables of an OVSDB schema",
        usage: &["[--table=TABLE[:COLUMN,...]]... [--out=FILE] SCHEMA"],
        description: &[
            "Reads the schema in the file SCHEMA (RFC 7047, section 3.2) and writes a Rust struct for each table, a constant for each \
             column, and an enumeration where the schema lists words. What is written belongs into a program that uses the \
             library ovsdb.",
            "A program that is built with cargo need not call this: one line in its build script does the same \
             (ovsdb_codegen::generate), and writes the types anew when the schema changes.",
            "References to tables that are not chosen are plain UUIDs. Names are those of the schema in the manner of Rust; where two \
             become one, the later one gets a number.",
        ],
        commands: Vec::new(),
        options: options(&codegen::options()),
        sections: &[
            (
                "SCHEMA VERSIONS",
                &[Text(
                    "A program works with servers of several versions of a schema. Columns and tables of the types that a server does not \
                     have hold nothing, or what is usual for their type, and cannot be written; those that only the server has are not \
                     followed. So types are best made from the newest schema.",
                )],
            ),
            (
                "EXIT STATUS",
                &[
                    Item("0", "The types were written."),
                    Item("1", "They were not; standard error says why."),
                ],
            ),
            (
                "EXAMPLES",
                &[
                    Text("All tables of Open vSwitch:"),
                    Example(
                        "ovsdb-codegen --out=src/vswitch.rs /usr/share/openvswitch/vswitch.ovsschema",
                    ),
                    Text("Two tables of it, one of them with two columns:"),
                    Example(
                        "ovsdb-codegen --table=Bridge --table=Port:name,interfaces \\\n    \
                         /usr/share/openvswitch/vswitch.ovsschema",
                    ),
                ],
            ),
        ],
    }
}
