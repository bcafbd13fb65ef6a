//! Transactions on replicas of databases that servers of both sides have.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ovsdb_client::Client;
use ovsdb_client::replica::{Limits, Replica};
use ovsdb_client::txn::{CommitError, EditError, Policy, Refusal, RowName, Txn, UpdateError};
use ovsdb_client::{Dial, Dialing, LockState};
use ovsdb_net::{Method, Stream};
use ovsdb_proto::build::column;
use ovsdb_proto::framer::Framer;
use ovsdb_proto::json::{Json, Object};
use ovsdb_proto::jsonrpc::{self, Message};
use ovsdb_proto::schema::Selection;
use ovsdb_proto::uuid::Uuid;
use ovsdb_testkit::daemon::Server;
use ovsdb_testkit::programs::Side;
use ovsdb_testkit::sandbox::Sandbox;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

const SCHEMA: &str = r#"{"name":"test","version":"1.0.0","tables":{
    "Config":{"columns":{"n":{"type":"integer"},
        "seen":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},"maxRows":1,"isRoot":true},
    "Bridge":{"columns":{"name":{"type":"string"},"n":{"type":"integer"},
        "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}},
        "tags":{"type":{"key":"integer","min":0,"max":"unlimited"}},
        "other":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},"isRoot":true,"indexes":[["name"]]},
    "Port":{"columns":{"name":{"type":"string"}}}}}"#;

/// No test waits longer than this for anything.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn policy() -> Policy {
    Policy::until(soon())
}

