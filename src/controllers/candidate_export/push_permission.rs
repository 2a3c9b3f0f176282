//! Whether the integration permits an export's destination, and the grant that a run has while it
//! does. Pure, except that the grant reads the cached integration.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

use super::gather::Gathered;
use crate::{
    api::{
        CandidateExportStatus, ClinchIntegration, ClinchIntegrationSpec, ConditionType,
        ExportDestination, JobPermission, Permission, PushPermission, Region,
    },
    cluster::{Cluster, ObjectKey, integration_of},
    conditions::Observation,
    controllers::{
        access::{Access, access_of},
        runs::{RunPhase, RunState},
    },
    domain::{Disposition, Grant, GrantState, Reason},
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

/// Why the push permission refuses files and reports, if so.
pub(super) fn refuses_files(permission: &PushPermission) -> Option<String> {
    (permission.files == Permission::Denied).then(|| {
        "the integration does not permit files and reports; ask its admin to set \
         spec.pushPermission.files: Allowed"
            .to_owned()
    })
}

/// What the push permission says of a destination.
pub(super) fn permitted(destination: &ExportDestination, permission: &PushPermission) -> Permitted {
    if destination.file.is_some() {
        return refuses_files(permission).map_or(Permitted::Yes, Permitted::No);
    }
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

/// What an integration contacts.
fn contacted(spec: &ClinchIntegrationSpec) -> (Option<Region>, Option<String>) {
    (spec.region, spec.endpoint.clone())
}

/// The grant of a run that writes a file. It is revoked as soon as the integration is seen to be
/// deleted, to be closed to the export's namespace, or to forbid files.
pub(super) fn file_grant<C: Cluster>(cluster: &C, gathered: &Gathered) -> Grant {
    let spec = &gathered.export.spec;
    let integration = integration_of(gathered.key(), spec);
    let (cluster, namespace) = (cluster.clone(), gathered.key().namespace.clone());
    let destination = spec.destination.clone();
    Grant::new(move || {
        let labels = |namespace: &str| cluster.namespace_labels(namespace);
        let permits = cluster.integration(&integration).is_some_and(|found| {
            access_of(&integration, &found.spec, &namespace, labels) == Access::Granted
                && permitted(&destination, &found.spec.push_permission) == Permitted::Yes
        });
        if permits { GrantState::Valid } else { GrantState::Revoked }
    })
}

/// The grant of a run that starts now. It is revoked as soon as the integration is seen to be
/// deleted, to be closed to the export's namespace, to forbid the destination, or to name another
/// endpoint; and paused while its Secret is seen to be deleted, or to have changed since its value was
/// read.
pub(super) fn grant<C: Cluster>(cluster: &C, gathered: &Gathered) -> Grant {
    let spec = &gathered.export.spec;
    let integration = integration_of(gathered.key(), spec);
    let (cluster, namespace) = (cluster.clone(), gathered.key().namespace.clone());
    let (destination, seen) = (spec.destination.clone(), cluster.clone());
    // Clinch was asked about the job under these rules; under others the answer may differ.
    let started = gathered.integration.granted().map(|found| found.spec.push_permission.clone());
    let contacted = gathered.integration.granted().map(|found| contacted(&found.spec));
    let holds = move |found: &ClinchIntegration, key: &ObjectKey| {
        let now = &found.spec.push_permission;
        let labels = |namespace: &str| seen.namespace_labels(namespace);
        access_of(key, &found.spec, &namespace, labels) == Access::Granted
            && contacted.as_ref() == Some(&self::contacted(&found.spec))
            && match permitted(&destination, now) {
                Permitted::Yes => true,
                Permitted::AskClinch => started.as_ref() == Some(now),
                Permitted::No(_) => false,
            }
    };
    // How often the Secret had changed when the value in use was read.
    let connection = gathered.connection.as_ref();
    let read = connection.map(|open| open.secret_seen.clone()).unwrap_or_default();
    // Checked before every request, and computed again only when the object has changed.
    let known = Mutex::new(None::<(Arc<ClinchIntegration>, bool)>);
    let own = integration.clone();
    let permits = move |found: &Arc<ClinchIntegration>| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, answer)) = &*known
            && Arc::ptr_eq(seen, found)
            // The labels of a namespace change without the integration.
            && found.spec.access.namespace_selector.is_none()
        {
            return *answer;
        }
        let answer = holds(found, &own);
        *known = Some((found.clone(), answer));
        answer
    };
    Grant::new(move || match cluster.integration(&integration) {
        Some(found) if permits(&found) => {
            let secret = integration.sibling(&found.spec.credentials.secret_ref.name);
            // Also while a pass of the integration is in progress that has read it.
            let changed = cluster.secret_changes(&secret) > read.load(Ordering::Relaxed);
            let paused = changed || cluster.secret_gone(&secret);
            if paused { GrantState::Paused } else { GrantState::Valid }
        }
        _ => GrantState::Revoked,
    })
}

/// Replaces the condition of a destination that only Clinch knows by what the latest run found.
pub(super) fn learned(
    observations: &mut Vec<Observation>,
    revision: &str,
    previous: &CandidateExportStatus,
    run: Option<&RunState>,
) {
    let run = run.filter(|run| run.revision == revision);
    let applied = previous.last_applied_revision.as_deref() == Some(revision);
    let learned = if applied || run.is_some_and(RunState::is_completed) {
        let message = "the destination is permitted, or nothing had to be sent";
        Observation::new(ConditionType::Permitted, true, Reason::Allowed, message)
    } else if let Some(message) = run.and_then(refused) {
        Observation::new(ConditionType::Permitted, false, Reason::NotPermitted, message)
    } else {
        return;
    };
    observations.retain(|observation| observation.condition != ConditionType::Permitted);
    observations.push(learned);
}

fn refused(run: &RunState) -> Option<String> {
    let RunPhase::Ended(ended) = &run.phase else { return None };
    match &ended.report.ending {
        Ending::Interrupted {
            disposition: Disposition::Stalled { reason: Reason::NotPermitted },
            message,
        } => Some(message.clone()),
        _ => None,
    }
}
