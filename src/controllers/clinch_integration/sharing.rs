//! Integrations of other shards that name the same account. Guard, rate limit and circuit breaker of an account
//! live in one process, so one shard only may use it: that of the oldest integration. A younger one ends its runs,
//! and then says so; the oldest waits for that before it connects. Reads through the port.

use super::account_check::named;
use crate::{
    api::{ClinchIntegration, ConditionType, SHARD_LABEL},
    cluster::{
        Bundle, Cluster, ClusterError, ObjectKey, accounts, holding_shard, precedes, wanted_shard,
    },
    conditions::find,
    controllers::Context,
    domain::{Cause, Reason},
    ledger::AccountName,
};

/// An integration of another shard that names the same account, and has not left it.
pub(super) struct Sharing {
    key: ObjectKey,
    shard: String,
    /// Whether it has precedence.
    is_first: bool,
}

/// Why an integration may not use its account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) cause: Cause,
    /// Whether it leaves the account to the other one; else it waits until that one has left.
    pub(super) yields: bool,
}

/// The integrations of other shards that name the account of `object`.
pub(super) async fn sharing<C: Cluster>(
    context: &Context<C>,
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
    root: &[u8; 32],
) -> Result<Vec<Sharing>, ClusterError> {
    let cluster = &context.cluster;
    let Some(own) = cluster.shard() else { return Ok(Vec::new()) };
    let settings = &context.settings;
    let Some(present) = named(object, secret, settings, root) else { return Ok(Vec::new()) };
    let mut ours = vec![present];
    // After a rotation the account has its first name still.
    let known = object.status.as_ref().and_then(|status| status.account.as_ref());
    let known = known.filter(|known| AccountName::parse(&known.credential) == Some(present));
    ours.extend(known.and_then(|known| AccountName::parse(&known.id)));
    let mut found = Vec::new();
    for (key, other) in cluster.integrations().await? {
        let shard = holding_shard(&other);
        let elsewhere = shard != own.as_str() && other.metadata.uid != object.metadata.uid;
        if !elsewhere || other.spec.environment != object.spec.environment || has_left(&other) {
            continue;
        }
        let mut theirs: Vec<AccountName> =
            accounts(&other).filter_map(AccountName::parse).collect();
        // What the status does not say yet, e.g. after a rotation of a Secret that both use.
        let secret = key.sibling(&other.spec.credentials.secret_ref.name);
        match cluster.secret(&secret).await {
            Ok(secret) => theirs.extend(named(&other, secret.as_ref(), settings, root)),
            Err(error @ ClusterError::Forbidden { .. }) => {
                tracing::warn!(integration = %key, %error, "not compared with other integrations");
            }
            Err(error) => return Err(error),
        }
        if !theirs.iter().any(|name| ours.contains(name)) {
            continue;
        }
        let is_first = precedes(&other, object);
        // A shard without a process uses nothing.
        if is_first || cluster.shard_is_alive(shard).await? {
            found.push(Sharing { key, shard: shard.to_owned(), is_first });
        }
    }
    Ok(found)
}

fn reason_of(integration: &ClinchIntegration, condition: ConditionType) -> Option<Reason> {
    let status = integration.status.as_ref()?;
    Reason::from_word(&find(&status.conditions, condition)?.reason)
}

/// Whether an integration has left its account to another one: nothing of it runs.
fn has_left(integration: &ClinchIntegration) -> bool {
    let shared = |condition| reason_of(integration, condition) == Some(Reason::AccountShared);
    shared(ConditionType::Stalled)
        || (shared(ConditionType::AccountVerified)
            && reason_of(integration, ConditionType::Suspended).is_some())
}

/// Why an integration may not use its account now, if so. `connected`: whether it does so already. Then one that is
/// younger has never connected.
pub(super) fn shared(
    object: &ClinchIntegration,
    sharing: &[Sharing],
    connected: bool,
) -> Option<Shared> {
    if let Some(Sharing { key, shard, .. }) = sharing.iter().find(|other| other.is_first) {
        let message = format!(
            "ClinchIntegration {key} of shard {shard} names the same account (origin and access key), \
             and is older. One process only may use an account: set the label {SHARD_LABEL} of both to \
             the same shard. This one is in shard {}",
            wanted_shard(object)
        );
        return Some(Shared { cause: Cause::new(Reason::AccountShared, message), yields: true });
    }
    let Sharing { key, shard, .. } = sharing.first().filter(|_| !connected)?;
    let message = format!(
        "waiting until ClinchIntegration {key} of shard {shard}, which names the same account and is \
         younger, has ended its runs; set the label {SHARD_LABEL} of both to the same shard"
    );
    Some(Shared { cause: Cause::new(Reason::AccountShared, message), yields: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_younger_yields_and_the_older_waits_unless_it_is_connected() {
        let spec = serde_json::json!({
            "region": "EU", "environment": "Sandbox", "credentials": {"secretRef": {"name": "c"}},
        });
        let object = ClinchIntegration::new("i", serde_json::from_value(spec).unwrap());
        let other = |is_first| Sharing {
            key: ObjectKey::new("n", "other"),
            shard: "emea".to_owned(),
            is_first,
        };
        let yields = |sharing: &[Sharing], connected| {
            shared(&object, sharing, connected).map(|shared| shared.yields)
        };
        assert_eq!(yields(&[], false), None);
        assert_eq!(yields(&[other(false)], false), Some(false));
        assert_eq!(yields(&[other(false)], true), None);
        for connected in [false, true] {
            assert_eq!(yields(&[other(false), other(true)], connected), Some(true));
        }
    }
}
