//! A world: servers, eight clients, faults, and what must hold when they are over.
//!
//! What each does follows from a seed; who is quicker does not. `OVSDB_FAULTS_SEED=N` begins with that seed, and
//! `OVSDB_FAULTS_WORLDS=N` says how many there are, of rising seeds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_client::Client;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, timeout_at};

use super::actor::{Actor, Manner, observe};
use super::deployment::{Deployment, Kind};
use super::director::{Director, Progress};
use super::schemas::DATABASE;
use super::truth::{CLIENTS, check, furnish};

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
        let direct = Client::builder(&direct).database(DATABASE);
        runtime.block_on(furnish(direct.clone(), Instant::now() + TIME_MAX));
        let manner = Manner {
            has_repetitions: self.kind == Kind::Cluster,
            rest_max: Duration::ZERO,
        };

        let is_over = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let remotes = deployment.remotes();
        let mut observers = JoinSet::new();
        let mut actors = Vec::new();
        {
            let _within = runtime.enter();
            for (nth, doing) in self.doing.iter().enumerate() {
                let builder = Client::builder(&remotes);
                let actor = Actor::start(nth, manner, builder, self.seed, Arc::clone(doing));
                observers.spawn(observe(actor.replica.clone()));
                let (is_over, progress) = (Arc::clone(&is_over), Arc::clone(&progress));
                actors.push(tokio::spawn(actor.run(is_over, move || progress.note())));
            }
        }
        let diary = &mut self.diary;
        Director::new(&mut deployment, self.kind, self.seed, &progress, diary).run(FAULTS);
        is_over.store(true, Ordering::Relaxed);

        runtime.block_on(async {
            let deadline = Instant::now() + TIME_MAX;
            let actors = self.gather(actors, deadline).await;
            check(direct, &actors, deadline).await;
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
