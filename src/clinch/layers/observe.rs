//! Reports every attempt to an observer, and as a span of a trace: operation, outcome, duration. Reads
//! the tokio clock; no other I/O. Never passes on the content of a request or response.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{Span, field::Empty, info_span};

use super::Call;
use crate::{
    clinch::wire::{CallError, Request, Response, SignedRequest},
    domain::SPANS,
};

/// Receives attempts; metrics and tests implement it.
pub trait Observer: Send + Sync {
    /// An attempt ended. `integration` is the integration's UID.
    fn attempt(&self, integration: &str, attempt: &Attempt);

    /// Clinch started to reject the credential. Called once until the credential is accepted
    /// again.
    fn credentials_rejected(&self, integration: &str) {
        let _ = integration;
    }

    /// Clinch answered 429, and every request of the account waits for `pause` longer than before.
    fn rate_limited(&self, integration: &str, pause: Duration) {
        let _ = (integration, pause);
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
    /// With a response of that status.
    Status(u16),
    /// Without a response: no connection, or the connection was lost.
    NoResponse,
    /// Abandoned: it timed out, or the caller went away.
    Abandoned,
}

impl Ended {
    /// The HTTP status, if there was a response.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(code) => Some(code),
            Self::NoResponse | Self::Abandoned => None,
        }
    }

    /// Every class.
    pub const CLASSES: [&'static str; 11] =
        ["2xx", "3xx", "401", "404", "422", "429", "4xx", "5xx", "other", "none", "abandoned"];

    /// The class, as a metric label: `2xx` ... `5xx`, `none`, `abandoned`. Refusals that call for
    /// different reactions have classes of their own: `401`, `404`, `422`, `429`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Status(401) => "401",
            Self::Status(404) => "404",
            Self::Status(422) => "422",
            Self::Status(429) => "429",
            Self::Status(200..=299) => "2xx",
            Self::Status(300..=399) => "3xx",
            Self::Status(400..=499) => "4xx",
            Self::Status(500..=599) => "5xx",
            Self::Status(_) => "other",
            Self::NoResponse => "none",
            Self::Abandoned => "abandoned",
        }
    }
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn attempt(&self, _: &str, _: &Attempt) {}
}

/// The observing layer.
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

/// The span of one attempt. It is closed by its drop and never entered: nothing is inside it.
fn span_of(request: &Request, integration: &str) -> Span {
    let Request { method, route, operation, attempt, .. } = request;
    info_span!(
        target: SPANS,
        "call",
        otel.kind = "client",
        otel.name = route.as_ref().map(|route| display(format!("{method} {route}"))),
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        // Absent of the first attempt, as the semantic conventions ask.
        http.request.resend_count = (*attempt > 0).then_some(i64::from(*attempt)),
        http.response.status_code = Empty,
        url.template = route.as_ref().map(display),
        "error.type" = Empty,
        clinch.operation = *operation,
        clinch.integration.uid = integration,
    )
}

/// Completes the span of an attempt.
fn finish(span: &Span, ended: Ended) {
    if let Some(code) = ended.status() {
        span.record("http.response.status_code", i64::from(code));
    }
    match ended {
        Ended::Status(100..=399) => return,
        Ended::Status(code) => span.record("error.type", code.to_string()),
        Ended::NoResponse => span.record("error.type", "no_response"),
        Ended::Abandoned => span.record("error.type", "abandoned"),
    };
    span.record("otel.status_code", "error");
}

/// Reports on drop, so that abandoned attempts are reported as well.
struct Report<'a> {
    observer: &'a dyn Observer,
    integration: &'a str,
    operation: &'static str,
    export: Option<Arc<str>>,
    started: Instant,
    ended: Ended,
    span: Span,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        finish(&self.span, self.ended);
        let duration = self.started.elapsed();
        let attempt = Attempt { operation: self.operation, ended: self.ended, duration };
        self.observer.attempt(self.integration, &attempt);
        tracing::debug!(
            export = self.export.as_deref(),
            operation = self.operation,
            status = self.ended.status(),
            outcome = self.ended.class(),
            millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "clinch attempt"
        );
    }
}

impl<S: Call<SignedRequest>> Call<SignedRequest> for Observe<S> {
    async fn call(&self, signed: SignedRequest) -> Result<Response, CallError> {
        let mut report = Report {
            observer: &*self.observer,
            integration: &self.integration,
            operation: signed.request.operation,
            export: signed.request.export.clone(),
            started: Instant::now(),
            ended: Ended::Abandoned,
            span: span_of(&signed.request, &self.integration),
        };
        let result = self.inner.call(signed).await;
        report.ended = match &result {
            Ok(response) => Ended::Status(response.status.as_u16()),
            Err(_) => Ended::NoResponse,
        };
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_call_for_different_reactions_have_different_classes() {
        let codes = [204, 302, 401, 404, 422, 429, 400, 503, 700].map(Ended::Status);
        let found: Vec<&str> = codes
            .into_iter()
            .chain([Ended::NoResponse, Ended::Abandoned])
            .map(Ended::class)
            .collect();
        assert_eq!(found, Ended::CLASSES);
    }
}
