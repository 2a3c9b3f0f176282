//! The only code that reads Secrets. Every read names the namespace of the object that refers to
//! the Secret; there is no list, and no way to name another namespace.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::PostParams};
use tokio::time::timeout;

use super::error::cluster_error;
use crate::cluster::{Bundle, ClusterError, ObjectKey};

/// Field of the ledger key Secret.
const KEY_FIELD: &str = "ledger-key";
/// The timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads Secrets one by one.
#[derive(Clone)]
pub(crate) struct Secrets {
    client: Client,
    root_key: ObjectKey,
}

impl Secrets {
    pub(crate) fn new(client: Client, root_key: ObjectKey) -> Self {
        Self { client, root_key }
    }

    /// One Secret; `None` when there is none.
    pub(crate) async fn read(&self, key: &ObjectKey) -> Result<Option<Bundle>, ClusterError> {
        Ok(self.get(key).await?.map(|secret| Bundle {
            data: bytes_by_key(secret.data),
            labels: secret.metadata.labels.unwrap_or_default(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            secret_type: secret.type_.unwrap_or_default(),
        }))
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Secret>, ClusterError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let what = || format!("secrets {key}");
        timeout(REQUEST_TIMEOUT, api.get_opt(&key.name))
            .await
            .map_err(|_| no_answer("get", what()))?
            .map_err(|error| cluster_error("get", what(), &error))
    }

    /// The ledger root key; generated on first use into the Secret, which ships empty.
    pub(crate) async fn root_key(&self) -> Result<[u8; 32], ClusterError> {
        let key = &self.root_key;
        let what = || format!("secrets {key}");
        let Some(mut secret) = self.get(key).await? else {
            return Err(ClusterError::Unavailable {
                verb: "get",
                what: what(),
                code: format!(
                    "it does not exist; the chart creates it, and so does `kubectl create secret generic {} \
                     -n {}`",
                    key.name, key.namespace
                ),
            });
        };
        if let Some(present) = secret.data.as_ref().and_then(|data| data.get(KEY_FIELD)) {
            return present.0.as_slice().try_into().map_err(|_| ClusterError::Unavailable {
                verb: "use",
                what: what(),
                code: format!("{KEY_FIELD} is not 32 bytes long"),
            });
        }
        let fresh = random_key()?;
        secret
            .data
            .get_or_insert_default()
            .insert(KEY_FIELD.to_owned(), ByteString(fresh.to_vec()));
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        // A replace with the resourceVersion read above: of two processes one fails, and reads the
        // other's key next time.
        timeout(REQUEST_TIMEOUT, api.replace(&key.name, &PostParams::default(), &secret))
            .await
            .map_err(|_| no_answer("update", what()))?
            .map_err(|error| cluster_error("update", what(), &error))?;
        tracing::info!(secret = %key, "generated the ledger key");
        Ok(fresh)
    }
}

fn bytes_by_key(data: Option<BTreeMap<String, ByteString>>) -> BTreeMap<String, Bytes> {
    data.unwrap_or_default().into_iter().map(|(key, value)| (key, Bytes::from(value.0))).collect()
}

fn no_answer(verb: &'static str, what: String) -> ClusterError {
    ClusterError::Unavailable { verb, what, code: "no answer in 10 s".to_owned() }
}

/// 32 bytes from the operating system, through the TLS library's generator.
fn random_key() -> Result<[u8; 32], ClusterError> {
    let mut key = [0_u8; 32];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut key).map_err(|_| {
        ClusterError::Io {
            verb: "read",
            what: "the system's random generator".to_owned(),
            kind: "it failed".to_owned(),
        }
    })?;
    Ok(key)
}
