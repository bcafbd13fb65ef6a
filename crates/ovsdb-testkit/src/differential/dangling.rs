//! Watches a server's updates for weak references to rows that are gone.
//!
//! The reference leaves such references behind; see [`super::rules::DANGLING`]. From that moment on its database
//! holds something that no other implementation should hold, and a comparison says nothing.

use std::collections::{HashMap, HashSet};

use super::model::Model;
use crate::raw::Raw;

/// A table and a row of it.
type Place = (String, String);

/// The rows of one database, and which rows they refer to weakly, as its updates tell.
#[derive(Debug, Default)]
pub struct Watch {
    rows: HashSet<Place>,
    references: HashMap<Place, Vec<Place>>,
}

impl Watch {
    /// Takes in a table-updates object (RFC 7047, section 4.1.6) with whole new rows. True if a row now refers
    /// to one that does not exist.
    pub fn update(&mut self, model: &Model, updates: &Raw) -> bool {
        let mut deleted = false;
        for (table, updates) in members(updates) {
            for (uuid, update) in members(updates) {
                let place = (table.clone(), uuid.clone());
                match update.get("new") {
                    Some(new) => {
                        self.references
                            .insert(place.clone(), weak_references(model, table, new));
                        self.rows.insert(place);
                    }
                    None => {
                        self.references.remove(&place);
                        self.rows.remove(&place);
                        deleted = true;
                    }
                }
            }
        }
        let mut references = self.references.values().flatten();
        deleted && references.any(|target| !self.rows.contains(target))
    }
}

fn members(raw: &Raw) -> &[(String, Raw)] {
    match raw {
        Raw::Object(members) => members,
        _ => &[],
    }
}

fn weak_references(model: &Model, table: &str, row: &Raw) -> Vec<Place> {
    let columns = model.table(table).map_or(&[][..], |table| &table.columns);
    let mut found = Vec::new();
    for column in columns
        .iter()
        .filter(|column| column.bases().any(|base| base.weak))
    {
        let Some(value) = row.get(&column.name) else {
            continue;
        };
        let one = std::slice::from_ref(value);
        let tag = if column.value.is_some() { "map" } else { "set" };
        let elements = value.of_tag(tag).and_then(Raw::elements).unwrap_or(one);
        for element in elements {
            let parts = match &column.value {
                Some(_) => element.elements().unwrap_or(&[]),
                None => std::slice::from_ref(element),
            };
            for (base, atom) in column.bases().zip(parts) {
                let uuid = atom.of_tag("uuid").and_then(Raw::text);
                if let (true, Some(target), Some(uuid)) = (base.weak, &base.target, uuid) {
                    found.push((target.clone(), uuid.to_owned()));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123abcd-89ab-cdef-0123-456789abcdef";
    const B: &str = "11111111-1111-1111-1111-111111111111";

    #[test]
    fn a_reference_to_a_deleted_row_is_noticed() {
        let model = Model::parse(
            r#"{"name": "D", "tables": {"T": {"columns": {
                "m": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "T", "refType": "weak"}, "min": 0, "max": "unlimited"}},
                "s": {"type": {"key": {"type": "uuid", "refTable": "T", "refType": "weak"}, "min": 0}}}}}}"#,
        );
        let update = |text: String| Raw::parse(&text).expect("it is well formed");
        let both = update(format!(
            r#"{{"T":{{"{A}":{{"new":{{"m":["map",[["x",["uuid","{B}"]]]],"s":["uuid","{B}"]}}}},"{B}":{{"new":{{"m":["map",[]],"s":["set",[]]}}}}}}}}"#
        ));
        let gone = update(format!(r#"{{"T":{{"{B}":{{"old":{{}}}}}}}}"#));
        let cleaned = update(format!(
            r#"{{"T":{{"{A}":{{"new":{{"m":["map",[]],"s":["set",[]]}}}},"{B}":{{"old":{{}}}}}}}}"#
        ));
        let check = |updates: &[&Raw], dangling: bool| {
            let mut watch = Watch::default();
            let found = updates.iter().any(|update| watch.update(&model, update));
            assert_eq!(found, dangling);
        };
        check(&[&both], false);
        check(&[&both, &gone], true);
        check(&[&both, &cleaned], false);
    }
}
