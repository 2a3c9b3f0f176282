//! When a watch that fails is tried again. The default backoff of kube starts from its beginning with each attempt: a watch says
//! `Init` before it lists, whether or not the list succeeds. Reads the tokio clock; no other I/O.

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use kube::runtime::watcher::{self, Event};
use tokio::time::{Instant, sleep_until};

use crate::domain::backoff;

/// The longest wait. A right that is granted, or a CRD that comes back, is noticed within it.
const LONGEST: Duration = Duration::from_secs(30);
/// Failures this far apart have nothing to do with each other. A watch of a quiet cluster does not say that it works.
const APART: Duration = Duration::from_mins(3);

/// The failures of one watch in a row.
#[derive(Debug, Default)]
struct Attempts {
    failures: u32,
    /// When the next attempt may begin.
    next: Option<Instant>,
}

impl Attempts {
    fn failed(&mut self) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now.saturating_duration_since(next) >= APART) {
            self.failures = 0;
        }
        let wait = backoff(self.failures).min(LONGEST).mul_f64(0.5 + fastrand::f64() / 2.0);
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now + wait);
    }

    fn worked(&mut self) {
        self.failures = 0;
    }
}

/// A watch that waits longer after each failure, until it has listed or delivered something.
pub(super) fn patient<K>(
    watch: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Send + 'static,
{
    stream::unfold((watch.boxed(), Attempts::default()), |(mut watch, mut attempts)| async move {
        if let Some(next) = attempts.next.filter(|_| attempts.failures > 0) {
            sleep_until(next).await;
        }
        let event = watch.next().await?;
        match &event {
            Err(_) => attempts.failed(),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => attempts.worked(),
        }
        Some((event, (watch, attempts)))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use kube::core::Status;

    use super::*;

    fn refused() -> watcher::Result<Event<()>> {
        Err(watcher::Error::WatchError(Status::default().boxed()))
    }

    /// The waits before each of these events, in seconds.
    async fn waits(events: Vec<watcher::Result<Event<()>>>) -> Vec<f64> {
        let mut watch = pin!(patient(stream::iter(events)));
        let (mut waits, mut before) = (Vec::new(), Instant::now());
        while watch.next().await.is_some() {
            waits.push(before.elapsed().as_secs_f64());
            before = Instant::now();
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_fails_is_tried_ever_more_seldom() {
        // As the watcher does: it says that it begins, and then that it failed.
        let events = (0..40).flat_map(|_| [Ok(Event::Init), refused()]).collect();
        let waits = waits(events).await;
        let between: Vec<f64> = waits.into_iter().step_by(2).skip(1).collect();
        assert!(between[0] <= 1.1, "{between:?}");
        assert!(between[10..].iter().all(|wait| (14.9..=30.1).contains(wait)), "{between:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_succeeds_ends_the_waits() {
        let failures = || (0..10).flat_map(|_| [Ok(Event::Init), refused()]);
        let listed = [Ok(Event::Init), Ok(Event::InitApply(())), Ok(Event::InitDone)];
        let events = failures().chain(listed).chain([refused(), Ok(Event::Init)]).collect();
        let waits = waits(events).await;
        assert!(waits[waits.len() - 5] > 14.0 && waits[waits.len() - 1] <= 1.1, "{waits:?}");
    }
}
