//! Counts what operations on big values cost, so that tests can say how it grows.
//!
//! With the feature `work`, which only tests ask for, each thread counts the elements and nodes that it copies or
//! compares. Otherwise there is nothing to count, and counting costs nothing.

#[cfg(any(test, feature = "work"))]
thread_local! {
    static WORK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Adds to what this thread has done.
#[inline]
pub fn add(units: usize) {
    #[cfg(any(test, feature = "work"))]
    WORK.set(WORK.get() + units as u64);
    #[cfg(not(any(test, feature = "work")))]
    let _ = units;
}

/// How much this thread has done while it ran `f`, and what came of it.
#[cfg(any(test, feature = "work"))]
pub fn of<T>(f: impl FnOnce() -> T) -> (u64, T) {
    let before = WORK.get();
    let result = f();
    (WORK.get() - before, result)
}
