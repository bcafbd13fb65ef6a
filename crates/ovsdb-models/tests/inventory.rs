//! What the types of a schema do: rows are read as they are, and written as the schema allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ovsdb::build::{Transaction, select};
use ovsdb::json;
use ovsdb::replica::Version;
use ovsdb::schema::{Schema, Selection};
use ovsdb::txn::{EditError, Txn};
use ovsdb::typed::{BindError, Model, Real, Ref, Word};
use ovsdb::updates::{Form, UpdatesReader};
use ovsdb::uuid::Uuid;
use ovsdb_models::inventory::{self, Host, Site, host, site};

const SCHEMA: &str = include_str!("../../../examples/inventory.ovsschema");

fn uuid(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

/// A version of the schema with rows as a server tells them.
fn version(schema: &str, selection: &Selection, updates: &str) -> Arc<Version> {
    let schema = json::parse(schema.as_bytes()).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    let projection = Arc::new(schema.project(selection));
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    let updates = reader.read(Form::Updates2, updates.as_bytes());
    let empty = Version::empty(Arc::clone(&projection));
    let version = empty.replaced(projection, updates.expect("updates"));
    Arc::new(version.expect("new rows"))
}

/// One site with two hosts, one of which backs up the other.
fn example() -> Arc<Version> {
    let updates = format!(
        r#"{{"Site":{{"{site}":{{"initial":{{"name":"north","labels":["map",[["tier","1"]]],
               "hosts":["set",[["uuid","{a}"],["uuid","{b}"]]]}}}}}},
            "Host":{{"{a}":{{"initial":{{"name":"a","cores":8,"state":"running","load":0.5,"backup":["uuid","{b}"],
                        "addresses":["set",["192.0.2.1","192.0.2.2"]]}}}},
                     "{b}":{{"initial":{{"name":"b","cores":4,"state":"scrapped"}}}}}}}}"#,
        site = uuid(1),
        a = uuid(2),
        b = uuid(3)
    );
    version(SCHEMA, &inventory::selection(), &updates)
}

#[test]
fn rows_are_read_as_they_are() {
    let version = example();
    assert_eq!(inventory::fits(&version), Ok(()));
    let (sites, hosts) = (version.table::<Site>(), version.table::<Host>());
    let (sites, hosts) = (sites.expect("sites"), hosts.expect("hosts"));
    assert_eq!((sites.len(), hosts.len()), (1, 2));

    let north = sites.rows().next().expect("a site");
    assert_eq!(north.get(site::NAME), "north");
    assert_eq!(north.get(site::LABELS).get("tier"), Some("1"));
    assert_eq!(north.get(site::LABELS).get("rack"), None);
    assert!(north.get(site::HOSTS).contains(Ref::new(uuid(3))));
    let names = north
        .get(site::HOSTS)
        .iter()
        .filter_map(|host| hosts.get(host));
    let names: Vec<&str> = names.map(|host| host.get(host::NAME)).collect();
    assert_eq!(names, ["a", "b"]);

    let a = hosts.get(Ref::new(uuid(2))).expect("a host");
    assert_eq!(a.id().uuid(), uuid(2));
    assert_eq!(a.get(host::LOAD), Some(0.5));
    let backup = a.get(host::BACKUP).and_then(|host| hosts.get(host));
    assert_eq!(backup.expect("b").get(host::CORES), 4);
    assert_eq!(
        a.to_model(),
        Host {
            addresses: ["192.0.2.1", "192.0.2.2"].map(str::to_owned).into(),
            backup: Some(Ref::new(uuid(3))),
            cores: 8,
            load: Some(0.5),
            name: "a".to_owned(),
            state: host::State::Running,
        }
    );
    // A word that the schema does not have stays what it is.
    let b = hosts.get(Ref::new(uuid(3))).expect("a host");
    assert_eq!(
        b.get(host::STATE),
        host::State::Other("scrapped".to_owned())
    );
    assert_eq!(b.get(host::STATE).word(), "scrapped");
    assert_eq!(b.get(host::ADDRESSES).len(), 0);
    assert!(hosts.get(Ref::new(uuid(9))).is_none());
}

#[test]
fn what_a_replica_does_not_have_reads_as_the_default() {
    let selection = Selection::new().columns("Host", ["name"]);
    let updates = format!(
        r#"{{"Host":{{"{}":{{"initial":{{"name":"a"}}}}}}}}"#,
        uuid(2)
    );
    let version = version(SCHEMA, &selection, &updates);
    let hosts = version.table::<Host>().expect("hosts");
    assert!(hosts.has(host::NAME) && !hosts.has(host::CORES));
    let a = hosts.rows().next().expect("a host").to_model();
    assert_eq!(
        a,
        Host {
            name: "a".to_owned(),
            ..Host::default()
        }
    );
    let sites = version.table::<Site>().expect("no sites");
    assert!(sites.is_empty() && !sites.has(site::NAME));
}

