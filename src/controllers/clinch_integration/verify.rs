//! Reads the published contract, makes a signed read and identifies the account. Async; sends no
//! record.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{account_check, gather::Gathered, listed::ListedFound, validate::Validated};
use crate::{
    api::{Environment, Region, SuppressionStatus},
    clinch::{Client, ClientConfig, ClinchError, Contract, Endpoint, contract::discover},
    cluster::{Cluster, ObjectKey, accounts},
    controllers::{
        Context, Settings,
        connections::{
            Connections, Failure, KnownAccount, KnownContract, Outcome, ReadLists, SharedAccount,
            Verified, basis,
        },
        link::LIMITED,
    },
    domain::{Digest, Disposition, MatchKey, Reason},
    ledger::{AccountName, JournalError, Keys, LedgerHome, Listed, SuppressionError, Suppressions},
    pipeline::Witnesses,
};

/// How often a verification looks whether Clinch answers with nothing but 429.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is verified.
pub(super) struct Subject<'a, H> {
    connections: &'a Connections,
    settings: &'a Settings,
    /// Where suppression lists are kept.
    home: &'a H,
    /// The ledger root key.
    root: &'a [u8; 32],
    uid: &'a str,
    key: &'a ObjectKey,
    /// The [`basis`] of the integration.
    basis: Digest,
    validated: &'a Validated,
    /// Size and start of the suppression list, from the status.
    suppression: Option<&'a SuppressionStatus>,
    /// The account, from the status.
    shown: Option<&'a str>,
    /// The account, as far as it was known before.
    account: Option<&'a KnownAccount>,
    /// Whether Clinch rejected this very credential the last time. A single 401 may be a stray one:
    /// the credential counts as rejected only if Clinch rejects it again.
    rejected: bool,
    /// Whether something was verified, or the status says that Clinch limits requests.
    is_known: bool,
}

impl<'a, H> Subject<'a, H> {
    /// The subject of a pass.
    pub(super) fn new(
        context: &'a Context<H>,
        gathered: &'a Gathered,
        validated: &'a Validated,
    ) -> Self {
        let previous = gathered.verification.as_ref();
        let rejected = previous.is_some_and(|previous| {
            previous.inputs == validated.inputs
                && (previous.invalidated
                    || matches!(&previous.outcome, Outcome::Failed(failure)
                        if matches!(failure.disposition.reason(),
                            Reason::CredentialsRejected | Reason::WrongRegion)))
        });
        let is_limited = previous.is_some_and(|previous| {
            matches!(&previous.outcome, Outcome::Failed(failure)
                if failure.disposition.reason() == Reason::RateLimited)
        });
        Self {
            is_known: is_limited || context.connections.known(&gathered.uid).is_some(),
            connections: &context.connections,
            settings: &context.settings,
            home: &context.cluster,
            root: &gathered.root,
            uid: &gathered.uid,
            key: &gathered.key,
            basis: basis(&gathered.object.spec),
            validated,
            suppression: gathered.previous.suppression.as_ref(),
            shown: gathered.previous.account.as_ref().map(|account| account.id.as_str()),
            account: gathered.account.as_ref(),
            rejected,
        }
    }
}

/// Verifies, and opens or closes the connection accordingly.
pub(super) async fn verify<H: Cluster + LedgerHome>(subject: Subject<'_, H>) -> Outcome {
    let (connections, uid) = (subject.connections, subject.uid);
    let failure = match subject.run().await {
        Ok(verified) => {
            connections.open(uid, subject.key, verified);
            return Outcome::Verified;
        }
        Err(failure) => failure,
    };
    // An outage leaves the connection as it is; a refusal closes it, and a credential that may not
    // be used revokes it, so that runs in progress end.
    if matches!(
        failure.disposition.reason(),
        Reason::AccountChanged
            | Reason::SuppressionUnreadable
            | Reason::CredentialsRejected
            | Reason::WrongRegion
            | Reason::EndpointNotAllowed
    ) {
        connections.revoke(uid);
    } else if !matches!(failure.disposition, Disposition::Retry { .. }) {
        connections.close(uid);
    }
    Outcome::Failed(failure)
}

