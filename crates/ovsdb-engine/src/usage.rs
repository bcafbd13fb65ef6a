//! How the columns of a table are looked up by, and the indexes that are offered for it. What it leads to: [`index`](crate::index).
//!
//! It is shared by all versions of a table, and no version's contents depend on it. Counters may be late or lose something
//! when many count at the same time: then an index comes a little later.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ovsdb_proto::schema::ColumnId;
use ovsdb_proto::uuid::Uuid;

use crate::database::Row;
use crate::index::{ColumnIndex, INDEX_ROWS_MIN};
use crate::pmap::PMap;

/// Rows that must have been looked at in vain for an index to be wanted, whatever the size of the table.
const IN_VAIN_MIN: usize = 4096;

/// What concerns all tables of a database, so that who finds nothing here need not ask further.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Some index is wanted.
    pub(crate) is_wanted: AtomicBool,
    /// How many indexes are offered.
    pub(crate) offered: AtomicUsize,
    /// Some index has grown so much that it should be looked how large all of them are.
    pub(crate) has_grown: AtomicBool,
}

/// An index with the rows for which it was made.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) index: ColumnIndex,
    pub(crate) rows: PMap<Uuid, Arc<Row>>,
    /// A transaction has found that too much has changed since. Others need not try before it has been brought nearer.
    pub(crate) is_far: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    signals: Arc<Signals>,
    /// For each column how many rows have been looked at in vain because it has no index.
    in_vain: Box<[(ColumnId, AtomicUsize)]>,
    /// How many are offered: a look without the lock.
    offered: AtomicUsize,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    offers: Vec<Offer>,
    /// Columns whose index somebody is making.
    building: Vec<ColumnId>,
}

/// How many rows have to be looked at in vain before an index is wanted: in less time the index is made.
fn in_vain_max(rows: usize) -> usize {
    (rows + rows / 2).max(IN_VAIN_MIN)
}

impl Usage {
    /// Of a table with these columns, in the order of their numbers.
    pub(crate) fn new(columns: impl Iterator<Item = ColumnId>, signals: &Arc<Signals>) -> Usage {
        Usage {
            signals: signals.clone(),
            in_vain: columns.map(|id| (id, AtomicUsize::new(0))).collect(),
            offered: AtomicUsize::new(0),
            work: Mutex::default(),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        // Whatever a panic has left undone, each offer is whole.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a table's `rows` are being looked at for want of an index of one of `columns`. They count as looked at in
    /// vain from now on, so that of many who begin at the same time the third one knows better.
    pub(crate) fn begin_scan(&self, columns: &[ColumnId], rows: usize) {
        if rows < INDEX_ROWS_MIN {
            return;
        }
        for column in columns {
            let Some((_, in_vain)) = self.in_vain.get(column.index()) else {
                continue;
            };
            let before = in_vain.fetch_add(rows, Ordering::Relaxed);
            if before.saturating_add(rows) >= in_vain_max(rows) {
                self.signals.is_wanted.store(true, Ordering::Release);
            }
        }
    }

    /// Notes that `count` of these rows were looked at with good reason.
    pub(crate) fn end_scan(&self, columns: &[ColumnId], count: usize) {
        for column in columns {
            if let Some((_, in_vain)) = self.in_vain.get(column.index()) {
                let less = |in_vain: usize| Some(in_vain.saturating_sub(count));
                // It always finds a value.
                let _ = in_vain.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
        }
    }

    /// Wants an index of `column` for a table of so many rows, or one that is offered brought nearer to them.
    pub(crate) fn want(&self, column: ColumnId, rows: usize) {
        if let Some((_, in_vain)) = self.in_vain.get(column.index()) {
            in_vain.fetch_max(in_vain_max(rows), Ordering::Relaxed);
            self.signals.is_wanted.store(true, Ordering::Release);
        }
    }

    /// Wants an index that is offered brought nearer to a table of so many rows.
    pub(crate) fn want_nearer(&self, column: ColumnId, rows: usize) {
        let mut work = self.work();
        let mut offers = work.offers.iter_mut();
        if let Some(offer) = offers.find(|offer| offer.index.column() == column) {
            offer.is_far = true;
        }
        drop(work);
        self.want(column, rows);
    }

    /// Notes that an index has grown.
    pub(crate) fn note_growth(&self) {
        self.signals.has_grown.store(true, Ordering::Release);
    }

    /// The columns of a table of so many rows whose index is wanted and that nobody is about to make. The caller makes them,
    /// and says so by [`Usage::end_building`].
    pub(crate) fn begin_building(&self, rows: usize) -> Vec<ColumnId> {
        let mut wanted = Vec::new();
        for (column, in_vain) in &self.in_vain {
            if in_vain.load(Ordering::Relaxed) >= in_vain_max(rows) {
                in_vain.store(0, Ordering::Relaxed);
                wanted.push(*column);
            }
        }
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut work = self.work();
        wanted.retain(|column| !work.building.contains(column));
        work.building.extend_from_slice(&wanted);
        wanted
    }

    /// Ends what [`Usage::begin_building`] began for one column, with or without an index. An index takes the place of
    /// another one of that column.
    pub(crate) fn end_building(&self, column: ColumnId, made: Option<Offer>) {
        let mut work = self.work();
        work.building.retain(|other| *other != column);
        if let Some(made) = made {
            work.offers.retain(|offer| offer.index.column() != column);
            work.offers.push(made);
        }
        self.count_offers(&work);
    }

    fn count_offers(&self, work: &Work) {
        let before = self.offered.swap(work.offers.len(), Ordering::AcqRel);
        let signal = &self.signals.offered;
        if before < work.offers.len() {
            signal.fetch_add(work.offers.len() - before, Ordering::AcqRel);
        } else {
            signal.fetch_sub(before - work.offers.len(), Ordering::AcqRel);
        }
    }

    /// Whether any index is offered.
    pub(crate) fn has_offers(&self) -> bool {
        self.offered.load(Ordering::Acquire) > 0
    }

    /// All indexes that are offered.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.work().offers.clone()
    }

    /// The index of `column` for just these rows, if it is offered.
    pub(crate) fn offered(
        &self,
        column: ColumnId,
        rows: &PMap<Uuid, Arc<Row>>,
    ) -> Option<ColumnIndex> {
        if !self.has_offers() {
            return None;
        }
        let work = self.work();
        let mut offers = work.offers.iter();
        let offer = offers.find(|offer| offer.index.column() == column)?;
        if offer.rows.is_shared_with(rows) {
            return Some(offer.index.clone());
        }
        self.want(column, rows.len());
        None
    }

    /// Takes the offers for which `is_settled` says so off the list.
    pub(crate) fn settle_offers(&self, mut is_settled: impl FnMut(&Offer) -> bool) {
        let gone: Vec<Offer> = {
            let mut work = self.work();
            let gone = work.offers.extract_if(.., |offer| is_settled(offer));
            let gone = gone.collect();
            self.count_offers(&work);
            gone
        };
        // That may be the last that holds many rows: nobody has to wait for it.
        drop(gone);
    }
}
