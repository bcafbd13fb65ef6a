//! Commands that stay: going to the background after the first reply, and being told things through a control socket.

use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::unixctl::{self, Answer, Call, Commands};
use tokio::sync::{mpsc, oneshot};

use super::error::ClientError;

/// Calls that may wait for the command to look at them.
const CALLS_MAX: usize = 16;

/// The answer to a call that comes too late.
const ENDING: &str = "the program is ending";

/// The daemon side of a command that stays. In the foreground there is no control socket.
pub(crate) struct Background {
    daemon: Daemon,
    calls: mpsc::Receiver<Control>,
    /// Keeps `calls` open when there is no control socket.
    _sender: mpsc::Sender<Control>,
}

/// One call of the control socket. A call that is dropped is answered with an error.
pub(crate) struct Control {
    call: Call,
    answer: oneshot::Sender<Result<String, String>>,
    sent: oneshot::Receiver<()>,
}

impl Control {
    pub(crate) fn command(&self) -> &str {
        &self.call.command
    }

    pub(crate) fn args(&self) -> &[String] {
        &self.call.args
    }

    /// Answers the call with success.
    pub(crate) fn reply(self, text: &str) {
        // Without the caller nobody cares for the answer.
        drop(self.answer.send(Ok(text.to_owned())));
    }

    /// Answers the call with an error.
    pub(crate) fn refuse(self, error: String) {
        drop(self.answer.send(Err(error)));
    }

    /// Answers the last call with success: returns when the answer is on its way, so that the program may end.
    pub(crate) async fn reply_last(self) {
        drop(self.answer.send(Ok(String::new())));
        // An error means that the answer can no longer be sent.
        let _ = self.sent.await;
    }
}

impl Background {
    /// Listens on a control socket with these commands, each with its usage and number of arguments, if `daemon` is
    /// to go to the background.
    pub(crate) async fn new(
        daemon: Daemon,
        commands: &[(&str, &str, usize)],
    ) -> Result<Self, ClientError> {
        let (sender, calls) = mpsc::channel(CALLS_MAX);
        if daemon.is_detached() {
            let table = Commands::new();
            ovsdb_daemon::vlog::register_commands(&table);
            for (name, usage, arguments) in commands {
                let sender = sender.clone();
                table.register_async(name, Some(usage), *arguments..=*arguments, move |call| {
                    let sender = sender.clone();
                    async move {
                        let (answer, answered) = oneshot::channel();
                        let (tell_sent, sent) = oneshot::channel();
                        let control = Control { call, answer, sent };
                        // Both fail only when the command has gone, and the program with it.
                        sender.send(control).await.map_err(|_| ENDING)?;
                        let text = answered.await.map_err(|_| ENDING)??;
                        // Only who ends the program waits for this.
                        Ok::<_, String>(Answer::text(text).then(|| {
                            let _ = tell_sent.send(());
                        }))
                    }
                });
            }
            if let Some(server) = unixctl::Server::bind(None, table).await? {
                tokio::spawn(server.run());
            }
        }
        Ok(Background {
            daemon,
            calls,
            _sender: sender,
        })
    }

    /// The first reply has been printed: whoever started the program may go on.
    pub(crate) fn complete(&mut self) {
        self.daemon.complete();
    }

    /// The next call; never, without a control socket.
    pub(crate) async fn next(&mut self) -> Control {
        match self.calls.recv().await {
            Some(control) => control,
            // Unreachable while this value holds a sender.
            None => std::future::pending().await,
        }
    }
}
