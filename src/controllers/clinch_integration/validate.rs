//! Step 2: the only constructor of a validated integration. Pure; no request is made for an
//! integration that does not pass.

use std::time::Duration;

use super::super::durations::duration;
use super::{super::context::Settings, account, suppression::ListedFound};
use crate::{
    api::{
        AbsenceProof, ApiVersion, AssumedWrite, ClinchIntegration, ConditionType,
        ContractOverrides, Region,
    },
    clinch::{Endpoint, Limits, Op, Overrides, contract::OverrideError},
    cluster::{Bundle, ObjectKey},
    conditions::{Observation, Verdict},
    domain::{CredentialError, Credentials, Digest, Reason, digest_json, digest_parts},
    ledger::AccountName,
};

/// An integration that may be contacted.
pub(super) struct Validated {
    pub(super) endpoint: Endpoint,
    pub(super) version: ApiVersion,
    /// Set when the endpoint is a region's: then another region may be the right one.
    pub(super) region: Option<Region>,
    pub(super) credentials: Credentials,
    pub(super) overrides: Overrides,
    pub(super) accepted: Vec<Op>,
    pub(super) limits: Limits,
    pub(super) interval: Duration,
    /// The account that the credential names, if no other credential reached it before.
    pub(super) account: AccountName,
    /// Whether `spec.acceptAccount` accepts this account instead of another.
    pub(super) accepted_account: bool,
    /// The admin's own list of people who must not be written.
    pub(super) listed: ListedFound,
    /// The suppression list whose loss `spec.acceptSuppressionLoss` accepts.
    pub(super) accepted_loss: Option<String>,
    /// Whether everybody is looked up before they are created.
    pub(super) look_up: bool,
    /// Digest of everything above that verification depends on.
    pub(super) inputs: Digest,
}

/// Why an integration may not be contacted.
pub(super) struct Halted {
    pub(super) observations: Vec<Observation>,
    pub(super) verdict: Verdict,
}

/// What else an integration is checked against.
pub(super) struct Accounts {
    /// The ledger root key, which keys the names of accounts.
    pub(super) root: [u8; 32],
    /// The integrations of the other environment, with the account that each names.
    pub(super) rivals: Vec<(ObjectKey, AccountName)>,
    /// Whether this operator may read the labels of namespaces.
    pub(super) reads_namespaces: bool,
}

