//! One request of the audit log. Pure: decodes a line of `audit.k8s.io/v1` JSON.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The user, such as `system:serviceaccount:ns:name`.
    pub user: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The plural, such as `secrets`; empty for non-resource requests such as `/version`.
    pub resource: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for cluster-scoped resources and requests across namespaces.
    pub namespace: String,
    /// Empty for lists and watches.
    pub name: String,
    /// The HTTP status of the response.
    pub code: u16,
    /// When the API server received it.
    pub request_received: Timestamp,
    /// Path and query.
    pub uri: String,
}

impl Entry {
    pub(super) fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Event>(line).map(Self::from)
    }

    /// Whether the request is a write.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}

/// When, what, and the answer, such as `12:00:01.5Z patch candidateexports/status nightly 200`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, subresource, name, code, request_received, .. } = self;
        write!(f, "{request_received} {verb} {resource}")?;
        if !subresource.is_empty() {
            write!(f, "/{subresource}")?;
        }
        if !name.is_empty() {
            write!(f, " {name}")?;
        }
        write!(f, " {code}")
    }
}

/// The part of `audit.k8s.io/v1` Event that an [`Entry`] keeps.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(deserialize_with = "timestamp")]
    request_received_timestamp: Timestamp,
    #[serde(rename = "requestURI")]
    request_uri: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

fn timestamp<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
    String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        let Event { verb, user, user_agent, object_ref, response_status, .. } = event;
        Self {
            verb,
            user: user.username,
            user_agent,
            group: object_ref.api_group,
            resource: object_ref.resource,
            subresource: object_ref.subresource,
            namespace: object_ref.namespace,
            name: object_ref.name,
            code: response_status.code,
            request_received: event.request_received_timestamp,
            uri: event.request_uri,
        }
    }
}
