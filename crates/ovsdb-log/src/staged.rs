//! Records that are held ready to be written together: what goes to the file, in a few buffers, and the digest of the last.
//!
//! Small records share a buffer, so that one write is enough for many. A record that comes in parts keeps them: copying a
//! large one would cost as much as writing it. Nothing here touches a file.

use crate::digest::Digest;
use crate::header;

/// The buffer for small records is kept for the next time unless it has become larger than this.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// In the order of the file.
    buffers: Vec<Vec<u8>>,
    /// Whether the last buffer is for small records.
    is_open: bool,
    bytes: usize,
    digest: Option<Digest>,
}

impl Staged {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The digest of the last record.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What is to be written, in order.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().map(Vec::as_slice)
    }

    /// The only buffer there is, for somebody who puts something behind the records and takes it away again; `None` if there
    /// are more or none.
    pub(crate) fn only_buffer(&mut self) -> Option<&mut Vec<u8>> {
        match self.buffers.as_mut_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Adds a record, and tells its digest.
    pub(crate) fn add(&mut self, magic: &str, payload: &[u8]) -> Digest {
        let digest = Digest::of(&[payload]);
        let buffer = self.header(magic, payload.len(), &digest);
        buffer.extend_from_slice(payload);
        self.bytes += payload.len();
        digest
    }

    /// Adds a record whose digest is known.
    pub(crate) fn add_parts(&mut self, magic: &str, parts: Vec<Vec<u8>>, digest: &Digest) {
        let length = parts.iter().map(Vec::len).sum();
        self.header(magic, length, digest);
        self.buffers.extend(parts);
        self.is_open = false;
        self.bytes += length;
    }

    /// Adds the header of a record with so many bytes of data. Gives the buffer in which it is.
    fn header(&mut self, magic: &str, length: usize, digest: &Digest) -> &mut Vec<u8> {
        if !self.is_open {
            self.buffers.push(Vec::new());
            self.is_open = true;
        }
        let buffer = self.buffers.last_mut().expect("one is open");
        let start = buffer.len();
        header::compose_known(magic, length as u64, digest, buffer);
        self.bytes += buffer.len() - start;
        self.digest = Some(*digest);
        buffer
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buffers.truncate(1);
        self.buffers
            .retain_mut(|buffer| buffer.capacity() <= BUFFER_KEPT_BYTES_MAX);
        self.buffers.iter_mut().for_each(Vec::clear);
        self.is_open = !self.buffers.is_empty();
        self.bytes = 0;
        self.digest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_in_parts_and_whole_ones_make_the_same_file() {
        let records: [&[u8]; 4] = [b"{\"a\":1}\n", b"{\"b\":22}\n", b"{}\n", b"{\"c\":333}\n"];
        let text = |staged: &Staged| staged.buffers().collect::<Vec<_>>().concat();
        let mut whole = Staged::default();
        let digests = records.map(|record| whole.add("JSON", record));
        for which in 0_u32..16 {
            let mut staged = Staged::default();
            // The second time with what the first has left.
            for _ in 0..2 {
                for (at, record) in records.into_iter().enumerate() {
                    if which & 1 << at == 0 {
                        assert_eq!(staged.add("JSON", record), digests[at]);
                    } else {
                        let (begin, end) = record.split_at(at + 1);
                        let parts = vec![begin.to_vec(), Vec::new(), end.to_vec()];
                        staged.add_parts("JSON", parts, &digests[at]);
                    }
                    assert_eq!(staged.len(), text(&staged).len());
                    assert_eq!(staged.digest(), Some(digests[at]));
                }
                assert_eq!(text(&staged), text(&whole), "{which}");
                staged.clear();
                assert_eq!((staged.len(), staged.digest()), (0, None));
            }
        }
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut staged = Staged::default();
        staged.add("JSON", b"{}\n");
        staged.clear();
        assert_eq!(staged.buffers.len(), 1);
        staged.add("JSON", &[b' '; BUFFER_KEPT_BYTES_MAX]);
        staged.clear();
        assert!(staged.buffers.is_empty());
        let digest = Digest::of(&[b"{}"]);
        staged.add_parts("JSON", vec![vec![b'{'], vec![b'}']], &digest);
        staged.clear();
        assert_eq!(staged.buffers.len(), 1);
    }
}
