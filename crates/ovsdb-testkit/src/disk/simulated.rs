//! A file system in memory that keeps apart what was written and what will survive, and whose power can be cut.
//!
//! It has files and names, but no folders of their own: a file's folder is what its name says. Names are changed in
//! order, and a power cut leaves the changes in each folder up to some moment since that was synced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ovsdb_log::{Access, File, FileSystem, HeldLock, LockError, OsError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Errno;
use super::faults::{Fault, Faults, Kind};
use super::inode::Inode;

/// One change to the names of a folder: what the name stands for from then on.
type Renaming = Vec<(PathBuf, Option<usize>)>;

struct State {
    inodes: BTreeMap<usize, Inode>,
    next_inode: usize,
    /// The names as programs see them, and as the disk has them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Of each folder, what has changed since it was synced.
    renamings: BTreeMap<PathBuf, Vec<Renaming>>,
    links: BTreeMap<PathBuf, PathBuf>,
    locked: BTreeSet<PathBuf>,
    capacity_bytes: Option<u64>,
    random: StdRng,
}

/// See the module's documentation. Clones share everything.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// What goes wrong.
    pub faults: Faults,
}

struct Handle {
    disk: SimulatedDisk,
    inode: usize,
    path: PathBuf,
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDisk")
            .field("names", &self.names())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

impl SimulatedDisk {
    /// An empty disk. `seed` decides whatever chance decides: how much of a write is done that is done in part, and what
    /// of a failing sync arrives.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk::of(State {
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamings: BTreeMap::new(),
            links: BTreeMap::new(),
            locked: BTreeSet::new(),
            capacity_bytes: None,
            random: StdRng::seed_from_u64(seed),
        })
    }

    fn of(state: State) -> SimulatedDisk {
        SimulatedDisk {
            state: Arc::new(Mutex::new(state)),
            faults: Faults::default(),
        }
    }

    /// Puts a file there that is on the disk, by its name and its contents.
    pub fn put(&self, path: impl Into<PathBuf>, data: impl Into<Vec<u8>>) {
        let (path, mut state) = (path.into(), self.state());
        let inode = state.add(Inode::on_disk(data.into()));
        state.names.insert(path.clone(), inode);
        state.durable_names.insert(path, inode);
    }

    /// Puts a symbolic link there.
    pub fn link(&self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) {
        self.state().links.insert(path.into(), target.into());
    }

    /// Says how many bytes all files together may have; `None` for any number. A write that would go beyond is done as
    /// far as there is room, and fails if there is none.
    pub fn set_capacity_bytes(&self, capacity: Option<u64>) {
        self.state().capacity_bytes = capacity;
    }

    /// How many bytes all files have.
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// What can be read in a file; `None` if there is none.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path.as_ref())?;
        Some(state.inodes[inode].now().to_vec())
    }

    /// What of a file is sure to survive a power cut, if its name does.
    pub fn durable_content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path.as_ref())?;
        Some(state.inodes[inode].durable().to_vec())
    }

    /// The names there are.
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// This disk as the next process finds it after the end of all that used it: with everything that was written, and
    /// nobody's locks. It has no faults, and nothing done to it is seen here.
    pub fn after_kill(&self, seed: u64) -> SimulatedDisk {
        let state = self.state();
        let mut inodes = state.inodes.clone();
        inodes.values_mut().for_each(|inode| inode.opened = 0);
        let mut after = State {
            inodes,
            next_inode: state.next_inode,
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            renamings: state.renamings.clone(),
            links: state.links.clone(),
            locked: BTreeSet::new(),
            capacity_bytes: state.capacity_bytes,
            random: StdRng::seed_from_u64(seed),
        };
        after.collect_garbage();
        SimulatedDisk::of(after)
    }

    /// This disk after a power cut at this moment: with what was synced, and of the rest what `seed` decides. See
    /// [`SimulatedDisk::after_kill`].
    pub fn power_cut(&self, seed: u64) -> SimulatedDisk {
        let mut random = StdRng::seed_from_u64(seed);
        let state = self.state();
        let mut names = state.durable_names.clone();
        for renamings in state.renamings.values() {
            let survived = random.random_range(0..=renamings.len());
            for renaming in &renamings[..survived] {
                apply(renaming, &mut names);
            }
        }
        let wanted: BTreeSet<usize> = names.values().copied().collect();
        let inodes = wanted.into_iter().map(|number| {
            let data = state.inodes[&number].after_power_cut(&mut random);
            (number, Inode::on_disk(data))
        });
        SimulatedDisk::of(State {
            inodes: inodes.collect(),
            next_inode: state.next_inode,
            durable_names: names.clone(),
            names,
            renamings: BTreeMap::new(),
            links: state.links.clone(),
            locked: BTreeSet::new(),
            capacity_bytes: state.capacity_bytes,
            random,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panics in here fails anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation of which there is no doing a part.
    fn meet(&self, kind: Kind, path: &Path) -> io::Result<()> {
        match self.faults.meet(kind, path, 0).and_then(Fault::errno) {
            Some(errno) => Err(errno.into()),
            None => Ok(()),
        }
    }
}

fn apply(renaming: &Renaming, names: &mut BTreeMap<PathBuf, usize>) {
    for (name, inode) in renaming {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

impl State {
    fn add(&mut self, inode: Inode) -> usize {
        let number = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(number, inode);
        number
    }

    fn used_bytes(&self) -> u64 {
        let linked: BTreeSet<usize> = self.names.values().copied().collect();
        let counts =
            |(number, inode): &(&usize, &Inode)| inode.opened > 0 || linked.contains(number);
        let counted = self.inodes.iter().filter(counts);
        counted.map(|(_, inode)| inode.now().len() as u64).sum()
    }

    fn rename(&mut self, folder: PathBuf, renaming: Renaming) {
        apply(&renaming, &mut self.names);
        self.renamings.entry(folder).or_default().push(renaming);
    }

    /// Drops files that nobody can come by any more.
    fn collect_garbage(&mut self) {
        let pending = self.renamings.values().flatten().flatten();
        let mut wanted: BTreeSet<usize> = pending.filter_map(|(_, inode)| *inode).collect();
        wanted.extend(self.names.values());
        wanted.extend(self.durable_names.values());
        self.inodes
            .retain(|number, inode| inode.opened > 0 || wanted.contains(number));
    }

    fn inode(&mut self, number: usize) -> &mut Inode {
        self.inodes
            .get_mut(&number)
            .expect("a file that is open is kept")
    }
}

impl FileSystem for SimulatedDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        let kind = match access {
            Access::Read | Access::ReadWrite => Kind::Open,
            Access::Create | Access::CreateNew => Kind::Create,
        };
        self.meet(kind, path)?;
        let mut state = self.state();
        let target = state.links.get(path).cloned();
        let path = target.as_deref().unwrap_or(path);
        let inode = match (state.names.get(path), access) {
            (Some(_), Access::CreateNew) => return Err(Errno::EEXIST.into()),
            (Some(inode), _) => *inode,
            (None, Access::Read | Access::ReadWrite) => return Err(Errno::ENOENT.into()),
            (None, Access::Create | Access::CreateNew) => {
                let inode = state.add(Inode::default());
                state.rename(folder(path), vec![(path.to_owned(), Some(inode))]);
                inode
            }
        };
        state.inode(inode).opened += 1;
        Ok(Arc::new(Handle {
            disk: self.clone(),
            inode,
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Kind::Rename, from)?;
        let mut state = self.state();
        let inode = *state.names.get(from).ok_or(Errno::ENOENT)?;
        let renaming = vec![(from.to_owned(), None), (to.to_owned(), Some(inode))];
        state.rename(folder(to), renaming);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Kind::Remove, path)?;
        let mut state = self.state();
        if !state.names.contains_key(path) {
            return Err(Errno::ENOENT.into());
        }
        state.rename(folder(path), vec![(path.to_owned(), None)]);
        state.collect_garbage();
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.meet(Kind::SyncDirectory, directory)?;
        let mut state = self.state();
        for renaming in state.renamings.remove(directory).unwrap_or_default() {
            apply(&renaming, &mut state.durable_names);
        }
        state.collect_garbage();
        Ok(())
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let target = self.state().links.get(path).cloned();
        target.ok_or_else(|| Errno::EINVAL.into())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        let target = state.links.get(path).map_or(path, PathBuf::as_path);
        state.names.contains_key(target)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn HeldLock>, LockError> {
        self.meet(Kind::Lock, path)
            .map_err(|error| LockError::Os(OsError::from(error)))?;
        let mut state = self.state();
        let path = state
            .links
            .get(path)
            .map_or(path, PathBuf::as_path)
            .to_owned();
        if !state.locked.insert(path.clone()) {
            return Err(LockError::HeldByThisProcess);
        }
        Ok(Box::new(SimulatedLock {
            disk: self.clone(),
            path,
        }))
    }
}

impl HeldLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        let inode = state.inode(self.inode);
        inode.opened -= 1;
        if inode.opened == 0 {
            state.collect_garbage();
        }
    }
}

impl Handle {
    fn meet(&self, kind: Kind, length: usize) -> Option<Fault> {
        self.disk.faults.meet(kind, &self.path, length)
    }
}

/// How much is done of what is done in part: something, and not all if it is more than a byte.
fn part(length: usize, random: &mut StdRng) -> usize {
    match length {
        0 | 1 => length,
        _ => random.random_range(1..length),
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let fault = self.meet(Kind::Read, buf.len());
        if let Some(errno) = fault.and_then(Fault::errno) {
            return Err(errno.into());
        }
        let mut state = self.disk.state();
        let data = state.inodes[&self.inode].now();
        let rest = data.len().saturating_sub(offset as usize);
        let mut length = rest.min(buf.len());
        if fault.is_some() {
            length = part(length, &mut state.random);
        }
        let data = state.inodes[&self.inode].now();
        buf[..length].copy_from_slice(&data[offset as usize..][..length]);
        Ok(length)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let fault = self.meet(Kind::Write, buf.len());
        let mut state = self.disk.state();
        let mut length = match fault {
            None => buf.len(),
            Some(Fault::Short | Fault::ShortThen(_)) => part(buf.len(), &mut state.random),
            Some(fault) => {
                let errno = fault.errno().expect("all others carry one");
                return Err(errno.into());
            }
        };
        if let Some(capacity) = state.capacity_bytes {
            let overwritten = state.inodes[&self.inode].now().len();
            let free = capacity.saturating_sub(state.used_bytes()) as usize;
            let room = overwritten.saturating_sub(offset as usize) + free;
            if room == 0 && length > 0 {
                return Err(Errno::ENOSPC.into());
            }
            length = length.min(room);
        }
        state
            .inode(self.inode)
            .write(offset as usize, &buf[..length]);
        Ok(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        // What is written while a sync is held up is none of its business.
        let upto = self.disk.state().inode(self.inode).changes();
        let fault = self.meet(Kind::Sync, 0);
        let state = &mut *self.disk.state();
        let inode = state
            .inodes
            .get_mut(&self.inode)
            .expect("a file that is open is kept");
        let is_discarded = matches!(fault, Some(Fault::Discarded(_)));
        match fault.map(|fault| (fault, fault.errno())) {
            None | Some((_, None)) => {
                inode.sync(upto);
                Ok(())
            }
            // Whoever was interrupted has not yet begun.
            Some((Fault::Kept(errno) | Fault::Error(errno @ Errno::EINTR), _)) => Err(errno.into()),
            Some((_, Some(errno))) => {
                inode.forget(upto, is_discarded, &mut state.random);
                Err(errno.into())
            }
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if let Some(errno) = self.meet(Kind::SetLength, 0).and_then(Fault::errno) {
            return Err(errno.into());
        }
        self.disk
            .state()
            .inode(self.inode)
            .set_length(length as usize);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        if let Some(errno) = self.meet(Kind::Length, 0).and_then(Fault::errno) {
            return Err(errno.into());
        }
        Ok(self.disk.state().inode(self.inode).now().len() as u64)
    }
}
