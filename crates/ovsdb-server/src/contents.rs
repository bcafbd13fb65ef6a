//! Initial contents on their way to clients: in pieces, each of which is made once for all who are about to send it.
//!
//! Who begins to monitor the same at the same version reads the same [`Contents`]. A piece is made when the first of them
//! comes to it, and given back when the last is past it. Pieces for which the others are too slow are given back, too, and
//! made again for whoever comes to them after all: a client that stops in the middle keeps the version, and the pieces
//! that it is about to send, but no text. What many are to be sent is put into a file in memory as well ([`file`]).
//! Nothing here knows messages or sockets.

mod file;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use ovsdb_engine::monitor::{Initial, PieceMax, Place};
use ovsdb_net::MemoryFile;
use parking_lot::Mutex;

use self::file::PieceFile;
use crate::limits;
use crate::meters::CONTENTS;

/// Bounds of what is in memory of contents at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How much there is in a piece.
    pub piece: PieceMax,
    /// Bytes of pieces that are kept for those who have not come to them.
    pub kept: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            piece: PieceMax {
                bytes: limits::CONTENTS_PIECE_BYTES,
                rows: limits::CONTENTS_PIECE_ROWS,
            },
            kept: limits::CONTENTS_KEPT_BYTES,
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Contents {
    initial: Initial,
    bounds: Bounds,
    state: Mutex<State>,
    /// Held while a piece is made, so that nobody makes the same one meanwhile.
    making: Mutex<()>,
    spare: Spare,
}

#[derive(Debug)]
struct State {
    /// All that are known, in their order.
    pieces: Vec<Known>,
    /// Whether there are no others.
    is_complete: bool,
    /// Numbers of pieces that are kept for those who come to them, in the order in which they were made.
    kept: VecDeque<(usize, Arc<Piece>)>,
    kept_bytes: usize,
    /// How many readers come to which piece next.
    readers: BTreeMap<usize, usize>,
    /// How many of them would send files.
    file_readers: usize,
}

/// A piece of which it is known where it begins.
#[derive(Debug)]
struct Known {
    place: Place,
    /// As long as somebody has it.
    made: Weak<Piece>,
}

/// Buffers to be used again. The first touch of memory costs more than what is written into it.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Text between two others.
#[derive(Debug)]
pub struct Piece {
    bytes: Vec<u8>,
    file: Option<PieceFile>,
    spare: Spare,
}

impl Piece {
    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A file in which the text is and nothing else, if it pays to have one. It does not change.
    pub fn file(&self) -> Option<&MemoryFile> {
        self.file.as_ref().map(PieceFile::file)
    }

    /// Bytes of memory.
    fn size(&self) -> usize {
        self.bytes.len() * (1 + usize::from(self.file.is_some()))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut spare = self.spare.lock();
        if spare.len() < limits::CONTENTS_SPARE_MAX {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            spare.push(bytes);
        }
    }
}

impl Contents {
    /// Contents of which nothing is made yet.
    pub fn new(initial: Initial) -> Arc<Contents> {
        Contents::with_bounds(initial, Bounds::default())
    }

    /// The same with other bounds than the default ones.
    pub fn with_bounds(initial: Initial, bounds: Bounds) -> Arc<Contents> {
        Arc::new(Contents {
            initial,
            bounds,
            state: Mutex::new(State {
                pieces: vec![Known {
                    place: Place::START,
                    made: Weak::new(),
                }],
                is_complete: false,
                kept: VecDeque::new(),
                kept_bytes: 0,
                readers: BTreeMap::new(),
                file_readers: 0,
            }),
            making: Mutex::default(),
            spare: Spare::default(),
        })
    }

    /// Somebody who reads them from the beginning.
    pub fn reader(self: &Arc<Self>) -> Reader {
        let mut state = self.state.lock();
        *state.readers.entry(0).or_default() += 1;
        state.file_readers += 1;
        Reader {
            contents: self.clone(),
            takes_files: true,
            next: 0,
            ahead: None,
        }
    }

