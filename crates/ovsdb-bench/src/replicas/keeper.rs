//! A process that keeps a replica: ours, one of Python's `ovs.db.idl`, or one of the C IDL, which is that of `ovn-sbctl` as
//! a daemon; and for comparison one that only reads.
//!
//! All but the C IDL's are asked by lines on standard input and answer by lines on standard output:
//!
//! ```text
//!                           ready                       the contents are there
//! until N                   seen CHANGES                nb_cfg of SB_Global is N, and so many changes of Logical_Flow were told;
//!                                                       without the number from who only reads
//! rows TABLE COLUMN         UUID,VALUE ... end          the contents
//! ```
//!
//! The C IDL's is asked by way of its control socket; it follows every table, and nobody can ask it how many changes it saw.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ovsdb_proto::json::Json;
use ovsdb_testkit::daemon::Daemon;
use ovsdb_testkit::sandbox::Sandbox;

use crate::client::{Client, ClientError};
use crate::process::Process;
use crate::server::{Server, ServerError};
use crate::socket::patience;
use crate::southbound::Contents;

/// What Python runs.
const SCRIPT: &str = include_str!("keep.py");

/// Interpreters that are tried if none is named: the second is the one that distributions install packages for.
const INTERPRETERS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// Why a replica is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program}: {output}")]
    Detach { program: String, output: String },
    #[error("the process has ended")]
    Ended,
    #[error("it says {0:?}, which is no answer")]
    Answer(String),
    #[error("it was told of {told} changes of {expected}")]
    Changes { told: usize, expected: usize },
    #[error("its {table} has {kept} rows, the server's {served}; {differing} are not the same")]
    Contents {
        table: &'static str,
        kept: usize,
        served: usize,
        differing: usize,
    },
}

/// The libraries that are compared, in the order of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Library {
    Ours,
    C,
    Python,
    /// None: whatever comes is read and forgotten.
    Reads,
}

/// Programs that somebody named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    pub(crate) sbctl: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
}

/// A library that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    library: Library,
    program: PathBuf,
    /// What it is and of which version, in a phrase.
    pub(crate) about: String,
}

/// A process with a replica that holds the server's contents.
pub(crate) struct Keeper {
    /// From its start until the contents were there.
    pub(crate) took: Duration,
    pub(crate) process: Process,
    has_contents: bool,
    talk: Talk,
}

enum Talk {
    Lines(Lines),
    /// The daemon is ended with this.
    Control(
        Client,
        #[allow(dead_code, reason = "held until it may end")] Daemon,
    ),
}

/// A child that is spoken with by lines. Dropping it ends it.
struct Lines {
    child: Child,
    asks: ChildStdin,
    answers: Receiver<String>,
}

impl Library {
    pub(crate) const ALL: [Library; 4] =
        [Library::Ours, Library::C, Library::Python, Library::Reads];

    /// What it is called in tables and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Library::Ours => "ours",
            Library::C => "c",
            Library::Python => "python",
            Library::Reads => "reads",
        }
    }

    /// Looks whether it is installed.
    ///
    /// # Errors
    /// A phrase about what is missing.
    pub(crate) fn find(self, named: &Named) -> Result<Installed, String> {
        let own = || std::env::current_exe().map_err(|error| error.to_string());
        let (program, about) = match self {
            Library::Ours => (own()?, format!("ovsdb {}", ovsdb_daemon::program::VERSION)),
            Library::Reads => (own()?, "reads what comes, and keeps nothing".to_owned()),
            Library::C => {
                let program = named.sbctl.clone();
                let program = program.unwrap_or_else(|| "ovn-sbctl".into());
                let text = printed(&program, &["--version"])?;
                let words: Vec<&str> = text.lines().take(2).collect();
                (program, format!("C IDL of {}", words.join(", ")))
            }
            Library::Python => {
                let programs = match &named.python {
                    Some(program) => vec![program.clone()],
                    None => INTERPRETERS.map(PathBuf::from).to_vec(),
                };
                let look = "import ovs.db.idl, ovs.json, ovs.version as v; \
                            print('Python ovs %s, JSON parsed in %s' % (v.VERSION, ovs.json.PARSER))";
                let mut missing = String::new();
                let found = programs.into_iter().find_map(|program| {
                    match printed(&program, &["-c", look]) {
                        Ok(text) => Some((program, text.trim().to_owned())),
                        Err(reason) => {
                            missing = reason;
                            None
                        }
                    }
                });
                found.ok_or(missing)?
            }
        };
        Ok(Installed {
            library: self,
            program,
            about,
        })
    }
}

