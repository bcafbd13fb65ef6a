//! The seam at which a client gets its connections: sockets, unless somebody brings something else.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use ovsdb_net::{Method, NetError, Stream};

/// A connection that is being made.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Stream, NetError>> + Send + 'a>>;

/// Makes connections to servers in another way than by sockets: within the process, say. See [`Stream::from_halves`].
pub trait Dial: Debug + Send + Sync + 'static {
    /// Connects to the server that an active connection method names. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// There is no connection; the client will try again or elsewhere.
    fn dial<'a>(&'a self, method: &'a Method) -> Dialing<'a>;
}
