//! One big transaction, and the download of what it wrote.

use ovsdb_proto::jsonrpc::Message;

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows};
use crate::client::{ClientError, succeeded};
use crate::contents;
use crate::probe::Probe;
use crate::rows::{NETWORK_TABLES, network};

/// See the module's documentation.
pub(crate) struct Bulk;

/// Rows of the transaction.
const ROWS: usize = 50_000;

/// How many bytes a reply has at most for each row.
const REPLY_BYTES: usize = 1024;

impl Workload for Bulk {
    fn name(&self) -> &'static str {
        "bulk"
    }

    fn about(&self) -> &'static str {
        "50,000 rows like those of OVN's southbound database in one transaction, and all of them by monitor"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new("insert", Unit::Milliseconds, "the transaction"),
            Figure::new("download", Unit::Milliseconds, "the monitor"),
        ];
        FIGURES
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let count = bench.size().of(ROWS);
        let request = network(0, count);
        let mut client = bench.client()?;
        client.reserve(REPLY_BYTES * count);

        let section = bench.section(Probe::Write)?;
        let reply = client.call_raw("transact", &request)?;
        let insert = section.end()?;
        let Message::Reply { result, .. } = Message::parse(reply).map_err(ClientError::from)?
        else {
            return Err(WorkloadError::Rows {
                expected: count,
                found: 0,
            });
        };
        succeeded(&result, count)?;
        expect_rows(count, bench.client()?.count(&NETWORK_TABLES)?)?;

        let request = "[\"Bench\",null,{\"Datapath\":{},\"Flow\":{},\"Port\":{}}]";
        let section = bench.section(Probe::Read)?;
        let reply = client.call_raw("monitor", request)?;
        let download = section.end()?;
        contents::check(reply, &NETWORK_TABLES, count)?;
        bench.record("insert", insert.ms(), &insert);
        bench.record("download", download.ms(), &download);
        Ok(())
    }
}
