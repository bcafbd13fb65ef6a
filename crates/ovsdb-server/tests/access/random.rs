//! Random transactions of random clients under random rules, for two servers to agree on.
//!
//! Kept out is what depends on the order in which a server looks at rows: values that leave their range, and names that
//! two rows share.

use std::collections::BTreeMap;

use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::raw::Raw;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Host, connect, readable};

const CLIENTS: [&str; 9] = [
    "hv1@owner",
    "hv1@owner",
    "hv1@owner",
    "hv2@owner",
    "hv1@admin",
    "hv2@owner-ro",
    "hv1@ghost",
    "-@noid",
    "root",
];

/// Tables, with the columns that clients change.
const TABLES: [(&str, &[&str]); 7] = [
    ("Own", &["owner", "n", "tags"]),
    ("Map", &["ids", "n"]),
    ("Opt", &["who", "n"]),
    ("Open", &["n"]),
    ("Kept", &["owner", "n"]),
    ("Odd", &["owner", "n", "tags", "ids", "single"]),
    ("Bare", &["n"]),
];

const AUTHORIZATIONS: [&str; 12] = [
    "owner",
    "who",
    "ids:chassis",
    "ids:host",
    "ids",
    "tags",
    "single",
    "single:k",
    "ids::host:x",
    "nothing",
    "n",
    "",
];

/// Source of transactions. The same seed gives the same ones.
pub struct Transactions {
    random: StdRng,
    names: u32,
}

