//! `ClinchIntegration`: one Clinch account, owned by an admin.

mod access;
mod contract;
mod permission;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access::*;
pub use contract::*;
pub use permission::*;
pub use status::*;

use super::{DuplicatePolicy, Duration, NameReference, NotifyReceiver, SuppressionSource};

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
        .message("exactly one of region and endpoint must be set")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.endpoint) || (self.endpoint.matches('^[A-Za-z]+://[^/[:space:][:cntrl:]][^[:space:][:cntrl:]]*$') && !self.endpoint.contains('\\\\') && !self.endpoint.contains('%') && isURL(self.endpoint) && url(self.endpoint).getEscapedPath() in ['', '/'] && url(self.endpoint).getQuery().size() == 0 && !self.endpoint.contains('@') && !self.endpoint.contains('#') && !self.endpoint.endsWith('?'))")
        .message("must be an origin: scheme, host and optional port; no path, query, fragment or user info")
        .field_path(".endpoint")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.endpoint) || !isURL(self.endpoint) || self.endpoint.lowerAscii().startsWith('https://') || (self.endpoint.lowerAscii().startsWith('http://') && self.environment == 'Sandbox')")
        .message("must be https; http is accepted only when environment is Sandbox")
        .field_path(".endpoint")
        .reason(kube::core::Reason::FieldValueInvalid)
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
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable; create another integration instead")
        .reason(kube::core::Reason::FieldValueInvalid))]
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
    /// Who receives a message when this integration, or an export or import that may use it, is Stalled or
    /// fails for a while, and when it is Ready again. The operator's `--allowed-notify` decides which hosts
    /// are contacted. Absent: nobody.
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
    #[x_kube(validation = Rule::new("duration(self) >= duration('30s') && duration(self) <= duration('24h')").message("must be between 30s and 24h")
        .reason(kube::core::Reason::FieldValueInvalid))]
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
