//! The limit of a token bucket, from what it accepted between pauses. Pure; the time is an argument.
//!
//! Such a limit saves up to a burst while the rate is below it, and refuses a request once what was saved
//! and what was earned since is used up. So a stretch of work that a 429 ended says, for each burst that is
//! possible, what the limit is. Stretches that differ have one limit in common for one burst only.

use std::{collections::VecDeque, iter::successors, time::Duration};

use tokio::time::Instant;

/// The length of a slot.
const SLOT: Duration = Duration::from_millis(250);
/// A longer stretch says little: it was mostly below the limit.
const MOST_SLOTS: usize = 80;
/// How many stretches are kept.
const KEPT: usize = 4;
/// How many bursts are tried: the first is one request, each of the others so many times the one before.
const BURSTS: usize = 48;
const STEP: f64 = 1.15;
/// How many times the range of a limit is halved to find it.
const HALVINGS: usize = 14;
/// By how many requests a count may be wrong.
const UNSURE: f64 = 1.0;
/// How large the sum of the squares of the errors may be for each stretch with the best burst, in units of
/// what a count may be wrong by, and how much larger with a burst that is as good.
const FITS: f64 = 1.5;
const AS_GOOD: f64 = 1.0;
/// How exactly the limit must be known, as a share of it.
const EXACT: f64 = 0.03;
/// A burst that takes more than this share of a pause to save can hardly be distinguished from a limit of a window: there,
/// too, the whole pause is saved.
const SAVED: f64 = 0.4;

/// What is known of a token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    /// In requests per second.
    pub(super) rate: f64,
    /// By which share of it it may differ.
    pub(super) error: f64,
    /// The least that the burst may be.
    pub(super) burst: f64,
}

/// The latest stretches of work.
#[derive(Debug)]
pub(super) struct Fit {
    /// Those that a 429 ended, the latest first.
    ended: VecDeque<Stretch>,
    current: Stretch,
    since: Instant,
}

/// The requests that were accepted between a pause and a 429.
#[derive(Debug, Default, Clone)]
struct Stretch {
    slots: Vec<f64>,
    seconds: f64,
    /// The length of the pause before it. `None`: it is the first one, and a whole burst was saved.
    pause: Option<f64>,
}

impl Stretch {
    fn count(&mut self, after: Duration) {
        let slot = usize::try_from(after.as_millis() / SLOT.as_millis()).unwrap_or(usize::MAX);
        if slot <= MOST_SLOTS {
            self.slots.resize(self.slots.len().max(slot + 1), 0.0);
            self.slots[slot] += 1.0;
        }
    }

    /// What is left of the burst at the end, and for how many seconds it has not been whole.
    fn left(&self, limit: f64, burst: f64) -> (f64, f64) {
        let slot = SLOT.as_secs_f64();
        let mut saved = self.pause.map_or(burst, |pause| (limit * pause).min(burst));
        let (mut used, mut rest) = (0.0, self.seconds);
        for count in &self.slots {
            let length = rest.min(slot);
            rest -= length;
            saved += limit * length - count;
            used += length;
            if saved >= burst {
                (saved, used) = (burst, 0.0);
            }
        }
        (saved, used)
    }

    /// The limit in requests per second that leaves nothing of such a burst, and by how much it may be wrong.
    fn limit(&self, burst: f64) -> (f64, f64) {
        let requests: f64 = self.slots.iter().sum();
        let (mut least, mut most) = (0.0, 2.0 * requests / self.seconds);
        for _ in 0..HALVINGS {
            let limit = f64::midpoint(least, most);
            let (left, _) = self.left(limit, burst);
            *(if left > 0.0 { &mut most } else { &mut least }) = limit;
        }
        let limit = f64::midpoint(least, most);
        let (_, used) = self.left(limit, burst);
        (limit, UNSURE / used.max(SLOT.as_secs_f64() / 4.0))
    }
}

