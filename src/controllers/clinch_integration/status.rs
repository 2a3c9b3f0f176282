//! Step 5: the status of this pass. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    super::{
        connections::Connection,
        publish::{new_request, receipt},
    },
    account::Known,
    memory::{Memory, Outcome},
    validate::Validated,
};
use crate::{
    api::{
        ApiVersion, ClinchIntegration, ClinchIntegrationStatus, ConditionType, ContractStatus,
        STATUS_TRUE, SuppressionStatus,
    },
    clinch::contract::Origin,
    cluster::ClusterError,
    conditions::{Observation, Verdict, find, settle, whole_seconds},
    domain::{Disposition, Reason},
    ledger::{AccountName, Suppressions},
};

/// What this pass found.
pub(super) struct Pass {
    observations: Vec<Observation>,
    verdict: Verdict,
    exports: Option<usize>,
    endpoint: Option<String>,
    /// The credential or endpoint is another one than before.
    fresh: bool,
    /// The account that the credential names, where it is another one than is known.
    changed_to: Option<AccountName>,
}

impl Pass {
    /// The cluster could not be read.
    pub(super) fn unreadable(error: &ClusterError) -> Self {
        let verdict =
            Verdict::Reconciling { reason: Reason::InternalError, message: error.to_string() };
        Self {
            observations: Vec::new(),
            verdict,
            exports: None,
            endpoint: None,
            fresh: false,
            changed_to: None,
        }
    }

    /// Validation refused it.
    pub(super) fn halted(observations: Vec<Observation>, verdict: Verdict, exports: usize) -> Self {
        Self {
            observations,
            verdict,
            exports: Some(exports),
            endpoint: None,
            fresh: false,
            changed_to: None,
        }
    }

    /// The admin's list of people cannot be had at the moment.
    pub(super) fn without_list(message: String, exports: usize) -> Self {
        let (condition, reason) =
            (ConditionType::SuppressionReadable, Reason::SuppressionUnreadable);
        let observations = vec![Observation::new(condition, None, reason, message.clone())];
        Self::halted(observations, Verdict::Reconciling { reason, message }, exports)
    }

    /// `spec.suspend` is set.
    pub(super) fn suspended(observations: Vec<Observation>, exports: usize) -> Self {
        let message = "spec.suspend is set; exports of this integration wait".to_owned();
        let verdict = Verdict::Suspended { in_sync: false, message };
        Self::halted(observations, verdict, exports)
    }

    /// Nothing is known yet.
    pub(super) fn unverified(observations: Vec<Observation>, exports: usize) -> Self {
        let message = "verifying the credential".to_owned();
        let verdict = Verdict::Reconciling { reason: Reason::Progressing, message };
        Self::halted(observations, verdict, exports)
    }

