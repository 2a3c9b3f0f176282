//! Use of an integration from other namespaces: who may use it, who waits, and what their statuses say.

use std::time::{Duration, Instant};

use clinch_operator::api::{CandidateExport, ClinchIntegration, CommonStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, runtime::wait::await_condition};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, assert_each_once, emails, export},
    world::{SOON, World, condition},
};

/// How soon a decision of an admin takes effect.
pub const AT_ONCE: Duration = Duration::from_secs(2);

pub const TO_JOB: &str = "  destination: {job: {reference: ENG-101, stage: Sourced}}";

pub fn integration(access: &str) -> String {
    format!("{INTEGRATION}  access: {access}\n")
}

pub fn approving(approved: &str) -> String {
    integration(&format!("{{mode: Approval, approved: [{approved}]}}"))
}

/// An export of another namespace than the integration's.
pub fn member_export(name: &str, people: usize, rest: &str) -> String {
    let reference = "integrationRef: {name: acme, namespace: NS}";
    export(name, people, rest).replace("integrationRef: {name: acme}", reference)
}

fn exports(world: &World, namespace: &str) -> Api<CandidateExport> {
    Api::namespaced(world.admin.clone(), namespace)
}

/// The Ready condition, once it is of the present generation.
fn ready_of(export: &CandidateExport) -> Option<Condition> {
    let status = export.status.as_ref()?;
    let current = export.metadata.generation == Some(status.observed_generation());
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
    current.then(|| ready.clone())
}

/// Waits, by watch, for a reason of Ready; the export as JSON.
pub async fn reason(
    world: &World,
    namespace: &str,
    name: &str,
    expected: impl Fn(&str) -> bool + Send + Sync + 'static,
    within: Duration,
) -> Value {
    let api = exports(world, namespace);
    let reached = await_condition(api.clone(), name, move |export: Option<&CandidateExport>| {
        export.and_then(ready_of).is_some_and(|ready| expected(&ready.reason))
    });
    let found = timeout(within, reached).await;
    let now = api.get(name).await.expect("the export is there");
    let Ok(found) = found else {
        panic!("not in {within:?}: {:#?}", now.status);
    };
    let found = found.expect("the watch works").expect("the export is there");
    serde_json::to_value(found).expect("an export is JSON")
}

pub async fn reason_is(
    world: &World,
    namespace: &str,
    name: &str,
    expected: &'static str,
) -> Value {
    reason(world, namespace, name, move |reason| reason == expected, SOON).await
}

/// Waits, by watch, until the integration lists these namespaces, with how many exports each.
async fn requests(world: &World, expected: Vec<(String, i64)>) -> Value {
    let api: Api<ClinchIntegration> = Api::namespaced(world.admin.clone(), &world.namespace);
    let listed = move |found: Option<&ClinchIntegration>| {
        let Some(status) = found.and_then(|found| found.status.as_ref()) else { return false };
        let mut listed: Vec<(String, i64)> =
            status.access_requests.iter().map(|r| (r.namespace.clone(), r.exports)).collect();
        listed.sort();
        listed == expected
    };
    let found = timeout(SOON, await_condition(api, "acme", listed)).await;
    let found = found.expect("listed").expect("the watch works").expect("it is there");
    serde_json::to_value(found).expect("an integration is JSON")
}

fn event_reasons(world: &World, namespace: &str, name: &str) -> Vec<String> {
    let path = "-o=jsonpath={range .items[*]}{.regarding.name}/{.reason}{\"\\n\"}{end}";
    let found = world.kubectl(&["get", "events.v1.events.k8s.io", "-n", namespace, path]);
    let of = format!("{name}/");
    found.lines().filter_map(|line| Some(line.strip_prefix(&of)?.to_owned())).collect()
}

