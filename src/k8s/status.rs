//! The only code that writes status: server-side apply of apiVersion, kind, name and status,
//! nothing else, one field manager for each kind.

use std::time::Duration;

use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::error::cluster_error;
use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping},
    cluster::{ClusterError, ObjectRef, StatusUpdate},
};

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Applies a status. An object deleted in between is no error.
pub(crate) async fn apply(
    client: &Client,
    object: &ObjectRef,
    status: &StatusUpdate,
) -> Result<(), ClusterError> {
    match status {
        StatusUpdate::Integration(status) => {
            apply_as::<ClinchIntegration>(client, object, status, "clinch-operator-integration")
                .await
        }
        StatusUpdate::Mapping(status) => {
            apply_as::<FieldMapping>(client, object, status, "clinch-operator-mapping").await
        }
        StatusUpdate::Export(status) => {
            apply_as::<CandidateExport>(client, object, status, "clinch-operator-export").await
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one writer of statuses")]
async fn apply_as<K>(
    client: &Client,
    object: &ObjectRef,
    status: &impl Serialize,
    manager: &str,
) -> Result<(), ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.key.namespace);
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // The UID keeps a status from landing on a namesake created since.
        "metadata": {"name": object.key.name, "uid": object.uid},
        "status": status,
    });
    let what = || format!("{} {} status", K::plural(&()), object.key);
    let params = PatchParams::apply(manager).force();
    let patch = Patch::Apply(&body);
    let written = timeout(PATIENCE, api.patch_status(&object.key.name, &params, &patch)).await;
    match written {
        Err(_) => Err(ClusterError::Unavailable {
            verb: "patch",
            what: what(),
            code: "no answer in 15 s".to_owned(),
        }),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Ok(Err(error)) => Err(cluster_error("patch", what(), &error)),
    }
}
