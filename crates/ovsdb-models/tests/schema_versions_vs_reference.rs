//! One program with the types of OVN's Southbound database, and servers of both sides whose schema is older or newer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ovsdb::Client;
use ovsdb::build::{self, Transaction, update};
use ovsdb::json;
use ovsdb::schema::{Schema, Selection};
use ovsdb::txn::{EditError, Policy};
use ovsdb::typed::{BindError, Ref, Word as _};
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

#[tokio::test]
async fn a_program_goes_on_while_its_server_is_upgraded() {
    let schemas = Schemas::new();
    let differences = [
        // A word more, a column that need not be there, and one of which there may be several.
        (r#"["set",["geneve","#, r#"["set",["gue","geneve","#),
        (
            r#""hostname":{"type":"string"}"#,
            r#""hostname":{"type":{"key":"string","min":0}}"#,
        ),
        (
            r#""ip":{"type":"string"}"#,
            r#""ip":{"type":{"key":"string","max":"unlimited"}}"#,
        ),
    ];
    let mut upgraded = schemas.same.clone();
    for (before, after) in differences {
        assert!(upgraded.contains(before), "{before} in {upgraded}");
        upgraded = upgraded.replace(before, after);
    }
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let file = sandbox.path("ovsschema");
        std::fs::write(&file, &schemas.same).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("sb.db", &file)]);
        let client = Client::builder(&server.remote()).database("OVN_Southbound");
        let client = client.connect(Some(soon())).await;
        let client = client.expect("the server is up");
        let replica = client.replica("OVN_Southbound", ovn_sb::selection());
        let made = replica.update(Policy::until(soon()), |txn| {
            let encap = txn.create(&Encap {
                r#type: ovn_sb::encap::Type::Geneve,
                ip: "192.0.2.7".to_owned(),
                ..Encap::default()
            })?;
            let chassis = txn.create(&Chassis {
                name: "c".to_owned(),
                encaps: [encap].into(),
                ..Chassis::default()
            })?;
            Ok::<_, EditError>((encap, chassis))
        });
        let ((encap, chassis), committed) = made.await.expect("the server takes it");
        let uuid = |row| committed.uuid(&row).expect("it was made");
        let (encap, chassis) = (
            Ref::<Encap>::new(uuid(encap.name())),
            Ref::<Chassis>::new(uuid(chassis.name())),
        );

        // The server is upgraded, and somebody newer writes what this program does not know.
        let schema = json::parse(upgraded.as_bytes()).expect("JSON");
        let converted = client.convert("OVN_Southbound", &schema, Some(soon()));
        converted.await.expect("nothing is lost by it");
        let newer = Transaction::new("OVN_Southbound")
            .with(
                update("Encap")
                    .filter(build::row(encap.uuid()))
                    .set("type", "gue")
                    .set("ip", BTreeSet::from(["192.0.2.7", "192.0.2.8"])),
            )
            .with(
                update("Chassis")
                    .filter(build::row(chassis.uuid()))
                    .set("hostname", BTreeSet::<String>::new()),
            );
        let newer = client.execute(&newer, Some(soon())).await;
        newer.expect("its schema allows it");
        let version = replica.wait_for(Some(soon()), |version| {
            let table = version.table::<Encap>().expect("its atoms are the same");
            let kind = table.get(encap)?.get(ovn_sb::encap::TYPE);
            (kind.word() == "gue").then(|| version.clone())
        });
        let version = version.await.expect("the replica goes on");
        assert_eq!(ovn_sb::fits(&version), Ok(()), "{side:?}");
        assert!(ovn_sb::fits_in_full(&version).is_err(), "{side:?}");
        let encaps = version.table::<Encap>().expect("it fits");
        assert_eq!(encaps.wider().collect::<Vec<_>>(), ["ip"], "{side:?}");
        let row = encaps.get(encap).expect("the row");
        assert!(!row.is_known(ovn_sb::encap::IP), "{side:?}");

        // It goes on with what it knows, and leaves the rest alone.
        let stored = replica.update(Policy::until(soon()), |txn| {
            let base = txn.base().clone();
            let encaps = base.table::<Encap>().expect("it fits");
            let mut model = encaps.get(encap).expect("the row").to_model();
            model.options = [("csum".to_owned(), "true".to_owned())].into();
            txn.store(encap, &model)?;
            let all = base.table::<Chassis>().expect("it fits");
            let mut model = all.get(chassis).expect("the row").to_model();
            model.nb_cfg = 7;
            txn.store(chassis, &model)
        });
        stored.await.expect("the server takes it");
        let select = Transaction::new("OVN_Southbound")
            .with(build::select("Encap").columns(["type", "ip", "options"]))
            .with(build::select("Chassis").columns(["hostname", "nb_cfg"]));
        let told = client.execute(&select, Some(soon())).await;
        let told = told.expect("the server answers");
        let rows = |nth: usize| told.rows(nth).expect("rows")[0].clone();
        let ips: BTreeSet<String> = rows(0).get("ip").expect("texts");
        assert_eq!(ips.len(), 2, "{side:?}");
        assert_eq!(rows(0).get::<String>("type").expect("a word"), "gue");
        let options: BTreeMap<String, String> = rows(0).get("options").expect("a map");
        assert_eq!(options["csum"], "true", "{side:?}");
        assert_eq!(rows(1).get::<Option<String>>("hostname"), Ok(None));
        assert_eq!(rows(1).get::<i64>("nb_cfg"), Ok(7), "{side:?}");
    }
}
