//! What is asked of a server so that a client has the locks that it wants, and no others.
//!
//! This is a state machine: it is told what is wanted and what the server says, in order, and says what is to be asked and
//! shown. A server knows each lock of a client once; so one that was given back and is wanted again is first given back there,
//! too.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb_proto::json::Json;
use ovsdb_proto::words::Method;

use super::LockState;

/// A lock that somebody wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wish {
    /// Tells it from an earlier wish for the same lock.
    pub(crate) generation: u64,
    /// Whether it is to be taken from whoever holds it, once.
    pub(crate) steals: bool,
}

/// What the table is told.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// There is a connection, and the server will do.
    Connected,
    /// The connection is over.
    Disconnected,
    /// These locks are wanted, and no others.
    Wanted(BTreeMap<Arc<str>, Wish>),
    /// The server answered [`Action::Ask`].
    Reply {
        /// Which.
        question: u64,
        /// By a result or an error.
        result: Result<Json, Json>,
    },
    /// `locked`: it has come to this client.
    Locked(Arc<str>),
    /// `stolen`: somebody else has taken it.
    Stolen(Arc<str>),
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Make a request with the lock's name as its parameter.
    Ask {
        /// By which the reply names it. No number is used twice.
        question: u64,
        /// `lock`, `steal` or `unlock`.
        method: Method,
        /// The lock.
        name: Arc<str>,
    },
    /// Tell whoever has this wish.
    Show {
        /// The lock.
        name: Arc<str>,
        /// The wish.
        generation: u64,
        /// How it stands.
        state: LockState,
    },
}

/// How the server sees a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum There {
    /// It does not know that this client wants it.
    Unknown,
    /// It was asked for it.
    Asked { question: u64, generation: u64 },
    /// This client waits for it or holds it.
    Known { is_held: bool, generation: u64 },
    /// It was told that it is wanted no longer.
    Unlocking { question: u64 },
    /// It has refused it.
    Refused { generation: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    wish: Option<Wish>,
    there: There,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    locks: BTreeMap<Arc<str>, Lock>,
    is_connected: bool,
    next_question: u64,
}

