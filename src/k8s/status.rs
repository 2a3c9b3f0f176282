//! The only code that writes status: server-side apply of apiVersion, kind, name and status,
//! nothing else, one field manager for each kind.

use std::time::Duration;

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::error::cluster_error;
use crate::cluster::{ClusterError, Kind, ObjectRef, OurKind};

/// The timeout of one write.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The code of an answer that refuses an object as invalid.
const INVALID: u16 = 422;

/// The field manager of a kind's statuses.
const fn field_manager(kind: Kind) -> &'static str {
    match kind {
        Kind::Integration => "clinch-operator-integration",
        Kind::Mapping => "clinch-operator-mapping",
        Kind::Export => "clinch-operator-export",
        Kind::Import => "clinch-operator-import",
    }
}

/// Applies a status; the version that the object has now. `version`: only if the object still has this one. It is
/// not an error if the object was deleted meanwhile.
#[expect(clippy::disallowed_methods, reason = "the one writer of statuses")]
pub(crate) async fn apply<K: OurKind>(
    client: &Client,
    object: &ObjectRef,
    version: Option<&str>,
    status: &K::Status,
) -> Result<Option<String>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), &object.key.namespace);
    let mut body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // With the UID, the status cannot land on a new object of the same name.
        "metadata": {"name": object.key.name, "uid": object.uid},
        "status": status,
    });
    if let Some(version) = version {
        body["metadata"]["resourceVersion"] = version.into();
    }
    let what = || format!("{} {} status", K::plural(&()), object.key);
    let params = PatchParams::apply(field_manager(K::KIND)).force();
    let write = async {
        let refused = match api.patch_status(&object.key.name, &params, &Patch::Apply(&body)).await
        {
            Err(kube::Error::Api(refused)) if refused.code == INVALID => refused,
            written => return written,
        };
        tracing::warn!(
            kind = %object.kind, object = %object.key, fields = fields(&refused),
            "the API server refuses the status, of which somebody else owns a part: it is written as a whole"
        );
        let cleared = clear(&api, object, &body).await?;
        body["metadata"]["resourceVersion"] = cleared.into();
        api.patch_status(&object.key.name, &params, &Patch::Apply(&body)).await
    };
    match timeout(REQUEST_TIMEOUT, write).await {
        Err(_) => Err(ClusterError::Unavailable {
            verb: "patch",
            what: what(),
            code: "no answer in 15 s".to_owned(),
        }),
        Ok(Ok(written)) => Ok(written.meta().resource_version.clone()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(None),
        Ok(Err(kube::Error::Api(status))) if status.code == INVALID => {
            let code = format!("{INVALID}: {}", fields(&status));
            Err(ClusterError::Unavailable { verb: "patch", what: what(), code })
        }
        Ok(Err(error)) => Err(cluster_error("patch", what(), &error)),
    }
}

/// Removes what differs from the status that is about to be applied: what somebody else wrote there would
/// stay, without the rest of what it belongs to. Returns the new version.
#[expect(clippy::disallowed_methods, reason = "the one writer of statuses")]
async fn clear<K: OurKind>(
    api: &Api<K>,
    object: &ObjectRef,
    body: &Value,
) -> Result<Option<String>, kube::Error> {
    let present = api.get(&object.key.name).await?;
    let version = present.meta().resource_version.clone();
    let present = serde_json::to_value(present).map_err(kube::Error::SerdeError)?;
    let status = present["status"].as_object();
    let differing =
        status.into_iter().flatten().filter(|(name, value)| body["status"][name] != **value);
    let nothing: Map<String, Value> =
        differing.map(|(name, _)| (name.clone(), Value::Null)).collect();
    let mut patch = json!({"metadata": body["metadata"], "status": nothing});
    if patch["metadata"]["resourceVersion"].is_null() {
        patch["metadata"]["resourceVersion"] = version.into();
    }
    let params = PatchParams {
        field_manager: Some(field_manager(K::KIND).into()),
        ..PatchParams::default()
    };
    let cleared = api.patch_status(&object.key.name, &params, &Patch::Merge(&patch)).await?;
    Ok(cleared.meta().resource_version.clone())
}

/// The fields that the API server names. Its message may quote what they hold.
fn fields(refused: &kube::core::Status) -> String {
    let causes = refused.details.iter().flat_map(|details| &details.causes);
    let mut fields: Vec<&str> = causes.map(|cause| cause.field.as_str()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields.join(", ")
}
