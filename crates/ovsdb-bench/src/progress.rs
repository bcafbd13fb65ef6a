//! Progress, on standard error and only at a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Says what is being done. At anything but a terminal it says nothing.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// So many steps lie ahead.
    pub(crate) fn new(steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64);
        // The template is a constant that indicatif understands.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {pos}/{len} {msg}")
        {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// A step begins.
    pub(crate) fn begin(&self, what: String) {
        self.bar.set_message(what);
        self.bar.tick();
    }

    /// So many steps have ended.
    pub(crate) fn end(&self, steps: usize) {
        self.bar.inc(steps as u64);
    }

    /// Prints something without disturbing what is on the terminal.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
