//! Comparison of what two servers have sent: replies, the order of rows, monitor updates.
//!
//! What must be equal and what explains a difference is decided here with [`rules`]; nothing is sent but questions
//! about single members of a row.

use std::collections::BTreeSet;

use super::digits;
use super::fold::fold;
use super::pair::{Answers, EVERYTHING, Pair, Transaction, Updates};
use super::pairing::End;
use super::report::{Course, Difference};
use super::rules::{self, DANGLING, DIGITS, MEMBERS, OWN_UUID, PRODUCT, Place, RULES, text_of};
use crate::raw::Raw;

impl Pair {
    pub(super) fn compare(
        &mut self,
        ids: &[usize],
        transactions: &[Transaction],
        mut answers: [Answers; 2],
    ) -> Result<Course, Difference> {
        let spoilt = self.spoilt_after(&answers);
        if let Some(replies) = spoilt {
            *self.tally.explained.entry(DANGLING).or_default() += 1;
            answers
                .iter_mut()
                .for_each(|answers| answers.truncate(replies));
        }
        let [left, right] = answers;
        let order = |answers: &Answers| -> Vec<usize> {
            answers.replies.iter().map(|(id, _)| *id).collect()
        };
        if order(&left) != order(&right) {
            return Err(Difference {
                what: "replies come in another order".to_owned(),
                transaction: None,
                left: format!("{:?}", order(&left)),
                right: format!("{:?}", order(&right)),
            });
        }
        // Replies first: they tell which new row of one server is which of the other.
        for ((id, left), (_, right)) in left.replies.into_iter().zip(right.replies) {
            let position = ids.iter().position(|known| *known == id);
            let operations = position.and_then(|position| transactions.get(position));
            if let Some(operations) = operations {
                self.tally.transactions += 1;
                self.tally.operations += operations.len();
            }
            let course = self
                .compare_replies(operations.map_or(&[], Vec::as_slice), left, right)
                .map_err(|(what, left, right)| Difference {
                    what,
                    transaction: position,
                    left: left.to_string(),
                    right: right.to_string(),
                })?;
            if course == Course::Spoilt {
                return Ok(course);
            }
        }
        let together = transactions.len() > 1;
        // A sum that reaches beyond the last transaction that counts says nothing.
        if spoilt.is_none() || !together {
            self.compare_updates(left.updates, right.updates, together)?;
        }
        let rounded = self.pairing.take_rounded();
        if rounded > 0 {
            *self.tally.explained.entry(DIGITS).or_default() += rounded;
        }
        Ok(match spoilt {
            Some(_) => Course::Spoilt,
            None => Course::Same,
        })
    }

    /// After how many replies one of the databases first held a dangling reference.
    fn spoilt_after(&mut self, answers: &[Answers; 2]) -> Option<usize> {
        let model = &self.model;
        let ends = self.ends.iter_mut().zip(answers);
        let found = ends.filter_map(|(running, answers)| {
            let updates = answers.updates.get(EVERYTHING).into_iter().flatten();
            updates
                .filter(|(_, update)| {
                    tables(update).is_some_and(|tables| running.watch.update(model, tables))
                })
                .map(|(after, _)| *after)
                .min()
        });
        found.min()
    }

