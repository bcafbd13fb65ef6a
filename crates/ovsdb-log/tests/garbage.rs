//! Whatever a file holds: reading ends, gives whole records only, and what is appended afterwards can be read.

use std::fs;
use std::path::Path;

use ovsdb_log::{LockPolicy, Log, OpenMode, STANDALONE_MAGIC};
use proptest::prelude::*;

fn open(path: &Path) -> Option<Log> {
    Log::open(
        path,
        OpenMode::ReadWrite,
        &[STANDALONE_MAGIC],
        LockPolicy::Never,
    )
    .ok()
}

fn payloads(log: &mut Log) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Ok(Some(record)) = log.read() {
        found.push(record.payload);
    }
    found
}

/// What is done to a good file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Change(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
}

impl Damage {
    fn apply(&self, mut contents: Vec<u8>) -> Vec<u8> {
        let length = contents.len();
        match self {
            Damage::Cut(at) => contents.truncate(at % (length + 1)),
            Damage::Change(at, byte) => contents[at % length] ^= byte,
            Damage::Insert(at, bytes) => {
                let at = at % (length + 1);
                contents.splice(at..at, bytes.iter().copied());
            }
            Damage::Remove(at, count) => {
                let at = at % length;
                contents.drain(at..(at + count).min(length));
            }
        }
        contents
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..40),
        Just(b"OVSDB JSON 3 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n{}\n".to_vec()),
        Just(b"OVSDB JSON 99999999999999 5f36b2ea290645ee34d943220a14b54ee5ea5be5\n".to_vec()),
        Just(b"OVSDB ".to_vec()),
        Just(b"\n".to_vec()),
    ];
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), 1..=u8::MAX).prop_map(|(at, byte)| Damage::Change(at, byte)),
        (any::<usize>(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), 1..200usize).prop_map(|(at, count)| Damage::Remove(at, count)),
    ]
}

proptest! {
    #[test]
    fn damaged_log_gives_its_records_up_to_the_damage_and_can_be_written_to(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 1..6),
        damage in damage(),
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("db");
        let mut log = Log::open(&path, OpenMode::CreateExcl, &[STANDALONE_MAGIC], LockPolicy::Never)
            .expect("a new file");
        let mut ends = Vec::new();
        for record in &records {
            log.append(record).expect("a healthy disk");
            ends.push(log.offset() as usize);
        }
        drop(log);
        let good = fs::read(&path).expect("it has just been written");
        let bad = damage.apply(good.clone());
        fs::write(&path, &bad).expect("a healthy disk");

        let Some(mut log) = open(&path) else {
            prop_assert!(!bad.starts_with(&good[..ends[0]]), "the first record is as it was");
            return Ok(());
        };
        let found = payloads(&mut log);
        let untouched = good.iter().zip(&bad).take_while(|(a, b)| a == b).count();
        let whole = ends.iter().take_while(|end| **end <= untouched).count();
        prop_assert!(found.len() >= whole);
        prop_assert_eq!(&found[..whole], &records[..whole]);
        // Beyond the damage only what was written, or put there on purpose, can come out.
        let planted = b"{}\n".to_vec();
        let invented = found[whole..].iter().find(|payload| **payload != planted && !records.contains(payload));
        prop_assert_eq!(invented, None);

        log.append(b"{\"new\":1}\n").expect("a healthy disk");
        drop(log);
        let mut expect = found;
        expect.push(b"{\"new\":1}\n".to_vec());
        let mut log = open(&path).expect("it can be written to, so it can be read");
        prop_assert_eq!(payloads(&mut log), expect);
        prop_assert_eq!(log.read(), Ok(None));
    }

    #[test]
    fn file_of_anything_is_refused_or_read(contents in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("db");
        fs::write(&path, &contents).expect("a healthy disk");
        if let Some(mut log) = open(&path) {
            prop_assert_eq!(payloads(&mut log), Vec::<Vec<u8>>::new());
            prop_assert!(contents.is_empty() || contents.starts_with(b"OVSDB JSON "));
        }
    }
}
