//! `spec.suppression`: the admin's own list of people who must never be written.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    NameReference, STORE_SECRET_MESSAGE, STORE_SECRET_PATH, STORE_SECRET_RULE, STORE_URL_MESSAGE,
    STORE_URL_RULE,
};

/// Field of a Secret that holds the key of a list's `hmac-sha256:` lines; never a list itself.
pub const HMAC_KEY_FIELD: &str = "hmacKey";

/// People who must never be written; exactly one of `secretRef` and `objectStore`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.objectStore)")
    .message("exactly one of secretRef and objectStore must be set")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct SuppressionSource {
    /// A Secret in the integration's namespace, labelled `clinch.hireez.dev/use: suppression`.
    /// Exactly one of `secretRef` and `objectStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SuppressionSecretRef>,
    /// Files in an object store, or in a folder that the operator may read. Exactly one of `secretRef` and
    /// `objectStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<SuppressionStore>,
}

impl SuppressionSource {
    /// The name of the Secret that it refers to, if it does.
    pub fn secret(&self) -> Option<&str> {
        let store = self.object_store.as_ref().and_then(|s| s.credentials_secret_ref.as_ref());
        let listed = self.secret_ref.as_ref().map(|reference| reference.name.as_str());
        listed.or(store.map(|reference| reference.name.as_str()))
    }
}

/// A Secret with lists, and which of its fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Fields that hold lists. Empty: every field but `hmacKey`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("!self.exists(k, k == 'hmacKey')")
        .message("hmacKey holds the key of the lists, not a list")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub keys: Vec<String>,
}

/// Lists in an object store, 64 MiB together at most; the operator's `--allowed-sources` decides
/// which may be read.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct SuppressionStore {
    /// `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` or `file:///PATH`. The key may be
    /// a pattern: `*` matches any text within a segment, `**` any folders.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the integration's namespace with credentials, and with `hmacKey` where the
    /// lists need it; labelled `clinch.hireez.dev/use: suppression` and annotated
    /// `clinch.hireez.dev/allowed-origin: s3://BUCKET`. Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}
