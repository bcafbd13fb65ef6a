//! A few pages of a daemon over HTTP, for whoever watches it: figures, and whether it is well.
//!
//! Pages are made anew for each request and are read only: there is nothing here by which a daemon could be changed. Strangers
//! may connect, so there are bounds for everything that they could hold. HTTP itself is hyper's business.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method as Verb, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ovsdb_net::{Listener, Method, NetError, SocketOptions, Stream, errno_text};
use rustix::io::Errno;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::options::{Arg, Spec};

/// Where pages are served if no address is given: for this machine alone.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9475);

/// HTTP connections at the same time. For another one the oldest is closed.
const CONNECTIONS_MAX: usize = 16;

/// Largest head of an HTTP request, in bytes. A longer one is refused.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// How long an HTTP client may take to send the head of a request, and stay silent before it. Then it is disconnected.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// How long an HTTP connection may last. It ends after the response that is under way, which gets as long as a request.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);

/// The pause after a connection that could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The option that has pages served; [`HttpAddress`] reads its value.
pub const OPTION: Spec<()> = Spec::long(
    (),
    "http",
    Arg::Optional("ADDRESS"),
    "serve /metrics, /healthz and /readyz over HTTP\non IP:PORT or unix:FILE (default: 127.0.0.1:9475)",
);

/// Where pages are served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HttpAddress {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket; a relative name is in the folder of sockets.
    Unix(PathBuf),
}

impl Default for HttpAddress {
    fn default() -> Self {
        Self::Tcp(DEFAULT_ADDRESS)
    }
}

/// The text is no address to serve pages on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{0}\" is neither IP:PORT nor unix:FILE")]
pub struct HttpAddressError(String);

impl FromStr for HttpAddress {
    type Err = HttpAddressError;

