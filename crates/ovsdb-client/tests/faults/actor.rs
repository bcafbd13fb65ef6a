//! A client of a world: it changes rows, reads, and writes down what it was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_client::replica::{Replica, Status, Version};
use ovsdb_client::txn::{EditError, Marker, Policy, RowName, Txn};
use ovsdb_client::{Builder, Client, Lock};
use ovsdb_proto::build::{Rows, column};
use ovsdb_proto::schema::Selection;
use ovsdb_proto::uuid::Uuid;
use ovsdb_testkit::differential::dice::Dice;
use tokio::time::{Duration, Instant};

use super::ledger::{Ledger, Told};
use super::schemas::DATABASE;

/// Slots, for which clients compete.
const SLOTS: i64 = 4;

/// The counter that all share.
pub(crate) const SHARED: &str = "all";

/// The name of a client's counter.
pub(crate) fn counter(nth: usize) -> String {
    format!("c{nth}")
}

/// What differs between the worlds that clients live in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether servers carry transactions out again by themselves.
    pub(crate) has_repetitions: bool,
    /// How long a client rests at most before it does the next thing.
    pub(crate) rest_max: Duration,
}

/// See the module's documentation.
pub(crate) struct Actor {
    nth: usize,
    manner: Manner,
    client: Client,
    pub(crate) replica: Replica,
    dice: Dice,
    pub(crate) ledger: Ledger,
    doing: Arc<Mutex<String>>,
    n_items: usize,
    lock: Option<Lock>,
}

