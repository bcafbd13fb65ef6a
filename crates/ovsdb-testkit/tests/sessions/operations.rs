//! Transactions: short ones, of which most succeed, with all kinds of operations.

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::differential::model::{Model, Table};

use crate::values::{ROWS, clause, datum, datum_of, row_uuid, some_row};

/// The names of locks that scripts use.
pub(crate) const LOCKS: [&str; 2] = ["L", "M"];

/// Composes transactions of a database.
pub(crate) struct Composer<'a> {
    /// Where choices come from.
    pub(crate) dice: &'a mut Dice,
    /// The database.
    pub(crate) model: &'a Model,
}

#[derive(Clone, Copy)]
enum Kind {
    Insert,
    InsertOwned,
    Update,
    Mutate,
    Delete,
    DeleteAll,
    Select,
    Wait,
    Comment,
    Commit,
    Abort,
    Assert,
}

impl<'a> Composer<'a> {
    /// The parameters of a `transact` that does not wait.
    pub(crate) fn transaction(&mut self) -> String {
        let mut operations = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let kind = self.dice.weighted(&[
                (30, Kind::Insert),
                (12, Kind::InsertOwned),
                (28, Kind::Update),
                (18, Kind::Mutate),
                (9, Kind::Delete),
                (1, Kind::DeleteAll),
                (5, Kind::Select),
                (2, Kind::Wait),
                (1, Kind::Comment),
                (1, Kind::Commit),
                (2, Kind::Abort),
                (2, Kind::Assert),
            ]);
            operations.push((kind, self.operation(kind)));
        }
        // A row that is deleted and inserted again by one transaction confuses the reference's own records.
        operations.sort_by_key(|(kind, _)| matches!(kind, Kind::Delete | Kind::DeleteAll));
        let operations: Vec<String> = operations.into_iter().map(|(_, text)| text).collect();
        self.parameters(&operations.join(","))
    }

    /// The parameters of a `transact` that gives a long text to a column of one row or of all.
    pub(crate) fn long(&mut self, table: &str, column: &str) -> String {
        const BYTES: usize = 4_000;
        let text = self.dice.pick(&["a", "b", "c", "d"]).repeat(BYTES);
        let wheres = match self.dice.chance(50) {
            true => "[]".to_owned(),
            false => {
                let row = some_row(self.dice, self.model, table);
                format!(r#"[["_uuid","==",{row}]]"#)
            }
        };
        self.parameters(&format!(
            r#"{{"op":"update","table":"{table}","where":{wheres},"row":{{"{column}":"{text}"}}}}"#
        ))
    }

    /// The parameters of a `transact` that waits for a change of some row.
    pub(crate) fn waiting(&mut self) -> String {
        let table = self.table();
        let column = self.dice.pick(&table.columns);
        let until = *self.dice.pick(&["==", "==", "!="]);
        let value = datum(self.dice, self.model, column);
        let row = some_row(self.dice, self.model, &table.name);
        let (table, column) = (&table.name, &column.name);
        let wait = format!(
            r#"{{"op":"wait","table":"{table}","where":[["_uuid","==",{row}]],"columns":["{column}"],"until":"{until}","rows":[{{"{column}":{value}}}]}}"#
        );
        let then = self.operation(Kind::Update);
        self.parameters(&format!("{wait},{then}"))
    }

    fn parameters(&self, operations: &str) -> String {
        format!(r#"["{}",{operations}]"#, self.model.name)
    }

    fn table(&mut self) -> &'a Table {
        // The tables with most columns and fewest constraints get most operations.
        let tables: &'a [Table] = &self.model.tables;
        match self.dice.chance(50) {
            true => tables
                .iter()
                .max_by_key(|table| table.columns.len())
                .expect("a schema has tables"),
            false => self.dice.pick(tables),
        }
    }

    fn operation(&mut self, kind: Kind) -> String {
        let table = self.table();
        let name = &table.name;
        match kind {
            Kind::Insert => {
                let root = match table.is_root || self.dice.chance(15) {
                    true => table,
                    false => self.owner_of(table),
                };
                let row = self.row(root, 30);
                self.insert(root, &row)
            }
            Kind::InsertOwned => self.insert_owned(),
            Kind::Update => {
                let row = self.row(table, 12);
                let wheres = self.wheres(table);
                format!(r#"{{"op":"update","table":"{name}","where":{wheres},"row":{row}}}"#)
            }
            Kind::Mutate => self.mutate(table),
            Kind::Delete => {
                let wheres = self.wheres(table);
                format!(r#"{{"op":"delete","table":"{name}","where":{wheres}}}"#)
            }
            Kind::DeleteAll => format!(r#"{{"op":"delete","table":"{name}","where":[]}}"#),
            Kind::Select => {
                let wheres = self.wheres(table);
                let columns: Vec<String> = table
                    .columns
                    .iter()
                    .map(|column| format!(r#""{}""#, column.name))
                    .collect();
                let columns = columns.join(",");
                format!(
                    r#"{{"op":"select","table":"{name}","where":{wheres},"columns":["_uuid",{columns}]}}"#
                )
            }
            Kind::Wait => {
                let wheres = self.wheres(table);
                format!(
                    r#"{{"op":"wait","table":"{name}","where":{wheres},"columns":["_uuid"],"until":"!=","rows":[],"timeout":0}}"#
                )
            }
            Kind::Comment => r#"{"op":"comment","comment":"why"}"#.to_owned(),
            Kind::Commit => r#"{"op":"commit","durable":true}"#.to_owned(),
            Kind::Abort => r#"{"op":"abort"}"#.to_owned(),
            Kind::Assert => {
                let lock = self.dice.pick(&LOCKS);
                format!(r#"{{"op":"assert","lock":"{lock}"}}"#)
            }
        }
    }

    fn insert(&mut self, table: &Table, row: &str) -> String {
        let uuid = row_uuid(self.model, &table.name, self.dice.below(ROWS));
        let name = &table.name;
        format!(r#"{{"op":"insert","table":"{name}","uuid":"{uuid}","row":{row}}}"#)
    }

    /// A table whose rows refer strongly to rows of `table`.
    fn owner_of(&self, table: &'a Table) -> &'a Table {
        let mut tables = self.model.tables.iter();
        let owns = |owner: &&Table| {
            owner.is_root && owner.columns.iter().any(|column| column.owns(&table.name))
        };
        tables.find(owns).unwrap_or(table)
    }

    /// A row that only lives by a reference, with a reference to it.
    fn insert_owned(&mut self) -> String {
        let owned: Vec<&'a Table> = self
            .model
            .tables
            .iter()
            .filter(|table| !table.is_root)
            .collect();
        let owned = *self.dice.pick(&owned);
        let owner = self.owner_of(owned);
        let row = self.row(owned, 20);
        let uuid = row_uuid(self.model, &owned.name, self.dice.below(ROWS));
        let mut columns = owner.columns.iter();
        let column = columns
            .find(|column| column.owns(&owned.name))
            .expect("an owner has such a column");
        let (owned, holder, column) = (&owned.name, &owner.name, &column.name);
        let wheres = self.wheres(owner);
        format!(
            r#"{{"op":"insert","table":"{owned}","uuid":"{uuid}","row":{row}}},{{"op":"mutate","table":"{holder}","where":{wheres},"mutations":[["{column}","insert",["set",[["uuid","{uuid}"]]]]]}}"#
        )
    }

    /// A row with about so many percent of the columns. Columns with strong references are rare: most rows are missing.
    fn row(&mut self, table: &Table, percent: u32) -> String {
        let mut members = Vec::new();
        for column in &table.columns {
            let strong = column
                .bases()
                .any(|base| base.target.is_some() && !base.weak);
            let percent = match strong {
                true => 3,
                false => percent,
            };
            if self.dice.chance(percent) {
                let value = datum(self.dice, self.model, column);
                members.push(format!(r#""{}":{value}"#, column.name));
            }
        }
        format!("{{{}}}", members.join(","))
    }

    fn mutate(&mut self, table: &Table) -> String {
        let mut mutations = Vec::new();
        for _ in 0..1 + self.dice.below(2) {
            let column = self.dice.pick(&table.columns);
            let mutation = if column.is_number() {
                let mutator = self.dice.pick(&["+=", "-="]);
                format!(r#"["{}","{mutator}",1]"#, column.name)
            } else if column.is_scalar() {
                continue;
            } else {
                let size = 1 + self.dice.below(2);
                let value = datum_of(self.dice, self.model, column, size);
                let mutator = self.dice.pick(&["insert", "delete"]);
                format!(r#"["{}","{mutator}",{value}]"#, column.name)
            };
            mutations.push(mutation);
        }
        let wheres = self.wheres(table);
        let (name, mutations) = (&table.name, mutations.join(","));
        format!(r#"{{"op":"mutate","table":"{name}","where":{wheres},"mutations":[{mutations}]}}"#)
    }

    fn wheres(&mut self, table: &Table) -> String {
        match self.dice.below(10) {
            0..=5 => {
                let row = some_row(self.dice, self.model, &table.name);
                format!(r#"[["_uuid","==",{row}]]"#)
            }
            6..=8 => {
                let column = self.dice.pick(&table.columns).name.clone();
                let clause = clause(self.dice, self.model, table, &column);
                format!("[{clause}]")
            }
            _ => "[]".to_owned(),
        }
    }
}
