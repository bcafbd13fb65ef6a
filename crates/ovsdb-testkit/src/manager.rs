//! A service manager for tests: the socket to which daemons say how they are (sd_notify(3)), and who said it.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};

use crate::sandbox::Sandbox;

/// After so long a test has failed.
const HUNG: Duration = Duration::from_secs(60);

/// The socket. Programs that are started in its sandbox afterwards find it in their environment.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
}

/// What a process has said in one datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// The process.
    pub pid: i32,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Notice {
    /// Whether it has said exactly this line among others.
    pub fn says(&self, line: &str) -> bool {
        self.lines.iter().any(|said| said == line)
    }
}

impl ServiceManager {
    /// Listens on a socket in the sandbox.
    ///
    /// # Panics
    /// If that does not work.
    pub fn new(sandbox: &mut Sandbox) -> ServiceManager {
        let path = sandbox.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket in the sandbox");
        setsockopt(&socket, sockopt::PassCred, &true).expect("Linux tells who sends");
        socket.set_read_timeout(Some(HUNG)).expect("a timeout");
        sandbox.set("NOTIFY_SOCKET", &path.display().to_string());
        ServiceManager { socket }
    }

    /// Waits for the next datagram.
    ///
    /// # Panics
    /// If none comes for a minute.
    pub fn next(&self) -> Notice {
        self.receive(MsgFlags::empty())
            .unwrap_or_else(|error| panic!("nothing is said to the service manager: {error}"))
    }

    /// Waits for a datagram with this line; returns it and what came before.
    ///
    /// # Panics
    /// If none comes for a minute.
    pub fn wait_for(&self, line: &str) -> (Notice, Vec<Notice>) {
        let mut before = Vec::new();
        loop {
            match self.receive(MsgFlags::empty()) {
                Ok(notice) if notice.says(line) => return (notice, before),
                Ok(notice) => before.push(notice),
                Err(error) => panic!("no {line:?} but {before:?}: {error}"),
            }
        }
    }

    /// What has been said and not been read yet.
    ///
    /// # Panics
    /// If the socket fails.
    pub fn said(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        loop {
            match self.receive(MsgFlags::MSG_DONTWAIT) {
                Ok(notice) => notices.push(notice),
                Err(Errno::EAGAIN) => return notices,
                Err(error) => panic!("the service manager's socket fails: {error}"),
            }
        }
    }

    fn receive(&self, flags: MsgFlags) -> Result<Notice, Errno> {
        let mut bytes = [0; 4096];
        let mut control = nix::cmsg_space!(UnixCredentials);
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let received = loop {
            let fd = self.socket.as_raw_fd();
            match recvmsg::<()>(fd, &mut buffers, Some(&mut control), flags) {
                // With a timeout the system does not go on by itself after a signal.
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        let pid = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
            _ => None,
        });
        let length = received.bytes;
        let text = String::from_utf8_lossy(&bytes[..length]);
        Ok(Notice {
            pid: pid.expect("the socket asks for it"),
            lines: text.lines().map(str::to_owned).collect(),
        })
    }
}
