//! `spec.source` of an export: where candidates come from.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    NameReference, STORE_SECRET_MESSAGE, STORE_SECRET_PATH, STORE_SECRET_RULE, STORE_URL_MESSAGE,
    STORE_URL_RULE,
};

/// Where candidates come from; exactly one of `inline`, `configMapRef`, `secretRef`,
/// `objectStore` and `http`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    validation = Rule::new("[has(self.inline), has(self.configMapRef), has(self.secretRef), has(self.objectStore), has(self.http)].filter(x, x).size() == 1")
        .message("exactly one of inline, configMapRef, secretRef, objectStore and http must be set")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.inline) || !has(self.format)")
        .message("does not apply to inline candidates")
        .field_path(".format")
        .reason(kube::core::Reason::FieldValueForbidden),
    validation = Rule::new("!has(self.inline) || !has(self.csv)")
        .message("does not apply to inline candidates")
        .field_path(".csv")
        .reason(kube::core::Reason::FieldValueForbidden)
)]
#[serde(rename_all = "camelCase")]
pub struct ExportSource {
    /// The profiles. Exactly one of the five sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "profiles")]
    pub inline: Option<Vec<Value>>,
    /// A ConfigMap in the namespace of the object. Exactly one of the five sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<KeysReference>,
    /// A Secret in the namespace of the object, labelled `clinch.hireez.dev/use: source`. Exactly one of
    /// the five sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<KeysReference>,
    /// Files in an object store, or in a folder that the operator may read. Exactly one of the five
    /// sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStoreSource>,
    /// A file from an HTTP server. Exactly one of the five sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// Format of the data. Absent: detected from the name of the key or file, else from the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SourceFormat")]
    pub format: Option<SourceFormat>,
    /// How CSV columns become profile fields. Absent: by the built-in names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvSource>,
}

fn profiles(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 50,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}

/// A ConfigMap or Secret, and which of its keys.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeysReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Keys to read, in this order. Empty: every key, in the order of their names. Values may be gzip-compressed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub keys: Vec<String>,
}

impl ExportSource {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = self.secret_ref.as_ref().map(|reference| reference.name.as_str());
        secret.into_iter().chain(self.remote_secret())
    }

    /// The name of the Secret that a remote source is read with.
    pub fn remote_secret(&self) -> Option<&str> {
        let store = self.object_store.as_ref().and_then(|s| s.credentials_secret_ref.as_ref());
        let headers = self.http.as_ref().and_then(|http| http.headers_secret_ref.as_ref());
        store.or(headers).map(|reference| reference.name.as_str())
    }
}

/// Files in an object store; the operator's `--allowed-sources` decides which may be read.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreSource {
    /// `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` or `file:///PATH`. The key may be
    /// a pattern: `*` matches any text within a segment, `**` any folders. Files may be
    /// compressed with gzip or zstd.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the export's namespace with credentials, labelled
    /// `clinch.hireez.dev/use: source` and annotated `clinch.hireez.dev/allowed-origin: s3://BUCKET`.
    /// Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}

/// A file from an HTTP server; the operator's `--allowed-sources` decides which may be read.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HttpSource {
    /// The URL. Redirects are not followed.
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')")
        .message("must begin with https:// or http://")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 2048))]
    pub url: String,
    /// A Secret in the export's namespace whose fields are sent as headers, labelled
    /// `clinch.hireez.dev/use: source` and annotated `clinch.hireez.dev/allowed-origin: https://HOST`.
    /// Absent: no headers are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_secret_ref: Option<NameReference>,
}

/// A source format.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SourceFormat {
    /// One profile, or an array of profiles.
    Json,
    /// One profile per line.
    Ndjson,
    /// A header line, then one profile per row.
    Csv,
}

/// How CSV columns become profile fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CsvSource {
    /// Profile path by column header, added to the built-in names. Absent: these alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "header_map")]
    pub headers: BTreeMap<String, String>,
    /// Whether cells were escaped against spreadsheets, as in the CSV files of this operator and of other
    /// programs.
    #[serde(default)]
    pub formulas: CsvFormulas,
}

/// Whether the cells of a CSV file were escaped against spreadsheets.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum CsvFormulas {
    /// They were not: every cell is kept as it is.
    #[default]
    Keep,
    /// They were: exactly one leading `'` is removed from each cell that begins with one.
    Escaped,
}

fn header_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 128,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 256}
    })
}
