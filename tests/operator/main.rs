//! The operator on a real API server, under the chart's own rights.
#![cfg(all(feature = "dev-tools", feature = "sandbox"))]
#![allow(clippy::print_stderr, clippy::panic, reason = "test support outside test functions")]

mod access;
mod account;
mod canary;
mod canary_commands;
mod erasure;
mod hostile;
mod ledger;
mod manifests;
mod permission;
mod policy;
mod roles;
mod sources;
mod support;
mod undecodable;
mod withdrawal;

use std::time::{Duration, Instant};

use clinch_operator::{controllers::Regions, sandbox};
use manifests::{INTEGRATION, PROSPECT, SECRET, assert_each_once, emails, export};
use support::{SOON, World, condition};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_nobody_has_seen_reads_minus_one_and_is_listed_with_its_columns() {
    let Some(world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("unseen", 1, PROSPECT));
    world.apply("apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {name: m}\nspec: {fields: [{to: email, from: 'emails[0].value'}]}");
    for (kind, name) in
        [("ClinchIntegration", "acme"), ("CandidateExport", "unseen"), ("FieldMapping", "m")]
    {
        assert_eq!(world.get(kind, name).await["status"]["observedGeneration"], -1, "{kind}");
    }
    let listed = world.kubectl(&["get", "clinch", "-n", &world.namespace]);
    for word in ["READY", "REASON", "DELIVERED", "CONTRACT", "ERRORS", "candidateexport", "acme"] {
        assert!(listed.contains(word), "{word} is not in:\n{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_manifests_are_refused_with_the_field_named() {
    let Some(world) = World::prepare().await else { return };
    let integration = |spec: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: ClinchIntegration\nmetadata: {{name: bad}}\nspec: {{credentials: {{secretRef: {{name: c}}}}, {spec}}}"
        )
    };
    let mapping = |field: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: bad}}\nspec: {{fields: [{field}]}}"
        )
    };
    let export = |spec: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\nmetadata: {{name: bad}}\nspec: {{integrationRef: {{name: a}}, {spec}}}"
        )
    };
    let inline = "source: {inline: [{id: x}]}";
    let table = [
        (integration("environment: Sandbox"), "region and endpoint"),
        (
            integration("environment: Sandbox, region: EU, endpoint: 'https://a.example'"),
            "region and endpoint",
        ),
        (integration("environment: Production, endpoint: 'http://a.example'"), "spec.endpoint"),
        (integration("environment: Sandbox, endpoint: 'https://a.example/v2'"), "spec.endpoint"),
        (integration("environment: Sandbox, endpoint: 'https://u@a.example'"), "spec.endpoint"),
        (integration("environment: Staging, region: EU"), "spec.environment"),
        (integration("environment: Sandbox, region: EU, interval: 1s"), "spec.interval"),
        (
            integration("environment: Sandbox, region: EU, limits: {maxInFlight: 0}"),
            "spec.limits.maxInFlight",
        ),
        (mapping("{to: email}"), "spec.fields[0]"),
        (mapping("{to: email, from: a, expression: b}"), "spec.fields[0]"),
        (mapping("{to: email, value: {string: a, number: 1}}"), "spec.fields[0].value"),
        (export(&format!("{inline}, destination: {{}}")), "spec.destination"),
        (
            export(&format!("{inline}, destination: {{prospect: {{}}, job: {{id: x, stage: y}}}}")),
            "spec.destination",
        ),
        (
            export(&format!("{inline}, destination: {{job: {{id: x, reference: z, stage: y}}}}")),
            "spec.destination.job",
        ),
        (export("source: {}, destination: {prospect: {}}"), "spec.source"),
        (
            export(&format!("{inline}, destination: {{prospect: {{}}}}, failureBudget: lots")),
            "spec.failureBudget",
        ),
        (export(&format!("{inline}, destination: {{prospect: {{}}}}, mode: Maybe")), "spec.mode"),
    ];
    for (manifest, field) in table {
        let (accepted, error) = world.try_apply(&manifest);
        assert!(!accepted && error.contains(field), "{field}: {manifest}\n{error}");
    }
    world.apply(&integration("environment: Sandbox, region: EU"));
    let (accepted, error) = world.try_apply(&integration("environment: Production, region: EU"));
    assert!(!accepted && error.contains("immutable"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_arrive_and_the_status_says_so_without_naming_anybody() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let job = "  destination: {job: {reference: ENG-101, stage: Sourced}}";
    world.apply(&export("people", 40, PROSPECT));
    world.apply(&export("jobs", 3, job));
    let done = world.ready("CandidateExport", "people", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "40/40");
    assert_eq!(done["status"]["counts"]["created"], 40);
    world.ready("CandidateExport", "jobs", "True", "Synced").await;
    let wait = ["wait", "--for=condition=Ready", "candidateexport", "--all", "--timeout=5s", "-n"];
    world.kubectl(&[&wait[..], &[&world.namespace]].concat());
    assert_each_once(&world, 43);
    let people = world.sandbox.people("hireEZ");
    assert!(people.iter().all(|person| person["attributes"]["source"] == "hireEZ"));
    let applied =
        people.iter().filter(|p| p["applications"].as_array().is_some_and(|a| a.len() == 1));
    assert_eq!(applied.count(), 3);
    world
        .wait("ClinchIntegration", "acme", "sure of its source", SOON, |object| {
            condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["exports"] == 2
        })
        .await;
    let events =
        world.kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "yaml"]);
    assert!(events.contains("reason: Synced") && events.contains("reason: Verified"), "{events}");
    for text in [events, done["status"].to_string()] {
        assert!(!text.contains("marker.example"), "a candidate value leaked: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_record_is_placed_and_counts_against_the_budget() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let bad = |name: &str, budget: &str| {
        export(name, 4, &format!("{PROSPECT}\n  failureBudget: {budget}"))
            .replace(&format!("[{{\"value\":\"{name}-2@marker.example\"}}]"), "[]")
    };
    world.apply(&bad("within", "1"));
    world.apply(&bad("beyond", "0"));
    let within = world.ready("CandidateExport", "within", "True", "SyncedWithRejections").await;
    let beyond = world.ready("CandidateExport", "beyond", "False", "RecordsRejected").await;
    assert_eq!(condition(&beyond, "Stalled")["status"], "True");
    for object in [within, beyond] {
        let failures = &object["status"]["failures"];
        assert_eq!(failures[0]["position"], "people.ndjson line 3", "{failures}");
        assert_eq!(failures[0]["reason"], "MatchKeyMissing");
        assert_eq!(object["status"]["delivered"], "3/4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_asks_for_nobody_but_the_rejected() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.sandbox.set_faults(
        serde_json::from_value(serde_json::json!([
            {"operation": "createCandidate", "nth": 3, "action": {"status": {"code": 422}}}
        ]))
        .expect("faults"),
    );
    world.apply(&export("again", 20, PROSPECT));
    let kind = "CandidateExport";
    let stalled = world.ready(kind, "again", "False", "RecordsRejected").await;
    assert_eq!(stalled["status"]["counts"]["failed"], 1);
    assert_eq!(emails(&world).len(), 19);
    let before = world.sandbox.requests();
    world.kubectl(&[
        "annotate",
        "clexp",
        "again",
        "clinch.hireez.dev/retry-requested-at=monday",
        "-n",
        &world.namespace,
    ]);
    let done = world.ready(kind, "again", "True", "Synced").await;
    assert_eq!(done["status"]["handled"]["retryRequestedAt"], "monday");
    assert_eq!(done["status"]["failures"], serde_json::Value::Null);
    let after = world.sandbox.requests();
    assert_eq!(after.of("createCandidate") - before.of("createCandidate"), 1);
    // A page and a look-up that prove the filter, a look-up and a create.
    assert!(after.total - before.total <= 4, "{after:?}");
    assert_each_once(&world, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_pass_asks_clinch_nothing_and_writes_nothing() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("quiet", 5, PROSPECT));
    world.ready("CandidateExport", "quiet", "True", "Synced").await;
    world
        .wait("ClinchIntegration", "acme", "at rest", SOON, |object| {
            condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["account"]["witnesses"].as_array().is_some_and(|w| w.len() == 3)
        })
        .await;
    // Touching the ConfigMap's metadata wakes the export: it looks, and finds nothing to do.
    let (user, log) = (world.user(), world.audit());
    let mark = log.mark().unwrap();
    let requests = world.sandbox.requests().total;
    world.kubectl(&["label", "configmap", "quiet", "touched=1", "-n", &world.namespace]);
    let looked = |entry: &clinch_operator::control_plane::audit::Entry| {
        entry.user == user && entry.verb == "get" && entry.resource == "candidateexports"
    };
    log.wait_for(mark, 1, SOON, looked).await.expect("the export was looked at");
    world.kubectl(&[
        "label",
        "configmap",
        "quiet",
        "touched=2",
        "--overwrite",
        "-n",
        &world.namespace,
    ]);
    log.wait_for(mark, 2, SOON, looked).await.expect("the export was looked at again");
    let writes = log
        .count_since(mark, |entry| {
            entry.user == user && entry.is_write() && entry.resource != "leases"
        })
        .unwrap();
    assert_eq!(writes, 0, "a quiet pass wrote to the API server");
    assert_eq!(world.sandbox.requests().total, requests, "a quiet pass asked Clinch");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_credential_has_its_own_reason_and_is_noticed_within_two_seconds() {
    let Some(mut world) = World::prepare().await else { return };
    let other = sandbox::Options::default().with_credential("hireEZ", "KEY-EU", "secret-eu");
    let other = sandbox::Sandbox::start(other).await.unwrap();
    let regions =
        Regions { us: other.base_url(), eu: world.sandbox.base_url(), ..Regions::default() };
    world.run_operator(regions);
    let two = Duration::from_secs(2);
    let integration = INTEGRATION.split("---").nth(1).unwrap();
    let secret = |access: &str, key: &str| SECRET.replace("ACCESS", access).replace("SECRET", key);
    world.apply(integration);
    let kind = "ClinchIntegration";
    world.ready(kind, "acme", "False", "SecretNotFound").await;
    world.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: clinch}\nstringData: {accessKey: KEY-1}",
    );
    world.ready_within(kind, "acme", "False", "SecretFieldMissing", two).await;
    world.apply(&secret("KEY-1", "''"));
    world.ready_within(kind, "acme", "False", "SecretFieldEmpty", two).await;
    world.apply(&secret("'KEY 1'", "x"));
    world.ready_within(kind, "acme", "False", "SecretInvalid", two).await;
    world.apply(&secret("KEY-1", "wrong"));
    let rejected = world.ready_within(kind, "acme", "False", "CredentialsRejected", two).await;
    assert_eq!(condition(&rejected, "Authenticated")["status"], "False");
    world.apply(&secret("KEY-1", "\"secret-1\\n\""));
    world.ready_within(kind, "acme", "True", "Verified", two).await;

    world.apply(&integration.replace("endpoint: ORIGIN", "endpoint: 'http://127.0.0.1:1'"));
    world.ready(kind, "acme", "False", "EndpointUnreachable").await;
    world.apply(&integration.replace("endpoint: ORIGIN", "endpoint: 'https://elsewhere.example'"));
    world.ready(kind, "acme", "False", "EndpointNotAllowed").await;
    world.apply(&secret("KEY-EU", "secret-eu"));
    let by_region =
        integration.replace("endpoint: ORIGIN", "region: EU").replace("name: acme", "name: eu");
    world.apply(&by_region);
    let wrong = world.ready(kind, "eu", "False", "WrongRegion").await;
    assert!(condition(&wrong, "Ready")["message"].as_str().unwrap().contains("region US"));
    world.apply(&secret("KEY-1", "secret-1"));
    world.ready(kind, "eu", "True", "Verified").await;
    world.sandbox.set_clock_offset(3600);
    world.kubectl(&[
        "annotate",
        "clint",
        "eu",
        "clinch.hireez.dev/reconcile-requested-at=1",
        "-n",
        &world.namespace,
    ]);
    let object = world
        .wait(kind, "eu", "handled", SOON, |o| {
            o["status"]["handled"]["reconcileRequestedAt"] == "1"
        })
        .await;
    assert_eq!(condition(&object, "Ready")["status"], "True", "a recent success stands meanwhile");
    let fresh = by_region.replace("name: eu", "name: skewed");
    world.apply(&fresh);
    world.ready(kind, "skewed", "False", "ClockSkew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_other_environment_is_never_contacted() {
    let Some(world) = World::start().await else { return };
    world.apply(
        &INTEGRATION
            .replace("endpoint: ORIGIN", "region: EU")
            .replace("environment: Sandbox", "environment: Production"),
    );
    world.apply(&export("mixed", 2, PROSPECT));
    world.ready("ClinchIntegration", "acme", "False", "EnvironmentMismatch").await;
    let export = world.ready("CandidateExport", "mixed", "False", "EnvironmentMismatch").await;
    assert_eq!(condition(&export, "Stalled")["status"], "True");
    assert_eq!(world.sandbox.requests().total, 0);
    let (user, log) = (world.user(), world.audit());
    let read =
        log.count(|e| e.user == user && e.resource == "secrets" && e.name == "clinch").unwrap();
    assert_eq!(read, 0, "its Secret is left alone, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_stops_exports_and_a_rotation_lets_them_go_on() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("rotated", 300, PROSPECT));
    let started = Instant::now();
    while emails(&world).len() < 20 {
        assert!(started.elapsed() < SOON, "the export does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.sandbox.revoke("KEY-1");
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    world.ready("CandidateExport", "rotated", "False", "DependencyNotReady").await;
    let rejected = world.sandbox.requests();
    world.sandbox.add_credential(sandbox::Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.apply(&SECRET.replace("ACCESS", "KEY-2").replace("SECRET", "secret-2"));
    let done = world.ready("CandidateExport", "rotated", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "300/300");
    assert_each_once(&world, 300);
    let unauthorized: u64 = rejected
        .by_operation
        .iter()
        .filter(|(name, _)| name.ends_with(" 401"))
        .map(|(_, count)| count)
        .sum();
    assert!(unauthorized <= 8 + 2, "at most what was in flight meets the 401: {unauthorized}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_mapping_reaches_nobody_and_a_fix_lets_the_export_go_on() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let mapping = |path: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: m}}\nspec: {{fields: [{{to: email, from: '{path}'}}, {{to: first_name, expression: 'candidate.'}}, {{to: no_such, from: a}}]}}"
        )
    };
    world.apply(&mapping("emails[0"));
    world.apply(&export("mapped", 3, &format!("{PROSPECT}\n  fieldMappingRef: {{name: m}}")));
    let broken = world.ready("FieldMapping", "m", "False", "MappingInvalid").await;
    let paths: Vec<&str> = broken["status"]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["spec.fields[0].from", "spec.fields[1].expression"]);
    let export = world.ready("CandidateExport", "mapped", "False", "MappingInvalid").await;
    assert_eq!(condition(&export, "MappingReady")["status"], "False");
    // It compiles now, but Clinch has no such attribute: told on the export.
    world.apply(&mapping("emails[0].value").replace("'candidate.'", "candidate.firstName"));
    world.ready("FieldMapping", "m", "True", "Compiled").await;
    let unfit = world
        .wait("CandidateExport", "mapped", "checked against the contract", SOON, |object| {
            condition(object, "MappingReady")["message"]
                .as_str()
                .is_some_and(|message| message.contains("spec.fields[2].to"))
        })
        .await;
    assert_eq!(condition(&unfit, "Stalled")["status"], "True");
    assert!(emails(&world).is_empty());
    world.apply(
        &mapping("emails[0].value")
            .replace("'candidate.'", "candidate.firstName")
            .replace(", {to: no_such, from: a}", ""),
    );
    world.ready("CandidateExport", "mapped", "True", "Synced").await;
    assert_each_once(&world, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_truth_and_only_changes_are_pushed() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("dry", 10, &format!("{PROSPECT}\n  mode: DryRun")));
    let dry = world.ready("CandidateExport", "dry", "True", "DryRunComplete").await;
    assert_eq!(world.sandbox.requests().of("createCandidate"), 0);
    world.apply(&export("dry", 10, &format!("{PROSPECT}\n  mode: Push")));
    let pushed = world.ready("CandidateExport", "dry", "True", "Synced").await;
    assert_eq!(dry["status"]["counts"], pushed["status"]["counts"]);
    // One person changes, one is new.
    let changed = export("dry", 11, PROSPECT).replace("First3", "Changed");
    world.apply(&changed);
    world
        .wait("CandidateExport", "dry", "delivered anew", SOON, |o| {
            o["status"]["delivered"] == "11/11"
        })
        .await;
    let requests = world.sandbox.requests();
    assert_eq!((requests.of("createCandidate"), requests.of("updateCandidate")), (11, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_ends_a_run_and_resuming_finishes_it() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("paused", 200, PROSPECT));
    while emails(&world).len() < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: true")));
    let paused = world.ready("CandidateExport", "paused", "False", "Suspended").await;
    assert_eq!(condition(&paused, "Suspended")["status"], "True");
    assert!(condition(&paused, "Stalled").is_null() && condition(&paused, "Reconciling").is_null());
    world.sandbox.set_latency(Duration::ZERO);
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: false")));
    let done = world.ready("CandidateExport", "paused", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "200/200");
    assert_each_once(&world, 200);
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: true")));
    let kept = world
        .wait("CandidateExport", "paused", "suspended in sync", SOON, |object| {
            condition(object, "Suspended")["status"] == "True"
        })
        .await;
    assert_eq!(condition(&kept, "Ready")["status"], "True", "in sync stays Ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_export_deletes_nobody_and_recreating_it_creates_nobody_twice() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("gone", 30, PROSPECT));
    world.ready("CandidateExport", "gone", "True", "Synced").await;
    world.kubectl(&["delete", "clexp", "gone", "-n", &world.namespace]);
    assert!(world.get("CandidateExport", "gone").await.is_null());
    assert_each_once(&world, 30);
    world.apply(&export("gone", 30, PROSPECT));
    let again = world.ready("CandidateExport", "gone", "True", "Synced").await;
    assert_eq!(again["status"]["counts"]["unchanged"], 30);
    assert_each_once(&world, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_a_source_only_when_it_is_labelled() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let secret = |label: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: src, labels: {{{label}}}}}\nstringData:\n  people.csv: |\n    First Name,Home Email\n    Ann,ann@marker.example\n    Ben,ben@marker.example\n"
        )
    };
    world.apply("apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\nmetadata: {name: csv}\nspec: {integrationRef: {name: acme}, source: {secretRef: {name: src}}, destination: {prospect: {}}}");
    let missing = world.ready("CandidateExport", "csv", "False", "ReferenceForbidden").await;
    world.apply(&secret("a: b"));
    let unlabelled = world.ready("CandidateExport", "csv", "False", "ReferenceForbidden").await;
    assert_eq!(
        condition(&missing, "SourceReady")["message"],
        condition(&unlabelled, "SourceReady")["message"],
        "an export is no way to find out which Secrets exist"
    );
    world.apply(&secret("clinch.hireez.dev/use: source"));
    world.ready("CandidateExport", "csv", "True", "Synced").await;
    assert_eq!(emails(&world), ["ann@marker.example", "ben@marker.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_enough_and_no_more_than_enough() {
    let Some(mut world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("rights", 3, PROSPECT));
    world.ready("CandidateExport", "rights", "True", "Synced").await;
    world.apply(&export("rights", 3, PROSPECT).replace("First", "Second"));
    world
        .wait("CandidateExport", "rights", "pushed again", SOON, |object| {
            object["status"]["counts"]["updated"] == 3
        })
        .await;
    world.stop_operator().await;
    let (user, log) = (world.user(), world.audit());
    let refused: Vec<String> = log
        .entries()
        .unwrap()
        .into_iter()
        .filter(|entry| entry.user == user && entry.code == 403)
        .map(|entry| format!("{} {}", entry.verb, entry.resource))
        .collect();
    assert!(refused.is_empty(), "refused in a normal run: {refused:?}");
    let used = |verb: &str, resource: &str, subresource: &str| {
        log.count(|entry| {
            entry.user == user
                && entry.verb == verb
                && entry.resource == resource
                && entry.subresource == subresource
                && entry.code < 400
        })
        .unwrap()
            > 0
    };
    for resource in ["clinchintegrations", "candidateexports"] {
        assert!(["get", "list", "watch"].iter().all(|verb| used(verb, resource, "")), "{resource}");
        assert!(used("patch", resource, "status"), "{resource}/status");
    }
    for (verb, resource) in [
        ("list", "fieldmappings"),
        ("watch", "fieldmappings"),
        ("get", "configmaps"),
        ("list", "configmaps"),
        ("watch", "configmaps"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("watch", "secrets"),
        ("update", "secrets"),
        ("list", "candidateledgers"),
        ("create", "candidateledgers"),
        ("create", "events"),
        ("create", "leases"),
        ("update", "leases"),
        ("get", "leases"),
    ] {
        assert!(used(verb, resource, ""), "{verb} {resource} is granted and was not used");
    }
    let namespace = world.namespace.clone();
    for args in [
        vec!["get", "secret", "anything", "-n", "kube-system"],
        vec!["delete", "secret", "clinch", "-n", &namespace],
        vec!["create", "secret", "generic", "x", "-n", &namespace],
        vec!["create", "token", "clinch-operator", "-n", &namespace],
        vec!["delete", "clexp", "rights", "-n", &namespace],
        vec!["get", "pods", "-n", &namespace],
        vec!["get", "secrets", "-A"],
    ] {
        let (allowed, error) = world.kubectl_as_operator(&args);
        assert!(!allowed && error.contains("orbidden"), "{args:?}: {error}");
    }
}

mod hand_over {
    //! Two processes, one Lease.
    use std::process::{Child, Command};

    use super::*;

    fn operator(world: &World, identity: &str) -> Child {
        world.spawn_operator(identity, "127.0.0.1:0", 6)
    }

    fn holder(world: &World) -> String {
        let path = "-o=jsonpath={.spec.holderIdentity}";
        let lease = ["get", "lease", "clinch-operator", "--ignore-not-found", path, "-n"];
        world.kubectl(&[&lease[..], &[&world.namespace]].concat())
    }

    async fn held_by(world: &World, identity: &str) {
        let started = Instant::now();
        while holder(world) != identity {
            assert!(started.elapsed() < SOON, "{identity} does not get the lease");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_killed_holder_is_followed_and_each_person_arrives_once() {
        let Some(world) = World::prepare().await else { return };
        let mut first = operator(&world, "first");
        held_by(&world, "first").await;
        let mut second = operator(&world, "second");
        world.apply(INTEGRATION);
        world.ready("ClinchIntegration", "acme", "True", "Verified").await;
        world.sandbox.set_latency(Duration::from_millis(20));
        world.apply(&export("handed", 400, PROSPECT));
        while emails(&world).len() < 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        first.kill().expect("SIGKILL");
        first.wait().expect("it is gone");
        held_by(&world, "second").await;
        world.sandbox.set_latency(Duration::ZERO);
        let done = world.ready("CandidateExport", "handed", "True", "Synced").await;
        assert_eq!(done["status"]["delivered"], "400/400");
        assert_each_once(&world, 400);

        // An orderly end releases the lease: a third process need not wait for it to expire.
        let pid = second.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = second.wait().expect("it ends");
        assert_eq!(ended.code(), Some(0), "SIGTERM is an orderly end");
        assert_eq!(holder(&world), "", "the lease was released");
    }

    fn signal(process: &Child, name: &str) {
        let pid = process.id().to_string();
        assert!(
            Command::new("kill").args([name, &pid]).status().expect("kill runs").success(),
            "{name}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_holder_frozen_past_its_lease_pushes_nobody_when_it_wakes() {
        const PEOPLE: usize = 1500;
        let Some(world) = World::prepare().await else { return };
        let mut first = operator(&world, "first");
        held_by(&world, "first").await;
        let mut second = operator(&world, "second");
        world.apply(INTEGRATION);
        world.ready("ClinchIntegration", "acme", "True", "Verified").await;
        world.sandbox.set_latency(Duration::from_millis(40));
        world.apply(&export("frozen", PEOPLE, PROSPECT));
        let created = || world.sandbox.requests().of("createCandidate");
        let reached = async |count: u64| {
            let started = Instant::now();
            while created() < count {
                assert!(started.elapsed() < SOON, "{} of {count}", created());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        reached(100).await;
        signal(&first, "-STOP");
        held_by(&world, "second").await;
        // The first one wakes while the second one is at work, and in the middle of its own.
        let before = created();
        reached(before + 50).await;
        signal(&first, "-CONT");
        let done = world.ready("CandidateExport", "frozen", "True", "Synced").await;
        assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
        assert_each_once(&world, PEOPLE);
        assert_eq!(created(), PEOPLE as u64, "nobody was even tried twice");
        assert_eq!(holder(&world), "second");
        let ended = first.wait().expect("it ends by itself");
        assert_eq!(ended.code(), Some(4), "a lost lease is told by the exit code");
        second.kill().expect("SIGKILL");
        second.wait().expect("it is gone");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_becomes_ready_at_every_start() {
        let Some(world) = World::prepare().await else { return };
        world.apply(INTEGRATION);
        world.apply(&export("started", 3, PROSPECT));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        for start in 0..12 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let admin = free.local_addr().expect("an address").to_string();
            drop(free);
            let mut process = world.spawn_operator("starting", &admin, 6);
            let (url, since) = (format!("http://{admin}/readyz"), Instant::now());
            loop {
                let told = match http.get(&url).send().await {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.expect("text"),
                    Err(_) => "it does not listen".to_owned(),
                };
                assert!(since.elapsed() < SOON, "start {start}: {told}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            signal(&process, "-TERM");
            assert_eq!(process.wait().expect("it ends").code(), Some(0), "start {start}");
        }
        let mut last = operator(&world, "last");
        world.ready("CandidateExport", "started", "True", "Synced").await;
        assert_each_once(&world, 3);
        last.kill().expect("SIGKILL");
        last.wait().expect("it is gone");
    }
}
