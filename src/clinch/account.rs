//! What all clients of one account share, across integrations: the rate bucket, the outage breaker,
//! and how long creates take. Reads the tokio clock; no other I/O.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    bucket::{Limits, RateBucket},
    limited::Limited,
    outage_breaker::OutageBreaker,
};

/// The state of one account. It outlives a client, and so a rotated credential.
#[derive(Debug)]
pub(super) struct Account {
    bucket: Arc<RateBucket>,
    breaker: OutageBreaker,
    limited: Limited,
    slowest_create_micros: AtomicU64,
}

impl Account {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            bucket: Arc::new(RateBucket::new(limits)),
            breaker: OutageBreaker::default(),
            limited: Limited::default(),
            slowest_create_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn bucket(&self) -> &Arc<RateBucket> {
        &self.bucket
    }

    pub(super) fn breaker(&self) -> &OutageBreaker {
        &self.breaker
    }

    pub(super) fn limited(&self) -> &Limited {
        &self.limited
    }

    /// Records how long a create took that got a response of any status.
    pub(super) fn create_took(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.slowest_create_micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// The longest time a create took to get a response.
    pub(super) fn slowest_create(&self) -> Duration {
        Duration::from_micros(self.slowest_create_micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_create_is_kept() {
        let account = Account::new(Limits::default());
        assert_eq!(account.slowest_create(), Duration::ZERO);
        for millis in [20, 700, 30] {
            account.create_took(Duration::from_millis(millis));
        }
        assert_eq!(account.slowest_create(), Duration::from_millis(700));
    }
}
