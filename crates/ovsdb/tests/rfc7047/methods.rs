//! RFC 7047, section 4.1, one test for each method, and the methods that Open vSwitch added.

use std::sync::{Arc, Mutex};

use ovsdb::build::{self, Monitor, Rows, column, insert, table, wait};
use ovsdb::error::ErrorTag;
use ovsdb::json::Json;
use ovsdb::reply::{self, ServerError};
use ovsdb::schema::Schema;
use ovsdb::{Cancellation, Options, RequestError, Session, Typed};
use ovsdb_testkit::port::Port;
use ovsdb_testkit::programs::Side;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{check, done, soon, told, transaction};

/// The tag of the error with which a request failed.
#[track_caller]
fn tag<T: std::fmt::Debug>(result: Result<T, RequestError>) -> Option<ErrorTag> {
    match result {
        Err(RequestError::Server(error)) => ServerError::from_json(error).tag(),
        other => panic!("{other:?}"),
    }
}

async fn ask(session: &Session, request: build::Request) -> Json {
    let method = request.method;
    let result = session.request(request, soon()).await;
    result.unwrap_or_else(|error| panic!("{method}: {error}"))
}

#[test]
fn section_4_1_1_list_dbs_names_the_databases() {
    check(async |_place, session, _events| {
        let mut names = session.list_dbs(soon()).await.expect("it answers");
        names.sort();
        assert_eq!(names, ["_Server", "test"]);
        let result = ask(&session, build::list_dbs()).await;
        assert_eq!(reply::databases(&result).unwrap().len(), 2);
    });
}

#[test]
fn section_4_1_2_get_schema_gives_the_schema_of_a_database() {
    check(async |_place, session, _events| {
        let schema = session
            .get_schema("test", soon())
            .await
            .expect("it answers");
        assert_eq!(schema.name, "test");
        let (_, root) = schema.table_by_name("Root").expect("the table is there");
        assert_eq!(root.own_columns().count(), 9);
        assert!(root.is_root);
        let none = session.get_schema("none", soon()).await;
        assert_eq!(tag(none), Some(ErrorTag::UnknownDatabase));
    });
}

