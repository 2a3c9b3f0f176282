//! Step 5: the status of this pass. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    account_check, contract_status::contract_status, execute::Executed, gather::Gathered,
    plan::counts_as_verified, validate::Validated,
};
use crate::{
    api::{
        ApiVersion, ClinchIntegration, ClinchIntegrationStatus, ConditionType, SHARD_LABEL,
        STATUS_TRUE, SuppressionStatus,
    },
    cluster::ClusterError,
    conditions::{self, Observation, Standing, Verdict, find, whole_seconds},
    controllers::{
        connections::{Connection, Failure, KnownAccount, KnownContract, Outcome, SECRET_GRACE},
        publish::{new_request, receipt},
    },
    domain::{Cause, Disposition, Reason},
    ledger::{AccountName, Suppressions},
};

/// The part of the status that follows from the pass alone.
struct Summary {
    observations: Vec<Observation>,
    verdict: Verdict,
    endpoint: Option<String>,
    /// Whether credential or endpoint changed.
    changed: bool,
    /// The account that the credential names, where it is not the known one.
    changed_to: Option<AccountName>,
}

impl Summary {
    fn new(observations: Vec<Observation>, verdict: Verdict) -> Self {
        Self { observations, verdict, endpoint: None, changed: false, changed_to: None }
    }

    /// `connected`: whether there is a connection.
    fn of(observations: Vec<Observation>, executed: Executed, connected: bool) -> Self {
        match executed {
            Executed::ListNotRead { message, .. } => {
                let verdict = Verdict::reconciling(Reason::SuppressionUnreadable, message);
                Self::new(observations, verdict)
            }
            Executed::Refused(cause) => Self::new(observations, Verdict::Stalled(cause)),
            Executed::Paused { cause, .. } => {
                let message = format!(
                    "{}; runs in progress are paused, and end unless it is back within {} s of its \
                     deletion",
                    cause.message,
                    SECRET_GRACE.as_secs()
                );
                Self::new(observations, Verdict::stalled(cause.reason, message))
            }
            Executed::Shared { cause, yields, .. } => {
                let verdict =
                    if yields { Verdict::Stalled(cause) } else { Verdict::Reconciling(cause) };
                Self::new(observations, verdict)
            }
            Executed::Suspended(fault) => {
                let fault = fault.map(|cause| cause.message);
                Self::new(observations, suspended(fault.as_deref()))
            }
            Executed::Verified { validated, latest, changed, now } => {
                let kept = connected && counts_as_verified(&latest, validated.interval, now);
                Self::verified(observations, &validated, latest.outcome, kept, changed)
            }
        }
    }

    /// The latest verification counts.
    fn verified(
        mut observations: Vec<Observation>,
        validated: &Validated,
        outcome: Outcome,
        kept: bool,
        changed: bool,
    ) -> Self {
        let version = match validated.version {
            ApiVersion::V1 => "v1",
            ApiVersion::V2 => "v2",
        };
        let endpoint = format!("{}/{version}", validated.endpoint);
        let accepted = || {
            let message = format!("{endpoint} accepts the credential");
            Observation::new(ConditionType::Authenticated, true, Reason::Verified, message)
        };
        let mut changed_to = None;
        let verdict = match outcome {
            Outcome::Failed(Failure { disposition, message }) => {
                let cause = Cause::new(disposition.reason(), message);
                match cause.reason {
                    Reason::AccountChanged => {
                        changed_to = Some(validated.account);
                        observations.push(accepted());
                        observations.push(is_false(ConditionType::AccountVerified, &cause));
                        Verdict::Stalled(cause)
                    }
                    Reason::SuppressionUnreadable => {
                        observations.push(accepted());
                        observations.push(is_false(ConditionType::SuppressionReadable, &cause));
                        Verdict::Stalled(cause)
                    }
                    _ if kept => {
                        observations.push(accepted());
                        Verdict::ready(Reason::Verified, accepted().message)
                    }
                    reason => {
                        let rejected =
                            matches!(reason, Reason::CredentialsRejected | Reason::WrongRegion);
                        let status = rejected.then_some(false);
                        let (condition, message) =
                            (ConditionType::Authenticated, cause.message.clone());
                        observations.push(Observation::new(condition, status, reason, message));
                        match disposition {
                            Disposition::Retry { .. } | Disposition::Wait { .. } => {
                                Verdict::Reconciling(cause)
                            }
                            Disposition::Stalled { .. } => Verdict::Stalled(cause),
                        }
                    }
                }
            }
            Outcome::Verified => {
                observations.push(accepted());
                Verdict::ready(Reason::Verified, accepted().message)
            }
        };
        Self { observations, verdict, endpoint: Some(endpoint), changed, changed_to }
    }
}

/// `fault`: what is wrong apart from that.
fn suspended(fault: Option<&str>) -> Verdict {
    let mut message =
        "spec.suspend is set; exports and imports of this integration wait".to_owned();
    if let Some(fault) = fault {
        message.push_str(". Before it is resumed: ");
        message.push_str(fault);
    }
    Verdict::Suspended { standing: Standing::NothingDue, message }
}

