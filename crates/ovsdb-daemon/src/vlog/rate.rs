//! Rate limits of log messages: one token bucket a call site. Reads no clock.

/// Tokens that one message costs; a bucket gains its rate in tokens every millisecond.
const TOKENS_PER_MESSAGE: u64 = 60_000;

/// A bucket of tokens and the account of what was dropped.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: u64,
    filled_ms: Option<u64>,
    dropped: u64,
    first_dropped_ms: u64,
    last_dropped_ms: u64,
}

/// What became of a message.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Log it.
    Pass,
    /// Log first that others were dropped, then it.
    PassAfter(Dropped),
    /// Drop it.
    Drop,
}

/// Messages dropped since the last one that passed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Dropped {
    n: u64,
    since_first_s: u64,
    since_last_s: u64,
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Dropped {} log messages in last {} seconds (most recently, {} seconds ago) due to excessive rate",
            self.n, self.since_first_s, self.since_last_s
        )
    }
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            tokens: 0,
            filled_ms: None,
            dropped: 0,
            first_dropped_ms: 0,
            last_dropped_ms: 0,
        }
    }

    /// Whether a message at `now_ms` passes, at `per_minute` messages a minute and `burst` at once.
    pub(super) fn take(&mut self, now_ms: u64, per_minute: u64, burst: u64) -> Verdict {
        let full = burst.saturating_mul(TOKENS_PER_MESSAGE);
        let gained = match self.filled_ms {
            None => full,
            Some(filled) => now_ms.saturating_sub(filled).saturating_mul(per_minute),
        };
        self.tokens = self.tokens.saturating_add(gained).min(full);
        self.filled_ms = Some(now_ms);
        if self.tokens < TOKENS_PER_MESSAGE {
            if self.dropped == 0 {
                self.first_dropped_ms = now_ms;
            }
            self.last_dropped_ms = now_ms;
            self.dropped += 1;
            return Verdict::Drop;
        }
        self.tokens -= TOKENS_PER_MESSAGE;
        match std::mem::take(&mut self.dropped) {
            0 => Verdict::Pass,
            n => Verdict::PassAfter(Dropped {
                n,
                since_first_s: now_ms.saturating_sub(self.first_dropped_ms) / 1000,
                since_last_s: now_ms.saturating_sub(self.last_dropped_ms) / 1000,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::new();
        let mut verdict = |now_ms| match bucket.take(now_ms, 6, 2) {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::PassAfter(dropped) => dropped.to_string(),
        };
        let cases = [
            (0, "pass"),
            (0, "pass"),
            (0, "drop"),
            (9_999, "drop"),
            (
                12_000,
                "Dropped 2 log messages in last 12 seconds (most recently, 2 seconds ago) due to excessive rate",
            ),
            (12_000, "drop"),
            (
                600_000,
                "Dropped 1 log messages in last 588 seconds (most recently, 588 seconds ago) due to excessive rate",
            ),
            (600_000, "pass"),
            (600_000, "drop"),
        ];
        for (now_ms, expect) in cases {
            assert_eq!(verdict(now_ms), expect, "at {now_ms}");
        }
    }
}
