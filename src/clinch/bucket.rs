//! One rate bucket per integration, shared by every client and every attempt of it. Waits on the
//! tokio clock; no other I/O.
//!
//! The ceiling is configured; below it the bucket finds the real limit: a 429 halves the rate and
//! pauses everyone until `Retry-After`, successes raise it again. With no ceiling known it begins
//! low, doubles until the first 429, and grows by small steps after it. Permits are given in the
//! order in which they are asked for.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

/// Where the rate begins when no ceiling is configured, in requests per second.
const START_RATE: f64 = 5.0;
/// The rate never falls below this, in requests per second.
const LEAST_RATE: f64 = 0.2;
/// The rate never rises above this, in requests per second.
const MOST_RATE: f64 = 10_000.0;
/// The pause after a 429 that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// How much of a second's permits may be saved up.
const BURST_SECONDS: f64 = 0.1;

/// Ceilings of one integration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most requests per second; `None`: no ceiling of ours.
    pub requests_per_second: Option<u32>,
    /// Most requests in flight, at least 1.
    pub max_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: None, max_in_flight: 8 }
    }
}

/// The bucket.
#[derive(Debug)]
pub struct RateBucket {
    state: Mutex<State>,
    /// Held while waiting: first come, first served, and one waiter on the state at a time.
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    rate: f64,
    tokens: f64,
    filled: Instant,
    paused_until: Instant,
    in_flight: usize,
    /// Counts the halvings, so that many 429 of one burst halve once.
    epoch: u64,
    /// No 429 seen yet, and no ceiling: the rate may still double.
    searching: bool,
}

/// The right to send one request; given back on drop.
#[derive(Debug)]
pub struct Permit {
    bucket: Arc<RateBucket>,
    epoch: u64,
}

/// No permit before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPermit {
    /// Until the bucket may give one.
    pub retry_after: Duration,
}

impl RateBucket {
    /// A bucket that begins at its ceiling, or low when it has none.
    pub fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let rate = limits.requests_per_second.map_or(START_RATE, f64::from);
        Self {
            state: Mutex::new(State {
                limits,
                rate,
                tokens: 1.0,
                filled: now,
                paused_until: now,
                in_flight: 0,
                epoch: 0,
                searching: limits.requests_per_second.is_none(),
            }),
            turn: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
        }
    }

    /// Takes new ceilings; what was learned below them stays.
    pub fn reconfigure(&self, limits: Limits) {
        let mut state = self.lock();
        if state.limits == limits {
            return;
        }
        match limits.requests_per_second {
            Some(ceiling) if state.epoch == 0 => state.rate = f64::from(ceiling),
            Some(ceiling) => state.rate = state.rate.min(f64::from(ceiling)),
            None => state.searching = state.epoch == 0,
        }
        state.limits = limits;
        drop(state);
        self.freed.notify_one();
    }

    /// The rate in force, in requests per second.
    pub fn rate(&self) -> f64 {
        self.lock().rate
    }

    /// Waits for a permit, but not beyond the deadline.
    pub async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Permit, NoPermit> {
        let none = || NoPermit {
            retry_after: self.lock().paused_until.saturating_duration_since(Instant::now()),
        };
        let Ok(_turn) = timeout_at(deadline, self.turn.lock()).await else { return Err(none()) };
        loop {
            let freed = self.freed.notified();
            let next = match self.lock().take(Instant::now()) {
                Ok(epoch) => return Ok(Permit { bucket: Arc::clone(self), epoch }),
                Err(next) => next,
            };
            match next {
                Some(at) if at > deadline => return Err(none()),
                Some(at) => sleep_until(at).await,
                None => timeout_at(deadline, freed).await.map_err(|_| none())?,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one token, or tells when to ask again (`None`: when a permit comes back).
    fn take(&mut self, now: Instant) -> Result<u64, Option<Instant>> {
        if self.paused_until > now {
            return Err(Some(self.paused_until));
        }
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let most = (self.rate * BURST_SECONDS).max(1.0);
        self.tokens = (self.tokens + elapsed * self.rate).min(most);
        self.filled = now;
        if self.in_flight >= self.limits.max_in_flight.max(1) {
            return Err(None);
        }
        // A hair of tolerance: sleeping until the exact instant may fall one rounding short.
        if self.tokens < 0.999_999 {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
            return Err(Some(now + wait.max(Duration::from_millis(1))));
        }
        self.tokens -= 1.0;
        self.in_flight += 1;
        Ok(self.epoch)
    }
}

impl Permit {
    /// The request was answered, and not with 429.
    pub fn succeeded(&self) {
        let mut state = self.bucket.lock();
        let ceiling = state.limits.requests_per_second.map_or(MOST_RATE, f64::from);
        // Per second at full use: doubled while searching, plus one request per second after.
        let step = if state.searching { 1.0 } else { 1.0 / state.rate.max(1.0) };
        state.rate = (state.rate + step).min(ceiling);
    }

    /// The request was answered with 429.
    pub fn limited(&self, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.bucket.lock();
        let until = now + retry_after.unwrap_or(DEFAULT_PAUSE);
        state.paused_until = state.paused_until.max(until);
        if state.epoch == self.epoch {
            state.epoch += 1;
            state.searching = false;
            state.rate = (state.rate / 2.0).max(LEAST_RATE);
        }
        state.tokens = 1.0;
        state.filled = state.paused_until;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.bucket.lock().in_flight -= 1;
        self.bucket.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    async fn without_a_ceiling_it_begins_low_and_finds_the_way_up() {
        let bucket = bucket(None, 8);
        assert!(bucket.rate() <= START_RATE);
        let start = Instant::now();
        for _ in 0..300 {
            bucket.acquire(far()).await.unwrap().succeeded();
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        assert!(bucket.rate() > 100.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_429_halves_once_and_pauses_everyone() {
        let bucket = bucket(Some(8), 8);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = bucket.acquire(far()).await.unwrap();
        let second = bucket.acquire(far()).await.unwrap();
        let start = Instant::now();
        first.limited(Some(Duration::from_secs(7)));
        second.limited(Some(Duration::from_secs(3)));
        assert!((bucket.rate() - 4.0).abs() < f64::EPSILON, "{}", bucket.rate());
        bucket.acquire(far()).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn no_permit_is_promised_beyond_the_deadline() {
        let bucket = bucket(Some(10), 8);
        let permit = bucket.acquire(far()).await.unwrap();
        permit.limited(Some(Duration::from_secs(60)));
        let start = Instant::now();
        let refused = bucket.acquire(Instant::now() + Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(60));
        assert_eq!(start.elapsed(), Duration::ZERO, "told at once, not after waiting in vain");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_in_flight_and_a_dropped_permit_lets_the_next_in() {
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
