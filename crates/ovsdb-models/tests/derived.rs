//! Structs that a program writes itself, as models of tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ovsdb::json;
use ovsdb::replica::Version;
use ovsdb::schema::{Schema, Selection};
use ovsdb::txn::Txn;
use ovsdb::typed::{Model as _, Ref};
use ovsdb::updates::{Form, UpdatesReader};
use ovsdb::uuid::Uuid;

#[derive(Debug, PartialEq, ovsdb::Model)]
#[ovsdb(table = "Site")]
struct Place {
    #[ovsdb(uuid)]
    id: Uuid,
    /// Its name, which it keeps.
    #[ovsdb(immutable)]
    name: String,
    #[ovsdb(column = "labels")]
    tags: BTreeMap<String, String>,
    hosts: BTreeSet<Ref<Machine>>,
}

#[derive(Debug, PartialEq, ovsdb::Model)]
#[ovsdb(table = "Host")]
struct Machine {
    #[ovsdb(uuid)]
    id: Ref<Machine>,
    name: String,
    #[ovsdb(read_only)]
    cores: i64,
    #[ovsdb(column = "state")]
    r#type: String,
}

fn example() -> Arc<Version> {
    let schema = include_str!("../../../examples/inventory.ovsschema");
    let schema = json::parse(schema.as_bytes()).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    let selection = Machine::select(Place::select(Selection::new()));
    let projection = Arc::new(schema.project(&selection));
    let (site, host) = (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]));
    let updates = format!(
        r#"{{"Site":{{"{site}":{{"initial":{{"name":"north","labels":["map",[["tier","1"]]],"hosts":["uuid","{host}"]}}}}}},
            "Host":{{"{host}":{{"initial":{{"name":"a","cores":8,"state":"running"}}}}}}}}"#
    );
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    let updates = reader
        .read(Form::Updates2, updates.as_bytes())
        .expect("updates");
    let empty = Version::empty(Arc::clone(&projection));
    Arc::new(empty.replaced(projection, updates).expect("new rows"))
}

#[test]
fn fields_are_columns_and_the_name_of_the_row() {
    let version = example();
    let places = version.table::<Place>().expect("places");
    let machines = version.table::<Machine>().expect("machines");
    let place = places.rows().next().expect("a place").to_model();
    let host = Ref::new(Uuid::from_bytes([2; 16]));
    let expect = Place {
        id: Uuid::from_bytes([1; 16]),
        name: "north".to_owned(),
        tags: BTreeMap::from([("tier".to_owned(), "1".to_owned())]),
        hosts: BTreeSet::from([host]),
    };
    assert_eq!(place, expect);
    let machine = machines.get(host).expect("a machine");
    assert_eq!(machine.get(Machine::TYPE), "running");
    assert_eq!(machine.get(Machine::CORES), 8);
    assert_eq!(machine.to_model().id, host);
    let columns: Vec<&str> = Place::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(
        (Place::TABLE, columns),
        ("Site", vec!["name", "labels", "hosts"])
    );
}

#[test]
fn what_may_not_be_written_is_left_out() {
    let version = example();
    let places = version.table::<Place>().expect("places");
    let mut txn = Txn::on(Arc::clone(&version), Uuid::from_random_bytes([7; 16]));
    let row = places.rows().next().expect("a place");
    let mut place = row.to_model();
    place.name = "south".to_owned();
    place.tags.clear();
    let machine = Machine {
        id: Ref::default(),
        name: "b".to_owned(),
        cores: 99,
        r#type: "planned".to_owned(),
    };
    let machine = txn.create(&machine).expect("a machine");
    place.hosts.insert(machine);
    txn.store(row.id(), &place).expect("a place");
    let plan = txn.plan().expect("a plan");
    let text = plan.request().to_text().expect("text");
    assert!(
        text.contains(r#""name":"b""#) && text.contains("planned"),
        "{text}"
    );
    assert!(text.contains(r#""labels":["map",[]]"#), "{text}");
    assert!(!text.contains("south") && !text.contains("99"), "{text}");
}
