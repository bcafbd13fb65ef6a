//! A process that has few file descriptors left: files in memory take none of them.
//!
//! Alone in its program, because the limit is that of a process.

use std::os::unix::net::UnixStream;

use ovsdb_net::MemoryFile;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn the_last_descriptors_are_left_to_sockets() {
    let few = Rlimit {
        current: Some(64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, few).expect("a lower limit");
    let files: Vec<MemoryFile> = std::iter::from_fn(|| MemoryFile::of(b"{}").ok()).collect();
    assert!(files.len() < 64);
    for _ in 0..2 {
        let sockets = UnixStream::pair().expect("room for a pair of sockets");
        MemoryFile::of(b"{}").expect_err("there are few descriptors");
        std::mem::forget(sockets);
    }
    drop(files);
}
