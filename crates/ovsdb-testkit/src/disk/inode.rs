//! The contents of one simulated file: what can be read, what the disk has, and the changes between the two.
//!
//! A disk writes sectors, each whole or not at all, in any order, and a sector that was changed several times with the
//! contents that it had after any of them. The length is one that the file had at some time since the last sync.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

/// What a disk writes as a whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug)]
enum What {
    Write(Vec<u8>),
    /// Everything from the offset to here becomes zeros, or goes away.
    Clear(usize),
}

#[derive(Clone, Debug)]
struct Change {
    offset: usize,
    what: What,
    /// The file's length after it.
    length: usize,
}

impl Change {
    fn end(&self) -> usize {
        match &self.what {
            What::Write(bytes) => self.offset + bytes.len(),
            What::Clear(end) => *end,
        }
    }

    /// Does what concerns the bytes from `start` to `end`.
    fn apply(&self, data: &mut Vec<u8>, start: usize, end: usize) {
        let (from, to) = (self.offset.max(start), self.end().min(end));
        if from >= to {
            return;
        }
        if data.len() < to {
            data.resize(to, 0);
        }
        match &self.what {
            What::Write(bytes) => {
                let bytes = &bytes[from - self.offset..to - self.offset];
                data[from..to].copy_from_slice(bytes);
            }
            What::Clear(_) => data[from..to].fill(0),
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<Change>,
    /// How many changes there were before those.
    earlier: u64,
    /// How many have it open.
    pub(super) opened: usize,
}

impl Inode {
    /// A file that is on the disk.
    pub(super) fn on_disk(data: Vec<u8>) -> Inode {
        Inode {
            now: data.clone(),
            durable: data,
            ..Inode::default()
        }
    }

    /// What can be read.
    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    /// What the disk has.
    pub(super) fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// How many changes there have been.
    pub(super) fn changes(&self) -> u64 {
        self.earlier + self.changes.len() as u64
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[offset..end].copy_from_slice(bytes);
        self.changes.push(Change {
            offset,
            what: What::Write(bytes.to_vec()),
            length: self.now.len(),
        });
    }

    pub(super) fn set_length(&mut self, length: usize) {
        let before = self.now.len();
        self.now.resize(length, 0);
        self.changes.push(Change {
            offset: length.min(before),
            what: What::Clear(length.max(before)),
            length,
        });
    }

    /// The changes up to number `upto` have reached the disk.
    pub(super) fn sync(&mut self, upto: u64) {
        let count = (upto.saturating_sub(self.earlier) as usize).min(self.changes.len());
        for change in self.changes.drain(..count) {
            change.apply(&mut self.durable, 0, usize::MAX);
            self.durable.resize(change.length, 0);
        }
        self.earlier += count as u64;
    }

    /// A sync of the changes up to number `upto` has failed. Part of them has reached the disk; the rest never will. If
    /// `is_discarded`, the rest cannot be read any more either.
    pub(super) fn forget(&mut self, upto: u64, is_discarded: bool, random: &mut StdRng) {
        let count = (upto.saturating_sub(self.earlier) as usize).min(self.changes.len());
        let rest = self.changes.split_off(count);
        self.durable = self.after_power_cut(random);
        self.earlier += count as u64;
        self.changes = rest;
        if is_discarded {
            self.now = self.durable.clone();
            for change in &self.changes {
                change.apply(&mut self.now, 0, usize::MAX);
                self.now.resize(change.length, 0);
            }
        }
    }

    /// What the disk may have after a power cut.
    pub(super) fn after_power_cut(&self, random: &mut StdRng) -> Vec<u8> {
        let mut data = self.durable.clone();
        let mut length = data.len();
        // Every other time one end of what may happen: nothing or everything has arrived.
        match random.random_range(0..4) {
            0 => return data,
            1 => {
                for change in &self.changes {
                    change.apply(&mut data, 0, usize::MAX);
                    data.resize(change.length, 0);
                }
                return data;
            }
            _ => {}
        }
        let mut of_sector: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
        for change in &self.changes {
            let sectors = change.offset / SECTOR_BYTES..change.end().div_ceil(SECTOR_BYTES);
            for sector in sectors {
                of_sector.entry(sector).or_default().push(change);
            }
        }
        for (sector, changes) in of_sector {
            let arrived = random.random_range(0..=changes.len());
            let start = sector * SECTOR_BYTES;
            for change in &changes[..arrived] {
                change.apply(&mut data, start, start + SECTOR_BYTES);
            }
        }
        // What was allocated and not written holds what the disk had there before: zeros at best.
        let survived = random.random_range(0..=self.changes.len());
        if let Some(last) = survived.checked_sub(1) {
            length = self.changes[last].length;
        }
        data.resize(length, 0);
        data
    }
}
