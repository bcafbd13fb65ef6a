//! Listeners whose addresses are host names: they are opened by tasks of their own, because a resolver may take long.
//!
//! Nobody waits here longer than said, and what is not wanted any more is given up.

use std::collections::BTreeMap;
use std::future::Future;

use ovsdb_net::{Listener, NetError};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A listener that is being opened.
struct Opening {
    /// The code point that its socket is to have.
    dscp: u8,
    task: JoinHandle<Result<Listener, NetError>>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listeners that are being opened, by the names of their remotes.
#[derive(Default)]
pub(super) struct Openings(BTreeMap<String, Opening>);

impl Openings {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives up those of which it is not true.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&str, u8) -> bool) {
        self.0.retain(|name, opening| is_wanted(name, opening.dscp));
    }

    /// Has `bind` open a listener, unless that is under way.
    pub(super) fn begin(
        &mut self,
        name: &str,
        dscp: u8,
        bind: impl Future<Output = Result<Listener, NetError>> + Send + 'static,
    ) {
        if !self.0.contains_key(name) {
            let task = tokio::spawn(bind);
            self.0.insert(name.to_owned(), Opening { dscp, task });
        }
    }

    /// What has become of a listener; `None` if that will be known only after `until`, or if none was begun.
    pub(super) async fn finish(
        &mut self,
        name: &str,
        until: Instant,
    ) -> Option<Result<Listener, NetError>> {
        let opening = self.0.get_mut(name)?;
        let ended = tokio::time::timeout_at(until, &mut opening.task).await;
        let ended = ended.ok()?;
        self.0.remove(name);
        match ended {
            Ok(opened) => Some(opened),
            // It is given up only by removing it, so that it has panicked.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use ovsdb_net::Method;
    use tokio::sync::Notify;

    use super::*;

    async fn bind() -> Result<Listener, NetError> {
        let method = Method::parse("ptcp:0:127.0.0.1").expect("a method");
        Listener::bind(&method).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_takes_long_to_be_looked_up_is_waited_for_no_longer_than_said() {
        let mut openings = Openings::default();
        let answered = Arc::new(Notify::new());
        let resolver = answered.clone();
        openings.begin("slow", 0, async move {
            resolver.notified().await;
            bind().await
        });
        openings.begin("dead", 0, pending());
        let until = Instant::now();
        assert!(openings.finish("slow", until).await.is_none());
        assert!(openings.finish("dead", until).await.is_none());
        // What is under way is not begun again.
        openings.begin("slow", 0, async { panic!("there is one already") });
        answered.notify_one();
        let until = Instant::now() + std::time::Duration::from_secs(1);
        let opened = openings.finish("slow", until).await;
        assert!(opened.is_some_and(|opened| opened.is_ok()));
        assert!(openings.finish("dead", until).await.is_none());
        assert_eq!(openings.len(), 1);
        openings.retain(|name, dscp| name != "dead" || dscp != 0);
        assert_eq!(openings.len(), 0);
    }
}
