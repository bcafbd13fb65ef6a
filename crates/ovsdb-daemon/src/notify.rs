//! Telling a service manager how the daemon is, as sd_notify(3) says: ready, reloading, stopping, alive.
//!
//! The manager is the socket that `NOTIFY_SOCKET` names; without it nothing is sent. It hears that the daemon is ready
//! from the process that it has started itself, whatever forks in between, because it need not listen to others. What
//! cannot be sent is logged, and changes nothing else. Descriptors are never sent. The crates there are for this know no
//! sockets without a file, and wait for a manager that does not read.
//!
//! The environment is left as it is: to change it is not safe where others may read it. Whoever starts other programs
//! takes [`VARIABLES`] out of theirs.

use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::Duration;

use nix::unistd::Pid;
use rustix::time::{ClockId, clock_gettime};

/// What a service manager says to the one process that it starts, and which therefore is not for its children.
pub const VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// How long a message that the manager must not miss waits for it to read earlier ones.
const SEND_MAX: Duration = Duration::from_secs(5);

static MANAGER: OnceLock<Option<Manager>> = OnceLock::new();

/// Who started this process, as its environment says.
#[derive(Debug)]
struct Manager {
    address: SocketAddr,
    /// It expects a sign of life in this time.
    watchdog: Option<Duration>,
}

/// Whether a message may be lost if the manager is busy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weight {
    /// The next one makes up for it.
    Light,
    /// The manager waits for it.
    Heavy,
}

/// Has this program talk to the manager that its environment names. Programs that are no services themselves, but may be
/// started by one, do not call it. Before any fork.
pub fn begin() {
    MANAGER.get_or_init(|| {
        let name = std::env::var("NOTIFY_SOCKET").ok()?;
        let variable = |name| std::env::var(name).ok();
        match address(&name) {
            Ok(address) => Some(Manager {
                address,
                watchdog: watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID")),
            }),
            Err(error) => {
                complain(&error);
                None
            }
        }
    });
}

fn manager() -> Option<&'static Manager> {
    MANAGER.get()?.as_ref()
}

/// A path, or a name without a file behind `@`.
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("NOTIFY_SOCKET={name} is no Unix socket"),
        )),
    }
}

/// The time in which signs of life are expected, if they are, and of this process.
fn watchdog(micros: Option<String>, pid: Option<String>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

/// The daemon serves. `main` is the process to be watched from now on, if that is another one than this.
pub(crate) fn ready(main: Option<Pid>) {
    let mut text = String::from("READY=1\n");
    if let Some(pid) = main {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "MAINPID={pid}");
    }
    send(&text, Weight::Heavy);
}

/// The configuration is about to be read again; [`reloaded`] has to follow.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    send(
        &format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"),
        Weight::Heavy,
    );
}

/// What [`reloading`] announced is done, well or not.
pub fn reloaded() {
    send("READY=1\n", Weight::Heavy);
}

/// The daemon is about to end.
pub fn stopping() {
    send("STOPPING=1\n", Weight::Light);
}

/// What the daemon does, for people: one line.
pub fn status(text: &str) {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    send(&format!("STATUS={line}\n"), Weight::Light);
}

/// Gives signs of life as often as the manager wants them, for as long as the runtime gives tasks their turn; for ever.
/// Returns at once if it wants none.
pub async fn keep_alive() {
    let Some(interval) = manager().and_then(|manager| manager.watchdog) else {
        return;
    };
    // Twice as often, so that one that comes late is in time.
    let mut ticks = tokio::time::interval(interval / 2);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        send("WATCHDOG=1\n", Weight::Light);
    }
}

fn send(text: &str, weight: Weight) {
    let Some(manager) = manager() else {
        return;
    };
    match manager.send(text, weight) {
        Ok(()) => {}
        // It has a queue full of what we said before.
        Err(error) if weight == Weight::Light && error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => complain(&error),
    }
}

impl Manager {
    fn send(&self, text: &str, weight: Weight) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        match weight {
            Weight::Light => socket.set_nonblocking(true)?,
            Weight::Heavy => socket.set_write_timeout(Some(SEND_MAX))?,
        }
        // A datagram goes as a whole or not at all.
        socket
            .send_to_addr(text.as_bytes(), &self.address)
            .map(drop)
    }
}

fn complain(error: &io::Error) {
    tracing::warn!(target: "daemon_unix", per_minute = 1, burst = 5,
        "cannot notify the service manager ({})", ovsdb_net::errno_text(error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_named_by_a_path_or_without_a_file() {
        let path = address("/run/x").expect("a path");
        assert_eq!(path.as_pathname(), Some(std::path::Path::new("/run/x")));
        let hidden = address("@x/y").expect("a name");
        assert_eq!(hidden.as_abstract_name(), Some(&b"x/y"[..]));
        for name in ["", "run/x", "vsock:2:1234"] {
            assert!(address(name).is_err(), "{name}");
        }
    }

    #[test]
    fn signs_of_life_are_given_if_they_are_expected_of_this_process() {
        let text = |text: &str| Some(String::from(text));
        let own = std::process::id().to_string();
        let cases = [
            (None, None, None),
            (text("3000000"), None, Some(3)),
            (text("3000000"), text(&own), Some(3)),
            (text("3000000"), text("1"), None),
            (text("0"), None, None),
            (text("soon"), None, None),
        ];
        for (micros, pid, expect) in cases {
            let shown = format!("{micros:?} {pid:?}");
            let found = watchdog(micros, pid);
            assert_eq!(found, expect.map(Duration::from_secs), "{shown}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nothing_light() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let manager = Manager {
            address: address(&path.display().to_string()).expect("a path"),
            watchdog: None,
        };
        let mut sent = 0;
        let error = loop {
            match manager.send("STATUS=x\n", Weight::Light) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut text = [0; 64];
        for _ in 0..sent {
            let length = socket.recv(&mut text).expect("what was sent");
            assert_eq!(&text[..length], b"STATUS=x\n");
        }
    }
}
