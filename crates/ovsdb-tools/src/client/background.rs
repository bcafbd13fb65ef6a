//! Commands that stay: going to the background after the first reply, and being told things through a control socket.

use ovsdb_daemon::daemonize::Daemon;
use ovsdb_daemon::unixctl::{self, Call, Commands};
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
    answer: oneshot::Sender<String>,
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
        drop(self.answer.send(text.to_owned()));
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
                        // Both fail only when the command has gone, and the program with it.
                        sender
                            .send(Control { call, answer })
                            .await
                            .map_err(|_| ENDING)?;
                        Ok::<_, String>(answered.await.map_err(|_| ENDING)?)
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
