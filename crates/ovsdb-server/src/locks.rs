//! The named locks of the server (RFC 7047, section 4.1.8): who owns one, who waits, who was robbed.
//!
//! Locks span databases and sessions and guard nothing by themselves; only `assert` looks at them. Nothing
//! here sends a message: ownership changes go to the mailboxes of those concerned.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits;
use crate::mailbox::{Letter, Mailbox, SessionId};

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockMode {
    /// `lock`: waits for its turn.
    Wait,
    /// `steal`: takes the lock at once.
    Steal,
}

/// What a session has of a lock that it asked for and did not give back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LockState {
    /// It is the owner.
    Held,
    /// It will be, when those before it are gone.
    Waiting,
    /// It was, by `steal`, and was itself robbed; it does not wait.
    Lost,
}

/// Why a lock request was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LockError {
    /// The session has asked for this lock before and has not unlocked it.
    #[error("the session already holds or awaits the lock")]
    AlreadyRequested,
    /// The session has not asked for this lock.
    #[error("the session neither holds nor awaits the lock")]
    NotRequested,
    /// The session has [`limits::SESSION_LOCKS_MAX`] locks.
    #[error("the session has too many locks")]
    TooMany,
}

struct Waiter {
    mailbox: Arc<Mailbox>,
    mode: LockMode,
}

#[derive(Default)]
struct Table {
    /// The first in line owns the lock. No line is empty.
    lines: HashMap<String, VecDeque<Waiter>>,
    /// The locks that each session has asked for and not given back.
    requested: HashMap<SessionId, BTreeMap<String, LockMode>>,
}

/// The locks of one server.
#[derive(Default)]
pub struct Locks {
    table: Mutex<Table>,
}

impl Locks {
    /// Asks for `name`; tells whether the session owns the lock now. A victim of `steal` is notified.
    ///
    /// # Errors
    /// [`LockError::AlreadyRequested`] and [`LockError::TooMany`].
    pub fn request(
        &self,
        by: &Arc<Mailbox>,
        name: &str,
        mode: LockMode,
    ) -> Result<bool, LockError> {
        let mut table = self.table.lock();
        let table = &mut *table;
        let requested = table.requested.entry(by.id()).or_default();
        if requested.contains_key(name) {
            return Err(LockError::AlreadyRequested);
        }
        if requested.len() >= limits::SESSION_LOCKS_MAX {
            return Err(LockError::TooMany);
        }
        requested.insert(name.to_owned(), mode);

        let line = table.lines.entry(name.to_owned()).or_default();
        let waiter = Waiter {
            mailbox: by.clone(),
            mode,
        };
        match mode {
            LockMode::Wait => line.push_back(waiter),
            LockMode::Steal => {
                if let Some(victim) = line.front() {
                    victim.mailbox.deliver(Letter::Stolen(name.to_owned()));
                    // Who stole does not get the lock back; who waited for it keeps the place in the line.
                    if victim.mode == LockMode::Steal {
                        line.pop_front();
                    }
                }
                line.push_front(waiter);
            }
        }
        Ok(line
            .front()
            .is_some_and(|owner| owner.mailbox.id() == by.id()))
    }

    /// Gives `name` back, or stops waiting for it. A new owner is notified.
    ///
    /// # Errors
    /// [`LockError::NotRequested`].
    pub fn release(&self, by: SessionId, name: &str) -> Result<(), LockError> {
        let mut table = self.table.lock();
        let requested = table
            .requested
            .get_mut(&by)
            .ok_or(LockError::NotRequested)?;
        requested.remove(name).ok_or(LockError::NotRequested)?;
        if requested.is_empty() {
            table.requested.remove(&by);
        }
        leave(&mut table.lines, by, name);
        Ok(())
    }

    /// Gives back everything that a session has, since it has gone. New owners are notified.
    pub fn release_all(&self, by: SessionId) {
        let mut table = self.table.lock();
        for name in table.requested.remove(&by).unwrap_or_default().into_keys() {
            leave(&mut table.lines, by, &name);
        }
    }

    /// Whether the session owns the lock.
    pub fn is_owner(&self, session: SessionId, name: &str) -> bool {
        let table = self.table.lock();
        let owner = table.lines.get(name).and_then(VecDeque::front);
        owner.is_some_and(|owner| owner.mailbox.id() == session)
    }

    /// Whether nobody has a lock, or waits for one.
    pub fn is_empty(&self) -> bool {
        let table = self.table.lock();
        table.lines.is_empty() && table.requested.is_empty()
    }

    /// Every lock that the session has asked for and not given back, sorted by name.
    pub fn of(&self, session: SessionId) -> Vec<(String, LockState)> {
        let table = self.table.lock();
        let names = table
            .requested
            .get(&session)
            .into_iter()
            .flat_map(BTreeMap::keys);
        let mut locks: Vec<_> = names
            .map(|name| {
                let place = table.lines.get(name).and_then(|line| {
                    line.iter()
                        .position(|waiter| waiter.mailbox.id() == session)
                });
                let state = match place {
                    Some(0) => LockState::Held,
                    Some(_) => LockState::Waiting,
                    None => LockState::Lost,
                };
                (name.clone(), state)
            })
            .collect();
        locks.sort_by(|a, b| a.0.cmp(&b.0));
        locks
    }
}

