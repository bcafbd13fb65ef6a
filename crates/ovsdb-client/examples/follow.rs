//! Follows all of a database and says what that costs: `follow SERVER DATABASE [CHANGES]`.
//!
//! Prints a line when the contents are there, and one after so many changes of rows; then it ends. Figures are of this process:
//! time since its start, processor time, and the most memory that it had at once.

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use ovsdb_client::Client;
use ovsdb_client::replica::{Interest, Limits, Replica};
use ovsdb_proto::schema::Selection;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (server, database, changes) = match arguments.as_slice() {
        [server, database] => (server, database, 0),
        [server, database, changes] => match changes.parse() {
            Ok(changes) => (server, database, changes),
            Err(error) => {
                eprintln!("{changes}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!("usage: follow SERVER DATABASE [CHANGES]");
            return ExitCode::FAILURE;
        }
    };
    match follow(server, database, changes).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn follow(
    server: &str,
    database: &str,
    changes: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let client = Client::builder(server).database(database).start()?;
    let replica = Replica::start(
        client.attach(),
        database,
        Selection::all(),
        Limits::default(),
    );
    let rows = replica.live(None).await?.n_rows();
    println!("{rows} rows: {}", cost(began)?);
    let mut watcher = replica.watch(Interest::all());
    let mut seen = 0;
    while seen < changes {
        let next = watcher.next().await?;
        seen += next.iter(watcher.interest()).count();
    }
    if changes > 0 {
        println!("{seen} changes: {}", cost(began)?);
    }
    Ok(())
}

/// What this process has cost so far.
fn cost(began: Instant) -> Result<String, Box<dyn std::error::Error>> {
    let schedule = fs::read_to_string("/proc/self/schedstat")?;
    let ran_ns: u64 = schedule
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .parse()?;
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse().unwrap_or(0)).sum();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap_or_default().trim();
    Ok(format!(
        "{:.2} s, {:.2} s of processor time ({:.3} s of the first thread), at most {peak}",
        began.elapsed().as_secs_f64(),
        ticks as f64 / 100.0,
        ran_ns as f64 / 1e9,
    ))
}