pub async fn event(world: &World, namespace: &str, name: &str, reason: &str) {
    let started = Instant::now();
    while !event_reasons(world, namespace, name).iter().any(|found| found == reason) {
        assert!(started.elapsed() < SOON, "no Event {reason} on {name}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_waits_for_approval_continues_by_itself_and_stops_when_it_is_withdrawn() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&approving(""));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let before = world.sandbox.requests().total;
    world.apply_in(&member, &member_export("asking", 5, PROSPECT));

    let waiting = reason_is(&world, &member, "asking", "AwaitingApproval").await;
    assert_eq!(condition(&waiting, "Reconciling")["status"], "True");
    assert_eq!(condition(&waiting, "Ready")["status"], "False");
    let text = message(&waiting);
    for word in [&member, &format!("{}/acme", world.namespace), "spec.access.approved"] {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    let listed = requests(&world, vec![(member.clone(), 1)]).await;
    assert_eq!(listed["status"]["requests"], 1);
    assert_eq!(listed["status"]["exports"], 0);
    event(&world, &member, "asking", "AwaitingApproval").await;
    event(&world, &world.namespace, "acme", "AwaitingApproval").await;
    let table = world.kubectl(&["get", "clint", "acme", "-n", &world.namespace]);
    assert!(table.contains("REQUESTS"), "{table}");
    assert_eq!(world.sandbox.requests().total, before, "nothing was asked of Clinch for it");

    world.apply(&approving(&member));
    reason(&world, &member, "asking", |reason| reason != "AwaitingApproval", AT_ONCE).await;
    let done = reason_is(&world, &member, "asking", "Synced").await;
    assert_eq!(done["status"]["delivered"], "5/5");
    let settled = requests(&world, vec![]).await;
    assert_eq!(settled["status"]["requests"], 0);
    world
        .wait("ClinchIntegration", "acme", "used by one export", SOON, |object| {
            object["status"]["exports"] == 1
        })
        .await;

    world.apply(&approving(""));
    reason(&world, &member, "asking", |reason| reason == "AwaitingApproval", AT_ONCE).await;
    requests(&world, vec![(member.clone(), 1)]).await;
    world.apply_in(&member, &member_export("asking", 6, PROSPECT));
    world.apply(&integration("{mode: Automatic}"));
    let done = reason_is(&world, &member, "asking", "Synced").await;
    assert_eq!(done["status"]["delivered"], "6/6");
    assert_each_once(&world, 6);

    let (user, log) = (world.user(), world.audit());
    let read = log
        .count(|entry| {
            entry.user == user && entry.resource == "secrets" && entry.namespace == member
        })
        .unwrap();
    assert_eq!(read, 0, "no Secret of the member's namespace was asked for");
}

/// A status without the times in it.
fn timeless(export: &Value) -> String {
    let mut status = export["status"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"] = Value::Null;
    }
    serde_json::to_string(&status).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_cannot_tell_an_integration_it_may_not_use_from_one_that_does_not_exist() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    let curious = member_export(
        "curious",
        2,
        &format!("{PROSPECT}\n  fieldMappingRef: {{name: secret-mapping}}"),
    );
    world.apply_in(&member, &curious);
    let not_found = reason_is(&world, &member, "curious", "DependencyNotFound").await;
    assert!(message(&not_found).contains("ask "), "{}", message(&not_found));
    event(&world, &member, "curious", "DependencyNotFound").await;
    world.kubectl(&["delete", "clexp", "curious", "-n", &member]);

    world.apply(&integration("{mode: SameNamespace}"));
    world.apply("apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {name: secret-mapping}\nspec: {fields: [{to: email, from: 'emails[0].value'}]}");
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.ready("FieldMapping", "secret-mapping", "True", "Compiled").await;
    world.apply_in(&member, &curious);
    let not_allowed = reason_is(&world, &member, "curious", "DependencyNotFound").await;
    assert_eq!(timeless(&not_found), timeless(&not_allowed));
    let integration = world.get("ClinchIntegration", "acme").await;
    assert!(integration["status"]["accessRequests"].is_null(), "nobody may ask");
    assert_eq!(integration["status"]["exports"], 0);
    assert!(emails(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_requests_is_bounded_and_their_number_is_reported() {
    let Some(world) = World::start_with_members(22).await else { return };
    world.apply(&approving(""));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    for member in &world.members {
        world.apply_in(member, &member_export("asking", 1, PROSPECT));
    }
    let asked = world
        .wait("ClinchIntegration", "acme", "asked by all", SOON, |object| {
            object["status"]["requests"] == 22
        })
        .await;
    assert_eq!(asked["status"]["accessRequests"].as_array().map(Vec::len), Some(20));
    world.apply(&integration("{mode: Automatic}"));
    world
        .wait("ClinchIntegration", "acme", "used by all", SOON, |object| {
            object["status"]["exports"] == 22 && object["status"]["requests"].is_null()
        })
        .await;
    for member in &world.members {
        reason_is(&world, member, "asking", "Synced").await;
    }
    assert!(emails(&world).len() == 1, "one guard for the exports of all namespaces");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_the_integrations_unless_members_may_bring_their_own() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    let mapping = |title: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: m}}\nspec: {{fields: [{{to: email, from: 'emails[0].value'}}, {{to: first_name, value: {{string: {title}}}}}]}}"
        )
    };
    world.apply(&approving(&member));
    world.apply(&mapping("Theirs"));
    world.apply_in(&member, &mapping("Own"));
    let named = |reference: &str| {
        member_export("mapped", 1, &format!("{PROSPECT}\n  fieldMappingRef: {reference}"))
    };
    let first_name = || world.sandbox.people("hireEZ")[0]["attributes"]["first_name"].clone();
    world.apply_in(&member, &named("{name: m}"));
    reason_is(&world, &member, "mapped", "Synced").await;
    assert_eq!(first_name(), "Theirs");

    let own = named(&format!("{{name: m, namespace: {member}}}"));
    world.apply_in(&member, &own);
    let refused = reason_is(&world, &member, "mapped", "ReferenceForbidden").await;
    assert_eq!(condition(&refused, "Stalled")["status"], "True");
    assert!(message(&refused).contains("spec.access.memberMappings"), "{}", message(&refused));
    event(&world, &member, "mapped", "ReferenceForbidden").await;
    world.apply(&integration(&format!(
        "{{mode: Approval, approved: [{member}], memberMappings: true}}"
    )));
    reason_is(&world, &member, "mapped", "Synced").await;
    assert_eq!(first_name(), "Own");
    // A change of it is noticed there, too.
    world.apply_in(&member, &mapping("Changed"));
    let started = Instant::now();
    while first_name() != "Changed" {
        assert!(started.elapsed() < SOON, "the member's mapping is not watched");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.apply_in(&member, &named("{name: m, namespace: default}"));
    reason_is(&world, &member, "mapped", "ReferenceForbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_approved_namespaces_is_refused_where_everybody_is_let_in() {
    let Some(world) = World::prepare().await else { return };
    let (ok, error) = world.try_apply(&integration("{mode: Automatic, approved: [team-a]}"));
    assert!(
        !ok && error.contains("spec.access.approved: Forbidden: does not apply to mode Automatic"),
        "{error}"
    );
    let (ok, error) = world.try_apply(&integration("{mode: Approval, approved: [team-a, team-a]}"));
    assert!(!ok && error.contains("uplicate"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_is_refused_where_namespaces_cannot_be_read() {
    let Some(world) = World::start().await else { return };
    world.apply(&integration(
        "{mode: Approval, namespaceSelector: {matchLabels: {team: sourcing}}}",
    ));
    let refused = world.ready("ClinchIntegration", "acme", "False", "InvalidSpec").await;
    let ready = condition(&refused, "Ready");
    let message = ready["message"].as_str().expect("a message");
    assert!(message.starts_with("spec.access.namespaceSelector: "), "{message}");
    assert!(message.contains("spec.access.approved"), "it says what to do: {message}");
    assert_eq!(condition(&refused, "Stalled")["status"], "True");
    assert_eq!(world.sandbox.requests().total, 0);
    world.apply(&approving(""));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
}
