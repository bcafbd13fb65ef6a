//! Commits by a replica whose client is the test.

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::words::Method;

use super::*;
use crate::error::Disconnect;
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
        loop {
            // The clock jumps there when nothing else happens.
            let request =
                tokio::time::timeout(Duration::from_secs(3600), self.asked.requests.recv());
            let request = request.await.expect("it asks").expect("it goes on");
            if request.method != Method::GetSchema {
                assert_eq!(request.method, method);
                return request;
            }
            // As after each monitor.
            self.reply(&request, Ok(SCHEMA)).await;
        }
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

    /// The connection ends, and there is another one.
    async fn reconnect(&mut self, in_doubt: &Outbound) {
        self.tell(Inbound::Down {
            connection: self.connection,
            why: Disconnect::EndOfFile,
            in_doubt: vec![in_doubt.id],
        })
        .await;
        self.connect().await;
    }

    /// The transaction is sent, which is the same as `last` if there was one.
    async fn transact(&mut self, last: Option<&Outbound>) -> Outbound {
        let request = self.request(Method::Transact).await;
        if let Some(last) = last {
            assert_eq!(request.params, last.params);
        }
        request
    }

    /// What was refused is ruled out: by a token in the place of the one from which it goes on, unless it has happened.
    async fn ruling_out(&mut self, refused: &Outbound) -> Outbound {
        let request = self.request(Method::Transact).await;
        let operations = |params: &Bytes| {
            let params = json::parse(params).expect("JSON");
            params.as_array().expect("an array")[1..].to_vec()
        };
        let (whole, ruling_out) = (operations(&refused.params), operations(&request.params));
        assert_eq!(ruling_out.len(), 3);
        assert_eq!(ruling_out[..2], whole[..2]);
        let (noted, other) = (whole.last().expect("the marker's"), &ruling_out[2]);
        assert_eq!(noted.get("where"), other.get("where"));
        assert_ne!(noted.get("mutations"), other.get("mutations"));
        request
    }
}

/// The first check of the marker fails: the transaction has happened.
const HAPPENED: &str = r#"[{"error":"timed out","details":"\"where\" clause not met"}]"#;
/// The second does: there is another token.
const MOVED_ON: &str = r#"[{},{"error":"timed out","details":"\"where\" clause not met"}]"#;
/// A change does.
const VIOLATION: &str = r#"[{},{},{"error":"constraint violation"}]"#;

type Outcome = Result<Committed, CommitError>;

/// Plays a dialogue about a transaction with a marker or without one, and says what comes of it.
async fn play(is_marked: bool, dialogue: impl AsyncFnOnce(&mut Client)) -> Outcome {
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
    if is_marked {
        txn.once(&Marker::new(row.clone(), "m", "key"));
    }
    txn.set_key(&row, "m", "other", "x").expect("it is a map");
    let committing = tokio::spawn({
        let replica = replica.clone();
        async move { replica.commit(&txn, None).await }
    });
    dialogue(&mut client).await;
    let outcome = tokio::time::timeout(Duration::from_secs(3600), committing);
    outcome
        .await
        .expect("nothing more is asked")
        .expect("no panic")
}

#[tokio::test(start_paused = true)]
async fn a_commit_in_doubt_that_is_canceled_when_it_is_sent_again_is_still_in_doubt() {
    let outcome = play(true, async |client| {
        let first = client.transact(None).await;
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Err("canceled")).await;
        let third = client.transact(Some(&first)).await;
        client.reply(&third, Ok(HAPPENED)).await;
    });
    assert!(outcome.await.expect("it happened").repeated);
}

#[tokio::test(start_paused = true)]
async fn what_is_canceled_may_have_happened() {
    let unmarked = play(false, async |client| {
        let only = client.transact(None).await;
        client.reply(&only, Err("canceled")).await;
    });
    let unmarked = unmarked.await;
    assert!(
        matches!(unmarked, Err(CommitError::Unknown(Doubt::Canceled))),
        "{unmarked:?}"
    );
    assert!(!unmarked.is_err_and(|error| error.is_transient()));
    let marked = play(true, async |client| {
        let first = client.transact(None).await;
        client.reply(&first, Err("canceled")).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(HAPPENED)).await;
    });
    assert!(marked.await.expect("it happened").repeated);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_ruled_out_before_anybody_is_told() {
    let refused = play(true, async |client| {
        let first = client.transact(None).await;
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(VIOLATION)).await;
        // Nor does a loss of the connection get in the way of that.
        let ruling_out = client.ruling_out(&first).await;
        client.reconnect(&ruling_out).await;
        let again = client.transact(Some(&ruling_out)).await;
        client.reply(&again, Ok(r#"[{},{},{"count":1}]"#)).await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::Refused { .. }))),
        "{refused:?}"
    );
    // Whoever has ruled it out before finds another token.
    let refused = play(true, async |client| {
        let first = client.transact(None).await;
        client.reply(&first, Ok(MOVED_ON)).await;
        let ruling_out = client.ruling_out(&first).await;
        client.reply(&ruling_out, Ok(MOVED_ON)).await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::Conflict(_)))),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_late_is_found_when_another_is_refused() {
    let outcome = play(true, async |client| {
        let first = client.transact(None).await;
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(VIOLATION)).await;
        let ruling_out = client.ruling_out(&first).await;
        client.reply(&ruling_out, Ok(HAPPENED)).await;
    });
    let committed = outcome.await.expect("it happened");
    assert!(committed.repeated && committed.generation.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_ruled_out_stays_in_doubt() {
    const NO_TABLE: &str = r#"[{"error":"syntax error","details":"No table named T."}]"#;
    let unknown = play(true, async |client| {
        let first = client.transact(None).await;
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(NO_TABLE)).await;
        let ruling_out = client.ruling_out(&first).await;
        client.reply(&ruling_out, Ok(NO_TABLE)).await;
    });
    let unknown = unknown.await;
    assert!(
        matches!(unknown, Err(CommitError::Unknown(Doubt::Lost(_)))),
        "{unknown:?}"
    );
    // Where there was no doubt, there is none.
    let refused = play(true, async |client| {
        let first = client.transact(None).await;
        client.reply(&first, Ok(NO_TABLE)).await;
        let ruling_out = client.ruling_out(&first).await;
        client.reply(&ruling_out, Ok(NO_TABLE)).await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::Refused { .. }))),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_can_read_says_nothing_and_does_not_come_for_ever() {
    for nonsense in ["{}", "[1]", "[", r#"[{},{},{"count":1},{"count":1},7,8]"#] {
        let unmarked = play(false, async |client| {
            let only = client.transact(None).await;
            client.reply(&only, Ok(nonsense)).await;
        });
        let unmarked = unmarked.await;
        assert!(
            matches!(unmarked, Err(CommitError::Unknown(Doubt::Malformed(_)))),
            "{nonsense}: {unmarked:?}"
        );
        let marked = play(true, async |client| {
            for _ in 0..=MALFORMED_MAX {
                let next = client.transact(None).await;
                client.reply(&next, Ok(nonsense)).await;
            }
        });
        let marked = marked.await;
        assert!(
            matches!(marked, Err(CommitError::Unknown(Doubt::Malformed(_)))),
            "{nonsense}: {marked:?}"
        );
    }
}
