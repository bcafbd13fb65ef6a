//! Which rows of tables a follower wants, and which of that the server knows.
//!
//! One change is under way at a time, and takes along what was wanted meanwhile. Each wish has a number, its revision; it has
//! come true when the server has answered, for by then it has sent the rows that came in or went out.

use std::collections::BTreeMap;

use ecow::EcoString;
use ovsdb_proto::condition::Condition;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::Schema;
use ovsdb_proto::symbols::Symbols;

/// The clauses for each table, as they stand in requests. Of tables that are not here all rows are wanted.
pub(super) type Wanted = BTreeMap<EcoString, Json>;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// What is wanted now.
    wanted: Wanted,
    /// The number of wishes so far.
    revision: u64,
    /// What the server has confirmed for the monitor that there is.
    known: Wanted,
    /// The last wish that has been answered.
    settled: u64,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    request: u64,
    /// What the server will know when it has answered.
    wanted: Wanted,
    revision: u64,
}

/// What is to be asked of the server.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// The clauses of tables for which the server has others.
    pub(super) tables: Wanted,
}

impl Conditions {
    /// Wants these rows. Returns the number of the wish.
    pub(super) fn want(&mut self, changes: impl IntoIterator<Item = (EcoString, Json)>) -> u64 {
        for (table, clauses) in changes {
            if is_all(&clauses) {
                self.wanted.remove(&table);
            } else {
                self.wanted.insert(table, clauses);
            }
        }
        self.revision += 1;
        self.revision
    }

    /// The number of the last wish.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// What the server has confirmed.
    pub(super) fn known(&self) -> &Wanted {
        &self.known
    }

    /// Forgets wishes about tables of `schema` that it has no columns or values for, and names the first of them.
    pub(super) fn drop_invalid(&mut self, schema: &Schema) -> Option<(EcoString, OvsdbError)> {
        let mut first = None;
        self.wanted.retain(|table, clauses| {
            let Err(error) = valid(schema, table, clauses) else {
                return true;
            };
            first.get_or_insert((table.clone(), error));
            false
        });
        first
    }

    /// What a new monitor is to begin with: what is wanted, or, if it goes on where another stopped, what the server knew of
    /// that one.
    pub(super) fn to_begin_with(&self, goes_on: bool) -> (Wanted, u64) {
        match goes_on {
            true => (self.known.clone(), self.settled),
            false => (self.wanted.clone(), self.revision),
        }
    }

    /// A monitor has begun with these.
    pub(super) fn began(&mut self, wanted: Wanted, revision: u64) {
        self.known = wanted;
        self.settled = revision;
        self.under_way = None;
    }

    /// What is to be asked of the server now: where others than those that are wanted are known, and nothing is under way.
    pub(super) fn change(&self) -> Option<Change> {
        if self.under_way.is_some() || self.wanted == self.known {
            return None;
        }
        let names = self.wanted.keys().chain(self.known.keys());
        let all = all();
        let tables = names.filter_map(|table| {
            let wanted = self.wanted.get(table).unwrap_or(&all);
            let known = self.known.get(table).unwrap_or(&all);
            (wanted != known).then(|| (table.clone(), wanted.clone()))
        });
        let tables = tables.collect();
        Some(Change { tables })
    }

    /// The change has been asked for by this request.
    pub(super) fn asked(&mut self, request: u64) {
        self.under_way = Some(UnderWay {
            request,
            wanted: self.wanted.clone(),
            revision: self.revision,
        });
    }

    /// Whether a change is under way.
    pub(super) fn is_changing(&self) -> bool {
        self.under_way.is_some()
    }

    /// The monitor is over, and what was asked of it.
    pub(super) fn ended(&mut self) {
        self.under_way = None;
    }

    /// Takes the reply to a request. Returns the last wish that is settled by it; `None` if it is about something else. What
    /// was refused is no longer wanted.
    pub(super) fn replied(&mut self, request: u64, is_refused: bool) -> Option<u64> {
        let change = self.under_way.take_if(|change| change.request == request)?;
        self.settled = change.revision;
        if !is_refused {
            self.known = change.wanted;
            return Some(self.settled);
        }
        let names = change.wanted.keys().chain(self.known.keys());
        for table in names {
            // Who has wanted something else since, wants it still.
            if self.wanted.get(table) != change.wanted.get(table) {
                continue;
            }
            match self.known.get(table) {
                Some(clauses) => self.wanted.insert(table.clone(), clauses.clone()),
                None => self.wanted.remove(table),
            };
        }
        Some(self.settled)
    }

    /// Nothing is left to ask: everything that was wanted is so.
    pub(super) fn settle(&mut self) -> u64 {
        self.settled = self.revision;
        self.settled
    }
}

/// The clauses that all rows meet.
pub(super) fn all() -> Json {
    Json::Array(vec![Json::Bool(true)])
}

fn is_all(clauses: &Json) -> bool {
    matches!(clauses.as_array(), Some([Json::Bool(true)]))
}

/// Whether a table of `schema` can be asked for the rows that meet these clauses. Of tables that are not there nothing is
/// known to be wrong.
pub(super) fn valid(schema: &Schema, table: &str, clauses: &Json) -> Result<(), OvsdbError> {
    let Some((_, table)) = schema.table_by_name(table) else {
        return Ok(());
    };
    Condition::from_json(table, clauses, &mut Symbols::none()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(text: &str) -> Json {
        Json::Array(vec![Json::string(text)])
    }

    #[test]
    fn only_tables_with_other_rows_than_the_server_knows_are_asked_about() {
        let mut conditions = Conditions::default();
        conditions.want([("T".into(), clause("a")), ("U".into(), clause("b"))]);
        let (wanted, revision) = conditions.to_begin_with(false);
        conditions.began(wanted, revision);
        assert_eq!(conditions.change(), None);
        conditions.want([("U".into(), clause("c")), ("V".into(), clause("d"))]);
        let tables = [("U".into(), clause("c")), ("V".into(), clause("d"))];
        let tables = Wanted::from(tables);
        assert_eq!(conditions.change(), Some(Change { tables }));
        conditions.want([("T".into(), all()), ("V".into(), all())]);
        let tables = Wanted::from([("T".into(), all()), ("U".into(), clause("c"))]);
        assert_eq!(conditions.change(), Some(Change { tables }));
        conditions.asked(1);
        assert_eq!(conditions.change(), None);
        assert_eq!(conditions.replied(2, false), None);
        assert_eq!(conditions.replied(1, false), Some(3));
        assert_eq!(conditions.change(), None);
    }
}
