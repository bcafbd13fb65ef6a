//! What the guide shows of TLS.

use std::path::Path;

use ovsdb::net::{CaFile, TlsSettings};
use ovsdb::schema::Schema;
use ovsdb::server::{Database, Engine, TlsSources};
use ovsdb::{Client, json};
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::pki::Pki;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;

use super::{Result, soon};

const SCHEMA: &str = r#"{"name":"Leases","version":"1.0.0","tables":{
    "Lease":{"isRoot":true,"columns":{"address":{"type":"string"}}}}}"#;

async fn connect_by_tls(server: &str, keys: &Path) -> Result<Client> {
    let settings = TlsSettings {
        private_key: Some(keys.join("client-privkey.pem")),
        certificate: Some(keys.join("client-cert.pem")),
        // Servers whose certificate none of these has issued are not believed.
        ca: Some(CaFile::Verify(keys.join("ca.pem"))),
        ..TlsSettings::default()
    };
    let builder = Client::builder(server).database("Leases").tls(settings);
    Ok(builder.connect(soon()).await?)
}

async fn serve_by_tls(schema: Schema, remote: &str, keys: &Path) -> Result<Engine> {
    let file = |name| Some(keys.join(name).display().to_string());
    let sources = TlsSources {
        private_key: file("server-privkey.pem"),
        certificate: file("server-cert.pem"),
        ca: file("ca.pem"),
        ..TlsSources::default()
    };
    let engine = Engine::builder()
        .database(Database::in_memory(schema))
        .tls(sources)
        .remote(remote);
    Ok(engine.start().await?)
}

/// The folder of the keys.
fn keys() -> std::path::PathBuf {
    Pki::shared().path("")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_and_a_server_of_a_program_know_each_other_by_tls() -> Result<()> {
    let remote = "pssl:0:127.0.0.1";
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes())?)?;
    let engine = serve_by_tls(schema, remote, &keys()).await?;
    let port = engine.ports().await[remote];
    let client = connect_by_tls(&format!("ssl:127.0.0.1:{port}"), &keys()).await?;
    assert_eq!(client.list_dbs(soon()).await?, ["Leases", "_Server"]);
    engine.close().await;
    Ok(())
}

#[tokio::test]
async fn a_client_and_a_server_of_either_side_know_each_other_by_tls() -> Result<()> {
    let pki = Pki::shared();
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let schema = sandbox.path("leases.ovsschema");
        std::fs::write(&schema, SCHEMA)?;
        let [key, certificate] = pki.pair("server");
        let more = [
            "--remote=pssl:0:127.0.0.1",
            &key,
            &certificate,
            &pki.ca("ca.pem"),
        ];
        let databases: [(&str, &Path); 1] = [("leases.db", &schema)];
        let _server = Server::start_as(&sandbox, side, "server", "db.sock", &databases, &more);
        let log = sandbox.text("server.log");
        let (_, port) = log.split_once("listening on port ").ok_or("no port")?;
        let port = port.lines().next().unwrap_or_default();
        let client = connect_by_tls(&format!("ssl:127.0.0.1:{port}"), &keys()).await?;
        let databases = client.list_dbs(soon()).await?;
        assert!(databases.contains(&"Leases".to_owned()), "{side:?}");
    }
    Ok(())
}
