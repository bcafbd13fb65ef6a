//! Monitor requests, and what a script must know of the monitors that it has made.
//!
//! The reference shares what it keeps between monitors of the same tables, columns and kinds of change, and reads memory
//! that is not its own when a condition names a column that those do not have. So such columns are named only in
//! conditions of monitors that share nothing.

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::differential::model::{Model, Table};

use crate::values::clause;

/// Monitor ids as JSON text.
const IDS: [&str; 5] = [
    r#""m""#,
    r#""n""#,
    r#"["a",1]"#,
    r#"{"x":null,"y":2}"#,
    "null",
];

/// A monitor that a script has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    /// Its id as JSON text.
    pub(crate) id: String,
    /// The method that made it.
    pub(crate) method: &'static str,
    /// What it watches, without its conditions: monitors with the same text may share.
    pub(crate) shape: String,
    /// Its tables, each with the columns that conditions may name without harm.
    pub(crate) tables: Vec<(String, Vec<String>)>,
    /// Whether a condition names other columns.
    pub(crate) foreign: bool,
    /// Whether a condition has a `true` or `false`, for which the reference adds a column, too.
    pub(crate) constant: bool,
}

impl Monitor {
    /// Whether it has no conditions.
    pub(crate) fn is_plain(&self) -> bool {
        self.method == "monitor"
    }

    /// Whether it watches the table `Item` and no other.
    pub(crate) fn is_of_items(&self) -> bool {
        matches!(self.tables.as_slice(), [(table, columns)] if table == "Item" && !columns.is_empty())
    }
}

/// One table of a monitor request: what is the same for all who ask for the same.
struct Part {
    /// The members of each request without `where`.
    requests: Vec<String>,
    columns: Vec<String>,
    /// Of each column, the kinds of change that are selected.
    kinds: Vec<[bool; 4]>,
    /// The kinds that are selected for any.
    all_kinds: [bool; 4],
}

impl Part {
    /// What is the same for all that share: neither the order of columns nor how they are asked for matters.
    fn shape(&self) -> String {
        let columns = self.columns.iter().zip(&self.kinds);
        let mut columns: Vec<String> = columns
            .map(|(name, kinds)| format!("{name} {kinds:?}"))
            .collect();
        columns.sort();
        format!("{:?} {}", self.all_kinds, columns.join(" "))
    }
}

/// Makes monitor requests.
pub(crate) struct Designer<'a> {
    /// Where choices come from.
    pub(crate) dice: &'a mut Dice,
    /// The database.
    pub(crate) model: &'a Model,
    /// The monitors that exist, of all clients.
    pub(crate) others: Vec<Monitor>,
}

/// What is known of the monitors that share with another one.
#[derive(Clone, Copy, Default)]
struct Company {
    any: bool,
    plain: bool,
    foreign: bool,
    constant: bool,
}

impl<'a> Designer<'a> {
    /// A monitor and the first three parameters of its request.
    pub(crate) fn monitor(&mut self, method: &'static str) -> (Monitor, String) {
        loop {
            let id = (*self.dice.pick(&IDS)).to_owned();
            if let Some(made) = self.attempt(method, id) {
                return made;
            }
        }
    }

