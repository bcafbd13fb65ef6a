//! A file system in memory whose operations fail on demand, and whose power can be cut.
//!
//! It keeps apart what was written and what was synced. A power cut leaves what was synced, and of the rest whatever
//! the seed decides: any of the later writes, each whole, in part or not at all.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use ovsdb_log::{Access, File, FileSystem};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::io::Errno;

/// How an operation fails when its turn has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It fails once and does nothing.
    Once(Errno),
    /// It fails, and so does every later one.
    FromNowOn(Errno),
    /// A write writes half of its bytes and says so; anything else goes well.
    ShortWrite,
    /// A write writes half of its bytes, and the next one fails; anything else fails.
    ShortThenError(Errno),
    /// A write writes half of its bytes, and everything after it fails; anything else fails, too.
    ShortThenFromNowOn(Errno),
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Default)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// What was done to the file since it was synced.
    unsynced: Vec<Change>,
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Change::Write(offset, bytes) => {
                let (start, end) = (*offset as usize, *offset as usize + bytes.len());
                data.resize(data.len().max(end), 0);
                data[start..end].copy_from_slice(bytes);
            }
            Change::SetLen(length) => data.resize(*length as usize, 0),
        }
    }
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// The names as after each change since the folder was synced; the first entry is what is on the disk.
    name_history: Vec<BTreeMap<PathBuf, usize>>,
    /// Operations until the fault.
    countdown: Option<(usize, Fault)>,
    fired: bool,
    failing: Option<Errno>,
    fail_next_write: Option<Errno>,
}

/// The file system; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

struct Handle(Memory, usize);

impl Memory {
    /// Has the operation number `operation`, counted from now and from zero, fail.
    pub(crate) fn inject(&self, operation: usize, fault: Fault) {
        self.state().countdown = Some((operation, fault));
    }

    /// Whether the injected fault has come up.
    pub(crate) fn fired(&self) -> bool {
        self.state().fired
    }

    /// Ends all failing.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        (state.countdown, state.failing, state.fail_next_write) = (None, None, None);
    }

    /// What a disk with this content would hold after a power cut.
    pub(crate) fn power_cut(&self, seed: u64) -> Memory {
        let mut random = StdRng::seed_from_u64(seed);
        let state = self.state();
        let mut after = State::default();
        for inode in &state.inodes {
            let mut data = inode.synced.clone();
            for change in &inode.unsynced {
                match (random.random_range(0..4), change) {
                    (0, _) => {}
                    (1, Change::Write(offset, bytes)) => {
                        let part = bytes[..random.random_range(0..=bytes.len())].to_vec();
                        Change::Write(*offset, part).apply(&mut data);
                    }
                    _ => change.apply(&mut data),
                }
            }
            after.inodes.push(Inode {
                now: data.clone(),
                synced: data,
                unsynced: Vec::new(),
            });
        }
        // File systems keep the order of changes to names.
        let survived = random.random_range(0..=state.name_history.len());
        after.names = match state.name_history.get(survived) {
            Some(names) => names.clone(),
            None => state.names.clone(),
        };
        Memory(Arc::new(Mutex::new(after)))
    }

    /// The content of a file.
    pub(crate) fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state
            .names
            .get(Path::new(path))
            .map(|inode| state.inodes[*inode].now.clone())
    }

    /// The names there are.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with this mutex held")
    }
}

impl State {
    /// Counts an operation; `Ok(Some(fault))` where a write is to be cut short.
    fn operation(&mut self) -> io::Result<Option<Fault>> {
        if let Some(errno) = self.failing {
            return Err(errno.into());
        }
        match &mut self.countdown {
            None => Ok(None),
            Some((0, fault)) => {
                let fault = *fault;
                self.countdown = None;
                self.fired = true;
                match fault {
                    Fault::Once(errno) => Err(errno.into()),
                    Fault::ShortThenFromNowOn(errno) => {
                        self.failing = Some(errno);
                        Ok(Some(fault))
                    }
                    Fault::FromNowOn(errno) => {
                        self.failing = Some(errno);
                        Err(errno.into())
                    }
                    Fault::ShortWrite | Fault::ShortThenError(_) => Ok(Some(fault)),
                }
            }
            Some((n, _)) => {
                *n -= 1;
                Ok(None)
            }
        }
    }

    /// [`State::operation`] for one that is no write.
    fn plain_operation(&mut self) -> io::Result<()> {
        match self.operation()? {
            Some(Fault::ShortThenError(errno) | Fault::ShortThenFromNowOn(errno)) => {
                Err(errno.into())
            }
            _ => Ok(()),
        }
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<PathBuf, usize>)) {
        self.name_history.push(self.names.clone());
        change(&mut self.names);
    }
}

impl FileSystem for Memory {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.plain_operation()?;
        let inode = match (state.names.get(path), access) {
            (Some(_), Access::CreateNew) => return Err(Errno::EXIST.into()),
            (Some(inode), _) => *inode,
            (None, Access::Read | Access::ReadWrite) => return Err(Errno::NOENT.into()),
            (None, Access::Create | Access::CreateNew) => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.change_names(|names| {
                    names.insert(path.to_path_buf(), inode);
                });
                inode
            }
        };
        Ok(Arc::new(Handle(self.clone(), inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.plain_operation()?;
        let inode = *state.names.get(from).ok_or(Errno::NOENT)?;
        state.change_names(|names| {
            names.remove(from);
            names.insert(to.to_path_buf(), inode);
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.plain_operation()?;
        if !state.names.contains_key(path) {
            return Err(Errno::NOENT.into());
        }
        state.change_names(|names| {
            names.remove(path);
        });
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.plain_operation()?;
        state.name_history.clear();
        Ok(())
    }

    fn read_link(&self, _: &Path) -> io::Result<PathBuf> {
        Err(Errno::INVAL.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.state().names.contains_key(path)
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.0.state();
        state.plain_operation()?;
        let data = &state.inodes[self.1].now;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.0.state();
        if let Some(errno) = state.fail_next_write.take() {
            return Err(errno.into());
        }
        let n = match state.operation()? {
            Some(Fault::ShortThenError(errno)) => {
                state.fail_next_write = Some(errno);
                buf.len() / 2
            }
            Some(_) => buf.len() / 2,
            None => buf.len(),
        };
        let n = n.max(1);
        let inode = &mut state.inodes[self.1];
        let change = Change::Write(offset, buf[..n].to_vec());
        change.apply(&mut inode.now);
        inode.unsynced.push(change);
        Ok(n)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.state();
        let result = state.plain_operation();
        let inode = &mut state.inodes[self.1];
        let changes = std::mem::take(&mut inode.unsynced);
        // As Linux does it: after a failure the data count as written. They can still be read, but no later sync brings
        // them to the disk.
        if result.is_ok() {
            changes
                .iter()
                .for_each(|change| change.apply(&mut inode.synced));
        }
        result
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.state();
        state.plain_operation()?;
        let inode = &mut state.inodes[self.1];
        let change = Change::SetLen(length);
        change.apply(&mut inode.now);
        inode.unsynced.push(change);
        Ok(())
    }
}
