//! The monitors of one session (RFC 7047, sections 4.1.5 to 4.1.7; ovsdb-server(7), sections 4.1.12 to 4.1.16) and the
//! feeds that they read.

use std::sync::Arc;

use ovsdb_engine::monitor::{Form, Monitor};
use ovsdb_proto::condition::Condition;
use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;

use crate::database::Served;
use crate::feed::{Due, Feed, News, Taken, WatchId};
use crate::hub::{Since, Start, Version};
use crate::limits;
use crate::mailbox::{DatabaseId, Mailbox};
use crate::tellers::Tellers;

use super::desk::Desk;
use super::joined::Joined;
use super::outbox::Outbox;
use super::{in_place, tell, write_news};

/// Room for an update of one row or two.
const UPDATE_BYTES: usize = 384;
/// No room is made beforehand for more updates.
const UPDATES_FORESEEN: usize = 64;

/// By which method a monitor was requested, and so how it is told of changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// `monitor`.
    Monitor,
    /// `monitor_cond`.
    Cond,
    /// `monitor_cond_since`.
    CondSince,
}

impl Protocol {
    /// The method of the notifications.
    pub(super) const fn update(self) -> Method {
        match self {
            Protocol::Monitor => Method::Update,
            Protocol::Cond => Method::Update2,
            Protocol::CondSince => Method::Update3,
        }
    }

    /// The form of what is told.
    pub(super) const fn form(self) -> Form {
        match self {
            Protocol::Monitor => Form::Values,
            Protocol::Cond | Protocol::CondSince => Form::Differences,
        }
    }

    /// Whether there may be conditions.
    pub(super) const fn with_conditions(self) -> bool {
        !matches!(self, Protocol::Monitor)
    }
}

/// A monitor with what the client calls it.
struct Subscription {
    id: Json,
    protocol: Protocol,
    watch: WatchId,
    monitor: Arc<Monitor>,
}

/// The monitors on one database.
struct Attached {
    database: Arc<Served>,
    feed: Arc<Feed>,
    /// In the order of their watches.
    subscriptions: Vec<Subscription>,
}

impl Attached {
    fn subscription(&self, watch: WatchId) -> Option<&Subscription> {
        // Both are in the order of their ids.
        let subscriptions = &self.subscriptions;
        let place = subscriptions.binary_search_by_key(&watch, |subscription| subscription.watch);
        Some(&subscriptions[place.ok()?])
    }

    /// Sends the notifications of what is new for some of the monitors.
    fn tell(&self, news: News, out: &mut Outbox) {
        let watches = news.share_watches();
        let told = watches
            .as_slice()
            .iter()
            .filter_map(|watch| self.subscription(*watch));
        let told = told.map(|subscription| (&subscription.id, subscription.protocol));
        tell(out, told, news);
    }
}

/// What a change of conditions leads to.
pub(super) struct Changed {
    pub(super) protocol: Protocol,
    /// What was to be told under the conditions before.
    pub(super) news: Vec<News>,
    pub(super) before: Arc<Monitor>,
    pub(super) after: Arc<Monitor>,
    /// The version at which one follows the other.
    pub(super) version: Arc<Version>,
}

/// How a session hears of news: of the server's own databases by its mailbox, since what they tell has its place among
/// the letters.
pub(super) struct Told<'a> {
    pub(super) mailbox: &'a Arc<Mailbox>,
    pub(super) desk: &'a Arc<Desk>,
    pub(super) tellers: &'a Arc<Tellers>,
}

/// Where a monitor is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize, usize);

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Monitors {
    attached: Vec<Attached>,
    /// Nothing can be sent.
    stand: bool,
}

impl Monitors {
    pub(super) fn len(&self) -> usize {
        self.attached
            .iter()
            .map(|attached| attached.subscriptions.len())
            .sum()
    }

    /// Finds a monitor by its id.
    pub(super) fn find(&self, id: &Json) -> Option<Place> {
        let mut attached = self.attached.iter().enumerate();
        attached.find_map(|(at, attached)| {
            let mut subscriptions = attached.subscriptions.iter();
            let place = subscriptions.position(|other| other.id == *id)?;
            Some(Place(at, place))
        })
    }

    /// The database of a monitor, how it was requested, and what it monitors.
    pub(super) fn at(&self, place: Place) -> (&Arc<Served>, Protocol, &Arc<Monitor>) {
        let attached = &self.attached[place.0];
        let subscription = &attached.subscriptions[place.1];
        (
            &attached.database,
            subscription.protocol,
            &subscription.monitor,
        )
    }

    /// Starts a monitor. Its receiver knows the version `since`, or nothing.
    pub(super) fn start(
        &mut self,
        id: Json,
        protocol: Protocol,
        monitor: &Arc<Monitor>,
        since: Option<Since>,
        database: &Arc<Served>,
        told: Told<'_>,
    ) -> Start {
        let place = self
            .attached
            .iter()
            .position(|attached| Arc::ptr_eq(&attached.database, database));
        let attached = match place {
            Some(place) => &mut self.attached[place],
            None => {
                let hub = database.hub();
                let feed = match database.is_internal() {
                    true => hub.subscribe(told.mailbox),
                    false => hub.subscribe_at(told.mailbox, told.desk.clone(), told.tellers),
                };
                self.attached.reserve_exact(1);
                self.attached.push(Attached {
                    database: database.clone(),
                    feed,
                    // Many sessions have one monitor, and wait.
                    subscriptions: Vec::with_capacity(1),
                });
                self.attached.last_mut().expect("it was just pushed")
            }
        };
        let start = database.hub().watch(&attached.feed, monitor, since);
        attached.subscriptions.push(Subscription {
            id,
            protocol,
            watch: start.watch,
            monitor: monitor.clone(),
        });
        start
    }

