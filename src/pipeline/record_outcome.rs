//! What became of a record, and what it is to Clinch: there already, there with other values, new. Pure.

use serde::Serialize;

use crate::domain::Reason;

/// What became of a record. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RecordOutcome {
    /// The person was created.
    Created,
    /// The person was updated.
    Updated,
    /// Of a dry run, or of a run that a guard held back: the person would be created.
    WouldCreate,
    /// The same: the person would be updated.
    WouldUpdate,
    /// The person is in the file.
    Written,
    /// Of a dry run: the person would be in the file.
    WouldWrite,
    /// The person was already as mapped.
    Unchanged,
    /// The person was left alone because of the duplicate policy.
    Skipped,
    /// The person must not be written.
    Suppressed,
    /// The record cannot be delivered as it is.
    Rejected,
    /// The record could not be decided; the next run tries it again.
    Pending,
}

impl RecordOutcome {
    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::WouldCreate => "WouldCreate",
            Self::WouldUpdate => "WouldUpdate",
            Self::Written => "Written",
            Self::WouldWrite => "WouldWrite",
            Self::Unchanged => "Unchanged",
            Self::Skipped => "Skipped",
            Self::Suppressed => "Suppressed",
            Self::Rejected => "Rejected",
            Self::Pending => "Pending",
        }
    }

    /// Every outcome.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Updated,
        Self::WouldCreate,
        Self::WouldUpdate,
        Self::Written,
        Self::WouldWrite,
        Self::Unchanged,
        Self::Skipped,
        Self::Suppressed,
        Self::Rejected,
        Self::Pending,
    ];
}

/// What a record is to Clinch. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MatchClass {
    /// The person is there, with the values of the record or left alone by the duplicate policy.
    Known,
    /// The person is there, and a push would change something.
    Changed,
    /// Nobody there has the address.
    New,
    /// Nobody there has the address, but somebody has the same LinkedIn or GitHub profile. A suggestion:
    /// nothing is decided by it.
    Possible,
    /// Several people there have the address.
    Ambiguous,
    /// The person was anonymised there, or is on the admin's list.
    Suppressed,
    /// The record cannot be compared: it has no address, or cannot be read or mapped.
    Unmatchable,
}

impl MatchClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Known,
        Self::Changed,
        Self::New,
        Self::Possible,
        Self::Ambiguous,
        Self::Suppressed,
        Self::Unmatchable,
    ];

    /// The spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "Known",
            Self::Changed => "Changed",
            Self::New => "New",
            Self::Possible => "Possible",
            Self::Ambiguous => "Ambiguous",
            Self::Suppressed => "Suppressed",
            Self::Unmatchable => "Unmatchable",
        }
    }

    /// The class of a record that was compared with Clinch; `None` if it is not decided. `reason`: why
    /// it was rejected.
    pub fn of(outcome: RecordOutcome, reason: Option<Reason>) -> Option<Self> {
        Some(match outcome {
            RecordOutcome::Unchanged | RecordOutcome::Skipped => Self::Known,
            RecordOutcome::Updated | RecordOutcome::WouldUpdate => Self::Changed,
            RecordOutcome::Created | RecordOutcome::WouldCreate => Self::New,
            RecordOutcome::Suppressed => Self::Suppressed,
            RecordOutcome::Rejected => Self::of_rejected(reason),
            RecordOutcome::Written | RecordOutcome::WouldWrite | RecordOutcome::Pending => {
                return None;
            }
        })
    }

    /// The class of a record that a push would reject.
    pub fn of_rejected(reason: Option<Reason>) -> Self {
        match reason {
            Some(Reason::AmbiguousMatch) => Self::Ambiguous,
            Some(Reason::AlreadyExists) => Self::Known,
            _ => Self::Unmatchable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decided_outcome_has_a_class() {
        use RecordOutcome as Outcome;
        for (outcome, reason, class) in [
            (Outcome::Unchanged, None, Some(MatchClass::Known)),
            (Outcome::Skipped, None, Some(MatchClass::Known)),
            (Outcome::WouldUpdate, None, Some(MatchClass::Changed)),
            (Outcome::WouldCreate, None, Some(MatchClass::New)),
            (Outcome::Suppressed, Some(Reason::Anonymised), Some(MatchClass::Suppressed)),
            (Outcome::Rejected, Some(Reason::AmbiguousMatch), Some(MatchClass::Ambiguous)),
            (Outcome::Rejected, Some(Reason::AlreadyExists), Some(MatchClass::Known)),
            (Outcome::Rejected, Some(Reason::MatchKeyMissing), Some(MatchClass::Unmatchable)),
            (Outcome::Pending, Some(Reason::Undecided), None),
            (Outcome::Written, None, None),
        ] {
            assert_eq!(MatchClass::of(outcome, reason), class, "{outcome:?} {reason:?}");
        }
    }
}
