//! What the bucket knows: how many permits it may grant, and when. Pure; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::{Limits, NoPermit, pace::Pace};

/// Seconds' worth of permits that may be saved up, whatever the limit saves.
const BURST_SECONDS: f64 = 0.05;

/// The state of the bucket.
#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    pace: Pace,
    tokens: f64,
    filled: Instant,
    paused_until: Instant,
    /// Whether a 429 asked for the pause, not another response.
    limited: bool,
    in_flight: usize,
    /// The most requests in flight since the latest 429.
    peak: usize,
    /// Number of times the limit was hit; several 429s of one burst count once.
    epoch: u64,
}

/// What is known of a request when it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    epoch: u64,
    /// Requests in flight with this one, itself included.
    in_flight: usize,
}

impl State {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            pace: Pace::initial(limits, now),
            tokens: 1.0,
            filled: now,
            paused_until: now,
            limited: true,
            in_flight: 0,
            peak: 0,
            epoch: 0,
        }
    }

    /// Sets new ceilings; keeps what was learned below them.
    pub(super) fn reconfigure(&mut self, limits: Limits, now: Instant) {
        if self.limits == limits {
            return;
        }
        self.fill(now);
        if self.epoch == 0 {
            self.pace = Pace::initial(limits, now);
        } else {
            self.pace.bound(limits);
        }
        self.limits = limits;
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.pace.rate()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    #[cfg(test)]
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// How long all requests still wait because Clinch answered 429.
    pub(super) fn limited_for(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until.saturating_duration_since(now);
        (self.limited && !left.is_zero()).then_some(left)
    }

    /// Whether all requests had to wait at some time since then because an answer asked for it.
    pub(super) fn was_paused_since(&self, since: Instant) -> bool {
        self.paused_until > since
    }

    /// Why there is no permit.
    pub(super) fn none(&self, now: Instant) -> NoPermit {
        let retry_after = self.paused_until.saturating_duration_since(now);
        NoPermit { retry_after, limited: self.limited || retry_after.is_zero() }
    }

    /// Adds the tokens earned since the last call, at the rate in force.
    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let most = (self.pace.rate() * BURST_SECONDS).max(self.pace.saved()).max(1.0);
        self.tokens = (self.tokens + elapsed * self.pace.rate()).min(most);
        self.filled = self.filled.max(now);
    }

    /// Pauses, unless a longer pause is in progress.
    /// Returns how much longer everybody waits.
    fn pause(&mut self, pause: Duration, limited: bool, now: Instant) -> Duration {
        let until = now + pause;
        if pause.is_zero() || until <= self.paused_until {
            return Duration::ZERO;
        }
        let longer = until - self.paused_until.max(now);
        (self.paused_until, self.limited) = (until, limited);
        (self.tokens, self.filled) = (1.0, until);
        longer
    }

    /// Takes one token, or returns when to try again (`None`: when a permit is released).
    pub(super) fn take(&mut self, now: Instant) -> Result<Ticket, Option<Instant>> {
        if self.paused_until > now {
            return Err(Some(self.paused_until));
        }
        self.fill(now);
        if self.in_flight >= self.pace.window(self.limits) {
            return Err(None);
        }
        // Tolerance for rounding: after sleeping until the exact instant a token may still be
        // minimally short.
        if self.tokens < 0.999_999 {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.pace.rate());
            return Err(Some(now + wait.max(Duration::from_millis(1))));
        }
        self.tokens -= 1.0;
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        Ok(Ticket { epoch: self.epoch, in_flight: self.in_flight })
    }

    /// A response was not a 429.
    pub(super) fn succeeded(&mut self, ticket: &Ticket, now: Instant) {
        // A request sent before a 429 says nothing about the rate since.
        if self.epoch == ticket.epoch {
            self.fill(now);
            self.pace.answered(self.limits, now);
        } else {
            self.pace.straggled(self.limits, true, now);
        }
    }

    /// A response was a 429. Returns how much longer everybody waits because of it.
    pub(super) fn limited(
        &mut self,
        ticket: &Ticket,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Duration {
        let pause = if self.epoch == ticket.epoch {
            let in_flight = self.peak.max(ticket.in_flight);
            self.peak = 0;
            let (unchanged, pause) = self.pace.limited(self.limits, retry_after, in_flight, now);
            if !unchanged || !pause.is_zero() {
                self.epoch += 1;
            }
            pause
        } else {
            self.pace.straggled(self.limits, false, now);
            retry_after.unwrap_or_default()
        };
        self.pause(pause, true, now)
    }

    /// A response was no 429 and asked for a delay.
    pub(super) fn postponed(&mut self, retry_after: Duration, now: Instant) {
        self.fill(now);
        let beyond = (now + retry_after).saturating_duration_since(self.paused_until.max(now));
        self.pace.postponed(beyond);
        let _longer = self.pause(retry_after, false, now);
    }

    /// A permit was dropped.
    pub(super) fn released(&mut self) {
        self.in_flight -= 1;
    }
}
