//! `lock`, `steal` and `unlock`: one request, its reply, and then every notification (RFC 7047, section 4.1.8).

use std::collections::VecDeque;

use ovsdb_client::{Event, Events, RequestId};
use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::program;
use ovsdb_proto::json::Json;

use super::background::Background;
use super::error::ClientError;
use super::output::Output;
use super::server::Server;

/// The commands of the control socket.
const CONTROL: [(&str, &str, usize); 4] = [
    ("unlock", "LOCK", 1),
    ("steal", "LOCK", 1),
    ("lock", "LOCK", 1),
    ("exit", "", 0),
];

/// Makes the request and shows what comes of it, until the control socket says `exit`.
///
/// With `--detach` the control socket takes further requests of these three kinds. They are made one at a time.
pub(crate) async fn run(
    server: &Server,
    mut events: Events,
    method: &str,
    lock: &str,
    daemon: Daemon,
    out: &mut Output,
) -> Result<(), ClientError> {
    let mut background = Background::new(daemon, &CONTROL).await?;
    let mut wanted = VecDeque::from([(method.to_owned(), lock.to_owned())]);
    let mut begun = false;
    let mut awaited: Option<(RequestId, String)> = None;
    loop {
        if awaited.is_none()
            && let Some((method, lock)) = wanted.pop_front()
        {
            let sent = server
                .session
                .subscribe(&method, vec![Json::string(lock)])
                .await;
            let id = sent.map_err(|error| server.refused(&method, error))?;
            awaited = Some((id, method));
        }
        tokio::select! {
            event = events.next() => match event.map_err(|reason| server.receive_error(reason))? {
                Event::Reply { id, result } => {
                    if let Some((_, method)) = awaited.take_if(|(awaited, _)| *awaited == id) {
                        match result.map_err(|error| server.refused(&method, error)) {
                            Ok(result) => {
                                out.json(&result)?;
                                out.flush()?;
                                begun = true;
                                background.complete();
                            }
                            Err(error) if !begun => return Err(error),
                            // A slip at the control socket must not cost the locks that are held.
                            Err(error) => program::error(error),
                        }
                    }
                }
                Event::Notification(notification) => {
                    out.line(&notification.method)?;
                    out.json(&Json::Array(notification.params))?;
                    out.flush()?;
                }
                _ => {}
            },
            control = background.next() => {
                if control.command() == "exit" {
                    control.reply_last().await;
                    return Ok(());
                }
                wanted.push_back((control.command().to_owned(), control.args()[0].clone()));
                control.reply("");
            }
        }
    }
}