    /// The latest verification counts.
    pub(super) fn verified(
        mut observations: Vec<Observation>,
        exports: usize,
        validated: &Validated,
        memory: Memory,
        kept: bool,
        fresh: bool,
    ) -> Self {
        let version = match validated.version {
            ApiVersion::V1 => "v1",
            ApiVersion::V2 => "v2",
        };
        let endpoint = format!("{}/{version}", validated.endpoint);
        let mut changed_to = None;
        let verdict = match memory.outcome {
            Outcome::Failed(failure) if failure.disposition.reason() == Reason::AccountChanged => {
                changed_to = Some(validated.account);
                let message = failure.message;
                observations.push(Observation::new(
                    ConditionType::Authenticated,
                    true,
                    Reason::Verified,
                    format!("{endpoint} accepts the credential"),
                ));
                let reason = Reason::AccountChanged;
                let condition = ConditionType::AccountVerified;
                observations.push(Observation::new(condition, false, reason, message.clone()));
                Verdict::Stalled { reason, message }
            }
            Outcome::Failed(failure)
                if failure.disposition.reason() == Reason::SuppressionUnreadable =>
            {
                let (reason, message) = (Reason::SuppressionUnreadable, failure.message);
                observations.push(Observation::new(
                    ConditionType::Authenticated,
                    true,
                    Reason::Verified,
                    format!("{endpoint} accepts the credential"),
                ));
                let condition = ConditionType::SuppressionReadable;
                observations.push(Observation::new(condition, false, reason, message.clone()));
                Verdict::Stalled { reason, message }
            }
            Outcome::Failed(failure) if !kept => {
                let reason = failure.disposition.reason();
                let authenticated = match reason {
                    Reason::CredentialsRejected | Reason::WrongRegion => Some(false),
                    _ => None,
                };
                observations.push(Observation::new(
                    ConditionType::Authenticated,
                    authenticated,
                    reason,
                    failure.message.clone(),
                ));
                let message = failure.message;
                match failure.disposition {
                    Disposition::Retry { .. } | Disposition::Wait { .. } => {
                        Verdict::Reconciling { reason, message }
                    }
                    Disposition::Stalled { .. } => Verdict::Stalled { reason, message },
                }
            }
            Outcome::Verified | Outcome::Failed(_) => {
                let message = format!("{endpoint} accepts the credential");
                observations.push(Observation::new(
                    ConditionType::Authenticated,
                    true,
                    Reason::Verified,
                    message.clone(),
                ));
                Verdict::Ready { reason: Reason::Verified, message }
            }
        };
        let (exports, endpoint) = (Some(exports), Some(endpoint));
        Self { observations, verdict, exports, endpoint, fresh, changed_to }
    }
}

/// What is known of the source that Clinch stamps: seen by this process, else as told before.
fn source(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    seen: Option<&str>,
    fresh: bool,
) -> Option<Observation> {
    let wanted = &object.spec.credential_name;
    if let Some(seen) = seen {
        let matched = seen == *wanted;
        let (reason, message) = if matched {
            (
                Reason::SourceConfirmed,
                format!("Clinch shows {wanted:?} as the source of new people"),
            )
        } else {
            // What Clinch shows is not repeated: status holds nothing that an answer said.
            let message = format!(
                "Clinch shows another source than {wanted:?} for new people; correct \
                 spec.credentialName, or rename the credential in Clinch"
            );
            (Reason::SourceDiffers, message)
        };
        return Some(Observation::new(ConditionType::SourceMatched, matched, reason, message));
    }
    let told = find(&previous.conditions, ConditionType::SourceMatched)?;
    let same_spec = told.observed_generation == object.metadata.generation;
    let reason = Reason::from_word(&told.reason).filter(|_| same_spec && !fresh)?;
    let status = told.status == STATUS_TRUE;
    Some(Observation::new(ConditionType::SourceMatched, status, reason, told.message.clone()))
}

/// Whom the account must not be written again, in short. The number only grows, unless a loss was
/// accepted: what it says is missed when the list is read the next time.
fn suppression(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    (account, list): (&str, &Suppressions),
    now: Timestamp,
) -> (String, Option<SuppressionStatus>) {
    let listed = list.listed().map(|listed| i64::try_from(listed.len()).unwrap_or(i64::MAX));
    let entries = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let accepted = object.spec.accept_suppression_loss.as_deref();
    let before = previous.suppression.as_ref();
    // Another account, which the admin has accepted, has a list of its own.
    let was = previous.account.as_ref().map(|account| account.id.as_str());
    let another = object.spec.accept_account.as_deref() == Some(account) && was != Some(account);
    let before = before.filter(|before| !another && Some(&*before.since.0.to_string()) != accepted);
    let message = match listed {
        Some(_) => "the lists of people who must not be written were read",
        None => "the list of people anonymised in Clinch was read",
    };
    if entries == 0 && listed.is_none() && before.is_none() {
        return (message.to_owned(), None);
    }
    let since = before.map_or(Time(whole_seconds(now)), |before| before.since.clone());
    let entries = entries.max(before.map_or(0, |before| before.entries));
    (message.to_owned(), Some(SuppressionStatus { entries, since, listed }))
}

