//! What the clients do, drawn from a seed: transactions, and what happens around them.
//!
//! Each transaction that changes kept columns adds one to a counter, asks for it, and leaves a row with its token, so that
//! its reply tells its place in the order of all, and any contents tell which transactions they are made of.

use ovsdb_engine::record::PIECE_BYTES;
use ovsdb_server::limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The database with its schema of this number. Conversions go from each to the next: to `1`, which adds a column, and to `2`,
/// which drops one.
pub(crate) fn schema_text(number: usize) -> String {
    let added = if number >= 1 {
        r#""added":{"type":"integer"},"#
    } else {
        ""
    };
    let dropped = if number < 2 {
        r#","text":{"type":"string"}"#
    } else {
        ""
    };
    format!(
        r#"{{"name":"D","version":"1.0.{number}","tables":{{
        "Counter":{{"isRoot":true,"maxRows":1,"columns":{{"n":{{"type":"integer"}}}}}},
        "Entry":{{"isRoot":true,"indexes":[["token"]],"columns":{{"token":{{"type":"integer"}}{dropped}}}}},
        "Parent":{{"isRoot":true,"columns":{{"name":{{"type":"string"}},{added}
            "kids":{{"type":{{"key":{{"type":"uuid","refTable":"Kid"}},"min":0,"max":"unlimited"}}}},
            "friends":{{"type":{{"key":{{"type":"uuid","refTable":"Parent","refType":"weak"}},"min":0,"max":"unlimited"}}}},
            "tags":{{"type":{{"key":"string","value":"integer","min":0,"max":"unlimited"}}}},
            "text":{{"type":"string"}},
            "note":{{"type":"string","ephemeral":true}}}}}},
        "Kid":{{"columns":{{"v":{{"type":"integer"}},
            "of":{{"type":{{"key":{{"type":"uuid","refTable":"Parent","refType":"weak"}},"min":0,"max":1}}}}}}}}}}}}"#
    )
}

/// How many clients write.
pub(crate) const WRITERS: usize = 2;

/// A transaction of a client.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    /// Counts all transactions, from 1 on, in the order in which they are sent.
    pub(crate) token: u64,
    pub(crate) client: usize,
    pub(crate) durable: bool,
    /// Whether it leaves a row with its token.
    pub(crate) is_kept: bool,
    /// The operations, without brackets around them.
    pub(crate) operations: String,
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Transact(Transaction),
    /// Others have this many turns.
    Yield(usize),
    /// Nobody has anything to do any more.
    Settle,
    /// The file is compacted by command.
    Compact,
    /// A day passes, after which a file that has grown at all is compacted.
    Day,
    /// Minutes pass, after which a file that could not be relied upon is written anew.
    Minutes,
    /// The schema with this number is asked for.
    Convert(usize),
    /// The disk works again.
    Heal,
}

/// How much transactions do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Size {
    /// A few rows.
    Small,
    /// Some of them so many rows that their records are written by several writes.
    Large,
}

/// Rows of a large transaction: so many that its record is not made as a whole.
const LARGE_ROWS: usize = limits::RECORD_ROWS_WHOLE + 6;

/// Bytes of text of each. Together they are more than a record is written of at once.
const LARGE_ROW_BYTES: usize = PIECE_BYTES / LARGE_ROWS;

/// Draws steps.
struct Generator {
    random: StdRng,
    token: u64,
}

/// What is done with this seed, with tokens after `token`, where the database has this schema.
pub(crate) fn steps(size: Size, seed: u64, token: u64, schema: usize) -> Vec<Step> {
    let mut generator = Generator {
        random: StdRng::seed_from_u64(seed),
        token,
    };
    let mut steps = match size {
        Size::Small => generator.small(schema),
        Size::Large => generator.large(),
    };
    steps.push(Step::Heal);
    steps.push(Step::Settle);
    steps.push(Step::Minutes);
    // The disk is well again: all of this must succeed.
    for durable in [false, true, false] {
        for client in 0..WRITERS {
            steps.push(Step::Transact(generator.entry(client, durable, "")));
        }
    }
    steps
}

