//! Changes between two versions, as a model has them.

use std::fmt;

use super::column::Column;
use super::reference::Ref;
use super::table::{BindError, Model, RowView, Table};
use crate::replica::{Change, ChangeKind, Changes, Interest};

/// What changed of a model between two versions. See [`Changes::of`].
pub struct ModelChanges<'c, M> {
    changes: &'c Changes,
    interest: Interest,
    older: Table<'c, M>,
    newer: Table<'c, M>,
}

/// What became of a row, as a model has it.
pub struct ModelChange<'a, M> {
    change: Change<'a>,
    older: &'a Table<'a, M>,
    newer: &'a Table<'a, M>,
}

impl Changes {
    /// What changed of a model. Rows of which only other columns changed than it has are not among it.
    ///
    /// ```no_run
    /// # use ovsdb_client::replica::{Interest, Replica};
    /// # use ovsdb_client::typed::Model;
    /// # async fn example<Port: Model>(replica: Replica) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut watcher = replica.watch_all(Interest::all().model::<Port>());
    /// loop {
    ///     let changes = watcher.next().await?;
    ///     for change in changes.of::<Port>()?.iter() {
    ///         match (change.old_row(), change.new_row()) {
    ///             (None, Some(new)) => println!("{} is there", new.id()),
    ///             (Some(old), None) => println!("{} is gone", old.id()),
    ///             (_, Some(new)) => println!("{} is another", new.id()),
    ///             (None, None) => {}
    ///         }
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`BindError::Type`], of either version.
    pub fn of<M: Model>(&self) -> Result<ModelChanges<'_, M>, BindError> {
        self.of_interest(Interest::all().model::<M>())
    }

    /// What is of interest of what changed of a model: with [references followed](Interest::following), its rows that refer to
    /// what changed are among it. The rows to which they refer are in the [`older`](Changes::older) and
    /// [`newer`](Changes::newer) version.
    ///
    /// # Errors
    /// [`BindError::Type`], of either version.
    pub fn of_interest<M: Model>(
        &self,
        interest: Interest,
    ) -> Result<ModelChanges<'_, M>, BindError> {
        Ok(ModelChanges {
            changes: self,
            interest,
            older: self.older().table()?,
            newer: self.newer().table()?,
        })
    }
}

impl<'c, M: Model> ModelChanges<'c, M> {
    /// The changes, in the order of the names of rows.
    pub fn iter(&self) -> impl Iterator<Item = ModelChange<'_, M>> {
        let changes = self.changes.iter(&self.interest);
        let changes = changes.filter(|change| change.table() == M::TABLE);
        changes.map(|change| ModelChange {
            change,
            older: &self.older,
            newer: &self.newer,
        })
    }

    /// The table before the changes.
    pub fn older(&self) -> &Table<'c, M> {
        &self.older
    }

    /// The table after the changes.
    pub fn newer(&self) -> &Table<'c, M> {
        &self.newer
    }
}

impl<'a, M: Model> ModelChange<'a, M> {
    /// What kind of change it is.
    pub fn kind(&self) -> ChangeKind {
        self.change.kind()
    }

    /// The row's name.
    pub fn id(&self) -> Ref<M> {
        Ref::new(self.change.uuid())
    }

    /// The row as it was, if it was there.
    pub fn old_row(&self) -> Option<RowView<'a, M>> {
        self.change.old_row().map(|row| self.older.view(row))
    }

    /// The row as it is, if it is there.
    pub fn new_row(&self) -> Option<RowView<'a, M>> {
        self.change.new_row().map(|row| self.newer.view(row))
    }

    /// Whether a column holds something else than it did; of a row that came or went, whether the replica has the column.
    pub fn has_changed<V>(&self, column: Column<M, V>) -> bool {
        self.change.columns().any(|name| name == column.name())
    }

    /// [`Change::is_by_reference`].
    pub fn is_by_reference(&self) -> bool {
        self.change.is_by_reference()
    }

    /// The change without types.
    pub fn change(&self) -> Change<'a> {
        self.change
    }
}

// By hand, because changes are these whatever their model is.
impl<M> Clone for ModelChange<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for ModelChange<'_, M> {}

impl<M> fmt::Debug for ModelChange<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.change.fmt(f)
    }
}

impl<M> fmt::Debug for ModelChanges<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.fmt(f)
    }
}
