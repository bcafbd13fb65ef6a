//! Makes a script shorter that shows a difference, as long as it still shows one.

use std::time::{Duration, Instant};

use crate::duel::Duel;
use crate::report::Difference;
use crate::script::Script;

/// How often a script is played again at most.
const ATTEMPTS_MAX: usize = 250;

/// How long that may take. A difference shows only after a server has been given time.
const SECONDS_MAX: u64 = 60;

/// The shortest script found, and what it shows.
pub(crate) fn shorten(
    duel: &mut Duel<'_>,
    script: &Script,
    difference: &Difference,
) -> (Script, Difference) {
    let mut best = (script.clone(), difference.clone());
    best.0.truncate(difference.stretch + 1);
    let mut attempts = 0;
    let end = Instant::now() + Duration::from_secs(SECONDS_MAX);
    let goes_on = |attempts: usize| attempts < ATTEMPTS_MAX && Instant::now() < end;
    // First big parts, then single steps, then steps of bursts.
    let mut size = best.0.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.0.len() && goes_on(attempts) {
            let mut shorter = best.0.clone();
            shorter.drain(at..(at + size).min(shorter.len()));
            attempts += 1;
            match duel.play(&shorter) {
                Err(difference) => {
                    shorter.truncate(difference.stretch + 1);
                    best = (shorter, difference);
                }
                Ok(()) => at += size,
            }
        }
        size = match size {
            1 => 0,
            more => more.div_ceil(2),
        };
    }
    for place in 0..best.0.len() {
        let mut at = 0;
        while at < best.0[place].steps().len() && goes_on(attempts) {
            let Some(fewer) = best.0[place].without(at) else {
                break;
            };
            let mut shorter = best.0.clone();
            shorter[place] = fewer;
            attempts += 1;
            match duel.play(&shorter) {
                Err(difference) => best = (shorter, difference),
                Ok(()) => at += 1,
            }
        }
    }
    best
}
