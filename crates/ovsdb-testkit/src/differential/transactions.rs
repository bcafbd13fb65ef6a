//! Generated transactions: what operations go together, and how valid ones are made wrong.

use super::model::Table;
use super::operations::by_uuid;
use super::rules;
use super::values::Draft;
use crate::raw::Raw;

/// The most operations of a transaction, so that a failure stays readable.
const OPERATIONS_MAX: usize = 8;

/// Rows of one table above which rows are more often deleted than inserted.
const ROWS_AIM: usize = 12;

#[derive(Clone, Copy)]
enum Plan {
    Mixed,
    Tree,
    Swap,
    ComeAndGo,
    Prune,
    Read,
}

#[derive(Clone, Copy)]
enum Step {
    Insert,
    Tree,
    Select,
    Update,
    Mutate,
    Delete,
    Wait,
    Commit,
    Abort,
    Comment,
    Assert,
}

impl Draft<'_> {
    /// Fills the draft with operations.
    pub fn compose(&mut self) {
        let crowded = self.contents.len() > ROWS_AIM * self.model.tables.len().min(12);
        let plans = [
            (50, Plan::Mixed),
            (if crowded { 5 } else { 30 }, Plan::Tree),
            (8, Plan::Swap),
            (8, Plan::ComeAndGo),
            (if crowded { 40 } else { 5 }, Plan::Prune),
            (7, Plan::Read),
        ];
        match self.dice.weighted(&plans) {
            Plan::Mixed => self.mixed(crowded),
            Plan::Tree => {
                let table = self.table();
                self.insert_tree(&table);
            }
            Plan::Swap => self.swap(),
            Plan::ComeAndGo => {
                let table = self.table();
                self.come_and_go(&table);
            }
            Plan::Prune => {
                for _ in 0..1 + self.dice.below(3) {
                    let table = self.table();
                    self.delete(&table);
                }
            }
            Plan::Read => {
                for _ in 0..1 + self.dice.below(3) {
                    let table = self.table();
                    self.select(&table);
                }
            }
        }
        self.operations.truncate(OPERATIONS_MAX);
        let untouched = self.operations.clone();
        if self.dice.chance(15) {
            for _ in 0..1 + self.dice.below(2) {
                self.corrupt();
            }
        }
        if self.operations.iter().any(rules::must_not_be_sent) {
            self.operations = untouched;
            self.operations
                .retain(|operation| !rules::must_not_be_sent(operation));
        }
    }

    fn table(&mut self) -> Table {
        self.dice.pick(&self.model.tables).clone()
    }

    fn mixed(&mut self, crowded: bool) {
        let steps = [
            (if crowded { 3 } else { 10 }, Step::Insert),
            (if crowded { 3 } else { 12 }, Step::Tree),
            (18, Step::Select),
            (22, Step::Update),
            (26, Step::Mutate),
            (if crowded { 20 } else { 6 }, Step::Delete),
            (6, Step::Wait),
            (4, Step::Commit),
            (1, Step::Abort),
            (3, Step::Comment),
            (4, Step::Assert),
        ];
        // Working on one table makes operations meet each other's effects.
        let mut table = self.table();
        for _ in 0..1 + self.dice.below(5) {
            if self.dice.chance(50) {
                table = self.table();
            }
            match self.dice.weighted(&steps) {
                Step::Insert => {
                    self.insert(&table);
                }
                Step::Tree => self.insert_tree(&table),
                Step::Select => self.select(&table),
                Step::Update => self.update(&table),
                Step::Mutate => self.mutate(&table),
                Step::Delete => self.delete(&table),
                Step::Wait => self.wait(&table),
                Step::Commit => self.commit(),
                Step::Abort => self.abort(),
                Step::Comment => self.comment(),
                Step::Assert => self.assert(),
            }
        }
    }

    /// Two rows exchange what must be unique: allowed, since only the outcome counts.
    fn swap(&mut self) {
        let candidates: Vec<&Table> = self
            .model
            .tables
            .iter()
            .filter(|table| !table.indexes.is_empty() && self.contents.rows(&table.name).len() > 1)
            .collect();
        let Some(table) = self.dice.maybe_pick(&candidates).copied() else {
            return self.mixed(false);
        };
        let index = self.dice.pick(&table.indexes);
        let rows = self.contents.rows(&table.name);
        let (one, other) = (self.dice.pick(rows), self.dice.pick(rows));
        for (from, to) in [(one, other), (other, one)] {
            let values = index.iter().filter_map(|name| {
                let value = from.column(name)?;
                Some((name.clone(), value.clone()))
            });
            self.operations.push(Raw::object([
                ("op", Raw::string("update")),
                ("table", Raw::string(&table.name)),
                ("where", Raw::Array(vec![by_uuid(to.number())])),
                ("row", Raw::Object(values.collect())),
            ]));
            // Without the second half, it is a duplicate.
            if self.dice.chance(20) {
                break;
            }
        }
    }

    /// Changes one place of the transaction to something that may be wrong there.
    fn corrupt(&mut self) {
        let total: usize = self.operations.iter().map(count).sum();
        if total == 0 {
            return;
        }
        let mut at = self.dice.below(total);
        let mut operations = std::mem::take(&mut self.operations);
        for operation in &mut operations {
            let size = count(operation);
            if at < size {
                self.corrupt_at(operation, at);
                break;
            }
            at -= size;
        }
        self.operations = operations;
    }

    /// Corrupts the value that is number `at` of `raw`, itself first.
    fn corrupt_at(&mut self, raw: &mut Raw, mut at: usize) {
        if at == 0 {
            return self.corrupt_value(raw);
        }
        at -= 1;
        let children: Vec<&mut Raw> = match raw {
            Raw::Array(elements) => elements.iter_mut().collect(),
            Raw::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
            Raw::Token(_) | Raw::Name(_) => Vec::new(),
        };
        for child in children {
            let size = count(child);
            if at < size {
                return self.corrupt_at(child, at);
            }
            at -= size;
        }
    }

    fn corrupt_value(&mut self, raw: &mut Raw) {
        match raw {
            Raw::Object(members) if !members.is_empty() && self.dice.chance(75) => {
                let at = self.dice.below(members.len());
                match self.dice.below(5) {
                    0 => {
                        members.remove(at);
                    }
                    1 => members[at].0 = self.word(),
                    2 => {
                        let member = (self.word(), self.junk());
                        members.push(member);
                    }
                    // Of equal names, the last counts.
                    3 => {
                        let member = (members[at].0.clone(), self.junk());
                        members.insert(0, member);
                    }
                    _ => {
                        let member = (members[at].0.clone(), self.junk());
                        members.push(member);
                    }
                }
            }
            Raw::Array(elements) if !elements.is_empty() && self.dice.chance(70) => {
                let at = self.dice.below(elements.len());
                match self.dice.below(4) {
                    0 => {
                        elements.remove(at);
                    }
                    1 => elements.insert(at, self.junk()),
                    2 => elements.insert(at, elements[at].clone()),
                    _ => elements.swap(0, at),
                }
            }
            other => *other = self.junk(),
        }
    }

    /// A name that may be known to the schema or to the protocol, at the wrong place.
    fn word(&mut self) -> String {
        let fixed = [
            "op",
            "table",
            "where",
            "columns",
            "row",
            "rows",
            "uuid",
            "uuid-name",
            "sort",
            "timeout",
            "until",
            "mutations",
            "durable",
            "comment",
            "lock",
            "_uuid",
            "_version",
            "nosuch",
            "",
            "with space",
            "é",
            "1digit",
            "set",
            "map",
        ];
        if self.dice.chance(60) {
            return (*self.dice.pick(&fixed)).to_owned();
        }
        let table = self.table();
        match self.dice.maybe_pick(&table.columns) {
            Some(column) if self.dice.chance(70) => column.name.clone(),
            _ => table.name,
        }
    }

    /// Any JSON value, among them forms that are almost those of RFC 7047, section 5.1.
    fn junk(&mut self) -> Raw {
        let fixed = [
            "null",
            "true",
            "0",
            "-1",
            "1.5",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-1e19",
            r#""""#,
            "[]",
            "{}",
            r#"["set",[]]"#,
            r#"["map",[]]"#,
            r#"["set"]"#,
            r#"["set",1]"#,
            r#"["set",[["set",[]]]]"#,
            r#"["set",[1,"a",true]]"#,
            r#"["map",[[1]]]"#,
            r#"["map",[[1,2,3]]]"#,
            r#"["map",[["a","b"],["a","c"]]]"#,
            r#"["map",{}]"#,
            r#"["uuid","not-a-uuid"]"#,
            r#"["uuid",5]"#,
            r#"["uuid"]"#,
            r#"["named-uuid","with space"]"#,
            r#"["named-uuid","row0"]"#,
            r#"["named-uuid",""]"#,
            r#"["named-uuid",1]"#,
            r#"["list",[1]]"#,
            r#"[["a","b"]]"#,
            r#"{"a":[{"b":{"c":[]}}]}"#,
        ];
        match self.dice.below(10) {
            0..6 => {
                let text = *self.dice.pick(&fixed);
                Raw::parse(text).expect("they are well formed")
            }
            6 => {
                let word = self.word();
                Raw::string(&word)
            }
            7 => {
                let table = self.table();
                match self.dice.maybe_pick(&table.columns).cloned() {
                    Some(column) => self.datum(&column),
                    None => Raw::null(),
                }
            }
            8 => {
                let depth = self.dice.below(200);
                let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
                Raw::parse(&deep).unwrap_or(Raw::null())
            }
            _ => self.fresh_uuid(),
        }
    }
}

/// How many values a value consists of.
fn count(raw: &Raw) -> usize {
    1 + match raw {
        Raw::Token(_) | Raw::Name(_) => 0,
        Raw::Array(elements) => elements.iter().map(count).sum(),
        Raw::Object(members) => members.iter().map(|(_, value)| count(value)).sum::<usize>(),
    }
}
