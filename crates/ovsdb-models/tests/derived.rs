//! Structs that a program writes itself, as models of tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ovsdb::json;
use ovsdb::replica::{ChangeKind, Changes, Interest, Version};
use ovsdb::schema::{Schema, Selection};
use ovsdb::txn::Txn;
use ovsdb::typed::{BindError, Model as _, Ref, RowView};
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

/// A site with a host.
fn example() -> Arc<Version> {
    let (site, host) = (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16]));
    let selection = Machine::select(Place::select(Selection::new()));
    versions(
        &selection,
        &[&format!(
            r#"{{"Site":{{"{site}":{{"initial":{{"name":"north","labels":["map",[["tier","1"]]],"hosts":["uuid","{host}"]}}}}}},
            "Host":{{"{host}":{{"initial":{{"name":"a","cores":8,"state":"running"}}}}}}}}"#
        )],
    )
    .remove(0)
}

/// The versions that updates lead to, the first of them from nothing.
fn versions(selection: &Selection, updates: &[&str]) -> Vec<Arc<Version>> {
    let schema = include_str!("../../../examples/inventory.ovsschema");
    let schema = json::parse(schema.as_bytes()).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    let projection = Arc::new(schema.project(selection));
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    let mut version = Version::empty(Arc::clone(&projection));
    let mut versions = Vec::new();
    for text in updates {
        let updates = reader.read(Form::Updates2, text.as_bytes());
        let updates = updates.expect("updates");
        version = match versions.is_empty() {
            true => version.replaced(Arc::clone(&projection), updates),
            false => version.updated(updates),
        }
        .expect("they fit");
        versions.push(Arc::new(version.clone()));
    }
    versions
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

#[test]
fn changes_are_those_of_the_columns_that_a_model_has() {
    let name = |number: u8| Uuid::from_bytes([number; 16]);
    let [one, two, three, four] = [1, 2, 3, 4].map(name);
    let versions = versions(
        &Selection::all(),
        &[
            &format!(
                r#"{{"Host":{{"{one}":{{"initial":{{"name":"a","cores":8,"state":"running"}}}},
                    "{two}":{{"initial":{{"name":"b","cores":8,"state":"running"}}}},
                    "{three}":{{"initial":{{"name":"c","cores":8,"state":"running"}}}}}}}}"#
            ),
            &format!(
                r#"{{"Host":{{"{one}":{{"modify":{{"cores":16,"addresses":"192.0.2.1"}}}},
                    "{two}":{{"modify":{{"addresses":"192.0.2.2"}}}},
                    "{three}":{{"delete":null}},
                    "{four}":{{"insert":{{"name":"d","cores":1}}}}}},
                    "Site":{{"{one}":{{"insert":{{"name":"north"}}}}}}}}"#
            ),
        ],
    );
    let changes = Changes::between(Arc::clone(&versions[0]), Arc::clone(&versions[1]));
    let of_machines = changes.of::<Machine>().expect("machines");
    let told: Vec<(ChangeKind, Uuid, Option<i64>, Option<i64>)> = of_machines
        .iter()
        .map(|change| {
            let cores = |row: Option<RowView<'_, Machine>>| Some(row?.get(Machine::CORES));
            let (old, new) = (cores(change.old_row()), cores(change.new_row()));
            (change.kind(), change.id().uuid(), old, new)
        })
        .collect();
    // Of the second host nothing changed that the model has.
    let expect = [
        (ChangeKind::Modify, one, Some(8), Some(16)),
        (ChangeKind::Delete, three, Some(8), None),
        (ChangeKind::Insert, four, None, Some(1)),
    ];
    assert_eq!(told, expect);
    let first = of_machines.iter().next().expect("a change");
    assert!(first.has_changed(Machine::CORES));
    assert!(!first.has_changed(Machine::NAME));
    assert_eq!(changes.of::<Place>().expect("places").iter().count(), 1);

    let quiet = Interest::all().all_but("Host", ["addresses"]);
    let changes: Vec<Uuid> = changes.iter(&quiet).map(|change| change.uuid()).collect();
    assert_eq!(changes, [one, three, four]);
}

