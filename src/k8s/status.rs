//! The only code that writes status: server-side apply of apiVersion, kind, name and status,
//! nothing else, one field manager for each kind.

use std::time::Duration;

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use tokio::time::timeout;

use super::error::cluster_error;
use crate::cluster::{ClusterError, Kind, ObjectRef, OurKind};

/// The timeout of one write.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

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
    let mut body = serde_json::json!({
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
    let patch = Patch::Apply(&body);
    let written =
        timeout(REQUEST_TIMEOUT, api.patch_status(&object.key.name, &params, &patch)).await;
    match written {
        Err(_) => Err(ClusterError::Unavailable {
            verb: "patch",
            what: what(),
            code: "no answer in 15 s".to_owned(),
        }),
        Ok(Ok(written)) => Ok(written.meta().resource_version.clone()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(None),
        Ok(Err(error)) => Err(cluster_error("patch", what(), &error)),
    }
}
