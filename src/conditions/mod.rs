//! Pure arithmetic on status conditions: what was observed, one verdict, and the previous status
//! give the next conditions. `Ready`, `Reconciling`, `Stalled` and `Suspended` are computed here
//! and nowhere else, so that their invariants hold for every kind:
//!
//! - `Ready` is always there; `Reconciling` and `Stalled` only while True, and never both;
//! - `Ready=False` comes with exactly one of them, unless the object is suspended;
//! - `lastTransitionTime` moves only when `status` flips;
//! - every condition carries the generation it was computed for.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    api::{CommonStatus, ConditionType, STATUS_FALSE, STATUS_TRUE, STATUS_UNKNOWN},
    domain::{Cause, Reason},
};

/// The longest message, in characters.
pub const MAX_MESSAGE: usize = 1024;

/// One condition as observed in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The condition's type; never one of the computed ones.
    pub condition: ConditionType,
    /// True, False, or unknown.
    pub status: Option<bool>,
    /// The reason.
    pub reason: Reason,
    /// One deterministic sentence.
    pub message: String,
}

impl Observation {
    /// An observation.
    pub fn new(
        condition: ConditionType,
        status: impl Into<Option<bool>>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self { condition, status: status.into(), reason, message: message.into() }
    }
}

/// The summary of a pass, from which the computed conditions follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as the spec asks.
    Ready(Cause),
    /// Everything is as the spec asks, and something that somebody requested is in progress.
    Working {
        /// Why the object is Ready.
        ready: Cause,
        /// What is in progress.
        message: String,
    },
    /// Not there yet; the operator continues by itself. `Progressing` shows Ready as Unknown, any
    /// other reason as False.
    Reconciling(Cause),
    /// Not there, and only a change by a person helps.
    Stalled(Cause),
    /// `spec.suspend` is set.
    Suspended {
        /// What the suspension leaves undone.
        standing: Standing,
        /// The message.
        message: String,
    },
}

/// What a suspension leaves undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everything that the spec asks for was in place before: Ready is kept.
    InSync,
    /// Something that the spec asks for is not in place: Ready is False.
    Behind,
    /// A suspended object of this kind has nothing to put in place: Ready is True.
    NothingDue,
}

impl Verdict {
    /// Everything is as the spec asks.
    pub fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self::Ready(Cause::new(reason, message))
    }

    /// Not there yet; the operator continues by itself.
    pub fn reconciling(reason: Reason, message: impl Into<String>) -> Self {
        Self::Reconciling(Cause::new(reason, message))
    }

    /// Not there, and only a change by a person helps.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::Stalled(Cause::new(reason, message))
    }
}

/// Writes generation and conditions into `next`, taking transition times from `previous`.
pub fn apply<S: CommonStatus>(
    previous: &S,
    next: &mut S,
    generation: i64,
    observations: Vec<Observation>,
    verdict: &Verdict,
    now: Timestamp,
) {
    let computed = computed(previous, verdict);
    let conditions = computed
        .into_iter()
        .chain(observations)
        .map(|observation| condition(previous, observation, generation, now))
        .collect();
    next.set_observed_generation(generation);
    *next.conditions_mut() = conditions;
}

fn computed<S: CommonStatus>(previous: &S, verdict: &Verdict) -> Vec<Observation> {
    let ready = |status, reason, message: &str| {
        Observation::new(ConditionType::Ready, status, reason, message)
    };
    match verdict {
        Verdict::Ready(Cause { reason, message }) => vec![ready(Some(true), *reason, message)],
        Verdict::Working { ready: Cause { reason, message }, message: work } => vec![
            ready(Some(true), *reason, message),
            Observation::new(ConditionType::Reconciling, true, Reason::Progressing, work.as_str()),
        ],
        Verdict::Reconciling(Cause { reason, message }) => {
            let first = *reason == Reason::Progressing;
            let why = if first { Reason::Progressing } else { Reason::ProgressingWithRetry };
            vec![
                ready(if first { None } else { Some(false) }, *reason, message),
                Observation::new(ConditionType::Reconciling, true, why, message.as_str()),
            ]
        }
        Verdict::Stalled(Cause { reason, message }) => vec![
            ready(Some(false), *reason, message),
            Observation::new(ConditionType::Stalled, true, *reason, message.as_str()),
        ],
        Verdict::Suspended { standing, message } => {
            let suspended = Observation::new(
                ConditionType::Suspended,
                true,
                Reason::Suspended,
                message.as_str(),
            );
            let kept = find(previous.conditions(), ConditionType::Ready)
                .filter(|ready| *standing == Standing::InSync && ready.status == STATUS_TRUE);
            let summary = match kept {
                Some(kept) => ready(
                    Some(true),
                    Reason::from_word(&kept.reason).unwrap_or(Reason::Ready),
                    &kept.message,
                ),
                None => ready(Some(*standing == Standing::NothingDue), Reason::Suspended, message),
            };
            vec![summary, suspended]
        }
    }
}

fn condition<S: CommonStatus>(
    previous: &S,
    observation: Observation,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let status = match observation.status {
        Some(true) => STATUS_TRUE,
        Some(false) => STATUS_FALSE,
        None => STATUS_UNKNOWN,
    };
    let last_transition_time = find(previous.conditions(), observation.condition)
        .filter(|before| before.status == status)
        .map_or(Time(whole_seconds(now)), |before| before.last_transition_time.clone());
    let mut message = observation.message;
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
    }
    Condition {
        type_: observation.condition.as_str().to_owned(),
        status: status.to_owned(),
        reason: observation.reason.as_str().to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time,
    }
}

/// Kubernetes stores whole seconds; what is compared must be what is stored.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The condition of a type.
pub fn find(conditions: &[Condition], wanted: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == wanted.as_str())
}

/// Whether an object of `generation` is Ready now: not merely was, for an older generation.
pub fn is_ready<S: CommonStatus>(status: Option<&S>, generation: i64) -> bool {
    status.is_some_and(|status| {
        status.observed_generation() == generation
            && find(status.conditions(), ConditionType::Ready)
                .is_some_and(|ready| ready.status == STATUS_TRUE)
    })
}

/// Whether Ready says something new, which is what Events are published for: its status or reason
/// changed, or somebody changed an object that is still Stalled, and what is wrong is another thing.
pub fn ready_changed<S: CommonStatus>(previous: &S, next: &S) -> bool {
    let ready = |status: &S| find(status.conditions(), ConditionType::Ready).cloned();
    let (before, after) = (ready(previous), ready(next));
    let summary = |ready: &Option<Condition>| {
        ready.as_ref().map(|ready| (ready.status.clone(), ready.reason.clone()))
    };
    let message = |ready: &Option<Condition>| ready.as_ref().map(|ready| ready.message.clone());
    let edited = previous.observed_generation() != next.observed_generation();
    let stalled = find(next.conditions(), ConditionType::Stalled).is_some();
    summary(&before) != summary(&after) || edited && stalled && message(&before) != message(&after)
}

#[cfg(test)]
mod tests;