    /// Compares updates one by one, or, if the transactions did not wait for each other, what they come to.
    fn compare_updates(
        &mut self,
        mut left: Updates,
        mut right: Updates,
        together: bool,
    ) -> Result<(), Difference> {
        if together {
            let [left, right] = [left, right].map(|mut updates| updates.remove(EVERYTHING));
            let sum = |updates: &Option<Vec<(usize, Raw)>>| {
                fold(
                    updates
                        .iter()
                        .flatten()
                        .filter_map(|(_, update)| tables(update)),
                )
            };
            self.tally.updates += left.as_ref().map_or(0, Vec::len);
            return self
                .equal_updates(&mut sum(&left), &mut sum(&right))
                .map_err(|what| Difference {
                    what: format!("the updates of all transactions come to different sums {what}"),
                    transaction: None,
                    left: show(left.as_deref().unwrap_or(&[])),
                    right: show(right.as_deref().unwrap_or(&[])),
                });
        }
        let monitors: BTreeSet<String> = left.keys().chain(right.keys()).cloned().collect();
        for monitor in monitors {
            let mut left = left.remove(&monitor).unwrap_or_default();
            let mut right = right.remove(&monitor).unwrap_or_default();
            self.tally.updates += left.len();
            let mut result = Ok(());
            for (left, right) in left.iter_mut().zip(&mut right) {
                result = result.and(self.equal_updates(&mut left.1, &mut right.1));
            }
            if left.len() != right.len() {
                result = Err("in number".to_owned());
            }
            result.map_err(|what| Difference {
                what: format!("updates of monitor {monitor} differ {what}"),
                transaction: Some(0),
                left: show(&left),
                right: show(&right),
            })?;
        }
        Ok(())
    }

    fn equal_updates(&mut self, left: &mut Raw, right: &mut Raw) -> Result<(), String> {
        match self.pairing.equal_values(left, right) {
            true => Ok(()),
            false => Err(self.pairing.locate(left, right)),
        }
    }

    fn compare_replies(
        &mut self,
        operations: &[Raw],
        mut left: Raw,
        mut right: Raw,
    ) -> Result<Course, (String, Raw, Raw)> {
        let results = (results(&mut left), results(&mut right));
        let (Some(left_results), Some(right_results)) = results else {
            return if self.pairing.equal_values(&mut left, &mut right) {
                Ok(Course::Same)
            } else {
                Err(("replies differ".to_owned(), left, right))
            };
        };
        let lengths = (left_results.len(), right_results.len());
        let last = right_results.last().cloned();
        let mut outcome = "committed".to_owned();
        let mut different = None;
        for (index, (left, right)) in left_results.iter_mut().zip(right_results).enumerate() {
            let operation = operations.get(index);
            if left.get("error").is_some() {
                outcome = text_of(left, "error").to_owned();
            }
            self.order_rows(operation, left, End::Left);
            self.order_rows(operation, right, End::Right);
            if different.is_some() || self.pairing.equal_values(left, right) {
                continue;
            }
            let place = Place {
                operation,
                left,
                right,
            };
            let rule = RULES.iter().find(|rule| (rule.explains)(&place));
            let mut name = rule.map(|rule| rule.name);
            if name.is_none() && rules::is_refused_product(&place) {
                *self.tally.explained.entry(PRODUCT).or_default() += 1;
                return Ok(Course::Spoilt);
            }
            if name.is_none()
                && place.left.get("error").is_some()
                && rules::is_about_own_uuid(place.right)
            {
                name = Some(OWN_UUID);
            }
            if name.is_none() && self.is_about_other_members(&place) {
                name = Some(MEMBERS);
            }
            match name {
                Some(name) => {
                    *self.tally.explained.entry(name).or_default() += 1;
                    *right = left.clone();
                }
                None => {
                    let first = self.pairing.locate(left, right);
                    different = Some(format!("result {index} differs {first}"));
                }
            }
        }
        if lengths.0 < lengths.1 && last.is_some_and(|last| rules::is_about_own_uuid(&last)) {
            *self.tally.explained.entry(OWN_UUID).or_default() += 1;
            return Ok(Course::Spoilt);
        }
        if different.is_none() && lengths.0 != lengths.1 {
            different = Some("the number of results differs".to_owned());
        }
        *self.tally.outcomes.entry(outcome).or_default() += 1;
        // The rest of the reply.
        if different.is_none() && self.shape(&left) != self.shape(&right) {
            different = Some("the form of the reply differs".to_owned());
        }
        match different {
            None => Ok(Course::Same),
            Some(what) => Err((what, left, right)),
        }
    }

