//! What can be observed of the work of the controllers: runs, and verifications of credentials. Metrics
//! implement it. No I/O.

use std::time::Duration;

use jiff::Timestamp;

use crate::pipeline::Ending;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// An export.
    Export,
    /// The verification of an export: what it delivered is read back.
    Verification,
    /// An import.
    Import,
    /// A list of the people whom an export wrote.
    List,
}

impl Work {
    /// Every kind of work.
    pub const ALL: [Self; 4] = [Self::Export, Self::Verification, Self::Import, Self::List];

    /// The value of a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Verification => "verification",
            Self::Import => "import",
            Self::List => "list",
        }
    }

    /// What may become of its records.
    pub const fn record_outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Export => &[
                "Created",
                "Updated",
                "Written",
                "WouldCreate",
                "WouldUpdate",
                "WouldWrite",
                "Unchanged",
                "Skipped",
                "Suppressed",
                "Rejected",
            ],
            // It reports what differs, in the status of its export.
            // A list changes nothing, and counts in the status of its export.
            Self::Verification | Self::List => &[],
            Self::Import => &["Written", "Deleted", "Unchanged", "Rejected"],
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunOutcome {
    /// Everything was decided.
    Completed,
    /// The source had not changed; nothing was read.
    Unchanged,
    /// It was cancelled.
    Stopped,
    /// It could not continue.
    Interrupted,
    /// Its source could not be read.
    SourceFailed,
}

impl RunOutcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Completed, Self::Unchanged, Self::Stopped, Self::Interrupted, Self::SourceFailed];

    /// The value of a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Unchanged => "unchanged",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::SourceFailed => "source_failed",
        }
    }

    /// Whether everything is in place after it.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::Unchanged)
    }

    /// The outcome of an ending.
    pub(super) const fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Completed => Self::Completed,
            Ending::SourceUnchanged => Self::Unchanged,
            Ending::Stopped => Self::Stopped,
            Ending::Interrupted { .. } => Self::Interrupted,
            Ending::SourceFailed(_) => Self::SourceFailed,
        }
    }
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunEnd<'a> {
    /// What it did.
    pub work: Work,
    /// UID of its export or import.
    pub uid: &'a str,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, including the wait for a permit.
    pub took: Duration,
    /// What became of its records, by outcome. What it left undecided is not counted.
    pub records: Vec<(&'static str, u64)>,
    /// Number of people in its ledger, if it opened one.
    pub ledger_people: Option<u64>,
}

/// How the verification of a credential ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerificationOutcome {
    /// The integration can be used.
    Verified,
    /// It could not be established; it is tried again.
    Retried,
    /// The integration cannot be used.
    Refused,
}

impl VerificationOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Verified, Self::Retried, Self::Refused];

    /// The value of a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Retried => "retried",
            Self::Refused => "refused",
        }
    }
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationOutcome {
    /// Its receiver took it.
    Delivered,
    /// Its receiver does not take it.
    Rejected,
    /// Its receiver did not answer, or failed, for as long as it is tried.
    Unreachable,
}

impl NotificationOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Rejected, Self::Unreachable];

    /// The value of a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Receives what happens; metrics and tests implement it.
pub trait WorkObserver: Send + Sync {
    /// A run was started. It may still wait for a permit.
    fn run_started(&self, work: Work);

    /// A run ended.
    fn run_ended(&self, end: &RunEnd<'_>);

    /// A run of an import compared people with what exports had written. `own`: people whom it left out
    /// because they were the same. `near_misses`: people whom it wrote because they were not.
    fn import_compared(&self, own: u64, near_misses: u64);

    /// The credential of an integration was verified, or could not be.
    fn credential_verified(&self, outcome: VerificationOutcome);

    /// A notification was delivered, or could not be.
    fn notified(&self, outcome: NotificationOutcome);

    /// An export or import was deleted.
    fn forgotten(&self, uid: &str);
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WorkUnobserved;

impl WorkObserver for WorkUnobserved {
    fn run_started(&self, _: Work) {}

    fn run_ended(&self, _: &RunEnd<'_>) {}

    fn import_compared(&self, _: u64, _: u64) {}

    fn credential_verified(&self, _: VerificationOutcome) {}

    fn notified(&self, _: NotificationOutcome) {}

    fn forgotten(&self, _: &str) {}
}
