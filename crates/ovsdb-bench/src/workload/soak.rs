//! An hour of everything at once, in the end of which the server must be as it was near the beginning.
//!
//! Writers insert, change and delete, so that the database breathes but does not grow in the long run; watchers come, stay
//! for a while, some of them without reading, and go; the file is compacted again and again. Memory, descriptors and the
//! size of the file are looked at throughout. After a first quarter, in which everything finds its size, their highest
//! values in the second quarter are compared with those in the last. How large the file becomes between two compactions
//! follows from how much was written: of it, the size after a compaction and what a transaction adds are compared.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Bench, Figure, Unit, Workload, WorkloadError, expect_rows, fill, mebibytes};
use crate::client::{Client, ClientError};
use crate::probe::Probe;
use crate::rows::{self, DATABASE};
use crate::socket::Socket;
use crate::watching::{Protocol, one_of};

/// See the module's documentation.
pub(crate) struct Soak;

/// How long it takes.
const SECONDS: usize = 3_600;

/// Rows that are there all the time.
const ROWS: usize = 20_000;

/// Who writes those.
const FILLER: usize = 0;

/// Clients that write, each with rows of its own.
const WRITERS: usize = 4;

/// Rows of a writer that come and go.
const ROWS_OF_WRITER: usize = 2_000;

/// Clients that watch at any moment.
const WATCHERS: usize = 20;

/// From one look at the server to the next.
const LOOK: Duration = Duration::from_secs(1);

/// How much higher than in the second quarter a value may be in the last: by so many percent, and by so much on top.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_BYTES: u64 = 16 << 20;
const GROWTH_DESCRIPTORS: u64 = 8;
const GROWTH_BYTES_OF_TRANSACTION: u64 = 16;

/// The highest values of a quarter.
#[derive(Clone, Copy, Debug, Default)]
struct Highest {
    resident: u64,
    descriptors: u64,
    file: u64,
    /// Size of the file right after a compaction.
    compacted: u64,
    /// Bytes that a transaction adds to the file, on average from one compaction to the next.
    added: u64,
}

impl Workload for Soak {
    fn name(&self) -> &'static str {
        "soak"
    }

    fn about(&self) -> &'static str {
        "an hour of mixed load with growth and compaction (so many percent of it as --scale says)"
    }

    fn figures(&self) -> &'static [Figure] {
        const FIGURES: &[Figure] = &[
            Figure::new(
                "rate",
                Unit::PerSecond,
                "transactions of all writers together",
            ),
            Figure::new(
                "memory_early",
                Unit::Mebibytes,
                "most resident memory in the second quarter",
            ),
            Figure::new(
                "memory_late",
                Unit::Mebibytes,
                "the same in the last quarter",
            ),
            Figure::new(
                "file_early",
                Unit::Mebibytes,
                "greatest size of the file in the second quarter",
            ),
            Figure::new("file_late", Unit::Mebibytes, "the same in the last quarter"),
            Figure::new(
                "compacted_early",
                Unit::Mebibytes,
                "greatest size of the file right after a compaction in the second quarter",
            ),
            Figure::new(
                "compacted_late",
                Unit::Mebibytes,
                "the same in the last quarter",
            ),
        ];
        FIGURES
    }

    fn needs_program(&self) -> bool {
        true
    }

    fn is_for_everyday(&self) -> bool {
        false
    }

    fn run(&self, bench: &mut Bench) -> Result<(), WorkloadError> {
        let rows = bench.size().of(ROWS);
        fill::items(&mut bench.client()?, FILLER, rows, rows)?;
        let length = Duration::from_secs(bench.size().of(SECONDS) as u64);
        let over = AtomicBool::new(false);
        let transactions = AtomicUsize::new(0);
        let method = bench.method();

        let section = bench.section(Probe::Write)?;
        let quarters = std::thread::scope(|scope| -> Result<[Highest; 4], WorkloadError> {
            let writers = (1..=WRITERS)
                .map(|writer| {
                    scope.spawn({
                        let (over, transactions) = (&over, &transactions);
                        move || write(method, writer, over, transactions)
                    })
                })
                .collect::<Vec<_>>();
            let watchers = scope.spawn(|| watch(method, rows, &over));
            let looked = look(bench, length, &transactions);
            over.store(true, Ordering::Release);
            for writer in writers {
                writer.join().map_err(|_| WorkloadError::Thread)??;
            }
            watchers.join().map_err(|_| WorkloadError::Thread)??;
            looked
        })?;
        let effort = section.end()?;

        expect_rows(rows, bench.client()?.count(&["Item"])?)?;
        let [_, early, _, late] = quarters;
        for (what, early, late, slack) in [
            ("memory", early.resident, late.resident, GROWTH_BYTES),
            (
                "the number of descriptors",
                early.descriptors,
                late.descriptors,
                GROWTH_DESCRIPTORS,
            ),
            (
                "the compacted file",
                early.compacted,
                late.compacted,
                GROWTH_BYTES,
            ),
            (
                "what a transaction adds to the file",
                early.added,
                late.added,
                GROWTH_BYTES_OF_TRANSACTION,
            ),
        ] {
            // Where the machine stands still for a quarter there is nothing to compare with.
            if early > 0 && late > early * (100 + GROWTH_PERCENT) / 100 + slack {
                return Err(WorkloadError::Growth { what, early, late });
            }
        }
        bench.record("rate", effort.rate(transactions.into_inner()), &effort);
        for (figure, bytes) in [
            ("memory_early", early.resident),
            ("memory_late", late.resident),
            ("file_early", early.file),
            ("file_late", late.file),
            ("compacted_early", early.compacted),
            ("compacted_late", late.compacted),
        ] {
            bench.record(figure, mebibytes(bytes), &effort);
        }
        Ok(())
    }
}

