//! Rows of a big table, looked up one by one: by a name that has an index, by UUID, and by a column that has no index.

use memchr::memmem;
use ovsdb_proto::json::Json;

use super::{Bench, Figure, Unit, Workload, WorkloadError, fill};
use crate::client::{Client, ClientError, check_success, succeeded};
use crate::probe::Probe;
use crate::rows::{DATABASE, ITEM_MARK};

/// One client that looks rows up.
pub(crate) struct Lookup;

/// Rows that are there.
const ROWS: usize = 200_000;

/// Different values of the column without an index.
const VALUES: usize = 20_000;

/// Lookups by name, and by UUID.
const COUNT: usize = 20_000;

/// Lookups for which a server may have to look at every row.
const COUNT_SLOW: usize = 60;

/// Requests in flight.
const IN_FLIGHT: usize = 16;

/// Who writes the rows.
const FILLER: usize = 1;

/// A request, and what its reply shows: this text so many times.
struct Asked {
    request: String,
    shown: String,
    times: usize,
}

impl Workload for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn about(&self) -> &'static str {
        "one client with 16 requests in flight, about one row each of 200,000"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "name",
                Unit::PerSecond,
                "select by a name that has an index",
            ),
            Figure::new("uuid", Unit::PerSecond, "select by _uuid"),
            Figure::new(
                "name_change",
                Unit::PerSecond,
                "wait and mutate by such a name",
            ),
            Figure::new("uuid_change", Unit::PerSecond, "wait and mutate by _uuid"),
            Figure::new(
                "order",
                Unit::PerSecond,
                "select of the rows below a value: there are none",
            ),
            Figure::new(
                "value",
                Unit::PerSecond,
                "select by a column that the schema has no index for",
            ),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let rows = bench.size().of(ROWS);
        let count = bench.size().of(COUNT).min(rows / 4).max(1);
        fill::items(&mut bench.client()?, FILLER, rows, VALUES)?;
        // Each change is of a row that was not changed before, so that it is known what it finds.
        let row = |lookup: usize, number: usize| (4 * number + lookup) % rows;
        let by_name = |lookup: usize| -> Vec<(String, usize)> {
            let numbers = (0..count).map(|number| row(lookup, number));
            let names =
                numbers.map(|row| (clause("name", &format!("\"item-{FILLER}-{row}\"")), row));
            names.collect()
        };
        let name = by_name(0);
        let uuid = uuids(&mut bench.client()?, &by_name(1))?;
        let name_change = by_name(2);
        let uuid_change = uuids(&mut bench.client()?, &by_name(3))?;
        for (figure, rows, ask) in [
            ("name", name, select as fn(&(String, usize)) -> Asked),
            ("uuid", uuid, select),
            ("name_change", name_change, change),
            ("uuid_change", uuid_change, change),
        ] {
            measure(bench, figure, rows.iter().map(ask).collect())?;
        }
        let slow = bench.size().of(COUNT_SLOW);
        let of_value = |value: usize| (value..rows).step_by(VALUES).count();
        let below = (0..slow).map(|_| find("[\"value\",\"<\",0]", 0));
        measure(bench, "order", below.collect())?;
        // Every fourth row was only looked at.
        let unchanged = (0..VALUES).step_by(4).take(slow);
        let of_values =
            unchanged.map(|value| find(&clause("value", &value.to_string()), of_value(value)));
        measure(bench, "value", of_values.collect())
    }
}

/// The clause that a column has this value.
fn clause(column: &str, value: &str) -> String {
    format!("[\"{column}\",\"==\",{value}]")
}

fn transaction(operations: &str) -> String {
    format!("[\"{DATABASE}\",{operations}]")
}

/// Asks for the value of the row that meets a clause.
fn select((clause, row): &(String, usize)) -> Asked {
    let operation = format!(
        "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[{clause}],\"columns\":[\"value\"]}}"
    );
    Asked {
        request: transaction(&operation),
        shown: format!("[{{\"rows\":[{{\"value\":{}}}]}}]", row % VALUES),
        times: 1,
    }
}

/// Changes the value of the row that meets a clause, if it is what it should be.
fn change((clause, row): &(String, usize)) -> Asked {
    let value = row % VALUES;
    let operations = format!(
        "{{\"op\":\"wait\",\"timeout\":0,\"table\":\"Item\",\"where\":[{clause}],\"columns\":[\"value\"],\
         \"until\":\"==\",\"rows\":[{{\"value\":{value}}}]}},{{\"op\":\"mutate\",\"table\":\"Item\",\
         \"where\":[{clause}],\"mutations\":[[\"value\",\"+=\",{VALUES}]]}}"
    );
    Asked {
        request: transaction(&operations),
        shown: String::from("[{},{\"count\":1}]"),
        times: 1,
    }
}

/// Asks for the names of the rows that meet a clause, so many.
fn find(clause: &str, rows: usize) -> Asked {
    let operation = format!(
        "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[{clause}],\"columns\":[\"name\"]}}"
    );
    Asked {
        request: transaction(&operation),
        shown: ITEM_MARK.to_owned(),
        times: rows,
    }
}

/// The same rows, by their UUIDs.
fn uuids(
    client: &mut Client,
    rows: &[(String, usize)],
) -> Result<Vec<(String, usize)>, WorkloadError> {
    let mut found = Vec::with_capacity(rows.len());
    for some in rows.chunks(IN_FLIGHT) {
        for (clause, _) in some {
            let operation = format!(
                "{{\"op\":\"select\",\"table\":\"Item\",\"where\":[{clause}],\"columns\":[\"_uuid\"]}}"
            );
            client.queue("transact", &transaction(&operation));
        }
        client.flush()?;
        for (_, row) in some {
            let (result, _) = client.receive()?;
            let rows = succeeded(&result, 1)?[0]
                .get("rows")
                .and_then(Json::as_array);
            match rows {
                Some([only]) => {
                    let uuid = only.get("_uuid").map(Json::to_string).unwrap_or_default();
                    found.push((clause("_uuid", &uuid), *row));
                }
                other => {
                    let found = other.map_or(0, <[Json]>::len);
                    return Err(WorkloadError::Rows { expected: 1, found });
                }
            }
        }
    }
    Ok(found)
}

fn measure(
    bench: &mut Bench,
    figure: &'static str,
    asked: Vec<Asked>,
) -> Result<(), WorkloadError> {
    let mut client = bench.client()?;
    let section = bench.section(Probe::Read)?;
    let mut next = asked.iter();
    let mut answered = asked.iter();
    loop {
        if client.in_flight() <= IN_FLIGHT / 2 {
            for asked in next.by_ref().take(IN_FLIGHT - client.in_flight()) {
                client.queue("transact", &asked.request);
            }
            client.flush()?;
        }
        let Some(asked) = answered.next() else { break };
        let reply = client.receive_raw()?;
        check_success(reply)?;
        let found = memmem::find_iter(reply, &asked.shown).count();
        if found != asked.times {
            return Err(ClientError::Failed(String::from_utf8_lossy(reply).into_owned()).into());
        }
    }
    let effort = section.end()?;
    bench.record(figure, effort.rate(asked.len()), &effort);
    Ok(())
}
