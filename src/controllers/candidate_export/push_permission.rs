//! Whether the integration permits an export's destination, and the grant that a run has while it
//! does. Pure, except that the grant reads the cached integration.

use super::{file_target::TargetFound, gather::Gathered};
use crate::{
    api::{
        CandidateExportSpec, CandidateExportStatus, ClinchIntegrationSpec, ConditionType,
        ExportDestination, ExportMode, JobPermission, Permission, PlanApproval, PushPermission,
    },
    cluster::{Cluster, integration_of},
    conditions::Observation,
    controllers::{
        access::{Access, access_of},
        grants::{Used, is_ours, of_run},
        read_permission::{not_listed, reveals},
        runs::{RunPhase, RunState},
    },
    domain::{Disposition, Grant, GrantState, Reason},
    pipeline::{Ending, JobRule, JobRules, RuleVerdict},
    storage::Location,
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

/// Why the integration refuses to have files written at these URLs, if so.
pub(super) fn refuses_places<'a>(
    urls: impl Iterator<Item = &'a str>,
    integration: &ClinchIntegrationSpec,
) -> Option<String> {
    let mut urls = urls.peekable();
    urls.peek()?;
    refuses_files(&integration.push_permission)
        // A URL that cannot be used is reported where it is opened.
        .or_else(|| {
            let mut places = urls.filter_map(|url| Location::file(url).ok());
            places.find_map(|place| not_listed(&integration.read_permission, &place))
        })
}

/// Why the push permission refuses an export without an approved plan, if so.
pub(super) fn lacks_plan(
    spec: &CandidateExportSpec,
    permission: &PushPermission,
) -> Option<&'static str> {
    let is_push = spec.mode == ExportMode::Push && spec.destination.file.is_none();
    let lacks = permission.approved_plan == PlanApproval::Required && spec.approved_plan.is_none();
    (is_push && lacks).then_some(
        "the integration permits to push approved plans only (spec.pushPermission.approvedPlan): make a \
         plan with mode: DryRun or the command plan, and set spec.approvedPlan to its digest; an export \
         with interval or schedule cannot have one",
    )
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

/// The grant of a run that writes a file.
pub(super) fn file_grant<C: Cluster>(cluster: &C, gathered: &Gathered) -> Grant {
    places_grant(cluster, gathered, urls(gathered))
}

/// The grant of work that writes to these URLs. It is revoked as soon as the integration is seen to be
/// deleted, to be closed to the export's namespace, or to forbid files or their places.
pub(super) fn places_grant<C: Cluster>(
    cluster: &C,
    gathered: &Gathered,
    urls: Vec<String>,
) -> Grant {
    let spec = &gathered.export.spec;
    let integration = integration_of(gathered.key(), spec);
    let (cluster, namespace) = (cluster.clone(), gathered.key().namespace.clone());
    Grant::new(move || {
        let labels = |namespace: &str| cluster.namespace_labels(namespace);
        let permits = cluster.integration(&integration).is_some_and(|found| {
            is_ours(&cluster, &found)
                && access_of(&integration, &found.spec, &namespace, labels) == Access::Granted
                && refuses_places(urls.iter().map(String::as_str), &found.spec).is_none()
        });
        if permits { GrantState::Valid } else { GrantState::Revoked }
    })
}

/// Where a run that starts now writes files; of a set, the URL of one that nobody has.
pub(super) fn urls(gathered: &Gathered) -> Vec<String> {
    gathered.targets().map(TargetFound::sample_url).collect()
}

/// The grant of a run that starts now, while the integration permits its destination and its report; see
/// [`of_run`].
pub(super) fn grant<C: Cluster>(cluster: &C, gathered: &Gathered) -> Grant {
    let spec = &gathered.export.spec;
    let destination = spec.destination.clone();
    // Clinch was asked about the job under these rules; under others the answer may differ.
    let started = gathered.integration.granted().map(|found| found.spec.push_permission.clone());
    let urls = urls(gathered);
    // What the report of this run says of people in Clinch.
    let granted = gathered.integration.granted().filter(|_| gathered.report.is_some());
    let revealed = granted.and_then(|found| reveals(&found.spec.read_permission));
    let needs_no_plan = spec.mode == ExportMode::DryRun || spec.approved_plan.is_some();
    let permits = move |now: &ClinchIntegrationSpec| {
        let approves = needs_no_plan || now.push_permission.approved_plan == PlanApproval::Optional;
        approves
            && refuses_places(urls.iter().map(String::as_str), now).is_none()
            && (revealed.is_none() || revealed == reveals(&now.read_permission))
            && match permitted(&destination, &now.push_permission) {
                Permitted::Yes => true,
                Permitted::AskClinch => started.as_ref() == Some(&now.push_permission),
                Permitted::No(_) => false,
            }
    };
    let used = Used {
        integration: integration_of(gathered.key(), spec),
        namespace: &gathered.key().namespace,
        started: gathered.integration.granted(),
        connection: gathered.connection.as_ref(),
    };
    of_run(cluster, used, permits)
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
