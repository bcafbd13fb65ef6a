//! Answers that come in the order of the file and are printed the other way round.
//!
//! They are kept in memory as long as they are few, and then in a file that has no name, from which they are read backwards.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// With more bytes than these answers go to a file.
const MEMORY_BYTES_MAX: usize = 32 << 20;

/// The bytes behind each answer in the file that say how long it is.
const LENGTH_BYTES: usize = size_of::<u64>();

/// Answers, of which the last ones are wanted, the last one first.
pub(super) struct NewestFirst {
    /// How many are wanted.
    limit: usize,
    kept: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The answers that came before those in memory; each is followed by its length.
    file: Option<BufWriter<File>>,
    file_bytes: u64,
}

impl NewestFirst {
    /// Nothing yet; the last `limit` answers will be wanted.
    pub(super) fn new(limit: usize) -> NewestFirst {
        NewestFirst {
            limit,
            kept: VecDeque::new(),
            bytes: 0,
            file: None,
            file_bytes: 0,
        }
    }

    /// Adds the next answer.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn push(&mut self, answer: Vec<u8>) -> io::Result<()> {
        self.bytes += answer.len();
        self.kept.push_back(answer);
        while self.kept.len() > self.limit && self.file.is_none() {
            self.bytes -= self.kept.pop_front().map_or(0, |dropped| dropped.len());
        }
        if self.bytes > MEMORY_BYTES_MAX {
            self.spill()?;
        }
        Ok(())
    }

    /// Moves all answers to the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(nameless_file()?)),
        };
        for answer in self.kept.drain(..) {
            file.write_all(&answer)?;
            file.write_all(&(answer.len() as u64).to_le_bytes())?;
            self.file_bytes += (answer.len() + LENGTH_BYTES) as u64;
        }
        self.bytes = 0;
        Ok(())
    }

    /// Prints the answers that are wanted.
    ///
    /// # Errors
    /// They cannot be read again, or nobody takes them.
    pub(super) fn print(self, out: &mut dyn Write) -> io::Result<()> {
        let mut left = self.limit;
        for answer in self.kept.iter().rev().take(left) {
            out.write_all(answer)?;
        }
        left -= self.kept.len().min(left);
        let Some(file) = self.file else {
            return Ok(());
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut end = self.file_bytes;
        while end > 0 && left > 0 {
            let mut length = [0; LENGTH_BYTES];
            end -= LENGTH_BYTES as u64;
            file.read_exact_at(&mut length, end)?;
            let length = u64::from_le_bytes(length);
            end -= length;
            let mut answer = vec![0; length as usize];
            file.read_exact_at(&mut answer, end)?;
            out.write_all(&answer)?;
            left -= 1;
        }
        Ok(())
    }
}

/// A new file in the folder for temporary files, gone when it is closed.
fn nameless_file() -> io::Result<File> {
    let name = format!("ovsdb-tool-{}", ovsdb_server::fresh_uuid());
    let path = std::env::temp_dir().join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answers_come_first_from_memory_and_from_the_file() {
        let answer = |number: usize, size: usize| {
            let mut text = format!("{number}\n").into_bytes();
            text.resize(text.len() + size, b' ');
            text
        };
        for (count, size) in [(0, 0), (1, 0), (100, 3), (100, 1 << 20), (40, 1 << 20)] {
            for limit in [0, 1, 7, 50, 1000] {
                let mut answers = NewestFirst::new(limit);
                for number in 0..count {
                    answers.push(answer(number, size)).expect("there is room");
                }
                let mut out = Vec::new();
                answers.print(&mut out).expect("it is read again");
                let numbers = (0..count).rev().take(limit);
                let expected = numbers.flat_map(|number| answer(number, size));
                assert!(out.into_iter().eq(expected), "{count} {size} {limit}");
            }
        }
    }
}
