//! A naive model of the past: every state that a database was in, as JSON, and what follows from comparing them.
//!
//! Nothing here knows how `ovsdb-tool` finds its answers; each is computed from whole states.

use std::collections::BTreeMap;
use std::rc::Rc;

use ovsdb_proto::json::{Json, Object};

/// The values of a row by column.
pub(crate) type Row = BTreeMap<String, Json>;

/// All rows by table and UUID.
pub(crate) type State = BTreeMap<(String, String), Rc<Row>>;

/// A record after the schema: what it says of itself, and what there was after it.
pub(crate) struct Step {
    pub(crate) date_ms: Option<i64>,
    pub(crate) comment: Option<String>,
    pub(crate) state: State,
}

/// A file: `steps[0]` is the empty database, `steps[n]` is record n.
pub(crate) struct Model {
    pub(crate) steps: Vec<Step>,
}

/// A change of a row.
pub(crate) struct Change<'a> {
    pub(crate) key: &'a (String, String),
    pub(crate) old: Option<&'a Row>,
    pub(crate) new: Option<&'a Row>,
}

/// The elements of a set or map, or none if the value is a single atom that is not one.
fn elements(value: &Json) -> Vec<Json> {
    match value.as_array() {
        Some([Json::String(tag), Json::Array(elements)]) if *tag == "set" || *tag == "map" => {
            elements.clone()
        }
        _ => vec![value.clone()],
    }
}

/// The columns that may be empty, and hold one value otherwise.
const OPTIONAL: [&str; 3] = ["note", "extra", "peer"];

fn is_default(column: &str, value: &Json) -> bool {
    let is_empty = |elements: &Json| elements.as_array().is_some_and(<[Json]>::is_empty);
    match value.as_array() {
        Some([Json::String(tag), rest]) => (*tag == "set" || *tag == "map") && is_empty(rest),
        _ if OPTIONAL.contains(&column) => false,
        _ => matches!(value, Json::Integer(0)) || value.as_str() == Some(""),
    }
}

/// Which columns can hold several elements, and which of them are maps.
const SETS: [&str; 3] = ["tags", "kids", "pals"];
const MAPS: [&str; 2] = ["ids", "counts"];

/// A set or map of `elements` as the protocol writes it.
fn collection(elements: Vec<Json>, is_map: bool) -> Json {
    match (<[Json; 1]>::try_from(elements), is_map) {
        (Ok([only]), false) => only,
        (Ok([only]), true) => tagged("map", vec![only]),
        (Err(elements), true) => tagged("map", elements),
        (Err(elements), false) => tagged("set", elements),
    }
}

fn tagged(tag: &str, elements: Vec<Json>) -> Json {
    Json::Array(vec![Json::string(tag), Json::Array(elements)])
}

/// What of a row's change `log` and `diff` tell: by column, `old` and `new`, or `removed` and `added`.
fn columns(old: Option<&Row>, new: Option<&Row>) -> BTreeMap<String, Json> {
    let names = old.into_iter().chain(new).flat_map(BTreeMap::keys);
    let mut told = BTreeMap::new();
    for name in names {
        let values = [old, new].map(|row| row.and_then(|row| row.get(name)));
        let members: Vec<(&str, Json)> = match values {
            [Some(old), Some(new)] if old == new => continue,
            [Some(old), Some(new)] if SETS.contains(&&**name) || MAPS.contains(&&**name) => {
                let is_map = MAPS.contains(&&**name);
                let without = |these: &Json, those: &Json| {
                    let those = elements(those);
                    let mut left = elements(these);
                    left.retain(|element| !those.contains(element));
                    collection(left, is_map)
                };
                vec![("removed", without(old, new)), ("added", without(new, old))]
            }
            [Some(old), Some(new)] => vec![("old", old.clone()), ("new", new.clone())],
            [Some(only), None] if !is_default(name, only) => vec![("old", only.clone())],
            [None, Some(only)] if !is_default(name, only) => vec![("new", only.clone())],
            _ => continue,
        };
        told.insert(name.clone(), object(members));
    }
    told
}

pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    let mut object = Object::with_capacity(4);
    for (name, value) in members {
        object.insert(name, value);
    }
    Json::Object(object)
}

/// What a change is told as, with this column alone if one is given; `None` if it is not told.
pub(crate) fn told(change: &Change<'_>, column: Option<&str>) -> Option<Json> {
    let mut told = columns(change.old, change.new);
    if let Some(column) = column {
        told.retain(|name, _| name == column);
        if told.is_empty() {
            return None;
        }
    }
    // Of two schemas a row may differ in nothing that is told.
    if change.old.is_some() && change.new.is_some() && told.is_empty() {
        return None;
    }
    let word = match (change.old, change.new) {
        (None, _) => "insert",
        (Some(_), Some(_)) => "modify",
        (Some(_), None) => "delete",
    };
    let (table, uuid) = change.key;
    let name = change.new.or(change.old).and_then(|row| row.get("name"));
    let name = name.filter(|name| !is_default("name", name)).cloned();
    let mut members = Object::with_capacity(4);
    for (name, value) in told {
        members.insert(name, value);
    }
    Some(object([
        ("table", Json::string(table.clone())),
        ("row", Json::string(uuid.clone())),
        ("name", name.unwrap_or(Json::Null)),
        ("change", Json::string(word)),
        ("columns", Json::Object(members)),
    ]))
}

