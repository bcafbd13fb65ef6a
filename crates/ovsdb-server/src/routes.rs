//! Whom a commit concerns: from tables, values and elements to the monitors that want them.
//!
//! A monitor whose condition asks for values (`==`) or elements (`includes`) is found by those of the changed rows, so
//! that a commit costs what it concerns, not what is connected. Of the others those without a condition are found by
//! their shape, and those with another condition one by one: whether a change concerns them is looked at once for all
//! that are equal. Whoever looks himself is found by his tables.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use ovsdb_engine::monitor::{Filter, Key, Monitor, Shape};
use ovsdb_engine::{Commit, RowChange};
use ovsdb_proto::atom::Atom;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::schema::{ColumnId, TableId};

/// The place of a monitor in the routes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Slot(u32);

/// The part of a commit that can concern a monitor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Concern {
    /// Any of its changes.
    Any,
    /// The changes with these numbers, ascending.
    Some(Box<[u32]>),
}

/// The routes to monitors, each with a `T` that says where it is.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    slots: Vec<Option<Entry<T>>>,
    free: Vec<Slot>,
    tables: HashMap<TableId, TableRoutes>,
}

/// What is in a slot.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    target: T,
    interest: Interest,
}

#[derive(Debug)]
enum Interest {
    Monitor(Arc<Monitor>),
    /// Whatever happens to the tables of a shape.
    Tables(Arc<Shape>),
}

#[derive(Debug, Default)]
struct TableRoutes {
    /// Those who want every row, by shape.
    all: Vec<(Arc<Shape>, Vec<Slot>)>,
    /// Those who look themselves at every commit.
    commits: Vec<Slot>,
    /// Those who have to look at every row.
    others: Vec<(Arc<Monitor>, Vec<Slot>)>,
    values: Vec<(ColumnId, HashMap<Datum, Vec<Slot>>)>,
    elements: Vec<(ColumnId, HashMap<Atom, Vec<Slot>>)>,
}

impl<T> Default for Routes<T> {
    fn default() -> Routes<T> {
        Routes {
            slots: Vec::new(),
            free: Vec::new(),
            tables: HashMap::new(),
        }
    }
}

impl<T> Routes<T> {
    /// How many slots are in use.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a monitor.
    pub(crate) fn insert(&mut self, monitor: &Arc<Monitor>, target: T) -> Slot {
        let slot = self.enter(target, Interest::Monitor(monitor.clone()));
        for (table, filter) in monitor.filters() {
            self.link(slot, monitor, table, filter);
        }
        slot
    }

    /// Adds somebody who looks himself at what happens to the tables of a shape.
    pub(crate) fn insert_tables(&mut self, shape: &Arc<Shape>, target: T) -> Slot {
        let slot = self.enter(target, Interest::Tables(shape.clone()));
        for table in shape.tables() {
            self.tables.entry(table).or_default().commits.push(slot);
        }
        slot
    }

