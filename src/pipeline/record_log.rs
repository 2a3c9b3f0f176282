//! What a run notes of each record once it is decided: for its plan, and for a report that lists all
//! records. Pure, but for the report's lines, which their reader may store.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    plan_digest::{PlanRecorder, Planned},
    record_outcome::{MatchClass, RecordOutcome},
    report::Rejection,
};
use crate::{
    domain::{Cause, ClinchId, Profile, RecordId, SourcePosition},
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
    /// The id that the source has of the record, if it is one: an id holds no value of a person.
    pub source_id: Option<SourceId>,
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
    /// When they were changed there last, if they were read and Clinch says so.
    pub changed_at: Option<ChangedAt>,
}

/// When a person was changed last in Clinch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedAt {
    /// The attribute that says so.
    pub attribute: Arc<str>,
    /// The time.
    pub at: Timestamp,
}

impl ChangedAt {
    /// As these attributes of a person say; `None` if they do not.
    pub(super) fn of(attributes: &Map<String, Value>, attribute: &Arc<str>) -> Option<Self> {
        let at = attributes.get(&**attribute)?.as_str()?.parse().ok()?;
        Some(Self { attribute: attribute.clone(), at })
    }
}

/// An id that a source has of a record, such as that of a hireEZ profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceId(Box<str>);

impl SourceId {
    /// The id of a profile; `None` if its `id` does not look like one, but may be an address or a name.
    pub(super) fn of(profile: &Profile) -> Option<Self> {
        let id = match profile.members().get("id")? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_id = (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
            && id.bytes().any(|byte| byte.is_ascii_digit());
        is_id.then(|| Self(id.into_boxed_str()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a person was found in Clinch. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// By the id that the ledger of this or another export of the account has of them.
    Ledger,
    /// By their e-mail address.
    Email,
    /// By the address of a LinkedIn or GitHub profile: a suggestion.
    ProfileUrl,
}

impl MatchedBy {
    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "Ledger",
            Self::Email => "Email",
            Self::ProfileUrl => "ProfileUrl",
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
    /// Whether somebody in Clinch has the same profile, of a person who would be created.
    pub(super) is_possible: bool,
    /// The id that the source has of it.
    pub(super) source_id: Option<SourceId>,
}

/// What a run notes of each record.
#[derive(Default)]
pub(super) struct RecordLog {
    pub(super) plan: Option<PlanRecorder>,
    pub(super) report: Option<Arc<dyn RecordReport>>,
    /// Whether nothing is written at present.
    pub(super) foretells: bool,
    /// The id of the record that was read last.
    pub(super) reading: Option<SourceId>,
}

impl RecordLog {
    /// Notes a record as it is read. May block: sources are read on blocking threads.
    pub(super) fn read(&mut self, decoded: &Decoded) {
        if let Some(report) = &self.report {
            report.make_room();
            self.reading = decoded.result.as_ref().ok().and_then(SourceId::of);
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
        let Found { changed, warning, person, is_possible, source_id } = found;
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
        let class = MatchClass::of(outcome, cause.map(|cause| cause.reason));
        report.add(RecordLine {
            position: position.clone(),
            record: record(),
            outcome,
            cause: cause.cloned(),
            place,
            class: if is_possible { Some(MatchClass::Possible) } else { class },
            person,
            // Steps begin with a plus sign.
            changed: changed.iter().filter(|name| !name.starts_with('+')).cloned().collect(),
            source_id,
            foretold: self.foretells,
        });
    }
}
