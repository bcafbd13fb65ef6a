//! Bridges with ports with interfaces, mirrors that name ports in other ways, and what is told of them.

use std::sync::Arc;

use ovsdb_proto::json;
use ovsdb_proto::schema::Selection;
use ovsdb_proto::updates::{Form, UpdatesReader};

use super::*;
use crate::replica::ChangeKind;

const SCHEMA: &str = r#"{"name":"db","tables":{
    "Bridge":{"isRoot":true,"columns":{"name":{"type":"string"},"ports":{"type":
        {"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}}}},
    "Port":{"columns":{"name":{"type":"string"},"tag":{"type":"integer"},"peer":{"type":
        {"key":{"type":"uuid","refTable":"Port","refType":"weak"},"min":0,"max":1}},"interfaces":{"type":
        {"key":{"type":"uuid","refTable":"Interface"},"min":0,"max":"unlimited"}}}},
    "Interface":{"columns":{"name":{"type":"string"}}},
    "Mirror":{"isRoot":true,"columns":{"by_name":{"type":
        {"key":"string","value":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}}}}}}"#;

/// Rows are named by a digit: 1 has 3, which has 5 and 6; 2 has 4. 3 and 4 are peers. 7 names 4.
const INITIAL: &str = r#"{
    "Bridge":{"1":{"initial":{"ports":@3}},"2":{"initial":{"ports":@4}}},
    "Port":{"3":{"initial":{"peer":@4,"interfaces":["set",[@5,@6]]}},"4":{"initial":{"peer":@3}}},
    "Interface":{"5":{"initial":{}},"6":{"initial":{}}},
    "Mirror":{"7":{"initial":{"by_name":["map",[["x",@4]]]}}}}"#;

struct World {
    reader: UpdatesReader,
    versions: Vec<Arc<Version>>,
}

/// A name of a row for its digit.
fn spelt(text: &str) -> String {
    let mut text = text.to_owned();
    for digit in "123456789".chars() {
        let name = format!("\"00000000-0000-0000-0000-00000000000{digit}\"");
        text = text.replace(&format!("@{digit}"), &format!("[\"uuid\",{name}]"));
        text = text.replace(&format!("\"{digit}\":"), &format!("{name}:"));
    }
    text
}

impl World {
    fn new() -> World {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        let projection = Arc::new(schema.project(&Selection::all()));
        let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
        let updates = reader.read(Form::Updates2, spelt(INITIAL).as_bytes());
        let empty = Version::empty(Arc::clone(&projection));
        let first = empty.replaced(projection, updates.unwrap()).unwrap();
        World {
            reader,
            versions: vec![Arc::new(first)],
        }
    }

    fn update(&mut self, text: &str) {
        let updates = self.reader.read(Form::Updates2, spelt(text).as_bytes());
        let next = self.versions.last().unwrap().updated(updates.unwrap());
        self.versions.push(Arc::new(next.unwrap()));
    }

    /// What is told between two versions: `+`, `-`, `~` for a modified row, `>` for one that refers to what changed.
    fn told(&self, from: usize, to: usize, interest: &Interest) -> String {
        let (from, to) = (&self.versions[from], &self.versions[to]);
        let changes = Changes::between(Arc::clone(from), Arc::clone(to));
        let words = changes.iter(interest).map(|change| {
            let mark = match change.kind() {
                ChangeKind::Insert => "+",
                ChangeKind::Delete => "-",
                ChangeKind::Modify if change.is_by_reference() => ">",
                ChangeKind::Modify => "~",
            };
            let (old, new) = (changes.old_view(&change), changes.new_view(&change));
            assert_eq!(old.is_some(), change.old_row().is_some());
            assert_eq!(new.is_some(), change.new_row().is_some());
            let digit = change.uuid().to_string().pop().unwrap();
            format!("{}{mark}{digit}", &change.table()[..1])
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

fn bridges() -> Interest {
    Interest::all().following("Bridge", ["ports", "name", "absent"])
}

fn bridges_and_ports() -> Interest {
    bridges().following("Port", ["interfaces"])
}

#[test]
fn rows_that_refer_to_what_changed_are_told() {
    let mut world = World::new();
    world.update(r#"{"Port":{"4":{"modify":{"tag":7}}}}"#);
    assert_eq!(world.told(0, 1, &bridges()), "B>2");
    assert_eq!(world.told(0, 1, &bridges_and_ports()), "B>2 P~4");
    assert_eq!(world.told(1, 0, &bridges()), "B>2");
    assert_eq!(world.told(1, 1, &bridges()), "");
    let plain = Interest::all().table("Bridge");
    assert_eq!(world.told(0, 1, &plain), "");
    let mirrors = Interest::all().following("Mirror", ["by_name"]);
    assert_eq!(world.told(0, 1, &mirrors), "M>7");
    let elsewhere = Interest::all().following("Interface", ["name"]);
    assert_eq!(world.told(0, 1, &elsewhere), "");
}

#[test]
fn references_are_followed_over_tables_as_far_as_somebody_asked() {
    let mut world = World::new();
    world.update(r#"{"Interface":{"6":{"modify":{"name":"eth0"}}}}"#);
    assert_eq!(world.told(0, 1, &bridges()), "");
    assert_eq!(world.told(0, 1, &bridges_and_ports()), "B>1 P>3");
}

#[test]
fn rows_that_refer_to_each_other_are_told_once() {
    let mut world = World::new();
    world.update(r#"{"Port":{"3":{"modify":{"tag":7}}}}"#);
    let peers = Interest::all().following("Port", ["peer"]);
    assert_eq!(world.told(0, 1, &peers), "P~3 P>4");
}

#[test]
fn a_row_that_changed_itself_is_told_as_that() {
    let mut world = World::new();
    world.update(
        r#"{"Bridge":{"2":{"modify":{"name":"br0"}},"8":{"insert":{"ports":@9}}},
            "Port":{"4":{"modify":{"tag":7}},"9":{"insert":{}}}}"#,
    );
    assert_eq!(world.told(0, 1, &bridges()), "B~2 B+8");
    // Only its ports matter, of which one changed.
    let ports = bridges().columns("Bridge", ["ports"]);
    assert_eq!(world.told(0, 1, &ports), "B>2 B+8");
}

#[test]
fn what_is_not_of_interest_of_a_row_does_not_count_where_it_is_referred_to() {
    let mut world = World::new();
    world.update(r#"{"Port":{"4":{"modify":{"tag":7}}}}"#);
    assert_eq!(world.told(0, 1, &bridges().columns("Port", ["name"])), "");
    assert_eq!(
        world.told(0, 1, &bridges().all_but("Port", ["name"])),
        "B>2 P~4"
    );
}

#[test]
fn rows_that_come_or_go_are_told_by_those_who_refer_to_them() {
    let mut world = World::new();
    // A replica that does not have all rows: the server tells nothing of the bridges.
    world.update(r#"{"Port":{"4":{"delete":null}}}"#);
    world.update(r#"{"Port":{"4":{"insert":{"peer":@3}}}}"#);
    assert_eq!(world.told(0, 1, &bridges()), "B>2");
    assert_eq!(world.told(1, 2, &bridges()), "B>2");
    assert_eq!(world.told(0, 2, &bridges()), "");
}

#[test]
fn an_index_finds_the_same_rows() {
    let mut world = World::new();
    let index = Arc::new(Index::on("Bridge").element("ports"));
    world.versions[0] = Arc::new(world.versions[0].indexed(&index));
    assert!(world.versions[0].has_index(&index));
    assert!(!world.versions[0].has_index(&Index::on("Port").element("peer")));
    world.update(r#"{"Port":{"3":{"modify":{"tag":7}},"4":{"modify":{"tag":7}}}}"#);
    assert_eq!(world.told(0, 1, &bridges()), "B>1 B>2");
    let (older, newer) = (&world.versions[0], &world.versions[1]);
    let changes = Changes::between(Arc::clone(older), Arc::clone(newer));
    let interest = bridges();
    let ports = changes.iter(&interest).flat_map(|change| {
        let bridge = changes.new_view(&change).unwrap();
        bridge
            .follow("ports")
            .map(|port| port.get::<i64>("tag").unwrap())
    });
    assert_eq!(ports.collect::<Vec<_>>(), [7, 7]);
}
