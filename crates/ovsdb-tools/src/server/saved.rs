//! What is to be served, kept in a file without a name, so that a daemon that is started again after a crash (`--monitor`)
//! serves what the one before it served, control commands included.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::config::{Config, ConfigError};

/// The file could not be made, written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SavedError {
    #[error("failed to {action} temporary file ({})", ovsdb_net::errno_text(.source))]
    File {
        action: &'static str,
        source: io::Error,
    },
    #[error("failed to load configuration from a temporary file ({0})")]
    Contents(#[from] ConfigError),
}

/// The file.
#[derive(Debug)]
pub(super) struct Saved {
    file: File,
}

fn fail(action: &'static str) -> impl FnOnce(io::Error) -> SavedError {
    move |source| SavedError::File { action, source }
}

impl Saved {
    /// Makes the file.
    pub(super) fn create(config: &Config) -> Result<Saved, SavedError> {
        let file = unnamed_file().map_err(fail("create"))?;
        let saved = Saved { file };
        saved.save(config)?;
        Ok(saved)
    }

    /// Replaces what the file says.
    pub(super) fn save(&self, config: &Config) -> Result<(), SavedError> {
        let text = config.to_bytes();
        let write = || {
            self.file.set_len(0)?;
            self.file.write_all_at(&text, 0)
        };
        write().map_err(fail("write"))
    }

    /// What the file says.
    pub(super) fn load(&self) -> Result<Config, SavedError> {
        let read = || {
            let length = self.file.metadata()?.len();
            let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
            self.file.read_exact_at(&mut text, 0)?;
            Ok(text)
        };
        Ok(Config::parse(&read().map_err(fail("read"))?)?)
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
    use ovsdb_server::remotes::RemoteOptions;

    use super::*;

    #[test]
    fn what_was_saved_last_is_loaded() {
        let saved = Saved::create(&Config::default()).expect("a temporary folder");
        let mut config = Config::default();
        for name in ["/a/b.db", "c \"d\".db"] {
            config
                .databases
                .insert(String::from(name), Default::default());
        }
        let remote = RemoteOptions::default_for("ptcp:6640");
        config.remotes.insert(String::from("ptcp:6640"), remote);
        for config in [config, Config::default()] {
            saved.save(&config).expect("a writable file");
            assert_eq!(saved.load().expect("a readable file"), config);
        }
    }
}