    fn enter(&mut self, target: T, interest: Interest) -> Slot {
        let entry = Some(Entry { target, interest });
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot.0 as usize] = entry;
                slot
            }
            None => {
                self.slots.push(entry);
                Slot(self.slots.len() as u32 - 1)
            }
        }
    }

    /// Removes a monitor. To drop what is returned may take a while.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Entry<T>> {
        let entry = self.slots[slot.0 as usize].take()?;
        match &entry.interest {
            Interest::Monitor(monitor) => {
                for (table, filter) in monitor.filters() {
                    self.unlink(slot, monitor, table, filter);
                }
            }
            Interest::Tables(shape) => {
                for table in shape.tables() {
                    self.unlink_from(table, |routes| forget(&mut routes.commits, slot));
                }
            }
        }
        self.free.push(slot);
        Some(entry)
    }

    /// Puts `new`, a monitor of the same shape, in the place of the one that is there.
    pub(crate) fn change(&mut self, slot: Slot, new: &Arc<Monitor>) {
        let Some(entry) = &mut self.slots[slot.0 as usize] else {
            return;
        };
        let Interest::Monitor(monitor) = &mut entry.interest else {
            return;
        };
        let old = std::mem::replace(monitor, new.clone());
        let conditions = old.conditions().iter().zip(new.conditions());
        let tables = old.filters().zip(new.filters()).zip(conditions);
        for (((table, before), (_, after)), (a, b)) in tables {
            // Those who look at every row are found by the whole monitor.
            if a == b && before.keys().is_some() {
                continue;
            }
            match (before.keys(), after.keys()) {
                // Mostly a few of many keys change.
                (Some(before), Some(after)) => {
                    let routes = self.tables.entry(table).or_default();
                    let is_gone = |key: &&Key| after.binary_search(key).is_err();
                    before
                        .iter()
                        .filter(is_gone)
                        .for_each(|key| routes.unlink_key(slot, key));
                    let is_new = |key: &Key| before.binary_search(key).is_err();
                    after
                        .iter()
                        .filter(|key| is_new(key))
                        .for_each(|key| routes.link_key(slot, key.clone()));
                }
                _ => {
                    self.unlink(slot, &old, table, before);
                    self.link(slot, new, table, after);
                }
            }
        }
    }

    fn link(&mut self, slot: Slot, monitor: &Arc<Monitor>, table: TableId, filter: &Filter) {
        let routes = self.tables.entry(table).or_default();
        match (filter, filter.keys()) {
            (Filter::All, _) => join(&mut routes.all, monitor.shape(), slot),
            (_, None) => join(&mut routes.others, monitor, slot),
            (_, Some(keys)) => {
                for key in keys {
                    routes.link_key(slot, key.clone());
                }
            }
        }
    }

    fn unlink(&mut self, slot: Slot, monitor: &Arc<Monitor>, table: TableId, filter: &Filter) {
        self.unlink_from(table, |routes| match (filter, filter.keys()) {
            (Filter::All, _) => leave(&mut routes.all, monitor.shape(), slot),
            (_, None) => leave(&mut routes.others, monitor, slot),
            (_, Some(keys)) => keys.iter().for_each(|key| routes.unlink_key(slot, key)),
        });
    }

    fn unlink_from(&mut self, table: TableId, unlink: impl FnOnce(&mut TableRoutes)) {
        let Some(routes) = self.tables.get_mut(&table) else {
            return;
        };
        unlink(routes);
        if routes.is_empty() {
            self.tables.remove(&table);
        }
    }

    /// Calls `tell` for each monitor that `commit` can concern, with the part that can.
    pub(crate) fn concerned<'a>(&'a self, commit: &Commit, mut tell: impl FnMut(&'a T, Concern)) {
        let mut whole: Vec<Slot> = Vec::new();
        let mut partial: Vec<(Slot, u32)> = Vec::new();
        for table in commit.tables() {
            let Some(routes) = self.tables.get(&table) else {
                continue;
            };
            whole.extend_from_slice(&routes.commits);
            let changes = || commit.changes.iter().filter(|change| change.table == table);
            for (shape, slots) in &routes.all {
                if changes().any(|change| shape.is_concerned(change)) {
                    whole.extend_from_slice(slots);
                }
            }
            for (monitor, slots) in &routes.others {
                if changes().any(|change| monitor.is_concerned(change)) {
                    whole.extend_from_slice(slots);
                }
            }
        }
        for (number, change) in commit.changes.iter().enumerate() {
            let Some(routes) = self.tables.get(&change.table) else {
                continue;
            };
            routes.by_key(change, |slot| {
                let is_concerned = |entry: &Entry<T>| matches!(&entry.interest, Interest::Monitor(monitor) if monitor.is_concerned(change));
                if self.entry(slot).is_some_and(is_concerned) {
                    partial.push((slot, number as u32));
                }
            });
        }
        whole.sort_unstable();
        whole.dedup();
        for slot in &whole {
            if let Some(entry) = self.entry(*slot) {
                tell(&entry.target, Concern::Any);
            }
        }
        partial.sort_unstable();
        partial.dedup();
        for of_slot in partial.chunk_by(|a, b| a.0 == b.0) {
            let slot = of_slot[0].0;
            if whole.binary_search(&slot).is_err()
                && let Some(entry) = self.entry(slot)
            {
                let changes = of_slot.iter().map(|(_, number)| *number);
                tell(&entry.target, Concern::Some(changes.collect()));
            }
        }
    }

    fn entry(&self, slot: Slot) -> Option<&Entry<T>> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }
}

