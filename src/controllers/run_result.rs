//! What a status says of the runs of an export or import: a condition, and the verdict on the object. Pure.

use super::references;
use crate::{
    api::ConditionType,
    conditions::{Observation, Verdict},
    domain::{Cause, Reason},
};

/// The condition about runs, and the verdict.
pub(super) struct RunResult {
    pub(super) observation: Observation,
    pub(super) verdict: Verdict,
}

impl RunResult {
    /// Work is in progress, or will be.
    pub(super) fn working(condition: ConditionType, reason: Reason, message: String) -> Self {
        Self {
            observation: Observation::new(condition, None, reason, message.clone()),
            verdict: Verdict::reconciling(reason, message),
        }
    }

    /// Nothing is sent until the integration has a verified credential again.
    pub(super) fn paused(condition: ConditionType) -> Self {
        Self::working(condition, Reason::DependencyNotReady, references::paused())
    }

    /// Clinch answers with nothing but 429.
    pub(super) fn limited(condition: ConditionType) -> Self {
        Self::working(condition, Reason::RateLimited, references::RUN_LIMITED.to_owned())
    }

    /// The object is Ready. `complete`: everything is in place.
    pub(super) fn ready(
        condition: ConditionType,
        complete: bool,
        reason: Reason,
        message: String,
    ) -> Self {
        Self {
            observation: Observation::new(condition, complete, reason, message.clone()),
            verdict: Verdict::ready(reason, message),
        }
    }

    /// More records were rejected than the budget allows.
    pub(super) fn rejected(condition: ConditionType, message: String) -> Self {
        Self::interrupted(condition, true, Cause::new(Reason::RecordsRejected, message))
    }

    /// A run ended before it was complete. `stalled`: repeating it does not help.
    pub(super) fn interrupted(condition: ConditionType, stalled: bool, cause: Cause) -> Self {
        let Cause { reason, message } = cause;
        Self {
            observation: Observation::new(condition, false, reason, message.clone()),
            verdict: if stalled {
                Verdict::stalled(reason, message)
            } else {
                Verdict::reconciling(reason, message)
            },
        }
    }

    /// The same with something more to say.
    pub(super) fn adding(mut self, what: &str) -> Self {
        let more = format!("; {what}");
        self.observation.message.push_str(&more);
        if let Verdict::Ready(cause) | Verdict::Reconciling(cause) | Verdict::Stalled(cause) =
            &mut self.verdict
        {
            cause.message.push_str(&more);
        }
        self
    }
}