impl Table {
    /// Goes on with what has come.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Connected => {
                self.is_connected = true;
                self.settle(&mut actions);
            }
            Input::Disconnected => {
                self.is_connected = false;
                for (name, lock) in &mut self.locks {
                    let was_asked = lock.there != There::Unknown;
                    lock.there = There::Unknown;
                    if let Some(wish) = &mut lock.wish
                        && was_asked
                    {
                        // What was stolen once is waited for the next time: else two thieves would rob each other for ever.
                        wish.steals = false;
                        actions.push(show(name, wish.generation, LockState::Lost));
                    }
                }
                self.settle(&mut actions);
            }
            Input::Wanted(wishes) => {
                self.take(wishes);
                self.settle(&mut actions);
            }
            Input::Reply { question, result } => {
                self.reply(question, result, &mut actions);
                self.settle(&mut actions);
            }
            Input::Locked(name) => self.change(&name, true, &mut actions),
            Input::Stolen(name) => self.change(&name, false, &mut actions),
        }
        actions
    }

    fn take(&mut self, wishes: BTreeMap<Arc<str>, Wish>) {
        for (name, lock) in &mut self.locks {
            if !wishes.contains_key(name) {
                lock.wish = None;
            }
        }
        for (name, wish) in wishes {
            let lock = self.locks.entry(name).or_insert(Lock {
                wish: None,
                there: There::Unknown,
            });
            if lock
                .wish
                .is_none_or(|old| old.generation != wish.generation)
            {
                lock.wish = Some(wish);
            }
        }
    }

    /// Asks for what is wanted and not there, and the other way round.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        let is_connected = self.is_connected;
        let mut next_question = self.next_question;
        let mut ask = |method, name: &Arc<str>| {
            let question = next_question;
            next_question += 1;
            let name = Arc::clone(name);
            actions.push(Action::Ask {
                question,
                method,
                name,
            });
            question
        };
        self.locks.retain(|name, lock| {
            let wanted = lock.wish.map(|wish| wish.generation);
            match lock.there {
                There::Refused { generation } if wanted != Some(generation) => {
                    lock.there = There::Unknown;
                }
                There::Asked { generation, .. } | There::Known { generation, .. }
                    if wanted != Some(generation) =>
                {
                    let question = ask(Method::Unlock, name);
                    lock.there = There::Unlocking { question };
                }
                _ => {}
            }
            match (lock.wish, lock.there) {
                (None, There::Unknown) => return false,
                (Some(wish), There::Unknown) if is_connected => {
                    let method = match wish.steals {
                        true => Method::Steal,
                        false => Method::Lock,
                    };
                    lock.there = There::Asked {
                        question: ask(method, name),
                        generation: wish.generation,
                    };
                }
                _ => {}
            }
            true
        });
        self.next_question = next_question;
    }

    fn reply(&mut self, answered: u64, result: Result<Json, Json>, actions: &mut Vec<Action>) {
        let found = self.locks.iter_mut().find(|(_, lock)| match lock.there {
            There::Asked { question, .. } | There::Unlocking { question } => question == answered,
            _ => false,
        });
        let Some((name, lock)) = found else {
            return;
        };
        let There::Asked { generation, .. } = lock.there else {
            // Whatever it says, the server does not count on this client any more.
            lock.there = There::Unknown;
            return;
        };
        let is_held = match &result {
            Ok(result) => result
                .get("locked")
                .and_then(Json::as_bool)
                .ok_or("the server's answer is not in order".into()),
            Err(error) => Err(Arc::from(error.to_string())),
        };
        let state = match is_held {
            Ok(is_held) => {
                lock.there = There::Known {
                    is_held,
                    generation,
                };
                match is_held {
                    true => LockState::Held,
                    false => LockState::Waiting,
                }
            }
            Err(why) => {
                lock.there = There::Refused { generation };
                LockState::Refused(why)
            }
        };
        actions.push(show(name, generation, state));
    }

    fn change(&mut self, name: &Arc<str>, is_held: bool, actions: &mut Vec<Action>) {
        if let Some(lock) = self.locks.get_mut(name)
            && let There::Known {
                is_held: was_held,
                generation,
            } = lock.there
            && was_held != is_held
        {
            lock.there = There::Known {
                is_held,
                generation,
            };
            let state = match is_held {
                true => LockState::Held,
                false => LockState::Stolen,
            };
            actions.push(show(name, generation, state));
        }
    }
}

fn show(name: &Arc<str>, generation: u64, state: LockState) -> Action {
    Action::Show {
        name: Arc::clone(name),
        generation,
        state,
    }
}

#[cfg(test)]
mod tests {
    use ovsdb_proto::json;

    use super::*;

    /// What the table is told by a line: `up`, `down`, `want NAME.GENERATION,...` with `!` after those that steal,
    /// `reply QUESTION RESULT`, `error QUESTION`, `locked NAME`, `stolen NAME`.
    fn input(line: &str) -> Input {
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let word = next();
        let mut number = || next().parse::<u64>().expect("a number comes next");
        match word {
            "up" => Input::Connected,
            "down" => Input::Disconnected,
            "want" => {
                let wishes = next().split(',').filter(|wish| !wish.is_empty());
                Input::Wanted(
                    wishes
                        .map(|wish| {
                            let steals = wish.ends_with('!');
                            let (name, generation) = wish
                                .trim_end_matches('!')
                                .split_once('.')
                                .expect("a wish has a generation");
                            let generation = generation.parse().expect("that is a number");
                            (Arc::from(name), Wish { generation, steals })
                        })
                        .collect(),
                )
            }
            "reply" => Input::Reply {
                question: number(),
                result: Ok(json::parse(next().as_bytes()).expect("the case is JSON")),
            },
            "error" => Input::Reply {
                question: number(),
                result: Err(Json::string("no")),
            },
            "locked" => Input::Locked(next().into()),
            "stolen" => Input::Stolen(next().into()),
            other => panic!("no such input: {other}"),
        }
    }

