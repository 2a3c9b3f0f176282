//! Retries failed attempts, as the table in `classify` allows. Waits on the tokio clock; no other
//! I/O.
//!
//! Bounded four ways: attempts, the deadline, the delay Clinch asks for, and a budget shared by
//! all calls of a client, so that an outage does not cause a retry storm. Answers that cannot be read cost
//! nothing of it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Call, Jitter, given_up};
use crate::{
    clinch::{
        classify::{Outcome, Verdict, retry_after},
        footing::Tried,
        wire::{CallError, Request, Response},
    },
    domain::Clock,
};

/// Maximum attempts of one operation, not counting those answered with 429.
const MAX_ATTEMPTS: u32 = 4;
/// Maximum 429 responses to one operation; the bucket slows down all callers meanwhile.
const MAX_LIMITED: u32 = 16;
/// The first backoff; doubles each time.
const BASE: Duration = Duration::from_millis(200);
/// The longest backoff.
const LONGEST: Duration = Duration::from_secs(10);

/// Retries that may be spent: each call earns a fraction, each retry costs one.
#[derive(Debug)]
struct Budget(Mutex<f64>);

impl Budget {
    /// Maximum retries saved up.
    const MOST: f64 = 10.0;
    /// Earned per call: one retry for every five calls.
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
#[derive(Debug)]
pub struct Retry<S> {
    inner: S,
    clock: Clock,
    jitter: Jitter,
    budget: Budget,
}

impl<S> Retry<S> {
    pub(super) fn new(inner: S, clock: Clock, jitter: Jitter) -> Self {
        Self { inner, clock, jitter, budget: Budget(Mutex::new(Budget::MOST)) }
    }
}

/// Exponential backoff with full jitter.
fn backoff(attempt: u32, jitter: &Jitter) -> Duration {
    LONGEST.min(BASE.saturating_mul(1 << attempt.min(10))).mul_f64(jitter.next())
}

/// Which backoff comes after so many failures and 429s of a call; none after a single 429: the bucket slows
/// down all callers, so that one which waits on top only holds up others that wait for it.
fn own_backoff(attempts: u32, limited: u32) -> Option<u32> {
    (attempts + limited.saturating_sub(1)).checked_sub(1)
}

/// The caller reads again what the write rests on; its attempts count on.
fn outdated(request: &Request, attempts: u32, limited: u32) -> Result<Response, CallError> {
    let Request { operation, deadline, .. } = *request;
    request.keep_tried(Some(Tried { operation, attempts, limited, deadline }));
    Err(CallError::Outdated)
}

impl<S: Call<Request>> Call<Request> for Retry<S> {
    async fn call(&self, mut request: Request) -> Result<Response, CallError> {
        self.budget.add(Budget::PER_CALL);
        let (mut attempts, mut limited) =
            request.tried().map_or((0, 0), |tried| (tried.attempts, tried.limited));
        request.keep_tried(None);
        // The latest answer that was not unreadable.
        let mut readable = None;
        loop {
            request.attempt = attempts + limited;
            let result = self.inner.call(request.clone()).await;
            if matches!(result, Err(CallError::Outdated)) {
                return outdated(&request, attempts, limited);
            }
            let outcome = Outcome::of(&result);
            if request.any_document && matches!(outcome, Outcome::Html | Outcome::Garbled) {
                return result;
            }
            match outcome.verdict(request.effect) {
                Verdict::Stop => return result,
                Verdict::InDoubt(doubt) => return Err(CallError::InDoubt(doubt)),
                Verdict::Again => request.set_in_doubt(false),
            }
            let requested = match &result {
                Ok(response) => retry_after(&response.headers, self.clock.now()),
                Err(_) => None,
            };
            let unreadable = matches!(outcome, Outcome::Html | Outcome::Garbled);
            let affordable = if matches!(outcome, Outcome::RateLimited | Outcome::Throttled) {
                limited += 1;
                limited < MAX_LIMITED
            } else {
                attempts += 1;
                let most = if outcome == Outcome::Redirected { 2 } else { MAX_ATTEMPTS };
                // An answer that cannot be read is no sign of load.
                attempts < most && (unreadable || self.budget.add(-1.0))
            };
            let delay = requested.unwrap_or_default()
                + own_backoff(attempts, limited)
                    .map_or(Duration::ZERO, |attempt| backoff(attempt, &self.jitter));
            if !affordable || Instant::now() + delay >= request.deadline {
                // What answers otherwise, too, is not something else than Clinch.
                return readable.filter(|_| unreadable).unwrap_or(result);
            }
            tokio::select! {
                biased;
                () = sleep(delay) => {}
                () = given_up(&request) => return result,
            }
            readable = if unreadable { readable } else { Some(result) };
            if request.is_outdated(true) {
                return outdated(&request, attempts, limited);
            }
        }
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
    fn a_single_429_causes_no_backoff_of_its_own() {
        let after = |attempts, limited| own_backoff(attempts, limited);
        assert_eq!([after(0, 1), after(0, 2), after(0, 3)], [None, Some(0), Some(1)]);
        assert_eq!([after(1, 0), after(1, 1), after(2, 0)], [Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn the_budget_allows_a_burst_then_one_retry_in_five_calls() {
        let budget = Budget(Mutex::new(Budget::MOST));
        assert!((0..10).all(|_| budget.add(-1.0)));
        assert!(!budget.add(-1.0));
        assert!((0..6).all(|_| budget.add(Budget::PER_CALL)));
        assert!(budget.add(-1.0));
        assert!(!budget.add(-1.0));
    }
}
