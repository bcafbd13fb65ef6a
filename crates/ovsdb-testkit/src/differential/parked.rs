//! Transactions that wait: for a time that passes, for a change that comes, and until they are taken back.

use super::contents::Contents;
use super::dice::Dice;
use super::model::Kind;
use super::operations::by_uuid;
use super::pair::Pair;
use super::report::{Course, Difference};
use crate::raw::Raw;

/// Milliseconds that a wait lasts which cannot be fulfilled.
const SHORT_MS: i64 = 2;

/// Runs one kind of wait.
///
/// # Errors
/// The first unexplained difference.
pub fn run(pair: &mut Pair, contents: &Contents, dice: &mut Dice) -> Result<Course, Difference> {
    let table = dice.pick(&pair.model.tables).clone();
    let rows = contents.rows(&table.name);
    let never = Raw::Array(vec![Raw::object([("_uuid", Raw::uuid(0))])]);
    let uuid = Raw::Array(vec![Raw::string("_uuid")]);
    let wait = |timeout: Option<i64>, wheres: Raw, columns: Raw, until: &str, rows: Raw| {
        let mut operation = vec![
            ("op".to_owned(), Raw::string("wait")),
            ("table".to_owned(), Raw::string(&table.name)),
            ("where".to_owned(), wheres),
            ("columns".to_owned(), columns),
            ("until".to_owned(), Raw::string(until)),
            ("rows".to_owned(), rows),
        ];
        if let Some(timeout) = timeout {
            operation.push(("timeout".to_owned(), Raw::integer(timeout)));
        }
        Raw::Object(operation)
    };
    let comment = Raw::object([
        ("op", Raw::string("comment")),
        ("comment", Raw::string("waited")),
    ]);
    match dice.below(3) {
        0 => {
            let wait = wait(Some(SHORT_MS), Raw::Array(Vec::new()), uuid, "==", never);
            pair.exchange(&[vec![comment, wait]])
        }
        1 => {
            let wait = wait(None, Raw::Array(Vec::new()), uuid, "==", never);
            pair.cancel(&vec![wait, comment])
        }
        _ => {
            let settable = |kind| matches!(kind, Kind::Integer | Kind::Boolean | Kind::String);
            let column = table
                .columns
                .iter()
                .find(|column| column.mutable && column.is_scalar() && settable(column.key.kind));
            let (Some(row), Some(column)) = (dice.maybe_pick(rows), column) else {
                return Ok(Course::Same);
            };
            let current = row.column(&column.name).cloned().unwrap_or(Raw::null());
            let next = match column.key.kind {
                Kind::Integer => Raw::integer(i64::from(current == Raw::integer(1)) + 1),
                Kind::Boolean => Raw::boolean(current == Raw::boolean(false)),
                _ => Raw::string(if current == Raw::string("x") {
                    "y"
                } else {
                    "x"
                }),
            };
            let wheres = Raw::Array(vec![by_uuid(row.number())]);
            let expected = Raw::Array(vec![Raw::Object(vec![(column.name.clone(), current)])]);
            let columns = Raw::Array(vec![Raw::string(&column.name)]);
            let wait = wait(None, wheres.clone(), columns, "!=", expected);
            let change = Raw::object([
                ("op", Raw::string("update")),
                ("table", Raw::string(&table.name)),
                ("where", wheres),
                ("row", Raw::Object(vec![(column.name.clone(), next)])),
            ]);
            pair.fulfil(&vec![wait, comment], &vec![change])
        }
    }
}
