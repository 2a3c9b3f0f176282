//! The grant of a run that uses a connection. Pure, except that it reads the cached integration.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

use super::{
    access::{Access, access_of},
    connections::Connection,
};
use crate::{
    api::{ClinchIntegration, ClinchIntegrationSpec, Region},
    cluster::{Cluster, ObjectKey, holding_shard},
    domain::{Grant, GrantState},
};

/// What a run uses.
pub(super) struct Used<'a> {
    /// The integration.
    pub(super) integration: ObjectKey,
    /// The namespace of the object that runs.
    pub(super) namespace: &'a str,
    /// The integration as it is when the run starts.
    pub(super) started: Option<&'a Arc<ClinchIntegration>>,
    /// Its verified connection.
    pub(super) connection: Option<&'a Connection>,
}

/// Whether this process has an integration, as far as is seen.
pub(super) fn is_ours(cluster: &impl Cluster, found: &ClinchIntegration) -> bool {
    cluster.shard().is_none_or(|own| holding_shard(found) == own.as_str())
}

/// What an integration contacts.
fn contacted(spec: &ClinchIntegrationSpec) -> (Option<Region>, Option<String>) {
    (spec.region, spec.endpoint.clone())
}

/// The grant of a run that starts now. It is revoked as soon as the integration is seen to be
/// deleted, to be closed to the namespace, not to permit the run any more, or to name another
/// endpoint, or to be had by another process; and paused while its Secret is seen to be deleted, or to have changed since its value was
/// read.
pub(super) fn of_run<C: Cluster>(
    cluster: &C,
    used: Used<'_>,
    permits: impl Fn(&ClinchIntegrationSpec) -> bool + Send + Sync + 'static,
) -> Grant {
    let Used { integration, namespace, started, connection } = used;
    let (cluster, namespace, seen) = (cluster.clone(), namespace.to_owned(), cluster.clone());
    let contacted = started.map(|found| contacted(&found.spec));
    let holds = move |found: &ClinchIntegration, key: &ObjectKey| {
        let labels = |namespace: &str| seen.namespace_labels(namespace);
        is_ours(&seen, found)
            && access_of(key, &found.spec, &namespace, labels) == Access::Granted
            && contacted.as_ref() == Some(&self::contacted(&found.spec))
            && permits(&found.spec)
    };
    // How often the Secret had changed when the value in use was read.
    let read = connection.map(|open| open.secret_seen.clone()).unwrap_or_default();
    // Checked before every request, and computed again only when the object has changed.
    let known = Mutex::new(None::<(Arc<ClinchIntegration>, bool)>);
    let own = integration.clone();
    let permits = move |found: &Arc<ClinchIntegration>| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, answer)) = &*known
            && Arc::ptr_eq(seen, found)
            // The labels of a namespace change without the integration.
            && found.spec.access.namespace_selector.is_none()
        {
            return *answer;
        }
        let answer = holds(found, &own);
        *known = Some((found.clone(), answer));
        answer
    };
    Grant::new(move || match cluster.integration(&integration) {
        Some(found) if permits(&found) => {
            let secret = integration.sibling(&found.spec.credentials.secret_ref.name);
            // Also while a pass of the integration is in progress that has read it.
            let changed = cluster.secret_changes(&secret) > read.load(Ordering::Relaxed);
            let paused = changed || cluster.secret_gone(&secret);
            if paused { GrantState::Paused } else { GrantState::Valid }
        }
        _ => GrantState::Revoked,
    })
}
