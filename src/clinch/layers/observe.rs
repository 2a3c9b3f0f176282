//! Tells an observer about every attempt: operation, outcome, duration. Reads the tokio clock; no
//! other I/O. Nothing of a request's or an answer's content is passed on.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use super::{Calling, sign::Signed};
use crate::clinch::wire::{Answer, Failure};

/// Sees attempts; metrics and tests count with it.
pub trait Observer: Send + Sync {
    /// One attempt has ended. `integration` is its UID.
    fn attempt(&self, integration: &str, attempt: &Attempt);

    /// Clinch has begun to reject the credential: told once, until it is accepted again.
    fn credentials_rejected(&self, integration: &str) {
        let _ = integration;
    }
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The operation's name, e.g. `createCandidate`; `openApi` for the API document.
    pub operation: &'static str,
    /// How it ended.
    pub ended: Ended,
    /// How long it took, without the wait for its permit.
    pub duration: Duration,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With an answer of that status.
    Status(u16),
    /// Without an answer: no connection, or it was cut.
    NoAnswer,
    /// It was given up: a timeout, or whoever asked went away.
    Abandoned,
}

impl Ended {
    /// The class, as a metric label: `2xx` ... `5xx`, `none`, `abandoned`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Status(200..=299) => "2xx",
            Self::Status(300..=399) => "3xx",
            Self::Status(400..=499) => "4xx",
            Self::Status(500..=599) => "5xx",
            Self::Status(_) => "other",
            Self::NoAnswer => "none",
            Self::Abandoned => "abandoned",
        }
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn attempt(&self, _: &str, _: &Attempt) {}
}

/// The observing layer.
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    observer: Arc<dyn Observer>,
    integration: Arc<str>,
}

impl<S> Observe<S> {
    pub(super) fn new(inner: S, observer: Arc<dyn Observer>, integration: Arc<str>) -> Self {
        Self { inner, observer, integration }
    }
}

/// Reports on drop, so that attempts cut off from outside are seen as well.
struct Report {
    observer: Arc<dyn Observer>,
    integration: Arc<str>,
    operation: &'static str,
    started: Instant,
    ended: Ended,
}

impl Drop for Report {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let attempt = Attempt { operation: self.operation, ended: self.ended, duration };
        self.observer.attempt(&self.integration, &attempt);
        tracing::debug!(
            operation = self.operation,
            outcome = self.ended.class(),
            millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "clinch attempt"
        );
    }
}

impl<S> Service<Signed> for Observe<S>
where
    S: Service<Signed, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Failure;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, signed: Signed) -> Calling {
        let inner = self.inner.clone();
        let report = Report {
            observer: Arc::clone(&self.observer),
            integration: Arc::clone(&self.integration),
            operation: signed.outgoing.operation,
            started: Instant::now(),
            ended: Ended::Abandoned,
        };
        Box::pin(async move {
            // The whole value moves in: captured by field, it would be dropped, and report, now.
            let mut report = report;
            let result = inner.oneshot(signed).await;
            report.ended = match &result {
                Ok(answer) => Ended::Status(answer.status.as_u16()),
                Err(_) => Ended::NoAnswer,
            };
            result
        })
    }
}