fn is_false(condition: ConditionType, cause: &Cause) -> Observation {
    Observation::new(condition, false, cause.reason, cause.message.clone())
}

/// The source that Clinch shows for new people: as seen by this process, else as reported before.
fn source(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    seen: Option<&str>,
    changed: bool,
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
            // The value is not repeated: no status holds anything of a response.
            let message = format!(
                "Clinch shows another source than {wanted:?} for new people; correct \
                 spec.credentialName, or rename the credential in Clinch"
            );
            (Reason::SourceDiffers, message)
        };
        return Some(Observation::new(ConditionType::SourceMatched, matched, reason, message));
    }
    let reported = find(&previous.conditions, ConditionType::SourceMatched)?;
    let same_spec = reported.observed_generation == object.metadata.generation;
    let reason = Reason::from_word(&reported.reason).filter(|_| same_spec && !changed)?;
    let status = reported.status == STATUS_TRUE;
    Some(Observation::new(ConditionType::SourceMatched, status, reason, reported.message.clone()))
}

/// The size of the lists of people who must not be written. The number only grows, unless a loss
/// was accepted: the next time the list is read it must hold as many.
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

/// The status of this pass, and the namespaces that request access for the first time.
pub(super) fn status(
    gathered: &Gathered,
    observations: Vec<Observation>,
    executed: Executed,
    connection: Option<&Connection>,
    now: Timestamp,
) -> (ClinchIntegrationStatus, Vec<String>) {
    let Gathered { object, previous, referrers, account, .. } = gathered;
    let summary = Summary::of(observations, executed, connection.is_some());
    let mut next = finish(object, previous, summary, connection, account.as_ref(), now);
    next.exports = i64::try_from(referrers.using).ok();
    next.imports = i64::try_from(referrers.importing).ok().filter(|imports| *imports > 0);
    let asking = referrers.write_to(&object.spec, &mut next, now);
    (next, asking)
}

/// The status when the cluster could not be read. `lasts`: whether that has not passed by itself.
pub(super) fn unreadable(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    (error, lasts): (&ClusterError, bool),
    connection: Option<&Connection>,
    now: Timestamp,
) -> ClinchIntegrationStatus {
    let cause = Cause::new(Reason::InternalError, error.to_string());
    let verdict = match error {
        _ if object.spec.suspend => suspended(Some(&cause.message)),
        // While roles are replaced, a right is missing for a moment.
        ClusterError::Forbidden { .. } if lasts => Verdict::Stalled(cause),
        _ => Verdict::Reconciling(cause),
    };
    let known = account_check::known(previous.account.as_ref(), connection);
    let summary = Summary::new(Vec::new(), verdict);
    finish(object, previous, summary, connection, known.as_ref(), now)
}

/// The status while the runs of an integration end that goes to another shard.
pub(super) fn leaving(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    to: &str,
    now: Timestamp,
) -> ClinchIntegrationStatus {
    let message = format!(
        "the label {SHARD_LABEL} names shard {to}: its process takes over once the runs in progress \
         have ended"
    );
    let verdict = Verdict::reconciling(Reason::HandingOver, message);
    finish(object, previous, Summary::new(Vec::new(), verdict), None, None, now)
}

/// The status of an integration that another shard has from now on.
pub(super) fn handed_over(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    to: &str,
    now: Timestamp,
) -> ClinchIntegrationStatus {
    let message = format!(
        "handed over to shard {to}; if this stays, no process of the operator runs with --shard {to}: \
         correct the label {SHARD_LABEL}, or start one"
    );
    let verdict = Verdict::reconciling(Reason::HandingOver, message);
    let next = finish(object, previous, Summary::new(Vec::new(), verdict), None, None, now);
    ClinchIntegrationStatus { shard: Some(to.to_owned()), ..next }
}

/// Adds what the connection knows. `known`: the account, as far as it was known before the pass.
fn finish(
    object: &ClinchIntegration,
    previous: &ClinchIntegrationStatus,
    summary: Summary,
    connection: Option<&Connection>,
    known: Option<&KnownAccount>,
    now: Timestamp,
) -> ClinchIntegrationStatus {
    let Summary { mut observations, verdict, endpoint, changed, changed_to } = summary;
    let mut next = previous.clone();
    if endpoint.is_some() {
        next.endpoint = endpoint;
    }
    if let Some(connection) = connection {
        let account = connection.account.known();
        observations.push(contract_resolved(&connection.contract));
        observations.push(account_check::observation(&account));
        next.contract = Some(contract_status(connection.client.contract()));
        next.account = Some(account_check::account_status(&account, None));
    } else if let Some(known) = known {
        next.account = Some(account_check::account_status(known, changed_to));
    }
    let is_list = |known: &Observation| known.condition == ConditionType::SuppressionReadable;
    if let Some(connection) = connection.filter(|_| !observations.iter().any(is_list)) {
        let account = connection.account.name().to_string();
        let list = (account.as_str(), &connection.suppressions);
        let (mut message, found) = suppression(object, previous, list, now);
        if !connection.client.contract().shows_anonymised {
            message.push_str(
                "; Clinch does not show who was anonymised, so that nobody is added to it, and they are \
                 written again if a source has them",
            );
        }
        let (condition, reason) = (ConditionType::SuppressionReadable, Reason::SuppressionRead);
        observations.push(Observation::new(condition, true, reason, message));
        next.suppression = found;
    }
    let seen = connection.and_then(|connection| connection.source.get());
    observations.extend(source(object, previous, seen.as_deref(), changed));
    if matches!(verdict, Verdict::Ready(_)) {
        let before = find(&previous.conditions, ConditionType::Authenticated)
            .is_some_and(|condition| condition.status == STATUS_TRUE);
        if !before || changed || next.last_verified_time.is_none() {
            next.last_verified_time = Some(Time(whole_seconds(now)));
        }
    }
    let request = new_request(&object.metadata, previous.handled.as_ref());
    next.handled = receipt(previous.handled.as_ref(), request);
    let generation = object.metadata.generation.unwrap_or_default();
    conditions::apply(previous, &mut next, generation, observations, &verdict, now);
    next
}

