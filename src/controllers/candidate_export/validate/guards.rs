//! The limits of a run, and what its plan is made from besides the source. Pure.

use serde_json::Value;

use crate::{
    api::{CandidateExportSpec, CandidateExportStatus, RunRecord},
    controllers::connections::Connection,
    domain::{Digest, digest_json},
    mapping::Plan,
    pipeline::{Counts, Guards},
};

/// Fields of an export that say when and whether a run starts, but not what it does.
const NOT_PLANNED: [&str; 8] =
    ["mode", "approvedPlan", "guards", "suspend", "report", "interval", "schedule", "windows"];

/// The limits of a run.
pub(super) fn guards(
    spec: &CandidateExportSpec,
    plan: &Plan,
    connection: Option<&Connection>,
    previous: &CandidateExportStatus,
) -> Guards {
    let identity = identity(spec, plan.digest(), connection.map(|c| c.client.account_digest()));
    let approved = spec.approved_plan.as_deref().and_then(|digest| digest.parse().ok());
    let approved_counts = approved_counts(spec, previous);
    let defaults = Guards { approved, approved_counts, identity, ..Guards::default() };
    let Some(limits) = &spec.guards else { return defaults };
    let number = |limit: i64| u64::try_from(limit).unwrap_or_default();
    Guards {
        min_records: number(limits.min_records),
        max_shrink_percent: limits.max_shrink_percent.map(|percent| number(percent.into())),
        max_creates: limits.max_creates.map(number),
        max_updates: limits.max_updates.map(number),
        ..defaults
    }
}

/// What the approved plan was to do, if the history still has the dry run that made it.
fn approved_counts(spec: &CandidateExportSpec, previous: &CandidateExportStatus) -> Option<Counts> {
    let of_plan = |run: &&RunRecord| run.plan.is_some() && run.plan == spec.approved_plan;
    let counts = previous.history.iter().find(of_plan)?.counts;
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    Some(Counts {
        created: number(counts.created),
        updated: number(counts.updated),
        unchanged: number(counts.unchanged),
        skipped: number(counts.skipped),
        suppressed: number(counts.suppressed),
        invalid: number(counts.invalid),
        failed: number(counts.failed),
        ..Counts::default()
    })
}

/// The limits of a run that writes a file. There is no plan to approve.
pub(super) fn file_guards(spec: &CandidateExportSpec) -> Guards {
    let Some(limits) = &spec.guards else { return Guards::default() };
    let number = |limit: i64| u64::try_from(limit).unwrap_or_default();
    Guards {
        min_records: number(limits.min_records),
        max_shrink_percent: limits.max_shrink_percent.map(|percent| number(percent.into())),
        ..Guards::default()
    }
}

/// Digest of spec, compiled mapping and account: the same in a cluster and without one.
fn identity(spec: &CandidateExportSpec, mapping: Digest, account: Option<Digest>) -> Digest {
    let mut spec = serde_json::to_value(spec).expect("plain data serialises to JSON");
    if let Value::Object(members) = &mut spec {
        members.retain(|name, _| !NOT_PLANNED.contains(&name.as_str()));
    }
    digest_json(&(spec, mapping.to_string(), account.map(|account| account.to_string())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::digest_parts;

    #[test]
    fn what_a_run_does_is_part_of_its_plan_and_when_it_runs_is_not() {
        let of = |more: Value| {
            let mut spec = json!({
                "integrationRef": {"name": "clinch"},
                "source": {"inline": []},
                "destination": {"prospect": {}},
            });
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let spec: CandidateExportSpec = serde_json::from_value(spec).unwrap();
            identity(&spec, digest_parts([&b"mapping"[..]]), None)
        };
        let base = of(json!({}));
        for same in [
            json!({"mode": "DryRun"}),
            json!({"suspend": true}),
            json!({"guards": {"maxCreates": 3}}),
            json!({"interval": "1h"}),
            json!({"windows": [{"cron": "0 1 * * *", "duration": "1h"}]}),
        ] {
            assert_eq!(of(same.clone()), base, "{same}");
        }
        for other in [
            json!({"select": "true"}),
            json!({"limit": 3}),
            json!({"duplicatePolicy": "Skip"}),
            json!({"source": {"inline": [{"id": "a"}]}}),
            json!({"destination": {"job": {"id": "1", "stage": "Sourced"}}}),
        ] {
            assert_ne!(of(other.clone()), base, "{other}");
        }
    }
}
