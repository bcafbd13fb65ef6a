//! How a writer gives its database another schema (ovsdb-server(7), section 4.1.19).
//!
//! The new contents are put in the place of the file as a whole, as the reference does, so a crash leaves the old database
//! or the new one. Until that is done nobody hears of it, and everybody can read the old version.

use std::fmt;
use std::sync::Arc;

use ovsdb_engine::{Database, convert};
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::schema::Schema;
use tokio::time::Instant;

use super::Writer;
use crate::hub::Hub;
use crate::journal::Replaced;
use crate::mailbox::{Mailbox, Token};
use crate::runtime::{date_ms, fresh_uuid};
use crate::seal::sealed_records;
use crate::session::canceled_conversion;
use crate::stopwatches;

/// A conversion on its way through the writer.
pub struct Conversion {
    /// The schema that the database is to have. Its name has been checked.
    pub schema: Schema,
    /// Told what came of it, on the writer's thread.
    pub done: Box<dyn FnOnce(Converted) + Send>,
}

/// What came of a conversion.
#[derive(Debug)]
pub struct Converted {
    /// Where versions are published from now on, if the database has its new schema.
    pub hub: Option<Arc<Hub>>,
    /// What the client is told.
    pub result: Result<(), OvsdbError>,
    /// The transactions that had waited and never will be executed. Their sessions are to be told.
    pub canceled: Vec<(Arc<Mailbox>, Token)>,
}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversion")
            .field("schema", &self.schema.version)
            .finish_non_exhaustive()
    }
}

impl Conversion {
    /// Says that the database is being closed.
    pub(super) fn cancel(self) {
        self.fail(canceled_conversion());
    }

    fn fail(self, error: OvsdbError) {
        (self.done)(Converted {
            hub: None,
            result: Err(error),
            canceled: Vec::new(),
        });
    }
}

impl Writer {
    /// Converts the newest version, what is ahead of the journal included: the journal brings that to the disk before, or
    /// refuses both.
    pub(super) fn convert(&mut self, mut conversion: Conversion) {
        if self.stop.is_some() {
            return conversion.cancel();
        }
        let begun = Instant::now();
        let schema = std::mem::replace(&mut conversion.schema, (**self.head.schema()).clone());
        let converted = match convert(&self.head, schema, &mut fresh_uuid) {
            Ok(converted) => converted,
            Err(error) => return conversion.fail(error),
        };
        // Both use the same name for the new file. That of the compaction has had its day; it begins again afterwards.
        if let Some(running) = &mut self.compaction {
            running.thread.join();
        }
        let id = match converted.keeps_past {
            true => self.journal.id(),
            false => fresh_uuid(),
        };
        let database = converted.database;
        let records = sealed_records(&database, date_ms(), "converted by ovsdb-server", id);
        let replaced = self.journal.replace(&records, id);
        // What was ahead is published under the old schema.
        self.fetch_answers();
        let result = match replaced {
            Replaced::Done => {
                let took = begun.elapsed();
                self.status.meters.conversions.add_time(took);
                stopwatches::CONVERSION.add(took);
                self.status.trouble.lock().take();
                Ok(())
            }
            Replaced::InDoubt(error) => {
                let result = Err(error.to_ovsdb_error());
                *self.status.trouble.lock() = Some(error);
                result
            }
            Replaced::Refused(error) => {
                let refusal = error.to_ovsdb_error();
                *self.status.trouble.lock() = Some(error);
                return conversion.fail(refusal);
            }
        };
        assert!(self.ahead.is_empty(), "everything pending was accepted");
        self.clock.restart();
        self.heal_at = None;
        self.touched.clear();
        self.round = None;
        self.head = database.clone();
        self.nothing = Database::new(database.schema().clone());
        let mut history = self.hub.retire();
        if !converted.keeps_past {
            history.clear_to(id, database.rows());
        }
        self.hub = Arc::new(Hub::with_history(database, history));
        let parked = self.parked.all().into_iter();
        let canceled = parked.filter_map(|id| {
            let job = self.unpark(id)?;
            Some((job.mailbox, job.token))
        });
        let canceled = canceled.collect();
        (conversion.done)(Converted {
            hub: Some(self.hub.clone()),
            result,
            canceled,
        });
    }
}
