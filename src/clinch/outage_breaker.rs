//! The circuit breaker of an account: refuses calls while Clinch is down. *Open* means that calls are
//! refused. Reads the tokio clock; no other I/O.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::error::ClinchError;

/// Consecutive failures that open the breaker.
pub(super) const FAILURES_TO_OPEN: u32 = 5;
/// How long it stays open before one call is let through as a trial.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(10);

/// Opens after consecutive failures, for all clients of an account.
#[derive(Debug, Default)]
pub(super) struct OutageBreaker(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    open_until: Option<Instant>,
    trial_in_progress: bool,
}

impl OutageBreaker {
    /// Admits a call, perhaps as the trial (`true`), or returns why not.
    pub(super) fn admit(&self) -> Result<bool, ClinchError> {
        let mut failures = self.lock();
        let Some(until) = failures.open_until else { return Ok(false) };
        let left = until.saturating_duration_since(Instant::now());
        if failures.trial_in_progress || !left.is_zero() {
            let retry_after = Some(left.max(Duration::from_secs(1)));
            return Err(ClinchError::Unavailable { status: None, retry_after });
        }
        failures.trial_in_progress = true;
        Ok(true)
    }

    /// Records how a call ended.
    pub(super) fn record<T>(&self, result: &Result<T, ClinchError>) {
        let mut failures = self.lock();
        match result {
            // Nothing was sent, or the response says nothing about the API's health.
            Err(
                ClinchError::RateLimited { .. }
                | ClinchError::Unavailable { status: None, .. }
                | ClinchError::Fenced
                | ClinchError::GrantRevoked
                | ClinchError::GrantPaused,
            ) => {}
            Err(error) if error.is_outage() => {
                failures.in_a_row = failures.in_a_row.saturating_add(1);
                if failures.in_a_row >= FAILURES_TO_OPEN {
                    failures.open_until = Some(Instant::now() + OPEN_FOR);
                }
            }
            _ => {
                failures.in_a_row = 0;
                failures.open_until = None;
            }
        }
    }

    /// The trial ended or was cancelled: the next one may be admitted.
    pub(super) fn end_trial(&self) {
        self.lock().trial_in_progress = false;
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
