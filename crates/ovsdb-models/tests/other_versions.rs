//! Types of one version of a schema, with servers of another one.

use std::collections::BTreeSet;
use std::sync::Arc;

use ovsdb::json;
use ovsdb::replica::{Changes, Version};
use ovsdb::schema::Schema;
use ovsdb::txn::{EditError, Txn};
use ovsdb::typed::{BindError, Ref, Word};
use ovsdb::updates::{Form, UpdatesReader};
use ovsdb::uuid::Uuid;
use ovsdb_models::inventory::{self, Host, Site, host};

const SCHEMA: &str = include_str!("../../../examples/inventory.ovsschema");

const NAME: &str = r#""name": {"type": {"key": {"type": "string", "minLength": 1}}}"#;
const NAME_OR_NONE: &str = r#""name": {"type": {"key": "string", "min": 0, "max": 1}}"#;
const LOAD: &str = r#""load": {"type": {"key": "real", "min": 0, "max": 1}"#;
const LOADS: &str = r#""load": {"type": {"key": "real", "min": 0, "max": 2}"#;

fn row<M>(number: u8) -> Ref<M> {
    Ref::new(Uuid::from_bytes([number; 16]))
}

/// Two hosts on a server whose schema differs in this: each first text is there as the second one.
fn hosts(differences: &[(&str, &str)], a: &str, b: &str) -> Arc<Version> {
    let mut schema = SCHEMA.to_owned();
    for (ours, theirs) in differences {
        assert!(schema.contains(ours), "{ours}");
        schema = schema.replace(ours, theirs);
    }
    let schema = json::parse(schema.as_bytes()).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    let projection = Arc::new(schema.project(&inventory::selection()));
    let mut reader = UpdatesReader::new(Arc::clone(&projection.schema));
    let [first, second] = [row::<Host>(1), row::<Host>(2)];
    let updates =
        format!(r#"{{"Host":{{"{first}":{{"initial":{a}}},"{second}":{{"initial":{b}}}}}}}"#);
    let updates = reader.read(Form::Updates2, updates.as_bytes());
    let empty = Version::empty(Arc::clone(&projection));
    let version = empty.replaced(projection, updates.expect("updates"));
    Arc::new(version.expect("new rows"))
}

/// Hosts of which one has more loads, and one no name, than the types have room for.
fn wider() -> Arc<Version> {
    hosts(
        &[(NAME, NAME_OR_NONE), (LOAD, LOADS)],
        r#"{"name":"a","cores":8,"state":"running","load":["set",[0.5,0.75]]}"#,
        r#"{"name":["set",[]],"cores":4,"state":"planned","load":0.25}"#,
    )
}

fn txn(version: &Arc<Version>) -> Txn {
    let mut txn = Txn::on(Arc::clone(version), Uuid::from_random_bytes([7; 16]));
    txn.only_changes();
    txn
}

/// The operations that a transaction sends.
fn sent(txn: &Txn) -> String {
    let plan = txn.plan().expect("a plan");
    plan.request().to_text().expect("text")
}

#[test]
fn rows_with_fewer_or_more_values_than_there_is_room_for_say_so() {
    let version = wider();
    assert_eq!(inventory::fits(&version), Ok(()));
    let table = version.table::<Host>().expect("its atoms are the same");
    assert_eq!(table.wider().collect::<Vec<_>>(), ["load", "name"]);
    assert!(table.has(host::LOAD) && table.missing().next().is_none());

    let a = table.get(row(1)).expect("a host");
    assert_eq!((a.get(host::NAME), a.get(host::LOAD)), ("a", None));
    assert!(a.is_known(host::NAME) && !a.is_known(host::LOAD));
    let b = table.get(row(2)).expect("a host");
    assert_eq!((b.get(host::NAME), b.get(host::LOAD)), ("", Some(0.25)));
    assert!(!b.is_known(host::NAME) && b.is_known(host::LOAD));
    assert_eq!(b.to_model().name, "");
    let txn = txn(&version);
    assert_eq!(txn.read(row(1), host::LOAD), Ok(None));
    assert_eq!(txn.read(row(2), host::LOAD), Ok(Some(0.25)));

    // Changes are those of models that read so.
    let changes = Changes::between(Arc::clone(&version), Arc::clone(&version));
    assert_eq!(changes.of::<Host>().expect("hosts").iter().count(), 0);
}

#[test]
fn a_table_in_full_has_room_for_each_value() {
    let of = |version: &Version| match version.table_in_full::<Host>() {
        Err(BindError::Type { table, column, .. }) => Some((table, column)),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    };
    assert_eq!(of(&wider()), Some(("Host", "load")));
    let host = r#"{"name":"a","cores":8,"state":"running"}"#;
    let only_name = hosts(&[(NAME, NAME_OR_NONE)], host, host);
    assert_eq!(of(&only_name), Some(("Host", "name")));
    assert!(inventory::fits_in_full(&only_name).is_err());
    assert_eq!(of(&hosts(&[], host, host)), None);
}

#[test]
fn what_there_is_no_room_for_is_left_alone() {
    let version = wider();
    let table = version.table::<Host>().expect("its atoms are the same");
    let mut txn = txn(&version);
    for number in [1, 2] {
        let row = table.get(row(number)).expect("a host");
        let mut model = row.to_model();
        model.cores = 16;
        txn.store(row.id(), &model).expect("a row");
    }
    let text = sent(&txn);
    assert_eq!(text.matches(r#""cores":16"#).count(), 2, "{text}");
    assert!(!text.contains("load") && !text.contains("name"), "{text}");

    // Unless it is given another value.
    let mut model = table.get(row(1)).expect("a host").to_model();
    model.load = Some(1.5);
    let mut txn = self::txn(&version);
    txn.store(row(1), &model).expect("a row");
    let text = sent(&txn);
    assert!(text.contains(r#""load":1.5"#), "{text}");
    // Also the one that it would have in a new row.
    let mut txn = self::txn(&version);
    txn.write(row(1), host::LOAD, None).expect("a column");
    let text = sent(&txn);
    assert!(text.contains(r#""load":["set",[]]"#), "{text}");
}

#[test]
fn words_and_numbers_of_another_version_stay_where_they_are() {
    let version = hosts(
        &[
            (r#""running", "retired""#, r#""running", "scrapped""#),
            (r#""maxInteger": 4096"#, r#""maxInteger": 8192"#),
        ],
        r#"{"name":"a","cores":8192,"state":"scrapped"}"#,
        r#"{"name":"b","cores":4,"state":"planned"}"#,
    );
    assert_eq!(inventory::fits_in_full(&version), Ok(()));
    let table = version.table::<Host>().expect("hosts");
    let a = table.get(row(1)).expect("a host");
    let mut model = a.to_model();
    assert_eq!((model.state.word(), model.cores), ("scrapped", 8192));
    model.load = Some(0.5);
    let mut txn = txn(&version);
    txn.store(a.id(), &model).expect("it has them already");
    let text = sent(&txn);
    assert!(text.contains("load"), "{text}");
    assert!(
        !text.contains("scrapped") && !text.contains("8192"),
        "{text}"
    );

    // Other rows get what the types know; what the server does not know, it refuses.
    let refused = |model: &Host| {
        let mut txn = self::txn(&version);
        match txn.store(row(2), model) {
            Err(EditError::Value { column, .. }) => Some(column.to_string()),
            Err(other) => panic!("{other}"),
            Ok(()) => None,
        }
    };
    let b = table.get(row(2)).expect("a host").to_model();
    let with_state = |state| Host { state, ..b.clone() };
    assert_eq!(refused(&b), None);
    assert_eq!(refused(&with_state(host::State::Running)), None);
    assert_eq!(refused(&with_state(host::State::Retired)), None);
    let state = Some("state".to_owned());
    assert_eq!(refused(&with_state(model.state.clone())), state);
    let more = Host { cores: 8192, ..b };
    assert_eq!(refused(&more), Some("cores".to_owned()));
}

#[test]
fn a_new_row_keeps_the_default_of_a_column_that_cannot_be_without_a_value() {
    let host = r#"{"name":"a","cores":8,"state":"running","load":0.5,"addresses":"x"}"#;
    let version = hosts(
        &[
            (LOAD, r#""load": {"type": {"key": "real"}"#),
            (
                r#""addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}"#,
                r#""addresses": {"type": {"key": "string", "min": 1, "max": 2}"#,
            ),
        ],
        host,
        host,
    );
    assert_eq!(inventory::fits_in_full(&version), Ok(()));
    let new = Host {
        name: "c".to_owned(),
        cores: 1,
        state: host::State::Planned,
        ..Host::default()
    };
    let mut txn = txn(&version);
    let hosts = [txn.create(&new).expect("it has what it needs")].into();
    let site = Site {
        name: "south".to_owned(),
        hosts,
        ..Site::default()
    };
    txn.create(&site).expect("a site");
    let text = sent(&txn);
    assert!(
        !text.contains("load") && !text.contains("addresses"),
        "{text}"
    );

    // What there is is not taken away, and no more put in than there is room for.
    let of = |result: Result<(), EditError>| match result {
        Err(EditError::Value { column, .. }) => column.to_string(),
        other => panic!("{other:?}"),
    };
    let table = version.table::<Host>().expect("hosts");
    let a = table.get(row(1)).expect("a host").to_model();
    let without = Host { load: None, ..a };
    assert_eq!(of(self::txn(&version).store(row(1), &without)), "load");
    let addresses: BTreeSet<String> = ["x", "y", "z"].map(str::to_owned).into();
    let crowded = Host { addresses, ..new };
    assert_eq!(
        of(self::txn(&version).create(&crowded).map(drop)),
        "addresses"
    );
}
