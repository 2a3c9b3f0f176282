//! Step 2: the only constructor of a validated integration. Pure; no request is made for an
//! integration that is not valid.

use std::time;

use super::{
    account_check,
    credential::{credentials, endpoint},
    gather::Gathered,
    listed::ListedFound,
    sharing::{Shared, shared},
};
use crate::{
    api::{
        self, AbsenceProof, ApiVersion, AssumedWrite, ClinchIntegrationSpec, ConditionType,
        ContractChecks, ContractOverrides, Duration, Region,
    },
    clinch::{
        Endpoint, Limits, Op, Overrides,
        contract::{OverrideError, TimeFormat},
    },
    conditions::Observation,
    controllers::Settings,
    domain::{Cause, Credentials, Digest, Reason, digest_json, digest_parts},
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
    pub(super) interval: time::Duration,
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

/// Why an integration may not be contacted now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// Something has to be changed.
    Refused(Cause),
    /// The admin's list of people cannot be read at the moment.
    ListNotRead(String),
    /// An integration of another shard names the same account.
    Shared(Shared),
}

/// What validation found.
pub(super) struct Checked {
    /// The conditions that can be stated before a request.
    pub(super) observations: Vec<Observation>,
    /// The integration, or why it may not be contacted.
    pub(super) validated: Result<Box<Validated>, Invalid>,
}

/// Checks spec, Secret and list.
pub(super) fn validate(gathered: &Gathered, settings: &Settings) -> Checked {
    let mut observations = Vec::new();
    let checked = check(gathered, settings, &mut observations);
    // A list that cannot be read now changes nothing, unless something else is wrong.
    if let (Ok(_), ListedFound::NotReadNow(message)) = (&checked, &gathered.listed) {
        let (condition, reason) =
            (ConditionType::SuppressionReadable, Reason::SuppressionUnreadable);
        let observations = vec![Observation::new(condition, None, reason, message.clone())];
        return Checked { observations, validated: Err(Invalid::ListNotRead(message.clone())) };
    }
    if let Ok(checked) = &checked
        && let open = gathered.connection.as_ref()
        && let connected = open.is_some_and(|open| open.uses(&checked.credentials))
        && let Some(shared) = shared(&gathered.object, &gathered.sharing, connected)
        // A suspended one waits for nothing; only one that yields says that it has left.
        && (shared.yields || !gathered.object.spec.suspend)
    {
        let Cause { reason, message } = &shared.cause;
        let condition = ConditionType::AccountVerified;
        observations.push(Observation::new(condition, false, *reason, message.clone()));
        return Checked { observations, validated: Err(Invalid::Shared(shared)) };
    }
    let validated = match checked {
        Ok(validated) => Ok(Box::new(validated)),
        Err(Fault { condition, cause }) => {
            observations.extend(condition.map(|condition| {
                Observation::new(condition, false, cause.reason, cause.message.clone())
            }));
            Err(Invalid::Refused(cause))
        }
    };
    Checked { observations, validated }
}

/// A fault, and the condition that is False because of it.
struct Fault {
    condition: Option<ConditionType>,
    cause: Cause,
}

impl Fault {
    fn of(condition: ConditionType) -> impl Fn(Cause) -> Self {
        move |cause| Self { condition: Some(condition), cause }
    }
}

