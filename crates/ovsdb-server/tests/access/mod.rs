//! Dialogues about access control, in `testdata/access`: one file a behaviour, named after it.
//!
//! A file holds commands and, below `---`, what comes back, with every UUID replaced by `<uuid>` and members in the
//! order of their names:
//!
//! - `CLIENT@REMOTE METHOD PARAMETERS` sends a request. The client is called by its id, `-` if it has none. It connects
//!   with its first request, and again with the next one after its session has ended.
//! - `end CLIENT@REMOTE` waits until the server ends the session.
//!
//! The databases are those of `schemas`, filled by `setup.json`; `FOLDER` stands for the server's folder. Remotes are
//! rows of `Connection` in the database `D`; `root` is a remote without any limits.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses the part of this that it needs"
)]

pub mod ours;
pub mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::differential::pairing::{End, Pairing};
use ovsdb_testkit::names;
use ovsdb_testkit::raw::Raw;

/// A server with the databases of the dialogues.
pub trait Host {
    /// The folder of its sockets.
    fn folder(&self) -> &Path;

    /// Connects to a remote as a client with an id.
    fn connect(&mut self, id: Option<&str>, remote: Remote) -> RawClient;
}

/// The remotes of `setup.json`.
#[derive(Clone, Copy, Debug)]
pub enum Remote {
    /// A Unix socket in the server's folder.
    Unix(&'static str),
    /// One that asks clients who they are; its options, and the address at which the reference serves it.
    Tls {
        role: &'static str,
        read_only: bool,
        address: &'static str,
    },
}

fn remote(name: &str) -> Remote {
    let tls = |role, read_only, address| Remote::Tls {
        role,
        read_only,
        address,
    };
    match name {
        "root" => Remote::Unix("db.sock"),
        "noid" => Remote::Unix("noid.sock"),
        "ghost-noid" => Remote::Unix("ghostnoid.sock"),
        "ro" => Remote::Unix("ro.sock"),
        "owner" => tls("owner", false, "127.0.0.1"),
        "ghost" => tls("ghost", false, "127.0.0.2"),
        "free" => tls("", false, "127.0.0.3"),
        "owner-ro" => tls("owner", true, "127.0.0.4"),
        "admin" => tls("admin", false, "127.0.0.5"),
        _ => panic!("no remote {name}"),
    }
}

/// Where the dialogues are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/access")
}

/// The databases: name and schema file.
pub fn schemas() -> BTreeMap<String, PathBuf> {
    files(&folder().join("schemas"), "ovsschema")
}

/// The dialogues: name and file.
pub fn dialogues() -> BTreeMap<String, PathBuf> {
    files(&folder(), "txt")
}

fn files(folder: &Path, extension: &str) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is part of the source");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    let files: BTreeMap<String, PathBuf> = of_kind
        .map(|path| {
            let name = path.file_stem().expect("a file has a name");
            (name.to_string_lossy().into_owned(), path)
        })
        .collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// The transactions with which the databases begin: database and parameters.
pub fn setup(sockets: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("setup.json")).expect("it is there");
    let lines = text.lines().map(|line| {
        let database = line.split('"').nth(1).expect("it begins with a name");
        let params = line.replace("FOLDER", &sockets.display().to_string());
        (database.to_owned(), params)
    });
    lines.collect()
}

/// Plays a dialogue, and gives back what its file would look like with the answers of this host.
pub fn play(text: &str, host: &mut dyn Host) -> String {
    let mut clients: BTreeMap<String, RawClient> = BTreeMap::new();
    let mut output = String::new();
    for block in text.split("\n\n") {
        let command = block
            .lines()
            .find(|line| !line.starts_with('#'))
            .filter(|line| !line.is_empty());
        for comment in block.lines().filter(|line| line.starts_with('#')) {
            output.push_str(comment);
            output.push('\n');
        }
        if let Some(command) = command {
            let answer = run(command, &mut clients, host);
            output.push_str(&format!("{command}\n---\n{answer}\n"));
        }
        output.push('\n');
    }
    output.truncate(output.trim_end().len());
    output.push('\n');
    output
}

fn run(command: &str, clients: &mut BTreeMap<String, RawClient>, host: &mut dyn Host) -> String {
    let (who, rest) = command.split_once(' ').expect("two words or more");
    if who == "end" {
        let mut client = clients.remove(rest).expect("it is connected");
        return match client.receive() {
            Ok(None) => String::from("it ends"),
            other => panic!("{command}: {other:?}"),
        };
    }
    let (method, params) = rest.split_once(' ').expect("a method has parameters");
    let params = params.replace("FOLDER", &host.folder().display().to_string());
    let client = clients
        .entry(who.to_owned())
        .or_insert_with(|| connect(who, host));
    let message = format!(r#"{{"id":0,"method":"{method}","params":{params}}}"#);
    readable(&client.call(&message)).to_string()
}

/// Connects `CLIENT@REMOTE`.
fn connect(who: &str, host: &mut dyn Host) -> RawClient {
    let (id, name) = who.split_once('@').unwrap_or(("-", who));
    host.connect(Some(id).filter(|id| *id != "-"), remote(name))
}

/// A message without its UUIDs, its members in the order of their names.
fn readable(message: &str) -> Raw {
    let erased = names::erase(message);
    let mut raw = Raw::parse(&erased).unwrap_or_else(|| panic!("{message} is no JSON"));
    Pairing::new().sort(&mut raw, End::Left);
    raw
}

/// Plays all dialogues, each with a server of its own, and compares; [`UPDATE`] rewrites the files instead.
pub fn check_all<H: Host>(left_out: &[&str], mut host: impl FnMut() -> H) {
    let mut wrong = Vec::new();
    for (name, path) in dialogues() {
        if left_out.contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it is there");
        let found = play(&text, &mut host());
        if found == text {
            continue;
        }
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&path, found).expect("the source can be changed");
            continue;
        }
        for (expect, found) in text.lines().zip(found.lines()) {
            if expect != found {
                wrong.push(format!("{name}\n  expected {expect}\n  found    {found}"));
            }
        }
        assert!(!wrong.is_empty(), "{name} has too few or too many lines");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Set by whoever wants the files rewritten. Read the difference before you commit it.
const UPDATE: &str = "UPDATE_GOLDEN";
