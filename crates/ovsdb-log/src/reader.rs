//! Reading header lines and data by offset, through a window of the file held in memory.

use std::io;

use crate::digest::{Digest, Hasher};
use crate::fs::File;
use crate::header::HEADER_BYTES_MAX;

/// How much is read at a time, in bytes.
const WINDOW_BYTES: usize = 256 << 10;

/// The size of the pieces of a long record, in bytes: few calls of the system, and all in the processor's cache.
const PIECE_BYTES: usize = 512 << 10;

/// Why the data of a record could not be had in full.
pub(crate) struct Short {
    /// How many bytes there were.
    pub(crate) bytes: u64,
    /// The system's error; `None` at the end of the file.
    pub(crate) error: Option<io::Error>,
}

/// A window of a file. Holds nothing until it is used.
#[derive(Default)]
pub(crate) struct Reader {
    start: u64,
    bytes: Vec<u8>,
}

impl Reader {
    /// The line that begins at `offset`: up to and including its newline, cut off at [`HEADER_BYTES_MAX`] bytes. Empty
    /// at the end of the file.
    pub(crate) fn line(&mut self, file: &dyn File, offset: u64) -> io::Result<&[u8]> {
        let bytes = self.window(file, offset, HEADER_BYTES_MAX)?;
        let line = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
        let end = memchr::memchr(b'\n', line).map_or(line.len(), |newline| newline + 1);
        Ok(&line[..end])
    }

    /// Appends the `length` bytes at `offset` to `data`, and tells their digest. If they cannot be had in full, `data` is as
    /// it was.
    pub(crate) fn data(
        &mut self,
        file: &dyn File,
        offset: u64,
        length: u64,
        data: &mut Vec<u8>,
    ) -> Result<Digest, Short> {
        let mut hasher = Hasher::default();
        // Each piece while it is in the processor's cache.
        let mut each = |piece: &[u8]| hasher.update(piece);
        self.append(file, offset, length, data, &mut each)?;
        Ok(hasher.digest())
    }

    /// [`Reader::data`] without a digest: `each` is shown one piece after the other.
    fn append(
        &mut self,
        file: &dyn File,
        offset: u64,
        length: u64,
        data: &mut Vec<u8>,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Short> {
        if length <= WINDOW_BYTES as u64 {
            let window = self
                .window(file, offset, length as usize)
                .map_err(|error| Short {
                    bytes: 0,
                    error: Some(error),
                })?;
            return match window.get(..length as usize) {
                Some(found) => {
                    data.extend_from_slice(found);
                    each(found);
                    Ok(())
                }
                None => Err(Short {
                    bytes: window.len() as u64,
                    error: None,
                }),
            };
        }

        let begin = data.len();
        // Memory for all of it at once, since growing by and by takes it twice; but not on the word of a header alone. If
        // there is not so much, the pieces find that out.
        let there = file.length().unwrap_or(0).saturating_sub(offset);
        if there >= length {
            let _ = data.try_reserve_exact(length as usize);
        }
        let mut have: u64 = 0;
        while have < length {
            let step = (length - have).min(PIECE_BYTES as u64);
            let at = data.len();
            data.resize(at + step as usize, 0);
            let (got, error) = read_full(file, &mut data[at..], offset + have);
            have += got as u64;
            if (got as u64) < step {
                data.truncate(begin);
                return Err(Short { bytes: have, error });
            }
            each(&data[at..]);
        }
        Ok(())
    }

    /// The `length` bytes at `offset`, in pieces that go to `each`.
    pub(crate) fn pieces(
        &mut self,
        file: &dyn File,
        offset: u64,
        length: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Short> {
        if length <= WINDOW_BYTES as u64 {
            return self.append(file, offset, length, &mut Vec::new(), each);
        }
        let mut piece = vec![0; PIECE_BYTES];
        let mut passed = 0;
        while passed < length {
            let step = (length - passed).min(PIECE_BYTES as u64) as usize;
            let (got, error) = read_full(file, &mut piece[..step], offset + passed);
            passed += got as u64;
            if got < step {
                return Err(Short {
                    bytes: passed,
                    error,
                });
            }
            each(&piece[..step]);
        }
        Ok(())
    }

    /// At least `want` bytes from `offset` on, or all that there are.
    fn window(&mut self, file: &dyn File, offset: u64, want: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset > end {
            self.bytes.clear();
            self.start = offset;
        }
        let skip = (offset - self.start) as usize;
        if self.bytes.len() - skip < want {
            self.bytes.drain(..skip);
            self.start = offset;
            let have = self.bytes.len();
            let size = want.max(WINDOW_BYTES);
            match have {
                // The system hands out zeros for less than it costs to write them.
                0 if self.bytes.capacity() < size => self.bytes = vec![0; size],
                _ => self.bytes.resize(size, 0),
            }
            let (got, error) = read_full(file, &mut self.bytes[have..], offset + have as u64);
            self.bytes.truncate(have + got);
            if let Some(error) = error {
                return Err(error);
            }
        }
        Ok(&self.bytes[(offset - self.start) as usize..])
    }
}

/// Reads until `buf` is full, the file ends, or an error comes up; says how many bytes there are.
pub(crate) fn read_full(
    file: &dyn File,
    buf: &mut [u8],
    offset: u64,
) -> (usize, Option<io::Error>) {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (got, Some(error)),
        }
    }
    (got, None)
}
