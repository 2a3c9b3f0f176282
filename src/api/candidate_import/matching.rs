//! A list of people to look for in Clinch, and the file about them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    ExportSource, NameReference, ReportInclude, STORE_SECRET_MESSAGE, STORE_SECRET_PATH,
    STORE_SECRET_RULE, STORE_URL_MESSAGE, STORE_URL_RULE,
};

/// A list of people to look for in Clinch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.source.inline)")
    .message("is no place for a list to look for: put it into a ConfigMap, a Secret, a bucket or a folder")
    .field_path(".source.inline")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ImportMatch {
    /// Where the list is. The mapping for exports decides what is compared: `fieldMappingRef`, unless it is
    /// one of direction Import, else the integration's default, else the documented default mapping.
    pub source: ExportSource,
    /// A file with a line for each person of the list. Absent: no file; `status.match` has the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<MatchReport>,
}

/// A file with a line for each person of a list: class, who they are in Clinch, and the names of attributes
/// that differ. No value of a person.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.to.url.matches('^[^{}]*[.](csv|ndjson)([.]gz)?$')")
    .message("the name of a report must end in .csv, .ndjson, .csv.gz or .ndjson.gz, and has no braces")
    .field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct MatchReport {
    /// Where it is written. Each comparison replaces it.
    pub to: MatchReportTarget,
    /// Which records have a line.
    #[serde(default)]
    pub include: ReportInclude,
}

/// Where a report is written; the integration's `spec.readPermission` and the operator's
/// `--allowed-destinations` decide which places may be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct MatchReportTarget {
    /// `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` or `file:///PATH`. The name says whether
    /// it is CSV or NDJSON.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the import's namespace with credentials, labelled
    /// `clinch.hireez.dev/use: destination` and annotated
    /// `clinch.hireez.dev/allowed-origin: s3://BUCKET`. Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}

impl MatchReportTarget {
    /// The name of the Secret that it is written with.
    pub fn secret(&self) -> Option<&str> {
        self.credentials_secret_ref.as_ref().map(|reference| reference.name.as_str())
    }
}
