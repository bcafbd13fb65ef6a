//! Commits by a replica whose client is the test.

use bytes::Bytes;
use ovsdb_proto::json::Json;
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::uuid::Uuid;
use ovsdb_proto::words::Method;

use super::*;
use crate::error::Disconnect;
use crate::lock::{Lock, LockState, Wanted};
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
    play_with(
        |txn, row| {
            if is_marked {
                txn.once(&marker(row));
            }
        },
        None,
        dialogue,
    )
    .await
}

fn marker(row: &RowName) -> Marker {
    Marker::new(row.clone(), "m", "key")
}

/// The same for a transaction that is prepared like this, with a deadline.
async fn play_with(
    prepare: impl FnOnce(&mut Txn, &RowName),
    deadline: Option<Instant>,
    dialogue: impl AsyncFnOnce(&mut Client),
) -> Outcome {
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
    prepare(&mut txn, &row);
    txn.set_key(&row, "m", "other", "x").expect("it is a map");
    let committing = tokio::spawn({
        let replica = replica.clone();
        async move { replica.commit(&txn, deadline).await }
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

/// A lock that somebody wants, and what the server says of it.
struct Locks {
    wanted: Arc<Wanted>,
    lock: Lock,
}

impl Locks {
    fn new() -> Locks {
        let wanted = Arc::new(Wanted::default());
        wanted.connected();
        let lock = wanted.want("l", false).expect("nobody else wants it");
        Locks { wanted, lock }
    }

    fn say(&self, state: LockState) {
        self.wanted.show("l", 0, state);
    }
}

const ASSERT: &str = r#"{"lock":"l","op":"assert"}"#;
const NOT_OWNER: &str = r#"[{"error":"not owner","details":"Asserted lock l not held."}]"#;
const NOT_OWNER_SECOND: &str =
    r#"[{},{"error":"not owner","details":"Asserted lock l not held."}]"#;
const DONE: &str = r#"[{},{"count":1}]"#;
const DONE_MARKED: &str = r#"[{},{},{},{"count":1},{"count":1}]"#;

/// The operations of a request, as they are written.
fn operations(request: &Outbound) -> Vec<String> {
    let params = json::parse(&request.params).expect("JSON");
    let operations = params.as_array().expect("an array")[1..].iter();
    operations.map(Json::to_string).collect()
}

/// Nothing is sent for as long as anybody would wait, but for what follows a monitor.
async fn says_nothing(client: &mut Client) {
    let long = Duration::from_secs(600);
    while let Ok(request) = tokio::time::timeout(long, client.asked.requests.recv()).await {
        let request = request.expect("it goes on");
        assert_eq!(request.method, Method::GetSchema, "it is too early");
        client.reply(&request, Ok(SCHEMA)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_waits_for_a_lock_is_sent_when_it_is_held() {
    let locks = Locks::new();
    let waits = |txn: &mut Txn, _: &RowName| txn.wait_for_lock(&locks.lock);
    let committed = play_with(waits, None, async |client| {
        says_nothing(client).await;
        locks.say(LockState::Waiting);
        says_nothing(client).await;
        locks.say(LockState::Held);
        let first = client.transact(None).await;
        assert_eq!(operations(&first)[0], ASSERT);
        // It has just been stolen, which is told before the answer.
        locks.say(LockState::Stolen);
        client.reply(&first, Ok(NOT_OWNER)).await;
        says_nothing(client).await;
        locks.say(LockState::Held);
        let second = client.transact(Some(&first)).await;
        // A server that contradicts itself is asked again, too.
        client.reply(&second, Ok(NOT_OWNER)).await;
        let third = client.transact(Some(&first)).await;
        client.reply(&third, Ok(DONE)).await;
    });
    committed.await.expect("it happened");
}

#[tokio::test(start_paused = true)]
async fn the_lock_is_held_before_the_contents_follow_the_new_connection() {
    let locks = Locks::new();
    let waits = |txn: &mut Txn, _: &RowName| txn.wait_for_lock(&locks.lock);
    let committed = play_with(waits, None, async |client| {
        client
            .tell(Inbound::Down {
                connection: client.connection,
                why: Disconnect::EndOfFile,
                in_doubt: Vec::new(),
            })
            .await;
        // The replica hears of it before the lock is there, as it does from a client, which has to ask for that first.
        says_nothing(client).await;
        locks.say(LockState::Held);
        says_nothing(client).await;
        client.connect().await;
        let only = client.transact(None).await;
        client.reply(&only, Ok(DONE)).await;
    });
    committed.await.expect("it happened");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_for_a_lock_has_done_nothing() {
    let not_locked = |outcome: Outcome| match outcome {
        Err(CommitError::Refused(Refusal::NotLocked(name))) => assert_eq!(name, "l"),
        other => panic!("{other:?}"),
    };
    for is_marked in [false, true] {
        let prepare = |lock: &Lock, txn: &mut Txn, row: &RowName| {
            txn.wait_for_lock(lock);
            if is_marked {
                txn.once(&marker(row));
            }
        };
        let locks = Locks::new();
        let deadline = Some(Instant::now() + Duration::from_secs(60));
        let in_vain = play_with(
            |txn, row| prepare(&locks.lock, txn, row),
            deadline,
            says_nothing,
        );
        not_locked(in_vain.await);
        let locks = Locks::new();
        let refused = play_with(
            |txn, row| prepare(&locks.lock, txn, row),
            None,
            async |client| {
                locks.say(LockState::Refused("no".into()));
                says_nothing(client).await;
            },
        );
        not_locked(refused.await);
        let Locks { wanted, lock } = Locks::new();
        let given_back = play_with(
            |txn, row| prepare(&lock, txn, row),
            None,
            async |client| {
                wanted.close();
                says_nothing(client).await;
            },
        );
        not_locked(given_back.await);
    }
    // Without waiting it is refused at once, and by the server.
    let refused = play_with(
        |txn, _| txn.require_lock("l"),
        None,
        async |client| {
            let only = client.transact(None).await;
            client.reply(&only, Ok(NOT_OWNER)).await;
        },
    );
    not_locked(refused.await);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_lost_the_lock_writes_nothing_not_even_a_marker() {
    let requires = |txn: &mut Txn, row: &RowName| {
        txn.require_lock("l");
        txn.once(&marker(row));
    };
    let has_assert = |request: &Outbound| {
        let operations = operations(request);
        assert_eq!(operations[1], ASSERT);
        operations.len()
    };
    let refused = play_with(requires, None, async |client| {
        let first = client.transact(None).await;
        assert_eq!(has_assert(&first), 5);
        client.reply(&first, Ok(NOT_OWNER_SECOND)).await;
        let ruling_out = client.transact(None).await;
        assert_eq!(has_assert(&ruling_out), 4);
        client.reply(&ruling_out, Ok(NOT_OWNER_SECOND)).await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::NotLocked(_)))),
        "{refused:?}"
    );
    // Where a copy may be under way nobody knows.
    let unknown = play_with(requires, None, async |client| {
        let first = client.transact(None).await;
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(NOT_OWNER_SECOND)).await;
        let ruling_out = client.transact(None).await;
        assert_eq!(has_assert(&ruling_out), 4);
        client.reply(&ruling_out, Ok(NOT_OWNER_SECOND)).await;
    });
    let unknown = unknown.await;
    assert!(
        matches!(unknown, Err(CommitError::Unknown(Doubt::Lost(_)))),
        "{unknown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_marked_transaction_that_waits_for_a_lock_becomes_known_without_it() {
    let locks = Locks::new();
    let waits = |txn: &mut Txn, row: &RowName| {
        txn.wait_for_lock(&locks.lock);
        txn.once(&marker(row));
    };
    locks.say(LockState::Held);
    // Whether it has happened is asked at once; the lock is waited for where it has not.
    let known = play_with(waits, None, async |client| {
        let first = client.transact(None).await;
        locks.say(LockState::Lost);
        client.reconnect(&first).await;
        let second = client.transact(Some(&first)).await;
        client.reply(&second, Ok(NOT_OWNER_SECOND)).await;
        says_nothing(client).await;
        locks.say(LockState::Held);
        let third = client.transact(Some(&first)).await;
        client.reply(&third, Ok(DONE_MARKED)).await;
    });
    assert!(!known.await.expect("it happened").repeated);
    // What is refused under the lock is ruled out under the lock.
    let refused = play_with(waits, None, async |client| {
        let first = client.transact(None).await;
        let violation = r#"[{},{},{},{"error":"constraint violation"}]"#;
        client.reply(&first, Ok(violation)).await;
        let ruling_out = client.transact(None).await;
        locks.say(LockState::Lost);
        client.reply(&ruling_out, Ok(NOT_OWNER_SECOND)).await;
        says_nothing(client).await;
        locks.say(LockState::Held);
        let again = client.transact(Some(&ruling_out)).await;
        client.reply(&again, Ok(r#"[{},{},{},{"count":1}]"#)).await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::Refused { .. }))),
        "{refused:?}"
    );
}

/// What a server says to an `insert` with a UUID that does not know of it.
const NO_UUIDS: &str = r#"[{},{},{"error":"syntax error","details":"Parsing ovsdb operation 3 of 5 failed: Member 'uuid' is present but not allowed here.","syntax":"{}"},null,null]"#;

#[tokio::test(start_paused = true)]
async fn new_rows_have_names_where_a_server_does_not_take_uuids() {
    let mut new = None;
    let inserts = |txn: &mut Txn, row: &RowName| {
        txn.once(&marker(row));
        new = Some(txn.insert("T").expect("there is the table"));
    };
    let committed = play_with(inserts, None, async |client| {
        let first = client.transact(None).await;
        let with_uuid = operations(&first);
        assert!(with_uuid[2].contains(r#""uuid":""#), "{with_uuid:?}");
        client.reply(&first, Ok(NO_UUIDS)).await;
        let second = client.transact(None).await;
        let with_name = operations(&second);
        assert!(with_name[2].contains(r#""uuid-name":""#), "{with_name:?}");
        assert!(!with_name[2].contains(r#""uuid":""#), "{with_name:?}");
        // All else is the same, the marker's token above all.
        assert_eq!(with_name[..2], with_uuid[..2]);
        assert_eq!(with_name[3..], with_uuid[3..]);
        // From now on it is this one that is sent.
        client.reconnect(&second).await;
        let third = client.transact(Some(&second)).await;
        let result = r#"[{},{},{"uuid":["uuid","00000000-0000-0000-0000-000000000007"]},{"count":1},{"count":1}]"#;
        client.reply(&third, Ok(result)).await;
    });
    let committed = committed.await.expect("it happened");
    let uuid = committed.uuid(&new.expect("it was made"));
    let uuid = uuid.expect("the server said so").to_string();
    assert_eq!(uuid, "00000000-0000-0000-0000-000000000007");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_insert_for_other_reasons_is_told() {
    let inserts = |txn: &mut Txn, row: &RowName| {
        txn.once(&marker(row));
        txn.insert("T").expect("there is the table");
    };
    let refused = play_with(inserts, None, async |client| {
        for _ in 0..2 {
            let request = client.transact(None).await;
            client.reply(&request, Ok(NO_UUIDS)).await;
        }
        let ruling_out = client.transact(None).await;
        client
            .reply(&ruling_out, Ok(r#"[{},{},{"count":1}]"#))
            .await;
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(CommitError::Refused(Refusal::Refused { .. }))),
        "{refused:?}"
    );
    // A UUID that the program has given is not taken away.
    let inserts = |txn: &mut Txn, row: &RowName| {
        txn.once(&marker(row));
        let uuid = Uuid::parse("00000000-0000-0000-0000-000000000009").expect("a UUID");
        txn.insert_as("T", uuid).expect("it is new");
    };
    let refused = play_with(inserts, None, async |client| {
        for _ in 0..2 {
            let request = client.transact(None).await;
            assert!(operations(&request)[2].contains(r#""uuid":"00000000-"#));
            client.reply(&request, Ok(NO_UUIDS)).await;
        }
        let ruling_out = client.transact(None).await;
        client
            .reply(&ruling_out, Ok(r#"[{},{},{"count":1}]"#))
            .await;
    });
    assert!(refused.await.is_err());
}