fn check(
    gathered: &Gathered,
    settings: &Settings,
    observations: &mut Vec<Observation>,
) -> Result<Validated, Fault> {
    let Gathered { object, listed, .. } = gathered;
    let spec = &object.spec;
    check_environment(spec, settings).map_err(Fault::of(ConditionType::EnvironmentMatched))?;
    observations.push(Observation::new(
        ConditionType::EnvironmentMatched,
        true,
        Reason::Matched,
        format!("the account is {:?}, as is the operator", spec.environment),
    ));
    if spec.access.namespace_selector.is_some() && !gathered.reads_namespaces {
        let message = "spec.access.namespaceSelector: this operator may not read namespaces, as \
                       it does not watch all of them; list them in spec.access.approved";
        return Err(Fault { condition: None, cause: Cause::new(Reason::InvalidSpec, message) });
    }
    let credentials = credentials(object, gathered.secret.as_ref())
        .map_err(Fault::of(ConditionType::CredentialsFound))?;
    observations.push(Observation::new(
        ConditionType::CredentialsFound,
        true,
        Reason::Found,
        format!("Secret {} holds key and secret", spec.credentials.secret_ref.name),
    ));
    let endpoint = endpoint(object, settings).map_err(Fault::of(ConditionType::Authenticated))?;
    let account = AccountName::of(&gathered.root, &endpoint.to_string(), credentials.access_key());
    if let Some(message) = account_check::shared(account, &gathered.rivals) {
        let cause = Cause::new(Reason::AccountShared, message);
        return Err(Fault::of(ConditionType::AccountVerified)(cause));
    }
    let overrides = overrides(spec.contract_overrides.as_ref()).map_err(|error| {
        let message = format!("spec.contractOverrides: {error}");
        Fault::of(ConditionType::ContractResolved)(Cause::new(Reason::InvalidSpec, message))
    })?;
    if let ListedFound::Unreadable(message) = listed {
        let message = format!("{message}; nobody is created or updated until then");
        let cause = Cause::new(Reason::SuppressionUnreadable, message);
        return Err(Fault::of(ConditionType::SuppressionReadable)(cause));
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
    Ok(Validated {
        endpoint,
        version: spec.api_version,
        region: spec.region,
        credentials,
        overrides,
        accepted: spec.accept_assumed_writes.iter().map(|write| op(*write)).collect(),
        limits: limits(spec),
        interval: spec.interval.get(),
        account,
        accepted_account,
        listed: listed.clone(),
        accepted_loss: spec.accept_suppression_loss.clone(),
        look_up: spec.limits.absence == AbsenceProof::LookUp,
        inputs,
    })
}

/// How much of the account may be used.
pub(super) fn limits(spec: &ClinchIntegrationSpec) -> Limits {
    let requests_per_second = spec.limits.requests_per_second;
    Limits {
        requests_per_second: requests_per_second.and_then(|limit| u32::try_from(limit).ok()),
        max_in_flight: usize::try_from(spec.limits.max_in_flight).unwrap_or(1).max(1),
    }
}

pub(super) fn check_environment(
    spec: &ClinchIntegrationSpec,
    settings: &Settings,
) -> Result<(), Cause> {
    if spec.environment == settings.environment {
        return Ok(());
    }
    let message = format!(
        "this integration is {:?}, the operator runs with --environment {:?}; a test account must \
         never be joined to production",
        spec.environment, settings.environment
    );
    Err(Cause::new(Reason::EnvironmentMismatch, message))
}

pub(super) fn op(write: AssumedWrite) -> Op {
    match write {
        AssumedWrite::CreateApplication => Op::CreateApplication,
        AssumedWrite::CreateAttachment => Op::CreateAttachment,
        AssumedWrite::CreateActivity => Op::CreateActivity,
    }
}

pub(super) fn overrides(spec: Option<&ContractOverrides>) -> Result<Overrides, OverrideError> {
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
    if let Some(name) = &spec.include_parameter {
        overrides.include_parameter(name)?;
    }
    if let Some(since) = &spec.updated_since {
        let format = match since.format {
            api::TimeFormat::Rfc3339 => TimeFormat::Rfc3339,
            api::TimeFormat::Unix => TimeFormat::Unix,
        };
        overrides.updated_since(&since.parameter, format)?;
    }
    if let Some(sort) = &spec.sort {
        overrides.sort(&sort.parameter, &sort.ascending)?;
    }
    if let Some(size) = spec.max_page_size.and_then(|size| u32::try_from(size).ok()) {
        overrides.max_page_size(size)?;
    }
    overrides.enforced = spec.checks == Some(ContractChecks::Enforce);
    overrides.lookup_settle = spec.lookup_settle.as_ref().map(Duration::get);
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::{super::access_requests::Referrers, *};
    use crate::{
        api::{ClinchIntegration, Environment},
        clinch::AllowedEndpoints,
        cluster::{Bundle, ObjectKey},
        controllers::Regions,
    };

    /// The condition that is False, and its reason.
    fn refused(environment: Environment, rival: &str) -> Option<(ConditionType, Reason)> {
        let settings = Settings {
            environment,
            allowed_endpoints: AllowedEndpoints::listed(["https://a.example"]).unwrap(),
            regions: Regions::default(),
            proxy: crate::network::OutboundProxy::default(),
            sources: Arc::default(),
            destinations: Arc::default(),
            notify: crate::controllers::NotifySettings::default(),
            renderer: crate::pipeline::Renderer::default(),
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
        let name = AccountName::of(&[7; 32], "https://a.example", rival);
        let key = ObjectKey::new("talent", "i");
        let gathered = Gathered {
            referrers: Referrers::of(&key, &object.spec, (Vec::new(), Vec::new()), |_| None),
            object: Arc::new(object),
            key,
            uid: String::new(),
            previous: crate::api::ClinchIntegrationStatus::default(),
            request: None,
            secret: Some(Bundle { data: data.into(), ..Bundle::default() }),
            secret_changes: 0,
            listed: ListedFound::None,
            receivers: Vec::new(),
            root: [7; 32],
            rivals: vec![(ObjectKey::new("other", "rival"), name)],
            sharing: Vec::new(),
            reads_namespaces: true,
            account: None,
            connection: None,
            verification: None,
            now: Instant::now(),
        };
        let Checked { observations, validated } = validate(&gathered, &settings);
        let Err(Invalid::Refused(cause)) = validated else { return None };
        Some((observations.last()?.condition, cause.reason))
    }

    #[tokio::test]
    async fn an_account_that_the_other_environment_names_is_refused_on_either_side() {
        for environment in [Environment::Production, Environment::Sandbox] {
            let expected = (ConditionType::AccountVerified, Reason::AccountShared);
            assert_eq!(refused(environment, "K1"), Some(expected));
            assert_eq!(refused(environment, "K2"), None);
        }
    }
}
