//! `monitor`, `monitor-cond` and `monitor-cond-since`: the contents of tables, and then every change.

use ovsdb_client::{Event, Events, RequestId, Typed};
use ovsdb_daemon::daemonize::Daemon;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;

use super::background::Background;
use super::error::{ClientError, Shape};
use super::monitor_print::{self, Form};
use super::monitor_request::{self, Monitored, Names};
use super::options::ChangeAware;
use super::output::Output;
use super::query;
use super::server::Server;
use crate::timestamp;

/// The method that is used, and what it takes beyond the tables.
#[derive(Clone, Debug)]
pub(crate) enum Version {
    /// `monitor` (RFC 7047, section 4.1.5).
    Plain,
    /// `monitor_cond` (ovsdb-server(7), section 4.1.12).
    Conditional(Json),
    /// `monitor_cond_since` (ovsdb-server(7), section 4.1.15).
    Since(Json, Uuid),
}

impl Version {
    fn method(&self) -> &'static str {
        match self {
            Version::Plain => Method::Monitor.as_str(),
            Version::Conditional(_) => Method::MonitorCond.as_str(),
            Version::Since(..) => Method::MonitorCondSince.as_str(),
        }
    }

    fn condition(&self) -> Option<&Json> {
        match self {
            Version::Plain => None,
            Version::Conditional(condition) | Version::Since(condition, _) => Some(condition),
        }
    }
}

/// The commands of a monitor's control socket.
const CONTROL: [(&str, &str, usize); 4] = [
    ("exit", "", 0),
    ("ovsdb-client/block", "", 0),
    ("ovsdb-client/unblock", "", 0),
    ("ovsdb-client/cond_change", "TABLE COND", 2),
];

/// Everything that a monitor works with.
pub(crate) struct Monitor<'a> {
    pub(crate) server: &'a Server,
    pub(crate) events: Events,
    pub(crate) database: &'a str,
    pub(crate) version: Version,
    pub(crate) change_aware: ChangeAware,
    /// Whether to tell the time of each update.
    pub(crate) timestamp: bool,
}

impl Monitor<'_> {
    /// Watches `args`, a table and groups of columns, until the control socket says `exit`.
    pub(crate) async fn run(
        mut self,
        args: &[String],
        daemon: Daemon,
        out: &mut Output,
    ) -> Result<(), ClientError> {
        let (server, database) = (self.server, self.database);
        let mut background = Background::new(daemon, &CONTROL).await?;
        let schema = server.schema(database, out).await?;
        let names = Names {
            server: &server.name,
            database,
        };
        let (table, groups) = args
            .split_first()
            .ok_or(ClientError::Arguments("monitor"))?;
        let (requests, tables) = monitor_request::build(
            &schema,
            names,
            table,
            groups,
            self.version.condition().cloned(),
        )?;
        server.set_change_aware(self.change_aware).await?;

        let mut params = vec![Json::string(database), Json::Null, requests];
        if let Version::Since(_, last) = &self.version {
            params.push(Json::string(last.to_string()));
        }
        let method = self.version.method();
        let sent = server.session.subscribe(method, params).await;
        let request = sent.map_err(|error| server.refused(method, error))?;

        let mut blocked = false;
        loop {
            tokio::select! {
                event = self.events.next(), if !blocked => {
                    let event = event.map_err(|reason| server.receive_error(reason))?;
                    if self.show(event, request, &tables, out)? {
                        background.complete();
                    }
                }
                control = background.next() => match control.command() {
                    "ovsdb-client/block" => {
                        control.reply(if blocked { "already blocking" } else { "" });
                        blocked = true;
                    }
                    "ovsdb-client/unblock" => {
                        control.reply(if blocked { "" } else { "already unblocked" });
                        blocked = false;
                    }
                    "ovsdb-client/cond_change" => {
                        // A slip at the control socket must not end the monitor.
                        match query::parse(&control.args()[1]) {
                            Ok(condition) => {
                                self.change_condition(&control.args()[0], condition).await?;
                                control.reply("condition changed");
                            }
                            Err(error) => control.refuse(error.to_string()),
                        }
                    }
                    _ => {
                        control.reply_last().await;
                        return Ok(());
                    }
                },
            }
        }
    }

    /// Prints what the event tells; whether it was the reply to the request.
    fn show(
        &self,
        event: Event,
        request: RequestId,
        tables: &[Monitored<'_>],
        out: &mut Output,
    ) -> Result<bool, ClientError> {
        let time = self.timestamp.then(timestamp::now);
        let time = time.as_deref();
        match event {
            Event::Reply { id, result } if id == request => {
                let result =
                    result.map_err(|error| self.server.refused(self.version.method(), error))?;
                match &self.version {
                    Version::Plain => {
                        monitor_print::print(&result, Form::Initial, tables, time, out)?
                    }
                    Version::Conditional(_) => {
                        monitor_print::print(&result, Form::Updates2, tables, time, out)?
                    }
                    Version::Since(..) => self.show_since(&result, tables, time, out)?,
                }
                out.flush()?;
                return Ok(true);
            }
            Event::Notification(notification) => {
                match (notification.typed(), &self.version) {
                    (
                        Typed::Update {
                            monitor: Json::Null,
                            updates,
                        },
                        _,
                    ) => {
                        monitor_print::print(updates, Form::Updates, tables, time, out)?;
                    }
                    (
                        Typed::Update2 {
                            monitor: Json::Null,
                            updates,
                        },
                        Version::Conditional(_),
                    ) => {
                        monitor_print::print(updates, Form::Updates2, tables, time, out)?;
                    }
                    (
                        Typed::Update3 {
                            monitor: Json::Null,
                            last_transaction,
                            updates,
                        },
                        Version::Since(..),
                    ) => {
                        // The blank line before a table ends this one.
                        out.bytes(format!("\nlast_id: {last_transaction}").as_bytes())?;
                        monitor_print::print(updates, Form::Updates2, tables, time, out)?;
                    }
                    (Typed::MonitorCanceled(_), _) => {
                        return Err(ClientError::DatabaseRemoved {
                            server: self.server.name.clone(),
                            database: self.database.to_owned(),
                        });
                    }
                    _ => {}
                }
                out.flush()?;
            }
            _ => {}
        }
        Ok(false)
    }

    fn show_since(
        &self,
        result: &Json,
        tables: &[Monitored<'_>],
        time: Option<&str>,
        out: &mut Output,
    ) -> Result<(), ClientError> {
        let Some([Json::Bool(found), Json::String(last), updates]) = result.as_array() else {
            return Err(Shape::SinceReply(result.to_string()).into());
        };
        out.line(&format!("found: {found}, last_id: {last}"))?;
        monitor_print::print(updates, Form::Updates2, tables, time, out)
    }

    /// Sends the new condition; the server's reply tells nothing that is not seen in the updates.
    async fn change_condition(&self, table: &str, condition: Json) -> Result<(), ClientError> {
        let mut request = Object::new();
        request.insert("where", condition);
        let mut requests = Object::new();
        requests.insert(table, vec![Json::Object(request)]);
        let params = vec![Json::Null, Json::Null, Json::Object(requests)];
        let sent = self
            .server
            .session
            .send(Method::MonitorCondChange.as_str(), params)
            .await;
        drop(sent.map_err(|error| {
            self.server
                .refused(Method::MonitorCondChange.as_str(), error)
        })?);
        Ok(())
    }
}
