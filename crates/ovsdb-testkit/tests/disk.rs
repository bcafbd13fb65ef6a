//! The simulated disk keeps what it says, and loses what it may.

use std::collections::BTreeSet;
use std::path::Path;

use ovsdb_log::{Access, File, FileSystem};
use ovsdb_testkit::disk::{Errno, Fault, Kind, SECTOR_BYTES, SimulatedDisk};

const NAME: &str = "/folder/file";

fn create(disk: &SimulatedDisk) -> std::sync::Arc<dyn File> {
    disk.open(Path::new(NAME), Access::Create)
        .expect("a healthy disk")
}

fn sync_folder(disk: &SimulatedDisk) {
    disk.sync_directory(Path::new("/folder"))
        .expect("a healthy disk");
}

/// Everything that a power cut may leave of the file, as far as some hundred seeds find it.
fn after_power_cuts(disk: &SimulatedDisk) -> BTreeSet<Option<Vec<u8>>> {
    (0..400)
        .map(|seed| disk.power_cut(seed).content(NAME))
        .collect()
}

#[test]
fn a_file_needs_its_own_sync_and_that_of_its_folder_to_be_safe() {
    let disk = SimulatedDisk::new(0);
    let file = create(&disk);
    file.write_at(b"abc", 0).expect("a healthy disk");
    let all = [None, Some(vec![]), Some(b"abc".to_vec())];
    let any = after_power_cuts(&disk);
    assert!(all.iter().all(|one| any.contains(one)), "{any:?}");
    file.sync_data().expect("a healthy disk");
    let expect = BTreeSet::from([None, Some(b"abc".to_vec())]);
    assert_eq!(after_power_cuts(&disk), expect);
    sync_folder(&disk);
    let expect = BTreeSet::from([Some(b"abc".to_vec())]);
    assert_eq!(after_power_cuts(&disk), expect);
    assert_eq!(disk.after_kill(0).content(NAME), Some(b"abc".to_vec()));
}

#[test]
fn unsynced_sectors_arrive_in_any_order_each_as_after_any_write() {
    let disk = SimulatedDisk::new(0);
    let file = create(&disk);
    sync_folder(&disk);
    file.write_at(&[b'-'; 3 * SECTOR_BYTES], 0)
        .expect("a healthy disk");
    file.sync_data().expect("a healthy disk");
    file.write_at(&[b'a'; 2 * SECTOR_BYTES], 0)
        .expect("a healthy disk");
    file.write_at(&[b'b'; 2 * SECTOR_BYTES], SECTOR_BYTES as u64)
        .expect("a healthy disk");
    let mut seen = BTreeSet::new();
    for content in after_power_cuts(&disk) {
        let content = content.expect("its name is safe");
        assert_eq!(content.len(), 3 * SECTOR_BYTES);
        let sectors = content.chunks(SECTOR_BYTES);
        let sectors: Vec<u8> = sectors
            .map(|sector| {
                assert!(
                    sector.iter().all(|byte| *byte == sector[0]),
                    "a torn sector"
                );
                sector[0]
            })
            .collect();
        seen.insert(String::from_utf8(sectors).expect("letters"));
    }
    let product = |first: &[u8], second: &[u8], third: &[u8]| {
        let mut all = BTreeSet::new();
        for a in first {
            for b in second {
                all.extend(
                    third
                        .iter()
                        .map(|c| String::from_utf8(vec![*a, *b, *c]).expect("letters")),
                );
            }
        }
        all
    };
    assert_eq!(seen, product(b"-a", b"-ab", b"-b"));
}

#[test]
fn a_cut_that_was_not_synced_may_be_undone() {
    let disk = SimulatedDisk::new(0);
    let file = create(&disk);
    sync_folder(&disk);
    file.write_at(b"abcdef", 0).expect("a healthy disk");
    file.sync_data().expect("a healthy disk");
    file.set_len(3).expect("a healthy disk");
    let any = after_power_cuts(&disk);
    assert!(any.contains(&Some(b"abcdef".to_vec())), "{any:?}");
    assert!(any.contains(&Some(b"abc".to_vec())), "{any:?}");
    file.sync_data().expect("a healthy disk");
    let expect = BTreeSet::from([Some(b"abc".to_vec())]);
    assert_eq!(after_power_cuts(&disk), expect);
}

