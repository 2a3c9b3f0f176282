//! What the conditions of an object say of it in a word. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use maud::{Markup, html};
use serde_json::Value;

use crate::{
    api::{ConditionType, STATUS_TRUE},
    conditions::find,
    domain::Reason,
};

/// The state of an object of any kind.
pub(super) struct Summary {
    pub(super) kind: String,
    /// `NAMESPACE/NAME`.
    pub(super) name: String,
    pub(super) state: State,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The state of an object in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// Ready, with rejected records or warnings.
    Warned,
    Suspended,
    Working,
    Waiting,
    Stalled,
    Unknown,
}

impl Summary {
    /// Reads an object as the API server shows it.
    pub(super) fn of(object: &Value) -> Self {
        let text = |pointer| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let conditions = object.pointer("/status/conditions").cloned().unwrap_or_default();
        let conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
        let ready = find(&conditions, ConditionType::Ready);
        Self {
            kind: text("/kind"),
            name: format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")),
            state: State::of(&conditions),
            reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        }
    }

    /// Whether nobody needs to look at it.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.state, State::Ready | State::Warned | State::Suspended)
    }

    /// State and reason.
    pub(super) fn badge(&self) -> Markup {
        let (class, word) = self.state.shown();
        html! {
            span class={ "badge " (class) } { (word) }
            @if !self.reason.is_empty() { " " code { (self.reason) } }
        }
    }
}

impl State {
    fn of(conditions: &[Condition]) -> Self {
        let is_true = |wanted| {
            find(conditions, wanted).is_some_and(|condition| condition.status == STATUS_TRUE)
        };
        let Some(ready) = find(conditions, ConditionType::Ready) else { return Self::Unknown };
        let warned = ["WithRejections", "WithWarnings"];
        if is_true(ConditionType::Suspended) {
            Self::Suspended
        } else if [Reason::AwaitingApproval, Reason::OutsideWindow]
            .iter()
            .any(|one| ready.reason == one.as_str())
        {
            Self::Waiting
        } else if is_true(ConditionType::Stalled) {
            Self::Stalled
        } else if ready.status != STATUS_TRUE {
            Self::Working
        } else if warned.iter().any(|end| ready.reason.ends_with(end)) {
            Self::Warned
        } else {
            Self::Ready
        }
    }

    /// The class of the style sheet, and the word.
    const fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Ready => ("good", "Ready"),
            Self::Warned => ("wait", "Ready"),
            Self::Suspended => ("dim", "Suspended"),
            Self::Working => ("wait", "Not ready"),
            Self::Waiting => ("wait", "Waiting"),
            Self::Stalled => ("bad", "Stalled"),
            Self::Unknown => ("dim", "Not reconciled"),
        }
    }
}
