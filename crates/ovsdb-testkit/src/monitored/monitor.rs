//! Random monitors, as clients request them.

use serde_json::{Value as Json, json};

use super::changes::Contents;
use super::condition::{Clause, any_condition, condition_to_json};
use super::schema::{Column, TABLES, Table};
use crate::differential::dice::Dice;

/// In which form changes are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// `<table-updates>` (RFC 7047, section 4.1.6), without conditions.
    Values,
    /// `<table-updates2>` (ovsdb-server(7), section 4.1.14).
    Differences,
}

/// The kinds of change that are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Select {
    /// Rows that are there at the start.
    pub initial: bool,
    /// New rows.
    pub insert: bool,
    /// Rows that go.
    pub delete: bool,
    /// Rows that change.
    pub modify: bool,
}

impl Select {
    const ALL: Select = Select {
        initial: true,
        insert: true,
        delete: true,
        modify: true,
    };

    fn any(dice: &mut Dice) -> Select {
        let mut flag = || dice.chance(60);
        Select {
            initial: flag(),
            insert: flag(),
            delete: flag(),
            modify: flag(),
        }
    }

    fn or(self, other: Select) -> Select {
        Select {
            initial: self.initial | other.initial,
            insert: self.insert | other.insert,
            delete: self.delete | other.delete,
            modify: self.modify | other.modify,
        }
    }

    fn to_json(self, dice: &mut Dice) -> Json {
        let flags = [
            ("initial", self.initial),
            ("insert", self.insert),
            ("delete", self.delete),
            ("modify", self.modify),
        ];
        // True goes without saying.
        let flags = flags
            .into_iter()
            .filter(|(_, value)| !value || dice.chance(50));
        Json::Object(
            flags
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect(),
        )
    }
}

/// What is asked about one table.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The table.
    pub table: &'static Table,
    /// The columns, each with the kinds of change in which it is told.
    pub columns: Vec<(&'static Column, Select)>,
    /// The kinds of change that any of the requests asks for.
    pub select: Select,
    /// Which rows are of interest.
    pub condition: Vec<Clause>,
    requests: Json,
}

impl Asked {
    fn any(
        dice: &mut Dice,
        table: &'static Table,
        contents: &Contents,
        form: Form,
        with_selects: bool,
    ) -> Asked {
        let mut parts: Vec<Vec<&'static Column>> = vec![Vec::new(); 1 + dice.below(2)];
        let names_all = dice.chance(25);
        for column in table.columns {
            if names_all {
                let own = usize::from(column.name == "_uuid");
                if let Some(part) = parts.get_mut(own) {
                    part.push(column);
                }
            } else if dice.chance(40) {
                let part = dice.below(parts.len());
                parts[part].push(column);
            }
        }
        let mut asked = Asked {
            table,
            columns: Vec::new(),
            select: Select {
                initial: false,
                insert: false,
                delete: false,
                modify: false,
            },
            condition: Vec::new(),
            requests: Json::Null,
        };
        let mut requests = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            let mut request = serde_json::Map::new();
            let mut select = Select::ALL;
            if with_selects && dice.chance(70) {
                select = Select::any(dice);
                request.insert("select".into(), select.to_json(dice));
            }
            if !(names_all && at == 0) {
                let names = part.iter().map(|column| column.name).collect();
                request.insert("columns".into(), names);
            }
            // The last request's condition counts, and so does its having none.
            asked.condition = Vec::new();
            if form == Form::Differences && dice.chance(60) {
                asked.condition = any_condition(dice, table, contents);
                request.insert("where".into(), condition_to_json(&asked.condition));
            }
            asked.select = asked.select.or(select);
            asked
                .columns
                .extend(part.into_iter().map(|column| (column, select)));
            requests.push(Json::Object(request));
        }
        asked.requests = match &requests[..] {
            [only] if dice.chance(50) => only.clone(),
            _ => Json::Array(requests),
        };
        asked
    }
}

/// A monitor.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// In which form it is told.
    pub form: Form,
    /// What it asks for.
    pub tables: Vec<Asked>,
}

impl Monitor {
    /// A random monitor. With `with_selects` it may ask for some kinds of change only.
    pub fn any(dice: &mut Dice, contents: &Contents, with_selects: bool) -> Monitor {
        let form = *dice.pick(&[Form::Values, Form::Differences, Form::Differences]);
        let must = dice.below(TABLES.len());
        let tables = TABLES.iter().enumerate();
        let tables = tables.filter_map(|(at, table)| {
            let wanted = at == must || dice.chance(40);
            wanted.then(|| Asked::any(dice, table, contents, form, with_selects))
        });
        let tables = tables.collect();
        Monitor { form, tables }
    }

    /// The `<monitor-requests>` or `<monitor-cond-requests>`.
    pub fn requests(&self) -> Json {
        let tables = self.tables.iter();
        let requests = tables.map(|asked| (asked.table.name.to_owned(), asked.requests.clone()));
        Json::Object(requests.collect())
    }

    /// Requests for the same with the conditions of now, in other words.
    pub fn requests_now(&self) -> Json {
        let tables = self.tables.iter().map(|asked| {
            let names: Vec<&str> = asked
                .columns
                .iter()
                .map(|(column, _)| column.name)
                .collect();
            let mut request = json!({"columns": names});
            if self.form == Form::Differences {
                request["where"] = condition_to_json(&asked.condition);
            }
            (asked.table.name.to_owned(), request)
        });
        Json::Object(tables.collect())
    }

    /// What is asked about a table.
    pub fn asked(&self, table: &str) -> Option<&Asked> {
        self.tables.iter().find(|asked| asked.table.name == table)
    }

    /// Whether all kinds of change are asked for, so that a replica can be kept.
    pub fn is_whole(&self) -> bool {
        let whole = |asked: &Asked| {
            let mut columns = asked.columns.iter();
            asked.select == Select::ALL && columns.all(|(_, select)| *select == Select::ALL)
        };
        self.tables.iter().all(whole)
    }

    /// Gives some tables other conditions, and returns the `<monitor-cond-update-requests>` that say so.
    pub fn change_conditions(&mut self, dice: &mut Dice, contents: &Contents) -> Json {
        let mut requests = serde_json::Map::new();
        for asked in &mut self.tables {
            if dice.chance(70) {
                // Sometimes only a part of it is new.
                let old = asked.condition.clone();
                let mut condition = any_condition(dice, asked.table, contents);
                if dice.chance(40) {
                    condition.extend(old);
                }
                let text = condition_to_json(&condition);
                asked.condition = condition;
                requests.insert(asked.table.name.to_owned(), json!([{"where": text}]));
            }
        }
        Json::Object(requests)
    }
}