impl Transactions {
    pub fn new(seed: u64) -> Transactions {
        Transactions {
            random: StdRng::seed_from_u64(seed),
            names: 0,
        }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.random).expect("there is a choice")
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }

    /// Who sends what: a client, and the parameters of `transact`.
    pub fn next(&mut self) -> (&'static str, String) {
        let client = self.pick(&CLIENTS);
        let changes_rules = match client {
            "root" => self.chance(2),
            "hv1@admin" => !self.chance(3),
            _ => self.chance(20),
        };
        let count = self.random.random_range(1..=2);
        let mut operations: Vec<String> = (0..count).map(|_| self.operation()).collect();
        if changes_rules {
            let at = self.random.random_range(0..=operations.len());
            let rule = self.rule();
            operations.insert(at, rule);
        }
        (client, format!(r#"["D",{}]"#, operations.join(",")))
    }

    fn operation(&mut self) -> String {
        let (table, columns) = *TABLES.choose(&mut self.random).expect("there are tables");
        match self.random.random_range(0..10) {
            0..3 => {
                let mut row = self.columns(columns);
                if table == "Own" {
                    self.names += 1;
                    row.push(format!(r#""name":"row{}""#, self.names));
                }
                let row = row.join(",");
                format!(r#"{{"op":"insert","table":"{table}","row":{{{row}}}}}"#)
            }
            3..6 => {
                let condition = self.condition(columns);
                let row = self.columns(columns).join(",");
                format!(
                    r#"{{"op":"update","table":"{table}","where":[{condition}],"row":{{{row}}}}}"#
                )
            }
            6..8 => {
                let condition = self.condition(columns);
                let mut mutations = vec![r#"["n","+=",1]"#];
                if columns.contains(&"tags") && self.chance(2) {
                    mutations.push(r#"["tags","insert","hv2"]"#);
                }
                if columns.contains(&"ids") && self.chance(2) {
                    mutations.push(r#"["ids","delete",["set",["chassis"]]]"#);
                }
                let mutations = mutations.join(",");
                format!(
                    r#"{{"op":"mutate","table":"{table}","where":[{condition}],"mutations":[{mutations}]}}"#
                )
            }
            8 => {
                let condition = self.condition(columns);
                format!(r#"{{"op":"delete","table":"{table}","where":[{condition}]}}"#)
            }
            _ => String::from(r#"{"op":"comment","comment":"x"}"#),
        }
    }

    /// Values for some columns.
    fn columns(&mut self, columns: &[&str]) -> Vec<String> {
        let mut values = Vec::new();
        for column in columns {
            if self.chance(3) {
                continue;
            }
            let id = self.pick(&["hv1", "hv1", "hv2", ""]);
            let key = self.pick(&["chassis", "host", "x"]);
            values.push(match *column {
                "n" => format!(r#""n":{}"#, self.random.random_range(0..4)),
                "ids" => format!(r#""ids":["map",[["{key}","{id}"]]]"#),
                "single" => {
                    let key = self.pick(&["k", "hv1"]);
                    format!(r#""single":["map",[["{key}","{id}"]]]"#)
                }
                column => format!(r#""{column}":"{id}""#),
            });
        }
        values
    }

    fn condition(&mut self, columns: &[&str]) -> String {
        let n = self.random.random_range(0..5);
        let id = self.pick(&["hv1", "hv2", ""]);
        let function = self.pick(&["==", "!=", "<", ">"]);
        let owner = columns
            .iter()
            .find(|column| ["owner", "who"].contains(*column));
        match owner {
            Some(owner) if !self.chance(3) => format!(r#"["{owner}","==","{id}"]"#),
            _ if self.chance(5) => String::new(),
            _ => format!(r#"["n","{function}",{n}]"#),
        }
    }

    /// A change of the rules.
    fn rule(&mut self) -> String {
        let table = self.pick(&TABLES.map(|(table, _)| table));
        let role = self.pick(&["owner", "owner", "admin", "ghost"]);
        match self.random.random_range(0..8) {
            0 => format!(
                r#"{{"op":"mutate","table":"RBAC_Role","where":[["name","==","{role}"]],"mutations":[["permissions","delete",["set",["{table}"]]]]}}"#
            ),
            1..3 => {
                let rights = self.rights();
                // A name in its transaction, of which there is one rule.
                format!(
                    r#"{{"op":"insert","table":"RBAC_Permission","uuid-name":"p","row":{{"table":"{table}",{rights}}}}},{{"op":"mutate","table":"RBAC_Role","where":[["name","==","{role}"]],"mutations":[["permissions","delete",["set",["{table}"]]],["permissions","insert",["map",[["{table}",["named-uuid","p"]]]]]]}}"#
                )
            }
            _ => {
                let rights = self.rights();
                format!(
                    r#"{{"op":"update","table":"RBAC_Permission","where":[["table","==","{table}"]],"row":{{{rights}}}}}"#
                )
            }
        }
    }

    fn rights(&mut self) -> String {
        let count = self.random.random_range(2..8);
        let entries: Vec<&str> = AUTHORIZATIONS
            .choose_multiple(&mut self.random, count)
            .copied()
            .collect();
        let count = self.random.random_range(3..7);
        let columns: Vec<&str> = ["n", "owner", "ids", "who", "tags", "single"]
            .choose_multiple(&mut self.random, count)
            .copied()
            .collect();
        let insert_delete = !self.chance(3);
        format!(
            r#""authorization":["set",{entries:?}],"update":["set",{columns:?}],"insert_delete":{insert_delete}"#
        )
    }
}

/// A server and its connected clients.
pub struct Player<H> {
    host: H,
    clients: BTreeMap<&'static str, RawClient>,
}

impl<H: Host> Player<H> {
    pub fn new(host: H) -> Player<H> {
        Player {
            host,
            clients: BTreeMap::new(),
        }
    }

    /// Has a client execute a transaction; the reply, without UUIDs.
    pub fn transact(&mut self, client: &'static str, params: &str) -> Raw {
        let host = &mut self.host;
        let client = self
            .clients
            .entry(client)
            .or_insert_with(|| connect(client, host));
        let message = format!(r#"{{"id":0,"method":"transact","params":{params}}}"#);
        readable(&client.call(&message))
    }

    /// The rows of all tables, each table's in order.
    pub fn contents(&mut self) -> String {
        let mut contents = String::new();
        for table in TABLES
            .map(|(table, _)| table)
            .iter()
            .chain(&["RBAC_Role", "RBAC_Permission"])
        {
            let params = format!(r#"["D",{{"op":"select","table":"{table}","where":[]}}]"#);
            let reply = self.transact("root", &params);
            let Some(Raw::Array(results)) = reply.get("result") else {
                panic!("{table}: {reply}");
            };
            let Some(Raw::Array(rows)) = results[0].get("rows") else {
                panic!("{table}: {reply}");
            };
            let mut rows: Vec<String> = rows.iter().map(Raw::to_string).collect();
            rows.sort();
            contents.push_str(&format!("{table}:\n{}\n", rows.join("\n")));
        }
        contents
    }
}
