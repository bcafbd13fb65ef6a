//! Much that a server sends at once, and replicas of which each is to find what was sent before.

use ovsdb_proto::schema::Selection;
use tokio::time::{Duration, Instant};

use super::*;
use crate::replica::{Limits, Replica};

const TABLES: &str =
    r#"{"name":"db","tables":{"T":{"isRoot":true,"columns":{"i":{"type":"integer"}}}}}"#;
const TXN: &str = "10000000-0000-0000-0000-000000000000";

/// An update by a monitor with this id on the wire, of one row that is new.
fn inserted(monitor: &str, row: usize) -> String {
    let rows = format!(r#"{{"T":{{"00000000-0000-0000-0000-{row:012}":{{"insert":{{}}}}}}}}"#);
    format!(r#"{{"id":null,"method":"update3","params":[{monitor},"{TXN}",{rows}]}}"#)
}

/// Answers what replicas ask, until each of `count` has its contents; says the ids of their monitors.
async fn serve(server: &mut Server, count: usize) -> Vec<String> {
    let schema = Json::string(TABLES).to_string();
    let row = format!(r#"{{"name":"db","model":"standalone","schema":{schema}}}"#);
    server.tell(&row).await;
    let mut monitors = Vec::new();
    let mut schemas = 0;
    while monitors.len() < count || schemas < 1 + count {
        let (request, id) = server.request().await;
        let (method, params) = request.split_once(' ').expect("there are parameters");
        match method {
            "get_schema" => {
                schemas += 1;
                server.reply(id, TABLES).await;
            }
            "set_db_change_aware" => server.reply(id, "{}").await,
            "monitor_cond_since" => {
                let params = json::parse(params.as_bytes()).expect("it was printed");
                let monitor = &params.as_array().expect("it is one")[1];
                monitors.push(monitor.to_string());
                server.reply(id, &format!(r#"[false,"{TXN}",{{}}]"#)).await;
            }
            other => panic!("{other}"),
        }
    }
    monitors
}

#[tokio::test(start_paused = true)]
async fn who_has_a_reply_sees_all_that_the_server_sent_before_it() {
    const COUNT: usize = 3;
    let (client, mut servers) = start("tcp:a:1");
    let replicas: Vec<Replica> = (0..COUNT)
        .map(|_| Replica::start(client.attach(), "db", Selection::all(), Limits::default()))
        .collect();
    let mut server = next(&mut servers).await;
    let monitors = serve(&mut server, COUNT).await;
    for replica in &replicas {
        replica.live(None).await.expect("it was served");
    }
    let mut rows = 0;
    for burst in [1, 2, 7, 40] {
        let asking = client.list_dbs(None);
        let answer = async {
            let (request, id) = server.request().await;
            assert_eq!(request, "list_dbs []");
            let mut text = String::new();
            for _ in 0..burst {
                rows += 1;
                text.extend(monitors.iter().map(|monitor| inserted(monitor, rows)));
            }
            text += &format!(r#"{{"id":{id},"result":["db"],"error":null}}"#);
            // Something more, of which the end does not come.
            text += &inserted(&monitors[0], rows + 1)[..20];
            server.send(&text).await;
            let rest = inserted(&monitors[0], rows + 1)[20..].to_owned();
            (rows, rest)
        };
        let (listed, (sent, rest)) = tokio::join!(asking, answer);
        listed.expect("it was answered");
        for replica in &replicas {
            let shown = replica.snapshot().expect("it is ready");
            assert_eq!(shown.n_rows(), sent, "in a burst of {burst}");
        }
        server.send(&rest).await;
        rows += 1;
        for monitor in &monitors[1..] {
            server.send(&inserted(monitor, rows)).await;
        }
        for replica in &replicas {
            let has_all = |version: &std::sync::Arc<_>| is_of(version, rows);
            let seen = replica.wait_for(Some(Instant::now() + Duration::from_secs(5)), has_all);
            seen.await.expect("nothing is held back");
        }
    }
}

fn is_of(version: &crate::replica::Version, rows: usize) -> Option<()> {
    (version.n_rows() == rows).then_some(())
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_the_middle_of_much_finds_what_came_before_it() {
    let (client, mut servers) = start("tcp:a:1");
    let attach = || Replica::start(client.attach(), "db", Selection::all(), Limits::default());
    let replicas = [attach(), attach()];
    let mut server = next(&mut servers).await;
    let monitors = serve(&mut server, replicas.len()).await;
    for replica in &replicas {
        replica.live(None).await.expect("it was served");
    }
    // From much the client learns to read much at once.
    let warm: String = (0..300).map(|row| inserted(&monitors[1], row)).collect();
    server.send(&warm).await;
    let has_all = |version: &std::sync::Arc<_>| is_of(version, 300);
    let seen = replicas[1].wait_for(None, has_all).await;
    seen.expect("it was sent");
    // So much follows the reply that whoever waits for it has its turn before the end.
    let asking = client.list_dbs(None);
    let answer = async {
        let (_, id) = server.request().await;
        let mut text: String = (0..3).map(|row| inserted(&monitors[0], row)).collect();
        text += &format!(r#"{{"id":{id},"result":["db"],"error":null}}"#);
        let behind = (300..500).map(|row| inserted(&monitors[1], row));
        text.extend(behind);
        assert!(text.len() < STREAM_BYTES);
        server.send(&text).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        listed = asking => {
            listed.expect("it was answered");
        }
        () = answer => {}
    }
    let rows = |replica: &Replica| replica.snapshot().map_or(0, |shown| shown.n_rows());
    assert_eq!(rows(&replicas[0]), 3);
    assert!(
        rows(&replicas[1]) < 500,
        "the reply was heard behind all that followed it"
    );
}
