//! An object as it was read, and in which state it is. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::Serialize;
use serde_json::Value as Json;

use super::{
    super::{color::Tone, progress::seconds_left},
    kinds,
};
use crate::{
    api::{ConditionType, STATUS_TRUE},
    cluster::{Kind, ObjectKey},
    conditions::find,
    domain::Reason,
};

/// An object and its kind.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) key: ObjectKey,
    pub(super) json: Json,
}

/// In which state an object is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum State {
    /// It does not exist.
    Missing,
    /// A person must act.
    Stalled,
    /// Somebody else must approve, or a window must open.
    Waiting,
    /// It failed, and is retried.
    Retrying,
    /// The operator has not looked at its present spec.
    Pending,
    /// Work is in progress.
    Running,
    /// The user may not read it.
    Hidden,
    /// It is suspended, by its spec or by that of its integration.
    Suspended,
    /// Everything is as declared.
    Ready,
}

impl State {
    /// How it is printed: what a person must act on stands out.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::Stalled => "STALLED",
            Self::Waiting => "Waiting",
            Self::Retrying => "Retrying",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Hidden => "Hidden",
            Self::Suspended => "Suspended",
            Self::Ready => "Ready",
        }
    }
}

impl State {
    /// How much it needs a person.
    pub(super) const fn tone(self) -> Tone {
        match self {
            Self::Ready => Tone::Good,
            Self::Missing | Self::Stalled => Tone::Bad,
            Self::Waiting | Self::Retrying | Self::Pending | Self::Running => Tone::Wait,
            Self::Hidden | Self::Suspended => Tone::Dim,
        }
    }
}

impl Found {
    /// An object as the API server returned it; `None` where it has no name.
    pub(super) fn new(kind: Kind, json: Json) -> Option<Self> {
        let text = |pointer| json.pointer(pointer).and_then(Json::as_str);
        let namespace = text("/metadata/namespace").unwrap_or_default();
        let key = ObjectKey::new(namespace, text("/metadata/name")?);
        Some(Self { kind, key, json })
    }

    /// `export/engineers`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", kinds::word(self.kind), self.key.name)
    }

    /// The text at a JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.json.pointer(pointer).and_then(Json::as_str)
    }

    /// The number at a JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<i64> {
        self.json.pointer(pointer).and_then(Json::as_i64)
    }

    /// A part of the object as a type of the API; `None` where it is absent or of a later version.
    pub(super) fn part<T: serde::de::DeserializeOwned>(&self, pointer: &str) -> Option<T> {
        T::deserialize(self.json.pointer(pointer)?).ok()
    }

    /// How many seconds work on it still waits because Clinch answered 429.
    pub(super) fn waits(&self, now: Timestamp) -> Option<i64> {
        seconds_left(self.part::<Time>("/status/waitingUntil").as_ref(), now)
    }

    /// The conditions of its status.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        self.part("/status/conditions").unwrap_or_default()
    }

    /// Whether the operator has looked at the present spec.
    pub(super) fn is_observed(&self) -> bool {
        let generation = self.number("/metadata/generation").unwrap_or_default();
        self.number("/status/observedGeneration").is_some_and(|seen| seen >= generation)
    }

    /// The state, and the reason and message of it.
    pub(super) fn state(&self) -> (State, String, String) {
        let conditions = self.conditions();
        let of = |condition| find(&conditions, condition);
        let Some(ready) = of(ConditionType::Ready).filter(|_| self.is_observed()) else {
            let message = "the operator has not looked at this version of it yet; is it running, \
                           and does it watch this namespace?";
            return (State::Pending, String::new(), message.to_owned());
        };
        let has = |condition| of(condition).is_some_and(|found| found.status == STATUS_TRUE);
        let state = if has(ConditionType::Suspended) {
            State::Suspended
        } else if has(ConditionType::Stalled) {
            State::Stalled
        } else if ready.status == STATUS_TRUE {
            State::Ready
        } else if [Reason::AwaitingApproval, Reason::OutsideWindow]
            .iter()
            .any(|one| ready.reason == one.as_str())
        {
            State::Waiting
        } else if ready.reason == Reason::IntegrationSuspended.as_str() {
            State::Suspended
        } else if ready.reason == Reason::Progressing.as_str() {
            State::Running
        } else {
            State::Retrying
        };
        (state, ready.reason.clone(), ready.message.clone())
    }
}
