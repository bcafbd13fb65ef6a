//! One program with the types of OVN's Southbound database, and servers of both sides whose schema is older or newer.

use std::time::Duration;

use ovsdb::Client;
use ovsdb::json;
use ovsdb::schema::{Schema, Selection};
use ovsdb::txn::{EditError, Policy};
use ovsdb::typed::{BindError, Ref};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::{Side, reference_schema};
use ovsdb_testkit::sandbox::Sandbox;
use tokio::time::Instant;

ovsdb::include_schema! {
    mod ovn_sb = "ovn-sb";
}

use ovn_sb::{Chassis, ChassisPrivate, Encap, chassis};

/// No test waits longer than this for anything.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The schema that the types are of, one that has less, and one that has more.
struct Schemas {
    older: String,
    same: String,
    newer: String,
}

impl Schemas {
    fn new() -> Schemas {
        let text = std::fs::read(reference_schema("ovn-sb")).expect("an installed schema");
        let same = Schema::from_json(&json::parse(&text).expect("JSON")).expect("a schema");
        // Of a time when there were no private halves of chassis, and chassis had no number of their configuration.
        let chassis = ["name", "hostname", "encaps", "external_ids"];
        let encap = ["type", "options", "ip", "chassis_name"];
        let part = Selection::new()
            .columns("Chassis", chassis)
            .columns("Encap", encap);
        let older = same.project(&part).schema.to_json().to_string();
        let same = same.to_json().to_string();
        let newer = same.replace(
            r#""Chassis":{"columns":{"#,
            r#""Later":{"columns":{"n":{"type":"integer"}}},"Chassis":{"columns":{"a_later":{"type":"string"},"#,
        );
        assert_ne!(same, newer);
        Schemas { older, same, newer }
    }
}

#[tokio::test]
async fn types_are_of_use_with_older_and_newer_schemas() {
    let schemas = Schemas::new();
    for side in Side::BOTH {
        for (text, lacks) in [
            (&schemas.older, true),
            (&schemas.same, false),
            (&schemas.newer, false),
        ] {
            let sandbox = Sandbox::new();
            let file = sandbox.path("ovsschema");
            std::fs::write(&file, text).expect("the sandbox is writable");
            let server = Server::start(&sandbox, side, &[("sb.db", &file)]);
            let client = Client::builder(&server.remote()).database("OVN_Southbound");
            let client = client.connect(Some(soon())).await;
            let client = client.expect("the server is up");
            let replica = client.replica("OVN_Southbound", ovn_sb::selection());
            let version = replica.ready(Some(soon())).await.expect("contents");

            // What is there, and what is missing.
            assert_eq!(ovn_sb::fits(&version), Ok(()), "{side:?}");
            let in_full = ovn_sb::fits_in_full(&version);
            assert_eq!(in_full.is_err(), lacks, "{side:?}: {in_full:?}");
            let table = version.table::<Chassis>().expect("it fits");
            assert_eq!(table.has(chassis::NB_CFG), !lacks);
            assert!(table.has(chassis::HOSTNAME));
            let is_missing = table.missing().any(|column| column == "nb_cfg");
            assert_eq!(is_missing, lacks);
            let private = version.table_in_full::<ChassisPrivate>();
            let no_table = BindError::NoTable {
                table: "Chassis_Private",
            };
            assert_eq!(private.err(), lacks.then_some(no_table));

            // A row is made of what there is, if the rest is what it would be anyway.
            let (row, _) = replica
                .update(Policy::until(soon()), |txn| {
                    let encap = Encap {
                        r#type: ovn_sb::encap::Type::Geneve,
                        ip: "192.0.2.7".to_owned(),
                        chassis_name: "c".to_owned(),
                        ..Encap::default()
                    };
                    let encap = txn.create(&encap)?;
                    let chassis = Chassis {
                        name: "c".to_owned(),
                        hostname: "host".to_owned(),
                        encaps: [encap].into(),
                        ..Chassis::default()
                    };
                    txn.create(&chassis)?;
                    Ok::<_, EditError>(())
                })
                .await
                .expect("the server takes it");
            assert_eq!(row, ());
            let version = replica.snapshot().expect("contents");
            let table = version.table::<Chassis>().expect("it fits");
            let made = table.rows().next().expect("the chassis");
            assert_eq!(made.get(chassis::HOSTNAME), "host");
            assert_eq!(made.get(chassis::NB_CFG), 0);
            assert_eq!(version.table::<ChassisPrivate>().expect("it fits").len(), 0);

            // What cannot be kept is no success.
            let chassis: Ref<Chassis> = made.id();
            let written = replica
                .update(Policy::until(soon()), |txn| {
                    txn.write(chassis, chassis::NB_CFG, 5)
                })
                .await;
            match written {
                Ok(_) => assert!(!lacks, "{side:?}"),
                Err(ovsdb::txn::UpdateError::Change(EditError::NoColumn { column, .. })) => {
                    assert!(lacks && column == "nb_cfg", "{side:?}: {column}");
                }
                Err(error) => panic!("{side:?}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn what_was_missing_is_there_after_a_conversion() {
    let schemas = Schemas::new();
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let file = sandbox.path("ovsschema");
        std::fs::write(&file, &schemas.older).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("sb.db", &file)]);
        let client = Client::builder(&server.remote()).database("OVN_Southbound");
        let client = client.connect(Some(soon())).await;
        let client = client.expect("the server is up");
        let replica = client.replica("OVN_Southbound", ovn_sb::selection());
        replica.ready(Some(soon())).await.expect("contents");
        let newer = json::parse(schemas.newer.as_bytes()).expect("JSON");
        let converted = client.convert("OVN_Southbound", &newer, Some(soon()));
        converted.await.expect("nothing is lost by it");
        let fits = replica.wait_for(Some(soon()), |version| {
            ovn_sb::fits_in_full(version).is_ok().then_some(())
        });
        fits.await.expect("the replica has the new schema");
    }
}
