//! What control commands have changed, kept in a file without a name, so that a daemon that is started again after a
//! crash (`--monitor`) serves what the one before it served.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ovsdb_proto::json::{self, Json, Object};

use super::options::Settings;

/// The file could not be made, written or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} temporary file ({})", ovsdb_net::errno_text(.source))]
pub(super) struct SavedError {
    action: &'static str,
    source: io::Error,
}

/// What is to be served.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Contents {
    /// Database files.
    pub(super) databases: Vec<String>,
    /// Remotes.
    pub(super) remotes: Vec<String>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Saved {
    file: File,
}

impl Saved {
    /// Makes the file and writes what the command line says.
    pub(super) fn create(settings: &Settings) -> Result<Saved, SavedError> {
        let file = unnamed_file().map_err(|source| SavedError {
            action: "create",
            source,
        })?;
        let saved = Saved { file };
        saved.save(&settings.contents)?;
        Ok(saved)
    }

    /// Replaces what the file says.
    pub(super) fn save(&self, contents: &Contents) -> Result<(), SavedError> {
        let list = |names: &[String]| Json::array(names.iter().map(String::as_str));
        let mut object = Object::new();
        object.insert("databases", list(&contents.databases));
        object.insert("remotes", list(&contents.remotes));
        let text = Json::Object(object).to_bytes();
        let write = || {
            self.file.set_len(0)?;
            self.file.write_all_at(&text, 0)
        };
        write().map_err(|source| SavedError {
            action: "write",
            source,
        })
    }

    /// What the file says.
    pub(super) fn load(&self) -> Result<Contents, SavedError> {
        let fail = |source| SavedError {
            action: "read",
            source,
        };
        let length = self.file.metadata().map_err(fail)?.len();
        let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut text, 0).map_err(fail)?;
        let json = json::parse(&text).map_err(|error| fail(io::Error::other(error)))?;
        let list = |name: &str| {
            let names = json.get(name).and_then(Json::as_array).unwrap_or_default();
            names
                .iter()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect()
        };
        Ok(Contents {
            databases: list("databases"),
            remotes: list("remotes"),
        })
    }
}

/// A file in the temporary folder that goes away with its last descriptor.
fn unnamed_file() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let name = format!(
        "ovsdb-server-{}-{}",
        std::process::id(),
        uuid::Uuid::new_v4()
    );
    let path = folder.join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_last_is_loaded() {
        let saved = Saved {
            file: unnamed_file().expect("a temporary folder"),
        };
        for contents in [
            Contents {
                databases: vec![String::from("/a/b.db"), String::from("c \"d\".db")],
                remotes: vec![String::from("ptcp:6640")],
            },
            Contents::default(),
        ] {
            saved.save(&contents).expect("a writable file");
            assert_eq!(saved.load().expect("a readable file"), contents);
        }
    }
}
