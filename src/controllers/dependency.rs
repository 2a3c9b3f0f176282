//! Whether the integration that an export or import refers to can be used. Pure.

use super::{
    check::Check,
    connections::{Connection, basis},
    references::{IntegrationFound, Sending},
};
use crate::{
    api::{ClinchIntegration, ConditionType, STATUS_TRUE},
    conditions::{Observation, Verdict, find, is_ready},
    domain::{Cause, Reason},
    ledger::Suppressions,
};

/// What has to be usable, and for what.
pub(super) struct Needed<'a> {
    /// The integration.
    pub(super) integration: &'a IntegrationFound,
    /// The shard to which it goes, if it leaves this process.
    pub(super) leaving: Option<&'a str>,
    /// What uses it: `export` or `import`.
    pub(super) what: &'static str,
    /// The namespace of what uses it.
    pub(super) namespace: &'a str,
    /// The name that it refers to.
    pub(super) name: &'a str,
    /// The verified connection.
    pub(super) connection: Option<&'a Connection>,
    /// Whether runs in progress may use it.
    pub(super) sending: Sending,
    /// For a file, which needs no connection: who must not leave.
    pub(super) lists: Option<&'a Option<Result<Suppressions, Cause>>>,
}

/// Whether the integration is ready to be used.
pub(super) fn check(needed: &Needed<'_>) -> Check<()> {
    let (namespace, name) = (needed.namespace, needed.name);
    let observe = |status, reason, message: String| {
        Observation::new(ConditionType::IntegrationReady, status, reason, message)
    };
    let waiting = |reason, message: String| Check {
        value: None,
        observation: observe(Some(false), reason, message.clone()),
        fault: Some(Verdict::reconciling(reason, message)),
    };
    let stalled = |reason, message: String| Check {
        value: None,
        observation: observe(Some(false), reason, message.clone()),
        fault: Some(Verdict::stalled(reason, message)),
    };
    let found = match needed.integration {
        IntegrationFound::Granted(found) => found,
        IntegrationFound::Missing(named) if named.namespace == namespace => {
            let name = &named.name;
            let message = format!("ClinchIntegration {name} is not in this namespace");
            return waiting(Reason::DependencyNotFound, message);
        }
        // One answer for "does not exist" and "may not be used": an export must not reveal
        // what other namespaces have.
        IntegrationFound::Missing(named) => {
            let message = format!(
                "ClinchIntegration {named} does not exist, or this namespace may not use it; fix \
                 spec.integrationRef, or ask the admin of namespace {} for access",
                named.namespace
            );
            return waiting(Reason::DependencyNotFound, message);
        }
        IntegrationFound::Awaiting(named) => {
            let message = format!(
                "ask the admin of ClinchIntegration {named} to add namespace {namespace} to \
                 spec.access.approved; this {} then continues by itself",
                needed.what
            );
            return waiting(Reason::AwaitingApproval, message);
        }
        IntegrationFound::Denied(named) => {
            let message = format!(
                "the admin of ClinchIntegration {named} has denied namespace {namespace} the use of \
                 it: spec.access.denied"
            );
            return stalled(Reason::NotPermitted, message);
        }
    };
    if let Some(shard) = needed.leaving {
        let message = format!("ClinchIntegration {name} is handed over to shard {shard}");
        return waiting(Reason::HandingOver, message);
    }
    if found.spec.suspend {
        let message = format!("ClinchIntegration {name} is suspended");
        return waiting(Reason::IntegrationSuspended, message);
    }
    let usable = |message: String| Check {
        value: Some(()),
        observation: observe(Some(true), Reason::Ready, message),
        fault: None,
    };
    let generation = found.metadata.generation.unwrap_or_default();
    match needed.lists {
        // A file sends nothing to Clinch, and needs no verified credential.
        Some(Some(Ok(_))) => {
            return usable(format!("ClinchIntegration {name} says who must not leave"));
        }
        Some(Some(Err(Cause { message, .. }))) => {
            let message = format!("ClinchIntegration {name}: {message}");
            return waiting(Reason::SuppressionUnreadable, message);
        }
        None if is_ready(found.status.as_ref(), generation) || is_still_ready(found, needed) => {
            return usable(format!("ClinchIntegration {name} is ready"));
        }
        Some(None) | None => {}
    }
    let reason = why_not_ready(found, generation);
    let message = match reason {
        Some(reason) => format!("ClinchIntegration {name} is not ready: {reason}"),
        None => format!("ClinchIntegration {name} has not been verified yet"),
    };
    if let Some(
        reason @ (Reason::AccountShared | Reason::AccountChanged | Reason::SuppressionUnreadable),
    ) = reason
    {
        // Not as `DependencyNotReady`, which passes: a run in progress has to end, too.
        return waiting(reason, message);
    }
    if reason == Some(Reason::EnvironmentMismatch) {
        return stalled(Reason::EnvironmentMismatch, message);
    }
    waiting(Reason::DependencyNotReady, message)
}

/// Why an integration is not Ready, as its status says.
fn why_not_ready(found: &ClinchIntegration, generation: i64) -> Option<Reason> {
    let status = found.status.as_ref();
    let ready = status
        .filter(|status| status.observed_generation == Some(generation))
        .and_then(|status| find(&status.conditions, ConditionType::Ready))
        .filter(|ready| ready.status != STATUS_TRUE);
    ready.and_then(|ready| Reason::from_word(&ready.reason))
}

/// Whether an integration was Ready before an edit that its status does not know yet, and the edit
/// leaves alone which account is contacted and how. Then its connection stays open.
fn is_still_ready(found: &ClinchIntegration, needed: &Needed<'_>) -> bool {
    let observed = found.status.as_ref().and_then(|status| status.observed_generation);
    let was_ready = observed.is_some_and(|observed| is_ready(found.status.as_ref(), observed));
    let open = needed.connection.filter(|_| needed.sending == Sending::Permitted);
    was_ready && open.is_some_and(|open| open.basis == basis(&found.spec))
}

/// Whether the integration is not ready, which passes.
pub(super) fn is_unready(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Reconciling(cause) if cause.reason == Reason::DependencyNotReady)
}

/// The Secret of the integration is gone or has changed, and its status does not say so yet.
pub(super) fn secret_gone() -> Verdict {
    let message = "the Secret of the integration was deleted or changed";
    Verdict::reconciling(Reason::DependencyNotReady, message)
}

/// There is no verified connection.
pub(super) fn not_verified() -> Verdict {
    let message = "the integration has not been verified since the operator started";
    Verdict::reconciling(Reason::DependencyNotReady, message)
}
