//! Connections that end while a replica has not taken what came before.

use super::*;

/// More than a replica's queue holds, and not more than that and the session's.
const UPDATES: usize = crate::upstream::INBOUND_MAX + 50;

/// A client that has a lock, or waits for it, and a replica that has not taken any of many updates.
async fn behind(
    is_held: bool,
) -> (
    Client,
    mpsc::UnboundedReceiver<Server>,
    Server,
    crate::Lock,
    Upstream,
) {
    let (client, mut servers) = start("tcp:a:1");
    let lock = client.lock("l").expect("nobody wants it");
    let mut upstream = client.attach();
    let mut server = next(&mut servers).await;
    server.suit().await;
    let (request, id) = server.request().await;
    assert_eq!(request, r#"lock ["l"]"#);
    server
        .reply(id, &format!(r#"{{"locked":{is_held}}}"#))
        .await;
    assert_eq!(words(upstream.next().await), "up 1 db");
    let is_answered = |state: &LockState| *state != LockState::Requested;
    let answered = lock.state();
    let answered = answered.clone().wait_for(is_answered).await.is_ok();
    assert!(answered);
    let monitor = upstream.requests().monitor_id(0).to_json();
    for _ in 0..UPDATES {
        let update = format!(r#"{{"id":null,"method":"update","params":[{monitor},{{}}]}}"#);
        server.send(&update).await;
    }
    (client, servers, server, lock, upstream)
}

/// The clock goes on when nothing else does.
async fn everything_else() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_lost_with_its_connection_whether_replicas_have_heard_of_that_or_not() {
    let (client, _servers, server, lock, mut upstream) = behind(true).await;
    assert!(lock.is_held());
    everything_else().await;
    drop(server);
    everything_else().await;
    assert_eq!(*lock.state().borrow(), LockState::Lost);
    let is_ready = matches!(*client.status().borrow(), Status::Ready { .. });
    assert!(!is_ready, "there is no connection");
    for _ in 0..UPDATES {
        assert!(words(upstream.next().await).starts_with("update 0 "));
    }
    assert_eq!(words(upstream.next().await), "down 1 End of file []");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_an_end_gives_no_lock_after_it() {
    let (client, _servers, mut server, lock, mut upstream) = behind(false).await;
    server
        .send(r#"{"id":null,"method":"locked","params":["l"]}"#)
        .await;
    everything_else().await;
    let mut state = lock.state();
    assert_eq!(*state.borrow_and_update(), LockState::Waiting);
    client.reconnect();
    everything_else().await;
    assert_eq!(*state.borrow_and_update(), LockState::Lost);
    while !words(upstream.next().await).starts_with("down 1 ") {}
    everything_else().await;
    assert!(!state.has_changed().expect("the client goes on"));
}
