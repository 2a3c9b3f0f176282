//! The circuit breaker of an account: refuses calls while Clinch is down. Failures in a row may also be
//! about the records that were sent. So they only raise the doubt, and a *trial* decides: a plain read that
//! concerns no record. Other calls wait for its result. Reads the tokio clock; no other I/O.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::error::ClinchError;

/// Consecutive failures after which a trial decides.
pub(super) const FAILURES_TO_DOUBT: u32 = 5;
/// How long calls are refused after a failed trial, before the next one.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(10);

/// Refuses calls after a failed trial, for all clients of an account.
#[derive(Debug, Default)]
pub(super) struct OutageBreaker {
    failures: Mutex<Failures>,
    /// Held by the trial.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    open_until: Option<Instant>,
}

/// The duty to find out whether Clinch is down. Dropped without a result, it passes to the next caller.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    breaker: &'a OutageBreaker,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

/// What a result says about Clinch.
enum Sign {
    Up,
    Down,
    /// Nothing was sent, or the limit answered.
    None,
}

fn sign<T>(result: &Result<T, ClinchError>) -> Sign {
    match result {
        Err(
            ClinchError::RateLimited { .. }
            | ClinchError::Unavailable { status: None, .. }
            | ClinchError::Fenced
            | ClinchError::GrantRevoked
            | ClinchError::GrantPaused,
        ) => Sign::None,
        Err(error) if error.is_outage() => Sign::Down,
        _ => Sign::Up,
    }
}

impl OutageBreaker {
    /// Admits a call, once the caller has carried out the trial that is due, or returns why not.
    pub(super) async fn admit(&self) -> Result<Option<Trial<'_>>, ClinchError> {
        if !self.is_trial_due()? {
            return Ok(None);
        }
        let turn = self.turn.lock().await;
        // Another caller's trial may have decided meanwhile.
        Ok(self.is_trial_due()?.then_some(Trial { breaker: self, _turn: turn }))
    }

    fn is_trial_due(&self) -> Result<bool, ClinchError> {
        let failures = self.lock();
        let open_until = failures.open_until.unwrap_or_else(Instant::now);
        let left = open_until.saturating_duration_since(Instant::now());
        if failures.in_a_row < FAILURES_TO_DOUBT {
            Ok(false)
        } else if left.is_zero() {
            Ok(true)
        } else {
            let retry_after = Some(left.max(Duration::from_secs(1)));
            Err(ClinchError::Unavailable { status: None, retry_after })
        }
    }

    /// Records how a call ended.
    pub(super) fn record<T>(&self, result: &Result<T, ClinchError>) {
        let mut failures = self.lock();
        match sign(result) {
            Sign::Up => *failures = Failures::default(),
            Sign::Down => failures.in_a_row = failures.in_a_row.saturating_add(1),
            Sign::None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trial<'_> {
    /// Records how the trial ended. Returns why the calls that waited for it are not admitted.
    pub(super) fn ended<T>(self, result: Result<T, ClinchError>) -> Result<(), ClinchError> {
        self.breaker.record(&result);
        match (sign(&result), result) {
            (Sign::Up, _) | (_, Ok(_)) => Ok(()),
            (Sign::Down, Err(error)) => {
                self.breaker.lock().open_until = Some(Instant::now() + OPEN_FOR);
                Err(error)
            }
            (Sign::None, Err(error)) => Err(error),
        }
    }
}
