//! Step 1: reads what an integration refers to. Not found is data. Async.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    access_requests::Referrers,
    account_check::{self, Rival},
    credential::{credentials, endpoint},
    listed::{ListedFound, gather_listed},
    sharing::{Sharing, sharing},
};
use crate::{
    api::{ClinchIntegration, ClinchIntegrationStatus, Handled},
    cluster::{Bundle, Cluster, ClusterError, Kind, ObjectKey},
    controllers::{
        Context,
        connections::{Connection, KnownAccount, Verification},
        notify::{Receiver, receivers},
        publish::new_request,
    },
};

/// An integration and everything that its pass depends on.
pub(super) struct Gathered {
    pub(super) object: Arc<ClinchIntegration>,
    pub(super) key: ObjectKey,
    pub(super) uid: String,
    pub(super) previous: ClinchIntegrationStatus,
    /// A request by annotation that has no receipt.
    pub(super) request: Option<Handled>,
    /// The exports and imports that refer to it.
    pub(super) referrers: Referrers,
    pub(super) secret: Option<Bundle>,
    /// How often the Secret had changed before it was read.
    pub(super) secret_changes: u64,
    /// The admin's own list of people who must never be written.
    pub(super) listed: ListedFound,
    /// The receivers of notifications.
    pub(super) receivers: Vec<Receiver>,
    /// The ledger root key, which keys the names of accounts. Zeroes for an integration of the
    /// other environment, of which no account is named.
    pub(super) root: [u8; 32],
    /// The integrations of the other environment.
    pub(super) rivals: Vec<Rival>,
    /// The integrations of other shards that name the same account.
    pub(super) sharing: Vec<Sharing>,
    /// Whether this operator may read the labels of namespaces.
    pub(super) reads_namespaces: bool,
    /// The account, as far as it was known before this pass.
    pub(super) account: Option<KnownAccount>,
    pub(super) connection: Option<Connection>,
    /// The latest verification by this process.
    pub(super) verification: Option<Verification>,
    pub(super) now: Instant,
}

/// Reads what the integration refers to.
pub(super) async fn gather<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    object: &Arc<ClinchIntegration>,
) -> Result<Gathered, ClusterError> {
    let cluster = &context.cluster;
    let exports = cluster.exports_of(key).await?;
    let imports = cluster.imports_of(key).await?;
    let labels = |namespace: &str| cluster.namespace_labels(namespace);
    let referrers = Referrers::of(key, &object.spec, (exports, imports), labels);
    let (found, receivers) = if object.spec.environment == context.settings.environment {
        let found = find(context, key, object).await?;
        (found, receivers(cluster, key, &object.spec, &context.settings.notify).await)
    } else {
        enqueue_rivals(context).await?;
        (Found::default(), Vec::new())
    };
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let previous = object.status.clone().unwrap_or_default();
    let connection = context.connections.get(&uid);
    let known = context.connections.known(&uid).map(|known| known.connection);
    let Found { secret, secret_changes, root, rivals, sharing, listed } = found;
    Ok(Gathered {
        request: new_request(&object.metadata, previous.handled.as_ref()),
        account: account_check::known(previous.account.as_ref(), known.as_ref()),
        verification: context.connections.verification(&uid),
        connection,
        object: object.clone(),
        key: key.clone(),
        uid,
        previous,
        referrers,
        secret,
        secret_changes,
        listed,
        receivers,
        root,
        rivals,
        sharing,
        reads_namespaces: cluster.reads_namespaces(),
        now: Instant::now(),
    })
}

/// What is read for an integration of the operator's environment only.
#[derive(Default)]
struct Found {
    secret: Option<Bundle>,
    secret_changes: u64,
    root: [u8; 32],
    rivals: Vec<Rival>,
    sharing: Vec<Sharing>,
    listed: ListedFound,
}

async fn find<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    object: &ClinchIntegration,
) -> Result<Found, ClusterError> {
    let (cluster, settings) = (&context.cluster, &context.settings);
    let name = key.sibling(&object.spec.credentials.secret_ref.name);
    let secret_changes = cluster.secret_changes(&name);
    let secret = cluster.secret(&name).await?;
    if credentials(object, secret.as_ref()).is_err() || endpoint(object, settings).is_err() {
        // Runs in progress have to stop at once, and reading the list may take a minute.
        return Ok(Found { secret, secret_changes, ..Found::default() });
    }
    let root = context.root_key().await?;
    let rivals = account_check::rivals(context, object, &root).await?;
    let sharing = sharing(context, object, secret.as_ref(), &root).await?;
    let listed = gather_listed(cluster, key, &object.spec, &settings.sources).await;
    Ok(Found { secret, secret_changes, root, rivals, sharing, listed })
}

/// An integration of the other environment is refused whatever its Secret holds; the operator's
/// own, which may name the same account, check it.
async fn enqueue_rivals<C: Cluster>(context: &Context<C>) -> Result<(), ClusterError> {
    for (other, found) in context.cluster.integrations().await? {
        if found.spec.environment == context.settings.environment {
            (context.enqueue)(Kind::Integration, &other);
        }
    }
    Ok(())
}
