//! The spans of reconciles and runs, from which traces are made. Attributes are ids and words of closed
//! sets; docs/OPERATIONS.md lists them.

use tracing::{Span, field::Empty, info_span};

use super::observer::{RunOutcome, Work};
use crate::{
    cluster::{Kind, ObjectKey, ObjectRef},
    domain::SPANS,
};

/// A pass over one object.
pub(super) fn reconcile(kind: Kind, key: &ObjectKey) -> Span {
    info_span!(
        target: SPANS,
        "reconcile",
        k8s.namespace.name = key.namespace,
        clinch.object.kind = kind.as_str(),
        clinch.object.name = key.name,
        clinch.object.uid = Empty,
        clinch.reconcile.outcome = Empty,
        otel.status_code = Empty,
    )
}

/// Adds what is known of the object once it was read, to the span of the pass over it.
pub(super) fn identify(reference: &ObjectRef) {
    Span::current().record("clinch.object.uid", reference.uid.as_str());
}

/// Completes the span of a pass.
pub(super) fn reconciled(span: &Span, ok: bool) {
    span.record("clinch.reconcile.outcome", if ok { "ok" } else { "error" });
    if !ok {
        span.record("otel.status_code", "error");
    }
}

/// A run, as part of the pass that starts it. `attempt`: attempts at the revision before this one.
pub(super) fn run(work: Work, of: &ObjectRef, revision: &str, attempt: u32) -> Span {
    info_span!(
        target: SPANS,
        "run",
        k8s.namespace.name = of.key.namespace,
        clinch.object.kind = of.kind.as_str(),
        clinch.object.name = of.key.name,
        clinch.object.uid = of.uid,
        clinch.run.work = work.as_str(),
        clinch.run.revision = revision,
        clinch.run.attempt = i64::from(attempt) + 1,
        clinch.run.outcome = Empty,
        otel.status_code = Empty,
    )
}

/// Completes the span of a run.
pub(super) fn ended(span: &Span, outcome: RunOutcome) {
    span.record("clinch.run.outcome", outcome.as_str());
    if matches!(outcome, RunOutcome::Interrupted | RunOutcome::SourceFailed) {
        span.record("otel.status_code", "error");
    }
}
