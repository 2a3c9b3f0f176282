//! Requests by annotation that are accepted once an hour at most, because they may cost a request to
//! Clinch for each person. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::REQUEST_ONCE_IN;

/// A request that has no receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// There is none.
    No,
    /// It is acted on; this is its receipt.
    Accepted(String),
    /// It comes too early, and is accepted then.
    From(Timestamp),
}

/// The request that an annotation makes. `last`: when it was last acted on.
pub(super) fn asked(
    meta: &ObjectMeta,
    annotation: &str,
    receipt: Option<&String>,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Asked {
    let annotations = meta.annotations.as_ref();
    let Some(value) = annotations.and_then(|all| all.get(annotation)) else {
        return Asked::No;
    };
    let value: String = value.chars().take(256).collect();
    if receipt == Some(&value) {
        return Asked::No;
    }
    let from = last.and_then(|last| last.checked_add(REQUEST_ONCE_IN).ok());
    // A time in the future is the error of some clock.
    match from.filter(|from| now < *from && last.is_some_and(|last| last <= now)) {
        Some(from) => Asked::From(from),
        None => Asked::Accepted(value),
    }
}

impl Asked {
    /// Whether it is acted on.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// The wait for the next pass, which must not be later than the moment of acceptance.
    pub(super) fn wait(&self, wait: Option<Duration>, now: Timestamp) -> Option<Duration> {
        let Self::From(from) = self else { return wait };
        Some(sooner(wait, *from, now))
    }
}

/// The wait for the next pass, which must not be later than `at`.
pub(super) fn sooner(wait: Option<Duration>, at: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    wait.map_or(left, |wait| wait.min(left))
}
