//! Whether the integration permits an export's destination, and the leave that a run has while it
//! does. Pure but for the question the leave asks of what was last seen of the integration.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    super::access::{Standing, standing},
    gather::Gathered,
    runs::{Slot, SlotState},
};
use crate::{
    api::{
        CandidateExportStatus, ClinchIntegration, ConditionType, ExportDestination, JobPermission,
        Permission, PushPermission,
    },
    cluster::{Cluster, ObjectKey, integration_of},
    conditions::Observation,
    domain::{Disposition, Leave, Reason},
    pipeline::{Ending, JobRule, JobRules, RuleVerdict},
};

/// What the push permission says of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permitted {
    /// Permitted.
    Yes,
    /// The rules may mean this job by its other name: Clinch is asked when a run starts.
    AskClinch,
    /// Refused, and what to do about it.
    No(String),
}

/// The rules of a push permission.
pub(super) fn rules(permission: &PushPermission) -> JobRules {
    let rule =
        |rule: &JobPermission| JobRule { job: rule.job.clone(), stages: rule.stages.clone() };
    JobRules(permission.jobs.iter().map(rule).collect())
}

/// What the push permission says of a destination.
pub(super) fn permitted(destination: &ExportDestination, permission: &PushPermission) -> Permitted {
    let Some(job) = &destination.job else {
        return match permission.prospects {
            Permission::Allowed => Permitted::Yes,
            Permission::Denied => Permitted::No(
                "the integration does not permit pushing prospects; ask its admin to set \
                 spec.pushPermission.prospects: Allowed, or name a job"
                    .to_owned(),
            ),
        };
    };
    let named = job.id.as_deref().or(job.reference.as_deref()).unwrap_or_default();
    let rules = rules(permission);
    match rules.evaluate(named, &job.stage) {
        RuleVerdict::Allowed => Permitted::Yes,
        RuleVerdict::AskClinch => Permitted::AskClinch,
        RuleVerdict::Refused => Permitted::No(rules.refusal(named, &job.stage)),
    }
}

/// The leave of a run that starts now: it ends as soon as the integration is seen to be gone, to
/// close itself to the export's namespace, or to withdraw the destination.
pub(super) fn leave<C: Cluster>(cluster: &C, gathered: &Gathered) -> Leave {
    let spec = &gathered.export.spec;
    let integration = integration_of(&gathered.key, spec);
    let (cluster, namespace) = (cluster.clone(), gathered.key.namespace.clone());
    let (destination, seen) = (spec.destination.clone(), cluster.clone());
    // Which job was meant was told under these rules, and may be another one under others.
    let started = gathered.integration.granted().map(|found| found.spec.push_permission.clone());
    let holds = move |found: &ClinchIntegration, key: &ObjectKey| {
        let now = &found.spec.push_permission;
        let labels = |namespace: &str| seen.namespace_labels(namespace);
        standing(key, &found.spec, &namespace, labels) == Standing::Granted
            && match permitted(&destination, now) {
                Permitted::Yes => true,
                Permitted::AskClinch => started.as_ref() == Some(now),
                Permitted::No(_) => false,
            }
    };
    // Asked before every request, and answered anew only when another object is seen.
    let known = Mutex::new(None::<(Arc<ClinchIntegration>, bool)>);
    Leave::new(move || {
        let Some(found) = cluster.integration(&integration) else { return false };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, answer)) = &*known
            && Arc::ptr_eq(seen, &found)
            // Labels of a namespace change without the integration.
            && found.spec.access.namespace_selector.is_none()
        {
            return *answer;
        }
        let answer = holds(&found, &integration);
        *known = Some((found, answer));
        answer
    })
}

/// Tells what the latest run has learned of a destination that only Clinch could tell about.
pub(super) fn learned(
    observations: &mut Vec<Observation>,
    revision: &str,
    previous: &CandidateExportStatus,
    slot: Option<&Slot>,
) {
    let slot = slot.filter(|slot| slot.revision == revision);
    let applied = previous.last_applied_revision.as_deref() == Some(revision);
    let learned = if applied || slot.is_some_and(Slot::is_completed) {
        let message = "the destination is permitted, or nothing had to be sent";
        Observation::new(ConditionType::Permitted, true, Reason::Allowed, message)
    } else if let Some(message) = slot.and_then(refused) {
        Observation::new(ConditionType::Permitted, false, Reason::NotPermitted, message)
    } else {
        return;
    };
    observations.retain(|observation| observation.condition != ConditionType::Permitted);
    observations.push(learned);
}

fn refused(slot: &Slot) -> Option<String> {
    let SlotState::Ended(ended) = &slot.state else { return None };
    match &ended.report.ending {
        Ending::Interrupted {
            disposition: Disposition::Stalled { reason: Reason::NotPermitted },
            message,
        } => Some(message.clone()),
        _ => None,
    }
}