    /// Whether a row has several wrong members, and each server names another one: finds out by asking for every
    /// member alone. Aborted requests leave nothing behind.
    fn is_about_other_members(&mut self, place: &Place<'_>) -> bool {
        let Some(operation) = place.operation else {
            return false;
        };
        let mut mistakes = BTreeSet::new();
        for operation in rules::single_members(operation) {
            let abort = Raw::object([("op", Raw::string("abort"))]);
            let id = self.next_id();
            let request = self.transact(&vec![operation, abort], id);
            self.send(&request);
            let Ok([left, right]) = self.receive(&[id]) else {
                return false;
            };
            let mut answers = [left, right].map(|answers| {
                let reply = answers.replies.into_iter().next();
                let mut reply = reply.map_or(Raw::null(), |(_, reply)| reply);
                results(&mut reply).map_or(Raw::null(), |results| results.swap_remove(0))
            });
            let [left, right] = &mut answers;
            let equal = self.pairing.equal_values(left, right);
            let place = Place {
                operation: place.operation,
                left,
                right,
            };
            if !equal && !RULES.iter().any(|rule| (rule.explains)(&place)) {
                return false;
            }
            mistakes.insert((rules::mistake(place.left), rules::mistake(place.right)));
        }
        let (left, right) = (rules::mistake(place.left), rules::mistake(place.right));
        mistakes.iter().any(|(mistake, _)| *mistake == left)
            && mistakes.iter().any(|(_, mistake)| *mistake == right)
    }

    /// A reply without its results, which have been compared one by one.
    fn shape(&self, reply: &Raw) -> String {
        let mut shape = reply.clone();
        if let Some(results) = results(&mut shape) {
            results.clear();
        }
        self.pairing.sort(&mut shape, End::Left);
        shape.to_string()
    }

    /// Puts the rows of a `select` into an order of their own where the request leaves it open.
    fn order_rows(&self, operation: Option<&Raw>, result: &mut Raw, end: End) {
        let Raw::Object(members) = result else { return };
        let Some((_, Raw::Array(rows))) = members.iter_mut().find(|(name, _)| name == "rows")
        else {
            return;
        };
        rows.iter_mut().for_each(|row| self.pairing.sort(row, end));
        let sort = self.sort_columns(operation);
        let comparable = |row: &Raw| sort.iter().all(|column| row.get(column).is_some());
        if sort.is_empty() || !rows.iter().all(comparable) {
            self.pairing.sort_array(rows, end);
            return;
        }
        let rank = |row: &Raw| -> Vec<String> {
            let values = sort.iter().filter_map(|column| row.get(column));
            values
                .map(|value| digits::round(&value.to_string()))
                .collect()
        };
        let mut start = 0;
        while start < rows.len() {
            let first = rank(&rows[start]);
            let equal = rows[start..].iter().take_while(|row| rank(row) == first);
            let end_of_equals = start + equal.count();
            self.pairing
                .sort_array(&mut rows[start..end_of_equals], end);
            start = end_of_equals;
        }
    }

    /// The columns by which a `select` sorts; none if the order depends on UUIDs.
    fn sort_columns(&self, operation: Option<&Raw>) -> Vec<String> {
        let names = operation.and_then(|operation| operation.get("sort")?.elements());
        let table = operation.and_then(|operation| {
            let name = text_of(operation, "table");
            self.model.table(name)
        });
        let columns: Option<Vec<String>> = names
            .into_iter()
            .flatten()
            .map(|name| {
                let column = table?.column(name.text()?)?;
                (!column.holds_uuids()).then(|| column.name.clone())
            })
            .collect();
        columns.unwrap_or_default()
    }
}

/// The table-updates object of an `update` notification.
fn tables(update: &Raw) -> Option<&Raw> {
    update.get("params")?.elements()?.get(1)
}

fn show(updates: &[(usize, Raw)]) -> String {
    let lines = updates
        .iter()
        .map(|(after, update)| format!("\n    after {after} replies: {update}"));
    lines.collect()
}

fn results(reply: &mut Raw) -> Option<&mut Vec<Raw>> {
    let Raw::Object(members) = reply else {
        return None;
    };
    let result = members.iter_mut().find(|(name, _)| name == "result");
    match result {
        Some((_, Raw::Array(results))) => Some(results),
        _ => None,
    }
}
