//! The guards of a run: limits on what it reads and on what it writes. Pure.

use super::{mode::Mode, plan_digest::PlanDigest, report::Counts};
use crate::{
    domain::{Cause, Digest, Reason, digest_parts},
    ledger::RunFacts,
};

/// The limits of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards {
    /// The least number of records that its source has; 0: the source may be empty.
    pub min_records: u64,
    /// By how many percent the source may have fewer records than in the last completed push.
    pub max_shrink_percent: Option<u64>,
    /// How many people may be created.
    pub max_creates: Option<u64>,
    /// How many people may be updated.
    pub max_updates: Option<u64>,
    /// The plan that may be pushed whatever the limits, and no other.
    pub approved: Option<PlanDigest>,
    /// What that plan was to do, if it is known. For messages.
    pub approved_counts: Option<Counts>,
    /// Digest of what a plan is made from besides the source: spec, mapping and account.
    pub identity: Digest,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            min_records: 1,
            max_shrink_percent: None,
            max_creates: None,
            max_updates: None,
            approved: None,
            approved_counts: None,
            identity: digest_parts([]),
        }
    }
}

impl Guards {
    /// Whether a run has to record its plan.
    pub(super) fn records_plan(&self, mode: Mode) -> bool {
        let off = Self { identity: self.identity, ..Self::default() };
        mode == Mode::DryRun || *self != Self { min_records: self.min_records.min(1), ..off }
    }

    /// Whether all records of the source have to be counted, also those behind the limit.
    pub(super) fn counts_all(&self) -> bool {
        self.min_records > 1 || self.max_shrink_percent.is_some()
    }

    /// Why a source without records is a fault, if it is.
    pub(super) fn empty(&self, read: u64) -> Option<Cause> {
        (read == 0 && self.min_records > 0).then(|| {
            let message = "the source has no records; if that is as it should be, set \
                           spec.guards.minRecords to 0";
            Cause::new(Reason::SourceEmpty, message)
        })
    }

    /// The limits that the source exceeds.
    pub(super) fn on_source(&self, read: u64, facts: RunFacts) -> Vec<String> {
        let mut exceeded = Vec::new();
        if read < self.min_records {
            let least = self.min_records;
            exceeded
                .push(format!("the source has {read} records, fewer than minRecords ({least})"));
        }
        if let (Some(percent), Some(baseline)) = (self.max_shrink_percent, facts.read)
            && is_shrunk(read, baseline, percent)
        {
            exceeded.push(format!(
                "the source has {read} records, {baseline} in the last completed run: it shrank by \
                 more than maxShrinkPercent ({percent})"
            ));
        }
        exceeded
    }

    /// The limit that the rows of a file exceed. `had`: those of the file that is there.
    pub(super) fn on_rows(&self, rows: u64, suppressed: u64, had: Option<u64>) -> Option<String> {
        let (percent, had) = (self.max_shrink_percent?, had?);
        is_shrunk(rows.saturating_add(suppressed), had, percent).then(|| {
            format!(
                "the file would have {rows} rows, {had} in the last one: it would shrink by more than \
                 maxShrinkPercent ({percent})"
            )
        })
    }

    /// Whether this many records may exceed a limit on writes.
    pub(super) fn may_exceed(&self, due: u64) -> bool {
        [self.max_creates, self.max_updates].into_iter().flatten().any(|most| due > most)
    }

    /// The limits that the planned writes exceed.
    pub(super) fn on_writes(&self, planned: &Counts) -> Vec<String> {
        let limits = [
            (planned.created, self.max_creates, "create", "maxCreates"),
            (planned.updated, self.max_updates, "update", "maxUpdates"),
        ];
        let exceeded = limits.into_iter().filter_map(|(planned, most, verb, name)| {
            let most = most.filter(|most| planned > *most)?;
            Some(format!("it would {verb} {planned} people, more than {name} ({most})"))
        });
        exceeded.collect()
    }
}