    /// A monitor of some columns of a table, all rows and all kinds of change, and the first three parameters of its
    /// request; `None` if it would have to share with a monitor that it must not share with.
    pub(crate) fn whole(
        &self,
        id: &str,
        table: &str,
        columns: &[&str],
    ) -> Option<(Monitor, String)> {
        let part = Part {
            requests: Vec::new(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            kinds: vec![[true; 4]; columns.len()],
            all_kinds: [true; 4],
        };
        let quoted: Vec<String> = columns.iter().map(|name| format!(r#""{name}""#)).collect();
        let (database, quoted) = (&self.model.name, quoted.join(","));
        let params = format!(r#""{database}",{id},{{"{table}":[{{"columns":[{quoted}]}}]}}"#);
        let monitor = Monitor {
            id: id.to_owned(),
            method: "monitor_cond",
            shape: format!("{table} {}", part.shape()),
            tables: vec![(table.to_owned(), part.columns)],
            foreign: false,
            constant: false,
        };
        let company = self.company(&monitor, None);
        (!company.foreign).then_some((monitor, params))
    }

    /// `None` if it would have to share with a monitor that it must not share with.
    fn attempt(&mut self, method: &'static str, id: String) -> Option<(Monitor, String)> {
        let parts: Vec<(&'a Table, Part)> = self
            .tables()
            .into_iter()
            .map(|table| (table, self.part(table)))
            .collect();
        let mut shapes: Vec<String> = parts
            .iter()
            .map(|(table, part)| format!("{} {}", table.name, part.shape()))
            .collect();
        shapes.sort();
        let mut monitor = Monitor {
            id,
            method,
            shape: shapes.join("; "),
            tables: Vec::new(),
            foreign: false,
            constant: false,
        };
        let company = self.company(&monitor, None);
        if company.foreign || (company.constant && monitor.is_plain()) {
            return None;
        }
        let mut members = Vec::new();
        for (table, part) in parts {
            // With different conditions, the reference would use one of them.
            let wheres = match monitor.is_plain() || self.dice.chance(12) {
                true => String::new(),
                false => {
                    let wheres = self.wheres(&mut monitor, table, &part.columns, company);
                    format!(r#""where":{wheres}"#)
                }
            };
            let requests = part.requests.iter().map(|request| {
                let comma = match request.is_empty() || wheres.is_empty() {
                    true => "",
                    false => ",",
                };
                format!("{{{request}{comma}{wheres}}}")
            });
            let requests: Vec<String> = requests.collect();
            let requests = match requests.as_slice() {
                [one] if self.dice.chance(40) => one.clone(),
                many => format!("[{}]", many.join(",")),
            };
            members.push(format!(r#""{}":{requests}"#, table.name));
            monitor.tables.push((table.name.clone(), part.columns));
        }
        let (database, members) = (&self.model.name, members.join(","));
        let text = format!(r#""{database}",{},{{{members}}}"#, monitor.id);
        Some((monitor, text))
    }

    /// What the other monitors of the same shape are like; `except` is one of them.
    fn company(&self, monitor: &Monitor, except: Option<usize>) -> Company {
        let mut company = Company::default();
        for (index, other) in self.others.iter().enumerate() {
            if Some(index) != except && other.shape == monitor.shape {
                company.any = true;
                company.plain |= other.is_plain();
                company.foreign |= other.foreign;
                company.constant |= other.constant;
            }
        }
        company
    }

    /// New conditions for some tables of the monitor that has this place among the others: the third parameter of
    /// `monitor_cond_change`.
    pub(crate) fn change(&mut self, place: usize) -> (Monitor, String) {
        let mut monitor = self.others[place].clone();
        let company = self.company(&monitor, Some(place));
        let mut members = Vec::new();
        for (name, columns) in monitor.tables.clone() {
            let table = self.model.table(&name);
            let Some(table) = table.filter(|_| self.dice.chance(70)) else {
                continue;
            };
            let count = self.dice.weighted(&[(85, 1), (10, 2), (5, 0)]);
            let mut requests = Vec::new();
            for _ in 0..count {
                let wheres = match monitor.is_plain() {
                    // It has no conditions, so the reference does not look at them.
                    true => "[]".to_owned(),
                    false => self.wheres(&mut monitor, table, &columns, company),
                };
                requests.push(format!(r#"{{"where":{wheres}}}"#));
            }
            members.push(format!(r#""{name}":[{}]"#, requests.join(",")));
        }
        (monitor, format!("{{{}}}", members.join(",")))
    }

    fn tables(&mut self) -> Vec<&'a Table> {
        let wanted = self.dice.weighted(&[(70, 1), (20, 2), (10, 3)]);
        let mut tables: Vec<&'a Table> = Vec::new();
        while tables.len() < wanted {
            let table = match self.dice.chance(50) {
                true => self
                    .model
                    .tables
                    .iter()
                    .max_by_key(|table| table.columns.len())
                    .expect("a schema has tables"),
                false => self.dice.pick(&self.model.tables),
            };
            match tables.iter().any(|known| known.name == table.name) {
                true if self.dice.chance(50) => break,
                true => {}
                false => tables.push(table),
            }
        }
        tables
    }

    fn part(&mut self, table: &Table) -> Part {
        let mut known: Vec<String> = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        known.push("_version".to_owned());
        // Few forms, so that monitors often share.
        if self.dice.chance(35) {
            let (select, kinds) = self.select();
            return Part {
                requests: vec![select],
                kinds: vec![kinds; known.len()],
                columns: known,
                all_kinds: kinds,
            };
        }
        let mut part = Part {
            requests: Vec::new(),
            columns: Vec::new(),
            kinds: Vec::new(),
            all_kinds: [false; 4],
        };
        for _ in 0..self.dice.weighted(&[(75, 1), (25, 2)]) {
            let (select, kinds) = self.select();
            let mut quoted = Vec::new();
            for _ in 0..self.dice.below(4) {
                let column = match self.dice.chance(4) {
                    true => "_uuid".to_owned(),
                    false => self.dice.pick(&known).clone(),
                };
                if column != "_version" && !part.columns.contains(&column) {
                    quoted.push(format!(r#""{column}""#));
                    part.columns.push(column);
                    part.kinds.push(kinds);
                }
            }
            let comma = if select.is_empty() { "" } else { "," };
            let columns = quoted.join(",");
            part.requests
                .push(format!(r#""columns":[{columns}]{comma}{select}"#));
            for (all, kind) in part.all_kinds.iter_mut().zip(kinds) {
                *all |= kind;
            }
        }
        part
    }

    /// The member `select` of a request, and which kinds of change it selects.
    fn select(&mut self) -> (String, [bool; 4]) {
        let mut kinds = [true; 4];
        if self.dice.chance(75) {
            return (String::new(), kinds);
        }
        let mut flags = Vec::new();
        for (name, kind) in ["initial", "insert", "delete", "modify"]
            .iter()
            .zip(&mut kinds)
        {
            if self.dice.chance(40) {
                *kind = self.dice.chance(30);
                flags.push(format!(r#""{name}":{kind}"#));
            }
        }
        (format!(r#""select":{{{}}}"#, flags.join(",")), kinds)
    }

    fn wheres(
        &mut self,
        monitor: &mut Monitor,
        table: &Table,
        columns: &[String],
        company: Company,
    ) -> String {
        let count = self.dice.weighted(&[(12, 0), (45, 1), (25, 2), (18, 3)]);
        let mut clauses: Vec<String> = Vec::new();
        for _ in 0..count {
            if !company.plain && self.dice.chance(15) {
                monitor.constant = true;
                // Beside two `false`, the reference does not always see a `true`.
                let constant =
                    clauses.iter().any(|clause| clause == "false") || self.dice.chance(40);
                clauses.push(constant.to_string());
                continue;
            }
            let foreign = !company.any && self.dice.chance(20);
            let column = match foreign {
                true if self.dice.chance(25) => Some("_uuid".to_owned()),
                true => Some(self.dice.pick(&table.columns).name.clone()),
                false => self.dice.maybe_pick(columns).cloned(),
            };
            let Some(column) = column else { continue };
            monitor.foreign |= !columns.contains(&column);
            clauses.push(clause(self.dice, self.model, table, &column));
        }
        format!("[{}]", clauses.join(","))
    }
}
