//! Repeats what may be repeated, as the table in `classify` says. Waits on the tokio clock; no
//! other I/O.
//!
//! Bounded four ways: attempts, the deadline, the delay Clinch asks for, and a budget shared by
//! all calls of a client, so that an outage is not answered with a storm.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt as _};

use super::{Calling, Jitter};
use crate::{
    clinch::{
        classify::{Outcome, Verdict, retry_after},
        wire::{Answer, Failure, Outgoing},
    },
    domain::Clock,
};

/// Most attempts of one operation, 429 not counted.
const MAX_ATTEMPTS: u32 = 4;
/// Most 429 taken by one operation: the bucket slows everyone down meanwhile.
const MAX_LIMITED: u32 = 16;
/// The first backoff; doubles each time.
const BASE: Duration = Duration::from_millis(200);
/// The longest backoff.
const LONGEST: Duration = Duration::from_secs(10);

/// Retries that may be spent: saved up by calls, spent by repeats.
#[derive(Debug)]
struct Budget(Mutex<f64>);

impl Budget {
    /// Most retries saved up.
    const MOST: f64 = 10.0;
    /// Saved up per call: one repeat for every five calls.
    const PER_CALL: f64 = 0.2;

    fn add(&self, amount: f64) -> bool {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *saved + amount < 0.0 {
            return false;
        }
        *saved = (*saved + amount).min(Self::MOST);
        true
    }
}

/// The retry layer.
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    clock: Clock,
    jitter: Jitter,
    budget: Arc<Budget>,
}

impl<S> Retry<S> {
    pub(super) fn new(inner: S, clock: Clock, jitter: Jitter) -> Self {
        Self { inner, clock, jitter, budget: Arc::new(Budget(Mutex::new(Budget::MOST))) }
    }
}

/// Exponential backoff with full jitter.
fn backoff(attempt: u32, jitter: &Jitter) -> Duration {
    LONGEST.min(BASE.saturating_mul(1 << attempt.min(10))).mul_f64(jitter.next())
}

impl<S> Retry<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    async fn run(self, outgoing: Outgoing) -> Result<Answer, Failure> {
        self.budget.add(Budget::PER_CALL);
        let (mut attempts, mut limited) = (0, 0);
        loop {
            let result = self.inner.clone().oneshot(outgoing.clone()).await;
            let outcome = Outcome::of(&result);
            match outcome.verdict(outgoing.effect) {
                Verdict::Stop => return result,
                Verdict::InDoubt(doubt) => return Err(Failure::InDoubt(doubt)),
                Verdict::Again => outgoing.set_in_doubt(false),
            }
            let asked = match &result {
                Ok(answer) => retry_after(&answer.headers, self.clock.now()),
                Err(_) => None,
            };
            let affordable = if outcome == Outcome::RateLimited {
                limited += 1;
                limited < MAX_LIMITED
            } else {
                attempts += 1;
                attempts < MAX_ATTEMPTS && self.budget.add(-1.0)
            };
            let delay = asked.unwrap_or_default() + backoff(attempts + limited - 1, &self.jitter);
            if !affordable || Instant::now() + delay >= outgoing.deadline {
                return result;
            }
            sleep(delay).await;
        }
    }
}

impl<S> Service<Outgoing> for Retry<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Failure;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, outgoing: Outgoing) -> Calling {
        Box::pin(self.clone().run(outgoing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound_and_is_jittered_fully() {
        let most = Jitter::new(|| 1.0);
        assert_eq!(backoff(0, &most), BASE);
        assert_eq!(backoff(2, &most), BASE * 4);
        assert_eq!(backoff(30, &most), LONGEST);
        assert_eq!(backoff(5, &Jitter::new(|| 0.0)), Duration::ZERO);
    }

    #[test]
    fn the_budget_allows_a_burst_then_one_repeat_in_five_calls() {
        let budget = Budget(Mutex::new(Budget::MOST));
        assert!((0..10).all(|_| budget.add(-1.0)));
        assert!(!budget.add(-1.0));
        assert!((0..6).all(|_| budget.add(Budget::PER_CALL)));
        assert!(budget.add(-1.0));
        assert!(!budget.add(-1.0));
    }
}
