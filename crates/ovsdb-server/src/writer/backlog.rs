//! What has arrived at a writer and waits for its turn, so that sessions share the writer.
//!
//! A session may send many transactions at once, and each may cost much. Were they run in the order in which they arrive, a
//! client that sends one small transaction would wait for all of them. Instead the transactions of each session stand in a line
//! of its own, and the lines go on side by side, each the more slowly the more its transactions cost (start-time fair queueing:
//! P. Goyal, H. M. Vin, H. Cheng, 1996). Time is counted in work: a transaction begins when the one before it in its line has
//! ended, and not before now, which is the beginning of the one that was taken last. Who begins first is taken first. A session
//! whose line is empty saves nothing up. Small transactions that follow each other begin together, up to [`TURN_COST`]: they
//! are answered together as well, which is half of what they cost.
//!
//! The order within a session is that in which it sent. What concerns all sessions, as a conversion, comes after everything
//! that arrived before it, and before everything that arrives after it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::limits;
use crate::mailbox::SessionId;

/// A transaction begins with the one before it in its line, if those that did so have cost less than this.
const TURN_COST: u64 = limits::BATCH_ROWS_MAX as u64;

/// So many sessions whose lines are empty are remembered until somebody looks.
const IDLE_MAX: usize = 64;

/// What a session has sent.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// When its last turn begins.
    turn: u64,
    /// When it ends.
    end: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Backlog<E> {
    /// What begins now, in the order of arrival.
    current: VecDeque<E>,
    now: u64,
    /// What begins later.
    later: BTreeMap<u64, VecDeque<E>>,
    len: usize,
    /// Nothing that arrives begins before.
    barrier: u64,
    /// The lines of sessions. That of one that is not here has ended.
    lines: HashMap<SessionId, Line, RandomState>,
}

impl<E> Default for Backlog<E> {
    fn default() -> Backlog<E> {
        Backlog {
            current: VecDeque::new(),
            now: 0,
            later: BTreeMap::new(),
            len: 0,
            barrier: 0,
            lines: HashMap::default(),
        }
    }
}

impl<E> Backlog<E> {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds what has arrived, to the line of a session at this cost; `None`: it concerns all.
    pub(super) fn push(&mut self, event: E, of: Option<(SessionId, u64)>) {
        let earliest = self.now.max(self.barrier);
        let begins = match of {
            Some((session, cost)) => {
                let line = self.lines.entry(session).or_default();
                if line.turn < earliest || line.end - line.turn >= TURN_COST {
                    line.turn = earliest.max(line.end);
                    line.end = line.turn;
                }
                line.end += cost;
                line.turn
            }
            None => {
                let last = self.later.last_key_value().map_or(0, |(begins, _)| *begins);
                self.barrier = earliest.max(last);
                self.barrier
            }
        };
        if begins == self.now {
            self.current.push_back(event);
        } else {
            self.later.entry(begins).or_default().push_back(event);
        }
        self.len += 1;
    }

    /// What has its turn.
    pub(super) fn front(&self) -> Option<&E> {
        let next = || self.later.first_key_value()?.1.front();
        self.current.front().or_else(next)
    }

