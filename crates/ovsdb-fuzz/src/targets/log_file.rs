//! A file is refused, or its good records are read, and stay where they are when another follows them.

use std::path::Path;

use ovsdb_log::{LockPolicy, Log, OpenMode, STANDALONE_MAGIC};

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
}

/// See the module's documentation. The input is the file.
pub fn run(input: &[u8]) {
    FOLDER.with(|folder| {
        let path = folder.path().join("fuzz.db");
        std::fs::write(&path, input).expect("the folder takes files");
        let Some(before) = records(&path, None) else {
            return;
        };
        let added = br#"{"added":true}"#;
        let same = records(&path, Some(added)).expect("it was opened before");
        assert_eq!(before, same, "reading changes nothing");
        let after = records(&path, None).expect("it was opened before");
        assert_eq!(
            after.split_last(),
            Some((&added.to_vec(), before.as_slice()))
        );
        // The whole way to a database; what is wrong with it is said.
        if let Ok(loaded) = ovsdb_server::file::load_to_serve(&path) {
            loaded
                .database
                .check_consistency()
                .expect("what was loaded is consistent");
        }
    });
}

/// The good records of a file, to which `added` is then appended. `None` if it cannot be opened as a database file.
fn records(path: &Path, added: Option<&[u8]>) -> Option<Vec<Vec<u8>>> {
    let magics = &[STANDALONE_MAGIC];
    let mut log = Log::open(path, OpenMode::ReadWrite, magics, LockPolicy::Never).ok()?;
    let mut records = Vec::new();
    while let Ok(Some(record)) = log.read() {
        records.push(record.payload);
    }
    if let Some(added) = added {
        log.append(added).expect("the disk takes it");
        log.commit().expect("the disk keeps it");
    }
    Some(records)
}
