//! `ClinchIntegration`: one Clinch account, owned by an admin.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ContractStatus, DuplicatePolicy, Duration, Handled, NameReference, Notified, NotifyReceiver,
    NotifyStatus, SuppressionSource, common_status, contract_status::string_map, notifies,
};

/// One Clinch account: where it is, how to sign for it, and what may be sent to it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "clinch.hireez.dev",
    version = "v1alpha1",
    kind = "ClinchIntegration",
    plural = "clinchintegrations",
    singular = "clinchintegration",
    shortname = "clint",
    category = "clinch",
    namespaced,
    status = "ClinchIntegrationStatus",
    derive = "PartialEq",
    doc = "ClinchIntegration is one Clinch account: endpoint, credentials, environment and limits.",
    selectable = ".spec.suspend",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Suspended",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Suspended\")].status"
    ),
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment"),
    printcolumn(name = "Contract", type_ = "string", json_path = ".status.contract.origin"),
    printcolumn(name = "Exports", type_ = "integer", json_path = ".status.exports"),
    printcolumn(name = "Requests", type_ = "integer", json_path = ".status.requests"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("has(self.region) != has(self.endpoint)")
        .message("exactly one of region and endpoint must be set"),
    validation = Rule::new("!has(self.endpoint) || (self.endpoint.matches('^[A-Za-z]+://[^/[:space:][:cntrl:]][^[:space:][:cntrl:]]*$') && !self.endpoint.contains('\\\\') && !self.endpoint.contains('%') && isURL(self.endpoint) && url(self.endpoint).getEscapedPath() in ['', '/'] && url(self.endpoint).getQuery().size() == 0 && !self.endpoint.contains('@') && !self.endpoint.contains('#') && !self.endpoint.endsWith('?'))")
        .message("endpoint must be an origin: scheme, host and optional port; no path, query, fragment or user info")
        .field_path(".endpoint"),
    validation = Rule::new("!has(self.endpoint) || !isURL(self.endpoint) || self.endpoint.lowerAscii().startsWith('https://') || (self.endpoint.lowerAscii().startsWith('http://') && self.environment == 'Sandbox')")
        .message("endpoint must be https; http is accepted only when environment is Sandbox")
        .field_path(".endpoint")
)]
#[serde(rename_all = "camelCase")]
pub struct ClinchIntegrationSpec {
    /// Clinch region; decides the API host. Exactly one of `region` and `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Region")]
    pub region: Option<Region>,
    /// Origin of the API, e.g. `https://api.clinchtalent.com`. The operator's allow-list decides
    /// which origins are used. Exactly one of `region` and `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 300))]
    pub endpoint: Option<String>,
    /// Version of the Clinch API: the path prefix.
    #[serde(default)]
    pub api_version: ApiVersion,
    /// Whether the account is a production or a sandbox account. Must be the environment the
    /// operator runs with; never join a test tenant to production.
    #[x_kube(validation = Rule::new("self == oldSelf").message("environment is immutable; create another integration instead"))]
    pub environment: Environment,
    /// The API key and secret issued by Clinch.
    pub credentials: CredentialsSource,
    /// The name given to the API credential in Clinch. Clinch shows it as the source of every
    /// profile it receives.
    #[serde(default = "default_credential_name")]
    #[schemars(length(min = 1, max = 128))]
    pub credential_name: String,
    /// What exports may push.
    #[serde(default)]
    pub push_permission: PushPermission,
    /// What imports may take out of Clinch, and where to.
    #[serde(default)]
    pub read_permission: ReadPermission,
    /// Namespaces whose exports and imports may use this integration. Its own namespace always may.
    #[serde(default)]
    pub access: Access,
    /// Defaults for exports that set none. Absent: none but the documented ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<IntegrationDefaults>,
    /// Limits of the load on Clinch.
    #[serde(default)]
    pub limits: Limits,
    /// People who must never be written, besides those anonymised in Clinch. One per line, in UTF-8: an
    /// address in plain text, which the operator folds (white space removed, lower case), or
    /// `hmac-sha256:` and 64 hexadecimal digits, the HMAC-SHA256 of the folded address with the key in
    /// field `hmacKey` of the same Secret. Blank lines and lines that start with `#` are skipped;
    /// anything else is an error. Absent: nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<SuppressionSource>,
    /// Who receives a message when this integration, or an export or import that may use it, is Stalled,
    /// and when it is Ready again. The operator's `--allowed-notify` decides which hosts are contacted.
    /// Absent: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 4))]
    pub notify: Vec<NotifyReceiver>,
    /// Accepts the loss of the list of anonymised people. Set it to the value of
    /// `status.suppression.since`. People anonymised before are then written again where a source
    /// names them. Absent: a loss is not accepted, and nobody is written after one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    pub accept_suppression_loss: Option<String>,
    /// Corrections to the discovered or assumed contract. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_overrides: Option<ContractOverrides>,
    /// Assumed write operations that may be used in Production. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 8))]
    pub accept_assumed_writes: Vec<AssumedWrite>,
    /// Accepts another Clinch account after `AccountChanged`. Set it to the value of
    /// `status.account.changedTo`. Everything that exports pushed to the old account is then pushed
    /// to the new one. Absent: no change of the account is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9a-f]{16}$"))]
    pub accept_account: Option<String>,
    /// How often the credential is verified again, e.g. `10m`.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('30s') && duration(self) <= duration('24h')").message("interval must be between 30s and 24h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub interval: Duration,
    /// Suspends verification, and every export and import of this integration.
    #[serde(default)]
    pub suspend: bool,
}