/// What several stretches have in common for one burst.
#[derive(Debug, Clone, Copy)]
struct Common {
    burst: f64,
    limit: f64,
    /// By how much the limit may be wrong.
    error: f64,
    /// The sum of the squares of the errors.
    misfit: f64,
}

impl Common {
    fn of(burst: f64, limits: &[(f64, f64)]) -> Self {
        let weights: f64 = limits.iter().map(|(_, error)| error.powi(-2)).sum();
        let sum: f64 = limits.iter().map(|(limit, error)| limit * error.powi(-2)).sum();
        let limit = sum / weights;
        let misfit = limits.iter().map(|(one, error)| ((one - limit) / error).powi(2)).sum();
        Self { burst, limit, error: weights.powf(-0.5), misfit }
    }
}

impl Fit {
    /// Nothing is known; the first stretch starts.
    pub(super) fn from(now: Instant) -> Self {
        Self { ended: VecDeque::new(), current: Stretch::default(), since: now }
    }

    /// A response was not a 429.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.current.count(now.saturating_duration_since(self.since));
    }

    /// A response to a request that was sent before the latest 429 was none.
    pub(super) fn straggled(&mut self) {
        if let Some(slot) = self.ended.front_mut().and_then(|ended| ended.slots.last_mut()) {
            *slot += 1.0;
        }
    }

    /// A response was a 429, and a pause starts.
    pub(super) fn refused(&mut self, pause: Duration, now: Instant) {
        let next = Stretch { pause: Some(pause.as_secs_f64()), ..Stretch::default() };
        let mut ended = std::mem::replace(&mut self.current, next);
        ended.seconds = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now + pause;
        if ended.slots.is_empty() || ended.slots.len() > MOST_SLOTS || ended.seconds <= 0.0 {
            self.ended.clear();
            return;
        }
        self.ended.push_front(ended);
        self.ended.truncate(KEPT);
    }

    /// A pause that says nothing about the limit.
    pub(super) fn skip(&mut self, pause: Duration) {
        self.since += pause;
    }

    /// The limit, if it is known exactly. `pause`: how many seconds the latest 429 asks for.
    pub(super) fn limit(&self, pause: f64) -> Option<Limit> {
        if pause <= 0.0 {
            return None;
        }
        let bursts = successors(Some(1.0), |burst| Some(STEP * burst)).take(BURSTS);
        let limits: Vec<(f64, Vec<(f64, f64)>)> = bursts
            .map(|burst| (burst, self.ended.iter().map(|ended| ended.limit(burst)).collect()))
            .collect();
        // As many of the latest as have a limit in common.
        (1..=self.ended.len()).rev().find_map(|count| {
            let common = limits.iter().map(|(burst, limits)| Common::of(*burst, &limits[..count]));
            known(&common.collect::<Vec<_>>(), count, pause)
        })
    }
}