    fn from_str(text: &str) -> Result<Self, HttpAddressError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(HttpAddressError(text.to_owned())),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => match text.parse() {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err(HttpAddressError(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl HttpAddress {
    fn method(&self) -> Result<Method, NetError> {
        match self {
            Self::Tcp(SocketAddr::V4(it)) => {
                Ok(Method::parse(&format!("ptcp:{}:{}", it.port(), it.ip()))?)
            }
            Self::Tcp(SocketAddr::V6(it)) => {
                let scope = match it.scope_id() {
                    0 => String::new(),
                    scope => format!("%{scope}"),
                };
                let name = format!("ptcp:{}:[{}{scope}]", it.port(), it.ip());
                Ok(Method::parse(&name)?)
            }
            Self::Unix(path) => Ok(Method::punix(path)),
        }
    }
}

/// Why pages cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("--http={address}: {}", reason(.source))]
pub struct HttpError {
    /// Where they were to be served.
    address: HttpAddress,
    /// Why not.
    #[source]
    source: NetError,
}

fn reason(error: &NetError) -> String {
    match error {
        NetError::Io { what, source, .. } => format!("{what}: {}", errno_text(source)),
        error => error.to_string(),
    }
}

/// What is served for a request.
#[derive(Debug)]
pub struct Page {
    /// Whether what was asked for is so: a page that says no comes with the status "Service Unavailable".
    pub is_good: bool,
    /// The type of the text.
    pub content_type: &'static str,
    /// The text.
    pub text: String,
}

impl Page {
    /// A page for people and for programs that only look at the status.
    #[must_use]
    pub fn plain(is_good: bool, text: impl Into<String>) -> Self {
        Self {
            is_good,
            content_type: "text/plain; charset=utf-8",
            text: text.into(),
        }
    }
}

type Making = Pin<Box<dyn Future<Output = Page> + Send>>;

/// The pages of a daemon, by their paths.
#[derive(Default)]
pub struct Pages {
    pages: BTreeMap<&'static str, Box<dyn Fn() -> Making + Send + Sync>>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pages.keys()).finish()
    }
}

impl Pages {
    /// No pages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a page, which `make` makes for each request.
    #[must_use]
    pub fn with<F>(
        mut self,
        path: &'static str,
        make: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Page> + Send + 'static,
    {
        self.pages.insert(path, Box::new(move || Box::pin(make())));
        self
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(make) = self.pages.get(request.uri().path()) else {
            let paths: Vec<&str> = self.pages.keys().copied().collect();
            let text = format!("There are {}.\n", paths.join(", "));
            return response(StatusCode::NOT_FOUND, Page::plain(false, text));
        };
        if !matches!(*request.method(), Verb::GET | Verb::HEAD) {
            let page = Page::plain(false, "Pages can only be read.\n");
            let mut response = response(StatusCode::METHOD_NOT_ALLOWED, page);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        let page = make().await;
        let status = match page.is_good {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        response(status, page)
    }
}

fn response(status: StatusCode, page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes sure that nothing is lost if a socket takes this name: what is no socket stays, and so does one where somebody
/// listens. The socket of a server that has ended may go.
async fn make_way(path: &Path) -> Result<(), NetError> {
    let fail = |source| {
        Err(NetError::Io {
            name: path.display().to_string(),
            what: "binding failed",
            source,
        })
    };
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return fail(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return fail(Errno::EXIST.into());
        }
        Ok(_) => {}
    }
    let there = match Stream::connect(&Method::unix(path)).await {
        Ok(_) => None,
        Err(NetError::Io { source, .. }) => Some(source.kind()),
        Err(error) => return Err(error),
    };
    match there {
        Some(ErrorKind::ConnectionRefused) => Ok(()),
        // Somebody is there, if only one who has no room, or does not let us in.
        _ => fail(Errno::ADDRINUSE.into()),
    }
}

/// A socket on which pages are served once it runs. Dropping it closes the socket and removes a Unix socket's file.
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
}

impl HttpServer {
    /// Listens on an address. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The system does not let us; the log says so, too.
    pub async fn bind(address: &HttpAddress) -> Result<Self, HttpError> {
        let fail = |source| HttpError {
            address: address.clone(),
            source,
        };
        let method = address.method().map_err(fail)?;
        if let Some(path) = method.socket_path() {
            make_way(&path).await.map_err(fail)?;
        }
        // What is asked here may wait for what the network needs to work.
        let options = SocketOptions {
            dscp: 0,
            ..SocketOptions::default()
        };
        let listener = Listener::bind_with(&method, &options).await.map_err(fail)?;
        Ok(Self { listener })
    }

    /// The TCP port in use; `None` for a Unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.listener.bound_port()
    }

    /// Serves pages for ever. Connections end when the future is dropped.
    pub async fn run(self, pages: Pages) -> Infallible {
        let pages = Arc::new(pages);
        let mut connections = Connections::default();
        loop {
            match self.listener.accept().await {
                Ok(stream) => connections.add(serve(stream, pages.clone())),
                Err(error) => {
                    tracing::warn!(target: "http", per_minute = 1, burst = 5,
                        "{}: accept failed: {}", self.listener.name(), errno_text(&error));
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// Those who are connected.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The oldest first.
    by_age: VecDeque<AbortHandle>,
}

impl Connections {
    /// Adds a connection. If there are too many, the oldest one gives way: whoever asks for a page at once has long been
    /// answered, and who is slow does not keep others out.
    fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.by_age.retain(|task| !task.is_finished());
        if self.by_age.len() >= CONNECTIONS_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            oldest.abort();
        }
        self.by_age.push_back(self.tasks.spawn(connection));
    }
}

async fn serve(stream: Stream, pages: Arc<Pages>) {
    let name = stream.name().to_owned();
    let (read, write) = stream.into_split();
    let stream = TokioIo::new(tokio::io::join(read, write));
    let service = service_fn(|request| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .max_buf_size(REQUEST_BYTES_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(stream, service));
    let ended = match timeout(CONNECTION_TIME_MAX, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(REQUEST_TIME_MAX, connection)
                .await
                .unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "http", "{name}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match text.parse::<HttpAddress>() {
            Ok(address) => match address.method() {
                Ok(method) => format!("{address} {}", method.name()),
                Err(error) => format!("{address} {error}"),
            },
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn addresses_are_those_of_sockets() {
        check("127.0.0.1:80", "127.0.0.1:80 ptcp:80:127.0.0.1");
        check("0.0.0.0:9475", "0.0.0.0:9475 ptcp:9475:0.0.0.0");
        check("[::1]:80", "[::1]:80 ptcp:80:[::1]");
        check("[fe80::1%2]:80", "[fe80::1%2]:80 ptcp:80:[fe80::1%2]");
        check("unix:/a/b", "unix:/a/b punix:/a/b");
        check("unix:b", "unix:b punix:b");
        for wrong in [
            "",
            "80",
            ":80",
            "localhost:80",
            "unix:",
            "1.2.3.4",
            "::1:80",
        ] {
            let expected = format!("\"{wrong}\" is neither IP:PORT nor unix:FILE");
            check(wrong, &expected);
        }
        assert_eq!(HttpAddress::default().to_string(), "127.0.0.1:9475");
    }
}
