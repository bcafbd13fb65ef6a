//! How many messages of which kind a daemon has logged: the lines of its log file, counted as they come.
//!
//! Reads what is new since the last look, and begins anew with a file that takes the place of another.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a log file that are read when somebody asks for the page. What is more is read the next time.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// Modules of a daemon whose messages are counted apart. Those of further ones are counted together, as `other`.
const SOURCES_MAX: usize = 256;
/// The source that stands for further ones.
const OTHER: &str = "other";

/// A log file as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct LogFile {
    /// The file that was read: its device and its inode.
    of: Option<(u64, u64)>,
    offset: u64,
    counts: BTreeMap<(String, &'static str), u64>,
}

/// What is known of a log file.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Messages by module and level.
    pub(super) counts: Vec<(String, &'static str, u64)>,
}

impl LogFile {
    /// Reads what is new in the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Logged> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let of = (metadata.dev(), metadata.ino());
        if self.of != Some(of) || metadata.len() < self.offset {
            self.of = Some(of);
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        self.take(BufReader::new(file.take(LOG_BYTES_MAX)))?;
        let counts = self.counts.iter();
        Ok(Logged {
            path: path.to_owned(),
            bytes: metadata.len(),
            counts: counts
                .map(|((source, level), count)| (source.clone(), *level, *count))
                .collect(),
        })
    }

    /// Counts the lines; the rest of the last one is left for the next time, when it may be whole.
    fn take(&mut self, mut lines: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line)? as u64;
            let is_whole = line.ends_with(b"\n");
            // A line that is longer than what is read at a time never becomes whole.
            if read == 0 || (!is_whole && read < LOG_BYTES_MAX) {
                return Ok(());
            }
            self.offset += read;
            if let Some((source, level)) = kind(&line) {
                self.count(source, level);
            }
        }
    }

    fn count(&mut self, source: &str, level: &'static str) {
        let is_known = |counts: &BTreeMap<_, _>, source: &str| {
            counts.contains_key(&(source.to_owned(), level))
        };
        let is_full = self.counts.len() >= SOURCES_MAX;
        let source = match is_full && !is_known(&self.counts, source) {
            true => OTHER,
            false => source,
        };
        *self.counts.entry((source.to_owned(), level)).or_default() += 1;
    }
}

/// The module and the level of a message, in the words of dashboards: `TIME|NUMBER|MODULE|LEVEL|MESSAGE`. `None` for other lines, such as further ones of
/// a message.
fn kind(line: &[u8]) -> Option<(&str, &'static str)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.splitn(5, '|');
    let (_time, number) = (fields.next()?, fields.next()?);
    number.parse::<u64>().ok()?;
    let (source, level) = (fields.next()?, fields.next()?);
    // A thread's name follows the module in parentheses.
    let source = source.split('(').next().unwrap_or(source);
    let level = match level {
        "EMER" => "emer",
        "ERR" => "err",
        "WARN" => "warn",
        "INFO" => "info",
        "DBG" => "dbg",
        _ => return None,
    };
    fields.next()?;
    Some((source, level))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn shown(logged: &Logged) -> Vec<String> {
        let counts = logged.counts.iter();
        counts
            .map(|(source, level, count)| format!("{source} {level} {count}"))
            .collect()
    }

    #[test]
    fn lines_are_counted_once_also_when_the_file_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.log");
        let mut file = File::create(&path).expect("a file");
        let mut log = LogFile::default();
        write!(
            file,
            "2026-01-02T03:04:05.678Z|00001|vlog|INFO|opened\n\
             2026-01-02T03:04:05.678Z|00002|bridge(main)|WARN|a|b\n\
             more of it\n\
             2026-01-02T03:04:05.678Z|0000"
        )
        .expect("room");
        assert_eq!(
            shown(&log.read(&path).expect("a file")),
            ["bridge warn 1", "vlog info 1"]
        );
        writeln!(file, "3|vlog|INFO|closed").expect("room");
        assert_eq!(
            shown(&log.read(&path).expect("a file")),
            ["bridge warn 1", "vlog info 2"]
        );
        std::fs::rename(&path, folder.path().join("x.log.1")).expect("a file");
        std::fs::write(&path, "t|1|vlog|ERR|x\n").expect("room");
        let logged = log.read(&path).expect("a file");
        assert_eq!(
            shown(&logged),
            ["bridge warn 1", "vlog err 1", "vlog info 2"]
        );
        assert_eq!(logged.bytes, 15);
    }

    #[test]
    fn of_very_many_modules_the_last_are_counted_together() {
        let mut log = LogFile::default();
        for module in 0..SOURCES_MAX + 10 {
            let line = format!("t|1|m{module}|INFO|x\n");
            log.take(line.as_bytes()).expect("a line");
        }
        assert_eq!(log.counts.len(), SOURCES_MAX + 1);
        assert_eq!(log.counts[&(OTHER.to_owned(), "info")], 10);
    }
}
