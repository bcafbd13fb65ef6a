//! The monitors of one session (RFC 7047, sections 4.1.5 to 4.1.7) and the feeds that they read.

use std::sync::Arc;

use ovsdb_proto::json::Json;

use crate::database::Served;
use crate::feed::{Feed, News, Version, WatchId};
use crate::mailbox::Mailbox;

struct Subscription {
    id: Json,
    watch: WatchId,
}

/// The monitors on one database.
struct Attached {
    database: Arc<Served>,
    feed: Arc<Feed>,
    subscriptions: Vec<Subscription>,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Monitors {
    attached: Vec<Attached>,
}

impl Monitors {
    pub(super) fn len(&self) -> usize {
        self.attached
            .iter()
            .map(|attached| attached.subscriptions.len())
            .sum()
    }

    pub(super) fn contains(&self, id: &Json) -> bool {
        self.attached
            .iter()
            .any(|attached| attached.subscriptions.iter().any(|other| other.id == *id))
    }

    /// Starts a monitor, and returns the version from which it starts.
    pub(super) fn start(
        &mut self,
        id: Json,
        monitor: Arc<ovsdb_engine::monitor::Monitor>,
        database: &Arc<Served>,
        mailbox: &Arc<Mailbox>,
    ) -> Arc<Version> {
        let place = self
            .attached
            .iter()
            .position(|attached| Arc::ptr_eq(&attached.database, database));
        let attached = match place {
            Some(place) => &mut self.attached[place],
            None => {
                let feed = database.hub().subscribe(mailbox);
                self.attached.push(Attached {
                    database: database.clone(),
                    feed,
                    subscriptions: Vec::new(),
                });
                self.attached.last_mut().expect("it was just pushed")
            }
        };
        let (watch, version) = attached.feed.watch(monitor);
        attached.subscriptions.push(Subscription { id, watch });
        version
    }

    /// Ends a monitor. False if there is none with this id.
    pub(super) fn cancel(&mut self, id: &Json, mailbox: &Mailbox) -> bool {
        for (place, attached) in self.attached.iter_mut().enumerate() {
            let Some(at) = attached
                .subscriptions
                .iter()
                .position(|other| other.id == *id)
            else {
                continue;
            };
            let ended = attached.subscriptions.remove(at);
            if !attached.feed.unwatch(ended.watch) {
                attached.database.hub().unsubscribe(mailbox.id());
                self.attached.remove(place);
            }
            return true;
        }
        false
    }

    /// Ends all monitors on the database of this name, and returns their ids.
    pub(super) fn cancel_database(&mut self, name: &str, mailbox: &Mailbox) -> Vec<Json> {
        let Some(place) = self
            .attached
            .iter()
            .position(|attached| attached.database.name() == name)
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

    /// Takes what each monitor on the databases `of` is to be told, and hands it over with the monitor's id.
    pub(super) fn take_news(
        &self,
        of: impl Fn(&Served) -> bool,
        mut tell: impl FnMut(&Json, News),
    ) {
        for attached in self
            .attached
            .iter()
            .filter(|attached| of(&attached.database))
        {
            for news in attached.feed.take() {
                // Both are in the order of their ids.
                let place = attached
                    .subscriptions
                    .binary_search_by_key(&news.watch, |subscription| subscription.watch);
                if let Ok(place) = place {
                    let subscription = &attached.subscriptions[place];
                    tell(&subscription.id, news);
                }
            }
        }
    }
}
