//! What monitors are told: read, worked out from two versions, and applied to a replica.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::ByRow;
use super::changes::Contents;
use super::condition::admits;
use super::monitor::{Asked, Form, Monitor, Select};
use super::schema::{Row, table};
use super::value::{Value, default_value, difference, value_from_json, with_difference};

/// What is told of a row: `new`, `old`, `initial`, `insert`, `modify` with columns, or `delete` with nothing.
pub type RowUpdate = BTreeMap<&'static str, Option<Row>>;

/// A `<table-updates>` or `<table-updates2>`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Updates(pub ByRow<RowUpdate>);

const MEMBERS: [&str; 6] = ["new", "old", "initial", "insert", "modify", "delete"];

impl Updates {
    /// Reads updates.
    ///
    /// # Panics
    /// If they are none.
    pub fn parse(text: &[u8]) -> Updates {
        let json: Json = serde_json::from_slice(text).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(text));
        });
        Updates::from_json(&json)
    }

    /// [`Updates::parse`] of what is JSON already.
    ///
    /// # Panics
    /// If they are none.
    pub fn from_json(json: &Json) -> Updates {
        let mut updates = ByRow::new();
        for (name, rows) in json.as_object().expect("updates are an object") {
            let table = table(name);
            let rows = rows.as_object().expect("a table's updates are an object");
            assert!(!rows.is_empty(), "{name} is named, and no row of it");
            for (uuid, members) in rows {
                let members = members.as_object().expect("a row's update is an object");
                let mut update = RowUpdate::new();
                for (member, columns) in members {
                    let mut known = MEMBERS.into_iter();
                    let member = known
                        .find(|known| known == member)
                        .unwrap_or_else(|| panic!("{member} is no member of an update"));
                    let columns = columns.as_object().map(|columns| {
                        let columns = columns.iter().map(|(column, value)| {
                            let ty = table.column(column).ty;
                            (column.clone(), value_from_json(value, ty))
                        });
                        columns.collect()
                    });
                    update.insert(member, columns);
                }
                updates.insert((table.name, uuid.clone()), update);
            }
        }
        Updates(updates)
    }

    /// What a monitor that begins with `contents` is told.
    pub fn initial(monitor: &Monitor, contents: &Contents) -> Updates {
        let mut updates = ByRow::new();
        for ((name, uuid), row) in contents {
            if let Some(asked) = monitor.asked(name)
                && asked.select.initial
                && admits(&asked.condition, row)
            {
                let update = match monitor.form {
                    Form::Values => [("new", columns(asked, row, |select| select.initial))],
                    Form::Differences => [("initial", told(asked, row, |select| select.initial))],
                };
                let update = update.map(|(member, row)| (member, Some(row)));
                updates.insert((*name, uuid.clone()), RowUpdate::from(update));
            }
        }
        Updates(updates)
    }

    /// What a change of conditions leads to while `contents` stay the same.
    pub fn of_conditions(before: &Monitor, after: &Monitor, contents: &Contents) -> Updates {
        let mut updates = ByRow::new();
        for ((name, uuid), row) in contents {
            let (Some(old), Some(new)) = (before.asked(name), after.asked(name)) else {
                continue;
            };
            let old = admits(&old.condition, row).then_some(row);
            let new_row = admits(&new.condition, row).then_some(row);
            if old.is_some() == new_row.is_some() {
                continue;
            }
            if let Some(update) = row_update(after.form, new, old, new_row) {
                updates.insert((*name, uuid.clone()), update);
            }
        }
        Updates(updates)
    }
}

fn columns(asked: &Asked, row: &Row, wanted: fn(&Select) -> bool) -> Row {
    let columns = asked.columns.iter().filter(|(_, select)| wanted(select));
    let columns = columns.map(|(column, _)| (column.name.to_owned(), row[column.name].clone()));
    columns.collect()
}

/// [`columns`] without those that have their default values.
fn told(asked: &Asked, row: &Row, wanted: fn(&Select) -> bool) -> Row {
    let mut columns = columns(asked, row, wanted);
    columns.retain(|name, value| *value != default_value(asked.table.column(name).ty));
    columns
}

/// What is told of a row that was `old` and is `new`, both of interest where they are there at all.
fn row_update(
    form: Form,
    asked: &Asked,
    old: Option<&Row>,
    new: Option<&Row>,
) -> Option<RowUpdate> {
    let update = match (form, old, new) {
        (_, None, None) => return None,
        (Form::Values, None, Some(new)) if asked.select.insert => {
            vec![("new", Some(columns(asked, new, |select| select.insert)))]
        }
        (Form::Differences, None, Some(new)) if asked.select.insert => {
            vec![("insert", Some(told(asked, new, |select| select.insert)))]
        }
        (Form::Values, Some(old), None) if asked.select.delete => {
            vec![("old", Some(columns(asked, old, |select| select.delete)))]
        }
        (Form::Differences, Some(_), None) if asked.select.delete => vec![("delete", None)],
        (_, Some(old), Some(new)) if asked.select.modify => {
            let differs = |name: &str| old[name] != new[name];
            let mut all = asked.columns.iter();
            if !all.any(|(column, _)| differs(column.name)) {
                return None;
            }
            let (mut old, mut new) = (
                columns(asked, old, |select| select.modify),
                columns(asked, new, |select| select.modify),
            );
            match form {
                Form::Values => {
                    old.retain(|name, value| *value != new[name]);
                    vec![("old", Some(old)), ("new", Some(new))]
                }
                Form::Differences => {
                    new.retain(|name, value| *value != old[name]);
                    for (name, value) in &mut new {
                        *value = difference(&old[name], value, asked.table.column(name).ty);
                    }
                    vec![("modify", Some(new))]
                }
            }
        }
        _ => return None,
    };
    Some(update.into_iter().collect())
}

