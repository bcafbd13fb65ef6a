//! The time by which peers are probed and connected to again. It can be stopped and moved on, to see what happens then.
//!
//! While nobody does that it is the system's, and costs no more. How long transactions wait is no matter of this clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How far off a moment is that does not come, because the clock stands still.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// See the module's documentation.
pub struct Clock {
    started: Instant,
    /// Whether `warp` says anything.
    is_warped: AtomicBool,
    warp: Mutex<Warp>,
    /// Rung when the clock has been moved.
    moved: Notify,
}

#[derive(Default)]
struct Warp {
    /// What it showed when it was stopped.
    stopped_at_ms: Option<u64>,
    /// How far it is ahead of that, or of the system's.
    ahead_ms: u64,
}

impl Default for Clock {
    /// A clock that shows 0 now.
    fn default() -> Clock {
        Clock {
            started: Instant::now(),
            is_warped: AtomicBool::new(false),
            warp: Mutex::default(),
            moved: Notify::new(),
        }
    }
}

impl Clock {
    /// Milliseconds since it was made, and those by which it was moved on.
    pub fn now_ms(&self) -> u64 {
        let real_ms = self.started.elapsed().as_millis() as u64;
        if !self.is_warped.load(Ordering::Relaxed) {
            return real_ms;
        }
        self.warp.lock().shows(real_ms)
    }

    /// The moment at which it will show `at_ms`, if nobody moves it.
    pub fn instant_of(&self, at_ms: u64) -> Instant {
        if !self.is_warped.load(Ordering::Relaxed) {
            return self.started + Duration::from_millis(at_ms);
        }
        let now = Instant::now();
        let real_ms = (now - self.started).as_millis() as u64;
        let warp = self.warp.lock();
        let remaining_ms = at_ms.saturating_sub(warp.shows(real_ms));
        match warp.stopped_at_ms {
            Some(_) if remaining_ms > 0 => now + NEVER,
            _ => now + Duration::from_millis(remaining_ms),
        }
    }

    /// Stops it for good.
    pub fn stop(&self) {
        let mut warp = self.warp.lock();
        let real_ms = self.started.elapsed().as_millis() as u64;
        warp.stopped_at_ms.get_or_insert(real_ms);
        self.is_warped.store(true, Ordering::Relaxed);
        drop(warp);
        self.moved.notify_waiters();
    }

    /// Moves it on.
    pub fn warp(&self, by_ms: u64) {
        let mut warp = self.warp.lock();
        warp.ahead_ms = warp.ahead_ms.saturating_add(by_ms);
        self.is_warped.store(true, Ordering::Relaxed);
        drop(warp);
        self.moved.notify_waiters();
    }

    /// Waits until it shows `at_ms`, or may have been moved.
    pub async fn sleep_until(&self, at_ms: u64) {
        let moved = self.moved.notified();
        let at = self.instant_of(at_ms);
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = moved => {}
        }
    }
}

impl Warp {
    fn shows(&self, real_ms: u64) -> u64 {
        self.stopped_at_ms
            .unwrap_or(real_ms)
            .saturating_add(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_by_itself_until_it_is_stopped_and_can_be_moved_on() {
        let clock = Clock::default();
        pass(100).await;
        assert_eq!(clock.now_ms(), 100);
        assert_eq!(
            clock.instant_of(150) - Instant::now(),
            Duration::from_millis(50)
        );
        clock.warp(1_000);
        pass(10).await;
        assert_eq!(clock.now_ms(), 1_110);
        assert_eq!(
            clock.instant_of(1_150) - Instant::now(),
            Duration::from_millis(40)
        );
        clock.stop();
        pass(10).await;
        assert_eq!(clock.now_ms(), 1_110);
        assert_eq!(clock.instant_of(1_110), Instant::now());
        assert!(clock.instant_of(1_111) - Instant::now() >= NEVER);
        clock.stop();
        clock.warp(5);
        assert_eq!(clock.now_ms(), 1_115);
        assert_eq!(clock.instant_of(1_111), Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn who_sleeps_looks_again_when_it_has_been_moved() {
        let clock = std::sync::Arc::new(Clock::default());
        clock.stop();
        let sleeper = clock.clone();
        let sleep = tokio::spawn(async move {
            while sleeper.now_ms() < 5_000 {
                sleeper.sleep_until(5_000).await;
            }
        });
        for _ in 0..5 {
            pass(10_000).await;
            assert!(!sleep.is_finished());
            clock.warp(1_000);
        }
        sleep.await.expect("no panic");
    }
}