/// What a program prints that ends by itself.
fn printed(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let name = program.display();
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or_default();
        return Err(format!("{name}: {last}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Installed {
    /// Starts a process that follows all of `server`, and returns when it has the contents. `schema` is the file with the
    /// server's schema.
    pub(crate) fn start(&self, server: &Server, schema: &Path) -> Result<Keeper, KeeperError> {
        let sandbox = server.sandbox()?;
        let begin = Instant::now();
        let (pid, talk) = match self.library {
            Library::Ours => {
                let mut command = sandbox.command(&self.program);
                command.arg(format!("--keep={}", server.method()));
                self.start_lines(command)?
            }
            Library::Reads => {
                let mut command = sandbox.command(&self.program);
                command.arg(format!("--read={}", server.method()));
                self.start_lines(command)?
            }
            Library::Python => {
                let mut command = sandbox.command(&self.program);
                command.args(["-c", SCRIPT, server.method()]).arg(schema);
                self.start_lines(command)?
            }
            Library::C => self.start_daemon(sandbox, server.method())?,
        };
        let took = begin.elapsed();
        let process = Process::known(pid).ok_or(KeeperError::Ended)?;
        Ok(Keeper {
            has_contents: self.library != Library::Reads,
            took,
            process,
            talk,
        })
    }

    fn start_lines(&self, mut command: Command) -> Result<(i32, Talk), KeeperError> {
        let mut lines = Lines::start(&mut command).map_err(|source| KeeperError::Start {
            program: self.program.display().to_string(),
            source,
        })?;
        let pid = i32::try_from(lines.child.id()).map_err(|_| KeeperError::Ended)?;
        lines.expect("ready")?;
        Ok((pid, Talk::Lines(lines)))
    }

    fn start_daemon(&self, sandbox: &Sandbox, method: &str) -> Result<(i32, Talk), KeeperError> {
        let control = sandbox.path("sbctl.ctl");
        let arguments: [OsString; 4] = [
            format!("--db={method}").into(),
            format!("--unixctl={}", control.display()).into(),
            "-vconsole:off".into(),
            "-vsyslog:off".into(),
        ];
        // Its parent ends when the daemon has the contents.
        let daemon = Daemon::try_start(sandbox, &self.program, "sbctl", &arguments);
        let daemon = daemon.map_err(|output| KeeperError::Detach {
            program: self.program.display().to_string(),
            output: output.to_string(),
        })?;
        let client = Client::connect(&format!("unix:{}", control.display()))?;
        Ok((daemon.pid(), Talk::Control(client, daemon)))
    }
}

impl Keeper {
    /// Whether it keeps what it is told.
    pub(crate) fn has_contents(&self) -> bool {
        self.has_contents
    }

    /// Waits until it knows that changes have come so far ([`crate::southbound::mark`]). Says how many changes of flows it was
    /// told of since it was asked last, if that can be known.
    pub(crate) fn until(&mut self, number: usize) -> Result<Option<usize>, KeeperError> {
        match &mut self.talk {
            Talk::Lines(lines) => {
                lines.ask(&format!("until {number}"))?;
                let answer = lines.answer()?;
                if answer == "seen" {
                    return Ok(None);
                }
                let seen = answer.strip_prefix("seen ").and_then(|n| n.parse().ok());
                seen.map(Some).ok_or(KeeperError::Answer(answer))
            }
            Talk::Control(client, _) => {
                let number = format!("nb_cfg={number}");
                run(client, &["wait-until", "SB_Global", ".", &number])?;
                Ok(None)
            }
        }
    }

    /// What it has of a table: for each row the integer in a column.
    pub(crate) fn contents(&mut self, table: &str, column: &str) -> Result<Contents, KeeperError> {
        let mut contents = Contents::new();
        let mut add = |line: String| match line.split_once(',') {
            Some((uuid, value)) => {
                contents.insert(uuid.to_owned(), value.to_owned());
                Ok(())
            }
            None => Err(KeeperError::Answer(line)),
        };
        match &mut self.talk {
            Talk::Lines(lines) => {
                lines.ask(&format!("rows {table} {column}"))?;
                loop {
                    match lines.answer()? {
                        end if end == "end" => break,
                        line => add(line)?,
                    }
                }
            }
            Talk::Control(client, _) => {
                let columns = format!("--columns=_uuid,{column}");
                let list = ["--no-headings", "--format=csv", &columns, "list", table];
                run(client, &list)?
                    .lines()
                    .try_for_each(|line| add(line.to_owned()))?;
            }
        }
        Ok(contents)
    }
}

/// Has a daemon of `ovn-sbctl` carry out a command, and says what it printed.
fn run(client: &mut Client, words: &[&str]) -> Result<String, KeeperError> {
    let words = Json::array(words.iter().map(|&word| Json::string(word)));
    match client.call("run", &words.to_string())? {
        Json::String(text) => Ok(text.to_string()),
        other => Err(KeeperError::Answer(other.to_string())),
    }
}

impl Lines {
    fn start(command: &mut Command) -> io::Result<Lines> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let asks = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        // A thread, so that waiting for an answer can end.
        let (to_answers, answers) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.try_for_each(|line| to_answers.send(line))
        });
        Ok(Lines {
            child,
            asks,
            answers,
        })
    }

    fn ask(&mut self, line: &str) -> Result<(), KeeperError> {
        let written = writeln!(self.asks, "{line}");
        written.map_err(|_| KeeperError::Ended)
    }

    fn answer(&mut self) -> Result<String, KeeperError> {
        let answer = self.answers.recv_timeout(patience());
        answer.map_err(|error| match error {
            RecvTimeoutError::Timeout => ClientError::Silence.into(),
            RecvTimeoutError::Disconnected => KeeperError::Ended,
        })
    }

    fn expect(&mut self, line: &str) -> Result<(), KeeperError> {
        match self.answer()? {
            answer if answer == line => Ok(()),
            other => Err(KeeperError::Answer(other)),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