impl ClinchIntegrationSpec {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let listed = self.suppression.as_ref().and_then(SuppressionSource::secret);
        let receivers = self.notify.iter().map(|receiver| receiver.secret_ref.name.as_str());
        std::iter::once(self.credentials.secret_ref.name.as_str()).chain(listed).chain(receivers)
    }
}

fn default_credential_name() -> String {
    "hireEZ".to_owned()
}

fn default_interval() -> Duration {
    Duration::from_mins(10)
}

/// A Clinch region.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Region {
    /// United States.
    Us,
    /// Europe.
    Eu,
    /// Australia.
    Au,
}

/// A version of the Clinch API.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApiVersion {
    /// Path prefix `/v1`.
    V1,
    /// Path prefix `/v2`.
    #[default]
    V2,
}

impl ApiVersion {
    /// The first segment of every path.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "/v1",
            Self::V2 => "/v2",
        }
    }
}

/// Which kind of account this is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum Environment {
    /// Real people, real recruiters.
    Production,
    /// A test account.
    Sandbox,
}

/// Where the credential is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSource {
    /// A Secret in the integration's own namespace.
    pub secret_ref: CredentialsSecretRef,
}

/// The Secret that holds the Clinch API key and secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Field of the Secret with the access key.
    #[serde(default = "default_access_key_field")]
    #[schemars(length(min = 1, max = 253))]
    pub access_key_field: String,
    /// Field of the Secret with the secret key.
    #[serde(default = "default_secret_key_field")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_key_field: String,
}

fn default_access_key_field() -> String {
    "accessKey".to_owned()
}

fn default_secret_key_field() -> String {
    "secretKey".to_owned()
}

/// What exports may push through this integration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PushPermission {
    /// Whether people may be pushed as prospects.
    #[serde(default)]
    pub prospects: Permission,
    /// Jobs, and stages of them, to which people may be pushed; each job once. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["job".into()]))]
    #[schemars(length(max = 64))]
    pub jobs: Vec<JobPermission>,
    /// Whether exports may write people to files. What is written is beyond the reach of this
    /// operator: nobody can be removed from a copy of it.
    #[serde(default = "denied")]
    pub files: Permission,
    /// Whether exports may push only the plan that their `spec.approvedPlan` names. Dry runs and files
    /// are not concerned.
    #[serde(default)]
    pub approved_plan: PlanApproval,
}

impl Default for PushPermission {
    fn default() -> Self {
        Self {
            prospects: Permission::default(),
            jobs: Vec::new(),
            files: denied(),
            approved_plan: PlanApproval::default(),
        }
    }
}

/// Whether a push needs an approved plan.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PlanApproval {
    /// An export may have one.
    #[default]
    Optional,
    /// An export without one does not push.
    Required,
}

const fn denied() -> Permission {
    Permission::Denied
}

/// What may be taken out of Clinch through this integration, and where people may be written to. What is
/// written is beyond the reach of this operator: nobody can be removed from a copy of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.candidates != 'Allowed' || (has(self.attributes) && self.attributes.size() > 0)")
    .message("attributes must be listed when candidates is Allowed; write [\"*\"] for all of them")
    .field_path(".attributes")
    .reason(kube::core::Reason::FieldValueRequired))]
#[x_kube(validation = Rule::new("!has(self.attributes) || !self.attributes.exists(a, a == '*') || self.attributes.size() == 1")
    .message("\"*\" stands for all attributes and must be the only entry")
    .field_path(".attributes"))]
#[serde(rename_all = "camelCase")]
pub struct ReadPermission {
    /// Whether imports may read people, and reports of exports may say who they are in Clinch.
    #[serde(default = "denied")]
    pub candidates: Permission,
    /// Names of the Clinch attributes that may leave; `["*"]` for all of them. Others are removed
    /// before selection and mapping. The id always leaves. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 128), inner(length(min = 1, max = 128)))]
    pub attributes: Vec<String>,
    /// Places that imports, and exports with files and reports, may write to, and endpoints that imports may
    /// send to, spelled as in the operator's `--allowed-destinations`, which applies as well. Empty: what
    /// the operator allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(d, ['s3://', 'gs://', 'az://', 'file:///', 'https://', 'http://'].exists(s, d.startsWith(s)))")
        .message("each must begin with s3://, gs://, az://, file:///, https:// or http://"))]
    #[schemars(length(max = 32), inner(length(min = 5, max = 1024)))]
    pub destinations: Vec<String>,
}