/// Knows what a receiver that takes now and then has to be told: for each row that a change of interest has touched, what
/// has become of it from just before the first such change until now.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    before: ByRow<Option<Row>>,
}

impl Oracle {
    /// Takes note of a change of one row.
    pub fn note(
        &mut self,
        monitor: &Monitor,
        key: &(&'static str, String),
        old: Option<&Row>,
        new: Option<&Row>,
    ) {
        if let Some(before) = self.before.get(key) {
            if before.is_none() && new.is_none() {
                self.before.remove(key);
            }
        } else if change_told(monitor, key.0, old, new).is_some() {
            self.before.insert(key.clone(), old.cloned());
        }
    }

    /// What there is to tell when the database is `now`.
    pub fn take(&mut self, monitor: &Monitor, now: &Contents) -> Updates {
        let before = std::mem::take(&mut self.before).into_iter();
        let updates = before.filter_map(|(key, old)| {
            let update = change_told(monitor, key.0, old.as_ref(), now.get(&key))?;
            Some((key, update))
        });
        Updates(updates.collect())
    }
}

/// What a monitor is told of a row of a table that was `old` and is `new`.
pub fn change_told(
    monitor: &Monitor,
    table: &str,
    old: Option<&Row>,
    new: Option<&Row>,
) -> Option<RowUpdate> {
    let asked = monitor.asked(table)?;
    let old = old.filter(|row| admits(&asked.condition, row));
    let new = new.filter(|row| admits(&asked.condition, row));
    row_update(monitor.form, asked, old, new)
}

/// Whether a row that was `old` and is `new` was or is there for a monitor, whatever it is told of that.
pub fn concerns(monitor: &Monitor, table: &str, old: Option<&Row>, new: Option<&Row>) -> bool {
    monitor.asked(table).is_some_and(|asked| {
        let mut rows = [old, new].into_iter().flatten();
        rows.any(|row| admits(&asked.condition, row))
    })
}

/// What the receiver of a monitor knows: the columns that it asks for, of the rows of interest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replica(pub ByRow<Row>);

impl Replica {
    /// What a monitor shows of `contents`.
    pub fn shown(monitor: &Monitor, contents: &Contents) -> Replica {
        let mut rows = ByRow::new();
        for (key, row) in contents {
            if let Some(asked) = monitor.asked(key.0)
                && admits(&asked.condition, row)
            {
                rows.insert(key.clone(), columns(asked, row, |_| true));
            }
        }
        Replica(rows)
    }

    /// Applies updates, and checks that they make sense to somebody who knows what the replica holds.
    ///
    /// # Panics
    /// If they do not.
    pub fn apply(&mut self, monitor: &Monitor, updates: &Updates) {
        for (key, update) in &updates.0 {
            let asked = monitor.asked(key.0);
            let asked = asked.unwrap_or_else(|| panic!("nobody asked for {}", key.0));
            let member = |name: &str| update.get(name).map(Option::as_ref);
            let known = self.0.remove(key);
            let now = match (member("old"), member("new")) {
                (None, None) => match update.iter().next() {
                    Some((&("initial" | "insert"), Some(row))) => {
                        assert_eq!(known, None, "{key:?} is told of twice");
                        Some(with_defaults(asked, row))
                    }
                    Some((&"modify", Some(changed))) => {
                        let known = known.unwrap_or_else(|| panic!("{key:?} was not told of"));
                        Some(modified(asked, known, changed))
                    }
                    Some((&"delete", None)) => {
                        assert!(known.is_some(), "{key:?} is gone already");
                        None
                    }
                    other => panic!("{key:?}: {other:?}"),
                },
                (None, Some(Some(new))) => {
                    assert_eq!(known, None, "{key:?} is told of twice");
                    Some(new.clone())
                }
                (Some(Some(old)), None) => {
                    assert_eq!(known.as_ref(), Some(old), "{key:?}");
                    None
                }
                (Some(Some(old)), Some(Some(new))) => {
                    let mut before = new.clone();
                    before.extend(old.clone());
                    assert_eq!(known, Some(before), "{key:?}");
                    let differs = |(name, value): (&String, &Value)| new[name] != *value;
                    assert!(!old.is_empty() && old.iter().all(differs), "{key:?}");
                    Some(new.clone())
                }
                other => panic!("{key:?}: {other:?}"),
            };
            if let Some(now) = now {
                self.0.insert(key.clone(), now);
            }
        }
    }
}

fn with_defaults(asked: &Asked, row: &Row) -> Row {
    let columns = asked.columns.iter().map(|(column, _)| {
        let default = default_value(column.ty);
        let value = row.get(column.name);
        assert_ne!(value, Some(&default), "{} goes without saying", column.name);
        (column.name.to_owned(), value.cloned().unwrap_or(default))
    });
    let columns: Row = columns.collect();
    assert!(row.keys().all(|name| columns.contains_key(name)), "{row:?}");
    columns
}

fn modified(asked: &Asked, mut known: Row, changed: &Row) -> Row {
    assert!(!changed.is_empty());
    for (name, difference) in changed {
        let value = known.get_mut(name);
        let value = value.unwrap_or_else(|| panic!("nobody asked for {name}"));
        let new = with_difference(value, difference, asked.table.column(name).ty);
        assert_ne!(*value, new, "{name} is told of and does not change");
        *value = new;
    }
    known
}
