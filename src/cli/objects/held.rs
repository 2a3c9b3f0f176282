//! Why the operator leaves a request of an object open, and what to do about it. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{ExitCode, program, text::span},
    found::{Found, State},
};
use crate::{
    api::{ConditionType, DriftSeen, ExportMode, REQUEST_ONCE_IN, STATUS_TRUE},
    conditions::{find, whole_seconds},
    domain::Reason,
};

/// What holds an object back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Why, and what to do.
    pub(super) why: String,
    /// The exit code of a command that does not wait for it.
    pub(super) code: ExitCode,
}

impl Held {
    fn until_a_person_acts(why: impl Into<String>) -> Self {
        Self { why: why.into(), code: ExitCode::ActionNeeded }
    }
}

/// How long what an object names may arrive after it before it counts as missing.
const ARRIVES: SignedDuration = SignedDuration::from_secs(5);

/// Whether an object refers to something that does not exist.
pub(super) fn is_missing_something(found: &Found) -> bool {
    let (state, reason, _) = found.state();
    state == State::Retrying && reason == Reason::DependencyNotFound.as_str()
}

/// Whether it has done so for some seconds: then a person has to create it.
pub(super) fn lacks_something(found: &Found, now: Timestamp) -> bool {
    let conditions = found.conditions();
    // A time in the future is the error of some clock.
    is_missing_something(found)
        && find(&conditions, ConditionType::Ready)
            .is_some_and(|ready| now.duration_since(ready.last_transition_time.0) >= ARRIVES)
}

/// What holds an object back; `None` if the operator goes on by itself.
pub(super) fn held_back(found: &Found, now: Timestamp) -> Option<Held> {
    let (state, reason, message) = found.state();
    match state {
        State::Suspended if reason != Reason::IntegrationSuspended.as_str() => {
            let resume = resume(&found.name(), &found.key.namespace);
            Some(Held::until_a_person_acts(format!("it is suspended: {resume}")))
        }
        State::Stalled => Some(Held::until_a_person_acts(format!("{reason}: {message}"))),
        State::Retrying if lacks_something(found, now) => {
            Some(Held::until_a_person_acts(format!("{reason}: {message}")))
        }
        State::Waiting => {
            Some(Held { why: format!("{reason}: {message}"), code: ExitCode::Waiting })
        }
        _ => integration_suspended(found),
    }
}

/// Its integration is suspended. What is in place stays Ready all the same.
pub(super) fn integration_suspended(found: &Found) -> Option<Held> {
    let (name, namespace) = suspended_integration(found)?;
    let resume = resume(&name, &namespace);
    Some(Held::until_a_person_acts(format!("its integration is suspended: {resume}")))
}

/// The same for an object of a state folder, where nobody can resume an integration but by its manifest.
pub(super) fn integration_suspended_in_folder(found: &Found) -> Option<Held> {
    let (name, namespace) = suspended_integration(found)?;
    Some(Held::until_a_person_acts(format!(
        "its integration is suspended: change spec.suspend in the manifest of {name} ({namespace}), and \
         apply it again"
    )))
}

/// The integration, if it is suspended, and its namespace.
fn suspended_integration(found: &Found) -> Option<(String, String)> {
    let conditions = found.conditions();
    conditions.iter().find(|condition| {
        condition.reason == Reason::IntegrationSuspended.as_str() && condition.status != STATUS_TRUE
    })?;
    let name = found.text("/spec/integrationRef/name").unwrap_or("INTEGRATION");
    let namespace = found.text("/spec/integrationRef/namespace").unwrap_or(&found.key.namespace);
    Some((format!("integration/{name}"), namespace.to_owned()))
}

fn resume(name: &str, namespace: &str) -> String {
    format!("{} resume {name} -n {namespace}", program())
}

/// Why a request to verify an export would not be acted on now.
pub(super) fn not_verifiable(export: &Found, now: Timestamp) -> Option<Held> {
    if export.json.pointer("/spec/destination/file").is_some_and(|file| !file.is_null()) {
        let why = "it writes a file, and nobody to Clinch: read the file that status.file names";
        return Some(Held::until_a_person_acts(why));
    }
    if export.part("/spec/mode") == Some(ExportMode::DryRun) {
        let why = "it is a dry run, which delivers nobody: set spec.mode to Push, and verify once it \
                   is Ready";
        return Some(Held::until_a_person_acts(why));
    }
    too_early(export, now).or_else(|| not_verified(export, now))
}

/// What holds a verification back, which needs a delivery that has ended. One with rejected records has.
pub(super) fn not_verified(export: &Found, now: Timestamp) -> Option<Held> {
    let (state, reason, _) = export.state();
    if state == State::Stalled && reason == Reason::RecordsRejected.as_str() {
        return integration_suspended(export);
    }
    held_back(export, now)
}

fn too_early(export: &Found, now: Timestamp) -> Option<Held> {
    let last: DriftSeen = export.part("/status/drift")?;
    let from = last.checked_at.0.checked_add(REQUEST_ONCE_IN).ok()?;
    // A time in the future is the error of some clock.
    if now >= from || last.checked_at.0 > now {
        return None;
    }
    let ago = span(now.duration_since(last.checked_at.0).as_secs());
    Some(Held::until_a_person_acts(format!(
        "it was verified {ago} ago ({}): once an hour at most, so again from {} on",
        drift(&last),
        whole_seconds(from)
    )))
}

