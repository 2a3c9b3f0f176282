//! The file that `plan --out` writes and `apply --plan` reads: what a push of each export would do, and the
//! digest that names it. Holds no value of a person. Reads a file; else pure.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::BadArgument;
use crate::{
    api::{CandidateExport, CandidateImport, ExportMode, FieldCoverage, RejectionCount},
    cluster::{Kind, ObjectKey},
    local::Manifests,
    pipeline::PlanDigest,
};

/// Says what the file is.
const FORMAT: &str = "clinch-operator-plan/v1";

/// A plan. Its members are API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanFile {
    format: String,
    /// The exports among the manifests, by namespace and name.
    pub(super) exports: Vec<PlannedExport>,
    /// Other objects that are not Ready.
    pub(super) obstacles: Vec<Obstacle>,
}

/// What a push of one export would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedExport {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) result: PlanResult,
    /// The reason of its condition Ready.
    pub(super) reason: String,
    pub(super) message: String,
    /// The digest of the plan, for `spec.approvedPlan`.
    pub(super) digest: Option<String>,
    /// Whether the manifest approves this plan; absent if it approves none.
    pub(super) approved: Option<bool>,
    /// Whether `spec.interval` or `spec.schedule` is set, with which `spec.approvedPlan` is refused.
    pub(super) periodic: bool,
    pub(super) counts: Option<PlanCounts>,
    /// The names of the attributes that would change in people who are there, with the number of people.
    pub(super) changes: BTreeMap<String, u64>,
    pub(super) rejected_by_reason: Vec<RejectionCount>,
    pub(super) coverage: Option<FieldCoverage>,
}

/// What became of the plan of an export. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PlanResult {
    /// There is a plan, and a push would carry it out.
    Planned,
    /// There is a plan. A guard holds it back until it is approved.
    HeldBack,
    /// A file would be written, for which there is no digest.
    File,
    /// `spec.suspend` is set.
    Suspended,
    /// It could not be planned.
    NotPlanned,
}

/// What would become of the records. Their sum, but for `read` and `notSelected`, is `selected`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanCounts {
    pub(super) read: i64,
    pub(super) not_selected: i64,
    pub(super) selected: i64,
    /// Of a file: rows.
    pub(super) create: i64,
    pub(super) update: i64,
    pub(super) unchanged: i64,
    pub(super) skipped: i64,
    pub(super) suppressed: i64,
    pub(super) rejected: i64,
    pub(super) undecided: i64,
}

/// An object that is not Ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Obstacle {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) message: String,
}

impl PlanFile {
    pub(super) fn new(exports: Vec<PlannedExport>, obstacles: Vec<Obstacle>) -> Self {
        Self { format: FORMAT.to_owned(), exports, obstacles }
    }

    /// Reads the file that `plan --out` has written.
    pub(super) fn read(path: &Path) -> Result<Self, BadArgument> {
        let read = || -> anyhow::Result<Self> {
            let plan: Self = serde_json::from_slice(&fs::read(path)?)?;
            ensure!(plan.format == FORMAT, "its format is not {FORMAT}");
            Ok(plan)
        };
        let what = || format!("--plan {}: not a file of plan --out", path.display());
        read().with_context(what).map_err(BadArgument)
    }

    /// Approves, in the manifests, what was planned, and suspends what a plan does not cover. Returns a
    /// line for each object that is left alone.
    pub(super) fn approve(
        &self,
        path: &Path,
        manifests: &mut Manifests,
    ) -> Result<Vec<String>, BadArgument> {
        let what = || format!("--plan {}", path.display());
        self.approved(manifests).with_context(what).map_err(BadArgument)
    }

    fn approved(&self, manifests: &mut Manifests) -> anyhow::Result<Vec<String>> {
        let of = |export: &PlannedExport| ObjectKey::new(&export.namespace, &export.name);
        let planned: BTreeMap<ObjectKey, &PlannedExport> =
            self.exports.iter().map(|export| (of(export), export)).collect();
        let there = manifests.keys(Kind::Export);
        if let Some(missing) = planned.keys().find(|key| !there.contains(key)) {
            bail!("the plan names export {missing}, which is not among the manifests");
        }
        let mut digests = BTreeMap::new();
        let mut left = Vec::new();
        for key in there {
            let Some(planned) = planned.get(&key) else {
                bail!("export {key} is not in the plan; make a plan of these manifests");
            };
            let Some(export) = manifests.get::<CandidateExport>(&key) else { continue };
            match (planned.result, &planned.digest) {
                (PlanResult::NotPlanned, _)
                | (PlanResult::Planned | PlanResult::HeldBack, None) => {
                    bail!("export {key} has no plan: {}: {}", planned.reason, planned.message)
                }
                (PlanResult::File, _) => left.push(format!("export {key}: it writes a file")),
                (PlanResult::Suspended, _) => {
                    left.push(format!("export {key}: it was suspended when the plan was made"));
                }
                (PlanResult::Planned | PlanResult::HeldBack, Some(digest)) => {
                    ensure!(
                        digest.parse::<PlanDigest>().is_ok(),
                        "the digest of export {key} is not one"
                    );
                    let own = export.spec.approved_plan.as_ref();
                    ensure!(
                        own.is_none_or(|own| own == digest),
                        "the manifest of export {key} approves another plan: remove its spec.approvedPlan"
                    );
                    if export.spec.mode == ExportMode::DryRun {
                        left.push(format!("export {key}: its spec.mode is DryRun"));
                    } else {
                        digests.insert(key, digest.clone());
                    }
                }
            }
        }
        manifests.edit::<CandidateExport>(|key, export| match digests.get(key) {
            Some(digest) => export.spec.approved_plan = Some(digest.clone()),
            None => export.spec.suspend = true,
        });
        left.extend(manifests.keys(Kind::Import).iter().map(|key| format!("import {key}")));
        manifests.edit::<CandidateImport>(|_, import| import.spec.suspend = true);
        Ok(left)
    }

    /// What was planned for the exports of which the plan has changed.
    pub(super) fn changed(&self, is_changed: impl Fn(&ObjectKey) -> bool) -> Vec<String> {
        let line = |export: &PlannedExport| {
            let key = ObjectKey::new(&export.namespace, &export.name);
            let counts = export.counts.filter(|_| is_changed(&key))?;
            let PlanCounts { create, update, unchanged, skipped, suppressed, rejected, .. } =
                counts;
            Some(format!(
                "export {key}: the plan was to create {create} and update {update}; {unchanged} unchanged, \
                 {skipped} skipped, {suppressed} suppressed, {rejected} rejected"
            ))
        };
        self.exports.iter().filter_map(line).collect()
    }
}

impl PlannedExport {
    /// How many people would be created or updated, or how many rows written.
    pub(super) fn writes(&self) -> i64 {
        self.counts.map_or(0, |counts| counts.create + counts.update)
    }
}
