//! Notifications: who receives them, and what an object was announced as.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommonStatus, NameReference};

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
}

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
    /// Number of the latest message.
    pub number: i64,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// When the latest messages were made, at most those of an hour, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub sent: Vec<Time>,
}

/// The status of an object that receivers are notified about.
pub trait Notifies: CommonStatus {
    /// What receivers were sent about it.
    fn notified_mut(&mut self) -> &mut Vec<Notified>;
}

macro_rules! notifies {
    ($status:ty) => {
        impl crate::api::Notifies for $status {
            fn notified_mut(&mut self) -> &mut Vec<crate::api::Notified> {
                &mut self.notified
            }
        }
    };
}
pub(crate) use notifies;
