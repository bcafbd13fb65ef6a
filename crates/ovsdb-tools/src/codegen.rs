//! `ovsdb-codegen`: prints the Rust types of a schema, or writes them to a file.
//!
//! What the types are is for the library of the same name; here is its command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use ovsdb_codegen::{Error, Generator};
use ovsdb_daemon::options::{Arg, COMMON, Common, OptionError, Order, Spec, Table};
use ovsdb_daemon::program;

/// The options of `ovsdb-codegen`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Id {
    /// `--out`.
    Out,
    /// `--table`.
    Table,
    /// Every program's.
    Common(Common),
}

/// All options, for the command line, the help text, the man page and completions.
pub fn options() -> Table<Id> {
    Table::new()
        .group(
            "What to write, and where",
            [
                Spec::long(
                    Id::Table,
                    "table",
                    Arg::Required("TABLE[:COLUMN,...]"),
                    "only this table, with all columns or these;\nmay be specified any number of times",
                ),
                Spec::long(
                    Id::Out,
                    "out",
                    Arg::Required("FILE"),
                    "write to FILE, not to standard output",
                ),
            ],
        )
        .shared("Common options", COMMON, Id::Common)
}

/// What the command line asks for.
#[derive(Debug)]
enum Asked {
    Print(String),
    Generate {
        generator: Generator,
        schema: PathBuf,
        out: Option<PathBuf>,
    },
}

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
enum ArgumentError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("there is no schema; use --help for help")]
    NoSchema,
    #[error("there is more than one schema; use --help for help")]
    SchemasTwice,
}

/// Reads the command line, without the program's name.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, ArgumentError> {
    let table = options();
    let parsed = table.parse(arguments, Order::Anywhere)?;
    let mut generator = Generator::new();
    let mut out = None;
    for (id, value) in parsed.options {
        let value = value.unwrap_or_default();
        match id {
            Id::Out => out = Some(PathBuf::from(value)),
            Id::Table => {
                generator = match value.split_once(':') {
                    None => generator.table(value),
                    Some((table, columns)) => generator.columns(table, columns.split(',')),
                };
            }
            Id::Common(Common::Help) => return Ok(Asked::Print(help(&table))),
            Id::Common(Common::ListOptions) => return Ok(Asked::Print(table.list())),
            Id::Common(Common::Version) => return Ok(Asked::Print(program::version_text())),
        }
    }
    let mut operands = parsed.operands.into_iter();
    let schema = operands.next().ok_or(ArgumentError::NoSchema)?;
    if operands.next().is_some() {
        return Err(ArgumentError::SchemasTwice);
    }
    Ok(Asked::Generate {
        generator,
        schema: schema.into(),
        out,
    })
}

fn help(table: &Table<Id>) -> String {
    let name = program::name();
    format!(
        "{name}: Rust types for the tables of an OVSDB schema\n\
         usage: {name} [OPTIONS] SCHEMA\n\
         where SCHEMA is a file such as vswitch.ovsschema.\n{}\n\
         Example: types of two tables, for a program that uses the crate ovsdb\n  \
         {name} --table=Bridge --table=Port:name,interfaces \\\n    \
         --out=src/vswitch.rs /usr/share/openvswitch/vswitch.ovsschema\n",
        table.help(),
    )
}

fn print(text: &str) -> Result<(), Error> {
    let printed = std::io::stdout().write_all(text.as_bytes());
    printed.map_err(|source| Error::Write {
        path: PathBuf::from("standard output"),
        source,
    })
}

fn run(asked: Asked) -> Result<(), Error> {
    match asked {
        Asked::Print(text) => print(&text),
        Asked::Generate {
            generator,
            schema,
            out,
        } => {
            let text = generator.text_of_file(schema)?;
            match out {
                None => print(&text),
                Some(path) => {
                    std::fs::write(&path, text).map_err(|source| Error::Write { path, source })
                }
            }
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    program::init("ovsdb-codegen");
    let asked = match parse(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(ArgumentError::Option(error)) => program::usage_error(error),
        Err(error) => program::fatal(error),
    };
    match run(asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => program::fatal(error),
    }
}
