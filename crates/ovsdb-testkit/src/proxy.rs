//! A network between clients and a server that fails: it delays, splits, stalls and cuts what passes through it.
//!
//! A [`Proxy`] listens, and carries the bytes of each connection to a server and back, by a thread for each direction. What
//! becomes of a connection is drawn from a seed when it is made, by the odds of the [`Weather`]; delays and portions are
//! those of the weather at the moment. Bytes that are under way when a connection is cut are lost. It knows nothing of what
//! the bytes say.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::differential::dice::Dice;

/// Bytes that are read at once, and so those that are lost in this process when a connection is cut.
const BUFFER_BYTES: usize = 16 << 10;

/// Where bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From a client to the server.
    ToServer,
    /// From the server to a client.
    ToClient,
}

/// What a network is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Weather {
    /// How long each portion is held back.
    pub delay: Duration,
    /// The longest portion that passes at once, in bytes; its length is drawn. At least one.
    pub portion_bytes_max: usize,
    /// Of a hundred connections, how many are cut.
    pub cuts_percent: u32,
    /// Of a hundred connections, how many pass nothing more at some time, without being cut.
    pub stalls_percent: u32,
    /// After how many bytes in one direction at most that happens; how many is drawn.
    pub lasts_bytes_max: usize,
}

impl Weather {
    /// Everything passes at once.
    pub const FAIR: Weather = Weather {
        delay: Duration::ZERO,
        portion_bytes_max: BUFFER_BYTES,
        cuts_percent: 0,
        stalls_percent: 0,
        lasts_bytes_max: 1,
    };
}

/// A network between clients and one server. Dropping it cuts all its connections.
#[derive(Debug)]
pub struct Proxy {
    remote: String,
    wake: Address,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

#[derive(Debug)]
enum Acceptor {
    Unix(UnixListener),
    Tcp(TcpListener),
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[derive(Debug)]
struct Shared {
    server: Address,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    dice: Dice,
    connections: BTreeMap<u64, Connection>,
    n_connections: u64,
    is_refusing: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Connection {
    client: Arc<Socket>,
    server: Arc<Socket>,
    is_stalled: bool,
    /// What is to happen after so many more bytes in this direction.
    fate: Option<(Direction, usize, Fate)>,
    /// Directions that still pass.
    n_open: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Cut,
    Stall,
}

impl Proxy {
    /// A proxy that listens on the Unix socket `listen` for the server on the Unix socket `server`.
    ///
    /// # Panics
    /// If it cannot listen there.
    pub fn unix(listen: &Path, server: &Path, seed: u64) -> Proxy {
        let listener = UnixListener::bind(listen)
            .unwrap_or_else(|error| panic!("cannot listen on {}: {error}", listen.display()));
        Proxy::start(
            Acceptor::Unix(listener),
            Address::Unix(listen.to_owned()),
            format!("unix:{}", listen.display()),
            Address::Unix(server.to_owned()),
            seed,
        )
    }

    /// A proxy that listens on a free TCP port for the server on the TCP port `server`, both of the loopback address.
    pub fn tcp(server: u16, seed: u64) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("a loopback address has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        Proxy::start(
            Acceptor::Tcp(listener),
            Address::Tcp(address),
            format!("tcp:{}:{}", address.ip(), address.port()),
            Address::Tcp((Ipv4Addr::LOCALHOST, server).into()),
            seed,
        )
    }

