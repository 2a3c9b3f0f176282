//! What a pass decides, and what the decision depends on. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    conditions::Verdict,
    controllers::{references::Sending, runs::ImportRun},
};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// `spec.suspend` is set: end the run. `in_sync`: nothing that the spec asks for is due.
    Suspend { in_sync: bool },
    /// Something prevents a run: end it, and report this.
    Block(Verdict),
    /// Take this step.
    Proceed(Step),
}

/// What to do about the run of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is due.
    Keep,
    /// Start a run for the revision in place, because an interval or a schedule says so.
    Refresh,
    /// Start a run; `attempt` counts from 0 within one revision.
    Start { attempt: u32 },
    /// A run for this revision is in progress: report it.
    Observe,
    /// As `Observe`; the run sends nothing until its integration has a verified credential again.
    Pause,
    /// A run for another revision is in progress: end it, then decide again.
    Stop,
    /// A run for this revision has completed: report its result.
    Conclude,
    /// The last attempt was interrupted; try again after `delay`.
    Retry { delay: Duration },
    /// The last attempt cannot succeed when repeated before something changes.
    Stall,
}

/// When a process looks at Clinch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// When an interval or a schedule says so.
    AsScheduled,
    /// Once, and then it ends.
    Once,
}

/// What the decision depends on.
pub(super) struct Inputs<'a> {
    /// Digest of everything the import depends on; absent where an input is missing or faulty.
    pub(super) revision: Option<&'a str>,
    /// The revision that is in place, from the status.
    pub(super) applied: Option<&'a str>,
    /// A request by annotation that no run has acted on.
    pub(super) requested: bool,
    /// `spec.suspend`.
    pub(super) suspended: bool,
    /// Why no run can start now.
    pub(super) obstacle: Option<&'a Verdict>,
    /// Whether runs of the integration may send requests.
    pub(super) sending: Sending,
    /// The latest run of this import in this process.
    pub(super) run: Option<&'a ImportRun>,
    /// Whether the status reports the result of that run.
    pub(super) is_reported: bool,
    /// When the next run is due.
    pub(super) next_run: Option<Timestamp>,
    /// How long a run by interval or schedule may fail before it is reported.
    pub(super) grace: Duration,
    /// When this process looks at Clinch.
    pub(super) looks: Looks,
    /// Digest of the credentials that the sink is written with.
    pub(super) access: Option<&'a str>,
    /// When this process started.
    pub(super) process_started_at: Timestamp,
    /// The time.
    pub(super) now: Timestamp,
}

impl Decision {
    /// The number of the attempt that starts, if one does.
    pub(super) fn attempt(&self) -> Option<u32> {
        match self {
            Self::Proceed(Step::Start { attempt }) => Some(*attempt),
            Self::Proceed(Step::Refresh) => Some(0),
            _ => None,
        }
    }

    /// Whether a run in progress has to end.
    pub(super) fn ends_run(&self) -> bool {
        !matches!(self, Self::Proceed(step) if *step != Step::Stop)
    }
}
