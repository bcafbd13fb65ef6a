//! What the guide shows of servers that no example has.

use ovsdb::error::{ErrorTag, OvsdbError};
use ovsdb::json;
use ovsdb::schema::Schema;
use ovsdb::server::{Database, Engine, Gate, MonitorProposal, Peer, Proposal};
use ovsdb_testkit::client::RawClient;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use super::Result;

const SCHEMA: &str = r#"{"name":"Accounts","tables":{
    "Account":{"isRoot":true,"columns":{"name":{"type":"string"}}},
    "Secret":{"isRoot":true,"columns":{"name":{"type":"string"},"value":{"type":"string"}}}}}"#;

/// Nobody reads secrets.
struct SecretsStay;

fn refused(peer: &Peer) -> OvsdbError {
    let details = format!("{} may not see secrets", peer.name());
    OvsdbError::new(ErrorTag::PermissionError, details)
}

impl Gate for SecretsStay {
    fn transact(&self, proposal: &Proposal<'_>) -> std::result::Result<(), OvsdbError> {
        let schema = proposal.schema();
        let mut tables = proposal.operations().iter().filter_map(|it| it.table());
        match tables.any(|table| schema.table(table).name == "Secret") {
            true => Err(refused(proposal.peer())),
            false => Ok(()),
        }
    }

    fn monitor(&self, proposal: &MonitorProposal<'_>) -> std::result::Result<(), OvsdbError> {
        match proposal.tables().any(|table| table.name() == "Secret") {
            true => Err(refused(proposal.peer())),
            false => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_keeps_a_table_from_all_who_ask() -> Result<()> {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("db.sock").display().to_string();
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes())?)?;
    let engine = Engine::builder()
        .database(Database::in_memory(schema).behind(SecretsStay))
        .remote(&format!("punix:{socket}"));
    let engine = engine.start().await?;
    let remote = format!("unix:{socket}");
    let asked = tokio::task::spawn_blocking(move || {
        for side in Side::BOTH {
            let client = |words: &[&str]| {
                let words = [&["-t", "30"], words].concat();
                let output = sandbox.run(side.program("ovsdb-client"), &words);
                (output.ok(), output.stdout + &output.stderr)
            };
            let insert = r#"["Accounts",{"op":"insert","table":"Account","row":{"name":"a"}}]"#;
            let (done, told) = client(&["transact", &remote, insert]);
            assert!(done && told.contains("uuid"), "{side:?}: {told}");
            let select = r#"["Accounts",{"op":"select","table":"Secret","where":[]}]"#;
            let (_, told) = client(&["transact", &remote, select]);
            assert!(told.contains("may not see secrets"), "{side:?}: {told}");
        }
        let mut raw = RawClient::connect(&sandbox.path("db.sock"));
        for method in ["monitor", "monitor_cond", "monitor_cond_since"] {
            for (table, is_let) in [("Account", true), ("Secret", false)] {
                let since = match method {
                    "monitor_cond_since" => r#","00000000-0000-0000-0000-000000000000""#,
                    _ => "",
                };
                let request = format!(
                    r#"{{"id":0,"method":"{method}","params":["Accounts","{method} {table}",{{"{table}":{{}}}}{since}]}}"#
                );
                raw.send(request.as_bytes()).expect("it reads");
                let reply = raw.receive().expect("it answers").expect("it stays");
                let reply = String::from_utf8_lossy(&reply);
                let is_refused = reply.contains("may not see secrets");
                assert_eq!(is_refused, !is_let, "{reply}");
            }
        }
    });
    asked.await?;
    engine.close().await;
    Ok(())
}