/// What a verification found, in one line.
pub(super) fn drift(drift: &DriftSeen) -> String {
    let mut text = format!(
        "{} verified: {} missing, {} changed, {} anonymised",
        drift.people, drift.missing, drift.changed, drift.anonymised
    );
    let more = [
        (drift.corrected, "written again"),
        (drift.normalised, "normalised by Clinch"),
        (drift.unread, "not read"),
    ];
    for (count, what) in more {
        if let Some(count) = count.filter(|count| *count > 0) {
            text = format!("{text}, {count} {what}");
        }
    }
    text
}

/// What the operator says of the verification of an export.
pub(super) fn verification(export: &Found) -> Option<String> {
    let conditions = export.conditions();
    find(&conditions, ConditionType::Drifted).map(|drifted| drifted.message.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::cluster::Kind;

    fn export(spec: &Json, conditions: &[(&str, &str, &str)], drift: &Json) -> Found {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({"type": kind, "status": status, "reason": reason, "message": "why",
                    "lastTransitionTime": "2026-11-26T10:00:00Z"})
            })
            .collect();
        let mut object = json!({
            "metadata": {"name": "a", "namespace": "talent", "generation": 2},
            "spec": {"integrationRef": {"name": "clinch", "namespace": "admin"}, "mode": "Push",
                "destination": {"prospect": {}}},
            "status": {"observedGeneration": 2, "conditions": conditions, "drift": drift},
        });
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        Found::new(Kind::Export, object).unwrap()
    }

    const SYNCED: [(&str, &str, &str); 1] = [("Ready", "True", "Synced")];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_cannot_be_verified_says_so_and_what_to_do() {
        let now = at("2026-11-26T12:00:00Z");
        let suspended = [("Ready", "True", "Synced"), ("Suspended", "True", "Suspended")];
        let by_integration =
            [("Ready", "True", "Synced"), ("IntegrationReady", "False", "IntegrationSuspended")];
        let behind = [("Ready", "False", "IntegrationSuspended"), ("Reconciling", "True", "x")];
        let waiting = [("Ready", "False", "AwaitingApproval"), ("Reconciling", "True", "x")];
        let stalled = [("Ready", "False", "MappingInvalid"), ("Stalled", "True", "MappingInvalid")];
        let missing =
            [("Ready", "False", "DependencyNotFound"), ("Reconciling", "True", "Progressing")];
        let file = json!({"destination": {"file": {"format": "CSV"}}});
        for (spec, conditions, code, says) in [
            (file, &SYNCED[..], 1, "it writes a file"),
            (json!({"mode": "DryRun"}), &SYNCED, 1, "set spec.mode to Push"),
            (json!({"suspend": true}), &suspended, 1, "resume export/a -n talent"),
            (json!({}), &by_integration, 1, "resume integration/clinch -n admin"),
            (json!({}), &behind, 1, "resume integration/clinch -n admin"),
            (json!({}), &waiting, 5, "AwaitingApproval: why"),
            (json!({}), &stalled, 1, "MappingInvalid: why"),
            (json!({}), &missing, 1, "DependencyNotFound: why"),
        ] {
            let held = not_verifiable(&export(&spec, conditions, &Json::Null), now).unwrap();
            assert_eq!(held.code.code(), code, "{held:?}");
            assert!(held.why.contains(says), "{held:?}");
        }
        let rejected =
            [("Ready", "False", "RecordsRejected"), ("Stalled", "True", "RecordsRejected")];
        for conditions in [&SYNCED[..], &rejected, &[("Ready", "Unknown", "Progressing")], &[]] {
            assert_eq!(not_verifiable(&export(&json!({}), conditions, &Json::Null), now), None);
        }
    }

    #[test]
    fn what_does_not_exist_may_arrive_within_seconds() {
        let missing =
            [("Ready", "False", "DependencyNotFound"), ("Reconciling", "True", "Progressing")];
        let export = export(&json!({}), &missing, &Json::Null);
        assert!(is_missing_something(&export));
        for (now, expected) in [
            ("2026-11-26T10:00:04Z", None),
            ("2026-11-26T10:00:05Z", Some(ExitCode::ActionNeeded)),
            ("2026-11-26T09:00:00Z", None),
        ] {
            assert_eq!(held_back(&export, at(now)).map(|held| held.code), expected, "{now}");
            assert_eq!(super::super::waiting::settled(&export, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn what_a_folder_holds_back_names_no_command_for_a_cluster() {
        let by_integration =
            [("Ready", "True", "Synced"), ("IntegrationReady", "False", "IntegrationSuspended")];
        let held =
            integration_suspended_in_folder(&export(&json!({}), &by_integration, &Json::Null));
        let why = held.unwrap().why;
        assert!(
            why.contains("spec.suspend in the manifest of integration/clinch (admin)"),
            "{why}"
        );
        assert!(!why.contains("resume"), "{why}");
    }

    #[test]
    fn a_second_verification_within_the_hour_is_refused_with_its_time() {
        let seen = json!({"checkedAt": "2026-11-26T12:00:00Z", "people": 2, "missing": 1, "changed": 0,
            "anonymised": 0});
        let of = |now: &str| not_verifiable(&export(&json!({}), &SYNCED, &seen), at(now));
        let held = of("2026-11-26T12:12:00Z").unwrap();
        assert_eq!(held.code, ExitCode::ActionNeeded);
        assert!(held.why.contains("12 min 0 s ago (2 verified: 1 missing"), "{held:?}");
        assert!(held.why.contains("from 2026-11-26T13:00:00Z on"), "{held:?}");
        assert_eq!(of("2026-11-26T13:00:00Z"), None);
        assert_eq!(of("2026-11-26T11:59:00Z"), None, "another clock");
    }
}
