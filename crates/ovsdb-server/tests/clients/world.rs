//! A simulated world from its beginning to its end.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ovsdb_client::{Builder, Client, chance};
use ovsdb_proto::json;
use ovsdb_server::runtime;
use ovsdb_testkit::differential::dice::Dice;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::actor::{Actor, Manner, observe};
use crate::host::{Chance, Host};
use crate::lines::{FAIR, Network, Weather};
use crate::network::Pace;
use crate::schemas::{DATABASE, FIRST, SECOND};
use crate::trace::Trace;
use crate::truth::{CLIENTS, check, furnish};

/// Faults of a world.
const FAULTS: usize = 10;

/// When everything runs again, nothing may take longer than this.
const TIME_MAX: Duration = Duration::from_secs(600);

/// How long clients rest between two things that they do.
const REST_MAX: Duration = Duration::from_millis(200);

/// What has happened in worlds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Connections that clients made.
    connections: u64,
    /// Those of them that broke.
    broken: u64,
    /// Transactions of which a marker told that they had happened before.
    repeated: usize,
    /// Transactions of which nobody knows what became of them.
    unknown: usize,
    /// Rows of whose insertion it is known what became of it.
    known: usize,
    conversions: usize,
    kills: usize,
    /// What clients saw and did in the last world.
    pub(crate) trace: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.connections += other.connections;
        self.broken += other.broken;
        self.repeated += other.repeated;
        self.unknown += other.unknown;
        self.known += other.known;
        self.conversions += other.conversions;
        self.kills += other.kills;
        self.trace = other.trace;
    }

    /// Fails unless everything has happened that there is to be lived through in so many worlds.
    pub(crate) fn assert_eventful(&self, worlds: u64) {
        let Tally {
            connections,
            broken,
            repeated,
            unknown,
            known,
            conversions,
            kills,
            trace: _,
        } = self;
        assert!(*connections > *broken && *broken > 100, "{self:?}");
        assert!(*known > 500 && *unknown > 0, "{self:?}");
        // A reply has to be lost at the right moment.
        assert!(*repeated > 0 || worlds < 200, "{self:?}");
        assert!(*conversions > 0 && *kills > 0, "{self:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    CutAll,
    Stall,
    StallAll,
    Refuse,
    Weather,
    Kill,
    Convert,
    ConvertTwice,
}

const ODDS: [(u32, Fault); 9] = [
    (4, Fault::Cut),
    (2, Fault::CutAll),
    (3, Fault::Stall),
    (1, Fault::StallAll),
    (1, Fault::Refuse),
    (5, Fault::Weather),
    (3, Fault::Kill),
    (2, Fault::Convert),
    (2, Fault::ConvertTwice),
];

/// See the module's documentation.
struct World {
    seed: u64,
    trace: Trace,
    doing: Vec<Arc<Mutex<String>>>,
    dice: Dice,
    network: Network,
    host: Host,
    /// Which schema the database has, as far as it is known.
    schema: usize,
    tally: Tally,
}

/// Lets a world be.
pub(crate) fn play(seed: u64, is_told: bool) -> Tally {
    let mut dice = Dice::new(seed);
    let mut branch = || Dice::new(dice.between(0, i64::MAX) as u64);
    let _simulated = runtime::enter(Rc::new(Chance::new(branch())));
    let network = Network::new(branch());
    let host = Host::new(network.clone(), branch());
    let _chance = chance::simulate(dice.between(0, i64::MAX) as u64);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Which of two events that are there is looked at first, and who hears of something first, is by tokio's chance.
    #[cfg(tokio_unstable)]
    runtime.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_ne_bytes()));
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let world = World {
            seed,
            trace: Trace::new(is_told),
            doing: (0..CLIENTS).map(|_| Arc::default()).collect(),
            dice,
            network,
            host,
            schema: 0,
            tally: Tally::default(),
        };
        world.play().await
    })
}

impl World {
    fn note(&self, what: &str) {
        self.trace.note("world", what);
    }

    fn builder(&self) -> Builder {
        Client::builder("tcp:192.0.2.1:6640").dial(self.network.clone())
    }