/// The rows that differ, in the order of tables and UUIDs.
pub(crate) fn changes<'a>(old: &'a State, new: &'a State) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    for (key, row) in old {
        let after = new.get(key);
        // Rows that did not change are shared between states, as a rule.
        if after.is_none_or(|after| !Rc::ptr_eq(row, after) && row != after) {
            found.push(Change {
                key,
                old: Some(row),
                new: after.map(|row| &**row),
            });
        }
    }
    for (key, row) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        found.push(Change {
            key,
            old: None,
            new: Some(row),
        });
    }
    found.sort_by_key(|change| change.key);
    found
}

/// Whether a row is wanted, by its UUID and what it holds.
pub(crate) type IsWanted<'a> = dyn Fn(&str, &Row) -> bool + 'a;

/// Which records and changes a log is to tell.
#[derive(Default)]
pub(crate) struct Filter<'a> {
    pub(crate) since_ms: Option<i64>,
    pub(crate) until_ms: Option<i64>,
    pub(crate) table: Option<&'a str>,
    pub(crate) row: Option<&'a IsWanted<'a>>,
    pub(crate) column: Option<&'a str>,
    pub(crate) comment: Option<&'a str>,
}

impl Model {
    /// What `log --format=json --oldest-first` tells: number, comment, date and changes of each record.
    pub(crate) fn log(&self, filter: &Filter<'_>) -> Vec<Json> {
        let rows = filter.row.map(|is_wanted| self.rows(is_wanted));
        let mut told_records = Vec::new();
        for (number, pair) in self.steps.windows(2).enumerate() {
            let [before, step] = pair else { continue };
            let date = step.date_ms.unwrap_or(i64::MIN);
            let comment = step.comment.as_deref().unwrap_or_default();
            if filter.since_ms.is_some_and(|since| date < since)
                || filter.until_ms.is_some_and(|until| date > until)
                || filter.comment.is_some_and(|text| !comment.contains(text))
            {
                continue;
            }
            let mut told_changes = changes(&before.state, &step.state);
            told_changes.retain(|change| filter.table.is_none_or(|table| table == change.key.0));
            told_changes
                .retain(|change| rows.as_ref().is_none_or(|rows| rows.contains(change.key)));
            let told_changes = told_changes.iter();
            let told_changes: Vec<Json> = told_changes
                .filter_map(|change| told(change, filter.column))
                .collect();
            if told_changes.is_empty() {
                continue;
            }
            told_records.push(object([
                ("record", Json::Integer(number as i64 + 1)),
                ("date_ms", step.date_ms.map_or(Json::Null, Json::Integer)),
                (
                    "comment",
                    step.comment.clone().map_or(Json::Null, Json::string),
                ),
                ("changes", Json::Array(told_changes)),
            ]));
        }
        told_records
    }

    /// The rows that were wanted at any time.
    fn rows(&self, is_wanted: &IsWanted<'_>) -> Vec<(String, String)> {
        let all = self.steps.iter().flat_map(|step| &step.state);
        let wanted = all.filter(|(key, row)| is_wanted(&key.1, row));
        let mut keys: Vec<_> = wanted.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The number of the last record not later than a time; `None` if all are.
    pub(crate) fn number_at(&self, time_ms: i64) -> Option<usize> {
        let steps = self.steps.iter().enumerate().skip(1).rev();
        let mut in_time =
            steps.filter(|(_, step)| step.date_ms.is_some_and(|date| date <= time_ms));
        in_time.next().map(|(number, _)| number)
    }

    /// The record since which a value has been as it is after the last record, by looking back.
    pub(crate) fn set_by(&self, key: &(String, String), column: &str) -> usize {
        let last = self.steps.len() - 1;
        let row = |number: usize| self.steps[number].state.get(key);
        let value = |number: usize| row(number)?.get(column);
        let is_same = |a: usize, b: usize| match (row(a), row(b)) {
            (Some(a), Some(b)) if Rc::ptr_eq(a, b) => true,
            _ => value(a) == value(b),
        };
        let mut since = (1..=last).rev();
        let found = since.find(|&number| !is_same(number - 1, number));
        found.expect("the database was empty once")
    }

    /// The same of an element of a set, or of a pair of a map.
    pub(crate) fn element_set_by(
        &self,
        key: &(String, String),
        column: &str,
        element: &Json,
    ) -> usize {
        let has = |number: usize| {
            let row = self.steps[number].state.get(key);
            let value = row.and_then(|row| row.get(column));
            value.is_some_and(|value| elements(value).contains(element))
        };
        let row = |number: usize| self.steps[number].state.get(key);
        let is_same = |a: usize, b: usize| match (row(a), row(b)) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            _ => false,
        };
        let mut since = (1..self.steps.len()).rev();
        let found = since.find(|&number| !is_same(number - 1, number) && !has(number - 1));
        found.expect("the database was empty once")
    }

    /// The elements of the value of a column that can hold several; `None` of one that cannot.
    pub(crate) fn elements(column: &str, value: &Json) -> Option<Vec<Json>> {
        (SETS.contains(&column) || MAPS.contains(&column)).then(|| elements(value))
    }

    /// The record that made a row that is there after the last record.
    pub(crate) fn inserted_by(&self, key: &(String, String)) -> usize {
        let mut since = (1..self.steps.len()).rev();
        let found = since.find(|&number| !self.steps[number - 1].state.contains_key(key));
        found.expect("the database was empty once")
    }
}
