//! Hearing of what changes in a database.

use std::sync::Arc;

use ovsdb_proto::uuid::Uuid;
use tokio::sync::Notify;

use super::snapshot::Snapshot;
use crate::database::Served;
use crate::server::Server;

/// Tells of one snapshot after the other. Whoever is slow sees fewer of them: what was committed meanwhile is seen at once,
/// and nothing is queued. What differs says [`Snapshot::changes_since`].
pub struct Watch {
    server: Arc<Server>,
    name: String,
    watched: Watched,
}

/// What is watched until the database gets another schema.
struct Watched {
    served: Arc<Served>,
    bell: Arc<Notify>,
    /// The version that was told last.
    seen: Option<Uuid>,
}

impl Watched {
    fn new(served: Arc<Served>) -> Watched {
        let bell = Arc::<Notify>::default();
        let tables = served.version().database.table_ids().collect();
        served.hub().ring_on_change(tables, &bell);
        let seen = None;
        Watched { served, bell, seen }
    }
}

impl Watch {
    pub(super) fn start(server: &Arc<Server>, name: &str) -> Option<Watch> {
        Some(Watch {
            server: server.clone(),
            name: name.to_owned(),
            watched: Watched::new(server.database(name)?),
        })
    }

    /// Waits until the database is not as it was told last; the first time it is told as it is. `None` when it is served no
    /// more. Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) -> Option<Snapshot> {
        loop {
            let changing = self.server.databases_changed();
            let mut changing = std::pin::pin!(changing.notified());
            // Before the look, so that nothing happens between that and the wait.
            changing.as_mut().enable();
            let served = self.server.database(&self.name)?;
            if !served.is_same_database(&self.watched.served) {
                // What was watched has gone, and another one has come under its name.
                return None;
            }
            if !Arc::ptr_eq(&served, &self.watched.served) {
                self.watched = Watched::new(served);
            }
            let version = self.watched.served.version();
            if self.watched.seen.replace(version.id) != Some(version.id) {
                return Some(Snapshot::from(&*version));
            }
            tokio::select! {
                () = self.watched.bell.notified() => {}
                () = &mut changing => {}
            }
        }
    }
}
