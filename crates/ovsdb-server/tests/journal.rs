//! A journal in a file whose syncs end in an order of the test's choosing.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use ovsdb_server::file;
use ovsdb_server::journal::{
    FileJournal, Journal, JournalError, NewRecord, Proposal, SyncHere, Ticket,
};
use ovsdb_testkit::disk::{Errno, Fault, Held, Kind, Operation, SimulatedDisk};

const NAME: &str = "/data/db";

/// Whether this syncs the file that was there at first.
fn is_old_sync(operation: &Operation<'_>) -> bool {
    operation.kind == Kind::Sync && !operation.is_of_replacement()
}

struct Fixture {
    disk: SimulatedDisk,
    journal: FileJournal,
    woken: Receiver<()>,
    /// All records so far, the schema first.
    records: Vec<String>,
}

impl Fixture {
    fn new() -> Fixture {
        let disk = SimulatedDisk::new(5);
        let fs = Arc::new(disk.clone());
        file::create_on(fs.clone(), Path::new(NAME), &support::schema("D")).expect("a new file");
        let loaded = file::load_to_serve_on(fs, Path::new(NAME)).expect("a sound file");
        let (wake, woken) = mpsc::channel();
        let wake = move || wake.send(()).unwrap_or(());
        let journal = FileJournal::new(loaded.log, loaded.records, loaded.id, Arc::new(wake));
        Fixture {
            disk,
            journal: journal.expect("a thread"),
            woken,
            records: vec![support::schema("D").to_json().to_string()],
        }
    }

    /// Writes a durable record; what is to be done for its answer, if that is left to the caller.
    fn write(&mut self, n: u32) -> (Ticket, Option<SyncHere>) {
        let row = format!(r#"{{"T":{{"00000000-0000-4000-8000-{n:012}":{{"name":"{n}"}}}}}}"#);
        let proposal = self
            .journal
            .propose(NewRecord::Whole(row.clone().into_bytes()), true);
        self.records.push(row);
        assert!(matches!(proposal, Proposal::Staged));
        let flushed = self.journal.flush(&mut || true).expect("it can be written");
        (flushed.ticket.expect("it is durable"), flushed.sync)
    }

    /// What has been answered, an error by its text.
    fn answers(&mut self) -> Vec<(Ticket, Result<(), String>)> {
        let answers = self.journal.answers().into_iter();
        let text = |error: JournalError| error.to_string();
        answers
            .map(|(ticket, answer)| (ticket, answer.map_err(text)))
            .collect()
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        let replacement = self.journal.begin_compaction()?;
        let mut replacement = replacement.expect("a file has records");
        for record in &self.records {
            replacement.append(format!("{record}\n").as_bytes())?;
        }
        self.journal.finish_compaction(replacement)
    }

    /// Two durable records whose syncs have not begun: the first one's is left to the caller, the other's waits.
    fn two_unsynced(&mut self) -> (Ticket, Ticket, SyncHere, Held) {
        // How long a sync takes is known after the first.
        let (ticket, sync) = self.write(0);
        assert!(sync.is_none());
        self.woken.recv().expect("a sync ends");
        assert_eq!(self.answers(), [(ticket, Ok(()))]);
        let held = self.disk.faults.hold(is_old_sync);
        let (first, sync) = self.write(1);
        let sync = sync.expect("the disk is quick, and nobody else waits for it");
        let (second, none) = self.write(2);
        assert!(none.is_none());
        held.wait_for_one();
        (first, second, sync, held)
    }

    /// The records that the next process finds after a power cut; the worst of some.
    fn rows_after_power_cuts(&self) -> usize {
        let rows = (0..50).map(|seed| {
            let disk = Arc::new(self.disk.power_cut(seed));
            let loaded = file::load_to_serve_on(disk, Path::new(NAME)).expect("a sound file");
            loaded.database.rows()
        });
        rows.min().expect("some power cuts")
    }
}

#[test]
fn a_sync_that_succeeds_after_one_that_failed_saves_nothing_of_the_same_file() {
    let mut fixture = Fixture::new();
    let (_, second, sync, held) = fixture.two_unsynced();
    // Both are carried over to a new file, whose name may not last.
    let mut old_syncs = 0;
    fixture.disk.faults.script(move |operation| {
        let is_first = is_old_sync(operation) && {
            old_syncs += 1;
            old_syncs == 1
        };
        let fails = is_first || operation.kind == Kind::SyncDirectory;
        fails.then_some(Fault::Error(Errno::EIO))
    });
    fixture.compact().expect_err("the folder cannot be synced");
    drop(held);
    fixture.woken.recv().expect("a sync ends");
    assert_eq!(fixture.answers(), [], "neither file is safe");
    assert!(fixture.journal.needs_compaction());
    // The system has told of the failure, and has nothing left to write.
    sync.run();
    assert_eq!(
        fixture.answers(),
        [],
        "the old file is no safer than before"
    );
    assert!(fixture.rows_after_power_cuts() < 3, "something can be lost");

    fixture.disk.faults.heal();
    fixture.compact().expect("the disk works again");
    assert_eq!(fixture.answers(), [(second, Ok(()))]);
    assert_eq!(fixture.rows_after_power_cuts(), 3);
}

#[test]
fn what_is_in_two_files_is_accepted_as_the_old_one_becomes_safe() {
    let mut fixture = Fixture::new();
    let (first, second, sync, held) = fixture.two_unsynced();
    fixture
        .disk
        .faults
        .fail_when(Fault::Error(Errno::EIO), |operation| {
            operation.kind == Kind::SyncDirectory
        });
    fixture.compact().expect_err("the folder cannot be synced");
    assert_eq!(fixture.answers(), []);
    drop(held);
    fixture.woken.recv().expect("a sync ends");
    assert!(first < second);
    assert_eq!(fixture.answers(), [(second, Ok(()))]);
    sync.run();
    assert_eq!(fixture.answers(), []);
    assert_eq!(fixture.rows_after_power_cuts(), 3);
}
