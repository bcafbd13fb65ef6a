//! The methods that start, change and end monitors (RFC 7047, sections 4.1.5 and 4.1.7; ovsdb-server(7), sections 4.1.12,
//! 4.1.13 and 4.1.15).

use std::sync::Arc;

use ovsdb_engine::monitor::Monitor;
use ovsdb_proto::error::OvsdbError;
use ovsdb_proto::json::Json;
use ovsdb_proto::monitor::{MonitorRequests, condition_changes_from_json, last_transaction_id};
use ovsdb_proto::words::Method;

use crate::database::Served;
use crate::history::Shown;
use crate::hub::{Since, Start};
use crate::limits;

use super::monitors::{Changed, Protocol, Told};
use super::requests::{Reply, bad_params, empty, refusal};
use super::{Session, in_place, tell, tell_text};

/// A monitor that is to be started.
pub(super) struct Asked {
    id: Json,
    database: Arc<Served>,
    monitor: Arc<Monitor>,
    since: Option<Since>,
}

/// A monitor that has been started.
pub(super) struct Started {
    database: Arc<Served>,
    monitor: Arc<Monitor>,
    start: Start,
}

impl Session {
    /// Starts a monitor, and says what it starts from.
    pub(super) fn monitor(
        &mut self,
        method: Method,
        protocol: Protocol,
        params: &[Json],
        id: &Json,
    ) {
        let Started {
            database,
            monitor,
            start,
        } = match self.start_monitor(method, protocol, params) {
            Ok(started) => started,
            Err(error) => return self.refuse(id, &error),
        };
        let (mut before, mut after) = (Vec::new(), &b""[..]);
        if protocol == Protocol::CondSince {
            let found = start.is_resumed();
            before = format!("[{found},\"{}\",", start.version.id).into_bytes();
            after = b"]";
        }
        let size = start.rows(&monitor) * limits::ROW_BYTES;
        if size <= limits::MESSAGE_BYTES_SMALL {
            return self.reply_at_once(id, |out| {
                out.extend_from_slice(&before);
                if start.is_resumed() {
                    let missed = database.hub().beginning(&monitor, &start);
                    out.extend_from_slice(missed.get().map_or(&[][..], Vec::as_slice));
                } else {
                    start.write(&monitor, out);
                }
                out.extend_from_slice(after);
            });
        }
        if !start.is_resumed() && !self.link.out().is_logged() {
            let contents = database.hub().contents(&monitor, &start);
            return self.reply_in_pieces(id, &before, contents, after);
        }
        let text = in_place(size, || database.hub().beginning(&monitor, &start));
        self.reply_shared(id, &before, text, after);
    }

    fn start_monitor(
        &mut self,
        method: Method,
        protocol: Protocol,
        params: &[Json],
    ) -> Result<Started, Json> {
        loop {
            let asked = self.asked_monitor(method, protocol, params)?;
            // What the other monitors have not been told leaves first, so that nobody sees the new monitor's contents and
            // then an update that is older.
            self.send_updates();
            if let Some(started) = self.start_asked(asked, protocol) {
                return Ok(started);
            }
        }
    }

    /// What a request for a monitor asks for.
    pub(super) fn asked_monitor(
        &mut self,
        method: Method,
        protocol: Protocol,
        params: &[Json],
    ) -> Result<Asked, Json> {
        let database = self.database(method, params)?;
        let (id, requests, since) = match (protocol, params) {
            // What else a `monitor` says is not looked at.
            (Protocol::Monitor, [_, id, requests, ..]) => (id, requests, None),
            (Protocol::Cond, [_, id, requests]) => (id, requests, None),
            (Protocol::CondSince, [_, id, requests, since]) => (id, requests, Some(since)),
            _ => return Err(bad_params(params, String::from("invalid parameters"))),
        };
        check_requests(requests)?;
        if self.has_monitor(id) {
            return Err(duplicate(id));
        }
        if self.monitors() >= limits::SESSION_MONITORS_MAX {
            return Err(self.exhausted(TOO_MANY));
        }
        let schema = database.schema();
        let requests = MonitorRequests::from_json(schema, requests, protocol.with_conditions())
            .map_err(refusal)?;
        let since = since
            .map_or(Ok(None), last_transaction_id)
            .map_err(refusal)?;
        let shown = Shown::of(schema, &requests);
        let since = since.map(|id| Since { id, shown });
        let monitor = database.hub().monitor(&requests, protocol.form());
        self.pass_monitor(&database, monitor.shape(), monitor.conditions(), false)
            .map_err(refusal)?;
        Ok(Asked {
            id: id.clone(),
            database,
            monitor,
            since,
        })
    }

