//! Which rows a reply with the contents of tables holds. Looks at big ones without making trees of them.

use std::borrow::Cow;
use std::collections::HashSet;

use ovsdb_proto::json::JsonError;
use ovsdb_proto::json::reader::{Event, Reader};

use crate::workload::{WorkloadError, expect_rows};

/// The reply to a monitor must hold so many rows of these tables, and none of them twice.
///
/// # Errors
/// If it does not, or is no JSON.
pub(crate) fn check(reply: &[u8], tables: &[&str], rows: usize) -> Result<(), WorkloadError> {
    let mut found: HashSet<Cow<'_, str>> = HashSet::with_capacity(rows);
    let mut told = 0;
    let counted = each_row(reply, tables, |uuid| {
        told += 1;
        found.insert(uuid);
    });
    counted.map_err(crate::client::ClientError::from)?;
    expect_rows(rows, told)?;
    expect_rows(rows, found.len())
}

/// Shows the name of every member of every member that has the name of a table: `"TABLE":{"UUID":...,...}`.
fn each_row<'a>(
    reply: &'a [u8],
    tables: &[&str],
    mut see: impl FnMut(Cow<'a, str>),
) -> Result<(), JsonError> {
    let mut reader = Reader::new(reply);
    loop {
        match reader.next_event()? {
            Event::End => return Ok(()),
            Event::Name(name) if tables.contains(&&*name) => in_table(&mut reader, &mut see)?,
            _ => {}
        }
    }
}

/// Shows the name of every member of the object that comes next.
fn in_table<'a>(
    reader: &mut Reader<'a>,
    see: &mut impl FnMut(Cow<'a, str>),
) -> Result<(), JsonError> {
    if reader.next_event()? != Event::BeginObject {
        return Ok(());
    }
    while let Event::Name(uuid) = reader.next_event()? {
        see(uuid);
        let row = reader.next_event()?;
        reader.skip(&row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_repeated_ones_noticed() {
        let reply = |tables: &str| {
            format!("{{\"error\":null,\"id\":1,\"result\":[false,\"x\",{{{tables}}}]}}")
        };
        // (the tables, are they two rows of T and U)
        let cases = [
            (
                r#""T":{"a":{"initial":{"T2":1}}},"U":{"b":{"initial":{}}}"#,
                true,
            ),
            (r#""T":{"a":{},"b":{}},"U":{}"#, true),
            (r#""T":{"a":{}},"U":{}"#, false),
            (r#""T":{"a":{},"a":{}},"U":{}"#, false),
            (r#""T":{"a":{},"b":{},"b":{}}"#, false),
            (r#""V":{"a":{},"b":{}}"#, false),
        ];
        for (tables, right) in cases {
            let checked = check(reply(tables).as_bytes(), &["T", "U"], 2);
            assert_eq!(checked.is_ok(), right, "{tables}: {checked:?}");
        }
    }
}
