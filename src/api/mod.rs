//! The custom resource types of `clinch.hireez.dev/v1alpha1`, from which `crds/` is generated.
//! Pure. Every string, list and map has a maximum, so that the API server can bound rule cost.

// The derive takes repeated keys (`printcolumn`, `type_`); the lint takes them for mistakes.
#![allow(clippy::duplicated_attributes)]
// Receipts are named after annotations, which all end alike.
#![allow(clippy::struct_field_names)]

mod candidate_export;
mod candidate_import;
mod candidate_ledger;
mod clinch_integration;
mod conditions;
mod contract_status;
mod duration;
mod export_file;
mod field_mapping;
mod notify;
mod references;
mod schema;
mod source;
mod suppression;

pub use candidate_export::*;
pub use candidate_import::*;
pub use candidate_ledger::*;
pub use clinch_integration::*;
pub use conditions::{ConditionType, STATUS_FALSE, STATUS_TRUE, STATUS_UNKNOWN};
pub use contract_status::*;
pub use duration::Duration;
pub use export_file::*;
pub use field_mapping::*;
pub use notify::*;
pub use references::*;
pub use schema::{crds, crds_yaml};
pub use source::*;
pub use suppression::*;

/// The API group.
pub const GROUP: &str = "clinch.hireez.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// Annotation that requests a reconcile now; any new value is a new request.
pub const RECONCILE_REQUESTED_AT: &str = "clinch.hireez.dev/reconcile-requested-at";
/// Flux's own key for the same request, accepted as an alias.
pub const FLUX_RECONCILE_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation that requests another attempt at rejected records; any new value is a new request.
pub const RETRY_REQUESTED_AT: &str = "clinch.hireez.dev/retry-requested-at";
/// Annotation of an export that requests that nothing its ledger says about values is believed; any new
/// value is a new request.
pub const DISTRUST_LEDGER_REQUESTED_AT: &str = "clinch.hireez.dev/distrust-ledger-requested-at";
/// Annotation of an export that requests that the people it delivered are read back from Clinch; any new
/// value is a new request.
pub const VERIFY_REQUESTED_AT: &str = "clinch.hireez.dev/verify-requested-at";
/// How long after one request that may read everybody in Clinch the next one is accepted.
pub const REQUEST_ONCE_IN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Annotation of an export that requests a list of the people whom it wrote to Clinch, beside its report;
/// any new value is a new request.
pub const WRITTEN_REQUESTED_AT: &str = "clinch.hireez.dev/written-requested-at";
/// Annotation of an import that accepts deletions that are held: the number of the run that held them,
/// from `status.deletionsHeld`.
pub const ACCEPT_DELETIONS: &str = "clinch.hireez.dev/accept-deletions";
/// Label of an integration that says which process of a divided installation serves it, and everything that
/// names it: the value of its option `--shard`.
pub const SHARD_LABEL: &str = "clinch.hireez.dev/shard";
/// Label that says what the operator may read a Secret for.
pub const USE_LABEL: &str = "clinch.hireez.dev/use";
/// The label value for candidate sources.
pub const USE_SOURCE: &str = "source";
/// The label value for credentials that files are written with.
pub const USE_DESTINATION: &str = "destination";
/// The label value for lists of people who must never be written.
pub const USE_SUPPRESSION: &str = "suppression";
/// The label value for receivers of notifications.
pub const USE_NOTIFY: &str = "notify";
/// Annotation of a Secret with headers or store credentials: the origins that it may be sent to.
pub const ALLOWED_ORIGIN: &str = "clinch.hireez.dev/allowed-origin";

// The rules on every URL of an object store.
const STORE_URL_RULE: &str =
    "['s3://', 'gs://', 'az://', 'file:///'].exists(s, self.startsWith(s))";
const STORE_URL_MESSAGE: &str = "must begin with s3://, gs://, az:// or file:///";
const STORE_SECRET_RULE: &str =
    "!self.url.startsWith('file://') || !has(self.credentialsSecretRef)";
const STORE_SECRET_PATH: &str = ".credentialsSecretRef";
const STORE_SECRET_MESSAGE: &str = "does not apply to file:// URLs";

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Receipts of requests made by annotation.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// The value of `clinch.hireez.dev/reconcile-requested-at` (or Flux's own key) last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reconcile_requested_at: Option<String>,
    /// The value of `clinch.hireez.dev/retry-requested-at` last acted on; exports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub retry_requested_at: Option<String>,
    /// The value of `clinch.hireez.dev/distrust-ledger-requested-at` last acted on; exports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub distrust_ledger_requested_at: Option<String>,
    /// The value of `clinch.hireez.dev/verify-requested-at` of the last verification that ended with a
    /// result; exports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub verify_requested_at: Option<String>,
    /// The value of `clinch.hireez.dev/written-requested-at` last acted on; exports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub written_requested_at: Option<String>,
    /// The value of `clinch.hireez.dev/accept-deletions` by which a run last let deletions pass; imports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub accept_deletions: Option<String>,
}

/// What every user-facing status has: the generation it was computed for, and conditions.
pub trait CommonStatus: Default + Clone + PartialEq {
    /// The generation the status was computed for; -1 before the first reconcile.
    fn observed_generation(&self) -> i64;
    /// Sets the generation the status was computed for.
    fn set_observed_generation(&mut self, generation: i64);
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// The conditions, to be replaced.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
}

macro_rules! common_status {
    ($status:ty) => {
        impl crate::api::CommonStatus for $status {
            fn observed_generation(&self) -> i64 {
                self.observed_generation.unwrap_or(-1)
            }
            fn set_observed_generation(&mut self, generation: i64) {
                self.observed_generation = Some(generation);
            }
            fn conditions(&self) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
                &self.conditions
            }
            fn conditions_mut(
                &mut self,
            ) -> &mut Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
                &mut self.conditions
            }
        }
    };
}
pub(crate) use common_status;
