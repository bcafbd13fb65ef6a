//! The help text.

use ovsdb_daemon::{dirs, program};

use super::commands;
use super::options::options;

/// What `--help` prints.
pub(crate) fn text() -> String {
    let name = program::name();
    let mut text = format!(
        "{name}: Open vSwitch database JSON-RPC client\nusage: {name} [OPTIONS] COMMAND [ARG...]\n\nValid commands are:\n"
    );
    for (synopsis, help) in commands() {
        text.extend(["\n  ", &synopsis, "\n"]);
        for line in help.lines() {
            text.extend(["    ", line, "\n"]);
        }
    }
    text.push_str(&format!(
        "\nThe default SERVER is unix:{}/db.sock.\nThe default DATABASE is Open_vSwitch.\n\n\
         Active SERVER connection methods:\n\
         \x20 ssl:HOST:PORT           SSL/TLS PORT at remote HOST\n\
         \x20 tcp:HOST:PORT           PORT at remote HOST\n\
         \x20 unix:FILE               Unix domain socket named FILE\n\
         Passive SERVER connection methods:\n\
         \x20 pssl:PORT[:IP]          listen for SSL/TLS on PORT on IP\n\
         \x20 ptcp:PORT[:IP]          listen to TCP PORT on IP\n\
         \x20 punix:FILE              listen on Unix domain socket FILE\n",
        dirs::rundir().display()
    ));
    text + &options().help()
}
