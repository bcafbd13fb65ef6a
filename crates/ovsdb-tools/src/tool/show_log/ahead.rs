//! Reads the records of a log on a thread of its own, ahead of who puts them into words.
//!
//! What has been read in vain when a record makes no sense does not count.

use std::io;
use std::ops::{ControlFlow, Range};

use ovsdb_log::ahead::{self, read_ahead};
use ovsdb_log::{Log, LogError, RecordFault, RecordPlace};

use super::super::ToolError;
use super::outline::Fault;

/// A batch with so many bytes of text is full.
const BATCH_BYTES: usize = 256 << 10;

/// After a batch with more bytes than this nothing is read before it has been used, so that a file of enormous records does
/// not need memory for several.
const BATCH_BYTES_AHEAD_MAX: usize = 4 << 20;

/// Why a record is the last one.
pub(super) enum Refused {
    /// It makes no sense.
    Record(RecordFault),
    /// Nobody takes what is said of it.
    Output(io::Error),
}

impl From<RecordFault> for Refused {
    fn from(fault: RecordFault) -> Refused {
        Refused::Record(fault)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused::Record(match fault {
            Fault::NotJson(error) => RecordFault::NotJson(error.to_string()),
            Fault::NotObject => RecordFault::NotObject,
        })
    }
}

type Each<'e> = &'e mut dyn FnMut(&[u8]) -> Result<(), Refused>;

/// Gives the data of all further records of `log` to `each`, in order.
///
/// # Errors
/// The log cannot be read to its end, or `each` refuses a record.
pub(super) fn each_record(log: &mut Log, each: Each<'_>) -> Result<(), ToolError> {
    // For a few records no thread is worth while.
    let mut batch = Batch::default();
    batch.fill(log);
    let used = match (batch.give(each), batch.end.take()) {
        (Ok(()), None) => on_two_threads(log, each),
        (Ok(()), Some(end)) => return Ok(end?),
        (Err(refused), _) => Err(refused),
    };
    match used {
        Ok(end) => Ok(end?),
        Err((place, Refused::Record(fault))) => {
            log.return_to(&place);
            Err(log.reject(fault).into())
        }
        Err((_, Refused::Output(error))) => Err(error.into()),
    }
}

/// How the records ended, or which one was refused, and why.
type Used = Result<Result<(), LogError>, (RecordPlace, Refused)>;

fn on_two_threads(log: &mut Log, each: Each<'_>) -> Used {
    let fill = |batch: &mut Batch| batch.fill(log);
    let used = read_ahead(fill, Ok(Ok(())), |used: Used, batch| {
        match batch.give(each) {
            Ok(()) => ControlFlow::Continue(batch.end.take().map_or(used, Ok)),
            Err(refused) => ControlFlow::Break(Err(refused)),
        }
    });
    used.unwrap_or_else(|_| on_one_thread(log, each))
}

/// Without a second thread it takes longer.
fn on_one_thread(log: &mut Log, each: Each<'_>) -> Used {
    let mut batch = Batch::default();
    loop {
        batch.fill(log);
        batch.give(each)?;
        if let Some(end) = batch.end.take() {
            return Ok(end);
        }
    }
}

/// Records that follow one another.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    records: Vec<(RecordPlace, Range<usize>)>,
    /// Nothing is read after these: the file ends, or cannot be read.
    end: Option<Result<(), LogError>>,
}

impl ahead::Batch for Batch {
    fn is_large(&self) -> bool {
        self.text.len() > BATCH_BYTES_AHEAD_MAX
    }

    fn is_last(&self) -> bool {
        self.end.is_some()
    }
}

impl Batch {
    fn fill(&mut self, log: &mut Log) {
        match self.text.capacity() > BATCH_BYTES_AHEAD_MAX {
            true => self.text = Vec::new(),
            false => self.text.clear(),
        }
        self.records.clear();
        while self.text.len() < BATCH_BYTES {
            let begin = self.text.len();
            match log.read_onto(&mut self.text) {
                Ok(Some(place)) => self.records.push((place, begin..self.text.len())),
                Ok(None) => return self.end = Some(Ok(())),
                Err(error) => return self.end = Some(Err(error)),
            }
        }
    }

    fn give(&self, each: Each<'_>) -> Result<(), (RecordPlace, Refused)> {
        for (place, text) in &self.records {
            each(&self.text[text.clone()]).map_err(|refused| (*place, refused))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_log::{LockPolicy, OpenMode, STANDALONE_MAGIC};

    use super::*;

    /// Records of more than a batch, and of more than may be ahead; the one with this number is refused.
    fn given(count: usize, refused: Option<usize>) -> (Vec<String>, Result<(), ToolError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let open = |mode| Log::open(&path, mode, &[STANDALONE_MAGIC], LockPolicy::Never);
        let mut log = open(OpenMode::CreateExcl).expect("a new file");
        let text = |number: usize| {
            let length = if number == 5 {
                BATCH_BYTES_AHEAD_MAX
            } else {
                1000
            };
            format!("{number} {}", "x".repeat(length))
        };
        for number in 0..count {
            let record = text(number);
            log.append(record.as_bytes()).expect("a healthy disk");
        }
        drop(log);
        let mut log = open(OpenMode::ReadOnly).expect("a file");
        let mut seen: Vec<String> = Vec::new();
        let result = each_record(&mut log, &mut |record| {
            if refused == Some(seen.len()) {
                return Err(RecordFault::NotObject.into());
            }
            assert_eq!(record, text(seen.len()).as_bytes());
            seen.push(seen.len().to_string());
            Ok(())
        });
        (seen, result)
    }

    #[test]
    fn records_come_in_order_and_none_is_missing() {
        for count in [0, 1, 10, 2000] {
            let (seen, result) = given(count, None);
            assert_eq!(seen.len(), count);
            assert!(result.is_ok(), "{result:?}");
        }
    }

    #[test]
    fn a_record_that_is_refused_is_named_whatever_has_been_read_behind_it() {
        for refused in [0, 5, 6, 1500, 1999] {
            let (seen, result) = given(2000, Some(refused));
            assert_eq!(seen.len(), refused);
            let error = result.expect_err("it was refused").to_string();
            let length = refused.to_string().len() + 1;
            let length = length
                + if refused == 5 {
                    BATCH_BYTES_AHEAD_MAX
                } else {
                    1000
                };
            let expected = format!(" {length} bytes starting at offset ");
            assert!(error.contains(&expected), "{error}");
            assert!(error.contains("not a JSON object"), "{error}");
        }
    }
}
