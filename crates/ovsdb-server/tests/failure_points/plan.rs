//! Which fault comes when.

use ovsdb_testkit::disk::{Errno, Fault, Kind, Operation, SimulatedDisk};

/// A way in which a disk goes wrong from some operation on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FaultKind {
    /// That operation alone.
    Once(&'static str, Fault),
    /// That operation and all after it, until the disk is healed.
    FromThen(&'static str, Fault),
    /// That one, and from then on all that bring something to the disk, files and folders.
    NoSyncs,
    /// That one, and from then on all that bring folders to the disk.
    NoFolders,
    /// That one, and from then on all that bring folders or the file that was served at first to the disk.
    OnlyReplacements,
    /// There is no room for more than there is in use at that moment.
    Full,
}

impl FaultKind {
    const ALL: &[FaultKind] = &[
        FaultKind::Once("error", Fault::Error(Errno::EIO)),
        FaultKind::Once("interrupted", Fault::Error(Errno::EINTR)),
        FaultKind::Once("short", Fault::Short),
        FaultKind::Once("short-then-full", Fault::ShortThen(Errno::ENOSPC)),
        FaultKind::Once("discarded", Fault::Discarded(Errno::EIO)),
        FaultKind::Once("kept", Fault::Kept(Errno::EIO)),
        FaultKind::FromThen("dead", Fault::Error(Errno::EIO)),
        FaultKind::FromThen("short-then-dead", Fault::ShortThen(Errno::EIO)),
        FaultKind::NoSyncs,
        FaultKind::NoFolders,
        FaultKind::OnlyReplacements,
        FaultKind::Full,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            FaultKind::Once(name, _) | FaultKind::FromThen(name, _) => name,
            FaultKind::NoSyncs => "no-syncs",
            FaultKind::NoFolders => "no-folders",
            FaultKind::OnlyReplacements => "only-replacements",
            FaultKind::Full => "full",
        }
    }

    /// Whether whoever it meets goes on where he was.
    pub(crate) fn is_mended_at_once(self) -> bool {
        matches!(
            self,
            FaultKind::Once(_, Fault::Error(Errno::EINTR) | Fault::Short)
        )
    }

    fn fits(self, kind: Kind) -> bool {
        match self {
            FaultKind::Once(_, Fault::Error(Errno::EINTR)) => {
                matches!(kind, Kind::Read | Kind::Write | Kind::Sync)
            }
            FaultKind::Once(_, fault) | FaultKind::FromThen(_, fault) => fault.fits(kind),
            FaultKind::NoSyncs => matches!(kind, Kind::Sync | Kind::SyncDirectory),
            FaultKind::NoFolders => kind == Kind::SyncDirectory,
            FaultKind::OnlyReplacements => matches!(kind, Kind::SyncDirectory | Kind::Rename),
            FaultKind::Full => kind == Kind::Write,
        }
    }
}

/// A fault at an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) point: u64,
    pub(crate) kind: FaultKind,
}

impl Plan {
    /// All that fit a run with these operations.
    pub(crate) fn all(operations: &[Kind]) -> Vec<Plan> {
        let mut plans = Vec::new();
        for (point, operation) in (0..).zip(operations) {
            let fitting = FaultKind::ALL.iter().filter(|kind| kind.fits(*operation));
            plans.extend(fitting.map(|&kind| Plan { point, kind }));
        }
        plans
    }

    /// How an operation fares.
    pub(crate) fn fault(&self, operation: &Operation<'_>, disk: &SimulatedDisk) -> Option<Fault> {
        let (number, point) = (operation.number, self.point);
        if number < point {
            return None;
        }
        let is_first = number == point;
        match self.kind {
            FaultKind::Once(_, fault) => is_first.then_some(fault),
            FaultKind::FromThen(_, fault) if is_first => Some(fault),
            FaultKind::FromThen(_, fault) => fault.errno().map(Fault::Error),
            FaultKind::NoSyncs => matches!(operation.kind, Kind::Sync | Kind::SyncDirectory)
                .then_some(Fault::Error(Errno::EIO)),
            FaultKind::NoFolders => {
                (operation.kind == Kind::SyncDirectory).then_some(Fault::Error(Errno::EIO))
            }
            FaultKind::OnlyReplacements => {
                let is_old = operation.kind == Kind::Sync && !operation.is_of_replacement();
                (is_old || operation.kind == Kind::SyncDirectory)
                    .then_some(Fault::Error(Errno::EIO))
            }
            FaultKind::Full => {
                if is_first {
                    disk.set_capacity_bytes(Some(disk.used_bytes()));
                }
                None
            }
        }
    }
}
