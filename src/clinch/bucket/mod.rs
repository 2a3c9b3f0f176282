//! One rate bucket per account, shared by all its clients and attempts. Waits on the tokio clock; no
//! other I/O.
//!
//! The ceiling is configured; below it the bucket learns the real limit (`pace/`): a 429 pauses
//! all requests until `Retry-After`, and the rate continues just below what was accepted before it.
//!
//! Without a configured ceiling Clinch's responses set the pace: one request in flight at first, one
//! more after each response, up to the maximum in flight. So a slow server is never overloaded, and a
//! fast one does not wait for the rate to grow. Permits are granted in the order of the requests for
//! them.

mod curve;
mod fall;
mod fit;
mod history;
mod limits;
#[cfg(test)]
mod limits_simulation;
mod pace;
mod quota;
mod rise;
mod seek;
#[cfg(test)]
mod simulation;
mod state;
mod strays;
mod window;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

pub use self::limits::Limits;
use self::state::{State, Ticket};

/// The bucket.
#[derive(Debug)]
pub struct RateBucket {
    state: Mutex<State>,
    /// Held while waiting, so that permits are granted in order and only one task waits on the state.
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
}

/// The right to send one request; released on drop.
#[derive(Debug)]
pub struct Permit {
    bucket: Arc<RateBucket>,
    ticket: Ticket,
}

/// No permit before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPermit {
    /// Until the bucket may grant one.
    pub retry_after: Duration,
    /// Whether the rate limit is the reason, not an outage that was announced with `Retry-After`.
    pub limited: bool,
}

