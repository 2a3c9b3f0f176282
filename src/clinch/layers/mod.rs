//! The layers every request passes through, outermost first: [`deadline`], [`retry`],
//! [`rate_limit`], [`attempt_timeout`], [`sign`], [`observe`], [`transport`]. Each layer knows only
//! the next inner one.

mod attempt_timeout;
mod deadline;
pub mod observe;
mod rate_limit;
mod retry;
mod sign;
pub mod transport;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    account::Account,
    circuit_breaker::CredentialStanding,
    wire::{CallError, Request, Response},
};
use crate::domain::{Clock, Credentials, Fence};

/// One layer, including everything inside it.
pub(super) trait Call<R>: Send + Sync {
    /// Sends a request and returns its response.
    fn call(&self, request: R) -> impl Future<Output = Result<Response, CallError>> + Send;
}

/// How often to look whether a caller ends.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a request of a caller that ends may still wait: usual for a rate, but not for a pause.
const MOMENT: Duration = Duration::from_millis(400);

/// Returns a moment after the caller of a request has ended, as it does not wait for longer. Never, if
/// it does not end.
async fn given_up(request: &Request) {
    let Some(grant) = &request.grant else { return std::future::pending().await };
    while !grant.has_ended() {
        sleep(LOOK_EVERY).await;
    }
    sleep(MOMENT).await;
}

/// All layers.
pub(super) type Stack = deadline::Deadline<
    retry::Retry<
        rate_limit::RateLimit<
            attempt_timeout::AttemptTimeout<sign::Sign<observe::Observe<transport::Innermost>>>,
        >,
    >,
>;

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// One operation with all its attempts and waits.
    pub operation: Duration,
    /// One attempt, from the rate permit to the last byte of the response.
    pub attempt: Duration,
    /// DNS, TCP and TLS.
    pub connect: Duration,
    /// After a create whose outcome is in doubt: the minimum time to allow for the request to
    /// finish. It grows where creates were seen to take longer.
    pub quiet: Duration,
    /// After the process died: how long a request it sent may still be in progress.
    pub orphaned: Duration,
}

impl Timeouts {
    /// The timeouts that follow from the length of one attempt.
    pub fn of_attempt(attempt: Duration) -> Self {
        Self {
            operation: attempt.saturating_mul(3),
            attempt,
            connect: Duration::from_secs(5).min(attempt),
            quiet: Duration::from_secs(2),
            orphaned: attempt,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::of_attempt(Duration::from_secs(30))
    }
}

/// A source of random numbers in 0..1, for jitter.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Jitter that calls `next`.
    pub fn new(next: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The next number.
    pub fn next(&self) -> f64 {
        (self.0)().clamp(0.0, 1.0)
    }
}

impl std::fmt::Debug for Jitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jitter")
    }
}

/// What the layers are built from.
pub(super) struct Parts {
    pub integration: Arc<str>,
    pub credentials: Credentials,
    pub timeouts: Timeouts,
    pub clock: Clock,
    pub jitter: Jitter,
    pub fence: Fence,
    pub standing: CredentialStanding,
    pub account: Arc<Account>,
    pub observer: Arc<dyn observe::Observer>,
    pub transport: Arc<dyn transport::Transport>,
}

/// Builds all layers, innermost first.
pub(super) fn stack(parts: Parts) -> Stack {
    let innermost = transport::Innermost(parts.transport);
    let to = (Arc::clone(&parts.observer), Arc::clone(&parts.integration));
    let observed = observe::Observe::new(innermost, parts.observer, parts.integration);
    let signed = sign::Sign::new(observed, parts.credentials, parts.clock.clone());
    let timed = attempt_timeout::AttemptTimeout::new(signed, parts.timeouts.attempt);
    let limited = rate_limit::RateLimit::new(
        timed,
        parts.account,
        parts.fence,
        parts.standing,
        parts.clock.clone(),
        to,
    );
    let retried = retry::Retry::new(limited, parts.clock, parts.jitter);
    deadline::Deadline::new(retried, parts.timeouts.operation)
}
