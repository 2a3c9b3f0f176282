//! What a run notes of each record once it is decided: for its plan, and for a report that lists all
//! records. Pure, but for the report's lines, which their reader may store.

use std::sync::Arc;

use super::{
    plan_digest::{PlanRecorder, Planned},
    record_outcome::{MatchClass, RecordOutcome},
    report::Rejection,
};
use crate::{
    domain::{Cause, ClinchId, RecordId, SourcePosition},
    source::Decoded,
};

/// A line of a report: what became of one record. Holds no candidate value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// Its position in the source.
    pub position: SourcePosition,
    /// Its opaque id; absent if the record could not be mapped.
    pub record: Option<RecordId>,
    /// What became of it.
    pub outcome: RecordOutcome,
    /// Why it was rejected, suppressed or not decided; or what was left out of a record that was
    /// delivered.
    pub cause: Option<Cause>,
    /// The place in the mapping or the spec.
    pub place: Option<Box<str>>,
    /// What the record is to Clinch, if that was found out.
    pub class: Option<MatchClass>,
    /// Who the record is in Clinch, if they are there.
    pub person: Option<MatchedPerson>,
    /// The names of the attributes that are, or would be, written because they differ.
    pub changed: Vec<String>,
    /// Whether nothing was written: of a dry run, or of the plan that a push makes first.
    pub foretold: bool,
}

/// Who a record is in Clinch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedPerson {
    /// Their id there.
    pub id: ClinchId,
    /// How they were found; `None` if they were created.
    pub by: Option<MatchedBy>,
}

/// How a person was found in Clinch. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// By the id that the ledger of this or another export of the account has of them.
    Ledger,
    /// By their e-mail address.
    Email,
}

impl MatchedBy {
    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "Ledger",
            Self::Email => "Email",
        }
    }
}

/// Takes the lines of one run: one for each record that is decided, or that Clinch leaves undecided, in no
/// particular order. A record that a later run tries again has a line in each.
pub trait RecordReport: Send + Sync {
    /// Takes a line.
    fn add(&self, line: RecordLine);

    /// Blocks while lines cannot be stored as fast as they come. Called between records by those who
    /// read a source on a blocking thread.
    fn make_room(&self) {}
}

/// A decision on a record.
pub(super) enum Decided<'a> {
    Created,
    Updated,
    Unchanged,
    Skipped,
    Suppressed(&'a Cause),
    Rejected(&'a Rejection),
    /// Not decided.
    Pending(&'a Cause),
}

/// What is known of a record beside the decision on it.
#[derive(Default)]
pub(super) struct Found<'a> {
    /// The names of what changes or would change, steps included.
    pub(super) changed: &'a [String],
    /// What was left out although the record was delivered.
    pub(super) warning: Option<&'a Cause>,
    /// Who it is in Clinch.
    pub(super) person: Option<MatchedPerson>,
}

/// What a run notes of each record.
#[derive(Default)]
pub(super) struct RecordLog {
    pub(super) plan: Option<PlanRecorder>,
    pub(super) report: Option<Arc<dyn RecordReport>>,
    /// Whether nothing is written at present.
    pub(super) foretells: bool,
}

impl RecordLog {
    /// Notes a record as it is read. May block: sources are read on blocking threads.
    pub(super) fn read(&mut self, decoded: &Decoded) {
        if let Some(report) = &self.report {
            report.make_room();
        }
        if let Some(plan) = &mut self.plan {
            plan.read(decoded);
        }
    }

    /// Notes what became of the record with this number. `record`: its opaque id.
    pub(super) fn decided(
        &mut self,
        number: usize,
        position: &SourcePosition,
        record: impl FnOnce() -> Option<RecordId>,
        decided: &Decided<'_>,
        found: Found<'_>,
    ) {
        let Found { changed, warning, person } = found;
        let foretold = |done, would| if self.foretells { would } else { done };
        let (planned, outcome) = match decided {
            Decided::Pending(_) => (None, RecordOutcome::Pending),
            Decided::Created => {
                let outcome = foretold(RecordOutcome::Created, RecordOutcome::WouldCreate);
                (Some(Planned::Create), outcome)
            }
            Decided::Updated => {
                let outcome = foretold(RecordOutcome::Updated, RecordOutcome::WouldUpdate);
                (Some(Planned::Update), outcome)
            }
            Decided::Unchanged => (Some(Planned::Unchanged), RecordOutcome::Unchanged),
            Decided::Skipped => (Some(Planned::Skip), RecordOutcome::Skipped),
            Decided::Suppressed(_) => (Some(Planned::Suppress), RecordOutcome::Suppressed),
            Decided::Rejected(_) => (Some(Planned::Reject), RecordOutcome::Rejected),
        };
        if let (Some(plan), Some(planned)) = (&mut self.plan, planned) {
            plan.plan(number, planned, changed);
        }
        let Some(report) = &self.report else { return };
        let (cause, place) = match decided {
            Decided::Rejected(rejection) => (Some(&rejection.cause), rejection.place.clone()),
            Decided::Suppressed(cause) | Decided::Pending(cause) => (Some(*cause), None),
            Decided::Created | Decided::Updated | Decided::Unchanged | Decided::Skipped => {
                (warning, None)
            }
        };
        report.add(RecordLine {
            position: position.clone(),
            record: record(),
            outcome,
            cause: cause.cloned(),
            place,
            class: MatchClass::of(outcome, cause.map(|cause| cause.reason)),
            person,
            // Steps begin with a plus sign.
            changed: changed.iter().filter(|name| !name.starts_with('+')).cloned().collect(),
            foretold: self.foretells,
        });
    }
}
