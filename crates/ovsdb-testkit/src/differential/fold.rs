//! What a series of monitor updates amounts to.
//!
//! A server may send one update for several transactions whose clients are not waiting for each other; a comparison
//! of such series is about their sum.

use std::collections::BTreeMap;

use crate::raw::Raw;

/// A row's columns by name.
type Columns = BTreeMap<String, Raw>;

/// The first and the last state of a row within a series; `None` is no row.
#[derive(Debug)]
struct Change {
    old: Option<Columns>,
    new: Option<Columns>,
}

/// The sum of table-updates objects (RFC 7047, section 4.1.6) of a monitor of all columns and all kinds of change,
/// in the form of one such object with whole old rows. Empty tables and rows that end as they began are left out.
pub fn fold<'a>(updates: impl IntoIterator<Item = &'a Raw>) -> Raw {
    let mut changes: BTreeMap<(String, String), Change> = BTreeMap::new();
    for update in updates {
        for (table, rows) in members(update) {
            for (uuid, row) in members(rows) {
                let (old, new) = (row.get("old").map(columns), row.get("new").map(columns));
                let old = match (old, &new) {
                    // Of a row that stays, only what has changed is told.
                    (Some(old), Some(new)) => {
                        let mut whole = new.clone();
                        whole.extend(old);
                        Some(whole)
                    }
                    (old, _) => old,
                };
                changes
                    .entry((table.clone(), uuid.clone()))
                    .and_modify(|change| change.new = new.clone())
                    .or_insert(Change { old, new });
            }
        }
    }
    let mut tables: BTreeMap<String, Vec<(String, Raw)>> = BTreeMap::new();
    for ((table, uuid), change) in changes {
        if change.old == change.new {
            continue;
        }
        let states = [("old", change.old), ("new", change.new)];
        let states = states.into_iter().filter_map(|(name, columns)| {
            Some((name.to_owned(), Raw::Object(columns?.into_iter().collect())))
        });
        let row = Raw::Object(states.collect());
        tables.entry(table).or_default().push((uuid, row));
    }
    let tables = tables.into_iter();
    Raw::Object(
        tables
            .map(|(table, rows)| (table, Raw::Object(rows)))
            .collect(),
    )
}

fn columns(row: &Raw) -> Columns {
    members(row).iter().cloned().collect()
}

fn members(raw: &Raw) -> &[(String, Raw)] {
    match raw {
        Raw::Object(members) => members,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_comes_to_the_same_as_its_sum() {
        for (updates, sum) in [
            (&[][..], "{}"),
            (
                &[r#"{"T":{"u":{"new":{"a":1,"b":2}}}}"#][..],
                r#"{"T":{"u":{"new":{"a":1,"b":2}}}}"#,
            ),
            (
                &[
                    r#"{"T":{"u":{"old":{"a":1},"new":{"a":2,"b":5}}}}"#,
                    r#"{"T":{"u":{"old":{"a":2,"b":5},"new":{"a":3,"b":6}}}}"#,
                ][..],
                r#"{"T":{"u":{"old":{"a":1,"b":5},"new":{"a":3,"b":6}}}}"#,
            ),
            (
                &[
                    r#"{"T":{"u":{"new":{"a":1}}}}"#,
                    r#"{"T":{"u":{"old":{"a":1}},"v":{"old":{"a":7}}}}"#,
                ][..],
                r#"{"T":{"v":{"old":{"a":7}}}}"#,
            ),
        ] {
            let updates: Vec<Raw> = updates
                .iter()
                .map(|text| Raw::parse(text).expect("it is well formed"))
                .collect();
            assert_eq!(fold(&updates).to_string(), sum);
        }
    }
}