impl RateBucket {
    /// A bucket that starts at its ceiling, or with one request in flight if it has none.
    pub fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::new(State::new(limits, Instant::now())),
            turn: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
        }
    }

    /// Sets new ceilings; keeps what was learned below them.
    pub fn reconfigure(&self, limits: Limits) {
        self.lock().reconfigure(limits, Instant::now());
        self.freed.notify_one();
    }

    /// The rate in force, in requests per second.
    pub fn rate(&self) -> f64 {
        self.lock().rate()
    }

    /// Number of requests in flight.
    pub fn in_flight(&self) -> usize {
        self.lock().in_flight()
    }

    /// How long all requests still wait because Clinch answered 429.
    pub fn limited_for(&self) -> Option<Duration> {
        self.lock().limited_for(Instant::now())
    }

    /// Whether all requests had to wait at some time since then because an answer asked for it.
    pub fn was_paused_since(&self, since: Instant) -> bool {
        self.lock().was_paused_since(since)
    }

    /// Waits for a permit until the deadline at most.
    pub async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Permit, NoPermit> {
        let none = || self.lock().none(Instant::now());
        let Ok(_turn) = timeout_at(deadline, self.turn.lock()).await else { return Err(none()) };
        loop {
            let freed = self.freed.notified();
            let next = match self.lock().take(Instant::now()) {
                Ok(ticket) => return Ok(Permit { bucket: Arc::clone(self), ticket }),
                Err(next) => next,
            };
            match next {
                Some(at) if at > deadline => return Err(none()),
                Some(at) => sleep_until(at).await,
                None => timeout_at(deadline, freed).await.map_err(|_| none())?,
            }
        }
    }

    /// The ceilings in force.
    #[cfg(test)]
    pub(super) fn limits(&self) -> Limits {
        self.lock().limits()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The response was not a 429.
    pub fn succeeded(&self) {
        self.bucket.lock().succeeded(&self.ticket, Instant::now());
    }

    /// The response was a 429. Returns how much longer everybody waits because of it.
    pub fn limited(&self, retry_after: Option<Duration>) -> Duration {
        self.bucket.lock().limited(&self.ticket, retry_after, Instant::now())
    }

    /// The response was no 429 and asked for a delay: nobody sends anything meanwhile, and the rate
    /// stays as it is.
    pub fn postponed(&self, retry_after: Duration) {
        self.bucket.lock().postponed(retry_after, Instant::now());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.bucket.lock().released();
        self.bucket.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{pace::MIN_START, *};

    fn bucket(requests_per_second: Option<u32>, max_in_flight: usize) -> Arc<RateBucket> {
        Arc::new(RateBucket::new(Limits { requests_per_second, max_in_flight }))
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn the_ceiling_holds_over_time() {
        let bucket = bucket(Some(10), 8);
        let start = Instant::now();
        for _ in 0..50 {
            bucket.acquire(far()).await.unwrap().succeeded();
        }
        let took = start.elapsed().as_secs_f64();
        assert!((4.8..5.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_ceiling_responses_set_the_pace() {
        let bucket = bucket(None, 8);
        let mut held = vec![bucket.acquire(far()).await.unwrap()];
        let soon = || Instant::now() + Duration::from_millis(10);
        assert!(bucket.acquire(soon()).await.is_err(), "one in flight before the first response");
        // Each response makes room for two, up to the maximum in flight.
        for expected in [2, 3, 4, 5, 6, 7, 8, 8, 8] {
            held.pop().unwrap().succeeded();
            while let Ok(permit) = bucket.acquire(soon()).await {
                held.push(permit);
            }
            assert_eq!(held.len(), expected);
        }
        let start = Instant::now();
        for _ in 0..1000 {
            held.pop().unwrap().succeeded();
            held.push(bucket.acquire(far()).await.unwrap());
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_429_halves_the_rate_and_the_second_sets_the_plateau() {
        let bucket = bucket(None, 8);
        let full_use = async |seconds: u64, pause_ms: u64| {
            let (start, mut given) = (Instant::now(), 0_u64);
            while start.elapsed() < Duration::from_secs(seconds) {
                bucket.acquire(far()).await.unwrap().succeeded();
                given += 1;
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
            given
        };
        full_use(3, 10).await;
        bucket.acquire(far()).await.unwrap().limited(None);
        let half = bucket.rate();
        assert!((40.0..60.0).contains(&half), "half of 100 per second: {half}");
        let doubled = full_use(3, 0).await;
        assert!((150..500).contains(&doubled), "a pause of one second, then up again: {doubled}");
        let before = bucket.rate();
        bucket.acquire(far()).await.unwrap().limited(None);
        let after = bucket.rate();
        assert!((0.4 * before..0.75 * before).contains(&after), "of {before}: {after}");
        full_use(5, 0).await;
        let plateau = bucket.rate() / before;
        assert!((0.6..1.0).contains(&plateau), "about what was accepted: {plateau}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_immediate_429_leaves_a_low_rate() {
        let bucket = bucket(None, 8);
        let first = bucket.acquire(far()).await.unwrap();
        assert_eq!(bucket.limited_for(), None);
        first.limited(Some(Duration::from_secs(5)));
        assert_eq!(bucket.limited_for(), Some(Duration::from_secs(5)));
        drop(first);
        assert!((bucket.rate() - MIN_START).abs() < f64::EPSILON);
        let start = Instant::now();
        bucket.acquire(far()).await.unwrap().succeeded();
        assert_eq!(start.elapsed().as_secs(), 5);
        bucket.acquire(far()).await.unwrap();
        assert!(start.elapsed() > Duration::from_millis(5200), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_429_halves_once_and_pauses_everyone() {
        let bucket = bucket(Some(8), 8);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = bucket.acquire(far()).await.unwrap();
        let second = bucket.acquire(far()).await.unwrap();
        let start = Instant::now();
        assert_eq!(first.limited(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(second.limited(Some(Duration::from_secs(3))), Duration::ZERO, "the same wait");
        assert!((bucket.rate() - 4.0).abs() < f64::EPSILON, "{}", bucket.rate());
        bucket.acquire(far()).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn acquire_fails_at_once_if_no_permit_comes_before_the_deadline() {
        let bucket = bucket(Some(10), 8);
        let permit = bucket.acquire(far()).await.unwrap();
        permit.limited(Some(Duration::from_secs(60)));
        let start = Instant::now();
        let refused = bucket.acquire(Instant::now() + Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(refused, NoPermit { retry_after: Duration::from_secs(60), limited: true });
        assert_eq!(
            start.elapsed(),
            Duration::ZERO,
            "fails at once instead of waiting for the deadline"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_that_is_not_about_the_rate_pauses_everyone_and_leaves_the_rate_alone() {
        let bucket = bucket(Some(10), 8);
        let start = Instant::now();
        bucket.acquire(far()).await.unwrap().postponed(Duration::from_secs(20));
        let refused = bucket.acquire(Instant::now() + Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(refused, NoPermit { retry_after: Duration::from_secs(20), limited: false });
        bucket.acquire(far()).await.unwrap().postponed(Duration::from_secs(1));
        assert_eq!(start.elapsed().as_secs(), 20);
        bucket.acquire(far()).await.unwrap().succeeded();
        assert_eq!(start.elapsed().as_secs(), 21);
        assert!((bucket.rate() - 10.0).abs() < f64::EPSILON, "{}", bucket.rate());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_are_bounded_and_a_dropped_permit_admits_the_next() {
        let bucket = bucket(Some(1000), 1);
        let held = bucket.acquire(far()).await.unwrap();
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(bucket.acquire(soon).await.is_err());
        let waiting = tokio::spawn({
            let bucket = Arc::clone(&bucket);
            async move { bucket.acquire(far()).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn new_ceilings_keep_what_was_learned() {
        let bucket = bucket(None, 8);
        bucket.acquire(far()).await.unwrap().limited(None);
        let learned = bucket.rate();
        bucket.reconfigure(Limits { requests_per_second: Some(100), max_in_flight: 2 });
        assert!((bucket.rate() - learned).abs() < f64::EPSILON);
    }
}
