//! How clients reach servers under test: TCP ports that stay a test's own while its servers come and go.
//!
//! Reserves, and never listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use socket2::{Domain, Socket, Type};

/// How clients reach a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// By the socket in the sandbox.
    Unix,
    /// By a [`Port`].
    Tcp,
}

impl Transport {
    /// Where clients connect to a server that listens in both ways.
    pub fn remote(self, socket: &Path, port: &Port) -> String {
        match self {
            Transport::Unix => format!("unix:{}", socket.display()),
            Transport::Tcp => port.remote(),
        }
    }
}

/// A TCP port of the loopback address for the servers of one test. Nobody else is given it until it is dropped.
///
/// Its socket is bound and does not listen. Linux lets a server that sets `SO_REUSEADDR`, as all of ours and of the
/// reference's do, listen on such a port, and hands it out to nobody who asks for just any port. So a server that is
/// started again finds its port free.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: Socket,
}

impl Default for Port {
    fn default() -> Self {
        Port::reserve()
    }
}

impl Port {
    /// A port that nobody uses.
    pub fn reserve() -> Port {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserve = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&any.into())?;
            let address = socket.local_addr()?;
            Ok::<_, std::io::Error>((socket, address))
        };
        let (socket, address) = reserve().expect("a loopback address has free ports");
        Port {
            number: address.as_socket().expect("the socket is one of IP").port(),
            _reservation: socket,
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The option of a server that listens here.
    pub fn server_option(&self) -> String {
        format!("--remote=ptcp:{}:{}", self.number, Ipv4Addr::LOCALHOST)
    }

    /// Where clients connect.
    pub fn remote(&self) -> String {
        format!("tcp:{}:{}", Ipv4Addr::LOCALHOST, self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_reserved_port_is_there_for_one_server_after_the_other() {
        let port = Port::reserve();
        for _ in 0..2 {
            // The listener sets SO_REUSEADDR.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number));
            assert!(listener.is_ok(), "{listener:?}");
        }
        assert!(port.remote().starts_with("tcp:127.0.0.1:"));
    }

    #[test]
    fn two_reservations_never_share_a_port() {
        let ports: Vec<Port> = (0..100).map(|_| Port::reserve()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(|port| port.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ports.len());
    }
}