/// Runs a test on a server of each side.
fn check(test: impl AsyncFn(Server, Side)) {
    for side in Side::BOTH {
        let sandbox = Sandbox::new();
        let file = sandbox.path("test.ovsschema");
        fs::write(&file, SCHEMA).expect("the sandbox is writable");
        let server = Server::start(&sandbox, side, &[("test.db", &file)]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("tests can make runtimes");
        runtime.block_on(test(server, side));
    }
}

/// A replica with a client of its own.
async fn replica(server: &Server) -> (Client, Replica) {
    let client = Client::builder(&server.remote()).database("test");
    let client = client
        .connect(Some(soon()))
        .await
        .expect("the server is up");
    (client.clone(), follow(&client).await)
}

async fn follow(client: &Client) -> Replica {
    let upstream = client.attach();
    let replica = Replica::start(upstream, "test", Selection::all(), Limits::default());
    replica.live(Some(soon())).await.expect("it is monitored");
    replica
}

/// Makes a bridge.
async fn bridge(replica: &Replica, name: &str) -> RowName {
    let made = replica.update(policy(), |txn| {
        let bridge = txn.insert("Bridge")?;
        txn.set(&bridge, "name", name)?;
        Ok::<_, EditError>(bridge)
    });
    let (bridge, committed) = made.await.expect("nobody stands in the way");
    let uuid = committed.uuid(&bridge).expect("the server said so");
    RowName::new("Bridge", uuid)
}

/// What a row has now.
fn now<T: ovsdb_proto::value::FromDatum>(replica: &Replica, row: &RowName, column: &str) -> T {
    let txn = replica.begin().expect("there are contents");
    txn.get(row, column).expect("the row is there")
}

/// A change that depends on what was read.
fn raise(txn: &mut Txn, row: &RowName) -> Result<i64, EditError> {
    let n = txn.get::<i64>(row, "n")? + 1;
    txn.verify(row, "n")?;
    txn.set(row, "n", n)?;
    Ok(n)
}

#[test]
fn what_was_committed_is_in_the_contents() {
    check(async |server, _side| {
        let (_client, replica) = replica(&server).await;
        let bridge = bridge(&replica, "br0").await;
        let mut txn = replica.begin().expect("there are contents");
        let port = txn.insert("Port").unwrap();
        txn.set(&port, "name", "p0").unwrap();
        txn.insert_element(&bridge, "ports", &port).unwrap();
        txn.set_key(&bridge, "other", "k", "v").unwrap();
        txn.insert_element(&bridge, "tags", 5).unwrap();
        txn.increment(&bridge, "n").unwrap();
        txn.comment("a port");
        txn.durable();
        let committed = replica
            .commit(&txn, Some(soon()))
            .await
            .expect("it is in order");
        assert!(!committed.unchanged && committed.gone.is_empty());
        assert_eq!(committed.incremented(&bridge, "n"), Some(1));
        let port = RowName::new("Port", committed.uuid(&port).expect("the server said so"));
        assert_eq!(now::<String>(&replica, &port, "name"), "p0");
        assert_eq!(now::<Vec<Uuid>>(&replica, &bridge, "ports"), [port.uuid()]);
        assert_eq!(now::<i64>(&replica, &bridge, "n"), 1);

        // The same once more changes nothing, and is not even sent.
        let mut txn = replica.begin().expect("there are contents");
        txn.set_key(&bridge, "other", "k", "v").unwrap();
        txn.increment(&bridge, "n").unwrap();
        let committed = replica
            .commit(&txn, Some(soon()))
            .await
            .expect("it is in order");
        assert!(committed.unchanged);

        // Without a bridge there is no port.
        let mut txn = replica.begin().expect("there are contents");
        txn.delete(&bridge).unwrap();
        replica
            .commit(&txn, Some(soon()))
            .await
            .expect("it is in order");
        let txn = replica.begin().expect("there are contents");
        assert_eq!(txn.rows("Port"), Ok(vec![]));
        assert_eq!(txn.rows("Bridge"), Ok(vec![]));
    });
}

#[test]
fn writers_in_conflict_come_one_after_the_other() {
    check(async |server, _side| {
        let (_client, first) = replica(&server).await;
        let (_other, second) = replica(&server).await;
        let row = bridge(&first, "br0").await;
        let is_there = |txn: &mut Txn| txn.row("Bridge", row.uuid()).map(drop);
        second
            .wait_for(Some(soon()), |version| {
                is_there(&mut Txn::on(Arc::clone(version), Uuid::ZERO)).ok()
            })
            .await
            .expect("it is told");
        let tries = AtomicUsize::new(0);
        let raise_often = async |replica: &Replica| {
            for _ in 0..25 {
                let raised = replica.update(policy(), |txn| {
                    tries.fetch_add(1, Ordering::Relaxed);
                    raise(txn, &row)
                });
                raised.await.expect("it succeeds in the end");
            }
        };
        tokio::join!(raise_often(&first), raise_often(&second));
        let n = first
            .wait_for(Some(soon()), |version| {
                let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
                txn.get::<i64>(&row, "n").ok().filter(|n| *n >= 50)
            })
            .await;
        assert_eq!(n.ok(), Some(50));
        assert!(tries.load(Ordering::Relaxed) >= 50);

        // One that has read what is old is told so, and begins anew only where it is asked to.
        let old = first.begin().expect("there are contents");
        first
            .update(policy(), |txn| raise(txn, &row))
            .await
            .expect("nobody stands in the way");
        let mut late = old;
        raise(&mut late, &row).unwrap();
        let conflict = first.commit(&late, Some(soon())).await.unwrap_err();
        assert!(conflict.is_transient(), "{conflict}");
        assert_eq!(conflict.to_string(), format!("conflict at {row}"));
        assert_eq!(now::<i64>(&first, &row, "n"), 51);
    });
}

#[test]
fn parts_of_sets_and_maps_of_several_writers_come_together() {
    check(async |server, _side| {
        let (_client, first) = replica(&server).await;
        let (_other, second) = replica(&server).await;
        let row = bridge(&first, "br0").await;
        second
            .wait_for(Some(soon()), |version| {
                Txn::on(Arc::clone(version), Uuid::ZERO)
                    .row("Bridge", row.uuid())
                    .ok()
            })
            .await
            .expect("it is told");
        let (mut a, mut b) = (first.begin().unwrap(), second.begin().unwrap());
        a.insert_element(&row, "tags", 1).unwrap();
        b.insert_element(&row, "tags", 2).unwrap();
        a.set_key(&row, "other", "a", "1").unwrap();
        b.set_key(&row, "other", "b", "2").unwrap();
        a.insert_key(&row, "other", "c", "a").unwrap();
        b.insert_key(&row, "other", "c", "b").unwrap();
        first
            .commit(&a, Some(soon()))
            .await
            .expect("they are in nobody's way");
        second
            .commit(&b, Some(soon()))
            .await
            .expect("they are in nobody's way");
        assert_eq!(now::<Vec<i64>>(&second, &row, "tags"), [1, 2]);
        let other = now::<std::collections::BTreeMap<String, String>>(&second, &row, "other");
        let other: Vec<_> = other.into_iter().map(|(key, value)| key + &value).collect();
        assert_eq!(other, ["a1", "b2", "ca"]);
    });
}

#[test]
fn of_two_that_make_the_only_row_of_a_table_one_finds_that_of_the_other() {
    check(async |server, _side| {
        let (_client, first) = replica(&server).await;
        let (_other, second) = replica(&server).await;
        let (mut a, mut b) = (first.begin().unwrap(), second.begin().unwrap());
        a.insert("Config").unwrap();
        b.insert("Config").unwrap();
        first
            .commit(&a, Some(soon()))
            .await
            .expect("there is no row");
        let conflict = second.commit(&b, Some(soon())).await.unwrap_err();
        assert!(
            matches!(conflict, CommitError::Refused(Refusal::Conflict(_))),
            "{conflict}"
        );
        // Whoever begins anew sees it.
        let (n, _) = second
            .update(policy(), |txn| {
                let rows = txn.rows("Config")?;
                if rows.is_empty() {
                    txn.insert("Config")?;
                }
                Ok::<_, EditError>(rows.len())
            })
            .await
            .expect("nobody stands in the way");
        assert_eq!(n, 1);
    });
}

#[test]
fn what_the_server_refuses_names_the_row_and_is_not_tried_again() {
    check(async |server, _side| {
        let (client, replica) = replica(&server).await;
        let row = bridge(&replica, "br0").await;
        let mut tries = 0;
        let refused = replica.update(policy(), |txn| {
            tries += 1;
            let bridge = txn.insert("Bridge")?;
            txn.set(&bridge, "name", "br0")
        });
        match refused.await {
            Err(UpdateError::Commit(CommitError::Refused(Refusal::Refused { error, .. }))) => {
                assert_eq!(error.word(), Some("constraint violation"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(tries, 1);
        let mut guarded = replica.begin().unwrap();
        guarded.require_lock("leader");
        guarded.set(&row, "n", 7).unwrap();
        let without = replica.commit(&guarded, Some(soon())).await.unwrap_err();
        assert_eq!(without.to_string(), "lock leader is not held");
        let session = client.session(Some(soon())).await.expect("connected");
        assert!(
            session
                .lock("leader", Some(soon()))
                .await
                .expect("it answers")
        );
        replica
            .commit(&guarded, Some(soon()))
            .await
            .expect("now it is held");
        let mut absent = replica.begin().unwrap();
        absent
            .verify_none("Bridge", [column("name").eq("br0")])
            .unwrap();
        absent.set(&row, "n", 8).unwrap();
        let there = replica.commit(&absent, Some(soon())).await.unwrap_err();
        assert_eq!(there.to_string(), "conflict at table Bridge");
        assert_eq!(now::<i64>(&replica, &row, "n"), 7);
        // Who gives it up, has done nothing.
        let given_up = replica.update(policy(), |txn| {
            txn.delete(&row).expect("the row is there");
            Err::<(), _>("enough")
        });
        assert!(matches!(given_up.await, Err(UpdateError::Change("enough"))));
        assert_eq!(now::<i64>(&replica, &row, "n"), 7);
    });
}

/// Connects to a server by way of somebody who keeps some answers to transactions that raise a counter.
#[derive(Debug, Default)]
struct Between {
    /// Whether the connection goes on without the answer.
    goes_on: bool,
    told: Arc<Told>,
}

/// What somebody between client and server has seen.
#[derive(Debug, Default)]
struct Told {
    answers: AtomicUsize,
    /// Those of them that were kept.
    kept: AtomicUsize,
    /// A request was taken back.
    canceled: Notify,
}

impl Dial for Between {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        Box::pin(async move {
            let (from_server, to_server) = Stream::connect(method).await?.into_split();
            let (near, far) = tokio::io::duplex(1 << 16);
            let (from_client, to_client) = tokio::io::split(far);
            let (goes_on, told) = (self.goes_on, Arc::clone(&self.told));
            tokio::spawn(async move {
                tokio::select! {
                    () = pass(from_client, to_server, |bytes| {
                        if bytes.contains(r#""method":"cancel""#) {
                            told.canceled.notify_one();
                        }
                        Fate::Passed
                    }) => {}
                    () = pass(from_server, to_client, |bytes| {
                        // The second of three.
                        if !bytes.contains(r#""count":1"#)
                            || told.answers.fetch_add(1, Ordering::Relaxed) % 3 != 1
                        {
                            return Fate::Passed;
                        }
                        told.kept.fetch_add(1, Ordering::Relaxed);
                        if goes_on { Fate::Kept } else { Fate::Cut }
                    }) => {}
                }
            });
            let (reader, writer) = tokio::io::split(near);
            Ok(Stream::from_halves("between".to_owned(), reader, writer))
        })
    }
}

/// What becomes of bytes on their way.
enum Fate {
    Passed,
    Kept,
    Cut,
}

/// Copies bytes from one side to the other, but for those that `look` says are to be kept.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut look: impl FnMut(&str) -> Fate,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..n];
        match look(&String::from_utf8_lossy(bytes)) {
            Fate::Cut => return,
            Fate::Kept => {}
            Fate::Passed => {
                if to.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A replica whose client connects by way of `between`.
async fn replica_by(between: Between, server: &Server) -> (Client, Replica) {
    let client = Client::builder(&server.remote())
        .database("test")
        .backoff(Duration::from_secs(1), Duration::from_secs(1))
        .dial(between)
        .connect(Some(soon()))
        .await
        .expect("the server is up");
    (client.clone(), follow(&client).await)
}

#[test]
fn with_a_marker_nothing_happens_twice_though_replies_are_lost() {
    check(async |server, _side| {
        let (_client, other) = replica(&server).await;
        let row = bridge(&other, "br0").await;
        let between = Between::default();
        let told = Arc::clone(&between.told);
        let (_client, replica) = replica_by(between, &server).await;
        let marker = replica
            .marker(&row, "other", "me", policy())
            .await
            .expect("it is made");
        let mut repeated = 0;
        for n in 1..=4 {
            let (found, committed) = replica
                .update(policy(), |txn| {
                    txn.once(&marker);
                    let n = txn.get::<i64>(&row, "n")?;
                    // Blind: only the marker keeps it from being done twice.
                    txn.increment_always(&row, "n")?;
                    Ok::<_, EditError>(n)
                })
                .await
                .expect("it becomes known");
            assert_eq!(found, n - 1);
            repeated += usize::from(committed.repeated);
        }
        assert_eq!(now::<i64>(&replica, &row, "n"), 4);
        assert_eq!(repeated, told.kept.load(Ordering::Relaxed));
        assert!(repeated > 0);

        // Without it nobody knows.
        let mut unknown = 0;
        for _ in 0..3 {
            let raised = replica.update(policy(), |txn| txn.increment_always(&row, "n"));
            match raised.await {
                Ok(_) => {}
                Err(UpdateError::Commit(CommitError::Unknown(_))) => unknown += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(unknown, 1);
        assert_eq!(now::<i64>(&other, &row, "n"), 7);
    });
}

#[test]
fn two_that_share_a_marker_take_turns() {
    check(async |server, _side| {
        let (_client, replica) = replica(&server).await;
        let row = bridge(&replica, "br0").await;
        let marker = replica
            .marker(&row, "other", "me", policy())
            .await
            .expect("it is made");
        let raise = async || {
            for _ in 0..10 {
                let raised = replica.update(policy(), |txn| {
                    txn.once(&marker);
                    txn.increment_always(&row, "n")
                });
                raised.await.expect("its turn comes");
            }
        };
        tokio::join!(raise(), raise());
        assert_eq!(now::<i64>(&replica, &row, "n"), 20);
    });
}

#[test]
fn what_is_not_answered_in_time_is_taken_back() {
    check(async |server, _side| {
        let between = Between {
            goes_on: true,
            ..Between::default()
        };
        let told = Arc::clone(&between.told);
        let (_client, replica) = replica_by(between, &server).await;
        let row = bridge(&replica, "br0").await;
        let raise = async |deadline| {
            let mut txn = replica.begin().expect("there are contents");
            txn.increment_always(&row, "n").unwrap();
            replica.commit(&txn, Some(deadline)).await
        };
        raise(soon()).await.expect("it is answered");
        let late = raise(Instant::now() + Duration::from_millis(100)).await;
        assert!(matches!(late, Err(CommitError::Deadline)), "{late:?}");
        tokio::time::timeout_at(soon(), told.canceled.notified())
            .await
            .expect("the server is asked to cancel it");
    });
}

#[test]
fn transactions_wait_for_a_lock_that_somebody_else_holds() {
    check(async |server, _side| {
        let (holder, first) = replica(&server).await;
        let (heir, second) = replica(&server).await;
        let row = bridge(&first, "br0").await;
        let held = holder.lock("leader").expect("nobody asked yet");
        held.held(Some(soon())).await.expect("it is free");
        let awaited = heir.lock("leader").expect("nobody asked yet");

        // In vain as long as the other one has it.
        let early = Policy::until(Instant::now() + Duration::from_millis(100));
        let in_vain = second.update(early, |txn| {
            txn.wait_for_lock(&awaited);
            txn.set(&row, "n", -1)
        });
        match in_vain.await {
            Err(UpdateError::Commit(CommitError::Refused(Refusal::NotLocked(name)))) => {
                assert_eq!(name, "leader");
            }
            other => panic!("{other:?}"),
        }

        let marker = second.marker(&row, "other", "heir", policy());
        let marker = marker.await.expect("it is made");
        let tries = AtomicUsize::new(0);
        let raised = second.update(policy(), |txn| {
            tries.fetch_add(1, Ordering::Relaxed);
            txn.wait_for_lock(&awaited);
            raise(txn, &row)
        });
        let marked = second.update(policy(), |txn| {
            txn.wait_for_lock(&awaited);
            txn.once(&marker);
            txn.increment_always(&row, "n")
        });
        let mut blind = second.begin().expect("there are contents");
        blind.wait_for_lock(&awaited);
        blind.increment_always(&row, "n").unwrap();
        let blind = second.commit(&blind, Some(soon()));
        let mut waiting = awaited.state();
        let lets_go = async {
            let waits = |state: &LockState| *state == LockState::Waiting;
            waiting.wait_for(waits).await.expect("it is asked for");
            // What the holder does with it, and what others have to wait for.
            let own = first.update(policy(), |txn| {
                txn.wait_for_lock(&held);
                txn.set(&row, "n", 40)
            });
            own.await.expect("it is held");
            drop(held);
        };
        let (raised, marked, blind, ()) = tokio::join!(raised, marked, blind, lets_go);
        raised.expect("the lock comes");
        marked.expect("the lock comes");
        blind.expect("the lock comes");
        assert_eq!(now::<i64>(&second, &row, "n"), 43);
        assert!(tries.load(Ordering::Relaxed) >= 2);
    });
}

/// Connects to a server by way of somebody who does not take UUIDs for new rows, as servers before Open vSwitch 2.13.
#[derive(Debug, Default)]
struct Old {
    refused: Arc<AtomicUsize>,
}

impl Dial for Old {
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a> {
        Box::pin(async move {
            let (mut from_server, mut to_server) = Stream::connect(method).await?.into_split();
            let (near, far) = tokio::io::duplex(1 << 16);
            let (mut from_client, mut to_client) = tokio::io::split(far);
            let refused = Arc::clone(&self.refused);
            tokio::spawn(async move {
                let (mut asked, mut told) = (Framer::new(1 << 20), Framer::new(1 << 20));
                loop {
                    let done = tokio::select! {
                        request = message(&mut from_client, &mut asked) => {
                            let Some(request) = request else { return };
                            match refusal_of_uuids(&request) {
                                None => to_server.write_all(&request).await,
                                Some(refusal) => {
                                    refused.fetch_add(1, Ordering::Relaxed);
                                    to_client.write_all(&refusal).await
                                }
                            }
                        }
                        reply = message(&mut from_server, &mut told) => {
                            let Some(reply) = reply else { return };
                            to_client.write_all(&reply).await
                        }
                    };
                    if done.is_err() {
                        return;
                    }
                }
            });
            let (reader, writer) = tokio::io::split(near);
            Ok(Stream::from_halves("old".to_owned(), reader, writer))
        })
    }
}

async fn message(reader: &mut (impl AsyncRead + Unpin), framer: &mut Framer) -> Option<Bytes> {
    loop {
        if let Some(message) = framer.next().expect("both sides write JSON") {
            return Some(message);
        }
        if reader.read_buf(framer.buf_mut()).await.ok()? == 0 {
            return None;
        }
    }
}

/// What such a server answers to a request, if it refuses it: it carries out operations until it comes to one that it cannot
/// read.
fn refusal_of_uuids(request: &[u8]) -> Option<Vec<u8>> {
    let Ok(Message::Request { method, params, id }) = Message::parse(request) else {
        return None;
    };
    let operations = params.get(1..).filter(|_| method == "transact")?;
    let with_uuid = |operation: &Json| {
        operation.get("op").and_then(Json::as_str) == Some("insert")
            && operation.get("uuid").is_some()
    };
    let at = operations.iter().position(with_uuid)?;
    let (n, total, syntax) = (at + 1, operations.len(), &operations[at]);
    let details = format!(
        "Parsing ovsdb operation {n} of {total} failed: Member 'uuid' is present but not allowed here."
    );
    let error = Json::Object(
        [
            ("details", Json::string(details)),
            ("error", Json::string("syntax error")),
            ("syntax", Json::string(syntax.to_string())),
        ]
        .into_iter()
        .collect(),
    );
    let done = std::iter::repeat_n(Json::Object(Object::new()), at);
    let undone = std::iter::repeat_n(Json::Null, total - n);
    let results = Json::Array(done.chain([error]).chain(undone).collect());
    let mut reply = Vec::new();
    jsonrpc::write_reply(&id, &results.to_bytes(), &mut reply);
    Some(reply)
}

#[test]
fn servers_that_take_no_uuids_for_new_rows_do_all_else() {
    check(async |server, _side| {
        let old = Old::default();
        let refused = Arc::clone(&old.refused);
        let client = Client::builder(&server.remote())
            .database("test")
            .dial(old)
            .connect(Some(soon()));
        let client = client.await.expect("the server is up");
        let replica = follow(&client).await;
        let row = bridge(&replica, "br0").await;
        assert_eq!(refused.load(Ordering::Relaxed), 0);

        // With a marker new rows have their UUIDs from here, as far as a server takes them.
        let marker = replica.marker(&row, "other", "me", policy());
        let marker = marker.await.expect("it is made");
        let made = replica.update(policy(), |txn| {
            txn.once(&marker);
            let port = txn.insert("Port")?;
            txn.set(&port, "name", "p0")?;
            txn.insert_element(&row, "ports", &port)?;
            Ok::<_, EditError>(port)
        });
        let (port, committed) = made.await.expect("it is done without");
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        let port = RowName::new("Port", committed.uuid(&port).expect("the server said so"));
        assert_eq!(now::<String>(&replica, &port, "name"), "p0");
        assert_eq!(now::<Vec<Uuid>>(&replica, &row, "ports"), [port.uuid()]);

        // That is known of the server from then on.
        for n in 1..4 {
            let made = replica.update(policy(), |txn| {
                txn.once(&marker);
                let port = txn.insert("Port")?;
                txn.set(&port, "name", format!("p{n}"))?;
                txn.insert_element(&row, "ports", &port)
            });
            made.await.expect("it is done without");
        }
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        assert_eq!(now::<Vec<Uuid>>(&replica, &row, "ports").len(), 4);

        // A UUID that the program wants is another matter.
        let wanted = Uuid::from_random_bytes([9; 16]);
        let made = replica.update(policy(), |txn| txn.insert_as("Bridge", wanted));
        match made.await {
            Err(UpdateError::Commit(CommitError::Refused(Refusal::Refused { error, .. }))) => {
                assert_eq!(error.word(), Some("syntax error"));
            }
            other => panic!("{other:?}"),
        }
    });
}