#[test]
fn a_column_of_another_type_is_an_error() {
    let cases = [
        (
            r#""cores": {"type": {"key": {"type": "integer""#,
            r#""cores": {"type": {"key": {"type": "real""#,
        ),
        (
            r#""backup": {"type""#,
            r#""backup": {"type": "string"}, "other": {"type""#,
        ),
        (
            r#""addresses": {"type": {"key": "string","#,
            r#""addresses": {"type": {"key": "string", "value": "string","#,
        ),
    ];
    for (ours, theirs) in cases {
        assert!(SCHEMA.contains(ours), "{ours}");
        let schema = SCHEMA
            .replace(ours, theirs)
            .replace(r#", "minInteger": 1, "maxInteger": 4096"#, "");
        let version = version(&schema, &Selection::all(), "{}");
        let error = version.table::<Host>().expect_err(theirs);
        let expect = ours.split('"').nth(1).expect("a column");
        let BindError::Type { table, column, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((table, column), ("Host", expect));
        assert!(version.table::<Site>().is_ok());
    }
    // What holds less than the type does is no error.
    let narrower = SCHEMA.replace(
        r#""addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}}"#,
        r#""addresses": {"type": "string"}"#,
    );
    assert_ne!(narrower, SCHEMA);
    let version = version(&narrower, &Selection::all(), "{}");
    assert_eq!(inventory::fits(&version), Ok(()));
}

fn txn() -> Txn {
    Txn::on(example(), Uuid::from_random_bytes([7; 16]))
}

/// The operations that a transaction sends.
fn sent(txn: &Txn) -> String {
    let plan = txn.plan().expect("a plan");
    plan.request().to_text().expect("text")
}

#[test]
fn models_are_inserted_with_references_to_each_other() {
    let mut txn = txn();
    let host = Host {
        name: "c".to_owned(),
        cores: 2,
        state: host::State::Planned,
        ..Host::default()
    };
    let row = txn.create(&host).expect("a host");
    let north = Ref::<Site>::new(uuid(1));
    let mut hosts = txn.read(north, site::HOSTS).expect("its hosts");
    hosts.insert(row);
    txn.write(north, site::HOSTS, hosts).expect("a set");
    assert_eq!(txn.read(row, host::CORES), Ok(2));
    let text = sent(&txn);
    assert!(
        text.contains(r#""name":"c""#) && text.contains(r#""cores":2"#),
        "{text}"
    );
    assert!(!text.contains("addresses"), "defaults are not sent: {text}");
}

#[test]
fn a_stored_model_changes_what_differs_and_leaves_what_cannot_change() {
    let mut txn = txn();
    let version = Arc::clone(txn.base());
    let sites = version.table::<Site>().expect("sites");
    let north = sites.rows().next().expect("a site");
    let mut model = north.to_model();
    model.labels.insert("rack".to_owned(), "7".to_owned());
    model.name = "south".to_owned();
    txn.store(north.id(), &model).expect("a row");
    txn.only_changes();
    let text = sent(&txn);
    assert!(text.contains("rack") && !text.contains("south"), "{text}");
    let error = txn
        .write(north.id(), site::NAME, "south")
        .expect_err("for new rows only");
    assert!(matches!(error, EditError::Immutable { .. }), "{error}");
}

#[test]
fn values_that_the_schema_forbids_are_refused_before_sending() {
    let mut txn = txn();
    let a = Ref::<Host>::new(uuid(2));
    let results = [
        ("cores", txn.write(a, host::CORES, 0)),
        ("cores", txn.write(a, host::CORES, 4097)),
        ("name", txn.write(a, host::NAME, "")),
        (
            "state",
            txn.write(a, host::STATE, host::State::from_word("lost")),
        ),
        (
            "state",
            txn.create(&Host {
                name: "x".to_owned(),
                cores: 1,
                ..Host::default()
            })
            .map(drop),
        ),
    ];
    for (name, result) in results {
        match result {
            Err(EditError::Value { column, error, .. }) => {
                assert_eq!(
                    (column.as_str(), error.tag),
                    (name, ovsdb::error::ErrorTag::ConstraintViolation)
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    txn.write(a, host::CORES, 4096).expect("as many as may be");
    txn.write(a, host::LOAD, None)
        .expect("none is one of at most one");
}

#[test]
fn columns_make_clauses() {
    let addresses = BTreeSet::from(["x".to_owned(), "y".to_owned()]);
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let cases = [
        (host::NAME.eq("a"), r#"["name","==","a"]"#),
        (
            host::STATE.ne(host::State::Retired),
            r#"["state","!=","retired"]"#,
        ),
        (
            host::ADDRESSES.includes(addresses),
            r#"["addresses","includes",["set",["x","y"]]]"#,
        ),
        (
            site::LABELS.excludes(labels),
            r#"["labels","excludes",["map",[["a","b"]]]]"#,
        ),
        (host::LOAD.eq(None), r#"["load","==",["set",[]]]"#),
    ];
    for (clause, expect) in cases {
        let mut transaction = Transaction::new("Inventory");
        transaction.push(select("Host").filter(clause));
        let text = transaction.to_text().expect("text");
        assert!(text.contains(&format!(r#""where":[{expect}]"#)), "{text}");
    }
}

#[test]
fn reals_have_their_places_in_sets() {
    let set = BTreeSet::from([Real(1.5), Real(-0.0), Real(0.0), Real(1.5)]);
    assert_eq!(set.len(), 3);
}

#[test]
fn the_selection_is_what_the_types_have() {
    let all: Vec<&str> = Host::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(
        all,
        ["addresses", "backup", "cores", "load", "name", "state"]
    );
    assert_eq!(host::INDEXES, [["name"]]);
    let schema = json::parse(SCHEMA.as_bytes()).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    assert_eq!(
        (inventory::DATABASE, inventory::SCHEMA_VERSION),
        ("Inventory", "1.0.0")
    );
    assert_eq!(schema.project(&inventory::selection()).missing, []);
}
