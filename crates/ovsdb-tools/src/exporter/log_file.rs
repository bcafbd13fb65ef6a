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
    /// The file that is read, which has its name no longer when it has been rotated.
    current: Option<Current>,
    counts: BTreeMap<(String, &'static str), u64>,
}

#[derive(Debug)]
struct Current {
    file: File,
    /// Its device and its inode.
    id: (u64, u64),
    offset: u64,
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
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        let mut room = LOG_BYTES_MAX;
        if let Some(current) = self.current.take_if(|current| current.id != id) {
            // First what nobody has read of the one that was rotated.
            let end = current.file.metadata()?.len();
            let (current, is_read) = self.follow(current, room)?;
            room -= is_read;
            if room == 0 && current.offset < end {
                self.current = Some(current);
            }
        }
        let current = self.current.take();
        let current = current.unwrap_or(Current {
            file,
            id,
            offset: 0,
        });
        let (current, _) = self.follow(current, room)?;
        self.current = Some(current);
        let counts = self.counts.iter();
        Ok(Logged {
            path: path.to_owned(),
            bytes: metadata.len(),
            counts: counts
                .map(|((source, level), count)| (source.clone(), *level, *count))
                .collect(),
        })
    }

    /// Counts what is new in a file, at most so many bytes. Says how many those were.
    fn follow(&mut self, mut current: Current, bytes_max: u64) -> io::Result<(Current, u64)> {
        if current.file.metadata()?.len() < current.offset {
            current.offset = 0;
        }
        current.file.seek(SeekFrom::Start(current.offset))?;
        let read = self.take(BufReader::new((&current.file).take(bytes_max)))?;
        current.offset += read;
        Ok((current, read))
    }

    /// Counts the lines, and says how many bytes they have; the rest of the last one is left for the next time, when it may be
    /// whole.
    fn take(&mut self, mut lines: impl BufRead) -> io::Result<u64> {
        let mut line = Vec::new();
        let mut taken = 0;
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line)? as u64;
            let is_whole = line.ends_with(b"\n");
            // A line that is longer than what is read at a time never becomes whole.
            if read == 0 || (!is_whole && read < LOG_BYTES_MAX) {
                return Ok(taken);
            }
            taken += read;
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
    fn what_nobody_has_read_of_a_file_that_is_rotated_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.log");
        let mut file = File::create(&path).expect("a file");
        writeln!(file, "t|1|vlog|INFO|x").expect("room");
        let mut log = LogFile::default();
        assert_eq!(shown(&log.read(&path).expect("a file")), ["vlog info 1"]);
        writeln!(file, "t|2|vlog|INFO|x").expect("room");
        std::fs::rename(&path, folder.path().join("x.log.1")).expect("a file");
        // A daemon writes there until it is told to open its log anew.
        writeln!(file, "t|3|vlog|WARN|x").expect("room");
        std::fs::write(&path, "t|4|vlog|INFO|x\n").expect("room");
        let logged = log.read(&path).expect("a file");
        assert_eq!(shown(&logged), ["vlog info 3", "vlog warn 1"]);
        assert_eq!(shown(&log.read(&path).expect("a file")), shown(&logged));
        // One that was emptied begins anew.
        std::fs::write(&path, "t|5|m|ERR|x\n").expect("room");
        let logged = log.read(&path).expect("a file");
        assert_eq!(shown(&logged), ["m err 1", "vlog info 3", "vlog warn 1"]);
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