/// Checks spec and Secret. Conditions are returned either way. `accounts` is given for
/// integrations of the operator's environment.
pub(super) fn validate(
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
    settings: &Settings,
    listed: &ListedFound,
    accounts: &Accounts,
) -> Result<(Validated, Vec<Observation>), Halted> {
    let spec = &object.spec;
    let mut observations = Vec::new();
    if spec.environment != settings.environment {
        let message = format!(
            "this integration is {:?}, the operator runs with --environment {:?}; a test account \
             must never be joined to production",
            spec.environment, settings.environment
        );
        return Err(halt(
            observations,
            ConditionType::EnvironmentMatched,
            Reason::EnvironmentMismatch,
            message,
        ));
    }
    observations.push(Observation::new(
        ConditionType::EnvironmentMatched,
        true,
        Reason::Matched,
        format!("the account is {:?}, as is the operator", spec.environment),
    ));
    if spec.access.namespace_selector.is_some() && !accounts.reads_namespaces {
        let reason = Reason::InvalidSpec;
        let message = "spec.access.namespaceSelector: this operator may not read namespaces, as \
                       it does not watch all of them; list them in spec.access.approved"
            .to_owned();
        return Err(Halted { observations, verdict: Verdict::Stalled { reason, message } });
    }
    let credentials = match credentials(object, secret) {
        Ok(credentials) => credentials,
        Err((reason, message)) => {
            return Err(halt(observations, ConditionType::CredentialsFound, reason, message));
        }
    };
    let name = &spec.credentials.secret_ref.name;
    observations.push(Observation::new(
        ConditionType::CredentialsFound,
        true,
        Reason::Found,
        format!("Secret {name} holds key and secret"),
    ));
    let endpoint = match endpoint(object, settings) {
        Ok(found) => found,
        Err((reason, message)) => {
            return Err(halt(observations, ConditionType::Authenticated, reason, message));
        }
    };
    let account = AccountName::of(&accounts.root, &endpoint.to_string(), credentials.access_key());
    if let Some(message) = account::shared(account, &accounts.rivals) {
        let condition = ConditionType::AccountVerified;
        return Err(halt(observations, condition, Reason::AccountShared, message));
    }
    let overrides = match overrides(spec.contract_overrides.as_ref()) {
        Ok(overrides) => overrides,
        Err(error) => {
            let message = format!("spec.contractOverrides: {error}");
            let condition = ConditionType::ContractResolved;
            return Err(halt(observations, condition, Reason::InvalidSpec, message));
        }
    };
    if let ListedFound::Unreadable(message) = listed {
        let message = format!("{message}; nobody is created or updated until then");
        let (condition, reason) =
            (ConditionType::SuppressionReadable, Reason::SuppressionUnreadable);
        return Err(halt(observations, condition, reason, message));
    }
    let accepted_account = spec.accept_account.as_ref() == Some(&account.to_string());
    let inputs = digest_parts([
        endpoint.to_string().as_bytes(),
        format!("{:?}", spec.api_version).as_bytes(),
        credentials.access_key().as_bytes(),
        credentials.secret_bytes(),
        digest_json(&(&spec.contract_overrides, &spec.limits)).as_bytes(),
        &[u8::from(accepted_account)],
        digest_json(&spec.accept_suppression_loss).as_bytes(),
        listed.digest().as_bytes(),
    ]);
    let validated = Validated {
        endpoint,
        version: spec.api_version,
        region: spec.region,
        credentials,
        overrides,
        accepted: spec.accept_assumed_writes.iter().map(|write| op(*write)).collect(),
        limits: Limits {
            requests_per_second: spec
                .limits
                .requests_per_second
                .and_then(|limit| u32::try_from(limit).ok()),
            max_in_flight: usize::try_from(spec.limits.max_in_flight).unwrap_or(1).max(1),
        },
        interval: duration(&spec.interval).unwrap_or(Duration::from_mins(10)),
        account,
        accepted_account,
        listed: listed.clone(),
        accepted_loss: spec.accept_suppression_loss.clone(),
        look_up: spec.limits.absence == AbsenceProof::LookUp,
        inputs,
    };
    Ok((validated, observations))
}

fn halt(
    mut observations: Vec<Observation>,
    condition: ConditionType,
    reason: Reason,
    message: String,
) -> Halted {
    observations.push(Observation::new(condition, false, reason, message.clone()));
    Halted { observations, verdict: Verdict::Stalled { reason, message } }
}

/// The credential in an integration's Secret, or why there is none.
pub(super) fn credentials(
    object: &ClinchIntegration,
    secret: Option<&Bundle>,
) -> Result<Credentials, (Reason, String)> {
    let reference = &object.spec.credentials.secret_ref;
    let name = &reference.name;
    let Some(secret) = secret else {
        let message = format!("Secret {name} does not exist in this namespace; create it");
        return Err((Reason::SecretNotFound, message));
    };
    let field = |field: &str| {
        let bytes = secret.data.get(field).ok_or_else(|| {
            let message = format!("Secret {name} has no field {field}");
            (Reason::SecretFieldMissing, message)
        })?;
        std::str::from_utf8(bytes).map_err(|_| {
            let message = format!("field {field} of Secret {name} is not text");
            (Reason::SecretInvalid, message)
        })
    };
    let access_key = field(&reference.access_key_field)?;
    let secret_key = field(&reference.secret_key_field)?;
    Credentials::parse(access_key, secret_key).map_err(|error| {
        let (reason, field) = match error {
            CredentialError::EmptyAccessKey => {
                (Reason::SecretFieldEmpty, &reference.access_key_field)
            }
            CredentialError::EmptySecret => (Reason::SecretFieldEmpty, &reference.secret_key_field),
            CredentialError::UnprintableAccessKey => {
                (Reason::SecretInvalid, &reference.access_key_field)
            }
        };
        (reason, format!("field {field} of Secret {name}: {error}"))
    })
}

