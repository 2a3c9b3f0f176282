//! Whether the other shards of the installation have a process. Reads their Leases, and judges as a process that
//! waits for one of them would: by the time since the record was last seen to change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

use super::{get, lease::Sighting};
use crate::{
    cluster::{ClusterError, ObjectKey},
    domain::Shard,
};

/// The Leases of all shards; cheap to clone.
#[derive(Clone)]
pub(super) struct ShardLeases {
    api: Api<Lease>,
    home: String,
    /// The name of the Lease of the default shard.
    base: String,
    seen: Arc<Mutex<HashMap<String, Sighting>>>,
}

impl ShardLeases {
    /// The Leases of the namespace `home`.
    pub(super) fn new(client: Client, home: &str, base: &str) -> Self {
        let api = Api::namespaced(client, home);
        Self { api, home: home.to_owned(), base: base.to_owned(), seen: Arc::default() }
    }

    /// Whether a process may hold the Lease of a shard.
    pub(super) async fn is_held(&self, shard: &str) -> Result<bool, ClusterError> {
        let key = ObjectKey::new(&self.home, Shard::lease(&self.base, shard));
        let Some(lease) = get("leases", &key, self.api.get_opt(&key.name)).await? else {
            return Ok(false);
        };
        let record = lease.spec.unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sighting = seen.entry(shard.to_owned()).or_default();
        Ok(sighting.of(&record).is_held())
    }
}
