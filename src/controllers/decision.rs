//! What a pass of an export or import decides about its run, what the decision depends on, and what both
//! kinds decide alike. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{dependency::is_unready, references::Sending, runs::PROGRESS_EVERY};
use crate::{
    conditions::{Standing, Verdict},
    domain::{Disposition, REPROBE_EVERY, backoff},
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

/// What to do about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is due: what is in place is what the spec asks for.
    Keep,
    /// Start a run for what is in place already, because an interval or a schedule says so.
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

/// When a process looks by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// When an interval or a schedule says so.
    AsScheduled,
    /// Once, and then it ends.
    Once,
}

/// What the decision depends on. `R`: a run of the kind.
pub(super) struct Inputs<'a, R> {
    /// Digest of everything the object depends on; absent where an input is missing or faulty.
    pub(super) revision: Option<&'a str>,
    /// The revision that is in place as a whole, from the status.
    pub(super) applied: Option<&'a str>,
    /// A request by annotation that no run has acted on.
    pub(super) requested: bool,
    /// `spec.suspend`.
    pub(super) suspended: bool,
    /// Why no run can start now.
    pub(super) obstacle: Option<&'a Verdict>,
    /// That no window of `spec.windows` is open, if none is.
    pub(super) closed: Option<&'a Verdict>,
    /// Whether runs of the integration may send requests.
    pub(super) sending: Sending,
    /// The latest run of this object in this process.
    pub(super) run: Option<&'a R>,
    /// Whether the status reports the result of that run.
    pub(super) is_reported: bool,
    /// When an interval or a schedule starts the next run.
    pub(super) next_run: Option<Timestamp>,
    /// How long such a run may fail before it is reported.
    pub(super) grace: Duration,
    /// When this process looks whether what is in place is still what the spec asks for.
    pub(super) looks: Looks,
    /// Digest of the credentials of the place that is read or written, if others are worth another attempt.
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

    /// The step to take, or what is reported instead of one.
    pub(super) fn step(&self) -> Result<&Step, Verdict> {
        match self {
            Self::Suspend { in_sync } => {
                let message = "spec.suspend is set".to_owned();
                let standing = if *in_sync { Standing::InSync } else { Standing::Behind };
                Err(Verdict::Suspended { standing, message })
            }
            Self::Block(verdict) => Err(verdict.clone()),
            Self::Proceed(step) => Ok(step),
        }
    }

    /// Whether a run in progress has to end.
    pub(super) fn ends_run(&self) -> bool {
        !matches!(self, Self::Proceed(step) if *step != Step::Stop)
    }

    /// How long until the next pass.
    pub(super) fn wait(&self, next_run: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Suspend { .. } => None,
            Self::Block(_) | Self::Proceed(Step::Stall) => Some(REPROBE_EVERY),
            Self::Proceed(Step::Keep | Step::Conclude) => Some(until(next_run?, now)),
            Self::Proceed(Step::Retry { delay }) => Some(*delay),
            Self::Proceed(
                Step::Start { .. } | Step::Refresh | Step::Observe | Step::Pause | Step::Stop,
            ) => Some(PROGRESS_EVERY),
        }
    }
}

/// How long until the next run is due. One that is overdue waits for something else.
pub(super) fn until(next_run: Timestamp, now: Timestamp) -> Duration {
    let wait = Duration::try_from(next_run.duration_since(now)).unwrap_or_default();
    if wait.is_zero() { REPROBE_EVERY } else { wait }
}

/// A run that is quiet is reported in time, even if nothing else happens before.
pub(super) fn at_the_latest(wait: Option<Duration>, quiet: Option<Duration>) -> Option<Duration> {
    match (wait, quiet) {
        (Some(wait), Some(quiet)) => Some(wait.min(quiet.saturating_add(Duration::from_secs(1)))),
        (wait, _) => wait,
    }
}

impl<R> Inputs<'_, R> {
    /// What is due for a revision while no run of it is in progress.
    pub(super) fn when_idle(&self, revision: &str) -> Step {
        if self.applied != Some(revision) || self.requested {
            Step::Start { attempt: 0 }
        } else if self.next_run.is_some_and(|due| due <= self.now) {
            Step::Refresh
        } else {
            Step::Keep
        }
    }

    /// What happens to a run in progress. It notices by itself when Clinch rejects the credential; what
    /// people decide about the integration ends it here.
    pub(super) fn while_running(&self) -> Decision {
        match self.obstacle {
            Some(verdict) if !is_unready(verdict) => Decision::Block(verdict.clone()),
            _ if self.sending == Sending::Paused => Decision::Proceed(Step::Pause),
            _ => Decision::Proceed(Step::Observe),
        }
    }

    /// That no window is open, if this and nothing that a person must act on is in the way.
    pub(super) fn waits_for_window(&self) -> Option<&Verdict> {
        self.closed.filter(|_| self.obstacle.is_none_or(is_unready))
    }

    /// What happens while no window is open. `quiet`: what is due or in progress is not reported. `cut`: the
    /// last run ended with the window before, and had found nothing to do.
    pub(super) fn while_closed(
        &self,
        closed: &Verdict,
        due: Step,
        quiet: bool,
        cut: bool,
    ) -> Decision {
        match due {
            Step::Keep | Step::Conclude | Step::Stop => Decision::Proceed(due),
            Step::Observe if quiet => Decision::Proceed(Step::Stop),
            Step::Start { .. } if cut && self.looks == Looks::AsScheduled => {
                Decision::Proceed(Step::Keep)
            }
            _ => Decision::Block(closed.clone()),
        }
    }

    /// When a run is tried again that was interrupted at `ended` after as many `failures`; `None`: it
    /// stalls.
    pub(super) fn again(
        &self,
        disposition: Disposition,
        failures: u32,
        ended: Timestamp,
    ) -> Option<Step> {
        match disposition {
            Disposition::Retry { after, .. } => {
                // Without jitter: the client adds its own.
                let (delay, waited) = (backoff(failures).max(after), self.since(ended));
                Some(if waited >= delay {
                    Step::Start { attempt: failures.saturating_add(1) }
                } else {
                    Step::Retry { delay: delay.saturating_sub(waited) }
                })
            }
            // The integration enqueues what uses it once it is ready again. Until it has noticed what the
            // run met, it may still look ready: hence the backoff.
            Disposition::Wait { .. } if self.obstacle.is_none() => {
                self.again(Disposition::retry(disposition.reason()), failures, ended)
            }
            Disposition::Wait { .. } => Some(Step::Retry { delay: REPROBE_EVERY }),
            Disposition::Stalled { .. } => None,
        }
    }

    /// How long ago that was.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(then)).unwrap_or(Duration::ZERO)
    }
}
