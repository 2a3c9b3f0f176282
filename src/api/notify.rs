//! Notifications: who receives them, and what an object was announced as.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommonStatus, Duration, NameReference};

/// A receiver of notifications.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NotifyReceiver {
    /// Its name, by which statuses refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What is sent.
    pub format: NotifyFormat,
    /// A Secret in the integration's own namespace with the label `clinch.hireez.dev/use: notify`: field
    /// `url`, and for `Webhook` also `signingKey`, and `previousSigningKey` while it is being replaced.
    pub secret_ref: NameReference,
    /// How long a failure that the operator retries lasts before it is sent, at most 24h. An object that is
    /// Stalled is sent at once. Absent: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("must be at most 24h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub after: Option<Duration>,
}

impl NotifyReceiver {
    /// How long a failure that is retried lasts before it is sent.
    pub fn patience(&self) -> std::time::Duration {
        self.after.as_ref().map_or(PATIENCE, Duration::get).min(LONGEST)
    }
}

/// How long a failure that is retried lasts before it is sent, unless a receiver says otherwise.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(5);
/// The longest such time.
const LONGEST: std::time::Duration = std::time::Duration::from_hours(24);

/// What is sent to a receiver.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum NotifyFormat {
    /// A text, as incoming webhooks of Slack and compatible services take it.
    Slack,
    /// JSON with a signature as Standard Webhooks 1.0 defines it.
    Webhook,
}

/// What is known of a receiver.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NotifyStatus {
    /// Its name in `spec.notify`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What it answered last.
    pub last_answer: NotifyAnswer,
}

/// What a receiver answered.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum NotifyAnswer {
    /// A status from 200 to 299.
    Taken,
    /// A status from 300 to 399. Redirects are not followed.
    Redirected,
    /// Another status below 500.
    Refused,
    /// A status of 500 or above.
    Failed,
    /// There was no answer.
    NoAnswer,
}

/// What a receiver was sent about an object.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notified {
    /// The receiver, by its name in `spec.notify` of the integration.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Whether the latest message says that the object is Ready.
    pub ready: bool,
    /// Whether the latest message is about a failure that is retried. Absent: it says that the object is
    /// Ready, or Stalled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
    /// The reason in the latest message. Absent: none, or an earlier version of the operator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Since when, as the latest message says. Absent: an earlier version of the operator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Number of the latest message.
    pub number: i64,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// When the latest messages were made, at most those of an hour, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub sent: Vec<Time>,
}

/// The failure that keeps an object from being Ready.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Since when it lasts.
    pub since: Time,
    /// The reason of `Ready` when it was seen last.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Since when the object works, or waits for another one, and is not Ready yet. The failure is over once
    /// that has lasted for five minutes. Absent: it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_since: Option<Time>,
}

/// The status of an object that receivers are notified about.
pub trait Notifies: CommonStatus {
    /// What receivers were sent about it.
    fn notified_mut(&mut self) -> &mut Vec<Notified>;
    /// The failure that keeps it from being Ready.
    fn fault_mut(&mut self) -> &mut Option<Fault>;
}

macro_rules! notifies {
    ($status:ty) => {
        impl crate::api::Notifies for $status {
            fn notified_mut(&mut self) -> &mut Vec<crate::api::Notified> {
                &mut self.notified
            }

            fn fault_mut(&mut self) -> &mut Option<crate::api::Fault> {
                &mut self.fault
            }
        }
    };
}
pub(crate) use notifies;