/// Where an integration's API is, unchecked.
pub(super) fn origin(object: &ClinchIntegration, settings: &Settings) -> Option<String> {
    let of_region = |region| settings.regions.origin(region).to_owned();
    object.spec.endpoint.clone().or_else(|| object.spec.region.map(of_region))
}

fn endpoint(object: &ClinchIntegration, settings: &Settings) -> Result<Endpoint, (Reason, String)> {
    let Some(origin) = origin(object, settings) else {
        let message = "exactly one of spec.region and spec.endpoint must be set".to_owned();
        return Err((Reason::InvalidSpec, message));
    };
    let endpoint = Endpoint::parse(&origin, object.spec.environment)
        .map_err(|error| (Reason::InvalidSpec, format!("spec.endpoint: {error}")))?;
    match settings.allowed_endpoints.check(&endpoint) {
        Some(_) => Ok(endpoint),
        None => Err((
            Reason::EndpointNotAllowed,
            format!("{endpoint} is not among the operator's --allowed-endpoints"),
        )),
    }
}

fn op(write: AssumedWrite) -> Op {
    match write {
        AssumedWrite::CreateApplication => Op::CreateApplication,
        AssumedWrite::CreateAttachment => Op::CreateAttachment,
        AssumedWrite::CreateActivity => Op::CreateActivity,
    }
}

fn overrides(spec: Option<&ContractOverrides>) -> Result<Overrides, OverrideError> {
    let mut overrides = Overrides::default();
    let Some(spec) = spec else { return Ok(overrides) };
    for (operation, path) in &spec.paths {
        overrides.path(operation, path)?;
    }
    for (word, name) in &spec.attributes {
        overrides.attribute(word, name)?;
    }
    if let Some(name) = &spec.page_parameter {
        overrides.page_parameter(name)?;
    }
    if let Some(name) = &spec.page_size_parameter {
        overrides.page_size_parameter(name)?;
    }
    if let Some(name) = &spec.filter_parameter {
        overrides.filter_parameter(name)?;
    }
    if let Some(size) = spec.max_page_size.and_then(|size| u32::try_from(size).ok()) {
        overrides.max_page_size(size)?;
    }
    overrides.lookup_settle = spec.lookup_settle.as_deref().and_then(duration);
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Environment, clinch::AllowedEndpoints, controllers::Regions};

    fn checked(environment: Environment, rival: &str) -> Result<(), (Reason, ConditionType)> {
        let settings = Settings {
            environment,
            allowed_endpoints: AllowedEndpoints::listed(["https://a.example"]).unwrap(),
            regions: Regions::default(),
            sources: std::sync::Arc::default(),
            max_runs: 1,
            timeouts: crate::clinch::Timeouts::default(),
        };
        let spec = serde_json::json!({
            "endpoint": "https://A.example/", "environment": environment,
            "credentials": {"secretRef": {"name": "c"}}
        });
        let object = ClinchIntegration::new("i", serde_json::from_value(spec).unwrap());
        let data = [("accessKey", "K1"), ("secretKey", "s")];
        let data = data.map(|(field, value)| (field.to_owned(), value.into()));
        let secret = Bundle { data: data.into(), ..Bundle::default() };
        let name = AccountName::of(&[7; 32], "https://a.example", rival);
        let rivals = vec![(ObjectKey::new("other", "rival"), name)];
        let accounts = Accounts { root: [7; 32], rivals, reads_namespaces: true };
        let halted =
            validate(&object, Some(&secret), &settings, &ListedFound::None, &accounts).err();
        halted.map_or(Ok(()), |Halted { observations, verdict }| {
            Err((verdict.reason().unwrap(), observations.last().unwrap().condition))
        })
    }

    #[test]
    fn an_account_that_the_other_environment_names_is_refused_on_either_side() {
        for environment in [Environment::Production, Environment::Sandbox] {
            let refused = (Reason::AccountShared, ConditionType::AccountVerified);
            assert_eq!(checked(environment, "K1"), Err(refused));
            assert_eq!(checked(environment, "K2"), Ok(()));
        }
    }
}
