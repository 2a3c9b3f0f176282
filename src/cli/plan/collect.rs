//! The plan that the statuses of a local cluster show. Pure.

use std::collections::{BTreeMap, HashMap};

use super::changes::Changes;
use crate::{
    api::{CandidateExport, CandidateExportStatus, ConditionType, ExportCounts, STATUS_TRUE},
    cli::plan_file::{Obstacle, PlanCounts, PlanFile, PlanResult, PlannedExport},
    cluster::{Kind, ObjectKey},
    conditions::find,
    domain::Reason,
    local::LocalCluster,
};

/// What the manifest of an export says.
pub(super) struct Declared {
    pub(super) approved_plan: Option<String>,
    pub(super) is_file: bool,
    pub(super) is_periodic: bool,
}

/// The plan.
pub(super) fn collect(
    cluster: &LocalCluster,
    declared: &HashMap<ObjectKey, Declared>,
    changes: &Changes,
) -> PlanFile {
    let exports = cluster.keys(Kind::Export).into_iter().filter_map(|key| {
        let status = cluster.status::<CandidateExport>(&key)?;
        let changes = changes.of_export(&key);
        Some(planned(key.clone(), status, declared.get(&key)?, changes))
    });
    PlanFile::new(exports.collect(), obstacles(cluster))
}

/// `changes`: what would change, if a run has looked.
fn planned(
    key: ObjectKey,
    status: CandidateExportStatus,
    declared: &Declared,
    changes: Option<BTreeMap<String, u64>>,
) -> PlannedExport {
    let ready = find(&status.conditions, ConditionType::Ready);
    let reason = ready.map(|ready| ready.reason.clone()).unwrap_or_default();
    let message = ready.map(|ready| ready.message.clone()).unwrap_or_default();
    let is_ready = ready.is_some_and(|ready| ready.status == STATUS_TRUE);
    let ended = match Reason::from_word(&reason) {
        Some(Reason::DryRunComplete | Reason::RecordsRejected | Reason::NothingSelected) => true,
        // An empty source is planned where it is permitted.
        Some(Reason::SourceEmpty) => is_ready,
        _ => false,
    };
    // Without a run, the status is what is left of an earlier one.
    let ended = ended && changes.is_some();
    let held = Reason::from_word(&reason) == Some(Reason::GuardTripped) && changes.is_some();
    let result = match (&status.plan, declared.is_file) {
        _ if is_suspended(&status) => PlanResult::Suspended,
        (_, true) if ended => PlanResult::File,
        (Some(_), false) if ended => PlanResult::Planned,
        (Some(_), false) if held => PlanResult::HeldBack,
        _ => PlanResult::NotPlanned,
    };
    let has_plan = matches!(result, PlanResult::Planned | PlanResult::HeldBack);
    let found = has_plan || result == PlanResult::File;
    let digest = status.plan.filter(|_| has_plan);
    let own = declared.approved_plan.as_deref();
    let approved = digest.as_deref().zip(own).map(|(plan, own)| plan == own);
    PlannedExport {
        namespace: key.namespace,
        name: key.name,
        result,
        reason,
        message,
        approved,
        periodic: declared.is_periodic,
        digest,
        counts: status.counts.filter(|_| found).map(counts),
        changes: changes.unwrap_or_default(),
        rejected_by_reason: if found { status.rejected_by_reason } else { Vec::new() },
        coverage: status.coverage.filter(|_| found),
    }
}

fn is_suspended(status: &CandidateExportStatus) -> bool {
    find(&status.conditions, ConditionType::Suspended)
        .is_some_and(|condition| condition.status == STATUS_TRUE)
}

fn counts(counts: ExportCounts) -> PlanCounts {
    PlanCounts {
        read: counts.read,
        not_selected: counts.not_selected,
        selected: counts.total,
        create: counts.created,
        update: counts.updated,
        unchanged: counts.unchanged,
        skipped: counts.skipped,
        suppressed: counts.suppressed,
        rejected: counts.invalid + counts.failed,
        undecided: counts.pending,
    }
}

/// Other objects that are not Ready and take part in a push.
fn obstacles(cluster: &LocalCluster) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for kind in [Kind::Integration, Kind::Mapping] {
        for key in cluster.keys(kind) {
            let Some((_, conditions)) = cluster.conditions(kind, &key) else { continue };
            let ready = find(&conditions, ConditionType::Ready);
            let Some(ready) = ready.filter(|ready| ready.status != STATUS_TRUE) else { continue };
            found.push(Obstacle {
                kind: kind.as_str().to_owned(),
                namespace: key.namespace,
                name: key.name,
                reason: ready.reason.clone(),
                message: ready.message.clone(),
            });
        }
    }
    found
}