    /// Starts a monitor that was asked for, unless the database has gone or has another schema by now: the order to end
    /// its monitors may have been carried out since the database was looked up, and will not come again.
    pub(super) fn start_asked(&mut self, asked: Asked, protocol: Protocol) -> Option<Started> {
        let Asked {
            id,
            database,
            monitor,
            since,
        } = asked;
        let now = self.server.database(database.name())?;
        if !Arc::ptr_eq(&now, &database) {
            return None;
        }
        let told = Told {
            mailbox: &self.mailbox,
            desk: &self.desk,
            tellers: self.server.tellers(),
        };
        let monitors = &mut self.monitors;
        let start = monitors.start(id, protocol, &monitor, since, &database, told);
        Some(Started {
            database,
            monitor,
            start,
        })
    }

    /// Gives a monitor new conditions and perhaps a new id. What that adds and takes away is told before the reply.
    pub(super) fn monitor_cond_change(&mut self, params: &[Json]) -> Reply {
        let [old_id, id, requests] = params else {
            return Err(bad_params(params, String::from("invalid parameters")));
        };
        let unknown = || refusal(OvsdbError::syntax(old_id, "unknown monitor session"));
        let place = self.monitors.find(old_id).ok_or_else(unknown)?;
        if id != old_id && self.has_monitor(id) {
            return Err(duplicate(id));
        }
        let (database, protocol, monitor) = self.monitors.at(place);
        let (database, monitor) = (database.clone(), monitor.clone());
        let shape = monitor.shape();
        let changes = condition_changes_from_json(
            database.schema(),
            |table| shape.position(table).is_some(),
            protocol.with_conditions(),
            requests,
        )
        .map_err(refusal)?;
        let mut conditions = monitor.conditions().to_vec();
        for (table, condition) in changes {
            if let Some(at) = shape.position(table) {
                conditions[at] = condition;
            }
        }
        let is_new = conditions != monitor.conditions();
        if is_new {
            self.pass_monitor(&database, shape, &conditions, true)
                .map_err(refusal)?;
        }
        // Of this and all other monitors; under the id that this one has had.
        self.send_updates();
        // That may have told the end of its database, and with it its own.
        let place = self.monitors.find(old_id).ok_or_else(unknown)?;
        let changed = self
            .monitors
            .change(place, id, is_new.then_some(conditions));
        if let Some(changed) = changed {
            self.tell_change(old_id, id, changed);
        }
        Ok(empty())
    }

    fn tell_change(&mut self, old_id: &Json, id: &Json, changed: Changed) {
        let Changed {
            protocol,
            news,
            before,
            after,
            version,
        } = changed;
        for news in news {
            tell(self.link.out(), std::iter::once((old_id, protocol)), news);
        }
        let rows = before.rows_tried(&version.database) + after.rows_tried(&version.database);
        let mut text = Vec::new();
        let write = || after.write_difference(&before, &version.database, &mut text);
        if in_place(rows * limits::ROW_BYTES, write) {
            tell_text(self.link.out(), id, protocol, version.id, &text);
        }
    }

    /// Ends a monitor.
    pub(super) fn monitor_cancel(&mut self, params: &[Json]) -> Reply {
        let [id] = params else {
            return Err(Json::string("invalid parameters"));
        };
        match self.monitors.find(id) {
            Some(place) => {
                self.monitors.cancel(place, &self.mailbox);
                Ok(empty())
            }
            None => Err(Json::string("unknown monitor")),
        }
    }
}

/// What a session is told that wants more monitors than it may have.
pub(super) const TOO_MANY: &str = "this session has too many monitors";

/// Refuses what is no `<monitor-requests>` at all.
pub(super) fn check_requests(requests: &Json) -> Result<(), Json> {
    match requests {
        Json::Object(_) => Ok(()),
        _ => Err(refusal(OvsdbError::syntax(
            requests,
            "monitor-requests must be object",
        ))),
    }
}

pub(super) fn duplicate(id: &Json) -> Json {
    refusal(OvsdbError::syntax(id, "duplicate monitor ID"))
}