impl<H: Cluster + LedgerHome> Subject<'_, H> {
    /// Who must not leave with a file: the people anonymised in the account, as far as it is known,
    /// and the admin's own list. Sends no request to Clinch.
    pub(super) async fn lists(&self) -> ReadLists {
        let present = self.validated.account;
        let known = match self.account {
            Some(known) if !self.validated.accepted_account => Some(known.clone()),
            _ => self.remembered(present).await?,
        };
        let account = known.unwrap_or_else(|| KnownAccount::new(present));
        let suppressions = self.shared(account.name).await?.suppressions;
        self.check_complete(&account, &suppressions)?;
        let listed = self.listed(&suppressions)?;
        Ok((suppressions, listed))
    }

    async fn run(&self) -> Result<Verified, Failure> {
        let (client, contract, config) = self.sign_in().await?;
        let account = self.account(&client).await?;
        let shared = self.shared(account.name).await?;
        self.check_complete(&account, &shared.suppressions)?;
        if account.name != account.credential {
            // An integration that is created again with this credential finds the list by it.
            let alias = self.shared(account.credential).await?.suppressions;
            let noted = alias.set_alias(account.name).await;
            noted.map_err(|error| self.unreadable(&error))?;
        }
        let listed = self.listed(&shared.suppressions)?;
        let (config, look_up) = (Arc::new(config), self.validated.look_up);
        let basis = self.basis;
        Ok(Verified { basis, client, contract, config, account, shared, listed, look_up })
    }

    /// Reads the contract and makes a signed read.
    async fn sign_in(&self) -> Result<(Client, KnownContract, ClientConfig), Failure> {
        let known = self.connections.known(self.uid).map(|known| known.connection.contract);
        let assumed = known.unwrap_or_else(KnownContract::built_in);
        let config = self.config(&assumed.base);
        let client = self.client(&config)?;
        if self.rejected {
            // The client otherwise fails without a request, and the document would not be read either.
            self.accepts(self.unless_limited(&client, client.probe()).await, &config).await?;
        }
        let contract = self.contract(&client, assumed).await?;
        let config = self.config(&contract.base);
        let client = self.client(&config)?;
        self.accepts(self.unless_limited(&client, client.verify()).await, &config).await?;
        Ok((client, contract, config))
    }

    /// The result of a read. Where nothing was verified yet, it is given up once, when Clinch has answered
    /// with nothing but 429 for a while: the status has to say why nothing can be done, and the next pass
    /// reads for as long as any other.
    async fn unless_limited<T>(
        &self,
        client: &Client,
        read: impl Future<Output = Result<T, ClinchError>>,
    ) -> Result<T, ClinchError> {
        if self.is_known {
            return read.await;
        }
        let limited = async {
            while client.limited_for().is_none_or(|lasted| lasted < LIMITED) {
                sleep(LOOK_EVERY).await;
            }
            ClinchError::RateLimited { retry_after: client.waits_for() }
        };
        tokio::select! {
            biased;
            read = read => read,
            error = limited => Err(error),
        }
    }

    /// What a signed read says of the credential.
    async fn accepts<T>(
        &self,
        read: Result<T, ClinchError>,
        config: &ClientConfig,
    ) -> Result<T, Failure> {
        match read {
            Ok(read) => Ok(read),
            Err(ClinchError::Unauthorized) => Err(self.unauthorized(config).await),
            Err(error) => Err(failure(&error)),
        }
    }

    /// The account that the credential names.
    async fn account(&self, client: &Client) -> Result<KnownAccount, Failure> {
        let Validated { account: present, accepted_account: accepted, .. } = *self.validated;
        let known = match self.account {
            Some(known) => Some(self.recognisable(known.clone(), present).await?),
            None => match self.remembered(present).await? {
                None if !accepted => self.recognised(client).await?,
                known => known,
            },
        };
        account_check::check(client, known, present, accepted).await
    }

    /// Checks that the suppression list holds as many entries as the status says.
    fn check_complete(
        &self,
        account: &KnownAccount,
        suppressions: &Suppressions,
    ) -> Result<(), Failure> {
        // The status of another account, which the admin has accepted, says nothing about this one.
        let another = self.validated.accepted_account
            && self.shown != Some(account.name.to_string().as_str());
        let status = self.suppression.filter(|_| !another);
        let known = status.map_or(0, |status| usize::try_from(status.entries).unwrap_or_default());
        let found = suppressions.len();
        if known > found && !self.accepts_loss() {
            return Err(self.unreadable(&SuppressionError::Missing { found, known }));
        }
        Ok(())
    }

    /// What the integrations of an account share.
    async fn shared(&self, account: AccountName) -> Result<SharedAccount, Failure> {
        let shared =
            self.connections.shared(self.home, self.root, account, self.accepts_loss()).await;
        shared.map_err(|error| self.unreadable(&error))
    }

    /// Beside its witnesses, who may have been deleted, an account is recognised by people who were
    /// anonymised in it: it is theirs whom the list must keep out.
    async fn recognisable(
        &self,
        known: KnownAccount,
        present: AccountName,
    ) -> Result<KnownAccount, Failure> {
        if known.credential == present {
            return Ok(known);
        }
        let list = match self.shared(known.name).await {
            Ok(shared) => shared.suppressions,
            // Another account is accepted, or a witness decides: the list is not needed for that.
            Err(_) if self.validated.accepted_account => return Ok(known),
            Err(failure) => return Err(failure),
        };
        let mut known = known;
        known.witnesses.extend(list.some_ids(Witnesses::MOST).await);
        Ok(known)
    }

    /// The account that a credential is known to name although it is named after another one.
    async fn remembered(&self, present: AccountName) -> Result<Option<KnownAccount>, Failure> {
        let name = self.shared(present).await?.suppressions.alias().await;
        let witnesses = Vec::new();
        Ok(name.map(|name| KnownAccount { name, credential: present, witnesses }))
    }

    /// The account of an integration of which nothing is known, e.g. one that was renamed while its access
    /// key was rotated: the one whose list of anonymised people is about people of this account.
    async fn recognised(&self, client: &Client) -> Result<Option<KnownAccount>, Failure> {
        let present = self.validated.account;
        if !client.contract().shows_anonymised {
            return Ok(None);
        }
        let found = self.home.suppressed_accounts().await;
        let found = found.map_err(|error| self.unreadable(&JournalError::List(error).into()))?;
        let others = self.of_other_namespaces().await?;
        let unknown = |name: &AccountName| *name != present && !others.contains(name);
        for name in found.into_iter().filter(unknown) {
            let (store, keys) =
                (self.home.suppression_store(name), Keys::of_account(self.root, name));
            let people = match Suppressions::open(store, keys, || {}).await {
                Ok(list) => list.some_ids(account_check::ANONYMISED).await,
                Err(error) => {
                    // It stops the integrations of that account, which this one need not be of.
                    tracing::warn!(integration = %self.key, account = %name, %error,
                        "not compared with an account whose anonymised people cannot be read");
                    continue;
                }
            };
            let credential = present;
            if account_check::has_anonymised(client, &people).await? {
                tracing::info!(integration = %self.key, account = %name,
                    "the account is known by people who were anonymised in it");
                return Ok(Some(KnownAccount { name, credential, witnesses: people }));
            }
        }
        Ok(None)
    }

    /// The accounts of integrations in other namespaces: what is known of these is none of this one's
    /// business, not even the ids of people.
    async fn of_other_namespaces(&self) -> Result<Vec<AccountName>, Failure> {
        let all = self.home.integrations().await.map_err(|error| Failure {
            disposition: Disposition::retry(Reason::InternalError),
            message: error.to_string(),
        })?;
        let others = all.iter().filter(|(key, _)| key.namespace != self.key.namespace);
        let names = others.flat_map(|(_, other)| accounts(other).filter_map(AccountName::parse));
        Ok(names.collect())
    }

    /// Whether `spec.acceptSuppressionLoss` names the list that is in the status.
    fn accepts_loss(&self) -> bool {
        let accepted = self.validated.accepted_loss.as_deref();
        accepted.is_some_and(|accepted| {
            self.suppression.is_some_and(|known| known.since.0.to_string() == accepted)
        })
    }

    /// The admin's own list, read.
    fn listed(&self, suppressions: &Suppressions) -> Result<Option<Arc<Listed>>, Failure> {
        let ListedFound::Parts { parts, hmac_key } = &self.validated.listed else {
            return Ok(None);
        };
        let hash = |key: &MatchKey| suppressions.key_hash(key);
        let listed = Listed::parse(parts, hmac_key.as_deref(), hash).map_err(|fault| Failure {
            disposition: Disposition::Stalled { reason: Reason::SuppressionUnreadable },
            message: format!(
                "spec.suppression: {fault}; nobody is created or updated until the list can be read"
            ),
        })?;
        Ok(Some(Arc::new(listed)))
    }

    /// A list of anonymised people that cannot be trusted.
    fn unreadable(&self, error: &SuppressionError) -> Failure {
        let disposition = error.disposition();
        let message = match (disposition, self.suppression) {
            (Disposition::Stalled { .. }, known) => {
                let since = known.map(|known| known.since.0.to_string());
                let accept = since.map_or_else(
                    || "delete what is left of it".to_owned(),
                    |since| format!("set spec.acceptSuppressionLoss: {since:?}"),
                );
                format!(
                    "the list of people anonymised in Clinch cannot be used: {error}. Nobody is \
                     created or updated, for people on it would be written again. Restore its \
                     CandidateLedger objects and the ledger root key; or, to continue without it, \
                     {accept}"
                )
            }
            _ => format!("the list of people anonymised in Clinch: {error}"),
        };
        Failure { disposition, message }
    }

    fn config(&self, base: &Contract) -> ClientConfig {
        let validated = self.validated;
        ClientConfig {
            endpoint: validated.endpoint.clone(),
            version: validated.version,
            environment: self.settings.environment,
            credentials: validated.credentials.clone(),
            contract: Arc::new(base.with(&validated.overrides)),
            accepted_writes: validated.accepted.clone(),
            limits: validated.limits,
            timeouts: self.settings.timeouts,
        }
    }

    fn client(&self, config: &ClientConfig) -> Result<Client, Failure> {
        self.connections.client(self.uid, self.key, config).map_err(|error| Failure {
            disposition: Disposition::Stalled { reason: Reason::EndpointNotAllowed },
            message: error.to_string(),
        })
    }

    /// The published contract; `known`, the last valid one or else the built-in one, where none is
    /// published or the document cannot be used.
    async fn contract(
        &self,
        client: &Client,
        known: KnownContract,
    ) -> Result<KnownContract, Failure> {
        let fault = match self.unless_limited(client, client.openapi()).await {
            Ok(document) => match read_contract(document).await {
                Ok(contract) => return Ok(KnownContract::published(contract)),
                Err(fault) => Some(fault),
            },
            // No document, or a page for people in its place.
            Err(ClinchError::NotFound | ClinchError::NotClinch(_)) => None,
            Err(error) => {
                let transient = matches!(error.disposition(), Disposition::Retry { .. });
                if transient && !known.was_published() {
                    return Err(failure(&error));
                }
                (!transient).then(|| error.to_string())
            }
        };
        if let Some(fault) = &fault {
            tracing::warn!(integration = %self.key, %fault, "the OpenAPI document is not used");
        }
        Ok(KnownContract { fault, ..known })
    }

    /// A credential that one region rejects may belong to another: the most common set-up mistake.
    async fn unauthorized(&self, config: &ClientConfig) -> Failure {
        if let Some(here) = self.validated.region {
            for region in [Region::Us, Region::Eu, Region::Au] {
                if region != here && self.accepted_in(region, config).await {
                    let name = match region {
                        Region::Us => "US",
                        Region::Eu => "EU",
                        Region::Au => "AU",
                    };
                    return Failure {
                        disposition: Disposition::Stalled { reason: Reason::WrongRegion },
                        message: format!(
                            "the credential belongs to region {name}; set spec.region: {name}"
                        ),
                    };
                }
            }
        }
        failure(&ClinchError::Unauthorized)
    }

    async fn accepted_in(&self, region: Region, config: &ClientConfig) -> bool {
        let origin = self.settings.regions.origin(region);
        let environment: Environment = self.settings.environment;
        let Ok(endpoint) = Endpoint::parse(origin, environment) else { return false };
        let config = ClientConfig { endpoint, ..config.clone() };
        // No request goes to an endpoint that is not allowed.
        let Ok(client) = self.connections.passing_client(config) else { return false };
        client.verify().await.is_ok()
    }
}

/// Reads a document on a thread of its own: a large one takes a while.
async fn read_contract(document: bytes::Bytes) -> Result<Contract, String> {
    let read = tokio::task::spawn_blocking(move || discover(&document)).await;
    read.map_err(|_panicked| "it cannot be read; this is a defect of the operator".to_owned())?
        .map_err(|error| error.to_string())
}

fn failure(error: &ClinchError) -> Failure {
    Failure { disposition: error.disposition(), message: error.to_string() }
}
