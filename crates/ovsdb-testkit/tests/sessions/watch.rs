//! The monitors of a session on one server, each with its replica and the request that would show the same now.

use std::collections::BTreeMap;

use ovsdb_testkit::differential::model::Model;
use ovsdb_testkit::raw::Raw;

use crate::canonical::member;
use crate::replica::{Replica, members};
use crate::script::{Action, Step};

/// One monitor.
#[derive(Clone, Debug)]
struct Watched {
    method: &'static str,
    /// The first three parameters, with the conditions of today.
    params: Vec<Raw>,
    replica: Replica,
}

/// The monitors of all clients, by client and id. Those of some kinds of change only are left out: what their updates
/// come to depends on how a server cuts them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    monitors: BTreeMap<(usize, String), Watched>,
}

impl Watch {
    /// Takes in what a client has received while it did these steps.
    ///
    /// # Errors
    /// An update that makes no sense.
    pub(crate) fn take_in<'a>(
        &mut self,
        model: &Model,
        client: usize,
        messages: &[Raw],
        step: impl Fn(&Raw) -> Option<&'a Step>,
    ) -> Result<(), String> {
        let steps = |message: &Raw| message.get("id").and_then(&step);
        // What has a new name uses it before the reply says so.
        for message in messages {
            if let Some(step) = steps(message).filter(|_| succeeded(message)) {
                self.rename(client, step);
            }
        }
        for message in messages {
            if message.get("end").is_some() {
                self.leave(client);
            } else if is_end(message) {
                let params = message.get("params").and_then(Raw::elements);
                let id = params.and_then(<[Raw]>::first).map(Raw::to_string);
                self.monitors
                    .retain(|place, _| Some(&place.1) != id.as_ref() || place.0 != client);
            } else if let Some(step) = steps(message).filter(|_| succeeded(message)) {
                self.reply(model, step, message)?;
            } else {
                self.notification(model, client, message)?;
            }
        }
        Ok(())
    }

    /// Forgets a client.
    pub(crate) fn leave(&mut self, client: usize) {
        self.monitors.retain(|(owner, _), _| *owner != client);
    }

    fn rename(&mut self, client: usize, step: &Step) {
        if let ("monitor_cond_change", [old, new, _]) = (step.method(), params(step).as_slice())
            && let Some(mut watched) = self.monitors.remove(&(client, old.to_string()))
        {
            watched.params[1] = new.clone();
            self.monitors.insert((client, new.to_string()), watched);
        }
    }

    fn reply(&mut self, model: &Model, step: &Step, message: &Raw) -> Result<(), String> {
        let mut params = params(step);
        let result = message.get("result").unwrap_or(message);
        let contents = match step.method() {
            "monitor_cancel" => {
                let id = params.first().map(Raw::to_string).unwrap_or_default();
                self.monitors.remove(&(step.client, id));
                return Ok(());
            }
            "monitor_cond_change" => {
                let [_, id, changes] = params.as_slice() else {
                    return Ok(());
                };
                let watched = self.monitors.get_mut(&(step.client, id.to_string()));
                if let Some(watched) = watched.filter(|watched| watched.method != "monitor") {
                    change(&mut watched.params[2], changes);
                }
                return Ok(());
            }
            "monitor" | "monitor_cond" => Some(result),
            "monitor_cond_since" => match result.elements() {
                Some([found, _, contents]) if *found == Raw::boolean(false) => Some(contents),
                // What came before is not known here.
                _ => None,
            },
            _ => return Ok(()),
        };
        params.truncate(3);
        let whole = params.first().and_then(Raw::text) == Some(&model.name)
            && !params[2].to_string().contains(r#""select""#);
        if let Some(contents) = contents.filter(|_| whole) {
            let mut replica = Replica::default();
            replica.apply(model, contents)?;
            let watched = Watched {
                method: step.method(),
                params: params.clone(),
                replica,
            };
            let place = (step.client, params[1].to_string());
            self.monitors.insert(place, watched);
        }
        Ok(())
    }

    fn notification(&mut self, model: &Model, client: usize, message: &Raw) -> Result<(), String> {
        let method = message.get("method").and_then(Raw::text).unwrap_or("");
        let params = message.get("params").and_then(Raw::elements).unwrap_or(&[]);
        let ([id, .., updates], true) = (params, method.starts_with("update")) else {
            return Ok(());
        };
        match self.monitors.get_mut(&(client, id.to_string())) {
            Some(watched) => watched.replica.apply(model, updates),
            None => Ok(()),
        }
    }

    /// All replicas, by client and monitor id.
    pub(crate) fn show(&self) -> Vec<String> {
        let all = self.monitors.iter();
        all.map(|((client, id), watched)| {
            format!("client {client} {id}: {}", watched.replica.show())
        })
        .collect()
    }

    /// For each monitor: a request whose reply shows now what its replica should hold.
    pub(crate) fn questions(&self) -> Vec<(String, &Replica)> {
        let all = self.monitors.values().map(|watched| {
            let params = Raw::Array(watched.params.clone());
            let method = match watched.method {
                "monitor" => "monitor",
                _ => "monitor_cond",
            };
            let request = format!(r#"{{"id":0,"method":"{method}","params":{params}}}"#);
            (request, &watched.replica)
        });
        all.collect()
    }
}

fn is_end(message: &Raw) -> bool {
    message.get("method").and_then(Raw::text) == Some("monitor_canceled")
}

fn succeeded(message: &Raw) -> bool {
    message.get("method").is_none()
        && message
            .get("error")
            .is_none_or(|error| *error == Raw::null())
}

/// The parameters of a step's request.
fn params(step: &Step) -> Vec<Raw> {
    match &step.action {
        Action::Request { params, .. } => match Raw::parse(params) {
            Some(Raw::Array(params)) => params,
            _ => Vec::new(),
        },
        Action::Raw(_) | Action::Reconnect => Vec::new(),
    }
}

/// Puts the conditions of a `monitor_cond_change` into a monitor's requests.
fn change(requests: &mut Raw, changes: &Raw) {
    for (table, changes) in members(changes) {
        let last = changes.elements().and_then(<[Raw]>::last);
        let wheres = last.and_then(|change| change.get("where"));
        let (Some(wheres), Some(requests)) = (wheres, member(requests, table)) else {
            continue;
        };
        let requests = match requests {
            Raw::Array(requests) => requests.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for request in requests {
            if let Raw::Object(members) = request {
                members.retain(|(name, _)| name != "where");
                members.push(("where".to_owned(), wheres.clone()));
            }
        }
    }
}
