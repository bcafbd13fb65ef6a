//! What a client knows of a database by one of its monitors: the initial contents with all updates applied.
//!
//! Two servers may cut the same changes into different updates; what these come to must be the same.

use std::collections::BTreeMap;

use ovsdb_testkit::differential::model::{Column, Kind, Model};
use ovsdb_testkit::raw::Raw;

/// A row's columns that do not have their default value.
type Row = BTreeMap<String, Raw>;

/// The rows that one monitor shows, by table and UUID.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Replica {
    rows: BTreeMap<(String, String), Row>,
}

impl Replica {
    /// Applies the table updates of an `update`, `update2` or `update3`, or of the reply to a monitor request.
    ///
    /// # Errors
    /// What makes no sense.
    pub(crate) fn apply(&mut self, model: &Model, updates: &Raw) -> Result<(), String> {
        for (table, rows) in members(updates) {
            for (uuid, change) in members(rows) {
                let place = (table.clone(), uuid.clone());
                self.change(model, place, change)
                    .map_err(|what| format!("{what}: {table} {uuid} {change}"))?;
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        model: &Model,
        place: (String, String),
        change: &Raw,
    ) -> Result<(), String> {
        let column = |name: &str| model.table(&place.0).and_then(|table| table.column(name));
        if let Some(row) = ["initial", "insert"]
            .iter()
            .find_map(|kind| change.get(kind))
        {
            return self.insert(&column, place.clone(), row);
        }
        if let Some(differences) = change.get("modify") {
            let row = self.rows.get_mut(&place).ok_or("modifies a row unknown")?;
            for (name, difference) in members(differences) {
                let old = row.remove(name);
                let value = apply_difference(column(name), old, difference);
                keep(row, &column, name, value);
            }
            return Ok(());
        }
        if let Some(row) = change.get("new") {
            if change.get("old").is_some() {
                self.rows.remove(&place).ok_or("modifies a row unknown")?;
            }
            return self.insert(&column, place.clone(), row);
        }
        if change.get("delete").is_some() || change.get("old").is_some() {
            self.rows.remove(&place).ok_or("deletes a row unknown")?;
            return Ok(());
        }
        Err("is no change".to_owned())
    }

    fn insert<'a>(
        &mut self,
        column: &impl Fn(&str) -> Option<&'a Column>,
        place: (String, String),
        values: &Raw,
    ) -> Result<(), String> {
        let mut row = Row::new();
        for (name, value) in members(values) {
            keep(&mut row, column, name, value.clone());
        }
        match self.rows.insert(place, row) {
            Some(_) => Err("inserts a row that is there".to_owned()),
            None => Ok(()),
        }
    }

    /// All of it as JSON, in one order.
    pub(crate) fn show(&self) -> Raw {
        let mut tables: BTreeMap<&String, Vec<(String, Raw)>> = BTreeMap::new();
        for ((table, uuid), row) in &self.rows {
            let columns = row
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()));
            let row = Raw::Object(columns.collect());
            tables.entry(table).or_default().push((uuid.clone(), row));
        }
        let tables = tables.into_iter();
        Raw::Object(
            tables
                .map(|(table, rows)| (table.clone(), Raw::Object(rows)))
                .collect(),
        )
    }
}

/// Puts a value into a row unless it is its column's default. What servers make up is left out.
fn keep<'a>(row: &mut Row, column: &impl Fn(&str) -> Option<&'a Column>, name: &str, value: Raw) {
    let default = column(name).map(default);
    if default.as_ref() != Some(&value) && name != "_version" {
        row.insert(name.to_owned(), value);
    }
}

fn default(column: &Column) -> Raw {
    if column.value.is_some() {
        return Raw::tagged("map", Raw::Array(Vec::new()));
    }
    if column.min == 0 {
        return Raw::set(Vec::new());
    }
    match column.key.kind {
        Kind::Integer | Kind::Real => Raw::integer(0),
        Kind::Boolean => Raw::boolean(false),
        Kind::String => Raw::string(""),
        Kind::Uuid => Raw::tagged("uuid", Raw::string("00000000-0000-0000-0000-000000000000")),
    }
}

