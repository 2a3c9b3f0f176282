//! Step 4: read the published contract and make a signed read. Async; the only step that talks to
//! Clinch, and never sends a record.

use std::sync::Arc;

use super::{
    super::{
        connections::{Connections, Opening, Shared},
        context::Settings,
    },
    account::{self, Known},
    memory::{Failure, Memory, Outcome},
    suppression::ListedFound,
    validate::Validated,
};
use crate::{
    api::{Environment, Region, SuppressionStatus},
    clinch::{Client, ClientConfig, ClinchError, Contract, Endpoint, contract::discover},
    cluster::ObjectKey,
    domain::{Disposition, MatchKey, Reason},
    ledger::{AccountName, LedgerHome, Listed, SuppressionError, Suppressions},
    pipeline::Witnesses,
};

/// What is verified.
pub(super) struct Subject<'a, H> {
    pub(super) connections: &'a Connections,
    pub(super) settings: &'a Settings,
    /// Where suppression lists are kept.
    pub(super) home: &'a H,
    /// The ledger root key.
    pub(super) root: &'a [u8; 32],
    pub(super) uid: &'a str,
    pub(super) key: &'a ObjectKey,
    pub(super) validated: &'a Validated,
    /// How many people the suppression list had, and since when it is kept, as the status tells.
    pub(super) suppression: Option<&'a SuppressionStatus>,
    /// The account that the status tells of.
    pub(super) shown: Option<&'a str>,
}

/// Verifies, and opens or closes the connection accordingly.
pub(super) async fn verify<H: LedgerHome>(
    subject: Subject<'_, H>,
    previous: Option<&Memory>,
    account: Option<Known>,
) -> Outcome {
    let Subject { connections, uid, validated, .. } = subject;
    // A credential that was rejected is probed: the client otherwise refuses without asking.
    let rejected = previous.is_some_and(|memory| {
        memory.inputs == validated.inputs
            && !memory.doubted
            && matches!(&memory.outcome, Outcome::Failed(failure)
                if matches!(failure.disposition, Disposition::Stalled { .. }))
    });
    match subject.run(rejected, account).await {
        Ok(()) => Outcome::Verified,
        Err(failure) => {
            // An outage leaves the connection as it is; a refusal closes it, and another account
            // takes it from the runs that have it.
            if matches!(
                failure.disposition.reason(),
                Reason::AccountChanged | Reason::SuppressionUnreadable
            ) {
                connections.refuse(uid);
            } else if !matches!(failure.disposition, Disposition::Retry { .. }) {
                connections.close(uid);
            }
            Outcome::Failed(failure)
        }
    }
}

impl<H: LedgerHome> Subject<'_, H> {
    async fn run(&self, rejected: bool, account: Option<Known>) -> Result<(), Failure> {
        let known = self.connections.get(self.uid).map(|connection| connection.base);
        let assumed = known.clone().unwrap_or_else(|| Arc::new(Contract::built_in()));
        let client = self.client(&self.config(&assumed))?;
        let base = if rejected { assumed } else { self.contract(&client, known).await? };
        let config = self.config(&base);
        let client = self.client(&config)?;
        let verified = if rejected { client.probe().await } else { client.verify().await };
        match verified {
            Ok(_) => {
                let Validated { account: present, accepted_account: accepted, .. } =
                    *self.validated;
                let account = match account {
                    Some(known) => Some(self.recognisable(known, present).await?),
                    None => self.remembered(present).await?,
                };
                let account = account::check(&client, account, present, accepted).await?;
                let shared = self.shared(account.name).await?;
                // Of another account, which the admin has accepted, nothing is missed.
                let another = accepted && self.shown != Some(account.name.to_string().as_str());
                let marker = self.suppression.filter(|_| !another);
                let known = marker.map_or(0, |known| known.entries);
                let found = shared.suppressions.len();
                if !self.accepts_loss() && usize::try_from(known).unwrap_or_default() > found {
                    let known = usize::try_from(known).unwrap_or_default();
                    return Err(self.unreadable(&SuppressionError::Missing { found, known }));
                }
                if account.name != account.credential {
                    // An integration that is made anew with this credential finds the list by it.
                    let alias = self.shared(account.credential).await?.suppressions;
                    let noted = alias.set_alias(account.name).await;
                    noted.map_err(|error| self.unreadable(&error))?;
                }
                let listed = self.listed(&shared.suppressions)?;
                let opening = Opening {
                    client,
                    base,
                    config: Arc::new(config),
                    account,
                    shared,
                    listed,
                    look_up: self.validated.look_up,
                };
                self.connections.open(self.uid, self.key, opening);
                Ok(())
            }
            Err(ClinchError::Unauthorized) => Err(self.unauthorized(&config).await),
            Err(error) => Err(failure(&error)),
        }
    }

    /// What the integrations of an account share.
    async fn shared(&self, account: AccountName) -> Result<Shared, Failure> {
        let shared =
            self.connections.shared(self.home, self.root, account, self.accepts_loss()).await;
        shared.map_err(|error| self.unreadable(&error))
    }

    /// An account of which no witness is kept is recognised by people who were anonymised in it.
    async fn recognisable(&self, known: Known, present: AccountName) -> Result<Known, Failure> {
        if known.credential == present || !known.witnesses.is_empty() {
            return Ok(known);
        }
        let list = self.shared(known.name).await?.suppressions;
        Ok(Known { witnesses: list.some_ids(Witnesses::MOST).await, ..known })
    }

    /// The account that a credential is known to name although it is named after another one.
    async fn remembered(&self, present: AccountName) -> Result<Option<Known>, Failure> {
        let name = self.shared(present).await?.suppressions.alias().await;
        let witnesses = Vec::new();
        Ok(name.map(|name| Known { name, credential: present, witnesses }))
    }

    /// Whether `spec.acceptSuppressionLoss` names the list that the status tells of.
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
                     CandidateLedger objects and the ledger root key; or, to go on without it, \
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

    /// The published contract; the built-in one where none is published; the last good one
    /// where the document cannot be had or read.
    async fn contract(
        &self,
        client: &Client,
        known: Option<Arc<Contract>>,
    ) -> Result<Arc<Contract>, Failure> {
        let document = match client.openapi().await {
            Ok(document) => document,
            Err(error) => {
                let transient = matches!(error.disposition(), Disposition::Retry { .. })
                    && !matches!(error, ClinchError::NotClinch(_));
                return match known {
                    Some(known) => Ok(known),
                    None if transient => Err(failure(&error)),
                    None => Ok(Arc::new(Contract::built_in())),
                };
            }
        };
        match discover(&document) {
            Ok(contract) => Ok(Arc::new(contract)),
            Err(error) => {
                tracing::warn!(integration = %self.key, %error, "the OpenAPI document is not used");
                Ok(known.unwrap_or_else(|| Arc::new(Contract::built_in())))
            }
        }
    }

    /// A 401 in one region may be an acceptance in another: the commonest mistake of a set-up.
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
        // An endpoint that is not allowed is not asked.
        let Ok(client) = self.connections.passing_client(config) else { return false };
        client.verify().await.is_ok()
    }
}

fn failure(error: &ClinchError) -> Failure {
    Failure { disposition: error.disposition(), message: error.to_string() }
}
