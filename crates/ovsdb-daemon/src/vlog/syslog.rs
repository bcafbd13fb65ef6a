//! Ways to the system's log: datagrams to `/dev/log`, to another Unix socket, or over UDP.
//!
//! Delivery is best effort, as everywhere with syslog: there is nowhere to report a failure to.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ovsdb_net::InetTarget;

use super::pattern::push_time;

/// The C library's way.
const DEV_LOG: &str = "/dev/log";

/// The UDP port of syslog.
const PORT: u16 = 514;

/// How messages go to syslog.
#[derive(Debug)]
pub(super) enum Syslog {
    /// Nowhere.
    Null,
    /// As the C library's `syslog` does.
    Libc(Option<UnixDatagram>),
    /// To a Unix socket, with nothing but the priority before the message.
    Unix(Option<UnixDatagram>, PathBuf),
    /// Over UDP likewise; `None` if the address is not usable.
    Udp(Option<UdpSocket>),
}

impl Syslog {
    /// The method that `--syslog-method` or `OVS_SYSLOG_METHOD` names.
    pub(super) fn from_method(method: &str) -> Option<Self> {
        match method {
            "null" => Some(Self::Null),
            "libc" => Some(Self::libc()),
            _ => {
                if let Some(path) = method.strip_prefix("unix:") {
                    Some(Self::Unix(datagram(), PathBuf::from(path)))
                } else {
                    let target = method.strip_prefix("udp:")?;
                    Some(Self::Udp(udp(target, Some(PORT))))
                }
            }
        }
    }

    pub(super) fn libc() -> Self {
        Self::Libc(datagram())
    }

    /// What stands before each message, in pattern language, for `vlog/list-pattern`.
    pub(super) fn prefix(&self) -> &'static str {
        match self {
            Self::Null => "",
            Self::Libc(_) => "<%B> %D{%h %e %T} %E %A:",
            Self::Unix(..) | Self::Udp(_) => "<%B>",
        }
    }

    /// Sends one line.
    pub(super) fn send(&self, priority: u32, program: &str, now: Timestamp, line: &str) {
        match self {
            Self::Null => {}
            Self::Libc(socket) => {
                let mut text = format!("<{priority}>");
                push_time("%h %e %T", now, TimeZone::system(), &mut text);
                text.extend([" ", program, ": ", line]);
                send_unix(socket.as_ref(), Path::new(DEV_LOG), &text);
            }
            Self::Unix(socket, path) => {
                send_unix(socket.as_ref(), path, &format!("<{priority}>{line}"))
            }
            Self::Udp(socket) => send_udp(socket.as_ref(), &format!("<{priority}>{line}")),
        }
    }
}

fn datagram() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    // A syslog daemon that does not read must not stop us.
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn send_unix(socket: Option<&UnixDatagram>, path: &Path, text: &str) {
    if let Some(socket) = socket {
        // See the module's header: best effort.
        let _ = socket.send_to(text.as_bytes(), path);
    }
}

/// A UDP socket connected to `HOST[:PORT]`; the host must be numeric, because logging cannot wait for a resolver.
pub(super) fn udp(target: &str, default_port: Option<u16>) -> Option<UdpSocket> {
    let target = InetTarget::parse_active(target, default_port.unwrap_or(0)).ok()?;
    if target.port == 0 {
        return None;
    }
    let address = target.numeric()?;
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(address).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// Sends a datagram, cut shorter until it fits.
pub(super) fn send_udp(socket: Option<&UdpSocket>, text: &str) {
    let Some(socket) = socket else { return };
    let mut length = text.len();
    while let Err(error) = socket.send(&text.as_bytes()[..length]) {
        if error.raw_os_error() != Some(rustix::io::Errno::MSGSIZE.raw_os_error()) || length < 20 {
            return;
        }
        length -= length / 20;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named() {
        for method in [
            "null",
            "libc",
            "unix:/run/log",
            "udp:127.0.0.1:5514",
            "udp:[::1]",
        ] {
            assert!(Syslog::from_method(method).is_some(), "{method}");
        }
        for method in ["", "tcp:1.2.3.4:5", "nonsense"] {
            assert!(Syslog::from_method(method).is_none(), "{method}");
        }
    }

    #[test]
    fn datagrams_carry_priority_and_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let receiver = UnixDatagram::bind(&path).expect("a socket in it");
        let receive = || {
            let mut buffer = [0; 256];
            let n = receiver
                .recv(&mut buffer)
                .expect("a datagram that was sent");
            String::from_utf8_lossy(&buffer[..n]).into_owned()
        };
        let now = Timestamp::now();
        Syslog::from_method(&format!("unix:{}", path.display()))
            .expect("a known method")
            .send(28, "prog", now, "ovs|00001|x|WARN|text");
        assert_eq!(receive(), "<28>ovs|00001|x|WARN|text");

        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = receiver.local_addr().expect("bound");
        Syslog::from_method(&format!("udp:{address}"))
            .expect("a known method")
            .send(29, "prog", now, "line");
        let mut buffer = [0; 256];
        let n = receiver
            .recv(&mut buffer)
            .expect("a datagram that was sent");
        assert_eq!(&buffer[..n], b"<29>line");
    }
}