/// Whether a number is smaller than before by more than so many percent.
fn is_shrunk(now: u64, before: u64, percent: u64) -> bool {
    let kept = 100 - percent.min(100);
    u128::from(now) * 100 < u128::from(before) * u128::from(kept)
}

/// What a run would do, in words.
fn would(planned: &Counts) -> String {
    format!(
        "create {} and update {}; {} unchanged, {} skipped, {} suppressed, {} rejected",
        planned.created,
        planned.updated,
        planned.unchanged,
        planned.skipped,
        planned.suppressed,
        planned.rejected()
    )
}

impl Guards {
    /// Why a plan is held back.
    pub(super) fn held(&self, exceeded: &[String], planned: &Counts, plan: &PlanDigest) -> Cause {
        let approve = if self.approved.is_some() {
            format!("spec.approvedPlan or --plan names another plan; this one is {plan}")
        } else {
            format!("To push exactly this, set spec.approvedPlan to {plan}")
        };
        let would = format!("The run would {}. Nothing was written", would(planned));
        if exceeded.is_empty() {
            let approved = self.approved_counts.as_ref();
            let was =
                approved.map(|counts| format!(" The approved one was to {}.", self::would(counts)));
            let was = was.unwrap_or_default();
            let message = format!("the plan has changed.{was} {would}. {approve}");
            return Cause::new(Reason::PlanChanged, message);
        }
        let message = format!("{}. {would}. {approve}", exceeded.join("; "));
        Cause::new(Reason::GuardTripped, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(read: u64) -> RunFacts {
        RunFacts { read: Some(read), ..RunFacts::default() }
    }

    #[test]
    fn an_empty_source_is_a_fault_unless_it_may_be_empty() {
        assert_eq!(Guards::default().empty(0).unwrap().reason, Reason::SourceEmpty);
        assert_eq!(Guards::default().empty(1), None);
        assert_eq!(Guards { min_records: 0, ..Guards::default() }.empty(0), None);
    }

    #[test]
    fn a_source_may_shrink_by_the_percentage_and_no_more() {
        let guards = Guards { max_shrink_percent: Some(20), ..Guards::default() };
        let exceeded = |now, facts| !guards.on_source(now, facts).is_empty();
        assert!(!exceeded(80, read(100)));
        assert!(exceeded(79, read(100)));
        assert!(!exceeded(200, read(100)));
        assert!(!exceeded(1, RunFacts::default()), "nothing to compare with");
        assert!(!exceeded(3, read(3)) && exceeded(2, read(3)), "33 %");
        let none = Guards { max_shrink_percent: Some(0), ..Guards::default() };
        assert_eq!(none.on_source(99, read(100)).len(), 1);
        let all = Guards { max_shrink_percent: Some(100), ..Guards::default() };
        assert_eq!(all.on_source(1, read(u64::MAX)).len(), 0);
    }

    #[test]
    fn limits_on_writes_are_exceeded_by_one_more() {
        let guards = Guards { max_creates: Some(3), max_updates: Some(0), ..Guards::default() };
        let planned = |created, updated| Counts { created, updated, ..Counts::default() };
        assert_eq!(guards.on_writes(&planned(3, 0)), [""; 0]);
        assert_eq!(guards.on_writes(&planned(4, 1)).len(), 2);
        assert!(guards.may_exceed(1) && !guards.may_exceed(0));
        assert!(!Guards::default().may_exceed(u64::MAX));
    }

    #[test]
    fn only_runs_with_limits_record_a_plan_and_dry_runs() {
        let default = Guards { identity: digest_parts([&b"x"[..]]), ..Guards::default() };
        assert!(!default.records_plan(Mode::Push) && default.records_plan(Mode::DryRun));
        assert!(!Guards { min_records: 0, ..default.clone() }.records_plan(Mode::Push));
        for limited in [
            Guards { min_records: 2, ..default.clone() },
            Guards { max_updates: Some(1), ..default.clone() },
            Guards { max_shrink_percent: Some(50), ..default },
        ] {
            assert!(limited.records_plan(Mode::Push), "{limited:?}");
        }
    }
}