/// The limit that so many stretches have in common, whichever of the good bursts it is.
fn known(common: &[Common], stretches: usize, pause: f64) -> Option<Limit> {
    let best = common.iter().map(|common| common.misfit).fold(f64::INFINITY, f64::min);
    let most = (0..stretches).map(|_| FITS).sum::<f64>();
    let good = || common.iter().filter(|common| common.misfit <= best + AS_GOOD);
    let least = good().map(|one| one.limit - one.error).fold(f64::INFINITY, f64::min);
    let greatest = good().map(|one| one.limit + one.error).fold(0.0, f64::max);
    let rate = f64::midpoint(least, greatest);
    let error = (greatest - least) / 2.0 / rate;
    let bursts = || good().map(|one| one.burst);
    let exact = error < EXACT && bursts().fold(0.0, f64::max) <= SAVED * rate * pause;
    let burst = bursts().fold(f64::INFINITY, f64::min);
    (best <= most && exact).then_some(Limit { rate, error, burst })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    /// A server with a token bucket, and what is learned from it.
    struct Server {
        limit: f64,
        burst: f64,
        tokens: f64,
        now: Instant,
        fit: Fit,
    }

    impl Server {
        fn new(limit: f64, burst: f64) -> Self {
            let now = Instant::now();
            Self { limit, burst, tokens: burst, now, fit: Fit::from(now) }
        }

        fn pass(&mut self, time: Duration) {
            self.tokens = (self.tokens + self.limit * time.as_secs_f64()).min(self.burst);
            self.now += time;
        }

        /// Requests at `rate` for so many seconds, then at `next` until a 429; then a pause.
        fn stretch(&mut self, rate: f64, seconds: f64, next: f64) {
            let since = self.now;
            loop {
                let early = self.now.saturating_duration_since(since).as_secs_f64() < seconds;
                self.pass(Duration::from_secs_f64(1.0 / if early { rate } else { next }));
                if self.tokens < 1.0 {
                    break;
                }
                self.tokens -= 1.0;
                self.fit.accepted(self.now);
            }
            self.fit.refused(PAUSE, self.now);
            self.pass(PAUSE);
        }

        fn known(&self) -> Option<f64> {
            self.fit.limit(PAUSE.as_secs_f64()).map(|limit| limit.rate / self.limit)
        }
    }

    #[test]
    fn two_stretches_show_limit_and_burst() {
        for (limit, burst) in [(50.0, 10.0), (200.0, 20.0), (500.0, 50.0), (500.0, 100.0)] {
            let mut server = Server::new(limit, burst);
            server.stretch(4.0 * limit, 0.0, 4.0 * limit);
            assert_eq!(server.known(), None, "one short stretch: it may be the burst or the limit");
            // Half of it lies below the limit: then a whole burst is saved again.
            server.stretch(0.8 * limit, 3.0, 1.1 * limit);
            server.stretch(0.9 * limit, 4.0, 1.05 * limit);
            let known = server.known().unwrap_or_default();
            assert!((0.985..1.015).contains(&known), "{limit}/s, burst {burst}: {known}");
        }
    }

    #[test]
    fn a_burst_as_large_as_the_pause_is_not_distinguished_from_a_window() {
        let mut server = Server::new(50.0, 50.0);
        server.stretch(200.0, 0.0, 200.0);
        server.stretch(60.0, 0.0, 60.0);
        server.stretch(70.0, 0.0, 70.0);
        assert_eq!(server.known(), None);
    }

    #[test]
    fn after_a_limit_has_moved_the_latest_stretches_count() {
        let mut server = Server::new(50.0, 10.0);
        server.stretch(60.0, 0.0, 60.0);
        server.stretch(55.0, 0.0, 55.0);
        server.limit = 30.0;
        for rate in [60.0, 36.0, 33.0] {
            server.stretch(rate, 0.0, rate);
        }
        let known = server.known().unwrap();
        assert!((0.97..1.03).contains(&known), "{known}");
    }

    #[test]
    fn a_long_stretch_says_nothing() {
        let mut server = Server::new(50.0, 10.0);
        server.stretch(200.0, 0.0, 200.0);
        server.stretch(55.0, 0.0, 55.0);
        assert!(server.known().is_some());
        server.stretch(49.0, 21.0, 55.0);
        assert_eq!(server.known(), None);
    }

    #[test]
    fn a_stretch_that_took_no_time_says_nothing() {
        let mut server = Server::new(50.0, 10.0);
        server.fit.accepted(server.now);
        server.fit.refused(Duration::ZERO, server.now);
        assert!(server.fit.ended.is_empty() && server.known().is_none());
    }

    #[test]
    fn requests_in_flight_at_the_429_belong_to_the_stretch_before_it() {
        let mut server = Server::new(50.0, 10.0);
        server.stretch(60.0, 0.0, 60.0);
        let before: f64 = server.fit.ended[0].slots.iter().sum();
        server.fit.straggled();
        assert!((server.fit.ended[0].slots.iter().sum::<f64>() - before - 1.0).abs() < 1e-9);
    }
}
