//! 429s that the rate may not have caused. Pure; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        Limits, curve::Curve, fall::Fall, history::Accepted, seek::Seek, strays::Sign,
        window::Window,
    },
    MAX_RATE, MIN_START, Pace, Phase, ROW, Streak,
};

/// How long a test may take until the next 429.
const LONGEST_TEST: Duration = Duration::from_secs(10);
/// A window is cut for a test if it is larger than this. A smaller one may still exceed a limit of the rate.
const SMALLEST_TEST: usize = 2;
/// To which share a rate is cut for a test.
const TEST_CUT: f64 = 0.6;
/// A rate so many times higher than what is answered has met no limit.
const UNUSED: f64 = 3.0;

impl Pace {
    /// Seeks the limit beside strays, if they are proved and ask for a wait.
    pub(super) fn seek(
        &mut self,
        requested: Option<Duration>,
        from: impl FnOnce(f64) -> Seek,
    ) -> bool {
        let waits = requested.is_some_and(|wait| !wait.is_zero());
        let Some(share) = self.strays.share().filter(|_| waits) else { return false };
        let seek = from(share);
        (self.phase, self.rate) = (Phase::Beside(seek), seek.rate());
        true
    }

    /// The pause after a stray. Several in a row are hardly strays.
    pub(super) fn in_a_row(&mut self, requested: Option<Duration>, now: Instant) -> Duration {
        let requested = requested.unwrap_or_default();
        let Some(streak) = &mut self.streak else {
            self.streak = Some(Streak { events: 0, since: now, requests: 0 });
            return requested;
        };
        streak.events += 1;
        if streak.events < ROW {
            requested
        } else {
            requested.max(Streak::pause(streak.events - 1, Duration::ZERO))
        }
    }

    /// Whether the rate rises although a request was refused.
    pub(super) fn rises(&mut self, limits: Limits, now: Instant) -> bool {
        match self.phase {
            Phase::Doubling => {
                let continues = self.rise.continues();
                if continues
                    && self.rate > UNUSED * self.history.recent_rate(now)
                    && let Some(share) = self.rise.share()
                {
                    self.strays.prove(share);
                    self.phase = Phase::Open(Window::of(limits.max_in_flight, now));
                    self.rate = MAX_RATE;
                    self.bound(limits);
                }
                continues
            }
            Phase::Around(_) | Phase::Quota(_) if self.rise.begins() => {
                self.phase = Phase::Doubling;
                (self.fall, self.fine, self.resume) = (None, None, None);
                self.strays.end_test();
                true
            }
            _ => false,
        }
    }

    /// A stray holds nobody up who was not asked to wait.
    pub(super) fn stray(&mut self, requested: Option<Duration>) -> (bool, Duration) {
        let pause = requested.unwrap_or_default();
        self.history.skip(pause);
        (true, pause)
    }

    /// The pace without what is only tried.
    pub(super) fn settled(&self) -> (Phase, f64) {
        match self.phase {
            Phase::Open(window) => {
                let window = window.settled();
                (Phase::Open(window), window.rate().unwrap_or(MAX_RATE))
            }
            phase => (phase, self.rate),
        }
    }

    /// Whether 429s are as frequent far below a rate that was fine a moment ago; then that pace is
    /// resumed.
    pub(super) fn falls(&mut self, accepted: &Accepted, now: Instant) -> bool {
        let actual = accepted.rate.min(self.history.recent_rate(now));
        let pace = self.settled();
        let fall = self.fall.insert(Fall::begins(self.fall, pace, actual, now));
        let Some(((phase, rate), share)) = fall.refused(actual) else { return false };
        (self.phase, self.rate) = (phase, rate);
        (self.fall, self.fine, self.resume, self.streak) = (None, None, None, None);
        self.strays.prove(share);
        true
    }

    /// What was refused by strays is tried soon.
    pub(super) fn try_soon(&mut self, requested: Option<Duration>) {
        if let Phase::Open(window) = &mut self.phase {
            window.try_soon(requested.unwrap_or_default());
        }
    }

    /// Changes the pace as the sign requires.
    pub(super) fn follow(
        &mut self,
        sign: Sign,
        accepted: &Accepted,
        pause: Duration,
        in_flight: usize,
        now: Instant,
    ) {
        match sign {
            Sign::Stray => {}
            Sign::Proved => {
                if let Some((phase, rate)) = self.fine.take() {
                    self.before_proof = self.resume.take();
                    (self.phase, self.rate) = (phase, rate);
                }
            }
            Sign::Test => {
                if self.resume.is_none() {
                    let before = self.settled();
                    self.cut(accepted, pause, in_flight, now);
                    self.resume = Some(self.settled());
                    (self.phase, self.rate) = before;
                }
                self.test(now);
                self.test_until = now + pause + LONGEST_TEST;
            }
            Sign::Limit { .. }
                if matches!(self.phase, Phase::Open(_)) && self.before_proof.is_some() =>
            {
                // There is a limit beside the strays: what was learned before counts.
                if let Some((phase, rate)) = self.before_proof.take() {
                    (self.phase, self.rate) = (phase, rate);
                }
            }
            Sign::Limit { first } => {
                if first {
                    self.fine = Some(self.settled());
                }
                if !self.resume_pace() {
                    self.cut(accepted, pause, in_flight, now);
                }
            }
        }
    }

    /// Cuts the pace deeply: strays remain, a limit does not.
    pub(super) fn test(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Open(window) if window.size > SMALLEST_TEST => {
                window.size = (window.size / 2).max(1);
                (window.hit, window.responses, window.seconds) = (true, usize::MAX, 0.0);
            }
            _ => {
                let rate = if let Phase::Open(_) = self.phase {
                    self.history.recent_rate(now).max(MIN_START)
                } else {
                    self.rate
                };
                let plateau = rate * TEST_CUT;
                (self.phase, self.rate) = (Phase::Around(Curve::flat(plateau)), plateau);
            }
        }
    }

    /// Counts a response that was not a 429, and ends a test that it refutes.
    pub(super) fn accepted(&mut self, now: Instant) {
        if self.strays.accepted() || (self.resume.is_some() && now >= self.test_until) {
            self.strays.end_test();
            self.resume_pace();
        }
    }

    /// Ends a test that has shown that there is a limit, if there was one.
    pub(super) fn resume_pace(&mut self) -> bool {
        let Some((phase, rate)) = self.resume.take() else { return false };
        (self.phase, self.rate) = (phase, rate);
        true
    }
}
