//! Corrections to the contract, and what of it may be used.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Duration, contract_status::string_map};

/// Corrections to the contract. Each takes precedence over what is discovered or assumed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ContractOverrides {
    /// Path of an operation relative to the version prefix, by operation name
    /// (`listCandidates: /people`). Placeholders: `{candidate_id}`, `{job_id}`. Absent: the discovered or
    /// assumed ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 16), schema_with = "string_map")]
    pub paths: BTreeMap<String, String>,
    /// Names of attributes that the operator itself uses, by their built-in name
    /// (`email: email_address`, `source: origin`, `file_name: filename`), also `updated_at` (the time of the
    /// last change), `merged_into` (the id of the person into whom somebody was merged; no name is built
    /// in), `linkedin_url` and `github_url` (addresses of profiles; discovered by name, else none).
    /// Absent: the discovered or built-in names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 32), schema_with = "string_map")]
    pub attributes: BTreeMap<String, String>,
    /// Query parameter that carries the page number. Absent: the discovered or assumed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub page_parameter: Option<String>,
    /// Query parameter that carries the page size. Absent: the discovered or assumed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub page_size_parameter: Option<String>,
    /// Largest page size, in records. Absent: the discovered one, else 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_page_size: Option<i32>,
    /// Query parameter that filters candidates by the match attribute. Absent: the discovered or
    /// assumed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub filter_parameter: Option<String>,
    /// Query parameter that restricts the candidate list to people who changed since a time. Imports rely
    /// on it only if a request with a time in the future shows that it works. Absent: the discovered one, if
    /// there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_since: Option<UpdatedSinceParameter>,
    /// Query parameter that puts the candidate list in an order in which nobody moves while it is read.
    /// Absent: the discovered one, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<SortParameter>,
    /// Query parameter by which the candidate list also shows people's `social_profile`, e.g. `include`.
    /// Rediscovery compares the addresses in it. Absent: the discovered one, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub include_parameter: Option<String>,
    /// What happens to a value beyond a format, maximum length or `enum` that the OpenAPI document of
    /// Clinch states. A value of another JSON type is refused in either case. Absent: Warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ContractChecks")]
    pub checks: Option<ContractChecks>,
    /// How long it takes until a look-up surely finds a created person, e.g. `2s`. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('10m')").message("must be at most 10m")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(ms|s|m))+$"))]
    pub lookup_settle: Option<Duration>,
}

/// A query parameter that restricts the candidate list to people who changed since a time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UpdatedSinceParameter {
    /// Its name, e.g. `filter[updated_since]`.
    #[schemars(length(min = 1, max = 64))]
    pub parameter: String,
    /// How the time is written.
    #[serde(default)]
    pub format: TimeFormat,
}

/// How a time is written in a query.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// As in RFC 3339: `2026-11-26T22:07:51Z`.
    #[default]
    #[serde(rename = "RFC3339")]
    Rfc3339,
    /// In seconds since 1970.
    Unix,
}

/// A query parameter that puts the candidate list in order.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SortParameter {
    /// Its name, e.g. `sort`.
    #[schemars(length(min = 1, max = 64))]
    pub parameter: String,
    /// The value that asks for the order in which people were created, the oldest first, e.g.
    /// `created_at`.
    #[schemars(length(min = 1, max = 64))]
    pub ascending: String,
}

/// What happens to a value beyond what the document of Clinch states.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContractChecks {
    /// It is sent, and counted as a warning: the document may be out of date.
    #[default]
    Warn,
    /// The record is rejected before anything is sent.
    Enforce,
}

/// A write operation that no public documentation describes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AssumedWrite {
    /// Adds a person to a job at a stage.
    CreateApplication,
    /// Attaches a file to a person.
    CreateAttachment,
    /// Adds an activity to a person.
    CreateActivity,
}