/// The status of this pass. `known`: what was known of the account when it began.
pub(super) fn status(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    pass: Pass,
    connection: Option<&Connection>,
    known: Option<&Known>,
    now: Timestamp,
) -> ClinchIntegrationStatus {
    let mut next = previous.clone();
    let mut observations = pass.observations;
    if let Some(exports) = pass.exports {
        next.exports = i64::try_from(exports).ok();
    }
    if pass.endpoint.is_some() {
        next.endpoint = pass.endpoint;
    }
    if let Some(connection) = connection {
        let contract = connection.client.contract();
        let (reason, message) = match contract.origin {
            Origin::Discovered => {
                (Reason::Discovered, "the contract was read from the OpenAPI document")
            }
            Origin::Assumed => {
                (Reason::Assumed, "no OpenAPI document: the built-in contract is assumed")
            }
        };
        observations.push(Observation::new(ConditionType::ContractResolved, true, reason, message));
        next.contract = Some(ContractStatus {
            origin: contract.origin.as_str().to_owned(),
            operations: contract.summary(),
        });
    }
    if let Some(connection) = connection {
        let account = connection.account.known();
        observations.push(account.observation());
        next.account = Some(account.status(None));
    } else if let Some(known) = known {
        next.account = Some(known.status(pass.changed_to));
    }
    let is_told = |told: &Observation| told.condition == ConditionType::SuppressionReadable;
    if let Some(connection) = connection.filter(|_| !observations.iter().any(is_told)) {
        let (message, found) = {
            let account = connection.account.name().to_string();
            suppression(object, previous, (&account, &connection.suppressions), now)
        };
        let (condition, reason) = (ConditionType::SuppressionReadable, Reason::SuppressionRead);
        observations.push(Observation::new(condition, true, reason, message));
        next.suppression = found;
    }
    let seen = connection.and_then(|connection| connection.source.get());
    observations.extend(source(object, previous, seen.as_deref(), pass.fresh));
    if matches!(pass.verdict, Verdict::Ready { .. }) {
        let before = find(&previous.conditions, ConditionType::Authenticated)
            .is_some_and(|condition| condition.status == STATUS_TRUE);
        if !before || pass.fresh || next.last_verified_time.is_none() {
            next.last_verified_time = Some(Time(whole_seconds(now)));
        }
    }
    let request = new_request(&object.metadata, previous.handled.as_ref());
    next.handled = receipt(previous.handled.as_ref(), request);
    let generation = object.metadata.generation.unwrap_or_default();
    settle(previous, &mut next, generation, observations, &pass.verdict, now);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ClinchIntegration {
        let spec = serde_json::json!({
            "region": "EU", "environment": "Sandbox", "credentialName": "hireEZ",
            "credentials": {"secretRef": {"name": "c"}}
        });
        let mut object = ClinchIntegration::new("i", serde_json::from_value(spec).unwrap());
        object.metadata.generation = Some(1);
        object
    }

    #[test]
    fn another_source_is_told_without_repeating_it_and_is_kept_until_seen_anew() {
        let none = ClinchIntegrationStatus::default();
        assert_eq!(source(&object(), &none, None, false), None, "nothing is known yet");
        let right = source(&object(), &none, Some("hireEZ"), false).unwrap();
        assert_eq!((right.status, right.reason), (Some(true), Reason::SourceConfirmed));
        let wrong = source(&object(), &none, Some("somebody-else"), false).unwrap();
        assert_eq!((wrong.status, wrong.reason), (Some(false), Reason::SourceDiffers));
        assert!(!wrong.message.contains("somebody-else"), "{}", wrong.message);

        let mut told = none.clone();
        let ready = Verdict::Ready { reason: Reason::Verified, message: String::new() };
        settle(&none, &mut told, 1, vec![wrong.clone()], &ready, Timestamp::UNIX_EPOCH);
        assert_eq!(source(&object(), &told, None, false), Some(wrong), "after a restart");
        assert_eq!(source(&object(), &told, None, true), None, "after a rotation");
    }
}
