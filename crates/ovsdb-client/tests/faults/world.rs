//! A world: servers, eight clients, faults, and what must hold when they are over.
//!
//! What each does follows from a seed; who is quicker does not. `OVSDB_FAULTS_SEED=N` begins with that seed, and
//! `OVSDB_FAULTS_WORLDS=N` says how many there are, of rising seeds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_client::Client;
use ovsdb_client::replica::{Verdict, Version};
use ovsdb_client::txn::Txn;
use ovsdb_proto::build::{Transaction, insert};
use ovsdb_proto::uuid::Uuid;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, timeout_at};

use super::actor::{Actor, Counters, SHARED, counter, observe};
use super::deployment::{Deployment, Kind};
use super::director::{Director, Progress};
use super::schemas::DATABASE;

/// Clients of a world.
const CLIENTS: usize = 8;

/// Faults of a world.
const FAULTS: usize = 12;

/// When everything runs again, nothing may take longer than this.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Plays worlds, `usually` as many unless the environment says otherwise.
pub(crate) fn play(kind: Kind, usually: u64) {
    let number = |variable: &str| {
        let text = std::env::var(variable).ok()?;
        Some(text.parse::<u64>().expect("it is a number"))
    };
    let worlds = number("OVSDB_FAULTS_WORLDS");
    let first = number("OVSDB_FAULTS_SEED");
    let worlds = worlds.unwrap_or(if first.is_some() { 1 } else { usually });
    let first = first.unwrap_or_else(|| u64::from(std::process::id()) * 1_000);
    for seed in first..first + worlds {
        World::new(kind, seed).play();
    }
}

struct World {
    kind: Kind,
    seed: u64,
    /// What each client is about to do.
    doing: Vec<Arc<Mutex<String>>>,
    diary: Vec<String>,
    succeeded: bool,
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.succeeded {
            eprintln!(
                "a world failed: OVSDB_FAULTS_SEED={} for {:?}",
                self.seed, self.kind
            );
            eprintln!("what happened:\n  {}", self.diary.join("\n  "));
            for (nth, doing) in self.doing.iter().enumerate() {
                let doing = doing.lock().unwrap_or_else(PoisonError::into_inner);
                eprintln!("client {nth} {doing}");
            }
        }
    }
}

impl World {
    fn new(kind: Kind, seed: u64) -> World {
        World {
            kind,
            seed,
            doing: (0..CLIENTS).map(|_| Arc::default()).collect(),
            diary: Vec::new(),
            succeeded: false,
        }
    }

    fn play(mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        let mut deployment = Deployment::start(self.kind, self.seed);
        let direct = deployment.all_direct();
        runtime.block_on(furnish(&direct));

        let is_over = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let remotes = deployment.remotes();
        let mut observers = JoinSet::new();
        let mut actors = Vec::new();
        {
            let _within = runtime.enter();
            for (nth, doing) in self.doing.iter().enumerate() {
                let actor = Actor::start(nth, self.kind, &remotes, self.seed, Arc::clone(doing));
                observers.spawn(observe(actor.replica.clone()));
                let (is_over, progress) = (Arc::clone(&is_over), Arc::clone(&progress));
                actors.push(tokio::spawn(actor.run(is_over, progress)));
            }
        }
        let diary = &mut self.diary;
        Director::new(&mut deployment, self.kind, self.seed, &progress, diary).run(FAULTS);
        is_over.store(true, Ordering::Relaxed);

        runtime.block_on(async {
            let deadline = Instant::now() + TIME_MAX;
            let actors = self.gather(actors, deadline).await;
            check(&direct, &actors, deadline).await;
            let ledgers = actors.iter().map(|actor| &actor.ledger);
            let (repeated, unknown) = ledgers.fold((0, 0), |(repeated, unknown), ledger| {
                (repeated + ledger.repeated, unknown + ledger.unknown)
            });
            println!("seed {}: {repeated} repeated, {unknown} unknown", self.seed);
            // With the last handle of its replica an observer comes to its end.
            drop(actors);
            while let Ok(Some(observed)) = timeout_at(deadline, observers.join_next()).await {
                observed.expect("what it saw is in order");
            }
            assert!(observers.is_empty(), "an observer goes on for ever");
        });
        self.succeeded = true;
    }

    /// Waits for each client to end what it does.
    async fn gather(&self, running: Vec<JoinHandle<Actor>>, deadline: Instant) -> Vec<Actor> {
        let mut actors = Vec::new();
        for (nth, actor) in running.into_iter().enumerate() {
            match timeout_at(deadline, actor).await {
                Ok(actor) => actors.push(actor.expect("a client does not panic")),
                Err(_) => panic!("client {nth} hangs"),
            }
        }
        actors
    }
}

/// Makes the rows that there are from the beginning, without faults.
async fn furnish(direct: &str) {
    let deadline = Some(Instant::now() + TIME_MAX);
    let client = Client::builder(direct).database(DATABASE).connect(deadline);
    let client = client.await.expect("the servers run");
    let mut transaction = Transaction::new(DATABASE);
    let names = (0..CLIENTS).map(counter).chain([SHARED.to_owned()]);
    for name in names {
        transaction.push(insert("Counter").set("name", name));
    }
    let furnished = client.execute(&transaction, deadline).await;
    furnished.expect("the servers run");
}

/// Holds what there is against what clients were told, and their replicas against the servers.
async fn check(direct: &str, actors: &[Actor], deadline: Instant) {
    let client = Client::builder(direct)
        .database(DATABASE)
        .connect(Some(deadline));
    let client = client.await.expect("the servers run");
    let replica = client.replica(DATABASE, ovsdb_proto::schema::Selection::all());
    let version = match replica.check(Some(deadline)).await {
        Ok(Verdict::Equal(version)) => version,
        other => panic!("a replica that has seen no fault: {other:?}"),
    };
    for (nth, actor) in actors.iter().enumerate() {
        match actor.replica.check(Some(deadline)).await {
            Ok(Verdict::Equal(_)) => {}
            other => panic!("client {nth}: {other:?}; {}", actor.standing()),
        }
        let same = actor.replica.wait_for(Some(deadline), |other| {
            (other.digest() == version.digest()).then_some(())
        });
        if let Err(error) = same.await {
            panic!(
                "client {nth} has another database: {error}; {}",
                actor.standing()
            );
        }
    }
    let counters = Counters::of(&version);
    counters.check();
    let items = items(&version);
    for (nth, actor) in actors.iter().enumerate() {
        let (marked, plain) = counters.0[&counter(nth)];
        let ledger = &actor.ledger;
        assert!(
            ledger.marked.allows(marked),
            "client {nth}: {marked}, {:?}",
            ledger.marked
        );
        assert!(
            ledger.plain.allows(plain),
            "client {nth}: {plain}, {:?}",
            ledger.plain
        );
        for (name, told) in &ledger.items {
            let times = items.iter().filter(|item| *item == name).count();
            assert!(
                told.allows(times),
                "{name} is there {times} times, and was told: {told:?}"
            );
        }
    }
    let known = actors.iter().map(|actor| actor.ledger.items.len());
    assert!(known.sum::<usize>() > 0, "nobody did anything");
}

fn items(version: &Arc<Version>) -> Vec<String> {
    let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
    let rows = txn.rows("Item").expect("both schemas have the table");
    let name = |row| txn.get::<String>(&row, "name").expect("a text");
    rows.into_iter().map(name).collect()
}
