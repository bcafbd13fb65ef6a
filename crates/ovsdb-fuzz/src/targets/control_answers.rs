//! Whatever a daemon answers to a command, the readers of answers neither panic nor make much of little.

use std::fmt::Debug;

use ovsdb_client::control::{
    ClusterStatus, Commands, Coverage, DatapathStatistics, Datapaths, Memory, SyncStatus, Version,
};

/// What is read may be shown with so many bytes for each byte of the answer.
const SHOWN_BYTES_MAX: usize = 256;

/// See the module's documentation. The input is the text of an answer.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    check(text, |text| Some(Commands::parse(text)), |read| &read.other);
    check(text, |text| Some(Memory::parse(text)), |read| &read.other);
    check(
        text,
        |text| Some(Datapaths::parse(text)),
        |read| &read.other,
    );
    check(
        text,
        |text| Some(DatapathStatistics::parse(text)),
        |read| &read.other,
    );
    check(text, |text| Version::parse(text).ok(), |read| &read.other);
    check(text, |text| Coverage::parse(text).ok(), |read| &read.other);
    check(
        text,
        |text| SyncStatus::parse(text).ok(),
        |read| &read.other,
    );
    check(
        text,
        |text| ClusterStatus::parse(text).ok(),
        |read| &read.other,
    );
}

fn check<T: Debug + PartialEq>(
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    other: impl Fn(&T) -> &Vec<String>,
) {
    let read = parse(text);
    if !text.ends_with('\r') {
        assert_eq!(read, parse(&format!("{text}\n")), "a final line feed");
    }
    let Some(read) = read else { return };
    let bytes = format!("{read:?}").len();
    assert!(
        bytes <= SHOWN_BYTES_MAX * (text.len() + 4),
        "{bytes} bytes from {}: {read:?}",
        text.len()
    );
    let kept: usize = other(&read).iter().map(String::len).sum();
    assert!(kept <= text.len(), "{kept} bytes are kept: {read:?}");
}