fn shuffle(events: &mut [Step], random: &mut StdRng) {
    for at in (1..events.len()).rev() {
        events.swap(at, random.random_range(0..=at));
    }
}

/// The UUID of a row that a transaction inserts.
fn uuid(token: u64, of: u64) -> String {
    format!("{token:08x}-0000-4000-8000-{of:012x}")
}

impl Generator {
    /// Transactions of all kinds, compactions and conversions.
    fn small(&mut self, schema: usize) -> Vec<Step> {
        let bursts = 14;
        // Everything happens in every workload, in an order of its own.
        let mut events = vec![
            Step::Compact,
            Step::Day,
            Step::Minutes,
            Step::Settle,
            Step::Compact,
        ];
        shuffle(&mut events, &mut self.random);
        let first_conversion = self.random.random_range(2..bursts / 2);
        let second_conversion = self.random.random_range(bursts / 2..bursts);
        let heal = self.random.random_range(bursts / 2..bursts);
        let in_a_row = self.random.random_range(0..bursts / 2);
        let mut steps = Vec::new();
        for burst in 0..bursts {
            for _ in 0..self.random.random_range(1..5) {
                steps.push(Step::Transact(self.transaction()));
                if self.random.random_bool(0.3) {
                    steps.push(Step::Yield(self.random.random_range(1..6)));
                }
            }
            if burst == in_a_row {
                // Durable ones that are written one by one, for which room is made in the file.
                for client in 0..8 {
                    steps.push(Step::Transact(self.entry(client % WRITERS, true, "")));
                    steps.push(Step::Settle);
                }
            }
            if burst == heal {
                steps.push(Step::Heal);
            }
            if burst == first_conversion {
                steps.push(Step::Convert(1));
            } else if burst == second_conversion {
                steps.push(Step::Convert(2));
            } else if self.random.random_bool(0.5) {
                steps.extend(events.pop());
            }
            steps.push(Step::Yield(self.random.random_range(0..12)));
        }
        steps.extend(events);
        steps.retain(|step| !matches!(step, Step::Convert(number) if *number <= schema));
        steps
    }

