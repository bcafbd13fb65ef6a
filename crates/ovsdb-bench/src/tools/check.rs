//! What a command left: how much there is of it, and whether it is the same as what another one left.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use memchr::memmem;
use ovsdb_log::{LockPolicy, Log, LogError, OpenMode, STANDALONE_MAGIC};
use ovsdb_proto::json::JsonError;
use ovsdb_proto::json::reader::{Event, Reader};

/// What must be the same for all programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Same {
    /// Every byte.
    Bytes,
    /// The lines, in any order: of the rows of one transaction nobody says which comes first.
    Lines,
    /// The rows of a database file, in any order. Records of what becomes of it may differ, such as the date.
    Rows,
}

impl fmt::Display for Same {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Same::Bytes => "bytes",
            Same::Lines => "lines",
            Same::Rows => "rows",
        })
    }
}

/// How much there must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Amount {
    Exactly(usize),
    AtLeast(usize),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Exactly(count) => write!(f, "{count}"),
            Amount::AtLeast(count) => write!(f, "at least {count}"),
        }
    }
}

/// What is right.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) same: Same,
    /// What is counted; of [`Same::Rows`] it is the rows.
    pub(crate) mark: String,
    pub(crate) amount: Amount,
}

/// What a command left, in short.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Left {
    digest: u64,
    count: usize,
}

/// Why it is not right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("{}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Json(#[from] JsonError),
    #[error("the file that it made is not a schema and one record of rows")]
    Form,
    #[error("{what:?} is in what it made {found} times, not {expected}")]
    Count {
        what: String,
        found: usize,
        expected: Amount,
    },
    #[error("it did not make the same {0} as the first call")]
    Differs(Same),
}

impl Check {
    /// Looks at what a command left, which must be right by itself, and the same as what was left `before`.
    pub(crate) fn look(&self, path: &Path, before: Option<Left>) -> Result<Left, CheckError> {
        let left = match self.same {
            Same::Rows => rows(path)?,
            _ => self.text(&read(path)?),
        };
        let right = match self.amount {
            Amount::Exactly(count) => left.count == count,
            Amount::AtLeast(count) => left.count >= count,
        };
        if !right {
            return Err(CheckError::Count {
                what: self.mark.clone(),
                found: left.count,
                expected: self.amount,
            });
        }
        match before {
            Some(before) if before != left => Err(CheckError::Differs(self.same)),
            _ => Ok(left),
        }
    }

