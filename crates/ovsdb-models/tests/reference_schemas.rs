//! Types of the schemas that Open vSwitch and OVN install: that they compile, and that they have all that the schemas have.

use std::sync::Arc;

use ovsdb::json;
use ovsdb::replica::Version;
use ovsdb::schema::{Schema, Selection};
use ovsdb::typed::BindError;
use ovsdb_testkit::programs::reference_schema;

ovsdb::include_schema! {
    mod vswitch = "vswitch";
    mod vtep = "vtep";
    mod local_config = "local-config";
    mod ovn_nb = "ovn-nb";
    mod ovn_sb = "ovn-sb";
}

/// The types of a schema have all tables and columns of it, each with the right type.
fn check(
    name: &str,
    [database, version]: [&str; 2],
    selection: Selection,
    fits: fn(&Version) -> Result<(), BindError>,
) {
    let text = std::fs::read(reference_schema(name)).expect("an installed schema");
    let schema = json::parse(&text).expect("JSON");
    let schema = Schema::from_json(&schema).expect("a schema");
    assert_eq!(schema.name, database);
    assert_eq!(schema.version.as_ref().map(|it| it.as_str()), Some(version));

    let projection = schema.project(&selection);
    assert_eq!(projection.missing, []);
    let count = |schema: &Schema| -> usize {
        let tables = schema.tables.iter();
        tables.map(|table| table.columns.len()).sum()
    };
    assert_eq!(count(&projection.schema), count(&schema), "{name}");
    let version = Version::empty(Arc::new(projection));
    assert_eq!(fits(&version), Ok(()), "{name}");
}

#[test]
fn all_tables_and_columns_of_the_installed_schemas_have_their_types() {
    macro_rules! check_all {
        ($($file:literal $module:ident)*) => {$(
            check(
                $file,
                [$module::DATABASE, $module::SCHEMA_VERSION],
                $module::selection(),
                $module::fits,
            );
        )*};
    }
    check_all! {
        "vswitch" vswitch
        "vtep" vtep
        "local-config" local_config
        "ovn-nb" ovn_nb
        "ovn-sb" ovn_sb
    }
}

#[test]
fn columns_have_the_types_that_one_would_write() {
    let bridge = vswitch::Bridge {
        name: "br0".to_owned(),
        fail_mode: Some(vswitch::bridge::FailMode::Secure),
        ..vswitch::Bridge::default()
    };
    assert!(bridge.ports.is_empty());
    let controller = vswitch::Controller {
        max_backoff: Some(1000),
        ..vswitch::Controller::default()
    };
    assert!(
        vswitch::controller::MAX_BACKOFF
            .check(&controller.max_backoff)
            .is_ok()
    );
    assert!(vswitch::controller::MAX_BACKOFF.check(&Some(999)).is_err());
    let port = ovn_nb::LogicalSwitchPort {
        r#type: "router".to_owned(),
        tag: Some(7),
        ..ovn_nb::LogicalSwitchPort::default()
    };
    assert!(ovn_nb::logical_switch_port::TAG.check(&port.tag).is_ok());
    assert!(ovn_nb::logical_switch_port::TAG.check(&Some(4096)).is_err());
}