/// A value after a difference as `update2` has them. `old` is missing if it is the default.
fn apply_difference(column: Option<&Column>, old: Option<Raw>, difference: &Raw) -> Raw {
    // `_uuid` and `_version` are single, too.
    let Some(column) = column.filter(|column| column.max != Some(1)) else {
        return difference.clone();
    };
    let old = old.unwrap_or_else(|| default(column));
    if column.value.is_some() {
        let mut pairs = elements(&old, "map");
        for pair in elements(difference, "map") {
            let key = pair.elements().and_then(|parts| parts.first().cloned());
            let place = pairs
                .iter()
                .position(|known| known.elements().and_then(|parts| parts.first()) == key.as_ref());
            match place {
                Some(place) if pairs[place] == pair => drop(pairs.remove(place)),
                Some(place) => pairs[place] = pair,
                None => pairs.push(pair),
            }
        }
        pairs.sort_by_key(Raw::to_string);
        return Raw::tagged("map", Raw::Array(pairs));
    }
    let mut all = elements(&old, "set");
    for element in elements(difference, "set") {
        match all.iter().position(|known| *known == element) {
            Some(place) => drop(all.remove(place)),
            None => all.push(element),
        }
    }
    all.sort_by_key(Raw::to_string);
    match all.as_slice() {
        [one] => one.clone(),
        _ => Raw::set(all),
    }
}

/// The elements of a set or map; a value alone is a set of one.
fn elements(value: &Raw, tag: &str) -> Vec<Raw> {
    match value.of_tag(tag).and_then(Raw::elements) {
        Some(elements) => elements.to_vec(),
        None => vec![value.clone()],
    }
}

/// The members of an object.
pub(crate) fn members(value: &Raw) -> &[(String, Raw)] {
    match value {
        Raw::Object(members) => members,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"name": "D", "tables": {"T": {"isRoot": true, "columns": {
        "n": {"type": "integer"},
        "o": {"type": {"key": "string", "min": 0}},
        "s": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
        "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}}}}}}"#;

    fn check(updates: &[&str], expected: Result<&str, &str>) {
        let model = Model::parse(SCHEMA);
        let mut replica = Replica::default();
        let applied = updates.iter().try_for_each(|update| {
            let rows = format!(r#"{{"T":{{"u":{update}}}}}"#);
            replica.apply(&model, &Raw::parse(&rows).expect("it is well formed"))
        });
        let shown = applied.map(|()| replica.show().to_string());
        match (&shown, expected) {
            (Ok(shown), Ok(row)) => assert_eq!(*shown, format!(r#"{{"T":{{"u":{row}}}}}"#)),
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{error}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_forms_of_updates_come_to_the_same() {
        let row = Ok(r#"{"m":["map",[["b",2]]],"n":1,"s":"b"}"#);
        check(
            &[
                r#"{"insert":{"m":["map",[["a",1]]],"o":"x","s":["set",["a","c"]]}}"#,
                r#"{"modify":{"m":["map",[["a",1],["b",2]]],"n":1,"o":["set",[]],"s":["set",["a","b","c"]]}}"#,
            ],
            row,
        );
        check(
            &[
                r#"{"new":{"m":["map",[["a",1]]],"n":0,"o":"x","s":["set",["a","c"]]}}"#,
                r#"{"old":{"n":0},"new":{"m":["map",[["b",2]]],"n":1,"o":["set",[]],"s":"b"}}"#,
            ],
            row,
        );
    }

    #[test]
    fn updates_that_do_not_fit_are_errors() {
        check(&[r#"{"modify":{"n":1}}"#], Err("modifies a row unknown"));
        check(&[r#"{"delete":null}"#], Err("deletes a row unknown"));
        check(
            &[r#"{"insert":{}}"#, r#"{"insert":{}}"#],
            Err("inserts a row that is there"),
        );
    }
}