    /// Takes what has its turn.
    pub(super) fn pop(&mut self) -> Option<E> {
        if self.current.is_empty() {
            (self.now, self.current) = self.later.pop_first()?;
        }
        let event = self.current.pop_front()?;
        self.len -= 1;
        if self.is_empty() {
            self.lines.clear();
        } else if self.lines.len() > 2 * self.len + IDLE_MAX {
            self.lines.retain(|_, line| line.end > self.now);
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds what a session sends, at this cost, each by its own name.
    fn send(backlog: &mut Backlog<String>, session: SessionId, names: &str, cost: u64) {
        for name in names.split(' ') {
            backlog.push(name.to_owned(), Some((session, cost)));
        }
    }

    /// Takes so many.
    fn take(backlog: &mut Backlog<String>, count: usize) -> String {
        let taken: Vec<String> = (0..count).map_while(|_| backlog.pop()).collect();
        taken.join(" ")
    }

    #[test]
    fn sessions_have_their_turns_side_by_side() {
        let mut backlog = Backlog::default();
        let [a, b, c] = [(); 3].map(|()| SessionId::fresh());
        send(&mut backlog, a, "a1 a2 a3 a4", TURN_COST);
        send(&mut backlog, b, "b1 b2", TURN_COST);
        assert_eq!(take(&mut backlog, 3), "a1 b1 a2");
        // Who comes later waits for nobody's line.
        send(&mut backlog, c, "c1", TURN_COST);
        assert_eq!(take(&mut backlog, 9), "b2 c1 a3 a4");
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_line_goes_on_the_more_slowly_the_more_it_costs() {
        let mut backlog = Backlog::default();
        let [a, b] = [(); 2].map(|()| SessionId::fresh());
        send(&mut backlog, a, "a1 a2 a3", 10 * TURN_COST);
        send(&mut backlog, b, "b1 b2 b3 b4 b5", 3 * TURN_COST);
        assert_eq!(take(&mut backlog, 9), "a1 b1 b2 b3 b4 a2 b5 a3");
    }

    #[test]
    fn small_transactions_of_a_session_have_one_turn_together() {
        let mut backlog = Backlog::default();
        let [a, b, c] = [(); 3].map(|()| SessionId::fresh());
        send(&mut backlog, a, "a1 a2 a3 a4 a5 a6", TURN_COST / 3);
        send(&mut backlog, b, "b1 b2 b3 b4 b5", TURN_COST / 2);
        assert_eq!(take(&mut backlog, 2), "a1 a2");
        send(&mut backlog, c, "c1", TURN_COST);
        assert_eq!(take(&mut backlog, 9), "a3 a4 b1 b2 c1 b3 b4 a5 a6");
        assert_eq!(take(&mut backlog, 9), "b5");
    }

    #[test]
    fn a_session_without_a_line_saves_nothing_up_and_one_with_a_line_cannot_begin_anew() {
        let mut backlog = Backlog::default();
        let [a, b] = [(); 2].map(|()| SessionId::fresh());
        send(&mut backlog, a, "a1 a2 a3 a4", TURN_COST);
        assert_eq!(take(&mut backlog, 3), "a1 a2 a3");
        send(&mut backlog, b, "b1 b2", TURN_COST);
        send(&mut backlog, a, "a5", TURN_COST);
        assert_eq!(take(&mut backlog, 9), "b1 a4 b2 a5");
    }

    #[test]
    fn nothing_passes_what_concerns_all() {
        let mut backlog = Backlog::default();
        let [a, b] = [(); 2].map(|()| SessionId::fresh());
        send(&mut backlog, a, "a1 a2 a3", 10);
        backlog.push("all".to_owned(), None);
        send(&mut backlog, b, "b1 b2", 10);
        backlog.push("again".to_owned(), None);
        send(&mut backlog, b, "b3", 0);
        send(&mut backlog, a, "a4", 10);
        assert_eq!(take(&mut backlog, 9), "a1 a2 a3 all b1 b2 again b3 a4");
    }

    #[test]
    fn sessions_that_have_gone_are_forgotten() {
        let mut backlog = Backlog::default();
        let busy = SessionId::fresh();
        send(&mut backlog, busy, "x x", TURN_COST);
        for _ in 0..10 * IDLE_MAX {
            send(&mut backlog, SessionId::fresh(), "y", 1);
            send(&mut backlog, busy, "x", TURN_COST);
            assert_eq!(take(&mut backlog, 2).len(), 3);
        }
        assert!(!backlog.is_empty());
        assert!(backlog.lines.len() <= 2 * backlog.len() + IDLE_MAX + 1);
        while backlog.pop().is_some() {}
        assert!(backlog.lines.is_empty());
    }

    #[test]
    fn each_session_keeps_its_order_whatever_comes_between() {
        let sessions = [(); 5].map(|()| SessionId::fresh());
        let mut backlog = Backlog::default();
        let (mut sent, mut taken) = ([0_u64; 5], [0_u64; 5]);
        let (mut all_sent, mut all_taken) = (0, 0);
        let mut dice: u64 = 1;
        let mut throw = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) % sides
        };
        for _ in 0..20_000 {
            match throw(50) {
                0 => {
                    // All that was sent before it has to be taken before it.
                    backlog.push((None, all_sent), None);
                }
                1..=25 => {
                    let at = throw(5) as usize;
                    let cost = throw(3) * throw(3000);
                    backlog.push((Some(at), sent[at]), Some((sessions[at], cost)));
                    sent[at] += 1;
                    all_sent += 1;
                }
                _ => match backlog.pop() {
                    None => assert_eq!(sent, taken),
                    Some((Some(at), number)) => {
                        assert_eq!(number, taken[at]);
                        taken[at] += 1;
                        all_taken += 1;
                    }
                    Some((None, before)) => assert_eq!(before, all_taken),
                },
            }
        }
    }
}
