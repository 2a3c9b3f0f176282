//! Which account a credential names. No documented call of Clinch tells; so integrations are
//! compared with each other before the first request, and people written earlier are looked for
//! when the access key has changed. Asks Clinch for nothing but these people.

use super::{
    super::{connections::Connection, context::Settings},
    memory::Failure,
    validate,
};
use crate::{
    api::{AccountStatus, ClinchIntegration, ConditionType},
    clinch::{Client, ClinchError, Endpoint},
    cluster::{Bundle, Cluster, ClusterError, ObjectKey},
    conditions::Observation,
    controllers::Context,
    domain::{ClinchId, Disposition, Reason},
    ledger::AccountName,
    pipeline::Witnesses,
};

/// What is known of the account of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controllers) struct Known {
    /// The account that the ledgers tell of.
    pub(in crate::controllers) name: AccountName,
    /// What the credential was that reached it last.
    pub(in crate::controllers) credential: AccountName,
    /// People written to it.
    pub(in crate::controllers) witnesses: Vec<ClinchId>,
}

impl Known {
    /// An account of which nothing is known but the credential.
    fn new(credential: AccountName) -> Self {
        Self { name: credential, credential, witnesses: Vec::new() }
    }

    /// From the open connection, which may be ahead of the status; else from the status.
    pub(super) fn of(status: Option<&AccountStatus>, open: Option<&Connection>) -> Option<Self> {
        if let Some(connection) = open {
            return Some(connection.account.known());
        }
        let status = status?;
        let witnesses = status.witnesses.iter().filter_map(|id| ClinchId::parse(id).ok());
        Some(Self {
            name: AccountName::parse(&status.id)?,
            credential: AccountName::parse(&status.credential)?,
            witnesses: witnesses.take(Witnesses::MOST).collect(),
        })
    }

    /// As it stands in the status.
    pub(super) fn status(&self, changed_to: Option<AccountName>) -> AccountStatus {
        AccountStatus {
            id: self.name.to_string(),
            credential: self.credential.to_string(),
            witnesses: self.witnesses.iter().map(ToString::to_string).collect(),
            changed_to: changed_to.map(|name| name.to_string()),
        }
    }

    /// The condition of an account that is in use.
    pub(super) fn observation(&self) -> Observation {
        let (status, reason, message) = if self.witnesses.is_empty() {
            let message = "nobody was written through this integration yet, and no call of Clinch \
                           names an account: if the access key changes now, nothing can tell \
                           whether the account does";
            (None, Reason::AccountUnconfirmed, message)
        } else {
            let message = "the account is the one that people were written to";
            (Some(true), Reason::AccountConfirmed, message)
        };
        Observation::new(ConditionType::AccountVerified, status, reason, message)
    }
}

/// Tells whether the credential still names the known account, by asking for people written to it.
/// The list must have been answered with this very credential before.
pub(super) async fn check(
    client: &Client,
    known: Option<Known>,
    present: AccountName,
    accepted: bool,
) -> Result<Known, Failure> {
    let Some(known) = known else { return Ok(Known::new(present)) };
    if known.credential == present {
        return Ok(known);
    }
    let mut alive = Vec::new();
    for id in &known.witnesses {
        match client.has(id).await {
            Ok(true) => alive.push(id.clone()),
            // It cannot be asked, which is as if there were nobody to ask for.
            Err(ClinchError::Unsupported(_)) => return Ok(Known::new(present)),
            Err(error) if alive.is_empty() && !accepted => {
                let message = format!("asking for people written earlier: {error}");
                return Err(Failure { disposition: error.disposition(), message });
            }
            Ok(false) | Err(_) => {}
        }
    }
    if !alive.is_empty() {
        return Ok(Known { name: known.name, credential: present, witnesses: alive });
    }
    // Without a witness nothing can be told. A new name makes the ledgers start anew, which costs
    // look-ups and is right in either case.
    if known.witnesses.is_empty() || accepted {
        return Ok(Known::new(present));
    }
    let message = format!(
        "the credential names another account: none of the {} people written earlier who are kept \
         as witnesses is in it. Bring back a credential of the old account, or set \
         spec.acceptAccount: {present:?} to push everybody to the new one",
        known.witnesses.len(),
        present = present.to_string(),
    );
    Err(Failure { disposition: Disposition::Stalled { reason: Reason::AccountChanged }, message })
}

/// Integrations of the other environment, with the account that each names.
pub(super) async fn rivals<C: Cluster>(
    context: &Context<C>,
    object: &ClinchIntegration,
    root: &[u8; 32],
) -> Result<Vec<(ObjectKey, AccountName)>, ClusterError> {
    let mut rivals = Vec::new();
    for (key, other) in context.cluster.integrations().await? {
        if other.spec.environment == object.spec.environment {
            continue;
        }
        let secret = key.sibling(&other.spec.credentials.secret_ref.name);
        let secret = match context.cluster.secret(&secret).await {
            // Whoever may make integrations elsewhere must not be able to stop this one.
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
fn named(
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
    settings: &Settings,
    root: &[u8; 32],
) -> Option<AccountName> {
    let credentials = validate::credentials(object, secret).ok()?;
    let origin = validate::origin(object, settings)?;
    // Only compared: any scheme will do.
    let endpoint = Endpoint::parse(&origin, crate::api::Environment::Sandbox).ok()?;
    Some(AccountName::of(root, &endpoint.to_string(), credentials.access_key()))
}

/// Why two integrations must not both be used, if so.
pub(super) fn shared(present: AccountName, rivals: &[(ObjectKey, AccountName)]) -> Option<String> {
    let (other, _) = rivals.iter().find(|(_, name)| *name == present)?;
    Some(format!(
        "ClinchIntegration {other} names the same account (origin and access key) as one of the \
         other environment; correct spec.environment or the credential of one of them. Until then \
         neither is contacted"
    ))
}