    /// The piece with a number that is not greater than that of the first piece not made; `None` after the last. Makes it
    /// if nobody has it; says whether that was necessary.
    fn piece(&self, number: usize) -> Option<(Arc<Piece>, bool)> {
        if let Some(made) = self.state.lock().made(number)? {
            return Some((made, false));
        }
        let _making = self.making.lock();
        let (place, readers) = {
            // Somebody else may have made it meanwhile.
            let mut state = self.state.lock();
            match state.made(number)? {
                Some(made) => return Some((made, false)),
                None => {
                    let readers = state.coming(number).min(state.file_readers);
                    (state.pieces[number].place, readers)
                }
            }
        };
        let spare = self.spare.lock().pop();
        let mut bytes = spare.unwrap_or_else(|| Vec::with_capacity(self.bounds.piece.bytes));
        let next = self
            .initial
            .write_piece(place, self.bounds.piece, &mut bytes);
        let is_for_many = readers >= limits::CONTENTS_FILE_READERS;
        let piece = Arc::new(Piece {
            file: is_for_many.then(|| PieceFile::of(&bytes)).flatten(),
            bytes,
            spare: self.spare.clone(),
        });
        let mut state = self.state.lock();
        state.pieces[number].made = Arc::downgrade(&piece);
        match next {
            None => state.is_complete = true,
            Some(place) if number + 1 == state.pieces.len() => state.pieces.push(Known {
                place,
                made: Weak::new(),
            }),
            Some(_) => {}
        }
        state.kept.push_back((number, piece.clone()));
        state.kept_bytes += piece.size();
        let given_back = state.trim(self.bounds.kept);
        drop(state);
        drop(given_back);
        Some((piece, true))
    }
}

impl State {
    /// The piece with a number, if somebody has it. The outer `None` if there is no such piece.
    fn made(&mut self, number: usize) -> Option<Option<Arc<Piece>>> {
        match self.pieces.get(number) {
            Some(known) => Some(known.made.upgrade()),
            None => {
                debug_assert!(self.is_complete, "pieces are made in their order");
                None
            }
        }
    }

    /// How many readers come to a piece that has never been made. For those who are behind it is made again and again, each
    /// time for few.
    fn coming(&self, number: usize) -> usize {
        let is_new = number + 1 == self.pieces.len();
        let coming = self.readers.range(..=number);
        coming.map(|(_, readers)| readers).filter(|_| is_new).sum()
    }

    /// Moves a reader.
    fn go_on(&mut self, from: usize, to: Option<usize>) -> Vec<Arc<Piece>> {
        if let Some(count) = self.readers.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.readers.remove(&from);
            }
        }
        if let Some(to) = to {
            *self.readers.entry(to).or_default() += 1;
        }
        self.trim(usize::MAX)
    }

    /// Gives back pieces that nobody comes to any more, and those that were made first if there are more than `max` bytes.
    fn trim(&mut self, max: usize) -> Vec<Arc<Piece>> {
        let mut given_back = Vec::new();
        let first = self.readers.keys().next().copied().unwrap_or(usize::MAX);
        let (mut bytes, mut at) = (self.kept_bytes, 0);
        while let Some((number, piece)) = self.kept.get(at) {
            if *number >= first && (bytes <= max || at > 0) {
                at += 1;
                continue;
            }
            bytes -= piece.size();
            if let Some((_, piece)) = self.kept.remove(at) {
                given_back.push(piece);
            }
        }
        self.kept_bytes = bytes;
        given_back
    }
}

/// Who reads [`Contents`] and where he has come to.
#[derive(Debug)]
pub struct Reader {
    contents: Arc<Contents>,
    takes_files: bool,
    next: usize,
    ahead: Option<Arc<Piece>>,
}

impl Reader {
    /// Has no file made for the sake of this reader, who has no use for one.
    pub fn refuse_files(&mut self) {
        if std::mem::take(&mut self.takes_files) {
            self.contents.state.lock().file_readers -= 1;
        }
    }

    /// Goes on to the next piece; `None` after the last. Says whether it had to be made, which takes some time.
    pub fn go_on(&mut self) -> Option<(Arc<Piece>, bool)> {
        let (piece, was_made) = match self.ahead.take() {
            Some(piece) => (piece, false),
            None => self.fetch()?,
        };
        let given_back = {
            let mut state = self.contents.state.lock();
            state.go_on(self.next, Some(self.next + 1))
        };
        drop(given_back);
        self.next += 1;
        Some((piece, was_made))
    }

    fn fetch(&self) -> Option<(Arc<Piece>, bool)> {
        let (piece, was_made) = self.contents.piece(self.next)?;
        CONTENTS.count(was_made);
        Some((piece, was_made))
    }

    /// Has the next piece made, so that it is there when it is wanted.
    pub fn prepare(&mut self) {
        if self.ahead.is_none() {
            let piece = self.fetch();
            self.ahead = piece.map(|(piece, _)| piece);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.refuse_files();
        let given_back = self.contents.state.lock().go_on(self.next, None);
        drop(given_back);
    }
}

#[cfg(test)]
mod tests;
