//! What goes wrong, and when: a script that is asked before every operation, and gates that hold operations up.
//!
//! This knows nothing of files. It counts operations and says how each fares; the disks do the rest.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Errno;

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Opens a file that is there.
    Open,
    /// Opens a file that may have to be made.
    Create,
    /// Reads from a file.
    Read,
    /// Writes to a file.
    Write,
    /// Brings a file's contents to the disk.
    Sync,
    /// Cuts or extends a file.
    SetLength,
    /// Asks for a file's length.
    Length,
    /// Gives a file another name.
    Rename,
    /// Removes a name.
    Remove,
    /// Brings the names in a folder to the disk.
    SyncDirectory,
    /// Locks a file against other writers.
    Lock,
}

/// An operation that is about to be done.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// How many there were before it.
    pub number: u64,
    /// What it does.
    pub kind: Kind,
    /// The file, by the name under which it was opened, or the folder; of a renaming, the old name.
    pub path: &'a Path,
    /// How many bytes are to be read or written; 0 for other operations.
    pub length: usize,
}

impl Operation<'_> {
    /// Whether it is about a file that was made to take the place of another one, even if it has taken it since.
    pub fn is_of_replacement(&self) -> bool {
        self.path.extension().is_some_and(|suffix| suffix == "tmp")
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It does nothing and fails. A sync that fails this way is one like [`Fault::Forgotten`].
    Error(Errno),
    /// Of a read or a write, a part is done, and it says so. Other operations go well.
    Short,
    /// Of a write, a part is done, and the next write fails. Other operations fail.
    ShortThen(Errno),
    /// A sync fails, and what it was to bring to the disk counts as written from then on, as on Linux: it can be read, but
    /// no later sync saves it. Some of it may have arrived. Other operations fail.
    Forgotten(Errno),
    /// A sync fails, and what it was to bring to the disk is gone: reading finds what was there before. Some of it may have
    /// arrived. Other operations fail.
    Discarded(Errno),
    /// A sync fails, and what it was to bring to the disk can be brought there by a later one. Other operations fail.
    Kept(Errno),
}

impl Fault {
    /// The error number that comes with it, now or soon.
    pub fn errno(self) -> Option<Errno> {
        match self {
            Fault::Short => None,
            Fault::Error(errno)
            | Fault::ShortThen(errno)
            | Fault::Forgotten(errno)
            | Fault::Discarded(errno)
            | Fault::Kept(errno) => Some(errno),
        }
    }

    /// Whether an operation of this kind fares otherwise than it would with [`Fault::Error`], or at all.
    pub fn fits(self, kind: Kind) -> bool {
        match self {
            Fault::Error(_) => true,
            Fault::Short => matches!(kind, Kind::Read | Kind::Write),
            Fault::ShortThen(_) => kind == Kind::Write,
            Fault::Forgotten(_) | Fault::Discarded(_) | Fault::Kept(_) => kind == Kind::Sync,
        }
    }
}

type Script = Box<dyn FnMut(&Operation<'_>) -> Option<Fault> + Send>;
type Predicate = Box<dyn Fn(&Operation<'_>) -> bool + Send>;

/// Decides how operations fare. Clones share everything.
#[derive(Clone, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: AtomicU64,
    fired: AtomicU64,
    script: Mutex<Option<Script>>,
    gates: Mutex<Vec<(Predicate, Gate)>>,
    /// The next write fails: the one before was the first part of both.
    next_write: Mutex<Option<Errno>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("count", &self.count())
            .field("fired", &self.fired())
            .finish_non_exhaustive()
    }
}

/// A test that panics while it holds one of these locks fails anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    /// How many operations there have been.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// How many operations have been told to fail.
    pub fn fired(&self) -> u64 {
        self.0.fired.load(Ordering::SeqCst)
    }

    /// Has `script` decide before every operation. It may look at the disk, but not use it.
    pub fn script(&self, script: impl FnMut(&Operation<'_>) -> Option<Fault> + Send + 'static) {
        *lock(&self.0.script) = Some(Box::new(script));
    }

    /// Has the operation with this number fail, and no other.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        self.script(move |operation| (operation.number == number).then_some(fault));
    }

    /// Has the operation with this number fail, and all later ones with the same error number.
    pub fn fail_from(&self, number: u64, fault: Fault) {
        self.script(move |operation| {
            if operation.number <= number {
                return (operation.number == number).then_some(fault);
            }
            fault.errno().map(Fault::Error)
        });
    }

    /// Has the next operation fail, and no other.
    pub fn fail_next(&self, fault: Fault) {
        self.fail_at(self.count(), fault);
    }

    /// Has all operations fail that `is_meant` picks.
    pub fn fail_when(
        &self,
        fault: Fault,
        is_meant: impl Fn(&Operation<'_>) -> bool + Send + 'static,
    ) {
        self.script(move |operation| is_meant(operation).then_some(fault));
    }

    /// Ends all failing.
    pub fn heal(&self) {
        *lock(&self.0.script) = None;
        self.forget_short();
    }

    /// The next write need not fail for [`Fault::ShortThen`] of the one before. A write of a single byte has no shorter
    /// part: nothing follows it at once, and what fails would be any later write.
    pub fn forget_short(&self) {
        *lock(&self.0.next_write) = None;
    }

    /// Has operations that `is_meant` picks wait, each before it is done, until the result is dropped.
    pub fn hold(&self, is_meant: impl Fn(&Operation<'_>) -> bool + Send + 'static) -> Held {
        let gate = Gate::default();
        let mut gates = lock(&self.0.gates);
        gates.retain(|(_, gate)| !gate.is_open());
        gates.push((Box::new(is_meant), gate.clone()));
        Held(gate)
    }

    /// Counts an operation, holds it up, and says how it fares.
    pub(super) fn meet(&self, kind: Kind, path: &Path, length: usize) -> Option<Fault> {
        let number = self.0.count.fetch_add(1, Ordering::SeqCst);
        let operation = Operation {
            number,
            kind,
            path,
            length,
        };
        let gates: Vec<Gate> = lock(&self.0.gates)
            .iter()
            .filter(|(is_meant, _)| is_meant(&operation))
            .map(|(_, gate)| gate.clone())
            .collect();
        gates.iter().for_each(Gate::pass);
        if kind == Kind::Write
            && let Some(errno) = lock(&self.0.next_write).take()
        {
            return Some(Fault::Error(errno));
        }
        let fault = lock(&self.0.script)
            .as_mut()
            .and_then(|script| script(&operation))?;
        self.0.fired.fetch_add(1, Ordering::SeqCst);
        if let (Fault::ShortThen(errno), Kind::Write) = (fault, kind) {
            *lock(&self.0.next_write) = Some(errno);
        }
        Some(fault)
    }
}

/// Something that is closed at first, so that whoever comes by waits.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    waiting: usize,
}

impl Gate {
    fn is_open(&self) -> bool {
        lock(&self.0.0).is_open
    }

    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = lock(state);
        state.waiting += 1;
        changed.notify_all();
        let mut state = changed
            .wait_while(state, |state| !state.is_open)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
    }
}

/// What is held up goes on when this is dropped.
pub struct Held(Gate);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Held {
    /// Returns when somebody waits.
    pub fn wait_for_one(&self) {
        let (state, changed) = &*self.0.0;
        let _waiting = changed.wait_while(lock(state), |state| state.waiting == 0);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (state, changed) = &*self.0.0;
        lock(state).is_open = true;
        changed.notify_all();
    }
}