impl Actor {
    /// A client of the servers that `builder` names.
    pub(crate) fn start(
        nth: usize,
        manner: Manner,
        builder: Builder,
        seed: u64,
        doing: Arc<Mutex<String>>,
    ) -> Actor {
        let client = builder
            .database(DATABASE)
            .backoff(Duration::from_secs(1), Duration::from_secs(2))
            .probe_interval(Some(Duration::from_secs(1)))
            // Some make do with those who follow the leader, who pass transactions on.
            .leader_only(nth % 4 != 3)
            .start()
            .expect("the methods are well formed");
        let replica = client.replica(DATABASE, Selection::all());
        // Some have it, some wait for it, some never ask.
        let lock = (nth % 3 != 2).then(|| client.lock("l").expect("nobody here wants it"));
        Actor {
            nth,
            manner,
            client,
            replica,
            dice: Dice::new(seed ^ (nth as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            ledger: Ledger::default(),
            doing,
            n_items: 0,
            lock,
        }
    }

    /// Works until `is_over`, and ends with what it began last. Calls `note` for each thing done. Gives itself back.
    pub(crate) async fn run(mut self, is_over: Arc<AtomicBool>, note: impl Fn()) -> Actor {
        self.does("gets its marker");
        let version = self.replica.live(None).await.expect("the client goes on");
        let own = named(&version, &counter(self.nth));
        let marker = self.replica.marker(&own, "marks", "me", Policy::default());
        let marker = marker.await.expect("it is made in the end");
        while !is_over.load(Ordering::Relaxed) {
            self.act(&own, &marker).await;
            note();
            self.rest().await;
        }
        self.does("follows all rows again");
        let all = self.replica.set_conditions([("Item", Rows::All)]).await;
        all.expect("that is no condition");
        self.does("is done");
        self
    }

    async fn rest(&mut self) {
        let ms = i64::try_from(self.manner.rest_max.as_millis()).expect("it is short");
        if ms > 0 {
            let ms = self.dice.between(0, ms).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// The client's own words on how it stands.
    pub(crate) fn standing(&self) -> String {
        format!(
            "{:?}, replica {:?}",
            *self.client.status().borrow(),
            self.replica.status()
        )
    }

    fn does(&self, what: &str) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        what.clone_into(&mut doing);
    }

    /// Mostly as long as it takes, which must come to an end when everything runs again.
    fn policy(&mut self) -> Policy {
        match self.dice.chance(70) {
            true => Policy::default(),
            false => {
                let ms = self.dice.between(20, 3_000).unsigned_abs();
                Policy::until(Instant::now() + Duration::from_millis(ms))
            }
        }
    }

    fn new_item(&mut self) -> String {
        self.n_items += 1;
        format!("{}-{}", self.nth, self.n_items)
    }

    async fn act(&mut self, own: &RowName, marker: &Marker) {
        match self.dice.below(12) {
            0..=2 => self.raise_marked(own, marker).await,
            3 => self.raise(own).await,
            4..=5 => self.insert(Some(marker)).await,
            6 => self.insert(None).await,
            7 => self.take_slot(marker).await,
            8 => self.free_slot().await,
            9 => self.delete(marker).await,
            10 => self.change_shared().await,
            _ => self.choose().await,
        }
    }

    /// Blind, so that nothing but the marker keeps it from happening twice.
    async fn raise_marked(&mut self, own: &RowName, marker: &Marker) {
        self.does("raises its marked counter");
        let policy = self.policy();
        let raised = self.replica.update(policy, |txn| {
            txn.once(marker);
            let all = counter_in(txn, SHARED)?;
            txn.increment_always(own, "marked")?;
            txn.increment_always(&all, "marked")
        });
        let raised = raised.await;
        let told = Told::of(&raised);
        self.ledger.marked.add(told);
        self.ledger.unknown += usize::from(!told.is_known());
        self.ledger.repeated += usize::from(raised.is_ok_and(|(_, committed)| committed.repeated));
    }

    /// What is known of a transaction without a marker.
    fn unmarked(&self, told: Told) -> Told {
        match self.manner.has_repetitions {
            false => told,
            true => told.with_repetition(),
        }
    }

    async fn raise(&mut self, own: &RowName) {
        self.does("raises its counter");
        let policy = self.policy();
        let raised = self.replica.update(policy, |txn| {
            let all = counter_in(txn, SHARED)?;
            txn.increment_always(own, "plain")?;
            txn.increment_always(&all, "plain")
        });
        let told = self.unmarked(Told::of(&raised.await));
        self.ledger.plain.add(told);
        self.ledger.unknown += usize::from(!told.is_known());
    }

    async fn insert(&mut self, marker: Option<&Marker>) {
        self.does("inserts an item");
        let name = self.new_item();
        let policy = self.policy();
        let owner = self.nth as i64;
        let needs_lock = self.dice.chance(20);
        // Who holds it keeps it, so that others are to wait no longer than they like.
        let waits = policy.deadline.is_some() && self.dice.chance(70);
        let awaited = self.lock.as_ref().filter(|_| waits);
        let inserted = self.replica.update(policy, |txn| {
            if let Some(marker) = marker {
                txn.once(marker);
            }
            match awaited {
                Some(lock) if needs_lock => txn.wait_for_lock(lock),
                None if needs_lock => txn.require_lock("l"),
                _ => {}
            }
            insert(txn, &name, owner)
        });
        let result = inserted.await;
        let told = Told::of(&result);
        let told = match marker {
            Some(_) => told,
            None => self.unmarked(told),
        };
        self.note(name.clone(), told);
        // Whoever has the result sees what it did, unless the connection went while the contents were repaired.
        if result.is_ok() && matches!(self.replica.status(), Status::Live) {
            let version = self.replica.snapshot().expect("there are contents");
            assert!(has_item(&version, &name), "{name} is not in the replica");
        }
    }

    /// Takes a slot that somebody else may be quicker to take.
    async fn take_slot(&mut self, marker: &Marker) {
        self.does("takes a slot");
        let name = self.new_item();
        let policy = self.policy();
        let owner = self.nth as i64;
        let n = self.dice.between(1, SLOTS);
        let taken = self.replica.update(policy, |txn| {
            txn.once(marker);
            let slot = txn.insert("Slot")?;
            txn.set(&slot, "n", n)?;
            insert(txn, &name, owner)
        });
        let told = Told::of(&taken.await);
        self.note(name, told);
    }

    async fn free_slot(&mut self) {
        self.does("frees a slot");
        let policy = self.policy();
        let freed = self.replica.update(policy, |txn| {
            for slot in txn.rows("Slot")? {
                txn.delete(&slot)?;
            }
            Ok::<_, EditError>(())
        });
        // Whether that happened is for nobody to know.
        let _ = freed.await;
    }

    /// Deletes an item of its own that is there.
    async fn delete(&mut self, marker: &Marker) {
        self.does("deletes an item");
        let items = self.ledger.items.iter();
        let sure: Vec<String> = items
            .filter(|(_, told)| **told == Told::Once)
            .map(|(name, _)| name.clone())
            .collect();
        let Some(name) = self.dice.maybe_pick(&sure).cloned() else {
            return;
        };
        let policy = self.policy();
        let deleted = self.replica.update(policy, |txn| {
            txn.once(marker);
            let rows = txn.find("Item", "name", name.as_str())?;
            assert_eq!(rows.len(), 1, "{name}");
            txn.delete(&rows[0])
        });
        let told = match Told::of(&deleted.await) {
            Told::Once => Told::Never,
            Told::Never => Told::Once,
            other => other,
        };
        self.note(name, told);
    }

    /// Changes rows that others change, too: all of it is verified.
    async fn change_shared(&mut self) {
        self.does("changes an item of others");
        let policy = self.policy();
        let at = self.dice.below(1_000);
        let number = self.dice.between(0, 20);
        let changed = self.replica.update(policy, |txn| {
            let rows = txn.rows("Item")?;
            if !rows.is_empty() {
                let row = &rows[at % rows.len()];
                txn.verify(row, "owner")?;
                txn.insert_element(row, "numbers", number)?;
            }
            Ok::<_, EditError>(())
        });
        let _ = changed.await;
    }

    /// Follows other rows: all, its own, or some. Its own are always among them.
    async fn choose(&mut self) {
        self.does("chooses rows");
        let owners = (0..8).filter(|_| self.dice.chance(50));
        let mut clauses: Vec<_> = owners.map(|owner| column("owner").eq(owner)).collect();
        clauses.push(column("owner").eq(self.nth as i64));
        let rows = match self.dice.chance(50) {
            true => Rows::All,
            false => Rows::Any(clauses),
        };
        let chosen = self.replica.set_conditions([("Item", rows)]).await;
        chosen.expect("both schemas have the column");
    }

    fn note(&mut self, name: String, told: Told) {
        self.ledger.unknown += usize::from(!told.is_known());
        self.ledger.items.insert(name, told);
    }
}

fn insert(txn: &mut Txn, name: &str, owner: i64) -> Result<(), EditError> {
    let row = txn.insert("Item")?;
    txn.set(&row, "name", name)?;
    txn.set(&row, "owner", owner)
}

fn counter_in(txn: &Txn, name: &str) -> Result<RowName, EditError> {
    let found = txn.find("Counter", "name", name)?.pop();
    Ok(found.expect("nobody deletes counters"))
}

fn named(version: &Arc<Version>, name: &str) -> RowName {
    let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
    counter_in(&txn, name).expect("there are counters")
}

fn has_item(version: &Arc<Version>, name: &str) -> bool {
    let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
    txn.find("Item", "name", name)
        .is_ok_and(|rows| !rows.is_empty())
}

/// What counters hold in one version.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counters(pub(crate) BTreeMap<String, (i64, i64)>);

impl Counters {
    pub(crate) fn of(version: &Arc<Version>) -> Counters {
        let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
        let rows = txn.rows("Counter").expect("both schemas have the table");
        let counter = |row: RowName| {
            let n = |column: &str| txn.get::<i64>(&row, column).expect("a number");
            let name = txn.get::<String>(&row, "name").expect("a text");
            (name, (n("marked"), n("plain")))
        };
        Counters(rows.into_iter().map(counter).collect())
    }

    /// Fails unless the shared counter is the sum of all others, as it is after each transaction.
    pub(crate) fn check(&self) {
        let own = self.0.iter().filter(|(name, _)| *name != SHARED);
        let sum = own.fold((0, 0), |sum, (_, n)| (sum.0 + n.0, sum.1 + n.1));
        assert_eq!(self.0.get(SHARED), Some(&sum), "{self:?}");
    }
}

/// Looks at each version that it comes by, until the client is closed.
pub(crate) async fn observe(replica: Replica) {
    let mut last = None;
    let mut generation = 0;
    loop {
        let next = replica.wait_for(None, |version| {
            (version.generation() > generation).then(|| Arc::clone(version))
        });
        let Ok(version) = next.await else {
            return;
        };
        generation = version.generation();
        let counters = Counters::of(&version);
        counters.check();
        let shared = counters.0.get(SHARED).copied();
        assert!(
            shared >= last,
            "the past is back: {shared:?} after {last:?}"
        );
        last = shared;
    }
}
