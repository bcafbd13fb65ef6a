//! One script on two servers: what each client receives from one must be what it receives from the other.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ovsdb_testkit::differential::model::{Model, Table};
use ovsdb_testkit::raw::Raw;

use crate::canonical::{CHOSEN, Names};
use crate::explain::{CRASH, DANGLING, MERGED, Scene, explain};
use crate::replica::{Replica, members};
use crate::report::{Difference, Tally};
use crate::script::{Action, Step, Stretch};
use crate::stage::{Crash, END, Stage};
use crate::watch::Watch;

/// For how long a server that is behind is given more time, as long as every client has a request answered again and again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Two servers.
pub(crate) struct Duel<'a> {
    /// The schema of the database.
    pub(crate) model: &'a Model,
    /// The same as text.
    schema: &'a str,
    /// Whether a script has given it another one.
    is_converted: bool,
    /// The reference and ours, or two references.
    pub(crate) stages: [Stage; 2],
    /// What has been met so far.
    pub(crate) tally: Tally,
    /// Whether scripts speak of transactions by their ids.
    history: bool,
    /// What the last script has come to, for whoever looks into a crash.
    last: String,
}

/// What is known in the middle of a script.
struct Course<'s> {
    steps: HashMap<String, &'s Step>,
    owners: Vec<(String, usize)>,
    watches: [Watch; 2],
}

/// Why a script does not go on.
enum Stop {
    Crash(usize),
    Difference(Difference),
}

