//! Reconciles a `ClinchIntegration`: finds the credential, refuses what may not be contacted,
//! reads the contract, verifies with a signed read, and tells.

mod account;
mod memory;
mod plan;
mod requests;
mod status;
mod suppression;
mod validate;
mod verify;

use std::{sync::Arc, time::Duration};

pub(super) use account::Known;
pub(super) use memory::Memories;
use tokio::time::Instant;

use self::{
    memory::Memory,
    plan::Decision,
    requests::Naming,
    status::Pass,
    suppression::{ListedFound, gather_listed},
    validate::{Accounts, Halted, validate},
};
use super::{
    connections::Connection,
    context::Context,
    publish::{new_request, object_ref, publish},
};
use crate::{
    api::ClinchIntegration,
    cluster::{Bundle, Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey},
    domain::Reason,
    ledger::LedgerHome,
};

/// One pass over one integration.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    // gather
    let Some(object) = context.cluster.read::<ClinchIntegration>(key).await? else {
        return Ok(None);
    };
    let uid = object.metadata.uid.clone().unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() {
        context.connections.close(&uid);
        return Ok(None);
    }
    let previous = object.status.clone().unwrap_or_default();
    let known = Known::of(previous.account.as_ref(), context.connections.get(&uid).as_ref());
    let gathered = gather(context, key, &object).await;
    let (pass, naming, next, failed) = match gathered {
        Ok(gathered) => {
            let (pass, next) = decide(context, key, &uid, &object, &gathered, known.clone()).await;
            (pass, Some(gathered.naming), next, None)
        }
        Err(error) => (Pass::unreadable(&error), None, None, Some(error)),
    };
    // status
    let connection = context.connections.get(&uid);
    let now = context.clock.now();
    let mut status =
        status::status(&object, &previous, pass, connection.as_ref(), known.as_ref(), now);
    let asking = naming.map(|naming| naming.tell(&object.spec, &mut status, now));
    let reference = object_ref(Kind::Integration, key, &object.metadata);
    publish::<ClinchIntegration>(&context.cluster, &reference, &previous, status, "Verify").await?;
    for namespace in asking.unwrap_or_default() {
        context.cluster.publish(&reference, asks(&namespace)).await;
    }
    failed.map_or(Ok(next), Err)
}

async fn wake_exports<C: Cluster>(context: &Context<C>, key: &ObjectKey) {
    match context.cluster.exports_of(key).await {
        Ok(exports) => exports.iter().for_each(|export| (context.wake)(Kind::Export, export)),
        Err(error) => tracing::warn!(integration = %key, %error, "exports are not told"),
    }
}

/// What is told when a namespace asks for the first time.
fn asks(namespace: &str) -> Notice {
    let message = format!(
        "namespace {namespace} asks to use this integration; add it to spec.access.approved to \
         let it"
    );
    let kind = NoticeType::Normal;
    Notice { kind, reason: Reason::AwaitingApproval, action: "Approve", message }
}

/// When a list of people that cannot be had is asked for again.
const READ_AGAIN: Duration = Duration::from_secs(30);

struct Gathered {
    secret: Option<Bundle>,
    naming: Naming,
    accounts: Accounts,
    /// The admin's own list of people who must never be written.
    listed: ListedFound,
}

async fn gather<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    object: &Arc<ClinchIntegration>,
) -> Result<Gathered, ClusterError> {
    let exports = context.cluster.exports_of(key).await?;
    let reads_namespaces = context.cluster.reads_namespaces();
    let naming = Naming::of(key, &object.spec, exports, |namespace| {
        context.cluster.namespace_labels(namespace)
    });
    if object.spec.environment != context.settings.environment {
        // It is refused whatever its Secret holds; those that may name the same account look.
        for (other, found) in context.cluster.integrations().await? {
            if found.spec.environment == context.settings.environment {
                (context.wake)(Kind::Integration, &other);
            }
        }
        let accounts = Accounts { root: [0; 32], rivals: Vec::new(), reads_namespaces };
        return Ok(Gathered { secret: None, naming, accounts, listed: ListedFound::None });
    }
    let name = &object.spec.credentials.secret_ref.name;
    let secret = context.cluster.secret(&key.sibling(name)).await?;
    let root = context.root_key().await?;
    let rivals = account::rivals(context, object, &root).await?;
    let listed =
        gather_listed(&context.cluster, key, &object.spec, &context.settings.sources).await;
    let accounts = Accounts { root, rivals, reads_namespaces };
    Ok(Gathered { secret, naming, accounts, listed })
}

