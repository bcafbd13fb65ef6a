//! Commits by a replica whose client is the test.

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::words::Method;

use super::*;
use crate::replica::Limits;
use crate::upstream::{
    Asked, ConnectionId, Downstream, Inbound, Outbound, Registrar, Server, registrar,
};

const SCHEMA: &str = r#"{"name":"db","tables":{"T":{"isRoot":true,"columns":{
    "m":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;
const ROW: &str = "00000000-0000-0000-0000-000000000001";
const CONTENTS: &str =
    r#"{"T":{"00000000-0000-0000-0000-000000000001":{"initial":{"m":["map",[["key","token"]]]}}}}"#;

struct Client {
    _registrar: Registrar,
    asked: Asked,
    replica: Downstream,
    connection: ConnectionId,
}

impl Client {
    async fn tell(&self, inbound: Inbound) {
        self.replica.send(inbound).await.expect("it is there");
    }

    async fn reply(&self, request: &Outbound, result: Result<&'static str, &str>) {
        let result = result
            .map(|text| Bytes::from_static(text.as_bytes()))
            .map_err(Json::string);
        let id = request.id;
        self.tell(Inbound::Reply { id, result }).await;
    }

    async fn request(&mut self, method: Method) -> Outbound {
        // The clock jumps there when nothing else happens.
        let request = tokio::time::timeout(Duration::from_secs(3600), self.asked.requests.recv());
        let request = request.await.expect("it asks").expect("it goes on");
        assert_eq!(request.method, method);
        request
    }

    async fn connect(&mut self) {
        let schema = json::parse(SCHEMA.as_bytes()).expect("JSON");
        self.connection.0 += 1;
        self.tell(Inbound::Up {
            connection: self.connection,
            server: Server::new("tcp:127.0.0.1:6640"),
            schema: Arc::new(Schema::from_json(&schema).expect("a schema")),
        })
        .await;
        let monitor = self.request(Method::MonitorCondSince).await;
        self.reply(&monitor, Err("unknown method")).await;
        let monitor = self.request(Method::MonitorCond).await;
        self.reply(&monitor, Ok(CONTENTS)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_in_doubt_that_is_canceled_when_it_is_sent_again_is_still_in_doubt() {
    let (registrar, asked) = registrar();
    let (upstream, replica_end) = registrar.register();
    let replica = Replica::start(upstream, "db", Selection::all(), Limits::default());
    let mut client = Client {
        _registrar: registrar,
        asked,
        replica: replica_end,
        connection: ConnectionId(0),
    };
    client.connect().await;
    replica.live(None).await.expect("there are contents");
    let row = RowName::new("T", Uuid::parse(ROW).expect("a UUID"));
    let mut txn = replica.begin().expect("there are contents");
    txn.once(&Marker::new(row.clone(), "m", "key"));
    txn.set_key(&row, "m", "other", "x").expect("it is a map");
    let committing = tokio::spawn({
        let replica = replica.clone();
        async move { replica.commit(&txn, None).await }
    });
    let first = client.request(Method::Transact).await;
    client
        .tell(Inbound::Down {
            connection: client.connection,
            why: Disconnect::EndOfFile,
            in_doubt: vec![first.id],
        })
        .await;
    client.connect().await;
    let second = client.request(Method::Transact).await;
    assert_eq!(second.params, first.params);
    // This one did not happen; of the first nobody knows.
    client.reply(&second, Err("canceled")).await;
    let third = client.request(Method::Transact).await;
    assert_eq!(third.params, first.params);
    client
        .reply(
            &third,
            Ok(r#"[{"error":"timed out","details":"\"where\" clause not met"}]"#),
        )
        .await;
    let committed = committing.await.expect("no panic");
    assert!(committed.expect("it happened").repeated);
}