impl<'a> Duel<'a> {
    /// Two servers that have met nothing yet.
    pub(crate) fn new(
        model: &'a Model,
        schema: &'a str,
        stages: [Stage; 2],
        history: bool,
    ) -> Duel<'a> {
        Duel {
            model,
            schema,
            is_converted: false,
            stages,
            history,
            tally: Tally::default(),
            last: String::new(),
        }
    }

    /// Plays a script, to its end or until something happens that is explained and leaves nothing to compare.
    ///
    /// # Errors
    /// An unexplained difference.
    pub(crate) fn play(&mut self, script: &[Stretch]) -> Result<(), Difference> {
        self.last.clear();
        match self.try_play(script) {
            Ok(()) => {
                self.tally.sessions += 1;
                Ok(())
            }
            Err(Stop::Crash(end)) => {
                let log = self.stages[end].log();
                self.stages[end] = self.stages[end].restarted();
                if !self.stages[end].is_reference() {
                    return Err(Difference {
                        what: format!("ours has ended; its log:\n{log}"),
                        stretch: script.len(),
                        left: String::new(),
                        right: String::new(),
                    });
                }
                *self.tally.explained.entry(CRASH).or_default() += 1;
                println!("the reference has crashed after {}", self.last);
                Ok(())
            }
            Err(Stop::Difference(difference)) => {
                let played = &script[..script.len().min(difference.stretch + 1)];
                for end in 0..2 {
                    let is_reference = self.stages[end].is_reference();
                    if is_reference && self.has_dangled(end, played).unwrap_or(false) {
                        *self.tally.explained.entry(DANGLING).or_default() += 1;
                        // What dangles stays until the server is restarted.
                        self.stages[end] = self.stages[end].restarted();
                        return Ok(());
                    }
                }
                Err(difference)
            }
        }
    }

    /// Whether a server comes to hold a weak reference to a row that does not exist, if it plays a script once more.
    /// Later such a row may have been inserted again.
    fn has_dangled(&mut self, end: usize, script: &[Stretch]) -> Result<bool, Crash> {
        if self.dangles(end)? {
            return Ok(true);
        }
        if self.is_converted {
            let back = self.conversion();
            self.stages[end].convert(&back)?;
        }
        let clear = self.clear();
        self.stages[end].begin(&clear, clients_of(script), None)?;
        for step in script.iter().flat_map(Stretch::steps) {
            self.stages[end].forget();
            self.stages[end].perform(step)?;
            self.stages[end].settle(std::slice::from_ref(step))?;
            if self.dangles(end)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A request that brings the schema back.
    fn conversion(&self) -> String {
        let (name, schema) = (&self.model.name, self.schema);
        format!(r#"{{"id":0,"method":"convert","params":["{name}",{schema}]}}"#)
    }

    fn try_play(&mut self, script: &[Stretch]) -> Result<(), Stop> {
        if self.is_converted {
            let back = self.conversion();
            self.both(|stage| stage.convert(&back))?;
            self.is_converted = false;
        }
        let clear = self.clear();
        let witness = self.history.then(|| self.watch_all());
        let steps = script.iter().flat_map(Stretch::steps);
        let clients = clients_of(script);
        self.both(|stage| stage.begin(&clear, clients, witness.as_deref()))?;
        let mut course = Course {
            steps: steps.map(|step| (step.number.to_string(), step)).collect(),
            owners: Vec::new(),
            watches: Default::default(),
        };
        for (place, stretch) in script.iter().enumerate() {
            for step in stretch.steps() {
                self.is_converted |= step.method() == "convert";
                self.tally.steps += 1;
                let kind = match &step.action {
                    Action::Request { method, .. } => method,
                    Action::Raw(_) => "(bytes)",
                    Action::Reconnect => "(reconnects)",
                };
                *self.tally.methods.entry(kind).or_default() += 1;
            }
            self.last.push_str(&stretch.to_string());
            match stretch {
                Stretch::Paced(step) => self.pace(&mut course, step),
                Stretch::Burst(steps) => self.burst(&mut course, steps, false),
                Stretch::Flood(steps) => self.burst(&mut course, steps, true),
            }
            .map_err(|stop| match stop {
                Stop::Difference(difference) => Stop::Difference(Difference {
                    stretch: place,
                    ..difference
                }),
                crash => crash,
            })?;
        }
        Ok(())
    }

    fn both(&mut self, act: impl Fn(&mut Stage) -> Result<(), Crash>) -> Result<(), Stop> {
        for (end, stage) in self.stages.iter_mut().enumerate() {
            act(stage).map_err(|Crash| Stop::Crash(end))?;
        }
        Ok(())
    }

    /// Requests that delete everything. The first of them has changed something, so that there is a transaction.
    fn clear(&self) -> [String; 2] {
        let tables = self.model.tables.iter();
        let delete =
            |table: &Table| format!(r#",{{"op":"delete","table":"{}","where":[]}}"#, table.name);
        let deletions: String = tables.clone().map(delete).collect();
        let roots = tables.filter(|table| table.is_root);
        let insertions: String = roots
            .map(|table| format!(r#",{{"op":"insert","table":"{}","row":{{}}}}"#, table.name))
            .collect();
        let name = &self.model.name;
        [format!("{deletions}{insertions}"), deletions].map(|operations| {
            format!(r#"{{"id":0,"method":"transact","params":["{name}"{operations}]}}"#)
        })
    }

    /// A request that leads to an update for every transaction.
    fn watch_all(&self) -> String {
        let tables = self.model.tables.iter();
        let tables: Vec<String> = tables
            .map(|table| format!(r#""{}":[{{}}]"#, table.name))
            .collect();
        let (name, tables) = (&self.model.name, tables.join(","));
        format!(
            r#"{{"id":0,"method":"monitor_cond_since","params":["{name}","all",{{{tables}}},"00000000-0000-0000-0000-000000000000"]}}"#
        )
    }

    /// Does one step and compares what everybody has received by then.
    fn pace(&mut self, course: &mut Course<'_>, step: &Step) -> Result<(), Stop> {
        self.both(|stage| {
            stage.forget();
            stage.perform(step)?;
            stage.settle(std::slice::from_ref(step))
        })?;
        if matches!(step.action, Action::Reconnect) {
            course
                .watches
                .iter_mut()
                .for_each(|watch| watch.leave(step.client));
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let [left, right] = &self.stages;
            let (mut left, mut right) = (read(left, course), read(right, course));
            let compared = compare(course, &left.1, &right.1).or_else(|difference| {
                self.compare_merged(course, step, [&left.1, &right.1], difference)
            });
            match compared {
                Ok(explained) => {
                    if explained.contains(&MERGED) {
                        // One server has told of row versions that the other has passed over.
                        left.0 = self.stages[0].names.clone();
                        right.0 = self.stages[1].names.clone();
                    }
                    for name in explained {
                        *self.tally.explained.entry(name).or_default() += 1;
                    }
                    return self.accept(course, step, [left, right]);
                }
                Err(difference) if Instant::now() > end => {
                    return Err(Stop::Difference(difference));
                }
                Err(_) => {}
            }
            self.both(|stage| stage.barrier(step.client))?;
        }
    }

    /// Compares what the updates of a step come to, if it has led to more than one transaction: a server may tell of
    /// several in one update.
    fn compare_merged(
        &self,
        course: &Course<'_>,
        step: &Step,
        received: [&[Vec<Raw>]; 2],
        difference: Difference,
    ) -> Result<Vec<&'static str>, Difference> {
        let ended = received[1].iter().flatten().any(|message| {
            let waited = message.get("id").and_then(|id| find(&course.steps, id));
            waited.is_some_and(|waited| waited.number != step.number && !waited.is_answered())
        });
        if !ended && step.is_answered() {
            return Err(difference);
        }
        let mut shown: [Vec<String>; 2] = Default::default();
        let mut others: [Vec<Vec<Raw>>; 2] = Default::default();
        for end in 0..2 {
            let mut watch = course.watches[end].clone();
            for (client, messages) in received[end].iter().enumerate() {
                if watch
                    .take_in(self.model, client, messages, |id| find(&course.steps, id))
                    .is_err()
                {
                    return Err(difference);
                }
                let kept = messages.iter().filter(|message| !is_update(message));
                others[end].push(kept.cloned().collect());
            }
            shown[end] = watch.show();
        }
        let mut explained = compare(course, &others[0], &others[1])?;
        match shown[0] == shown[1] {
            true => {
                explained.push(MERGED);
                Ok(explained)
            }
            false => Err(difference),
        }
    }

    fn accept(
        &mut self,
        course: &mut Course<'_>,
        step: &Step,
        ends: [(Names, Vec<Vec<Raw>>); 2],
    ) -> Result<(), Stop> {
        let received = ends[1].1.iter().flatten();
        for message in received {
            self.tally.messages += 1;
            let kind = kind_of(message, course);
            *self.tally.received.entry(kind).or_default() += 1;
        }
        if matches!(step.action, Action::Reconnect) {
            course.owners.retain(|(_, owner)| *owner != step.client);
        }
        for (client, messages) in ends[1].1.iter().enumerate() {
            own(course, client, messages);
        }
        for (end, (mut names, received)) in ends.into_iter().enumerate() {
            if step.method() == "convert" {
                // Rows may have new versions, and need not.
                names.forget();
            }
            self.stages[end].names = names;
            for (client, messages) in received.iter().enumerate() {
                let Course { steps, watches, .. } = &mut *course;
                watches[end]
                    .take_in(self.model, client, messages, |id| find(steps, id))
                    .map_err(|what| senseless(end, what, client, messages))?;
            }
        }
        Ok(())
    }

    /// Sends everything before anything is read, or with nothing read but replies, and compares replies and what all
    /// monitors then show.
    fn burst(
        &mut self,
        course: &mut Course<'_>,
        steps: &[Step],
        replies_are_read: bool,
    ) -> Result<(), Stop> {
        let first = steps.first().map_or(0, |step| step.client);
        self.both(|stage| {
            stage.forget();
            for step in steps {
                stage.perform(step)?;
                if replies_are_read {
                    stage.wait_for(step)?;
                }
            }
            stage.settle(steps)
        })?;
        let end = Instant::now() + PATIENCE;
        loop {
            let mut received: [Vec<Vec<Raw>>; 2] = Default::default();
            let mut watches = course.watches.clone();
            for (end, stage) in self.stages.iter().enumerate() {
                for (client, messages) in stage.seen().iter().enumerate() {
                    let mut messages: Vec<Raw> = messages.iter().map(|text| parse(text)).collect();
                    watches[end]
                        .take_in(self.model, client, &messages, |id| find(&course.steps, id))
                        .map_err(|what| senseless(end, what, client, &messages))?;
                    messages.retain(|message| message.get("method").is_none());
                    received[end].push(replies(&messages, course));
                }
            }
            let [left, right] = watches.each_ref().map(Watch::show);
            let compared = compare(course, &received[0], &received[1]);
            let compared = compared.and_then(|explained| match left == right {
                true => Ok(explained),
                false => Err(Difference {
                    what: "steps at once lead to other contents of monitors".to_owned(),
                    stretch: 0,
                    left: left.join("\n"),
                    right: right.join("\n"),
                }),
            });
            match compared {
                Ok(explained) => {
                    for name in explained {
                        *self.tally.explained.entry(name).or_default() += 1;
                    }
                    self.tally.replicas += right.len();
                    self.tally.messages += received[1].iter().map(Vec::len).sum::<usize>();
                    course.watches = watches;
                    return self.look(course);
                }
                Err(difference) if Instant::now() > end => {
                    return Err(Stop::Difference(difference));
                }
                Err(_) => {}
            }
            self.both(|stage| stage.barrier(first))?;
        }
    }

    /// Asks ours for what every replica should hold. The reference's way of sharing forbids to ask it.
    fn look(&mut self, course: &Course<'_>) -> Result<(), Stop> {
        if self.stages[1].is_reference() {
            return Ok(());
        }
        for (question, replica) in course.watches[1].questions() {
            let answer = self.stages[1]
                .ask(&question)
                .map_err(|Crash| Stop::Crash(1))?;
            let mut fresh = Replica::default();
            let understood = fresh.apply(self.model, &answer);
            if understood.is_err() || fresh.show() != replica.show() {
                return Err(Stop::Difference(Difference {
                    what: format!("a replica is not what a fresh monitor shows: {question}"),
                    stretch: 0,
                    left: format!("replica {}", replica.show()),
                    right: format!("fresh   {answer}"),
                }));
            }
        }
        Ok(())
    }

    /// Whether a server holds a weak reference to a row that does not exist.
    fn dangles(&self, end: usize) -> Result<bool, Crash> {
        let mut rows = Vec::new();
        let mut references = Vec::new();
        for table in &self.model.tables {
            let weak = table
                .columns
                .iter()
                .filter(|column| column.bases().any(|base| base.weak));
            let columns: String = weak
                .map(|column| format!(r#","{}""#, column.name))
                .collect();
            let (database, name) = (&self.model.name, &table.name);
            let answer = self.stages[end].ask(&format!(
                r#"{{"id":0,"method":"transact","params":["{database}",{{"op":"select","table":"{name}","where":[],"columns":["_uuid"{columns}]}}]}}"#
            ))?;
            let result = answer.elements().and_then(<[Raw]>::first);
            let found = result.and_then(|result| result.get("rows")?.elements());
            for row in found.into_iter().flatten() {
                for (column, value) in members(row) {
                    let text = value.to_string();
                    let uuids = text.split('"').filter(|word| word.starts_with(CHOSEN));
                    let list = if column == "_uuid" {
                        &mut rows
                    } else {
                        &mut references
                    };
                    list.extend(uuids.map(str::to_owned));
                }
            }
        }
        Ok(references.iter().any(|uuid| !rows.contains(uuid)))
    }
}

/// How many clients a script has.
fn clients_of(script: &[Stretch]) -> usize {
    let steps = script.iter().flat_map(Stretch::steps);
    steps.map(|step| step.client + 1).max().unwrap_or(1)
}

fn senseless(end: usize, what: String, client: usize, messages: &[Raw]) -> Stop {
    let mut ends = [String::new(), String::new()];
    ends[end] = show(messages);
    let [left, right] = ends;
    Stop::Difference(Difference {
        what: format!("an update makes no sense to client {client}: {what}"),
        stretch: 0,
        left,
        right,
    })
}

fn show(messages: &[Raw]) -> String {
    let lines: Vec<String> = messages.iter().map(|text| format!("    {text}")).collect();
    lines.join("\n")
}

fn is_update(message: &Raw) -> bool {
    let method = message.get("method").and_then(Raw::text);
    method.is_some_and(|method| method.starts_with("update"))
}

fn find<'s>(steps: &HashMap<String, &'s Step>, id: &Raw) -> Option<&'s Step> {
    steps.get(&id.to_string()).copied()
}

fn parse(text: &str) -> Raw {
    Raw::parse(text).unwrap_or_else(|| Raw::string(text))
}

/// What each client of a stage has received, in the common form, with the names as of then.
fn read(stage: &Stage, course: &Course<'_>) -> (Names, Vec<Vec<Raw>>) {
    let mut names = stage.names.clone();
    let method = |id: &Raw| find(&course.steps, id).map_or("", Step::method);
    let seen = stage.seen();
    // Who is told of every transaction decides on their numbers.
    if let Some(messages) = stage.seen_by_witness() {
        names.canonical(messages, method);
    }
    let received = seen
        .iter()
        .map(|messages| names.canonical(messages, method));
    let received = received.collect();
    (names, received)
}

/// Compares what all clients have received; the names of the rules that explain differences.
fn compare(
    course: &Course<'_>,
    left: &[Vec<Raw>],
    right: &[Vec<Raw>],
) -> Result<Vec<&'static str>, Difference> {
    let mut explained = Vec::new();
    for client in 0..left.len() {
        let mut ends = [left[client].clone(), right[client].clone()];
        let scene = Scene {
            client,
            owners: &course.owners,
            steps: &course.steps,
        };
        explained.extend(explain(&scene, &mut ends));
        if ends[0] != ends[1] {
            return Err(Difference {
                what: format!("client {client} receives something else"),
                stretch: 0,
                left: show(&ends[0]),
                right: show(&ends[1]),
            });
        }
    }
    Ok(explained)
}

/// Notes who owns which lock after what a client has received.
fn own(course: &mut Course<'_>, client: usize, messages: &[Raw]) {
    for message in messages {
        if message.to_string() == END {
            course.owners.retain(|(_, owner)| *owner != client);
            continue;
        }
        let first = |params: &Raw| params.elements()?.first()?.text().map(str::to_owned);
        let lock = match message.get("method").and_then(Raw::text) {
            Some("locked") => message.get("params").and_then(first),
            Some(_) => None,
            None => {
                let Some(step) = message.get("id").and_then(|id| find(&course.steps, id)) else {
                    continue;
                };
                let Action::Request { params, .. } = &step.action else {
                    continue;
                };
                let lock = Raw::parse(params).as_ref().and_then(first);
                let result = message.get("result").unwrap_or(message);
                match step.method() {
                    "unlock" if matches!(result, Raw::Object(members) if members.is_empty()) => {
                        let left = |(name, owner): &(String, usize)| {
                            *owner == client && Some(name) == lock.as_ref()
                        };
                        course.owners.retain(|owned| !left(owned));
                        None
                    }
                    "lock" | "steal" if result.get("locked") == Some(&Raw::boolean(true)) => lock,
                    _ => None,
                }
            }
        };
        if let Some(lock) = lock {
            course.owners.retain(|(name, _)| *name != lock);
            course.owners.push((lock, client));
        }
    }
}

/// What a message is, for the counts.
fn kind_of(message: &Raw, course: &Course<'_>) -> String {
    if let Some(method) = message.get("method").and_then(Raw::text) {
        return method.to_owned();
    }
    let step = message.get("id").and_then(|id| find(&course.steps, id));
    let method = step.map_or("", |step| step.method());
    let failed = message
        .get("error")
        .is_some_and(|error| *error != Raw::null());
    match (method, message.get("result").and_then(Raw::elements)) {
        ("", _) => "(other)".to_owned(),
        ("monitor_cond_since", Some([found, ..])) => format!("reply {method} found {found}"),
        _ if failed => format!("reply {method} failed"),
        _ => format!("reply {method}"),
    }
}

/// Replies of a client, each as far as it does not depend on what other clients did meanwhile.
fn replies(messages: &[Raw], course: &Course<'_>) -> Vec<Raw> {
    let replies = messages.iter().map(|message| {
        let step = message.get("id").and_then(|id| find(&course.steps, id));
        let shows_contents = step.is_some_and(|step| step.method().starts_with("monitor"));
        let fine = message
            .get("error")
            .is_none_or(|error| *error == Raw::null());
        if shows_contents && fine {
            return Raw::string(&format!("{:?} is fine", message.get("id")));
        }
        let canonical = Names::default().canonical(&[message.to_string()], |_| "");
        canonical.into_iter().next().unwrap_or(Raw::null())
    });
    replies.collect()
}
