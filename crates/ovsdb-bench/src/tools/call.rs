//! The programs of one side: where they are, which commands they know, and what a call of one takes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ovsdb_proto::json;
use ovsdb_testkit::sandbox::Sandbox;

use super::meter::Metered;
use crate::section::Effort;
use crate::server;
use crate::socket::patience;

/// A program that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    Client,
    Tool,
}

/// The programs that were named together.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// As somebody named it.
    pub(crate) name: String,
    folders: Vec<PathBuf>,
    client: PathBuf,
    tool: PathBuf,
}

/// The commands that the programs of a side know.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    client: BTreeSet<String>,
    tool: BTreeSet<String>,
}

/// Why there are no such programs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SideError {
    #[error("{side}: there is no program {program}")]
    Missing { side: String, program: &'static str },
    #[error("{}: {source}", .program.display())]
    Start { program: PathBuf, source: io::Error },
}

/// Why a call is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Start(#[from] io::Error),
    #[error("it was not measured: {0}")]
    NotMetered(String),
    #[error("exit code {code}: {said}")]
    Code { code: i64, said: String },
    #[error("a signal ended it{}", if *.silent { ", since it took too long (see --patience)" } else { "" })]
    Signal { silent: bool },
}

impl Side {
    /// The programs in a folder, in several with colons between them, or beside a program.
    pub(crate) fn find(name: String) -> Result<Side, SideError> {
        let folders: Vec<PathBuf> = std::env::split_paths(&name)
            .map(|path| std::path::absolute(&path).unwrap_or(path))
            .map(|path| match path.parent() {
                Some(folder) if path.is_file() => folder.to_owned(),
                _ => path,
            })
            .collect();
        Ok(Side {
            client: find(&name, &folders, "ovsdb-client")?,
            tool: find(&name, &folders, "ovsdb-tool")?,
            name,
            folders,
        })
    }

    /// The server that is beside the tools.
    pub(crate) fn server(&self) -> Result<PathBuf, SideError> {
        find(&self.name, &self.folders, "ovsdb-server")
    }

    fn path(&self, program: Program) -> &Path {
        match program {
            Program::Client => &self.client,
            Program::Tool => &self.tool,
        }
    }

    /// Asks its programs which commands they know.
    pub(crate) fn commands(&self) -> Result<Commands, SideError> {
        let ask = |program: &Path| {
            let output = Command::new(program).arg("--help").output();
            let output = output.map_err(|source| SideError::Start {
                program: program.to_owned(),
                source,
            })?;
            Ok(named_in(&String::from_utf8_lossy(&output.stdout)))
        };
        Ok(Commands {
            client: ask(&self.client)?,
            tool: ask(&self.tool)?,
        })
    }

    /// Runs one of its programs to its end, with what it prints in a file.
    pub(crate) fn call(
        &self,
        sandbox: &Sandbox,
        program: Program,
        arguments: &[OsString],
        printed: &Path,
    ) -> Result<Effort, CallError> {
        let mut option = OsString::from("--meter=");
        option.push(printed);
        let patience = patience();
        let mut command = sandbox.command(std::env::current_exe()?);
        command
            .arg(option)
            .arg(format!("--patience={}", patience.as_secs()))
            .args([OsStr::new("--"), self.path(program).as_os_str()])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = server::begin_there(|| command.spawn())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let metered = json::parse(output.stdout.trim_ascii());
        let metered = metered.ok().and_then(|json| Metered::from_json(&json));
        match metered {
            Some(metered) => judge(metered, patience, said),
            None => Err(CallError::NotMetered(said)),
        }
    }
}

fn judge(metered: Metered, patience: Duration, said: String) -> Result<Effort, CallError> {
    match metered.code {
        Some(0) => Ok(Effort {
            took: metered.took,
            cpu: Some(metered.cpu),
            peak_bytes: Some(metered.peak_bytes),
            waits: None,
        }),
        Some(code) => Err(CallError::Code { code, said }),
        None => Err(CallError::Signal {
            silent: metered.took >= patience,
        }),
    }
}

impl Commands {
    /// Whether a program knows a command.
    pub(crate) fn know(&self, program: Program, command: &str) -> bool {
        match program {
            Program::Client => self.client.contains(command),
            Program::Tool => self.tool.contains(command),
        }
    }
}

fn find(side: &str, folders: &[PathBuf], program: &'static str) -> Result<PathBuf, SideError> {
    let is_program = |path: &PathBuf| {
        let metadata = std::fs::metadata(path);
        metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let mut paths = folders.iter().map(|folder| folder.join(program));
    paths.find(is_program).ok_or_else(|| SideError::Missing {
        side: side.to_owned(),
        program,
    })
}

/// The commands that a help text names: a line for each, with options that it may have before it.
fn named_in(help: &str) -> BTreeSet<String> {
    let first = |line: &str| {
        let mut words = line.split_whitespace();
        let word = words.find(|word| !word.starts_with(['[', '-']))?;
        Some(word.to_owned())
    };
    let lines = help.lines().filter(|line| line.starts_with(' '));
    lines.filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_the_first_words_of_lines() {
        let help = "usage: ovsdb-tool [OPTIONS] COMMAND [ARG...]\n  compact [DB [DST]]      compact DB\n  \
                    [-m]... show-log [DB]   print DB's log entries\nLogging options:\n";
        let named = named_in(help);
        assert!(named.contains("compact") && named.contains("show-log"));
        assert!(
            !named.contains("log") && !named.contains("Logging"),
            "{named:?}"
        );
    }

    #[test]
    fn programs_that_are_not_there_are_named() {
        let error = Side::find("/nowhere:/dev".to_owned()).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(text, "/nowhere:/dev: there is no program ovsdb-client");
    }
}