/// Looks at the server for so long, and has its file compacted sixteen times meanwhile.
fn look(
    bench: &Bench,
    length: Duration,
    transactions: &AtomicUsize,
) -> Result<[Highest; 4], WorkloadError> {
    let begin = Instant::now();
    let mut quarters = [Highest::default(); 4];
    let mut compactions = 0;
    let (mut compacted, mut transactions_before) = (bench.server().file_bytes()?, 0);
    while begin.elapsed() < length {
        std::thread::sleep(LOOK.min(length / 64));
        let part = begin.elapsed().as_secs_f64() / length.as_secs_f64();
        let quarter = &mut quarters[((part * 4.0) as usize).min(3)];
        quarter.resident = quarter.resident.max(bench.server().resident_bytes()?);
        quarter.file = quarter.file.max(bench.server().file_bytes()?);
        let descriptors = bench
            .server()
            .process()
            .and_then(|process| process.descriptors());
        quarter.descriptors = quarter.descriptors.max(descriptors.unwrap_or(0));
        // Late in each sixteenth, so that each quarter sees the file at its greatest.
        if part * 16.0 > f64::from(compactions) + 0.9 {
            compactions += 1;
            let grown = bench.server().file_bytes()?.saturating_sub(compacted);
            let transactions_now = transactions.load(Ordering::Relaxed);
            let since = (transactions_now - transactions_before).max(1) as u64;
            quarter.added = quarter.added.max(grown / since);
            bench.server().compact()?;
            compacted = bench.server().file_bytes()?;
            transactions_before = transactions_now;
            quarter.compacted = quarter.compacted.max(compacted);
        }
    }
    Ok(quarters)
}

/// Inserts rows, changes them, and deletes them, until it is over; in the end there are none.
fn write(
    method: &str,
    writer: usize,
    over: &AtomicBool,
    transactions: &AtomicUsize,
) -> Result<(), ClientError> {
    let mut client = Client::connect(method)?;
    let clause = |number: usize| format!("[[\"name\",\"==\",\"item-{writer}-{number}\"]]");
    let mut number = 0;
    let mut transact = |params: &str| {
        transactions.fetch_add(1, Ordering::Relaxed);
        client.transact(params)
    };
    while !over.load(Ordering::Acquire) {
        transact(&rows::item(writer, number, number % 64 == 0))?;
        let row = clause(number / 2);
        if number >= ROWS_OF_WRITER {
            let old = clause(number - ROWS_OF_WRITER);
            transact(&format!(
                "[\"{DATABASE}\",{{\"op\":\"delete\",\"table\":\"Item\",\"where\":{old}}}]"
            ))?;
        }
        transact(&format!(
            "[\"{DATABASE}\",{{\"op\":\"mutate\",\"table\":\"Item\",\"where\":{row},\"mutations\":[[\"value\",\"+=\",1],\
             [\"tags\",\"insert\",\"t{}\"],[\"tags\",\"delete\",\"t{}\"]]}}]",
            number % 100,
            (number + 50) % 100
        ))?;
        number += 1;
    }
    for number in number.saturating_sub(ROWS_OF_WRITER)..number {
        let row = clause(number);
        transact(&format!(
            "[\"{DATABASE}\",{{\"op\":\"delete\",\"table\":\"Item\",\"where\":{row}}}]"
        ))?;
    }
    Ok(())
}

/// Clients that watch: each for a while, one in four without ever reading, until it is over.
fn watch(method: &str, rows: usize, over: &AtomicBool) -> Result<(), ClientError> {
    let mut watchers: Vec<(Socket, bool)> = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    for number in 0_usize.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let protocol = [Protocol::Monitor, Protocol::Cond, Protocol::Since][number % 3];
        let requests = match protocol {
            Protocol::Monitor => String::from("{\"Item\":{}}"),
            _ => format!(
                "{{\"Item\":{{\"where\":[{}]}}}}",
                one_of((0..50).map(|value| (number + value) % rows))
            ),
        };
        let request = format!(
            "{{\"id\":1,\"method\":\"{}\",\"params\":{}}}",
            protocol.method(),
            protocol.params(&requests)
        );
        let mut socket = Socket::connect_nonblocking(method)?;
        // A new socket has room for it.
        socket.write_all(request.as_bytes())?;
        watchers.push((socket, number % 4 != 3));
        if watchers.len() > WATCHERS {
            watchers.remove(0);
        }
        for _ in 0..50 {
            for (socket, reads) in &mut watchers {
                if *reads {
                    socket.drain(&mut buffer)?;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
