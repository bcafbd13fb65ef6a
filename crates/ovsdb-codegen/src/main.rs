//! The command `ovsdb-codegen`: prints the Rust types of a schema, or writes them to a file.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use ovsdb_codegen::{Error, Generator};

const USAGE: &str = "\
Rust types for the tables of an OVSDB schema
usage: ovsdb-codegen [--out FILE] [--table TABLE[:COLUMN,...]]... SCHEMA

  --out FILE                 write to FILE, not to standard output
  --table TABLE[:COLUMN,...] only this table, with all columns or these; may be repeated
  -h, --help                 print this
  -V, --version              print the version
";

/// What the command line asks for.
enum Todo {
    Help,
    Version,
    Generate {
        generator: Generator,
        schema: PathBuf,
        out: Option<PathBuf>,
    },
}

fn read_command_line(mut words: impl Iterator<Item = String>) -> Result<Todo, String> {
    let mut generator = Generator::new();
    let (mut schema, mut out) = (None, None);
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => {
                (option.to_owned(), Some(value.to_owned()))
            }
            _ => (word, None),
        };
        let mut value = || {
            let missing = || format!("option '{option}' requires an argument");
            value.clone().or_else(|| words.next()).ok_or_else(missing)
        };
        match option.as_str() {
            "-h" | "--help" => return Ok(Todo::Help),
            "-V" | "--version" => return Ok(Todo::Version),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--table" => {
                let value = value()?;
                generator = match value.split_once(':') {
                    None => generator.table(value),
                    Some((table, columns)) => generator.columns(table, columns.split(',')),
                };
            }
            option if option.starts_with('-') => {
                return Err(format!("unrecognized option '{option}'"));
            }
            name if schema.is_none() => schema = Some(PathBuf::from(name)),
            _ => return Err("there is more than one schema".to_owned()),
        }
    }
    match schema {
        Some(schema) => Ok(Todo::Generate {
            generator,
            schema,
            out,
        }),
        None => Err("there is no schema".to_owned()),
    }
}

fn run(todo: Todo) -> Result<(), Error> {
    let to_stdout = |text: &str| {
        let written = std::io::stdout().write_all(text.as_bytes());
        written.map_err(|source| Error::Write {
            path: PathBuf::from("standard output"),
            source,
        })
    };
    match todo {
        Todo::Help => to_stdout(USAGE),
        Todo::Version => to_stdout(concat!("ovsdb-codegen ", env!("CARGO_PKG_VERSION"), "\n")),
        Todo::Generate {
            generator,
            schema,
            out,
        } => {
            let text = generator.text_of_file(schema)?;
            match out {
                None => to_stdout(&text),
                Some(path) => {
                    std::fs::write(&path, text).map_err(|source| Error::Write { path, source })
                }
            }
        }
    }
}

fn main() -> ExitCode {
    let todo = match read_command_line(std::env::args().skip(1)) {
        Ok(todo) => todo,
        Err(error) => {
            eprintln!("ovsdb-codegen: {error}; use --help for help");
            return ExitCode::from(2);
        }
    };
    match run(todo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ovsdb-codegen: {error}");
            ExitCode::FAILURE
        }
    }
}