impl Default for ReadPermission {
    fn default() -> Self {
        Self { candidates: denied(), attributes: Vec::new(), destinations: Vec::new() }
    }
}

/// Allowed or denied.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Permission {
    /// Allowed.
    #[default]
    Allowed,
    /// Denied.
    Denied,
}

/// One permitted job.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JobPermission {
    /// Reference or id of the job in Clinch; `"*"` for any.
    #[schemars(length(min = 1, max = 128))]
    pub job: String,
    /// Names of permitted stages; `"*"` for any. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub stages: Vec<String>,
}

/// Which namespaces' exports and imports may use an integration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.mode != 'Automatic' || !has(self.approved) || self.approved.size() == 0")
    .message("approved does not apply to mode Automatic, which lets every namespace in")
    .field_path(".approved")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.namespaceSelector) || self.mode == 'Approval'")
    .message("namespaceSelector applies to mode Approval only")
    .field_path(".namespaceSelector")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// How namespaces other than the integration's own get access.
    #[serde(default)]
    pub mode: AccessMode,
    /// The namespaces that have access under mode Approval. Removing one stops its exports and imports.
    /// Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub approved: Vec<String>,
    /// Namespaces that have no access, whatever else this says: their exports are Stalled with
    /// `NotPermitted`, and they are not listed in `status.accessRequests`. Does not apply to the
    /// integration's own namespace. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub denied: Vec<String>,
    /// Under mode Approval, also gives access to every namespace with these labels; an empty selector
    /// matches all of them. Only an operator that watches all namespaces may read their labels. Absent:
    /// to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,
    /// Whether exports and imports of other namespaces may use mappings of their own namespace, through
    /// `fieldMappingRef.namespace`.
    #[serde(default)]
    pub member_mappings: bool,
}

/// Labels of namespaces; all requirements have to be met.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with their values. Absent: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 16), schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on labels. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63}
    })
}

/// A requirement on one label.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
    .message("values belong to In and NotIn, which need at least one")
    .field_path(".values"))]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How its value is compared.
    pub operator: LabelOperator,
    /// The values. Required by `In` and `NotIn`; the other operators take none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label's value is compared.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LabelOperator {
    /// It is one of the values.
    In,
    /// It is none of the values, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl NamespaceSelector {
    /// Whether a namespace with these labels matches.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        let required = |required: &LabelRequirement| {
            let found = labels.get(&required.key);
            let listed = found.is_some_and(|found| required.values.contains(found));
            match required.operator {
                LabelOperator::In => listed,
                LabelOperator::NotIn => !listed,
                LabelOperator::Exists => found.is_some(),
                LabelOperator::DoesNotExist => found.is_none(),
            }
        };
        equal && self.match_expressions.iter().all(required)
    }
}

/// How other namespaces get access.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AccessMode {
    /// Not at all.
    #[default]
    SameNamespace,
    /// Those listed in `approved` or matched by `namespaceSelector`. An export or import of any other
    /// one waits, and its namespace is listed in `status.accessRequests`.
    Approval,
    /// All of them.
    Automatic,
}

/// Defaults for exports that set none.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationDefaults {
    /// The mapping of exports that name none. Absent: the documented default mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_mapping_ref: Option<NameReference>,
    /// The duplicate policy of exports that name none. Absent: Update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DuplicatePolicy")]
    pub duplicate_policy: Option<DuplicatePolicy>,
}

/// Limits; below them the client adapts to Clinch's responses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Maximum requests per second. Absent: no limit of the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: Option<i32>,
    /// Maximum requests in flight.
    #[serde(default = "default_in_flight")]
    #[schemars(range(min = 1, max = 64))]
    pub max_in_flight: i32,
    /// How it is proved that a person is not in Clinch before being created.
    #[serde(default)]
    pub absence: AbsenceProof,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: None,
            max_in_flight: default_in_flight(),
            absence: AbsenceProof::default(),
        }
    }
}

/// How it is proved that a person is not in Clinch before being created.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AbsenceProof {
    /// From the whole candidate list, where it can be proved complete; the list is watched while
    /// the run works.
    #[default]
    List,
    /// Every person is looked up immediately before being created: 2 requests per person. Another
    /// program that creates the same person is missed only within the time of one request.
    LookUp,
}

fn default_in_flight() -> i32 {
    8
}

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
    #[x_kube(validation = Rule::new("duration(self) <= duration('10m')").message("lookupSettle must be at most 10m"))]
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