    fn words(action: &Action) -> String {
        match action {
            Action::Ask {
                question,
                method,
                name,
            } => format!("{question} {method} {name}"),
            Action::Show {
                name,
                generation,
                state,
            } => format!("{name}.{generation} {state:?}"),
        }
    }

    /// Plays dialogues: each line what is told and, after `->`, what comes of it.
    #[track_caller]
    fn check(lines: &[&str]) {
        let mut table = Table::default();
        for line in lines {
            let (told, expected) = line.split_once("->").expect("a line has two sides");
            let heard: Vec<String> = table.step(input(told.trim())).iter().map(words).collect();
            assert_eq!(heard.join("; "), expected.trim(), "after {told}");
        }
    }

    #[test]
    fn a_lock_is_asked_for_on_each_connection_and_given_back() {
        check(&[
            "want a.0 ->",
            "up -> 0 lock a",
            r#"reply 0 {"locked":true} -> a.0 Held"#,
            "down -> a.0 Lost",
            "down ->",
            "up -> 1 lock a",
            r#"reply 1 {"locked":false} -> a.0 Waiting"#,
            "locked a -> a.0 Held",
            "locked a ->",
            "stolen a -> a.0 Stolen",
            "locked a -> a.0 Held",
            "want  -> 2 unlock a",
            "stolen a ->",
            "reply 2 {} ->",
            "locked a ->",
            "up ->",
        ]);
    }

    #[test]
    fn what_is_wanted_anew_is_first_given_back() {
        check(&[
            "up ->",
            "want a.0 -> 0 lock a",
            r#"reply 0 {"locked":true} -> a.0 Held"#,
            "want a.1 -> 1 unlock a",
            "want a.2 ->",
            "reply 1 {} -> 2 lock a",
            r#"reply 2 {"locked":false} -> a.2 Waiting"#,
        ]);
    }

    #[test]
    fn the_answer_to_a_wish_that_is_gone_is_of_no_interest() {
        check(&[
            "up ->",
            "want a.0 -> 0 lock a",
            "want  -> 1 unlock a",
            r#"reply 0 {"locked":true} ->"#,
            "locked a ->",
            "reply 1 {} ->",
            "reply 1 {} ->",
        ]);
        // Nor is anything to be given back that went with its connection.
        check(&[
            "up ->",
            "want a.0 -> 0 lock a",
            "down -> a.0 Lost",
            "want  ->",
            "up ->",
        ]);
    }

    #[test]
    fn a_lock_is_stolen_once_and_then_waited_for() {
        check(&[
            "up ->",
            "want a.0!,b.1 -> 0 steal a; 1 lock b",
            r#"reply 0 {"locked":true} -> a.0 Held"#,
            "want a.0!,b.1 ->",
            "down -> a.0 Lost; b.1 Lost",
            "want a.0!,b.1 ->",
            "up -> 2 lock a; 3 lock b",
        ]);
        // One that no server has heard of yet is still to be stolen.
        check(&["want a.0! ->", "down ->", "up -> 0 steal a"]);
    }

    #[test]
    fn a_lock_that_is_refused_is_asked_for_by_the_next_connection_only() {
        check(&[
            "up ->",
            "want a.0 -> 0 lock a",
            r#"error 0 -> a.0 Refused("\"no\"")"#,
            "want a.0 ->",
            "down -> a.0 Lost",
            "up -> 1 lock a",
            r#"reply 1 {} -> a.0 Refused("the server's answer is not in order")"#,
            "want a.2 -> 2 lock a",
            "want  -> 3 unlock a",
            "error 3 ->",
        ]);
    }

    #[test]
    fn words_about_other_locks_do_no_harm() {
        check(&[
            "up ->",
            "locked a ->",
            "stolen a ->",
            "want a.0 -> 0 lock a",
            "stolen a ->",
            "reply 7 {} ->",
        ]);
    }
}
