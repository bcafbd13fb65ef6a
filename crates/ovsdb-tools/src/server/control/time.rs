//! The control commands that stop the clock by which peers are probed and connected to again, and move it on.
//!
//! They are for tests: a clock that was stopped never goes on by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Adder, Control, Reply};

/// Steps of one command: more would keep the server at work for nothing.
const STEPS_MAX: u64 = 100_000;

impl Control {
    pub(super) fn register_time(add: &Adder<'_>) {
        add.command("time/stop", "", 0, 0, Control::stop_time);
        add.command("time/warp", "[large_msecs] msecs", 1, 2, Control::warp_time);
    }

    async fn stop_time(self: Arc<Control>, _args: Vec<String>) -> Reply {
        self.server.stop_time();
        Ok(String::new())
    }

    /// Moves the clock on, by the last argument at a time until it has gone as far as the first one says.
    async fn warp_time(self: Arc<Control>, args: Vec<String>) -> Reply {
        let milliseconds: Option<Vec<u64>> = args
            .iter()
            .map(|text| text.parse().ok().filter(|number| *number > 0))
            .collect();
        let (mut rest, step) = match milliseconds.as_deref() {
            Some([step]) => (*step, *step),
            Some([all, step]) => (*all, *step),
            _ => (0, 1),
        };
        if rest == 0 || rest / step > STEPS_MAX {
            return Err(String::from("invalid MSECS"));
        }
        if self.is_warping.swap(true, Ordering::Relaxed) {
            return Err(String::from("A previous warp in progress"));
        }
        let _until = Warping(&self);
        while rest > 0 {
            let by = step.min(rest);
            self.server.warp_time(by);
            rest -= by;
            // What is due now is to be done before what is due later.
            tokio::task::yield_now().await;
        }
        Ok(String::new())
    }
}

/// A warp under way, until it is dropped.
struct Warping<'a>(&'a Control);

impl Drop for Warping<'_> {
    fn drop(&mut self) {
        self.0.is_warping.store(false, Ordering::Relaxed);
    }
}