async fn decide<C: Cluster + LedgerHome>(
    context: &Context<C>,
    key: &ObjectKey,
    uid: &str,
    object: &ClinchIntegration,
    gathered: &Gathered,
    known: Option<Known>,
) -> (Pass, Option<Duration>) {
    // validate
    let Gathered { secret, naming, listed, accounts } = gathered;
    let exports = naming.using;
    if let ListedFound::NotReadNow(message) = listed {
        // The connection stays, so that its exports go on once the list is there again.
        return (Pass::without_list(message.clone(), exports), Some(READ_AGAIN));
    }
    let checked = validate(object, secret.as_ref(), &context.settings, listed, accounts);
    let (validated, observations) = match checked {
        Ok(checked) => checked,
        Err(Halted { observations, verdict }) => {
            if matches!(
                verdict.reason(),
                Some(Reason::AccountShared | Reason::SuppressionUnreadable)
            ) {
                context.connections.refuse(uid);
            } else {
                context.connections.close(uid);
            }
            return (Pass::halted(observations, verdict, exports), None);
        }
    };
    if object.spec.suspend {
        context.connections.close(uid);
        return (Pass::suspended(observations, exports), None);
    }
    // plan
    let memories = &context.connections.memories;
    let previous = memories.get(uid);
    let handled = object.status.as_ref().and_then(|status| status.handled.as_ref());
    let requested = new_request(&object.metadata, handled).is_some();
    let now = Instant::now();
    let mut decision =
        plan::decide(previous.as_ref(), &validated.inputs, validated.interval, requested, now);
    if context.connections.get(uid).is_none()
        && previous.as_ref().is_some_and(|memory| memory.verified_at == Some(memory.tried_at))
    {
        // Resumed, or its Secret came back: what is remembered has no connection any more.
        decision = Decision::Verify;
    }
    // execute
    let name = |connection: Connection| {
        let listed = connection.suppressions.listed().map(|listed| listed.digest());
        (connection.account.name(), listed)
    };
    let connected = context.connections.get(uid).map(name);
    let memory = match decision {
        Decision::Keep(_) => previous.clone(),
        Decision::Verify => {
            let before = previous.as_ref();
            let status = object.status.as_ref();
            let subject = verify::Subject {
                connections: &context.connections,
                settings: &context.settings,
                home: &context.cluster,
                root: &accounts.root,
                uid,
                key,
                validated: &validated,
                suppression: status.and_then(|status| status.suppression.as_ref()),
                shown: status.and_then(|status| Some(status.account.as_ref()?.id.as_str())),
            };
            let outcome = verify::verify(subject, before, known).await;
            let memory = Memory::after(before, validated.inputs, outcome, Instant::now());
            memories.set(uid, memory.clone());
            let reached = context.connections.get(uid).map(name);
            if reached.is_some() && reached != connected {
                // Exports wait for the connection, not for the status: after a restart the latter
                // may not change. Nor does it with every change of the admin's list.
                wake_exports(context, key).await;
            }
            Some(memory)
        }
    };
    let Some(memory) = memory else { return (Pass::unverified(observations, exports), None) };
    let after =
        plan::decide(Some(&memory), &validated.inputs, validated.interval, false, Instant::now());
    let next = match after {
        Decision::Keep(left) => left,
        Decision::Verify => Duration::from_secs(1),
    };
    let fresh = previous.as_ref().is_some_and(|known| known.inputs != validated.inputs);
    let kept = plan::still_verified(&memory, validated.interval, Instant::now());
    (Pass::verified(observations, exports, &validated, memory, kept, fresh), Some(next))
}