    fn start(
        listener: Acceptor,
        wake: Address,
        remote: String,
        server: Address,
        seed: u64,
    ) -> Proxy {
        let shared = Arc::new(Shared {
            server,
            state: Mutex::new(State {
                weather: Weather::FAIR,
                dice: Dice::new(seed),
                connections: BTreeMap::new(),
                n_connections: 0,
                is_refusing: false,
                is_closed: false,
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || accept(&listener, &accepting));
        Proxy {
            remote,
            wake,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Where clients connect: `unix:PATH` or `tcp:ADDRESS:PORT`.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// From now on the network is like this. What is to become of connections that there are stays as it was drawn.
    pub fn set_weather(&self, weather: Weather) {
        self.shared.state().weather = weather;
        self.shared.changed.notify_all();
    }

    /// Whether whoever connects is cut off at once, from now on.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.state().is_refusing = is_refusing;
    }

    /// Cuts about so many of a hundred connections. Says how many it has cut.
    pub fn cut(&self, percent: u32) -> usize {
        let mut state = self.shared.state();
        let chosen = state.choose(percent);
        for number in &chosen {
            state.cut(*number);
        }
        drop(state);
        self.shared.changed.notify_all();
        chosen.len()
    }

    /// Lets about so many of a hundred connections pass nothing more until they are cut. Says how many they are.
    pub fn stall(&self, percent: u32) -> usize {
        let mut state = self.shared.state();
        let chosen = state.choose(percent);
        for number in &chosen {
            if let Some(connection) = state.connections.get_mut(number) {
                connection.is_stalled = true;
            }
        }
        chosen.len()
    }

    /// Cuts each connection that there is after so many more bytes in a direction.
    pub fn cut_after(&self, direction: Direction, bytes: usize) {
        let mut state = self.shared.state();
        for connection in state.connections.values_mut() {
            connection.fate = Some((direction, bytes, Fate::Cut));
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.state().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.cut(100);
        // Whatever becomes of it, it wakes the thread that accepts.
        drop(Socket::connect(&self.wake));
        if let Some(accepting) = self.accepting.take()
            && accepting.join().is_err()
        {
            eprintln!("the proxy {} has panicked", self.remote);
        }
    }
}

impl Socket {
    fn connect(address: &Address) -> io::Result<Socket> {
        Ok(match address {
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
        })
    }

    fn shutdown(&self, how: Shutdown) {
        // It may be closed already, by the other end.
        let _ = match self {
            Socket::Unix(stream) => stream.shutdown(how),
            Socket::Tcp(stream) => stream.shutdown(how),
        };
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => (&*stream).read(buffer),
            Socket::Tcp(stream) => (&*stream).read(buffer),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => (&*stream).write_all(bytes),
            Socket::Tcp(stream) => (&*stream).write_all(bytes),
        }
    }
}

impl Acceptor {
    fn accept(&self) -> io::Result<Socket> {
        Ok(match self {
            Acceptor::Unix(listener) => Socket::Unix(listener.accept()?.0),
            Acceptor::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
        })
    }
}

/// Takes connections in until the proxy is dropped.
fn accept(listener: &Acceptor, shared: &Arc<Shared>) {
    loop {
        let client = listener.accept();
        if shared.state().is_closed {
            return;
        }
        let Ok(client) = client else {
            // The client has given up already.
            continue;
        };
        if shared.state().is_refusing {
            client.shutdown(Shutdown::Both);
            continue;
        }
        let server = match Socket::connect(&shared.server) {
            Ok(server) => server,
            Err(_) => {
                // The server is down.
                client.shutdown(Shutdown::Both);
                continue;
            }
        };
        let number = shared.state().enter(Arc::new(client), Arc::new(server));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let shared = Arc::clone(shared);
            std::thread::spawn(move || pump(number, direction, &shared));
        }
    }
}

/// Carries the bytes of a connection in one direction until it ends.
fn pump(number: u64, direction: Direction, shared: &Shared) {
    let ends = shared.state().connections.get(&number).map(|connection| {
        let (client, server) = (&connection.client, &connection.server);
        match direction {
            Direction::ToServer => (Arc::clone(client), Arc::clone(server)),
            Direction::ToClient => (Arc::clone(server), Arc::clone(client)),
        }
    });
    let Some((from, to)) = ends else {
        return;
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let is_over = loop {
        let Ok(n) = from.read(&mut buffer) else {
            break true;
        };
        if n == 0 {
            // The other direction may have more to tell.
            to.shutdown(Shutdown::Write);
            break false;
        }
        let mut rest = &buffer[..n];
        let mut passes = true;
        while !rest.is_empty() && passes {
            match shared.portion(number, direction, rest.len()) {
                Some(bytes) => {
                    let (portion, others) = rest.split_at(bytes);
                    passes = to.write_all(portion).is_ok();
                    rest = others;
                }
                None => passes = false,
            }
        }
        if !passes {
            break true;
        }
    };
    let mut state = shared.state();
    if is_over {
        state.cut(number);
    } else {
        state.half(number);
    }
    drop(state);
    shared.changed.notify_all();
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock stops halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `available` bytes may pass now, once they may; `None` if the connection is cut.
    fn portion(&self, number: u64, direction: Direction, available: usize) -> Option<usize> {
        let mut state = self.state();
        let weather = state.weather;
        let longest = available.min(weather.portion_bytes_max.max(1));
        let mut bytes = 1 + state.dice.below(longest);
        if longest == available && weather.portion_bytes_max >= BUFFER_BYTES {
            bytes = available;
        }
        if !weather.delay.is_zero() {
            let is_there = |state: &mut State| state.connections.contains_key(&number);
            let waited = self
                .changed
                .wait_timeout_while(state, weather.delay, is_there);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        loop {
            let connection = state.connections.get_mut(&number)?;
            if let Some((which, left, fate)) = &mut connection.fate
                && *which == direction
            {
                bytes = bytes.min(*left);
                *left -= bytes;
                if bytes == 0 {
                    match fate {
                        Fate::Cut => return None,
                        Fate::Stall => connection.is_stalled = true,
                    }
                }
            }
            if !connection.is_stalled {
                return Some(bytes);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn enter(&mut self, client: Arc<Socket>, server: Arc<Socket>) -> u64 {
        let Weather {
            cuts_percent,
            stalls_percent,
            lasts_bytes_max,
            ..
        } = self.weather;
        let fate = match () {
            () if self.dice.chance(cuts_percent) => Some(Fate::Cut),
            () if self.dice.chance(stalls_percent) => Some(Fate::Stall),
            () => None,
        };
        let fate = fate.map(|fate| {
            let direction = *self.dice.pick(&[Direction::ToServer, Direction::ToClient]);
            (direction, self.dice.below(lasts_bytes_max.max(1)), fate)
        });
        let number = self.n_connections;
        self.n_connections += 1;
        self.connections.insert(
            number,
            Connection {
                client,
                server,
                is_stalled: false,
                fate,
                n_open: 2,
            },
        );
        number
    }

    fn choose(&mut self, percent: u32) -> Vec<u64> {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        let dice = &mut self.dice;
        all.into_iter().filter(|_| dice.chance(percent)).collect()
    }

    fn cut(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            connection.client.shutdown(Shutdown::Both);
            connection.server.shutdown(Shutdown::Both);
        }
    }

    /// One direction is over.
    fn half(&mut self, number: u64) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.n_open -= 1;
            if connection.n_open == 0 {
                self.cut(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets, for one connection after the other.
    fn echo(listener: UnixListener) {
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = (&stream).read(&mut buffer) {
                    if (&stream).write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
            }
        });
    }

    fn proxy(folder: &tempfile::TempDir) -> Proxy {
        let server = folder.path().join("server");
        echo(UnixListener::bind(&server).expect("the folder is writable"));
        Proxy::unix(&folder.path().join("proxy"), &server, 7)
    }

    fn connect(folder: &tempfile::TempDir) -> UnixStream {
        UnixStream::connect(folder.path().join("proxy")).expect("the proxy listens")
    }

    /// What comes back of `text` before the end of the connection, or before that much has come back.
    fn back(mut stream: &UnixStream, text: &str) -> String {
        let mut heard = Vec::new();
        if stream.write_all(text.as_bytes()).is_ok() {
            let mut buffer = [0; 4096];
            while heard.len() < text.len()
                && let Ok(n @ 1..) = stream.read(&mut buffer)
            {
                heard.extend_from_slice(&buffer[..n]);
            }
        }
        String::from_utf8(heard).expect("what was sent is text")
    }

    #[test]
    fn what_passes_is_the_same_in_any_portions() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let proxy = proxy(&folder);
        let stream = connect(&folder);
        assert_eq!(back(&stream, "fair"), "fair");
        proxy.set_weather(Weather {
            delay: Duration::from_micros(100),
            portion_bytes_max: 3,
            ..Weather::FAIR
        });
        let text = "slow and in little pieces".repeat(10);
        assert_eq!(back(&stream, &text), text);
    }

    #[test]
    fn a_connection_is_cut_after_so_many_bytes() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let proxy = proxy(&folder);
        let stream = connect(&folder);
        assert_eq!(back(&stream, "whole"), "whole");
        proxy.cut_after(Direction::ToClient, 4);
        assert_eq!(back(&stream, "half"), "half");
        assert_eq!(back(&stream, "nothing"), "");
        assert_eq!(proxy.connections(), 0);
        // The next one is another.
        assert_eq!(back(&connect(&folder), "whole"), "whole");
    }

    #[test]
    fn what_stalls_goes_nowhere_until_it_is_cut() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let proxy = proxy(&folder);
        let stream = connect(&folder);
        assert_eq!(back(&stream, "whole"), "whole");
        assert_eq!(proxy.stall(100), 1);
        let waiting = std::thread::spawn(move || back(&stream, "stalled"));
        while proxy.cut(100) == 0 {}
        assert_eq!(waiting.join().expect("no panic"), "");
    }

    #[test]
    fn whoever_is_refused_or_finds_no_server_is_cut_off() {
        let folder = tempfile::tempdir().expect("tests can make folders");
        let nobody = folder.path().join("nobody");
        let proxy = Proxy::unix(&folder.path().join("proxy"), &nobody, 7);
        assert_eq!(back(&connect(&folder), "x"), "");
        echo(UnixListener::bind(&nobody).expect("the folder is writable"));
        proxy.refuse(true);
        assert_eq!(back(&connect(&folder), "x"), "");
        proxy.refuse(false);
        assert_eq!(back(&connect(&folder), "x"), "x");
    }

    #[test]
    fn bytes_pass_by_tcp_too() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let port = listener.local_addr().expect("it has an address").port();
        let proxy = Proxy::tcp(port, 7);
        let address = proxy.remote().strip_prefix("tcp:").expect("it is TCP");
        let mut client = TcpStream::connect(address).expect("the proxy listens");
        client.write_all(b"hello").expect("it passes");
        let (mut server, _) = listener.accept().expect("the proxy connects");
        let mut heard = [0; 5];
        server.read_exact(&mut heard).expect("it passes");
        assert_eq!(&heard, b"hello");
        drop(proxy);
        assert_eq!(client.read(&mut heard).ok(), Some(0));
    }
}