impl TableRoutes {
    fn is_empty(&self) -> bool {
        self.all.is_empty()
            && self.commits.is_empty()
            && self.others.is_empty()
            && self.values.is_empty()
            && self.elements.is_empty()
    }

    fn link_key(&mut self, slot: Slot, key: Key) {
        match key {
            Key::Value(column, value) => link_in(&mut self.values, column, value, slot),
            Key::Element(column, atom) => link_in(&mut self.elements, column, atom, slot),
        }
    }

    fn unlink_key(&mut self, slot: Slot, key: &Key) {
        match key {
            Key::Value(column, value) => unlink_in(&mut self.values, *column, value, slot),
            Key::Element(column, atom) => unlink_in(&mut self.elements, *column, atom, slot),
        }
    }

    /// Calls `tell` with those who want a value or an element that the changed row has or had; with some perhaps more
    /// than once.
    fn by_key(&self, change: &RowChange, mut tell: impl FnMut(Slot)) {
        for (column, by_value) in &self.values {
            for value in versions_of(change, *column) {
                let wanting = by_value.get(value).into_iter().flatten();
                wanting.copied().for_each(&mut tell);
            }
        }
        for (column, by_element) in &self.elements {
            for value in versions_of(change, *column) {
                if by_element.len() < value.len() {
                    let found = by_element.iter().filter(|(key, _)| value.contains_key(key));
                    found
                        .flat_map(|(_, slots)| slots)
                        .copied()
                        .for_each(&mut tell);
                } else {
                    let found = value.keys().filter_map(|key| by_element.get(key));
                    found.flatten().copied().for_each(&mut tell);
                }
            }
        }
    }
}

/// The values of a column before and after a change, as far as there are two.
fn versions_of(change: &RowChange, column: ColumnId) -> impl Iterator<Item = &Datum> {
    let old = change.old.as_ref().map(|row| row.get(column));
    let new = change.new.as_ref().map(|row| row.get(column));
    let new = new.filter(|new| old.is_none_or(|old| old != *new));
    old.into_iter().chain(new)
}

fn link_in<K: Eq + Hash>(
    columns: &mut Vec<(ColumnId, HashMap<K, Vec<Slot>>)>,
    column: ColumnId,
    key: K,
    slot: Slot,
) {
    let place = columns.iter().position(|(other, _)| *other == column);
    let place = place.unwrap_or_else(|| {
        columns.push((column, HashMap::new()));
        columns.len() - 1
    });
    columns[place].1.entry(key).or_default().push(slot);
}

fn unlink_in<K: Eq + Hash>(
    columns: &mut Vec<(ColumnId, HashMap<K, Vec<Slot>>)>,
    column: ColumnId,
    key: &K,
    slot: Slot,
) {
    let Some(place) = columns.iter().position(|(other, _)| *other == column) else {
        return;
    };
    let keys = &mut columns[place].1;
    if let Some(slots) = keys.get_mut(key) {
        forget(slots, slot);
        if slots.is_empty() {
            keys.remove(key);
        }
    }
    if keys.is_empty() {
        columns.swap_remove(place);
    }
}

/// Adds `slot` to the group of `whose`.
fn join<W>(groups: &mut Vec<(Arc<W>, Vec<Slot>)>, whose: &Arc<W>, slot: Slot) {
    match groups
        .iter_mut()
        .find(|(other, _)| Arc::ptr_eq(other, whose))
    {
        Some((_, slots)) => slots.push(slot),
        None => groups.push((whose.clone(), vec![slot])),
    }
}

/// Removes `slot` from the group of `whose`.
fn leave<W>(groups: &mut Vec<(Arc<W>, Vec<Slot>)>, whose: &Arc<W>, slot: Slot) {
    let mut all = groups.iter();
    if let Some(place) = all.position(|(other, _)| Arc::ptr_eq(other, whose)) {
        forget(&mut groups[place].1, slot);
        if groups[place].1.is_empty() {
            groups.swap_remove(place);
        }
    }
}

fn forget(slots: &mut Vec<Slot>, slot: Slot) {
    if let Some(place) = slots.iter().position(|other| *other == slot) {
        slots.swap_remove(place);
    }
}
