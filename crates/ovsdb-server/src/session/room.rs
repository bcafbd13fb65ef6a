//! Memory for one of the longest messages, which takes no more of it than has come into it, and gives all of that back to the
//! system when it goes.
//!
//! The allocator would keep what is freed for a while, and then have whoever asks for memory next give it back: another client
//! would wait for that, and who sends such messages one after the other would have the server take half as much memory again
//! as messages may take. To give back a gibibyte in one call is no good either: the system does nothing else on that processor
//! meanwhile. So it goes piece by piece.

use std::sync::LazyLock;

use mmap_rs::{MmapFlags, MmapMut, MmapOptions};
use rustix::process::{Resource, getrlimit};

/// How much is given back at a time, in bytes: a multiple of the size of any page.
const PIECE_BYTES: usize = 2 << 20;

/// Whether addresses cost nothing. Where they are limited, or count as if they were used, clients that send the beginnings of
/// long messages would take so many of them that others, and the server itself, get no memory any more.
static ADDRESSES_ARE_FREE: LazyLock<bool> = LazyLock::new(|| {
    let is_unlimited = |of| getrlimit(of).current.is_none();
    let all_counts = std::fs::read_to_string("/proc/sys/vm/overcommit_memory")
        .is_ok_and(|mode| mode.trim() == "2");
    is_unlimited(Resource::As) && is_unlimited(Resource::Data) && !all_counts
});

/// See the module's documentation.
pub(super) struct Room {
    /// There until it is dropped.
    map: Option<MmapMut>,
}

impl Room {
    /// Room for so many bytes and somewhat more; `None` if the system has none, or not enough to be lavish with.
    pub(super) fn of(bytes: usize) -> Option<Room> {
        if !*ADDRESSES_ARE_FREE {
            return None;
        }
        let whole = bytes.checked_next_multiple_of(PIECE_BYTES)?;
        let options = MmapOptions::new(whole).ok()?;
        // It counts as used where it is.
        let map = options.with_flags(MmapFlags::NO_RESERVE).map_mut().ok()?;
        Some(Room { map: Some(map) })
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl AsMut<[u8]> for Room {
    fn as_mut(&mut self) -> &mut [u8] {
        self.map.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some(mut map) = self.map.take() else {
            return;
        };
        // What cannot be cut off goes as a whole in the end.
        while map.size() > PIECE_BYTES
            && let Ok(piece) = map.split_off(map.size() - PIECE_BYTES)
        {
            drop(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory is in use where the process has mapped this address, in KiB; `None` if it has mapped nothing there.
    fn resident(address: usize) -> Option<u64> {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("a process");
        let mut is_there = false;
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace();
            let first = words.next().unwrap_or_default();
            if let Some((begin, end)) = first.split_once('-') {
                let [begin, end] = [begin, end].map(|it| usize::from_str_radix(it, 16));
                is_there =
                    (begin.expect("hexadecimal")..end.expect("hexadecimal")).contains(&address);
            } else if is_there && first == "Rss:" {
                return words.next()?.parse().ok();
            }
        }
        None
    }

    #[test]
    fn room_takes_the_memory_that_is_used_and_gives_all_of_it_back() {
        const BYTES: usize = (1 << 30) + 12_345;
        const USED: usize = 64 << 20;
        let mut room = Room::of(BYTES).expect("addresses");
        assert!(room.as_ref().len() >= BYTES);
        let address = room.as_ref().as_ptr().addr();
        let used = || resident(address).unwrap_or(0) << 10;
        assert!(used() < 1 << 20, "{} of nothing", used());
        room.as_mut()[..USED].fill(1);
        assert!(used() >= USED as u64, "{} of {USED}", used());
        assert!(used() < 2 * USED as u64, "{} of {USED}", used());
        assert!(room.as_ref()[..USED].iter().all(|byte| *byte == 1));
        assert_eq!(room.as_ref()[USED], 0);
        drop(room);
        // Somebody else may have got the address meanwhile.
        assert!(used() < USED as u64 / 2, "{} are left", used());
    }

    /// Set in a process that has less memory than it might have.
    const IS_LIMITED: &str = "OVSDB_TEST_ROOM_IS_LIMITED";

    #[test]
    fn where_addresses_are_limited_no_room_is_taken() {
        if std::env::var_os(IS_LIMITED).is_some() {
            assert!(Room::of(1).is_none());
            return;
        }
        assert!(Room::of(1).is_some());
        let this = std::env::current_exe().expect("a program");
        let name = "session::room::tests::where_addresses_are_limited_no_room_is_taken";
        for limit in ["-v", "-d"] {
            // 32 GiB: more than the test needs by far.
            let script = format!("ulimit {limit} 33554432 && exec \"$0\" --exact {name}");
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .arg(&this)
                .env(IS_LIMITED, "")
                .output()
                .expect("there is a shell");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{limit}: {text}");
            assert!(text.contains("1 passed"), "{limit}: {text}");
        }
    }

    #[test]
    fn what_no_system_has_is_done_without() {
        assert!(Room::of(usize::MAX).is_none());
        assert!(Room::of(usize::MAX / 2).is_none());
    }
}
