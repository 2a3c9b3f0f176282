//! Step 4: read the published contract and make a signed read. Async; the only step that talks to
//! Clinch, and never sends a record.

use std::sync::Arc;

use super::{
    super::{connections::Connections, context::Settings},
    account::{self, Known},
    memory::{Failure, Memory, Outcome},
    validate::Validated,
};
use crate::{
    api::{Environment, Region},
    clinch::{Client, ClientConfig, ClinchError, Contract, Endpoint, contract::discover},
    cluster::ObjectKey,
    domain::{Disposition, Reason},
};

/// Verifies, and opens or closes the connection accordingly.
pub(super) async fn verify(
    connections: &Connections,
    settings: &Settings,
    uid: &str,
    key: &ObjectKey,
    validated: &Validated,
    previous: Option<&Memory>,
    account: Option<Known>,
) -> Outcome {
    // A credential that was rejected is probed: the client otherwise refuses without asking.
    let rejected = previous.is_some_and(|memory| {
        memory.inputs == validated.inputs
            && !memory.doubted
            && matches!(&memory.outcome, Outcome::Failed(failure)
                if matches!(failure.disposition, Disposition::Stalled { .. }))
    });
    let attempt = Attempt { connections, settings, uid, key, validated };
    match attempt.run(rejected, account).await {
        Ok(()) => Outcome::Verified,
        Err(failure) => {
            // An outage leaves the connection as it is; a refusal closes it, and another account
            // takes it from the runs that have it.
            if failure.disposition.reason() == Reason::AccountChanged {
                connections.refuse(uid);
            } else if !matches!(failure.disposition, Disposition::Retry { .. }) {
                connections.close(uid);
            }
            Outcome::Failed(failure)
        }
    }
}

struct Attempt<'a> {
    connections: &'a Connections,
    settings: &'a Settings,
    uid: &'a str,
    key: &'a ObjectKey,
    validated: &'a Validated,
}

impl Attempt<'_> {
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
                let account = account::check(&client, account, present, accepted).await?;
                let config = Arc::new(config);
                self.connections.open(self.uid, self.key, client, base, config, account);
                Ok(())
            }
            Err(ClinchError::Unauthorized) => Err(self.unauthorized(&config).await),
            Err(error) => Err(failure(&error)),
        }
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
