//! A replica whose client is the test.

use bytes::Bytes;
use ovsdb_proto::atom::Atom;
use ovsdb_proto::build::column;
use ovsdb_proto::datum::Datum;
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_proto::words::Method;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Duration;

use super::*;
use crate::error::Disconnect;
use crate::replica::ChangeKind;
use crate::replica::{TRANSACTIONS_MAX, Verdict};
use crate::txn::{CommitError, Policy, UpdateError};
use crate::upstream::{
    Asked, ConnectionId, Downstream, Inbound, MonitorId, Outbound, Registrar, Rejection, Server,
    registrar,
};

const SCHEMA: &str =
    r#"{"name":"db","tables":{"T":{"isRoot":true,"columns":{"s":{"type":"string"}}}}}"#;
const TXN: &str = "10000000-0000-0000-0000-000000000000";

/// The other end of a replica.
struct Client {
    registrar: Registrar,
    asked: Asked,
    replica: Downstream,
}

fn start() -> (Client, Replica) {
    let (registrar, asked) = registrar();
    let (upstream, downstream) = registrar.register();
    let replica = Replica::start(upstream, "db", Selection::all(), Limits::default());
    let client = Client {
        registrar,
        asked,
        replica: downstream,
    };
    (client, replica)
}

/// A row of the table, by a number and what is in its column.
fn row(n: usize, kind: &str, text: &str) -> String {
    format!(r#""00000000-0000-0000-0000-{n:012}":{{"{kind}":{{"s":"{text}"}}}}"#)
}

fn deleted(n: usize) -> String {
    format!(r#""00000000-0000-0000-0000-{n:012}":{{"delete":null}}"#)
}

fn values(version: &Version) -> Vec<String> {
    let table = version.schema().table_id("T").unwrap();
    let column = version.schema().table(table).column_id("s").unwrap();
    let texts = version.rows(table).values().map(|row| {
        let atom = row.get(column).as_atom().unwrap();
        atom.as_str().unwrap().to_owned()
    });
    texts.collect()
}

impl Client {
    async fn tell(&self, inbound: Inbound) {
        self.replica.send(inbound).await.unwrap();
    }

    /// The next request, which has this method. That for the schema, which each monitor leads to, is answered before.
    async fn request(&mut self, method: Method) -> Outbound {
        loop {
            let request = self.asked.requests.recv().await.unwrap();
            if request.method != Method::GetSchema || method == Method::GetSchema {
                assert_eq!(request.method, method);
                return request;
            }
            self.reply(&request, Ok(SCHEMA)).await;
        }
    }

    /// Connects, and answers the request for the monitor with these rows.
    async fn connect(&mut self, number: u64, rows: &str) {
        let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
        self.tell(Inbound::Up {
            connection: ConnectionId(number),
            server: Server::new("tcp:127.0.0.1:6640"),
            schema: Arc::new(schema),
        })
        .await;
        let request = self.request(Method::MonitorCondSince).await;
        assert_eq!(request.connection, ConnectionId(number));
        let result = format!(r#"[false,"{TXN}",{{"T":{{{rows}}}}}]"#);
        self.reply(&request, Ok(&result)).await;
    }

    /// Answers a request.
    async fn reply(&self, request: &Outbound, result: Result<&str, &str>) {
        let result = match result {
            Ok(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Err(word) => Err(Json::string(word)),
        };
        let id = request.id;
        self.tell(Inbound::Reply { id, result }).await;
    }

    /// Sends an update of these rows by a monitor.
    async fn update(&self, nth: u64, rows: &str) {
        self.tell(self.of_rows(nth, rows)).await;
    }

    fn of_rows(&self, nth: u64, rows: &str) -> Inbound {
        let monitor = MonitorId {
            replica: self.replica.replica(),
            nth,
        };
        let params = format!(r#"[{},"{TXN}",{{"T":{{{rows}}}}}]"#, monitor.to_json());
        Inbound::Notification {
            method: Method::Update3,
            monitor,
            params: params.into(),
        }
    }

    /// Hands an update of these rows to the replica directly, and says whether more come at once.
    fn update_directly(&self, nth: u64, rows: &str, has_more: bool) {
        let update = self.of_rows(nth, rows);
        self.replica.offer(update, has_more).unwrap();
    }

    async fn disconnect(&self, number: u64) {
        self.tell(Inbound::Down {
            connection: ConnectionId(number),
            why: Disconnect::EndOfFile,
            in_doubt: Vec::new(),
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_for_which_there_was_no_room_are_sent_as_soon_as_there_is() {
    let (mut client, replica) = start();
    let (other, _other_end) = client.registrar.register();
    let fill = || {
        let params = Bytes::from_static(b"[]");
        let requests = other.requests();
        requests.try_request(ConnectionId(1), Method::Echo, params)
    };
    while fill().is_ok() {}
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    client
        .tell(Inbound::Up {
            connection: ConnectionId(1),
            server: Server::new("tcp:127.0.0.1:6640"),
            schema: Arc::new(schema),
        })
        .await;
    // The task sees it, and finds no room.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let asked = loop {
        let request = client.asked.requests.recv().await.unwrap();
        if request.replica == client.replica.replica() {
            break request.method;
        }
    };
    assert_eq!(asked, Method::MonitorCondSince);
    assert_eq!(Instant::now(), began, "it was not a matter of time");
    drop(replica);
}

#[tokio::test]
async fn readers_see_the_contents_from_when_they_are_there() {
    let (mut client, replica) = start();
    assert!(replica.snapshot().is_none());
    client.connect(1, &row(1, "initial", "a")).await;
    let first = replica.ready(None).await.unwrap();
    assert_eq!(values(&first), ["a"]);
    client.update(0, &row(2, "insert", "b")).await;
    let both = |version: &Arc<Version>| (version.n_rows() == 2).then(|| Arc::clone(version));
    let second = replica.wait_for(None, both).await.unwrap();
    assert_eq!(values(&second), ["a", "b"]);
    assert_eq!(values(&first), ["a"]);
    assert!(matches!(replica.status(), Status::Live));
    assert_eq!(values(&replica.snapshot().unwrap()), ["a", "b"]);
}

#[tokio::test]
async fn contents_outlast_connections() {
    let (mut client, replica) = start();
    client.connect(1, &row(1, "initial", "a")).await;
    replica.ready(None).await.unwrap();
    client.disconnect(1).await;
    let mut status = replica.status.clone();
    let is_stale = |status: &Status| matches!(status, Status::Stale);
    status.wait_for(is_stale).await.unwrap();
    assert_eq!(values(&replica.snapshot().unwrap()), ["a"]);
    client.connect(2, &row(2, "initial", "b")).await;
    let is_other = |version: &Arc<Version>| (values(version) == ["b"]).then_some(());
    replica.wait_for(None, is_other).await.unwrap();
}

#[tokio::test]
async fn a_watcher_hears_of_what_changed_since_it_last_heard() {
    let (mut client, replica) = start();
    let mut early = replica.watch(Interest::all());
    client.connect(1, &row(1, "initial", "a")).await;
    let told = |changes: &Changes| -> Vec<ChangeKind> {
        let interest = Interest::all();
        changes
            .iter(&interest)
            .map(|change| change.kind())
            .collect()
    };
    assert_eq!(told(&early.next().await.unwrap()), [ChangeKind::Insert]);
    let mut late = replica.watch(Interest::all());
    let mut all = replica.watch_all(Interest::all());
    let mut elsewhere = replica.watch_all(Interest::all().table("U"));
    client.update(0, &row(1, "modify", "b")).await;
    client.update(0, &row(1, "modify", "c")).await;
    let is_last = |version: &Arc<Version>| (values(version) == ["c"]).then_some(());
    replica.wait_for(None, is_last).await.unwrap();
    for watcher in [&mut early, &mut late] {
        assert_eq!(told(&watcher.next().await.unwrap()), [ChangeKind::Modify]);
    }
    let changes = all.next().await.unwrap();
    assert_eq!(told(&changes), [ChangeKind::Insert]);
    assert_eq!(values(changes.newer()), ["c"]);
    drop(client);
    let end = elsewhere.next().await;
    assert!(matches!(end, Err(WaitError::Closed)), "{end:?}");
}

#[tokio::test]
async fn a_large_message_is_read_like_a_small_one() {
    let (mut client, replica) = start();
    let rows: Vec<String> = (0..5000)
        .map(|n| row(n, "initial", "a text that is not short"))
        .collect();
    let rows = rows.join(",");
    assert!(rows.len() > 256 << 10);
    client.connect(1, &rows).await;
    assert_eq!(replica.ready(None).await.unwrap().n_rows(), 5000);
}

#[tokio::test]
async fn the_last_reader_ends_the_monitor() {
    let (mut client, replica) = start();
    client.connect(1, "").await;
    replica.ready(None).await.unwrap();
    let watcher = replica.watch(Interest::all());
    drop(replica);
    client.update(0, &row(1, "insert", "a")).await;
    let mut watcher = watcher;
    watcher.next().await.unwrap();
    drop(watcher);
    let request = client.request(Method::MonitorCancel).await;
    assert_eq!(request.params, r#"[["ovsdb-rs",0,0]]"#);
    // Then the task is gone, and its end of the queue with it.
    while client
        .replica
        .send(Inbound::Notification {
            method: Method::Update3,
            monitor: MonitorId { replica: 0, nth: 0 },
            params: Bytes::new(),
        })
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_waits_learns_that_it_is_in_vain() {
    let (client, replica) = start();
    let now = replica.ready(Some(Instant::now())).await;
    assert!(matches!(now, Err(WaitError::DeadlineExceeded)), "{now:?}");
    drop(client);
    let end = replica.ready(None).await;
    assert!(matches!(end, Err(WaitError::Closed)), "{end:?}");

    let (registrar, asked) = registrar();
    let (upstream, downstream) = registrar.register();
    let limits = Limits {
        rows_max: 1,
        ..Limits::default()
    };
    let replica = Replica::start(upstream, "db", Selection::all(), limits);
    let mut client = Client {
        registrar,
        asked,
        replica: downstream,
    };
    client
        .connect(
            1,
            &format!("{},{}", row(1, "initial", ""), row(2, "initial", "")),
        )
        .await;
    let end = replica.ready(None).await;
    assert!(
        matches!(end, Err(WaitError::Failed(Trouble::TooLarge(1)))),
        "{end:?}"
    );
    client.request(Method::MonitorCancel).await;
}

#[tokio::test]
async fn a_connection_on_which_nonsense_comes_is_rejected() {
    let (mut client, _replica) = start();
    client.connect(1, "nonsense").await;
    client.asked.rejected.changed().await.unwrap();
    let rejected = *client.asked.rejected.borrow();
    assert_eq!(rejected, Some((ConnectionId(1), Rejection::Protocol)));
}

/// A transaction that was submitted, and the request for it.
async fn submitted(
    client: &mut Client,
    replica: &Replica,
) -> (JoinHandle<Result<Submitted, SubmitError>>, Outbound) {
    let replica = replica.clone();
    let transaction = tokio::spawn(async move { replica.submit(r#"["db"]"#.into()).await });
    let request = client.request(Method::Transact).await;
    assert_eq!(request.params, r#"["db"]"#);
    (transaction, request)
}

#[tokio::test]
async fn who_has_the_result_of_a_transaction_sees_what_it_changed() {
    let (mut client, replica) = start();
    client.connect(1, "").await;
    replica.live(None).await.unwrap();
    let (transaction, request) = submitted(&mut client, &replica).await;
    client.update(0, &row(1, "insert", "a")).await;
    client.reply(&request, Ok("[{}]")).await;
    let submitted = transaction.await.unwrap().unwrap();
    assert_eq!(submitted.result, "[{}]");
    let version = replica.snapshot().unwrap();
    assert_eq!(version.generation(), submitted.generation);
    assert_eq!(values(&version), ["a"]);
}

#[tokio::test]
async fn a_result_waits_for_the_repair_of_the_contents() {
    let (mut client, replica) = start();
    client.connect(1, "").await;
    replica.live(None).await.unwrap();
    let (mut transaction, request) = submitted(&mut client, &replica).await;
    client.update(0, &row(1, "modify", "a")).await;
    client.reply(&request, Ok("[{}]")).await;
    client.request(Method::MonitorCancel).await;
    let monitor = client.request(Method::MonitorCondSince).await;
    assert!(
        tokio::time::timeout(Duration::ZERO, &mut transaction)
            .await
            .is_err()
    );
    let result = format!(r#"[false,"{TXN}",{{"T":{{{}}}}}]"#, row(1, "initial", "a"));
    client.reply(&monitor, Ok(&result)).await;
    transaction.await.unwrap().unwrap();
    assert_eq!(values(&replica.snapshot().unwrap()), ["a"]);
}

#[tokio::test]
async fn whoever_submits_learns_whether_a_transaction_may_have_happened() {
    let (mut client, replica) = start();
    let early = replica.submit("[]".into()).await;
    assert!(matches!(early, Err(SubmitError::NotSent)), "{early:?}");
    client.connect(1, "").await;
    replica.live(None).await.unwrap();

    let (transaction, request) = submitted(&mut client, &replica).await;
    client.reply(&request, Err("canceled")).await;
    let refused = transaction.await.unwrap();
    let word = Json::string("canceled");
    assert!(
        matches!(&refused, Err(SubmitError::Refused(error)) if *error == word),
        "{refused:?}"
    );

    let (in_doubt, request) = submitted(&mut client, &replica).await;
    let (unsent, _) = submitted(&mut client, &replica).await;
    client
        .tell(Inbound::Down {
            connection: ConnectionId(1),
            why: Disconnect::EndOfFile,
            in_doubt: vec![request.id],
        })
        .await;
    let in_doubt = in_doubt.await.unwrap();
    assert!(
        matches!(in_doubt, Err(SubmitError::Unknown(Disconnect::EndOfFile))),
        "{in_doubt:?}"
    );
    let unsent = unsent.await.unwrap();
    assert!(matches!(unsent, Err(SubmitError::NotSent)), "{unsent:?}");

    client.connect(2, "").await;
    replica.live(None).await.unwrap();
    let (last, _) = submitted(&mut client, &replica).await;
    drop(client);
    let last = last.await.unwrap();
    assert!(matches!(last, Err(SubmitError::Closed)), "{last:?}");
}

#[tokio::test]
async fn a_transaction_for_which_nobody_waits_any_more_is_canceled() {
    let (mut client, replica) = start();
    client.connect(1, "").await;
    replica.live(None).await.unwrap();
    let (transaction, request) = submitted(&mut client, &replica).await;
    transaction.abort();
    let cancel = client.request(Method::Cancel).await;
    assert_eq!(cancel.params, format!("[{}]", request.id.0));
    // The server's late word is for nobody.
    client.reply(&request, Err("canceled")).await;
    client.update(0, &row(1, "insert", "a")).await;
    let is_there = |version: &Arc<Version>| (version.n_rows() == 1).then_some(());
    replica.wait_for(None, is_there).await.unwrap();
}

#[tokio::test]
async fn one_transaction_beyond_the_limit_is_not_sent() {
    let (mut client, replica) = start();
    client.connect(1, "").await;
    replica.live(None).await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..TRANSACTIONS_MAX {
        let replica = replica.clone();
        waiting.spawn(async move { replica.submit("[]".into()).await });
        client.request(Method::Transact).await;
    }
    let result = replica.submit("[]".into()).await;
    assert!(matches!(result, Err(SubmitError::NotSent)), "{result:?}");
}

#[tokio::test]
async fn conditions_are_awaited_until_their_rows_are_there_or_they_are_refused() {
    let (mut client, replica) = start();
    let set = |text: &'static str| {
        let replica = replica.clone();
        let rows = Rows::any([column("s").eq(text)]);
        tokio::spawn(async move { replica.set_conditions([("T", rows)]).await })
    };
    let first = set("a");
    tokio::task::yield_now().await;
    client.connect(1, &row(1, "initial", "a")).await;
    first.await.unwrap().unwrap();
    assert_eq!(values(&replica.snapshot().unwrap()), ["a"]);

    let mut second = set("b");
    let request = client.request(Method::MonitorCondChange).await;
    let third = set("c");
    let rows = format!("{},{}", deleted(1), row(2, "insert", "b"));
    client.update(0, &rows).await;
    let is_other = |version: &Arc<Version>| (values(version) == ["b"]).then_some(());
    replica.wait_for(None, is_other).await.unwrap();
    let early = tokio::time::timeout(Duration::ZERO, &mut second).await;
    assert!(early.is_err(), "{early:?}");
    client.reply(&request, Ok("{}")).await;
    second.await.unwrap().unwrap();
    let request = client.request(Method::MonitorCondChange).await;
    client.reply(&request, Err("no")).await;
    let third = third.await.unwrap();
    assert!(
        matches!(&third, Err(ConditionError::Refused(error)) if error.as_str() == Some("no")),
        "{third:?}"
    );
    let last = set("d");
    client.request(Method::MonitorCondChange).await;
    drop(client);
    let last = last.await.unwrap();
    assert!(matches!(last, Err(ConditionError::Ended)), "{last:?}");
}

#[tokio::test]
async fn a_check_asks_again_about_what_changes_and_tells_what_is_different() {
    let (mut client, replica) = start();
    client.connect(1, &row(1, "initial", "a")).await;
    replica.live(None).await.unwrap();
    let selected = |n: usize, text: &str| {
        format!(r#"{{"_uuid":["uuid","00000000-0000-0000-0000-{n:012}"],"s":"{text}"}}"#)
    };
    let check = || {
        let replica = replica.clone();
        tokio::spawn(async move { replica.check(None).await })
    };
    // Row 2 comes and changes while the server answers.
    let verdict = check();
    let request = client.request(Method::Transact).await;
    client.update(0, &row(2, "insert", "b")).await;
    client.update(0, &row(2, "modify", "d")).await;
    let rows = format!(
        r#"[{{"rows":[{},{}]}}]"#,
        selected(1, "a"),
        selected(2, "c")
    );
    client.reply(&request, Ok(&rows)).await;
    let request = client.request(Method::Transact).await;
    let params = String::from_utf8(request.params.to_vec()).unwrap();
    assert!(
        params.contains(r#"["_uuid","==",["uuid","00000000-0000-0000-0000-000000000002"]]"#),
        "{params}"
    );
    let rows = format!(r#"[{{"rows":[{}]}}]"#, selected(2, "d"));
    client.reply(&request, Ok(&rows)).await;
    let verdict = verdict.await.unwrap().unwrap();
    assert!(
        matches!(&verdict, Verdict::Equal(version) if version.n_rows() == 2),
        "{verdict:?}"
    );

    let verdict = check();
    let request = client.request(Method::Transact).await;
    let rows = format!(r#"[{{"rows":[{}]}}]"#, selected(1, "z"));
    client.reply(&request, Ok(&rows)).await;
    let Verdict::Different(names) = verdict.await.unwrap().unwrap() else {
        panic!("two rows are different");
    };
    assert_eq!(names.len(), 2);

    replica.resync().await;
    client.request(Method::MonitorCancel).await;
    let request = client.request(Method::MonitorCondSince).await;
    let result = format!(r#"[false,"{TXN}",{{"T":{{{}}}}}]"#, row(1, "initial", "z"));
    client.reply(&request, Ok(&result)).await;
    let is_new = |version: &Arc<Version>| (values(version) == ["z"]).then_some(());
    replica.wait_for(None, is_new).await.unwrap();

    for (answer, expected) in [
        ("{}", "rows that it was asked for"),
        (r#"[{"error":"no"}]"#, "does not show"),
    ] {
        let verdict = check();
        let request = client.request(Method::Transact).await;
        client.reply(&request, Ok(answer)).await;
        let error = verdict.await.unwrap().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_index_is_there_when_it_was_asked_for_and_is_kept() {
    let (mut client, replica) = start();
    let early = replica.add_index(Index::on("T").value("s")).await.unwrap();
    client.connect(1, &row(1, "initial", "a")).await;
    let key = |text: &str| [Datum::from_atom(Atom::from(text))];
    let version = replica.live(None).await.unwrap();
    assert_eq!(version.find(&early, &key("a")).count(), 1);
    let late = replica
        .add_index(Index::on("T").element("s"))
        .await
        .unwrap();
    let version = replica.snapshot().unwrap();
    assert_eq!(version.find(&late, &key("a")).count(), 1);
    client.update(0, &row(2, "insert", "b")).await;
    let is_there = |version: &Arc<Version>| (version.n_rows() == 2).then(|| Arc::clone(version));
    let version = replica.wait_for(None, is_there).await.unwrap();
    for index in [&early, &late] {
        assert_eq!(version.find(index, &key("b")).count(), 1);
    }
    drop(client);
    let end = async {
        while replica.add_index(Index::on("T")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    end.await;
}

/// A replica that has a row, and has nothing else to do.
async fn started() -> (Client, Replica) {
    let (mut client, replica) = start();
    client.connect(1, &row(1, "initial", "a")).await;
    let schema = client.request(Method::GetSchema).await;
    client.reply(&schema, Ok(SCHEMA)).await;
    replica.ready(None).await.unwrap();
    // The task is done with the queue.
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    (client, replica)
}

#[tokio::test(start_paused = true)]
async fn updates_that_come_together_are_seen_together() {
    let (client, replica) = started().await;
    let first = replica.snapshot().unwrap();
    let shown = || values(&replica.snapshot().unwrap());
    client.update_directly(0, &row(2, "insert", "b"), true);
    client.update_directly(0, &row(1, "modify", "c"), true);
    assert_eq!(shown(), ["a"]);
    client.update_directly(0, &row(3, "insert", "d"), false);
    assert_eq!(shown(), ["c", "b", "d"]);
    let second = replica.snapshot().unwrap();
    assert_eq!(second.generation(), first.generation() + 1);
    // What was to come did not.
    client.update_directly(0, &deleted(2), true);
    assert_eq!(shown(), ["c", "b", "d"]);
    client.replica.settle();
    assert_eq!(shown(), ["c", "d"]);
    client.replica.settle();
    client.update_directly(0, &deleted(3), false);
    assert_eq!(shown(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_by_the_queue_finds_what_came_directly_before_it() {
    let (client, replica) = started().await;
    client.update_directly(0, &row(2, "insert", "b"), true);
    client.disconnect(1).await;
    let mut status = replica.status.clone();
    let is_stale = |status: &Status| matches!(status, Status::Stale);
    status.wait_for(is_stale).await.unwrap();
    assert_eq!(values(&replica.snapshot().unwrap()), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn much_that_comes_together_does_not_wait_for_all_of_it() {
    let (client, replica) = started().await;
    let text = "x".repeat(1000);
    let mut n = 1;
    while replica.snapshot().unwrap().n_rows() == 1 {
        n += 1;
        assert!(n < 100, "nothing was seen of so much");
        client.update_directly(0, &row(n, "insert", &text), true);
    }
    client.replica.settle();
    assert_eq!(replica.snapshot().unwrap().n_rows(), n);
}

/// Refuses every kind of monitor, until the replica asks whether the schema is still the same, and says that it is.
async fn refuse(client: &mut Client) {
    let mut is_refused = false;
    loop {
        let request = client.asked.requests.recv().await.unwrap();
        match request.method {
            Method::Monitor | Method::MonitorCond | Method::MonitorCondSince => {
                is_refused |= request.method == Method::Monitor;
                client.reply(&request, Err("no")).await;
            }
            Method::GetSchema => {
                client.reply(&request, Ok(SCHEMA)).await;
                if is_refused {
                    return;
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_learns_that_the_server_refuses_and_what_is_there_stays() {
    let (mut client, replica) = start();
    let schema = Schema::from_json(&json::parse(SCHEMA.as_bytes()).unwrap()).unwrap();
    let schema = Arc::new(schema);
    let up = |connection| Inbound::Up {
        connection: ConnectionId(connection),
        server: Server::new("tcp:127.0.0.1:6640"),
        schema: Arc::clone(&schema),
    };
    client.tell(up(1)).await;
    let (ready, ()) = tokio::join!(replica.ready(None), refuse(&mut client));
    let no = Json::string("no");
    assert!(
        matches!(&ready, Err(WaitError::Refused(error)) if *error == no),
        "{ready:?}"
    );
    let live = replica.live(None).await;
    assert!(matches!(live, Err(WaitError::Refused(_))), "{live:?}");
    let commit = replica
        .update(Policy::default(), |_| Ok::<_, std::convert::Infallible>(()))
        .await;
    assert!(
        matches!(
            commit,
            Err(UpdateError::Commit(CommitError::Unmonitored(_)))
        ),
        "{commit:?}"
    );
    let watched = replica.watch(Interest::all()).next().await;
    assert!(matches!(watched, Err(WaitError::Refused(_))), "{watched:?}");

    // It changes its mind.
    let mut request = client.asked.requests.recv().await.unwrap();
    while request.method != Method::Monitor {
        request = client.asked.requests.recv().await.unwrap();
    }
    let rows = format!(r#"{{"T":{{{}}}}}"#, row(1, "new", "a"));
    client.reply(&request, Ok(&rows)).await;
    let mut status = replica.status.clone();
    let is_live = |status: &Status| matches!(status, Status::Live);
    status.wait_for(is_live).await.unwrap();
    assert_eq!(values(&replica.ready(None).await.unwrap()), ["a"]);

    // Who has contents and waits for others goes on to wait; who wants those of the server learns that there are none.
    client.disconnect(1).await;
    client.tell(up(2)).await;
    let mut watcher = replica.watch(Interest::all());
    let waits = tokio::spawn(async move { watcher.next().await });
    refuse(&mut client).await;
    let is_refused = |status: &Status| matches!(status, Status::Refused(_));
    status.wait_for(is_refused).await.unwrap();
    let live = replica.live(None).await;
    assert!(matches!(live, Err(WaitError::Refused(_))), "{live:?}");
    assert_eq!(values(&replica.ready(None).await.unwrap()), ["a"]);
    assert!(!waits.is_finished());
    client.disconnect(2).await;
    client.connect(3, &row(2, "initial", "b")).await;
    assert!(waits.await.unwrap().is_ok());
}