#[test]
fn names_change_in_order() {
    let disk = SimulatedDisk::new(0);
    disk.put(NAME, "old");
    let new = Path::new("/folder/file.tmp");
    let file = disk.open(new, Access::CreateNew).expect("a healthy disk");
    file.write_at(b"new", 0).expect("a healthy disk");
    file.sync_data().expect("a healthy disk");
    disk.rename(new, Path::new(NAME)).expect("a healthy disk");
    let expect = [b"old", b"new"].map(|text| Some(text.to_vec()));
    assert_eq!(after_power_cuts(&disk), BTreeSet::from(expect));
    for seed in 0..100 {
        let after = disk.power_cut(seed);
        let both = after.names().len() == 2;
        assert!(!both || after.content(NAME) == Some(b"old".to_vec()));
    }
}

#[test]
fn a_failed_sync_saves_a_part_and_the_rest_only_if_it_says_so() {
    // What can be read after it, and whether a later sync saves everything.
    for (fault, is_kept) in [
        (Fault::Forgotten(Errno::EIO), false),
        (Fault::Error(Errno::EIO), false),
        (Fault::Discarded(Errno::EIO), false),
        (Fault::Kept(Errno::EIO), true),
    ] {
        let mut saved = BTreeSet::new();
        for seed in 0..100 {
            let disk = SimulatedDisk::new(seed);
            let file = create(&disk);
            sync_folder(&disk);
            file.write_at(b"abc", 0).expect("a healthy disk");
            disk.faults.fail_next(fault);
            assert!(file.sync_data().is_err());
            file.sync_data().expect("the fault is over");
            let durable = disk.durable_content(NAME).expect("it is there");
            match fault {
                Fault::Discarded(_) => assert_eq!(disk.content(NAME), Some(durable.clone())),
                _ => assert_eq!(disk.content(NAME), Some(b"abc".to_vec())),
            }
            saved.insert(durable == b"abc");
        }
        let expect = if is_kept {
            vec![true]
        } else {
            vec![false, true]
        };
        assert_eq!(saved, BTreeSet::from_iter(expect), "{fault:?}");
    }
}

#[test]
fn a_held_sync_saves_what_was_written_before_it() {
    let disk = SimulatedDisk::new(0);
    let file = create(&disk);
    file.write_at(b"abc", 0).expect("a healthy disk");
    let held = disk.faults.hold(|operation| operation.kind == Kind::Sync);
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| file.sync_data());
        held.wait_for_one();
        file.write_at(b"def", 3).expect("a healthy disk");
        drop(held);
        syncing.join().expect("no panic").expect("a healthy disk");
    });
    assert_eq!(disk.durable_content(NAME), Some(b"abc".to_vec()));
    assert_eq!(disk.content(NAME), Some(b"abcdef".to_vec()));
}

#[test]
fn a_full_disk_takes_what_fits_until_there_is_room_again() {
    let disk = SimulatedDisk::new(0);
    disk.put("/folder/other", "1234");
    disk.set_capacity_bytes(Some(8));
    let file = create(&disk);
    assert_eq!(file.write_at(b"abcdef", 0).ok(), Some(4));
    let full = file.write_at(b"ef", 4).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(Errno::ENOSPC as i32));
    assert_eq!(
        file.write_at(b"ABCD", 0).ok(),
        Some(4),
        "overwriting is free"
    );
    disk.remove(Path::new("/folder/other"))
        .expect("a healthy disk");
    assert_eq!(file.write_at(b"ef", 4).ok(), Some(2));
    assert_eq!(disk.used_bytes(), 6);
}

#[test]
fn the_same_seed_leads_to_the_same_disk() {
    let run = |seed: u64| {
        let disk = SimulatedDisk::new(seed);
        let file = create(&disk);
        disk.faults.fail_when(Fault::Short, |_| true);
        for n in 0..20u8 {
            file.write_at(&[n; 3000], u64::from(n) * 1000)
                .expect("a part at least");
        }
        assert_eq!(disk.faults.fired(), 20);
        (disk.content(NAME), disk.power_cut(seed + 1).content(NAME))
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn a_lock_is_held_until_it_is_dropped_or_its_process_ends() {
    let disk = SimulatedDisk::new(0);
    let path = Path::new(NAME);
    let held = disk.lock(path).expect("nobody has it");
    assert!(disk.lock(path).is_err());
    assert!(disk.after_kill(0).lock(path).is_ok());
    drop(held);
    assert!(disk.lock(path).is_ok());
}
