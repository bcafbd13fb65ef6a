//! Generated operations (RFC 7047, section 5.2), each mostly valid and mostly about rows that exist.

use super::contents::Row;
use super::model::{Column, Kind, Table};
use super::values::Draft;
use crate::raw::Raw;

/// The locks that operations name: the first is the session's own, the other is not.
pub const LOCKS: [&str; 2] = ["ours", "theirs"];

const NUMBER_MUTATORS: [&str; 5] = ["+=", "-=", "*=", "/=", "%="];
const SET_MUTATORS: [&str; 2] = ["insert", "delete"];
const EQUALITY: [&str; 4] = ["==", "!=", "includes", "excludes"];
const ORDER: [&str; 4] = ["<", "<=", ">", ">="];

impl Draft<'_> {
    /// Adds an `insert` and returns the row's `uuid-name`.
    pub fn insert(&mut self, table: &Table) -> String {
        let name = format!("row{}", self.names.len());
        self.insert_with(table, &name, None);
        name
    }

    /// Adds an `insert` under a name, with a value for one column if given, and seldom with a UUID.
    pub fn insert_with(&mut self, table: &Table, name: &str, given: Option<(&str, Raw)>) {
        let uuid = self.dice.chance(15).then(|| {
            // Of another table's row it would make dangling references look like a row's own.
            let row = self.dice.maybe_pick(self.contents.rows(&table.name));
            match row.map(Row::number) {
                Some(number) if self.dice.chance(10) => number,
                _ => self.new_uuid(),
            }
        });
        self.insert_as(table, uuid, Some(name), given);
    }

    /// The number of a UUID that nothing has.
    fn new_uuid(&mut self) -> u32 {
        let uuid = self.dice.uuid();
        self.pairing.literal(&uuid)
    }

    /// Adds an `insert` with the UUID that has this number, under a name, and with a value for one column, each if given.
    fn insert_as(
        &mut self,
        table: &Table,
        uuid: Option<u32>,
        name: Option<&str>,
        given: Option<(&str, Raw)>,
    ) {
        let mut row = Vec::new();
        for column in &table.columns {
            let value = match &given {
                Some((name, value)) if *name == column.name => value.clone(),
                // The default of such a column is no valid reference.
                _ if column.min > 0 && column.holds_uuids() => self.datum(column),
                _ if self.dice.chance(55) => self.datum(column),
                _ => continue,
            };
            row.push((column.name.clone(), value));
        }
        let mut operation = vec![
            ("op".to_owned(), Raw::string("insert")),
            ("table".to_owned(), Raw::string(&table.name)),
            ("row".to_owned(), Raw::Object(row)),
        ];
        if let Some(number) = uuid {
            operation.push(("uuid".to_owned(), Raw::Name(number)));
        }
        if let Some(name) = name {
            operation.push(("uuid-name".to_owned(), Raw::string(name)));
            self.names.push((table.name.clone(), name.to_owned()));
        }
        self.operations.push(Raw::Object(operation));
    }

    /// Adds an `insert` of a row, of the rows that keep it alive if it is none of its own, and sometimes of
    /// rows that it refers to.
    pub fn insert_tree(&mut self, table: &Table) {
        let name = self.insert(table);
        self.keep(table, name);
    }

    /// Adds what keeps a row alive that the transaction inserts under a name.
    fn keep(&mut self, table: &Table, name: String) {
        let mut child = (table.clone(), name);
        // A chain of owners is as long as a schema is deep; these are not deeper.
        for _ in 0..4 {
            if child.0.is_root && self.dice.chance(70) {
                return;
            }
            let owners: Vec<(&Table, &Column)> = self
                .model
                .tables
                .iter()
                .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
                .filter(|(_, column)| column.owns(&child.0.name))
                .collect();
            let Some((owner, column)) = self.dice.maybe_pick(&owners).copied() else {
                return;
            };
            let reference = Raw::tagged("named-uuid", Raw::string(&child.1));
            let value = self.value_with(column, &child.0.name, reference);
            let rows = self.contents.rows(&owner.name);
            match self.dice.maybe_pick(rows) {
                Some(row) if column.mutable && self.dice.chance(75) => {
                    let row = row.number();
                    self.refer(owner, column, row, value);
                    return;
                }
                _ => {
                    let name = format!("row{}", self.names.len());
                    self.insert_with(owner, &name, Some((&column.name, value)));
                    child = (owner.clone(), name);
                }
            }
        }
    }

    /// Adds operations by which one row comes and goes, by its UUID. What was there before the transaction may go in it,
    /// but not come again.
    pub fn come_and_go(&mut self, table: &Table) {
        let known = self.dice.maybe_pick(self.contents.rows(&table.name));
        let known = known.map(Row::number).filter(|_| self.dice.chance(35));
        let mut is_there = known.is_some();
        let row = known.unwrap_or_else(|| self.new_uuid());
        let (first, mut last_name) = (self.names.len(), None);
        for _ in 0..3 + self.dice.below(5) {
            let inserts = if is_there { 4 } else { 88 };
            let deletes = if is_there { 40 } else { 4 };
            let roll = self.dice.below(100);
            let wheres = Raw::Array(vec![by_uuid(row)]);
            if roll < inserts {
                let name = match self.dice.below(10) {
                    0..=3 => None,
                    // A name that has been given is refused, whatever has become of its row.
                    4 if last_name.is_some() => last_name.clone(),
                    _ => Some(format!("row{}", self.names.len())),
                };
                self.insert_as(table, Some(row), name.as_deref(), None);
                last_name = name.or(last_name);
                if let Some(last) = &last_name {
                    // All are names of one row: two of them together would be equal elements.
                    self.names[first..]
                        .iter_mut()
                        .for_each(|(_, name)| name.clone_from(last));
                }
                is_there = true;
            } else if roll < inserts + deletes {
                self.operations.push(Raw::object([
                    ("op", Raw::string("delete")),
                    ("table", Raw::string(&table.name)),
                    ("where", wheres),
                ]));
                is_there = false;
            } else if roll < 90 {
                let before = self.operations.len();
                match self.dice.chance(50) {
                    true => self.update(table),
                    false => self.mutate(table),
                }
                for operation in &mut self.operations[before..] {
                    set_where(operation, wheres.clone());
                }
            } else {
                self.select(table);
            }
        }
        if let Some(name) = last_name.filter(|_| is_there) {
            self.keep(table, name);
        }
    }

    /// A value of `column` with one reference to `table`.
    fn value_with(&mut self, column: &Column, table: &str, reference: Raw) -> Raw {
        let in_key = column.key.target.as_deref() == Some(table) && !column.key.weak;
        let Some(value) = &column.value else {
            return reference;
        };
        let pair = if in_key {
            let value = self.atom(value);
            vec![reference, value]
        } else {
            vec![self.atom(&column.key), reference]
        };
        Raw::tagged("map", Raw::Array(vec![Raw::Array(pair)]))
    }

    fn refer(&mut self, table: &Table, column: &Column, row: u32, value: Raw) {
        let wheres = Raw::Array(vec![by_uuid(row)]);
        let operation = if column.max == Some(1) || self.dice.chance(20) {
            Raw::object([
                ("op", Raw::string("update")),
                ("table", Raw::string(&table.name)),
                ("where", wheres),
                ("row", Raw::Object(vec![(column.name.clone(), value)])),
            ])
        } else {
            let value = match column.value {
                Some(_) => value,
                None => Raw::set(vec![value]),
            };
            let mutation = vec![Raw::string(&column.name), Raw::string("insert"), value];
            Raw::object([
                ("op", Raw::string("mutate")),
                ("table", Raw::string(&table.name)),
                ("where", wheres),
                ("mutations", Raw::Array(vec![Raw::Array(mutation)])),
            ])
        };
        self.operations.push(operation);
    }

    /// Adds a `select`.
    pub fn select(&mut self, table: &Table) {
        let wheres = self.condition(table);
        let mut operation = vec![
            ("op".to_owned(), Raw::string("select")),
            ("table".to_owned(), Raw::string(&table.name)),
            ("where".to_owned(), wheres),
        ];
        if self.dice.chance(50) {
            let mut columns = self.columns(table);
            // Versions mean something only beside the row they belong to.
            if self.dice.chance(20) {
                columns.push("_uuid".to_owned());
                columns.push("_version".to_owned());
            }
            operation.push(("columns".to_owned(), names(&columns)));
        }
        if self.dice.chance(30) {
            let sort = self.columns(table);
            operation.push(("sort".to_owned(), names(&sort)));
        }
        self.operations.push(Raw::Object(operation));
    }

    /// Adds an `update`.
    pub fn update(&mut self, table: &Table) {
        let wheres = self.condition(table);
        let mut row = Vec::new();
        for column in &table.columns {
            let wanted = if column.mutable { 25 } else { 2 };
            if self.dice.chance(wanted) {
                row.push((column.name.clone(), self.datum(column)));
            }
        }
        self.operations.push(Raw::object([
            ("op", Raw::string("update")),
            ("table", Raw::string(&table.name)),
            ("where", wheres),
            ("row", Raw::Object(row)),
        ]));
    }

    /// Adds a `mutate`.
    pub fn mutate(&mut self, table: &Table) {
        let wheres = self.condition(table);
        let wanted = if self.dice.chance(3) {
            0
        } else {
            1 + self.dice.below(2)
        };
        let mut mutations = Vec::new();
        for _ in 0..wanted {
            // Other columns have no mutators; seldom, they are tried.
            let mutable: Vec<&Column> = table
                .columns
                .iter()
                .filter(|column| column.mutable && (!column.is_scalar() || column.is_number()))
                .collect();
            let column = match self.dice.maybe_pick(&mutable) {
                Some(column) if self.dice.chance(95) => Some(*column),
                _ => self.dice.maybe_pick(&table.columns),
            };
            if let Some(column) = column.cloned() {
                mutations.push(self.mutation(&column));
            }
        }
        self.operations.push(Raw::object([
            ("op", Raw::string("mutate")),
            ("table", Raw::string(&table.name)),
            ("where", wheres),
            ("mutations", Raw::Array(mutations)),
        ]));
    }

    fn mutation(&mut self, column: &Column) -> Raw {
        let number =
            column.value.is_none() && matches!(column.key.kind, Kind::Integer | Kind::Real);
        let arithmetic = if column.is_scalar() { 95 } else { 50 };
        let (mutator, argument) = if number && self.dice.chance(arithmetic) {
            let operand = if self.dice.chance(70) {
                Raw::integer(self.dice.between(-3, 5))
            } else {
                self.atom(&column.key)
            };
            match *self.dice.pick(&NUMBER_MUTATORS) {
                // The quotient would be a negative zero, which equals zero and is written otherwise.
                "/=" if column.key.kind == Kind::Real => {
                    ("/=", Raw::integer(self.dice.between(0, 5)))
                }
                mutator => (mutator, operand),
            }
        } else {
            let mutator = *self.dice.pick(&SET_MUTATORS);
            let size = self.dice.below(1 + self.bulk.min(40));
            let mut argument = self.datum_of(column, size);
            if mutator == "delete" {
                argument = self.existing_elements(column).unwrap_or(argument);
                if column.value.is_some() && self.dice.chance(40) {
                    argument = keys_of(&argument);
                }
            }
            (mutator, argument)
        };
        Raw::Array(vec![
            Raw::string(&column.name),
            Raw::string(mutator),
            argument,
        ])
    }

    /// Part of what some row has in `column`.
    fn existing_elements(&mut self, column: &Column) -> Option<Raw> {
        let mut values: Vec<&Raw> = Vec::new();
        for table in &self.model.tables {
            if table.column(&column.name).is_some() {
                let rows = self.contents.rows(&table.name).iter();
                values.extend(rows.filter_map(|row| row.column(&column.name)));
            }
        }
        let value = (*self.dice.maybe_pick(&values)?).clone();
        let tag = if column.value.is_some() { "map" } else { "set" };
        let Some(elements) = value.of_tag(tag).and_then(Raw::elements) else {
            return Some(value);
        };
        let some = elements.iter().filter(|_| self.dice.chance(60)).cloned();
        Some(Raw::tagged(tag, Raw::Array(some.collect())))
    }

    /// Adds a `delete`.
    pub fn delete(&mut self, table: &Table) {
        let wheres = match self.dice.maybe_pick(self.contents.rows(&table.name)) {
            Some(row) if self.dice.chance(80) => Raw::Array(vec![by_uuid(row.number())]),
            _ => self.condition(table),
        };
        self.operations.push(Raw::object([
            ("op", Raw::string("delete")),
            ("table", Raw::string(&table.name)),
            ("where", wheres),
        ]));
    }

    /// Adds a `wait` that is decided at once: its time is zero.
    pub fn wait(&mut self, table: &Table) {
        let mut operation = vec![
            ("op".to_owned(), Raw::string("wait")),
            ("table".to_owned(), Raw::string(&table.name)),
            ("timeout".to_owned(), Raw::integer(0)),
        ];
        let columns = self.columns(table);
        let row = self.dice.maybe_pick(self.contents.rows(&table.name));
        let (wheres, rows) = match row {
            Some(row) => {
                let expected = columns.iter().filter_map(|name| {
                    let value = row.column(name)?;
                    Some((name.clone(), value.clone()))
                });
                let expected = Raw::Object(expected.collect());
                (Raw::Array(vec![by_uuid(row.number())]), vec![expected])
            }
            None => (self.condition(table), Vec::new()),
        };
        operation.push(("where".to_owned(), wheres));
        operation.push(("columns".to_owned(), names(&columns)));
        let until = if self.dice.chance(20) { "!=" } else { "==" };
        operation.push(("until".to_owned(), Raw::string(until)));
        operation.push(("rows".to_owned(), Raw::Array(rows)));
        self.operations.push(Raw::Object(operation));
    }

    /// Adds a `commit`, seldom a durable one: those wait for the disk.
    pub fn commit(&mut self) {
        let durable = Raw::boolean(self.dice.chance(2));
        self.operations.push(Raw::object([
            ("op", Raw::string("commit")),
            ("durable", durable),
        ]));
    }

    /// Adds an `abort`.
    pub fn abort(&mut self) {
        self.operations
            .push(Raw::object([("op", Raw::string("abort"))]));
    }

    /// Adds a `comment`.
    pub fn comment(&mut self) {
        let text = *self.dice.pick(&["", "why", "two\nlines", "\"é\""]);
        self.operations.push(Raw::object([
            ("op", Raw::string("comment")),
            ("comment", Raw::string(text)),
        ]));
    }

    /// Adds an `assert`.
    pub fn assert(&mut self) {
        let lock = if self.dice.chance(80) {
            LOCKS[0]
        } else {
            LOCKS[1]
        };
        self.operations.push(Raw::object([
            ("op", Raw::string("assert")),
            ("lock", Raw::string(lock)),
        ]));
    }

    /// A `where` with at most three clauses.
    pub fn condition(&mut self, table: &Table) -> Raw {
        let clauses = self.dice.weighted(&[(8, 0), (70, 1), (17, 2), (5, 3)]);
        let clauses = (0..clauses).map(|_| self.clause(table)).collect();
        Raw::Array(clauses)
    }

    fn clause(&mut self, table: &Table) -> Raw {
        if self.dice.chance(1) {
            return Raw::boolean(self.dice.chance(50));
        }
        let row = self
            .dice
            .maybe_pick(self.contents.rows(&table.name))
            .cloned();
        if let Some(row) = row.as_ref().filter(|_| self.dice.chance(45)) {
            return by_uuid(row.number());
        }
        let Some(column) = self.dice.maybe_pick(&table.columns).cloned() else {
            return by_uuid(0);
        };
        let ordered = column.is_number() && self.dice.chance(50);
        let mut function = if ordered {
            *self.dice.pick(&ORDER)
        } else {
            *self.dice.pick(&EQUALITY)
        };
        if self.dice.chance(2) {
            function = *self.dice.pick(&ORDER);
        }
        let value = match row.as_ref().and_then(|row| row.column(&column.name)) {
            Some(value) if self.dice.chance(75) => value.clone(),
            _ => self.datum(&column),
        };
        let name = if self.dice.chance(1) {
            "_version"
        } else {
            &column.name
        };
        let value = match (name, &row) {
            ("_version", Some(row)) => row.column(name).cloned().unwrap_or(value),
            _ => value,
        };
        Raw::Array(vec![Raw::string(name), Raw::string(function), value])
    }

    fn columns(&mut self, table: &Table) -> Vec<String> {
        let wanted = 1 + self.dice.below(3);
        let mut columns: Vec<String> = Vec::new();
        for _ in 0..wanted {
            let name = match self.dice.maybe_pick(&table.columns) {
                Some(column) if self.dice.chance(85) => &column.name,
                _ => "_uuid",
            };
            // A column named twice is an error; seldom, it is left in.
            if !columns.iter().any(|known| known == name) || self.dice.chance(2) {
                columns.push(name.to_owned());
            }
        }
        columns
    }
}

/// `["_uuid", "==", ROW]`.
pub fn by_uuid(row: u32) -> Raw {
    Raw::Array(vec![
        Raw::string("_uuid"),
        Raw::string("=="),
        Raw::uuid(row),
    ])
}

fn set_where(operation: &mut Raw, wheres: Raw) {
    if let Raw::Object(members) = operation {
        for (name, value) in members {
            if name == "where" {
                *value = wheres.clone();
            }
        }
    }
}

fn names(columns: &[String]) -> Raw {
    Raw::Array(columns.iter().map(|name| Raw::string(name)).collect())
}

/// A map's keys as a set, which `delete` accepts as well.
fn keys_of(map: &Raw) -> Raw {
    let pairs = map.of_tag("map").and_then(Raw::elements).unwrap_or(&[]);
    let keys = pairs
        .iter()
        .filter_map(|pair| pair.elements()?.first().cloned());
    Raw::set(keys.collect())
}
