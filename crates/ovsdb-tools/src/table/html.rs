//! The HTML layout: UUIDs become links to the rows that have them in their `_uuid` column.

use ovsdb_proto::uuid::Uuid;

/// Bytes of a UUID in text.
const UUID_LEN: usize = 36;
/// Bytes of a UUID that are shown.
const UUID_SHOWN: usize = 8;

/// Writes `<element>content</element>` as a line, each UUID in `content` as a link to its row.
pub(super) fn cell(element: &str, content: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("    <{element}>").as_bytes());
    let mut rest = content;
    while let Some(c) = rest.chars().next() {
        if let Some(uuid) = rest
            .get(..UUID_LEN)
            .filter(|text| Uuid::parse(text).is_some())
        {
            out.extend_from_slice(
                format!("<a href=\"#{uuid}\">{}</a>", &uuid[..UUID_SHOWN]).as_bytes(),
            );
            rest = &rest[UUID_LEN..];
        } else {
            let (escaped, after) = rest.split_at(c.len_utf8());
            escape(escaped.as_bytes(), out);
            rest = after;
        }
    }
    out.extend_from_slice(format!("</{element}>\n").as_bytes());
}

/// Writes the cell of a `_uuid` column, which is what the links of [`cell`] lead to.
pub(super) fn anchor(content: &str, out: &mut Vec<u8>) {
    let content = content.as_bytes();
    out.extend_from_slice(b"    <td><a name=\"");
    escape(content, out);
    out.extend_from_slice(b"\">");
    escape(&content[..content.len().min(UUID_SHOWN)], out);
    out.extend_from_slice(b"</a></td>\n");
}

fn escape(content: &[u8], out: &mut Vec<u8>) {
    for &byte in content {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
}