#[test]
fn rows_count_as_changed_with_those_to_which_their_models_refer() {
    let name = |number: u8| Uuid::from_bytes([number; 16]);
    let [north, south, one, two] = [1, 2, 3, 4].map(name);
    let versions = versions(
        &Selection::all(),
        &[
            &format!(
                r#"{{"Site":{{"{north}":{{"initial":{{"name":"north","hosts":["uuid","{one}"]}}}},
                    "{south}":{{"initial":{{"name":"south","hosts":["uuid","{two}"]}}}}}},
                    "Host":{{"{one}":{{"initial":{{"name":"a","cores":8,"state":"running"}}}},
                    "{two}":{{"initial":{{"name":"b","cores":8,"state":"running"}}}}}}}}"#
            ),
            &format!(
                r#"{{"Site":{{"{south}":{{"modify":{{"labels":["map",[["tier","1"]]]}}}}}},
                    "Host":{{"{one}":{{"modify":{{"cores":16}}}},
                    "{two}":{{"modify":{{"addresses":"192.0.2.1"}}}}}}}}"#
            ),
        ],
    );
    let changes = Changes::between(Arc::clone(&versions[0]), Arc::clone(&versions[1]));
    let told = |interest: Interest| -> Vec<(Uuid, bool)> {
        let changes = changes.of_interest::<Place>(interest).expect("places");
        let told = changes.iter().map(|change| {
            assert_eq!(change.kind(), ChangeKind::Modify);
            assert_eq!(change.has_changed(Place::TAGS), change.id().uuid() == south);
            (change.id().uuid(), change.is_by_reference())
        });
        told.collect()
    };
    assert_eq!(told(Interest::all().model::<Place>()), [(south, false)]);
    let following = Interest::all().model_following::<Place>();
    assert_eq!(
        told(following.clone()),
        [(north, true), (south, false)],
        "a host of the first, and a column of the second"
    );
    // Of hosts only what their model has counts, and both models can be asked for.
    let both = following.model::<Machine>();
    assert_eq!(told(both.clone()), [(north, true), (south, false)]);
    let machines = changes.of_interest::<Machine>(both).expect("hosts");
    let machines: Vec<Uuid> = machines.iter().map(|change| change.id().uuid()).collect();
    assert_eq!(machines, [one]);
    let quiet = Interest::all()
        .model_following::<Place>()
        .columns("Host", ["addresses"]);
    assert_eq!(told(quiet), [(south, false)]);
    // The rows of the same moment are at hand.
    let of_places = changes.of_interest::<Place>(Interest::all().model_following::<Place>());
    let of_places = of_places.expect("places");
    let first = of_places.iter().next().expect("a change");
    let cores = |version: &Version| {
        let machines = version.table::<Machine>().expect("hosts");
        machines
            .get(Ref::new(one))
            .expect("a host")
            .get(Machine::CORES)
    };
    assert_eq!((cores(changes.older()), cores(changes.newer())), (8, 16));
    assert_eq!(
        first.old_row().expect("it was there").get(Place::NAME),
        "north"
    );
}

#[test]
fn a_model_can_be_had_in_full_or_not_at_all() {
    let selection = Selection::new().columns("Host", ["name", "state"]);
    let version = versions(&selection, &["{}"]).remove(0);
    let machines = version.table::<Machine>().expect("machines");
    assert_eq!(machines.missing().collect::<Vec<_>>(), ["cores"]);
    assert!(machines.has(Machine::NAME) && !machines.has(Machine::CORES));
    let no_column = BindError::NoColumn {
        table: "Host",
        column: "cores",
    };
    assert_eq!(version.table_in_full::<Machine>().err(), Some(no_column));
    let no_table = BindError::NoTable { table: "Site" };
    assert_eq!(version.table_in_full::<Place>().err(), Some(no_table));
    assert!(example().table_in_full::<Place>().is_ok());
}

#[test]
fn parts_of_sets_and_maps_are_changed_and_checked() {
    let version = example();
    let (site, host) = (
        Ref::new(Uuid::from_bytes([1; 16])),
        Ref::new(Uuid::from_bytes([2; 16])),
    );
    let mut txn = Txn::on(version, Uuid::from_random_bytes([7; 16]));
    txn.take_element(site, Place::HOSTS, host).expect("a set");
    let other = Ref::new(Uuid::from_bytes([9; 16]));
    txn.put_element(site, Place::HOSTS, other).expect("a set");
    txn.put_key(site, Place::TAGS, "rack", "7").expect("a map");
    let kept = txn.put_key_if_absent(site, Place::TAGS, "tier", "9");
    kept.expect("a map");
    txn.take_key(site, Place::TAGS, "gone").expect("a map");
    let hosts = txn.read(site, Place::HOSTS).expect("a set");
    assert_eq!(hosts, BTreeSet::from([other]));
    let tags = txn.read(site, Place::TAGS).expect("a map");
    let expect = [("rack", "7"), ("tier", "1")].map(|(key, value)| (key.into(), value.into()));
    assert_eq!(tags, BTreeMap::from(expect));
    let plan = txn.plan().expect("a plan");
    let text = plan.request().to_text().expect("text");
    assert!(
        text.contains(r#""op":"mutate""#) && !text.contains(r#""op":"update""#),
        "{text}"
    );
}
