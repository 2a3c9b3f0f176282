//! Progress of work: bars on a terminal, and how fast it is.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use super::text::Thousands;

/// The widest name that a bar shows, in characters.
const NAME: usize = 24;

/// How much room there is for what is behind a bar: `1,000,000/1,200,000, waits 12s for 429`.
const PREFIX: usize = 38;

/// Bars on standard error.
pub(super) struct Bars {
    all: MultiProgress,
    /// Whether anybody sees them.
    pub(super) are_shown: bool,
}

impl Bars {
    /// Bars, if standard error is a terminal and they are `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        let are_shown = wanted && std::io::stderr().is_terminal();
        let target =
            if are_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), are_shown }
    }

    /// One more bar, below the others.
    pub(super) fn add(&self, name: &str) -> ProgressBar {
        // A bar of the length 0 is full.
        let bar = self.all.add(ProgressBar::new(1));
        let template = format!("{{msg:{NAME}!}} {{percent:>3}}% {{wide_bar}} {{prefix:{PREFIX}!}}");
        let style = ProgressStyle::with_template(&template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name.to_owned());
        bar
    }

    /// Takes a bar away.
    pub(super) fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.all.remove(bar);
    }

    /// Does something while no bar is in the way.
    pub(super) fn suspend(&self, work: impl FnOnce()) {
        self.all.suspend(work);
    }

    /// Takes all bars away.
    pub(super) fn clear(&self) {
        // A terminal that is gone shows nothing anyway.
        let _gone = self.all.clear().is_err();
    }
}

/// How far some work is, and how fast.
#[derive(Default)]
pub(super) struct Pace {
    first: Option<(i64, Instant)>,
}

impl Pace {
    /// `1,200/12,000, 65/s, eta 12 s`, without what is not known yet.
    pub(super) fn after(&mut self, done: i64, total: i64, now: Instant) -> String {
        let counts = format!("{}/{}", Thousands(done), Thousands(total));
        let (start, since) = *self.first.get_or_insert((done, now));
        if done < start {
            // Another run.
            self.first = Some((done, now));
            return counts;
        }
        let elapsed = now.duration_since(since);
        if elapsed < Duration::from_secs(1) || done == start {
            return counts;
        }
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).max(1);
        let processed = done - start;
        let rate = processed.saturating_mul(1000) / millis;
        let left = (total - done).saturating_mul(millis) / processed / 1000;
        format!("{counts}, {rate}/s, eta {}", eta(left))
    }
}

/// How many seconds a wait lasts that a status shows; `None` if it is over.
pub(super) fn seconds_left(until: Option<&Time>, now: Timestamp) -> Option<i64> {
    let left = until?.0.duration_since(now);
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    (seconds > 0).then_some(seconds)
}

/// `7,320/12,000, waits 4s for 429`: nothing moves meanwhile.
pub(super) fn waiting(done: i64, total: i64, seconds: i64) -> String {
    format!("{}/{}, waits {} for 429", Thousands(done), Thousands(total), eta(seconds))
}

/// `waits up to 32s for an earlier run`, whose last requests Clinch may still carry out.
pub(super) fn waiting_for_earlier(seconds: u64) -> String {
    let seconds = eta(i64::try_from(seconds).unwrap_or(i64::MAX));
    format!("waits up to {seconds} for an earlier run")
}

/// `45s`, `3m20s` or `1h5m`: short, because a bar is one line.
fn eta(seconds: i64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_shown_until_it_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = Time(at(100));
        assert_eq!(seconds_left(Some(&until), at(88)), Some(12));
        assert_eq!(seconds_left(Some(&until), at(100)), None);
        assert_eq!(seconds_left(Some(&until), at(200)), None);
        assert_eq!(seconds_left(None, at(0)), None);
        assert_eq!(waiting(7320, 12_000, 4), "7,320/12,000, waits 4s for 429");
        assert!(waiting(1_000_000, 1_200_000, 12).len() <= PREFIX);
        assert_eq!(waiting_for_earlier(32), "waits up to 32s for an earlier run");
        assert!(waiting_for_earlier(3599).len() <= PREFIX);
    }

    #[test]
    fn a_pace_is_known_after_a_second_and_starts_over_with_a_run() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.after(100, 1000, start), "100/1,000");
        assert_eq!(pace.after(100, 1000, after(5)), "100/1,000");
        assert_eq!(pace.after(200, 1000, after(10)), "200/1,000, 10/s, eta 1m20s");
        assert_eq!(pace.after(0, 1000, after(11)), "0/1,000");
        assert_eq!(pace.after(50, 1000, after(12)), "50/1,000, 50/s, eta 19s");
        assert_eq!(pace.after(51, 1_000_000, after(200)), "51/1,000,000, 0/s, eta 1029h21m");
    }
}
