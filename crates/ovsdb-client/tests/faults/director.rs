//! Who lets faults happen: which, and how long they last, follows from the seed.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ovsdb_testkit::differential::dice::Dice;
use ovsdb_testkit::proxy::Weather;

use super::deployment::{Deployment, Kind};

/// How long the database may take to be converted in the end.
const CONVERSION_TIME_MAX: Duration = Duration::from_secs(30);

/// What clients have done so far, which the director waits for between two faults.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: Mutex<u64>,
    more: Condvar,
}

impl Progress {
    /// Something was done.
    pub(crate) fn note(&self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.more.notify_all();
    }

    /// Waits until `n` more have been done, or the time is over.
    fn wait(&self, n: u64, longest: Duration) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let goal = *done + n;
        drop(
            self.more
                .wait_timeout_while(done, longest, |done| *done < goal),
        );
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    CutAll,
    Stall,
    Refuse,
    Weather,
    Kill,
    Stop,
    Convert,
    ConvertTwice,
    Transfer,
    KillLeader,
    StopLeader,
}

const FAULTS: [(u32, Fault); 9] = [
    (4, Fault::Cut),
    (2, Fault::CutAll),
    (3, Fault::Stall),
    (1, Fault::Refuse),
    (5, Fault::Weather),
    (3, Fault::Kill),
    (2, Fault::Stop),
    (2, Fault::Convert),
    (2, Fault::ConvertTwice),
];

const FAULTS_OF_CLUSTERS: [(u32, Fault); 12] = [
    (4, Fault::Cut),
    (2, Fault::CutAll),
    (3, Fault::Stall),
    (1, Fault::Refuse),
    (5, Fault::Weather),
    (2, Fault::Kill),
    (1, Fault::Stop),
    (1, Fault::Convert),
    (1, Fault::ConvertTwice),
    (5, Fault::Transfer),
    (3, Fault::KillLeader),
    (3, Fault::StopLeader),
];

/// See the module's documentation.
pub(crate) struct Director<'a> {
    deployment: &'a mut Deployment,
    kind: Kind,
    dice: Dice,
    progress: &'a Progress,
    /// Which schema the database has, as far as the director has seen to it.
    schema: usize,
    /// What happened, for whoever looks for the reason of a failure.
    diary: &'a mut Vec<String>,
}

impl<'a> Director<'a> {
    pub(crate) fn new(
        deployment: &'a mut Deployment,
        kind: Kind,
        seed: u64,
        progress: &'a Progress,
        diary: &'a mut Vec<String>,
    ) -> Director<'a> {
        Director {
            deployment,
            kind,
            dice: Dice::new(seed),
            progress,
            schema: 0,
            diary,
        }
    }

    /// Lets so many faults happen, and then mends everything.
    pub(crate) fn run(&mut self, n_faults: usize) {
        for _ in 0..n_faults {
            self.between();
            let fault = match self.kind {
                Kind::Single(_) => self.dice.weighted(&FAULTS),
                Kind::Cluster => self.dice.weighted(&FAULTS_OF_CLUSTERS),
            };
            self.fault(fault);
        }
        self.between();
        self.deployment.heal();
        let deadline = Instant::now() + CONVERSION_TIME_MAX;
        // A cluster may have to find its leader first, by which each attempt is a step.
        while !self.deployment.convert(0) {
            let is_early = Instant::now() < deadline;
            assert!(
                is_early,
                "the database cannot be converted though everything runs"
            );
            self.deployment.wait();
        }
    }

    /// Lets clients do something, or some time go by.
    fn between(&mut self) {
        let n = self.dice.below(60) as u64;
        let longest = self.ms(50, 700);
        self.progress.wait(n, longest);
    }

    fn ms(&mut self, low: i64, high: i64) -> Duration {
        Duration::from_millis(self.dice.between(low, high).unsigned_abs())
    }

    fn member(&mut self) -> usize {
        self.dice.below(self.deployment.members.len())
    }

    fn weather(&mut self) -> Weather {
        let slow = Weather {
            delay: self.ms(1, 30),
            ..Weather::FAIR
        };
        let trickle = Weather {
            portion_bytes_max: 1 + self.dice.below(300),
            ..Weather::FAIR
        };
        let fragile = Weather {
            cuts_percent: 70,
            lasts_bytes_max: 40_000,
            ..Weather::FAIR
        };
        let stalling = Weather {
            stalls_percent: 50,
            lasts_bytes_max: 40_000,
            ..Weather::FAIR
        };
        let foul = Weather {
            cuts_percent: 30,
            stalls_percent: 20,
            lasts_bytes_max: 40_000,
            ..slow
        };
        *self.dice.pick(&[
            Weather::FAIR,
            Weather::FAIR,
            slow,
            trickle,
            fragile,
            stalling,
            foul,
        ])
    }

    fn fault(&mut self, fault: Fault) {
        let nth = self.member();
        self.diary.push(format!("{fault:?} at {nth}"));
        let proxy = &self.deployment.members[nth].proxy;
        match fault {
            Fault::Cut => {
                proxy.cut(30);
            }
            Fault::CutAll => {
                proxy.cut(100);
            }
            Fault::Stall => {
                proxy.stall(30);
            }
            Fault::Refuse => {
                proxy.refuse(true);
                proxy.cut(50);
                self.between();
                self.deployment.members[nth].proxy.refuse(false);
            }
            Fault::Weather => {
                let weather = self.weather();
                self.diary.push(format!("{weather:?}"));
                self.deployment.members[nth].proxy.set_weather(weather);
            }
            Fault::Kill => self.kill(nth),
            Fault::Stop => self.stop(nth),
            Fault::Convert => self.convert(),
            Fault::ConvertTwice => {
                self.convert();
                self.convert();
            }
            Fault::Transfer => self.deployment.transfer(),
            Fault::KillLeader => {
                if let Some(leader) = self.deployment.leader() {
                    self.kill(leader);
                }
            }
            Fault::StopLeader => {
                if let Some(leader) = self.deployment.leader() {
                    self.stop(leader);
                }
            }
        }
    }

    fn kill(&mut self, nth: usize) {
        self.deployment.kill(nth);
        if self.dice.chance(50) {
            self.between();
        }
        self.deployment.revive(nth);
    }

    fn stop(&mut self, nth: usize) {
        self.deployment.stop(nth, true);
        // Long enough for some that others take the lead, and that clients find the server silent.
        let longest = self.ms(100, 3_000);
        self.progress.wait(u64::MAX / 2, longest);
        self.deployment.stop(nth, false);
    }

    fn convert(&mut self) {
        let other = 1 - self.schema;
        if self.deployment.convert(other) {
            self.schema = other;
            self.diary.push(format!("converted to {other}"));
        }
    }
}