    fn text(&self, text: &[u8]) -> Left {
        let digest = match self.same {
            Same::Bytes => hash(text),
            _ => text.split(|byte| *byte == b'\n').map(hash).fold(0, sum),
        };
        Left {
            digest,
            count: memmem::find_iter(text, self.mark.as_bytes()).count(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CheckError> {
    std::fs::read(path).map_err(|source| CheckError::Read {
        path: path.to_owned(),
        source,
    })
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Hashes are put together so that the order does not matter, and that two of the same do not cancel each other out.
fn sum(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

/// The rows of a file with the schema and one record of rows, as compaction and backup make it.
fn rows(path: &Path) -> Result<Left, CheckError> {
    let magics = [STANDALONE_MAGIC];
    let mut log = Log::open(path, OpenMode::ReadOnly, &magics, LockPolicy::Never)?;
    log.read()?.ok_or(CheckError::Form)?;
    let record = log.read()?.ok_or(CheckError::Form)?;
    if log.read()?.is_some() {
        return Err(CheckError::Form);
    }
    let mut left = Left {
        digest: 0,
        count: 0,
    };
    let mut reader = Reader::new(&record.payload);
    loop {
        match reader.next_event()? {
            Event::End => return Ok(left),
            // Tables have names that do not begin so.
            Event::Name(name) if name.starts_with('_') => {
                let value = reader.next_event()?;
                reader.skip(&value)?;
            }
            Event::Name(table) => {
                let Event::BeginObject = reader.next_event()? else {
                    return Err(CheckError::Form);
                };
                while let Event::Name(uuid) = reader.next_event()? {
                    let first = reader.next_event()?;
                    // Written with the columns in the order of their names.
                    let row = reader.value(first)?.to_bytes();
                    left.digest = sum(left.digest, hash((&*table, &*uuid, row)));
                    left.count += 1;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_testkit::sandbox::Sandbox;

    use super::*;

    fn check(same: Same, amount: Amount) -> Check {
        Check {
            same,
            mark: "row".to_owned(),
            amount,
        }
    }

    /// Whether both texts are right, and the second the same as the first.
    fn is_right(check: &Check, first: &str, second: &str) -> bool {
        let sandbox = Sandbox::new();
        let mut before = None;
        for text in [first, second] {
            let path = sandbox.path("left");
            std::fs::write(&path, text).expect("the folder is ours");
            match check.look(&path, before) {
                Ok(left) => before = Some(left),
                Err(_) => return false,
            }
        }
        true
    }

    #[test]
    fn order_matters_for_bytes_and_not_for_lines_and_what_is_lost_or_repeated_always() {
        let exactly = |same| check(same, Amount::Exactly(2));
        // (check, what was left first, what then, is it right)
        let cases = [
            (
                exactly(Same::Bytes),
                "row a\nrow b\n",
                "row a\nrow b\n",
                true,
            ),
            (
                exactly(Same::Bytes),
                "row a\nrow b\n",
                "row b\nrow a\n",
                false,
            ),
            (
                exactly(Same::Lines),
                "row a\nrow b\n",
                "row b\nrow a\n",
                true,
            ),
            (
                exactly(Same::Lines),
                "row a\nrow b\n",
                "row a\nrow a\n",
                false,
            ),
            (exactly(Same::Lines), "row a\nrow b\n", "row a\n", false),
            (exactly(Same::Lines), "row a\n", "row a\n", false),
            (
                check(Same::Lines, Amount::AtLeast(1)),
                "row a\nrow b\n",
                "row b\nrow a\n",
                true,
            ),
        ];
        for (check, first, second, right) in cases {
            assert_eq!(
                is_right(&check, first, second),
                right,
                "{check:?} {first:?} {second:?}"
            );
        }
    }

    #[test]
    fn rows_are_the_same_in_any_order_of_rows_and_columns() {
        // (rows of the second file, is it the same)
        let cases = [
            (r#"{"T":{"b":{"y":2,"x":1},"a":{}},"_date":2}"#, true),
            (r#"{"_comment":"row","T":{"a":{},"b":{"x":1,"y":2}}}"#, true),
            (r#"{"T":{"a":{},"b":{"x":1,"y":3}}}"#, false),
            (r#"{"T":{"a":{}},"U":{"b":{"x":1,"y":2}}}"#, false),
            (r#"{"T":{"a":{}}}"#, false),
        ];
        let sandbox = Sandbox::new();
        let file = |name: &str, rows: &str| {
            let path = sandbox.path(name);
            let magics = [STANDALONE_MAGIC];
            let log = Log::open(&path, OpenMode::CreateExcl, &magics, LockPolicy::Never);
            let mut log = log.expect("the folder is ours");
            for record in ["{}", rows] {
                log.append(record.as_bytes()).expect("there is room");
            }
            path
        };
        let check = check(Same::Rows, Amount::AtLeast(1));
        let first = file("first", r#"{"_date":1,"T":{"a":{},"b":{"x":1,"y":2}}}"#);
        let before = check.look(&first, None).expect("it is as it should be");
        for (number, (rows, same)) in cases.into_iter().enumerate() {
            let second = file(&format!("second-{number}"), rows);
            let looked = check.look(&second, Some(before));
            assert_eq!(looked.is_ok(), same, "{rows}: {looked:?}");
        }
    }
}
