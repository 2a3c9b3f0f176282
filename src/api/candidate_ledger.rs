//! `CandidateLedger`: one segment of what an export has pushed or an import has written, or of the
//! people of an account who were anonymised. Internal; not for users.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// One segment of the ledger of an export or import, or of an account's anonymised people. Written by the operator only; pseudonymous data.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "clinch.hireez.dev",
    version = "v1alpha1",
    kind = "CandidateLedger",
    plural = "candidateledgers",
    singular = "candidateledger",
    namespaced,
    derive = "PartialEq",
    doc = "CandidateLedger is one segment of what an export has pushed. Internal to the operator.",
    printcolumn(name = "Export", type_ = "string", json_path = ".spec.exportName"),
    printcolumn(name = "Sequence", type_ = "integer", json_path = ".spec.sequence"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.data == oldSelf.data && self.sequence == oldSelf.sequence && self.exportUid == oldSelf.exportUid")
    .message("a ledger segment is immutable")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct CandidateLedgerSpec {
    /// Name of the export or import; `suppression` for an account's anonymised people.
    #[schemars(length(min = 1, max = 253))]
    pub export_name: String,
    /// UID of the export or import; `account-` and the account's name for its anonymised people.
    #[schemars(length(min = 1, max = 64))]
    pub export_uid: String,
    /// Position of the segment in the ledger.
    #[schemars(range(min = 0))]
    pub sequence: i64,
    /// The segment, Base64.
    #[schemars(length(max = 700_000))]
    pub data: String,
}
