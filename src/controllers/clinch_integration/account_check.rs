//! Which account a credential names. No documented call of Clinch returns it; so integrations are
//! compared with each other before the first request, and people written earlier are looked up
//! when the access key has changed. These look-ups are the only requests made here.

use super::credential;
use crate::{
    api::{AccountStatus, ClinchIntegration, ConditionType},
    clinch::{Client, ClinchError, Endpoint},
    cluster::{Bundle, Cluster, ClusterError, ObjectKey},
    conditions::Observation,
    controllers::{
        Context, Settings,
        connections::{Connection, Failure, KnownAccount},
    },
    domain::{ClinchId, Disposition, Reason},
    ledger::AccountName,
    pipeline::Witnesses,
};

/// What is known of an account: from the open connection, which may be ahead of the status; else
/// from the status.
pub(super) fn known(
    status: Option<&AccountStatus>,
    connection: Option<&Connection>,
) -> Option<KnownAccount> {
    if let Some(connection) = connection {
        return Some(connection.account.known());
    }
    let status = status?;
    let witnesses = status.witnesses.iter().filter_map(|id| ClinchId::parse(id).ok());
    Some(KnownAccount {
        name: AccountName::parse(&status.id)?,
        credential: AccountName::parse(&status.credential)?,
        witnesses: witnesses.take(Witnesses::MOST).collect(),
    })
}

/// The status of an account.
pub(super) fn account_status(
    known: &KnownAccount,
    changed_to: Option<AccountName>,
) -> AccountStatus {
    AccountStatus {
        id: known.name.to_string(),
        credential: known.credential.to_string(),
        witnesses: known.witnesses.iter().map(ToString::to_string).collect(),
        changed_to: changed_to.map(|name| name.to_string()),
    }
}

/// The condition of an account that is in use.
pub(super) fn observation(known: &KnownAccount) -> Observation {
    let (status, reason, message) = if known.witnesses.is_empty() {
        let message = "nobody was written through this integration yet, and no call of Clinch \
                       names an account: if the access key changes now, a change of the account \
                       cannot be detected";
        (None, Reason::AccountUnconfirmed, message)
    } else {
        let message = "the account is the one that people were written to";
        (Some(true), Reason::AccountConfirmed, message)
    };
    Observation::new(ConditionType::AccountVerified, status, reason, message)
}

/// Checks whether the credential still names the known account, by looking up people written to it.
/// A request with this credential must have succeeded before.
pub(super) async fn check(
    client: &Client,
    known: Option<KnownAccount>,
    present: AccountName,
    accepted: bool,
) -> Result<KnownAccount, Failure> {
    let Some(known) = known else { return Ok(KnownAccount::new(present)) };
    if known.credential == present {
        return Ok(known);
    }
    let mut alive = Vec::new();
    for id in &known.witnesses {
        match client.has(id).await {
            Ok(true) => alive.push(id.clone()),
            // Without a look-up there is no evidence, as if there were no witnesses.
            Err(ClinchError::Unsupported(_)) => return Ok(KnownAccount::new(present)),
            Err(error) if alive.is_empty() && !accepted => {
                let message = format!("looking up people written earlier: {error}");
                return Err(Failure { disposition: error.disposition(), message });
            }
            Ok(false) | Err(_) => {}
        }
    }
    if !alive.is_empty() {
        return Ok(KnownAccount { name: known.name, credential: present, witnesses: alive });
    }
    // Without a witness there is no evidence. A new name makes the ledgers start empty, which costs
    // look-ups and is right in either case.
    if known.witnesses.is_empty() || accepted {
        return Ok(KnownAccount::new(present));
    }
    let message = format!(
        "the credential names another account: none of the {} people written earlier who are kept \
         as witnesses is in it. Restore a credential of the old account, or set \
         spec.acceptAccount: {present:?} to push everybody to the new one; what is known of people \
         anonymised in the old one does not count there",
        known.witnesses.len(),
        present = present.to_string(),
    );
    Err(Failure { disposition: Disposition::Stalled { reason: Reason::AccountChanged }, message })
}

/// How many anonymised people an account is recognised by.
pub(super) const ANONYMISED: usize = 3;
/// Ids that are shorter may be counted up, so that other accounts have the same.
const UNIQUE: usize = 20;

/// Whether the account is the one in which these people were anonymised. One who is there and was not
/// anonymised is somebody else under the same id. A request with this credential must have succeeded
/// before.
pub(super) async fn has_anonymised(client: &Client, people: &[ClinchId]) -> Result<bool, Failure> {
    let mut found = 0;
    for id in people {
        match client.is_anonymised(id).await {
            Ok(Some(true)) if id.as_str().len() >= UNIQUE => return Ok(true),
            Ok(Some(true)) => found += 1,
            Ok(Some(false)) | Err(ClinchError::Unsupported(_)) => return Ok(false),
            Ok(None) => {}
            Err(error) => {
                let message = format!("looking up people anonymised earlier: {error}");
                return Err(Failure { disposition: error.disposition(), message });
            }
        }
    }
    Ok(found == ANONYMISED)
}

/// An integration of the other environment, and the account that it names.
pub(super) type Rival = (ObjectKey, AccountName);

/// The integrations of the other environment.
pub(super) async fn rivals<C: Cluster>(
    context: &Context<C>,
    object: &ClinchIntegration,
    root: &[u8; 32],
) -> Result<Vec<Rival>, ClusterError> {
    let mut rivals = Vec::new();
    for (key, other) in context.cluster.integrations().await? {
        if other.spec.environment == object.spec.environment {
            continue;
        }
        let secret = key.sibling(&other.spec.credentials.secret_ref.name);
        let secret = match context.cluster.secret(&secret).await {
            // An integration in another namespace must not be able to stop this one.
            Err(error @ ClusterError::Forbidden { .. }) => {
                tracing::warn!(integration = %key, %error, "not compared with other integrations");
                continue;
            }
            secret => secret?,
        };
        if let Some(name) = named(&other, secret.as_ref(), &context.settings, root) {
            rivals.push((key, name));
        }
    }
    Ok(rivals)
}

/// The account that an integration names, whether or not it may be contacted.
pub(super) fn named(
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
    settings: &Settings,
    root: &[u8; 32],
) -> Option<AccountName> {
    let credentials = credential::credentials(object, secret).ok()?;
    let origin = credential::origin(object, settings)?;
    // It is only compared, so any scheme is accepted.
    let endpoint = Endpoint::parse(&origin, crate::api::Environment::Sandbox).ok()?;
    Some(AccountName::of(root, &endpoint.to_string(), credentials.access_key()))
}

/// Why two integrations must not both be used, if so.
pub(super) fn shared(present: AccountName, rivals: &[Rival]) -> Option<String> {
    let (other, _) = rivals.iter().find(|(_, name)| *name == present)?;
    Some(format!(
        "ClinchIntegration {other} names the same account (origin and access key) as one of the \
         other environment; correct spec.environment or the credential of one of them. Until then \
         neither is contacted"
    ))
}