fn leave(lines: &mut HashMap<String, VecDeque<Waiter>>, who: SessionId, name: &str) {
    // A session that was robbed of a stolen lock is in no line.
    let Some(line) = lines.get_mut(name) else {
        return;
    };
    let Some(place) = line.iter().position(|waiter| waiter.mailbox.id() == who) else {
        return;
    };
    line.remove(place);
    match line.front() {
        None => {
            lines.remove(name);
        }
        Some(owner) if place == 0 => owner.mailbox.deliver(Letter::Locked(name.to_owned())),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps like `a lock x`, `b steal x`, `a unlock x`, `b gone`, and says after each who was told what.
    fn check(steps: &[(&str, &str)]) {
        let locks = Locks::default();
        let people: Vec<(&str, Arc<Mailbox>)> = ["a", "b", "c"]
            .iter()
            .map(|name| (*name, Mailbox::new(SessionId::fresh())))
            .collect();
        for (step, expected) in steps {
            let words: Vec<&str> = step.split(' ').collect();
            let (_, mailbox) = people.iter().find(|(name, _)| *name == words[0]).unwrap();
            let said = match words[1] {
                "lock" => format!("{:?}", locks.request(mailbox, words[2], LockMode::Wait)),
                "steal" => format!("{:?}", locks.request(mailbox, words[2], LockMode::Steal)),
                "unlock" => format!("{:?}", locks.release(mailbox.id(), words[2])),
                "gone" => {
                    locks.release_all(mailbox.id());
                    String::from("gone")
                }
                other => panic!("no step {other}"),
            };
            let mut seen = said;
            for (name, mailbox) in &people {
                for letter in mailbox.take() {
                    match letter {
                        Letter::Locked(lock) => seen += &format!("; {name} locked {lock}"),
                        Letter::Stolen(lock) => seen += &format!("; {name} stolen {lock}"),
                        _ => panic!("not about locks"),
                    }
                }
            }
            assert_eq!(seen, *expected, "{step}");
        }
    }

    #[test]
    fn a_lock_goes_to_the_next_in_line_when_its_owner_unlocks() {
        check(&[
            ("a lock x", "Ok(true)"),
            ("b lock x", "Ok(false)"),
            ("c lock x", "Ok(false)"),
            ("b unlock x", "Ok(())"),
            ("a unlock x", "Ok(()); c locked x"),
            ("c unlock x", "Ok(())"),
            ("b lock x", "Ok(true)"),
        ]);
    }

    #[test]
    fn a_lock_goes_to_the_next_in_line_when_its_owner_disconnects() {
        check(&[
            ("a lock x", "Ok(true)"),
            ("b lock x", "Ok(false)"),
            ("a gone", "gone; b locked x"),
        ]);
    }

    #[test]
    fn the_victim_of_a_steal_gets_its_lock_back_when_it_had_waited_for_it() {
        check(&[
            ("a lock x", "Ok(true)"),
            ("b steal x", "Ok(true); a stolen x"),
            ("b unlock x", "Ok(()); a locked x"),
        ]);
    }

    #[test]
    fn the_victim_of_a_steal_does_not_get_back_what_it_had_stolen() {
        check(&[
            ("a steal x", "Ok(true)"),
            ("b steal x", "Ok(true); a stolen x"),
            ("b unlock x", "Ok(())"),
            ("c lock x", "Ok(true)"),
            ("a steal x", "Err(AlreadyRequested)"),
            ("a unlock x", "Ok(())"),
            ("a steal x", "Ok(true); c stolen x"),
        ]);
    }

    #[test]
    fn a_lock_must_be_given_back_before_it_is_asked_for_again() {
        check(&[
            ("a unlock x", "Err(NotRequested)"),
            ("a lock x", "Ok(true)"),
            ("a lock x", "Err(AlreadyRequested)"),
            ("a steal x", "Err(AlreadyRequested)"),
            ("a unlock x", "Ok(())"),
            ("a unlock x", "Err(NotRequested)"),
        ]);
    }

    #[test]
    fn the_state_of_each_lock_is_told_by_session() {
        let locks = Locks::default();
        let (a, b) = (
            Mailbox::new(SessionId::fresh()),
            Mailbox::new(SessionId::fresh()),
        );
        locks.request(&a, "kept", LockMode::Wait).unwrap();
        locks.request(&a, "robbed", LockMode::Steal).unwrap();
        locks.request(&b, "robbed", LockMode::Steal).unwrap();
        locks.request(&b, "other", LockMode::Wait).unwrap();
        locks.request(&a, "other", LockMode::Wait).unwrap();
        let of_a = [
            ("kept", LockState::Held),
            ("other", LockState::Waiting),
            ("robbed", LockState::Lost),
        ];
        assert_eq!(
            locks.of(a.id()),
            of_a.map(|(name, state)| (name.to_owned(), state))
        );
        assert!(locks.is_owner(b.id(), "other") && !locks.is_owner(a.id(), "other"));
    }
}