    /// Gives a monitor a new id and new conditions, one for each table of its shape.
    pub(super) fn change(
        &mut self,
        place: Place,
        id: &Json,
        conditions: Option<Vec<Condition>>,
    ) -> Option<Changed> {
        let attached = &mut self.attached[place.0];
        let subscription = &mut attached.subscriptions[place.1];
        subscription.id = id.clone();
        let (hub, before) = (attached.database.hub(), subscription.monitor.clone());
        let after = hub.with_conditions(&before, conditions?);
        let (news, version) = hub.change(&attached.feed, subscription.watch, &after);
        subscription.monitor = after.clone();
        Some(Changed {
            protocol: subscription.protocol,
            news,
            before,
            after,
            version,
        })
    }

    /// Ends a monitor.
    pub(super) fn cancel(&mut self, place: Place, mailbox: &Mailbox) {
        let attached = &mut self.attached[place.0];
        let ended = attached.subscriptions.remove(place.1);
        let hub = attached.database.hub();
        if !hub.unwatch(&attached.feed, ended.watch) {
            hub.unsubscribe(mailbox.id());
            self.attached.remove(place.0);
        }
    }

    /// Ends all monitors on a database, and returns their ids.
    pub(super) fn cancel_database(&mut self, database: DatabaseId, mailbox: &Mailbox) -> Vec<Json> {
        let Some(place) = self
            .attached
            .iter()
            .position(|attached| attached.database.id() == database)
        else {
            return Vec::new();
        };
        let attached = self.attached.remove(place);
        attached.database.hub().unsubscribe(mailbox.id());
        attached
            .subscriptions
            .into_iter()
            .map(|ended| ended.id)
            .collect()
    }

    /// Whether there is anything to tell of the server's own databases.
    pub(super) fn has_internal_news(&self) -> bool {
        let mut attached = self.attached.iter();
        attached.any(|attached| attached.database.is_internal() && attached.feed.has_news())
    }

    /// How much there is to tell.
    fn due(&self) -> Due {
        let attached = self.attached.iter();
        attached.map(|attached| attached.feed.due()).sum()
    }

    /// Whether it is a large piece of work to take what is new, or one for the lane.
    pub(super) fn has_much_news(&self) -> bool {
        let due = self.due();
        due.rows * limits::ROW_BYTES > limits::MESSAGE_BYTES_SMALL || due.is_long()
    }

    /// Whether telling what is new is for the lane.
    pub(super) fn has_long_news(&self) -> bool {
        self.due().is_long()
    }

    /// Sends what each monitor on the databases `of` is to be told.
    pub(super) fn tell_news(&self, of: impl Fn(&Served) -> bool, out: &mut Outbox) {
        for attached in self
            .attached
            .iter()
            .filter(|attached| of(&attached.database))
        {
            let size = attached.feed.effort() * limits::ROW_BYTES;
            let taken = in_place(size, || attached.database.hub().take(&attached.feed));
            for news in taken {
                attached.tell(news, out);
            }
        }
    }

    /// Sends what each monitor on other databases than the server's own is to be told.
    pub(super) fn tell_joined(&self, joined: &mut Joined, out: &mut Outbox) {
        let attached = self.attached.iter();
        for attached in attached.filter(|attached| !attached.database.is_internal()) {
            let hub = attached.database.hub();
            let may_join = !out.is_logged();
            let taken = hub.take_unless(&attached.feed, |watch, monitor, range| {
                let known = attached.subscription(watch).and_then(|subscription| {
                    let Subscription { id, protocol, .. } = subscription;
                    joined.find(id, *protocol, monitor, range)
                });
                let known = known.filter(|_| may_join);
                known
                    .inspect(|text| {
                        joined.note_found();
                        out.send_messages((*text).clone());
                    })
                    .is_some()
            });
            for Taken { only, news } in taken {
                let only = only.filter(|_| may_join).and_then(|(watch, range)| {
                    let Subscription { id, protocol, .. } = attached.subscription(watch)?;
                    let monitor = news.first()?.monitor().clone();
                    Some((id, protocol, monitor, range))
                });
                match only {
                    Some((id, protocol, monitor, range)) => {
                        let room = news.len().min(UPDATES_FORESEEN) * UPDATE_BYTES;
                        let mut messages = Vec::with_capacity(room);
                        for one in news {
                            write_news(id, *protocol, one, &mut messages);
                        }
                        let text = joined.keep(id, *protocol, &monitor, range, messages);
                        out.send_messages(text);
                    }
                    None => news.into_iter().for_each(|one| attached.tell(one, out)),
                }
            }
        }
    }

    /// Whether there is anything to tell.
    pub(super) fn has_news(&self) -> bool {
        let mut attached = self.attached.iter();
        attached.any(|attached| attached.feed.has_news())
    }

    /// Notes whether anything can be sent.
    pub(super) fn stand(&mut self, stand: bool) {
        if !stand && !self.stand {
            return;
        }
        self.stand = stand;
        for attached in &self.attached {
            attached.database.hub().stand(&attached.feed, stand);
        }
    }

    /// Whether there is anything to merge.
    pub(super) fn is_news_long(&self) -> bool {
        let mut attached = self.attached.iter();
        attached.any(|attached| attached.feed.is_long())
    }

    /// Merges what cannot be sent at the moment.
    pub(super) fn merge_news(&self) {
        for attached in &self.attached {
            let size = attached.feed.changes() * limits::ROW_BYTES;
            in_place(size, || attached.database.hub().merge(&attached.feed));
        }
    }
}