    async fn play(mut self) -> Tally {
        self.host.start().await;
        let deadline = Instant::now() + TIME_MAX;
        furnish(self.builder().database(DATABASE), deadline).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let manner = Manner {
            has_repetitions: false,
            rest_max: REST_MAX,
        };
        let mut observers = JoinSet::new();
        let mut actors = Vec::new();
        for (nth, doing) in self.doing.iter().enumerate() {
            let builder = self.builder();
            let actor = Actor::start(nth, manner, builder, self.seed, Arc::clone(doing));
            observers.spawn(observe(actor.replica.clone()));
            observers.spawn(self.trace.clone().follow(nth, actor.replica.clone()));
            let (trace, did) = (self.trace.clone(), Arc::clone(doing));
            let note = move || {
                let did = did.lock().unwrap_or_else(PoisonError::into_inner);
                trace.note(&format!("client {nth}"), did);
            };
            actors.push(tokio::spawn(actor.run(Arc::clone(&is_over), note)));
        }
        for _ in 0..FAULTS {
            self.between().await;
            let fault = self.dice.weighted(&ODDS);
            self.note(&format!("{fault:?}"));
            self.fault(fault).await;
        }
        self.between().await;
        self.note("all is well");
        self.host.start().await;
        self.network.heal();
        let deadline = Instant::now() + TIME_MAX;
        while !self.convert(0).await {
            assert!(Instant::now() < deadline, "it cannot be converted");
        }
        is_over.store(true, Ordering::Relaxed);
        let actors = self.gather(actors, deadline).await;
        check(self.builder().database(DATABASE), &actors, deadline).await;
        for (nth, actor) in actors.iter().enumerate() {
            let told = format!("was told {:?}", actor.ledger);
            self.trace.note(&format!("client {nth}"), told);
            self.tally.repeated += actor.ledger.repeated;
            self.tally.unknown += actor.ledger.unknown;
            self.tally.known += actor.ledger.items.len();
        }
        (self.tally.connections, self.tally.broken) = self.network.tally();
        // With the last handle of its replica an observer comes to its end.
        drop(actors);
        while let Ok(Some(observed)) = timeout_at(deadline, observers.join_next()).await {
            observed.expect("what it saw is in order");
        }
        assert!(observers.is_empty(), "an observer goes on for ever");
        sleep(Duration::from_secs(60)).await;
        self.host.stop().await;
        sleep(Duration::from_secs(60)).await;
        let tasks = tokio::runtime::Handle::current().metrics();
        assert_eq!(tasks.num_alive_tasks(), 0, "tasks are left");
        self.tally.trace = self.trace.number();
        self.tally
    }

    /// Waits for each client to end what it does.
    async fn gather(&self, running: Vec<JoinHandle<Actor>>, deadline: Instant) -> Vec<Actor> {
        let mut actors = Vec::new();
        for (nth, actor) in running.into_iter().enumerate() {
            match timeout_at(deadline, actor).await {
                Ok(Ok(actor)) => actors.push(actor),
                Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {
                    let doing = self.doing[nth]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    panic!("client {nth} hangs while it {doing}");
                }
            }
        }
        actors
    }

    async fn pause(&mut self, ms_max: usize) {
        let ms = self.dice.below(ms_max) as u64;
        sleep(Duration::from_millis(ms)).await;
    }

    /// Lets clients do something.
    async fn between(&mut self) {
        self.pause(1_500).await;
    }

    async fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Cut => self.network.cut(30),
            Fault::CutAll => self.network.cut(100),
            Fault::Stall => self.network.stall(30),
            Fault::StallAll => self.network.stall(100),
            Fault::Refuse => {
                self.network.refuse(true);
                self.network.cut(50);
                self.pause(10_000).await;
                self.network.refuse(false);
            }
            Fault::Weather => {
                let weather = self.weather();
                self.note(&format!("{weather:?}"));
                self.network.set_weather(weather);
                // Some keep the lines that they have.
                self.network.cut(50);
            }
            Fault::Kill => {
                self.tally.kills += 1;
                self.host.kill().await;
                if self.dice.chance(50) {
                    self.pause(10_000).await;
                }
                self.host.start().await;
            }
            Fault::Convert => self.convert_to_other().await,
            Fault::ConvertTwice => {
                self.convert_to_other().await;
                self.convert_to_other().await;
            }
        }
    }

    fn weather(&mut self) -> Weather {
        let pace = FAIR.pace;
        let slow = Weather {
            pace: Pace {
                pauses: 100,
                pause_ms_max: 300,
                ..pace
            },
            ..FAIR
        };
        let trickle = Weather {
            pace: Pace {
                capacity: 2048,
                piece: 1 + self.dice.below(300),
                pause_ms_max: 2,
                ..pace
            },
            ..FAIR
        };
        let lasts_bytes_max = *self.dice.pick(&[1_000, 40_000]);
        let fragile = Weather {
            breaks: 70,
            lasts_bytes_max,
            ..FAIR
        };
        let foul = Weather {
            breaks: 50,
            lasts_bytes_max,
            ..slow
        };
        *self.dice.pick(&[FAIR, slow, trickle, fragile, foul])
    }

    async fn convert_to_other(&mut self) {
        let other = 1 - self.schema;
        self.convert(other).await;
    }

    /// Tries to convert the database to the first schema or the second, over a line that may fail like others.
    async fn convert(&mut self, nth: usize) -> bool {
        let schema = json::parse([FIRST, SECOND][nth].as_bytes()).expect("JSON");
        let deadline = Some(Instant::now() + Duration::from_secs(10));
        let client = self.builder().database(DATABASE).connect(deadline).await;
        let Ok(client) = client else {
            return false;
        };
        let converted = client.convert(DATABASE, &schema, deadline).await.is_ok();
        if converted {
            self.schema = nth;
            self.tally.conversions += 1;
            self.note(&format!("converted to {nth}"));
        }
        converted
    }
}
