//! Writes JSON objects member by member, with the commas where they belong.

use ovsdb_proto::json::write;

/// A member's name as it is written behind another member.
pub(super) fn key(name: &str) -> Box<[u8]> {
    let mut key = vec![b','];
    write::string(name, &mut key);
    key.push(b':');
    key.into()
}

/// An object that is being written.
pub(super) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        out.push(b'{');
        ObjectWriter { out, empty: true }
    }

    /// Begins a member; the caller writes its value.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        write::string(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Begins a member with a name that has been [written](key) before.
    pub(super) fn member_of(&mut self, key: &[u8]) -> &mut Vec<u8> {
        // With the comma in front.
        let from = usize::from(std::mem::take(&mut self.empty));
        self.out.extend_from_slice(&key[from..]);
        self.out
    }

    /// Begins a member whose value is an object.
    pub(super) fn object(&mut self, name: &str) -> ObjectWriter<'_> {
        ObjectWriter::open(self.member(name))
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }
}