    /// Many rows come, change and go, with small transactions before, beside and behind.
    fn large(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let compacts_before = self.random.random_range(0..3);
        for step in 0..3 {
            steps.push(Step::Transact(self.transaction()));
            if step == compacts_before {
                steps.push(Step::Compact);
            }
            steps.push(Step::Yield(self.random.random_range(0..12)));
            let text = "x".repeat(LARGE_ROW_BYTES);
            let more: String = match step {
                0 => (0..LARGE_ROWS)
                    .map(|row| {
                        let uuid = uuid(0, 1000 + row as u64);
                        format!(r#",{{"op":"insert","table":"Parent","uuid":"{uuid}","row":{{"name":"many","text":"{text}"}}}}"#)
                    })
                    .collect(),
                1 => String::from(r#",{"op":"update","table":"Parent","where":[["name","==","many"]],"row":{"tags":["map",[["a",1]]]}}"#),
                _ => String::from(r#",{"op":"delete","table":"Parent","where":[["name","==","many"]]}"#),
            };
            let (client, durable) = (
                self.random.random_range(0..WRITERS),
                self.random.random_bool(0.5),
            );
            steps.push(Step::Transact(self.entry(client, durable, &more)));
            for _ in 0..self.random.random_range(0..3) {
                steps.push(Step::Transact(self.transaction()));
            }
            steps.push(Step::Yield(self.random.random_range(0..12)));
            if self.random.random_bool(0.5) {
                steps.push(Step::Settle);
            }
        }
        steps
    }

    /// A transaction with a row for its token, and more.
    fn entry(&mut self, client: usize, durable: bool, more: &str) -> Transaction {
        self.token += 1;
        let (token, entry) = (self.token, uuid(self.token, 0));
        let commit = if durable {
            r#",{"op":"commit","durable":true}"#
        } else {
            ""
        };
        let operations = format!(
            r#"{{"op":"mutate","table":"Counter","where":[],"mutations":[["n","+=",1]]}},
               {{"op":"select","table":"Counter","where":[],"columns":["n"]}},
               {{"op":"insert","table":"Entry","uuid":"{entry}","row":{{"token":{token}}}}}{more}{commit}"#
        );
        Transaction {
            token,
            client,
            durable,
            is_kept: true,
            operations,
        }
    }

    fn transaction(&mut self) -> Transaction {
        let client = self.random.random_range(0..WRITERS);
        let durable = self.random.random_bool(0.5);
        let name = format!("p{}", self.random.random_range(0..4));
        let of_name = format!(r#"[["name","==","{name}"]]"#);
        let next = self.token + 1;
        let earlier = uuid(self.random.random_range(1..=next), 1);
        let length = match self.random.random_range(0..6) {
            0 => self.random.random_range(0..3000),
            _ => self.random.random_range(0..60),
        };
        let text = "x".repeat(length);
        let more = match self.random.random_range(0..13) {
            0..=3 => {
                let parent = uuid(next, 1);
                let kids = self.random.random_range(0..4);
                let kids: Vec<String> = (10..10 + kids).map(|of| uuid(next, of)).collect();
                let references: Vec<String> = kids
                    .iter()
                    .map(|kid| format!(r#"["uuid","{kid}"]"#))
                    .collect();
                let mut more = format!(
                    r#",{{"op":"insert","table":"Parent","uuid":"{parent}","row":{{"name":"{name}","text":"{text}",
                        "kids":["set",[{}]],"friends":["set",[["uuid","{earlier}"]]],"tags":["map",[["t{next}",1],["a",2]]]}}}}"#,
                    references.join(",")
                );
                for kid in kids {
                    more.push_str(&format!(
                        r#",{{"op":"insert","table":"Kid","uuid":"{kid}","row":{{"v":{next},"of":["uuid","{parent}"]}}}}"#
                    ));
                }
                more
            }
            4 => format!(
                r#",{{"op":"mutate","table":"Parent","where":{of_name},"mutations":[["tags","insert",["map",[["t{next}",{next}],["b",1]]]]]}}"#
            ),
            5 => format!(
                r#",{{"op":"mutate","table":"Parent","where":{of_name},"mutations":[["tags","delete",["set",["a","b"]]],["friends","insert",["set",[["uuid","{earlier}"]]]]]}}"#
            ),
            6 => {
                let kid = uuid(self.random.random_range(1..=next), 10);
                format!(
                    r#",{{"op":"mutate","table":"Parent","where":{of_name},"mutations":[["kids","delete",["set",[["uuid","{kid}"]]]]]}}"#
                )
            }
            7 => format!(
                r#",{{"op":"update","table":"Parent","where":{of_name},"row":{{"kids":["set",[]],"text":"{text}"}}}}"#
            ),
            8 => format!(
                r#",{{"op":"delete","table":"Parent","where":{of_name}}},{{"op":"comment","comment":"without {name}"}}"#
            ),
            9 => format!(r#",{{"op":"update","table":"Kid","where":[],"row":{{"v":{next}}}}}"#),
            11 => {
                // One row, which comes, goes and comes again.
                let row = uuid(next, 3);
                let insert = format!(
                    r#",{{"op":"insert","table":"Parent","uuid":"{row}","row":{{"name":"{name}"}}}}"#
                );
                let by_uuid = format!(r#""where":[["_uuid","==",["uuid","{row}"]]]"#);
                format!(
                    r#"{insert},{{"op":"delete","table":"Parent",{by_uuid}}}{insert},{{"op":"update","table":"Parent",{by_uuid},"row":{{"text":"{text}"}}}}"#
                )
            }
            10 => {
                // The index refuses it.
                let twice = uuid(next, 2);
                format!(
                    r#",{{"op":"insert","table":"Entry","uuid":"{twice}","row":{{"token":{next}}}}}"#
                )
            }
            _ => {
                self.token += 1;
                let operations = format!(
                    r#"{{"op":"update","table":"Parent","where":{of_name},"row":{{"note":"{next}"}}}}"#
                );
                return Transaction {
                    token: next,
                    client,
                    durable: false,
                    is_kept: false,
                    operations,
                };
            }
        };
        self.entry(client, durable, &more)
    }
}
