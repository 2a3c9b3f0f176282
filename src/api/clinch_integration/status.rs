//! What the operator knows of an integration.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    ContractStatus, Fault, Handled, Notified, NotifyStatus, common_status, notifies,
};

/// What the operator knows of the integration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClinchIntegrationStatus {
    /// The generation this status was computed for; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The shard whose process has this integration: only this process contacts the account. It gives it to the
    /// shard that the label `clinch.hireez.dev/shard` names once its runs have ended. Absent: `default`, the
    /// process without `--shard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub shard: Option<String>,
    /// The origin and version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 310))]
    pub endpoint: Option<String>,
    /// The contract in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractStatus>,
    /// The account, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountStatus>,
    /// The people of the account who must never be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<SuppressionStatus>,
    /// What the receivers in `spec.notify` answered last. Absent: nothing was sent to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub notify: Vec<NotifyStatus>,
    /// How many exports use this integration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exports: Option<i64>,
    /// How many imports use this integration; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<i64>,
    /// Namespaces whose exports and imports wait for approval, longest waiting first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub access_requests: Vec<AccessRequest>,
    /// How many namespaces wait for approval, those not listed included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<i64>,
    /// When this endpoint first accepted this credential. Changes only when one of them changes,
    /// not on routine checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified_time: Option<Time>,
    /// What the receivers in `spec.notify` of the integration were sent about this object. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub notified: Vec<Notified>,
    /// The failure that keeps this object from being Ready, for the receivers in `spec.notify` of the
    /// integration. Absent: there is none, or no receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Receipts of requests made by annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}
common_status!(ClinchIntegrationStatus);
notifies!(ClinchIntegrationStatus);

/// A namespace that waits for approval.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequest {
    /// The namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// When it was first listed.
    pub since: Time,
    /// How many of its exports and imports wait.
    pub exports: i64,
}

/// The account that an integration reaches. Clinch has no call that names an account, so it is
/// recognised by people who were written to it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// The account that the ledgers of exports belong to: a keyed hash of the origin and the access
    /// key that reached it first.
    #[schemars(length(max = 16))]
    pub id: String,
    /// The same hash of the origin and the access key that reached it last.
    #[schemars(length(max = 16))]
    pub credential: String,
    /// Ids in Clinch of up to three people written through this integration. They identify the
    /// account when the access key changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(max = 64)))]
    pub witnesses: Vec<String>,
    /// Another account, which the current credential names. `spec.acceptAccount` accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub changed_to: Option<String>,
}

/// How many people of an account must never be written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionStatus {
    /// How many anonymised people are recorded for the account.
    pub entries: i64,
    /// When the list was started.
    pub since: Time,
    /// How many people are on the list of `spec.suppression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<i64>,
}