#[test]
fn section_4_1_3_transact_answers_for_each_operation() {
    check(async |_place, session, _events| {
        let two = transaction()
            .with(insert("Root").set("name", "a"))
            .with(build::select("Root").columns(["name"]));
        let reply = done(&session, &two).await;
        assert!(reply.inserted(0).is_some());
        assert_eq!(reply.rows(1).unwrap().len(), 1);
        let elsewhere = build::Transaction::new("none").with(insert("Root"));
        match session.execute(&elsewhere, soon()).await {
            Err(ovsdb::ExecuteError::Request(error)) => {
                assert_eq!(tag::<()>(Err(error)), Some(ErrorTag::UnknownDatabase));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn section_4_1_4_cancel_takes_a_transaction_back_that_waits() {
    check(async |_place, session, _events| {
        // The reference does not answer to others.
        session
            .set_db_change_aware(true, soon())
            .await
            .expect("it answers");
        let held = transaction()
            .with(wait("Root").columns(["name"]).until_not_equal([]))
            .with(insert("Root").set("name", "held"));
        let mut operations = held.to_params().unwrap();
        operations.remove(0);
        let pending = session.begin_transact("test", operations).await;
        let canceled = pending.expect("connected").cancel().await;
        assert_eq!(canceled.ok(), Some(Cancellation::Canceled));
        done(
            &session,
            &transaction().with(insert("Root").set("name", "a")),
        )
        .await;
        let read = transaction().with(build::select("Root"));
        assert_eq!(done(&session, &read).await.rows(0).unwrap().len(), 1);
    });
}

#[test]
fn section_4_1_5_monitor_gives_the_contents_and_section_4_1_6_update_what_changes() {
    check(async |place, session, mut events| {
        let mut both = transaction();
        let row = both.insert(insert("Root").set("name", "a"));
        let uuid = done(&session, &both).await.uuid(&row).unwrap();
        let monitor = Monitor::new("test", Json::string("m"))
            .table(table("Root").columns(["name", "number"]));
        let contents = ask(&session, monitor.monitor().unwrap()).await;
        let new = |contents: &Json, member: &str| {
            let row = contents.get("Root")?.get(&uuid.to_string())?;
            row.get(member).map(Json::to_string)
        };
        assert_eq!(
            new(&contents, "new").as_deref(),
            Some(r#"{"name":"a","number":0}"#)
        );
        let change = build::update("Root").set("number", 1);
        let (other, _events) = place.session().await;
        done(&other, &transaction().with(change)).await;
        let told = told(&mut events).await;
        let Typed::Update { monitor, updates } = told.typed() else {
            panic!("{told:?}");
        };
        assert_eq!(monitor.as_str(), Some("m"));
        assert_eq!(new(updates, "old").as_deref(), Some(r#"{"number":0}"#));
        assert_eq!(
            new(updates, "new").as_deref(),
            Some(r#"{"name":"a","number":1}"#)
        );
    });
}

#[test]
fn section_4_1_7_monitor_cancel_ends_a_monitor() {
    check(async |_place, session, mut events| {
        let id = || Json::string("m");
        let monitor = Monitor::new("test", id()).table(table("Root"));
        ask(&session, monitor.monitor().unwrap()).await;
        ask(&session, build::monitor_cancel(id()).unwrap()).await;
        let again = session.monitor_cancel(id(), soon()).await;
        assert!(matches!(again, Err(RequestError::Server(_))));
        // Only what is monitored from now on is told.
        let other = Monitor::new("test", Json::string("n")).table(table("Part"));
        ask(&session, other.monitor().unwrap()).await;
        let mut both = transaction();
        let part = both.insert(insert("Part"));
        both.push(insert("Root").set("parts", [part]));
        done(&session, &both).await;
        let told = told(&mut events).await;
        assert_eq!(told.params[0].as_str(), Some("n"));
    });
}

#[test]
fn section_4_1_8_locks_are_held_stolen_and_given_back_and_4_1_9_and_4_1_10_tell_of_it() {
    check(async |place, first, mut first_events| {
        let (second, mut second_events) = place.session().await;
        let locked = |result: Json| reply::locked(&result).unwrap();
        let lock = || build::lock("l").unwrap();
        assert!(locked(ask(&first, lock()).await));
        assert!(!locked(ask(&second, lock()).await));
        ask(&first, build::unlock("l").unwrap()).await;
        assert_eq!(told(&mut second_events).await.typed(), Typed::Locked("l"));
        assert!(locked(ask(&first, build::steal("l").unwrap()).await));
        assert_eq!(told(&mut second_events).await.typed(), Typed::Stolen("l"));
        // Who was robbed is next.
        ask(&first, build::unlock("l").unwrap()).await;
        assert_eq!(told(&mut second_events).await.typed(), Typed::Locked("l"));
        ask(&second, build::unlock("l").unwrap()).await;
        assert!(locked(ask(&first, lock()).await));
        drop(second);
        // Nothing else was told to the first one.
        ask(&first, build::unlock("l").unwrap()).await;
        drop(first);
        assert!(first_events.next().await.is_err());
    });
}

#[test]
fn section_4_1_11_echo_is_answered_by_the_server() {
    check(async |_place, session, _events| {
        let values = vec![Json::Integer(1), Json::string("x"), Json::Null];
        let echoed = ask(&session, build::echo(values.clone()).unwrap()).await;
        assert_eq!(echoed, Json::Array(values));
    });
}

/// Copies bytes from one side to the other and shows them to `seen`.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<u8>>>,
    news: watch::Sender<()>,
) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..n]);
        news.send_replace(());
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
}

#[test]
fn section_4_1_11_echo_of_the_server_is_answered_by_the_client() {
    check(async |_place, session, _events| {
        // Servers probe what comes by TCP, after this many milliseconds of silence.
        let port = Port::reserve();
        let mut both = transaction();
        let remote = insert("Remote")
            .set("target", format!("ptcp:{}:127.0.0.1", port.number()))
            .set("inactivity_probe", Some(3000));
        let remote = both.insert(remote);
        both.push(insert("Root").set("remotes", [remote]));
        done(&session, &both).await;
        let address = ("127.0.0.1", port.number());
        let stream = loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                break stream;
            }
            tokio::task::yield_now().await;
        };
        let (from_server, to_server) = stream.into_split();
        let (near, far) = tokio::io::duplex(1 << 16);
        let (from_client, to_client) = tokio::io::split(far);
        let (asked, answered) = (Arc::default(), Arc::default());
        let (news, mut has_news) = watch::channel(());
        tokio::spawn(copy(
            from_server,
            to_client,
            Arc::clone(&asked),
            news.clone(),
        ));
        tokio::spawn(copy(from_client, to_server, Arc::clone(&answered), news));
        let (reader, writer) = tokio::io::split(near);
        let (probed, _events) = Session::on("probed".into(), reader, writer, &Options::default());
        let has = |bytes: &Arc<Mutex<Vec<u8>>>, text: &str| {
            String::from_utf8_lossy(&bytes.lock().unwrap()).contains(text)
        };
        let both = async {
            while !(has(&asked, r#""method":"echo""#) && has(&answered, r#""id":"echo""#)) {
                has_news.changed().await.expect("the connection lasts");
            }
        };
        tokio::time::timeout_at(soon().unwrap(), both)
            .await
            .expect("it is probed in time");
        probed.list_dbs(soon()).await.expect("the connection lasts");
    });
}

#[test]
fn monitor_cond_tells_differences_of_rows_that_meet_a_condition_which_can_be_changed() {
    check(async |_place, session, mut events| {
        let (old, new) = (Json::string("old"), Json::string("new"));
        let clause = |name: &str| Rows::any([column("name").eq(name)]);
        let root = table("Root").columns(["name"]).rows(clause("a"));
        let monitor = Monitor::new("test", old.clone()).table(root);
        let contents = ask(&session, monitor.monitor_cond().unwrap()).await;
        assert_eq!(contents.to_string(), "{}");
        let both = transaction()
            .with(insert("Root").set("name", "a"))
            .with(insert("Root").set("name", "b"));
        let b = done(&session, &both).await.inserted(1).unwrap();
        let told_first = told(&mut events).await;
        let Typed::Update2 { updates, .. } = told_first.typed() else {
            panic!("{told_first:?}");
        };
        assert!(!updates.to_string().contains(&b.to_string()));
        let conditions = [("Root".into(), clause("b"))];
        let change = build::monitor_cond_change(old, new.clone(), &conditions).unwrap();
        ask(&session, change).await;
        let told_next = told(&mut events).await;
        let Typed::Update2 { updates, .. } = told_next.typed() else {
            panic!("{told_next:?}");
        };
        let row = updates
            .get("Root")
            .and_then(|rows| rows.get(&b.to_string()));
        assert_eq!(
            row.map(Json::to_string).as_deref(),
            Some(r#"{"insert":{"name":"b"}}"#)
        );
        ask(&session, build::monitor_cancel(new).unwrap()).await;
    });
}

#[test]
fn monitor_cond_since_says_whether_it_goes_on_after_a_transaction() {
    check(async |place, session, mut events| {
        let monitor = |id: &str| Monitor::new("test", Json::string(id)).table(table("Root"));
        let first = ask(&session, monitor("1").monitor_cond_since(None).unwrap()).await;
        assert_eq!(first.as_array().unwrap()[0], Json::Bool(false));
        done(
            &session,
            &transaction().with(insert("Root").set("name", "a")),
        )
        .await;
        let told = told(&mut events).await;
        let Typed::Update3 {
            last_transaction, ..
        } = told.typed()
        else {
            panic!("{told:?}");
        };
        let last = last_transaction.parse().ok();
        let again = ask(&session, monitor("2").monitor_cond_since(last).unwrap()).await;
        let again = again.as_array().unwrap();
        // The reference remembers transactions of clusters only.
        assert_eq!(again[0], Json::Bool(place.side == Side::Ours));
    });
}

#[test]
fn convert_gives_a_database_another_schema_and_ends_its_monitors() {
    check(async |_place, session, mut events| {
        ask(&session, build::set_db_change_aware(true)).await;
        let monitor = Monitor::new("test", Json::string("m")).table(table("Root"));
        ask(&session, monitor.monitor_cond().unwrap()).await;
        let schema = session
            .get_schema("test", soon())
            .await
            .expect("it answers");
        let text = schema
            .to_json()
            .to_string()
            .replace("\"real\"", "\"integer\"");
        let schema = Schema::from_json(&ovsdb::json::parse(text.as_bytes()).unwrap()).unwrap();
        ask(&session, build::convert("test", &schema).unwrap()).await;
        let told = told(&mut events).await;
        assert_eq!(told.typed(), Typed::MonitorCanceled(&Json::string("m")));
        let now = session
            .get_schema("test", soon())
            .await
            .expect("it answers");
        assert_eq!(now.to_json(), schema.to_json());
    });
}

#[test]
fn get_server_id_gives_the_same_id_until_the_server_ends() {
    check(async |_place, session, _events| {
        let id = reply::server_id(&ask(&session, build::get_server_id()).await).unwrap();
        assert_eq!(session.get_server_id(soon()).await.ok(), Some(id));
    });
}
