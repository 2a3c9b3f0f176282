//! The layers every request goes through, outermost first: [`deadline`], [`retry`], [`permit`],
//! [`attempt_timeout`], [`sign`], [`observe`], [`transport`]. Each knows only the one inside it.

pub mod attempt_timeout;
pub mod deadline;
pub mod observe;
pub mod permit;
pub mod retry;
pub mod sign;
pub mod transport;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    account::Account,
    gate::Shutter,
    wire::{Answer, Failure},
};
use crate::domain::{Clock, Credentials, Fence};

/// What every layer's call gives.
pub type Calling = BoxFuture<'static, Result<Answer, Failure>>;

/// The whole stack over some innermost service.
pub type Stack<T> = deadline::Deadline<
    retry::Retry<
        permit::RatePermit<attempt_timeout::AttemptTimeout<sign::Sign<observe::Observe<T>>>>,
    >,
>;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// One operation with all its attempts and waits.
    pub operation: Duration,
    /// One attempt, from the rate permit to the last byte of the answer.
    pub attempt: Duration,
    /// Name look-up, TCP and TLS.
    pub connect: Duration,
    /// After a create that Clinch did not surely answer: how long it may still be carried out
    /// unseen, at least. It is longer where creates were seen to take longer.
    pub quiet: Duration,
    /// After a process died: how long a request of it may still be carried out.
    pub orphaned: Duration,
}

impl Timeouts {
    /// The timeouts for one attempt of that length: what is not said follows from it.
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

/// A source of numbers in 0..1, for jitter.
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

/// What the layers need beside the request.
#[derive(Clone)]
pub(super) struct Parts {
    pub integration: Arc<str>,
    pub credentials: Credentials,
    pub timeouts: Timeouts,
    pub clock: Clock,
    pub jitter: Jitter,
    pub fence: Fence,
    pub shutter: Shutter,
    pub account: Arc<Account>,
    pub observer: Arc<dyn observe::Observer>,
}

/// Puts the layers over `transport`.
pub(super) fn stack<T>(parts: Parts, transport: T) -> Stack<T> {
    let observed = observe::Observe::new(transport, parts.observer, parts.integration);
    let signed = sign::Sign::new(observed, parts.credentials, parts.clock.clone());
    let timed = attempt_timeout::AttemptTimeout::new(signed, parts.timeouts.attempt);
    let permitted = permit::RatePermit::new(
        timed,
        parts.account,
        parts.fence,
        parts.shutter,
        parts.clock.clone(),
    );
    let retried = retry::Retry::new(permitted, parts.clock, parts.jitter);
    deadline::Deadline::new(retried, parts.timeouts.operation)
}