fn contract_resolved(contract: &KnownContract) -> Observation {
    let published = contract.was_published();
    let reason = if published { Reason::Discovered } else { Reason::Assumed };
    let message = match &contract.fault {
        None if published => "the contract was read from the OpenAPI document".to_owned(),
        None => "no OpenAPI document: the built-in contract is assumed".to_owned(),
        Some(fault) => {
            let used = if published {
                "the contract of the last valid document is used"
            } else {
                "the built-in contract is assumed"
            };
            format!("the OpenAPI document is not used: {fault}; {used}")
        }
    };
    Observation::new(ConditionType::ContractResolved, true, reason, message)
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
    fn a_document_that_is_not_used_is_reported_with_its_fault_and_the_contract_in_its_place() {
        let mut contract = KnownContract::built_in();
        assert!(contract_resolved(&contract).message.starts_with("no OpenAPI document"));
        contract.fault = Some("it is too large".to_owned());
        let assumed = contract_resolved(&contract);
        assert_eq!(assumed.reason, Reason::Assumed);
        assert_eq!(
            assumed.message,
            "the OpenAPI document is not used: it is too large; the built-in contract is assumed"
        );
        let mut published = crate::clinch::Contract::built_in();
        published.origin = crate::clinch::contract::Origin::Discovered;
        contract = KnownContract { fault: contract.fault, ..KnownContract::published(published) };
        let kept = contract_resolved(&contract);
        assert_eq!(kept.reason, Reason::Discovered);
        assert!(kept.message.ends_with("the contract of the last valid document is used"));
    }

    #[test]
    fn a_missing_right_is_stalled_once_it_lasts_and_says_which_one() {
        let forbidden =
            ClusterError::Forbidden { verb: "get", what: "secrets talent/clinch".to_owned() };
        let unavailable = ClusterError::Unavailable {
            verb: "get",
            what: "secrets talent/clinch".to_owned(),
            code: "500".to_owned(),
        };
        let ready = |suspend: bool, error: &ClusterError, lasts: bool| {
            let (mut object, none) = (object(), ClinchIntegrationStatus::default());
            object.spec.suspend = suspend;
            let next = unreadable(&object, &none, (error, lasts), None, Timestamp::UNIX_EPOCH);
            let has = |condition| find(&next.conditions, condition).is_some();
            let found = [
                has(ConditionType::Stalled),
                has(ConditionType::Reconciling),
                has(ConditionType::Suspended),
            ];
            (found, find(&next.conditions, ConditionType::Ready).unwrap().message.clone())
        };
        let (found, message) = ready(false, &forbidden, true);
        assert_eq!(found, [true, false, false]);
        assert!(message.contains("may not get secrets talent/clinch"), "{message}");
        assert!(message.ends_with("add clinch to secretNames.talent"), "{message}");
        assert_eq!(ready(false, &forbidden, false).0, [false, true, false]);
        assert_eq!(ready(false, &unavailable, true).0, [false, true, false]);
        let (found, message) = ready(true, &forbidden, true);
        assert_eq!(found, [false, false, true]);
        assert!(message.contains("Before it is resumed: the operator may not"), "{message}");
    }

    #[test]
    fn another_source_is_reported_without_its_name_and_kept_until_seen_again() {
        let none = ClinchIntegrationStatus::default();
        assert_eq!(source(&object(), &none, None, false), None, "nothing is known yet");
        let right = source(&object(), &none, Some("hireEZ"), false).unwrap();
        assert_eq!((right.status, right.reason), (Some(true), Reason::SourceConfirmed));
        let wrong = source(&object(), &none, Some("somebody-else"), false).unwrap();
        assert_eq!((wrong.status, wrong.reason), (Some(false), Reason::SourceDiffers));
        assert!(!wrong.message.contains("somebody-else"), "{}", wrong.message);

        let mut reported = none.clone();
        let ready = Verdict::ready(Reason::Verified, "");
        conditions::apply(
            &none,
            &mut reported,
            1,
            vec![wrong.clone()],
            &ready,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(source(&object(), &reported, None, false), Some(wrong), "after a restart");
        assert_eq!(source(&object(), &reported, None, true), None, "after a rotation");
    }
}
