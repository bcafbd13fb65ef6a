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

/// The file: a head that says where the text lies, and the text. A new text comes beside the old one before the head is changed,
/// so that a full disk leaves what was there.
#[derive(Debug)]
pub(super) struct Saved {
    file: File,
}

/// What the file says.
#[derive(Debug, PartialEq)]
pub(super) struct Loaded {
    /// What is to be served.
    pub(super) config: Config,
    /// Whether a server has served it, or something that it came from. Before that, it is what the user asked for.
    pub(super) was_served: bool,
}

/// The head, which is written in one piece.
#[derive(Clone, Copy, Debug)]
struct Head {
    start: u64,
    length: u64,
    was_served: bool,
}

impl Head {
    const BYTES: u64 = 24;

    fn read(file: &File) -> io::Result<Head> {
        let number = |at| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, at)?;
            Ok::<u64, io::Error>(u64::from_le_bytes(bytes))
        };
        Ok(Head {
            start: number(0)?,
            length: number(8)?,
            was_served: number(16)? != 0,
        })
    }

    fn write(self, file: &File) -> io::Result<()> {
        let numbers = [self.start, self.length, u64::from(self.was_served)];
        file.write_all_at(numbers.map(u64::to_le_bytes).as_flattened(), 0)
    }

    /// Where a text of `length` bytes can lie beside this one.
    fn beside(self, length: u64) -> u64 {
        match Head::BYTES.saturating_add(length) <= self.start {
            true => Head::BYTES,
            false => (self.start + self.length).max(Head::BYTES),
        }
    }
}

fn fail(action: &'static str) -> impl FnOnce(io::Error) -> SavedError {
    move |source| SavedError::File { action, source }
}

impl Saved {
    /// Makes the file, with what the user asks for.
    pub(super) fn create(config: &Config) -> Result<Saved, SavedError> {
        let file = unnamed_file().map_err(fail("create"))?;
        let saved = Saved { file };
        let nothing = Head {
            start: 0,
            length: 0,
            was_served: false,
        };
        saved.write(nothing, config, false)?;
        Ok(saved)
    }

    /// Replaces what the file says by what is served.
    pub(super) fn save(&self, config: &Config) -> Result<(), SavedError> {
        let before = Head::read(&self.file).map_err(fail("read"))?;
        self.write(before, config, true)
    }

    fn write(&self, before: Head, config: &Config, was_served: bool) -> Result<(), SavedError> {
        let text = config.to_bytes();
        let length = text.len() as u64;
        let head = Head {
            start: before.beside(length),
            length,
            was_served,
        };
        let write = || {
            self.file.write_all_at(&text, head.start)?;
            head.write(&self.file)?;
            self.file.set_len(head.start + length)
        };
        write().map_err(fail("write"))
    }

    /// What the file says.
    pub(super) fn load(&self) -> Result<Loaded, SavedError> {
        let read = || {
            let head = Head::read(&self.file)?;
            let mut text = vec![0; usize::try_from(head.length).unwrap_or(0)];
            self.file.read_exact_at(&mut text, head.start)?;
            Ok((text, head.was_served))
        };
        let (text, was_served) = read().map_err(fail("read"))?;
        Ok(Loaded {
            config: Config::parse(&text)?,
            was_served,
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
    use ovsdb_server::remotes::RemoteOptions;

    use super::*;

    /// With this many remotes, so that the text is the longer the more there are.
    fn config(remotes: u16) -> Config {
        let mut config = Config::default();
        for name in ["/a/b.db", "c \"d\".db"] {
            config
                .databases
                .insert(String::from(name), Default::default());
        }
        for port in 0..remotes {
            let name = format!("ptcp:{port}");
            let remote = RemoteOptions::default_for(&name);
            config.remotes.insert(name, remote);
        }
        config
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let saved = Saved::create(&config(1)).expect("a temporary folder");
        let loaded = |remotes, was_served| Loaded {
            config: config(remotes),
            was_served,
        };
        assert_eq!(saved.load().expect("a readable file"), loaded(1, false));
        for remotes in [0, 3, 2, 2, 30, 0, 1, 40, 41, 0, 0] {
            saved.save(&config(remotes)).expect("a writable file");
            assert_eq!(
                saved.load().expect("a readable file"),
                loaded(remotes, true)
            );
        }
        let length = saved.file.metadata().expect("a file").len();
        assert!(length < 2_000, "{length} bytes for nearly nothing");
    }

    #[test]
    fn a_text_comes_beside_the_one_before_it() {
        let saved = Saved::create(&config(5)).expect("a temporary folder");
        for remotes in [9, 1, 7, 0, 2] {
            let before = Head::read(&saved.file).expect("a head");
            saved.save(&config(remotes)).expect("a writable file");
            let after = Head::read(&saved.file).expect("a head");
            let is_beside = after.start + after.length <= before.start
                || before.start + before.length <= after.start;
            assert!(is_beside, "{after:?} after {before:?}");
        }
    }
}
