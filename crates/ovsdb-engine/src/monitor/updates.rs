//! Writes `<table-updates>` and `<table-updates2>`: rows that come table by table, under the names of both.

use ovsdb_proto::json::write;
use ovsdb_proto::uuid::Uuid;

use super::shape::Shape;

/// Updates that are being written. Nothing is written before there is a row.
pub(super) struct UpdatesWriter<'a> {
    shape: &'a Shape,
    out: &'a mut Vec<u8>,
    /// The position in the shape of the table of the last row.
    table: Option<usize>,
}

impl<'a> UpdatesWriter<'a> {
    pub(super) fn new(shape: &'a Shape, out: &'a mut Vec<u8>) -> UpdatesWriter<'a> {
        UpdatesWriter::resume(shape, out, None)
    }

    /// Goes on where another one has stopped, which had come to a row of the table at a position of the shape.
    pub(super) fn resume(
        shape: &'a Shape,
        out: &'a mut Vec<u8>,
        table: Option<usize>,
    ) -> UpdatesWriter<'a> {
        UpdatesWriter { shape, out, table }
    }

    /// The position in the shape of the table of the last row.
    pub(super) fn table(&self) -> Option<usize> {
        self.table
    }

    /// How much there is in the buffer.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Begins a row of the table at a position of the shape; the caller writes what is told of it. All rows of a table
    /// come together.
    pub(super) fn row(&mut self, at: usize, uuid: Uuid) -> &mut Vec<u8> {
        if self.table == Some(at) {
            self.out.push(b',');
        } else {
            let separator: &[u8] = if self.table.is_some() { b"}," } else { b"{" };
            self.out.extend_from_slice(separator);
            write::string(&self.shape.table_schema(at).name, self.out);
            self.out.extend_from_slice(b":{");
            self.table = Some(at);
        }
        let mut name = [b'"'; Uuid::TEXT_LEN + 3];
        name[1..=Uuid::TEXT_LEN].copy_from_slice(&uuid.to_text());
        name[Uuid::TEXT_LEN + 2] = b':';
        self.out.extend_from_slice(&name);
        self.out
    }

    /// Ends the updates. False, and nothing written, if there was no row.
    pub(super) fn finish(self) -> bool {
        if self.table.is_some() {
            self.out.extend_from_slice(b"}}");
        }
        self.table.is_some()
    }
}
