//! A token bucket: how many requests are accepted per second. Pure; the time is an argument.

use std::time::Instant;

use serde::Deserialize;

/// A request rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Requests per second.
    pub requests_per_second: f64,
    /// Requests that may come at once.
    pub burst: f64,
}

/// The state of a limit.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(limit: RateLimit, now: Instant) -> Self {
        Self { tokens: limit.burst.max(1.0), filled: now }
    }

    /// Accepts one request, or returns the whole seconds until the next one.
    pub(super) fn take(&mut self, limit: RateLimit, now: Instant) -> Option<u64> {
        let rate = limit.requests_per_second.max(f64::MIN_POSITIVE);
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(limit.burst.max(1.0));
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        let wait = ((1.0 - self.tokens) / rate).ceil().clamp(1.0, 3600.0);
        (1..=3600).find(|seconds: &u32| f64::from(*seconds) >= wait).map(u64::from)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_accepted_then_the_wait_is_returned() {
        let limit = RateLimit { requests_per_second: 0.5, burst: 2.0 };
        let start = Instant::now();
        let mut bucket = Bucket::full(limit, start);
        assert_eq!([bucket.take(limit, start), bucket.take(limit, start)], [None, None]);
        assert_eq!(bucket.take(limit, start), Some(2));
        assert_eq!(bucket.take(limit, start + Duration::from_secs(2)), None);
    }
}
