//! Notifications on a real API server, to a receiver that checks signatures with code of its own.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault, SinkAnswer, SinkOptions, TestSink};
use serde_json::Value;

use crate::{
    canary::{assert_clean, mark},
    support::{
        manifests::{INTEGRATION, PROSPECT, SECRET, export},
        process::Process,
        world::{SOON, World, condition},
    },
};

/// The duration of Leases, in seconds: a process that is slow keeps its own.
const LEASE: u64 = 60;
/// That of Leases that a test waits for the end of.
const SHORT_LEASE: u64 = 10;

/// A key that any leak of it shows.
fn key() -> String {
    mark("-signing-key-of-32-bytes")
}

async fn prepare() -> Option<(World, TestSink)> {
    let mut world = World::prepare().await?;
    let sink = TestSink::start(SinkOptions::new(&key())).await.expect("a sink");
    world.allowed_notify = vec![sink.origin()];
    Some((world, sink))
}

/// The Secret of a receiver.
fn receiver(url: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: hook, labels: {{clinch.hireez.dev/use: notify}}}}
stringData: {{url: '{url}', signingKey: {}}}
",
        key()
    )
}

/// The integration `acme` with that receiver.
fn notifying() -> String {
    format!("{INTEGRATION}  notify: [{{name: ops, format: Webhook, secretRef: {{name: hook}}}}]\n")
}

fn credential(world: &World, secret: &str) {
    world.apply(&SECRET.replace("ACCESS", "KEY-1").replace("SECRET", secret));
}

/// The types of the messages about an object, in order.
fn types(sink: &TestSink, name: &str) -> Vec<String> {
    let messages = sink.messages();
    let about = messages.iter().filter(|message| message["data"]["name"] == name);
    about.map(|message| message["type"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn until(what: &str, met: impl Fn() -> bool) {
    let started = Instant::now();
    while !met() {
        assert!(started.elapsed() < SOON, "not {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the status says that this was announced, and that the receiver took it.
async fn announced(world: &World, kind: &str, name: &str, ready: bool) -> Value {
    let what = format!("announced as ready: {ready}");
    world
        .wait(kind, name, &what, SOON, |object| {
            let entry = &object["status"]["notified"][0];
            entry["ready"] == ready && entry["delivered"] == true
        })
        .await
}

fn logging(world: &World, identity: &str, log: &Path) -> Process {
    let file = || Stdio::from(File::options().create(true).append(true).open(log).expect("a file"));
    let mut command = world.operator_command(identity, "127.0.0.1:0", SHORT_LEASE);
    command.env("CLINCH_LOG", "trace").stdout(file()).stderr(file());
    Process::spawn(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_and_its_end_are_announced_once_each_and_the_url_is_shown_nowhere() {
    let Some((world, sink)) = prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut first = logging(&world, "first", &log);
    let url = format!("{}/{}?{}", sink.origin(), mark("path"), mark("query"));
    world.apply(&receiver(&url));
    world.apply(&notifying());
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    assert_eq!(sink.requests(), 0, "nothing was wrong");

    credential(&world, "another");
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    announced(&world, "ClinchIntegration", "acme", false).await;
    assert_eq!(types(&sink, "acme"), ["object.stalled"]);
    // A process that takes over knows what was announced.
    first.kill();
    let _second = logging(&world, "second", &log);
    credential(&world, "secret-1");
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let object = announced(&world, "ClinchIntegration", "acme", true).await;
    assert_eq!(condition(&object, "NotifyReady")["reason"], "Notifying");
    world.apply(&export("people", 4, PROSPECT));
    let done = |object: &Value| object["status"]["delivered"] == "4/4";
    world.wait("CandidateExport", "people", "pushed again", SOON, done).await;
    assert_eq!(types(&sink, "acme"), ["object.stalled", "object.ready"]);
    assert_eq!(sink.messages().len(), 2, "an export that waits announces nothing");
    let received = sink.received();
    assert_eq!((received.requests, received.unsigned, received.conflicts), (2, 0, 0));
    let answered = |object: &Value| object["status"]["notify"][0]["lastAnswer"] == "Taken";
    world.wait("ClinchIntegration", "acme", "with the answer", SOON, answered).await;

    let kinds = "clinchintegrations,candidateexports,events,events.events.k8s.io";
    let shown = world.kubectl(&["get", kinds, "-n", &world.namespace, "-o", "json"]);
    assert!(shown.contains("notified"), "the statuses are in it");
    assert_clean("the cluster", shown.as_bytes());
    let log = fs::read(&log).expect("a log");
    assert!(log.len() > 1000, "there is a log");
    assert_clean("the log", &log);
    let messages = Value::Array(sink.messages()).to_string();
    assert!(!messages.contains("marker.example") && !messages.contains("secret-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_export_is_announced_whatever_its_receiver_did_before() {
    let Some((world, sink)) = prepare().await else { return };
    let _process = world.spawn_operator("one", "127.0.0.1:0", LEASE);
    let elsewhere = Some(format!("{}/elsewhere", sink.origin()));
    sink.set_answers(vec![SinkAnswer { location: elsewhere, ..SinkAnswer::status(307) }]);
    world.apply(&receiver(&sink.url()));
    world.apply(&notifying());
    let broken = "  destination: {prospect: {}}\n  select: 'candidate.'";
    world.apply(&export("people", 3, broken));
    let notify_is = |reason: &'static str| {
        move |object: &Value| condition(object, "NotifyReady")["reason"] == reason
    };
    let acme = "acme";
    let object =
        world.wait("ClinchIntegration", acme, "rejected", SOON, notify_is("NotifyRejected")).await;
    assert_eq!(object["status"]["notify"][0]["lastAnswer"], "Redirected");
    assert_eq!(condition(&object, "Ready")["status"], "True", "Ready does not depend on it");
    assert_eq!(sink.requests(), 1, "no redirect is followed");
    // Another URL is used at once.
    sink.set_answers(vec![SinkAnswer::status(500).times(2)]);
    world.apply(&receiver(&format!("{}?again", sink.url())));
    world.wait("ClinchIntegration", acme, "failing", SOON, notify_is("NotifyUnreachable")).await;
    announced(&world, "CandidateExport", "people", false).await;
    world.wait("ClinchIntegration", acme, "notifying", SOON, notify_is("Notifying")).await;
    assert_eq!(types(&sink, "people"), ["object.stalled"]);
    assert_eq!(sink.requests(), 4);

    // One that is not listed.
    world.apply(&receiver("https://hooks.example.com/x"));
    let object = world
        .wait("ClinchIntegration", acme, "not allowed", SOON, notify_is("NotifyNotAllowed"))
        .await;
    let message = condition(&object, "NotifyReady")["message"].to_string();
    assert!(message.contains("--allowed-notify") && !message.contains("example.com"), "{message}");
    world.apply(&receiver(&sink.url()));
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    announced(&world, "CandidateExport", "people", true).await;
    assert_eq!(types(&sink, "people"), ["object.stalled", "object.ready"]);
    assert_eq!(sink.received().unsigned, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_delays_no_run() {
    let Some((mut world, _sink)) = prepare().await else { return };
    // It takes connections, by its backlog, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let origin = format!("http://{}", silent.local_addr().expect("an address"));
    world.allowed_notify = vec![origin.clone()];
    let _process = world.spawn_operator("one", "127.0.0.1:0", LEASE);
    world.apply(&receiver(&format!("{origin}/x")));
    world.apply(&notifying());
    let broken = "  destination: {prospect: {}}\n  select: 'candidate.'";
    world.apply(&export("broken", 3, broken));
    let sent = |object: &Value| object["status"]["notified"][0]["number"] == 1;
    world.wait("CandidateExport", "broken", "being announced", SOON, sent).await;
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    let hangs = |object: &Value| object["status"]["notify"][0]["lastAnswer"] == "NoAnswer";
    let object = world.wait("ClinchIntegration", "acme", "without an answer", SOON, hangs).await;
    assert_eq!(condition(&object, "NotifyReady")["reason"], "NotifyUnreachable");
    assert_eq!(condition(&object, "Ready")["status"], "True");
    let object = world.get("CandidateExport", "broken").await;
    assert_eq!(object["status"]["notified"][0]["delivered"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_moves_while_a_message_is_sent_announces_it_once() {
    let Some((world, sink)) = prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _processes = [
        world.spawn_shard("a", "process-a", "127.0.0.1:0", LEASE),
        world.spawn_shard("b", "process-b", "127.0.0.1:0", LEASE),
    ];
    let label = |shard: &str| {
        let label = format!("clinch.hireez.dev/shard={shard}");
        world.kubectl(&["label", "clint", "acme", &label, "--overwrite", "-n", &world.namespace]);
    };
    world.apply(&receiver(&sink.url()));
    let labelled = "metadata: {name: acme, labels: {clinch.hireez.dev/shard: a}}";
    world.apply(&notifying().replace("metadata: {name: acme}", labelled));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let broken = "  destination: {prospect: {}}\n  select: 'candidate.'";
    // Refused for now, so that the move finds the message between two attempts.
    sink.set_answers(vec![SinkAnswer { retry_after: Some(2), ..SinkAnswer::status(503) }]);
    world.apply(&export("people", 3, broken));
    until("tried", || sink.requests() > 0).await;
    label("b");
    let held = |object: &Value| object["status"]["shard"] == "b";
    world.wait("ClinchIntegration", "acme", "held by b", SOON, held).await;
    sink.set_answers(Vec::new());
    announced(&world, "CandidateExport", "people", false).await;
    // To and fro, each time with another message.
    for (shard, ready) in [("a", true), ("b", false), ("a", true)] {
        world.apply(&export("people", 3, if ready { PROSPECT } else { broken }));
        label(shard);
        announced(&world, "CandidateExport", "people", ready).await;
        let held = |object: &Value| object["status"]["shard"] == shard;
        world.wait("ClinchIntegration", "acme", "held", SOON, held).await;
    }
    let all = types(&sink, "people");
    assert_eq!(all, ["object.stalled", "object.ready", "object.stalled", "object.ready"]);
    let received = sink.received();
    assert_eq!((received.unsigned, received.conflicts), (0, 0));
    assert_eq!(received.deliveries.len(), 4, "each message has one id");
}

/// The same integration with a second receiver, which waits for the usual time, and the first for a second.
fn impatient() -> String {
    format!(
        "{INTEGRATION}  notify:
  - {{name: ops, format: Webhook, secretRef: {{name: hook}}, after: 1s}}
  - {{name: patient, format: Webhook, secretRef: {{name: hook}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_lasts_and_its_end_are_announced_once_each_by_whichever_process() {
    let Some((world, sink)) = prepare().await else { return };
    let mut first = world.spawn_operator("first", "127.0.0.1:0", SHORT_LEASE);
    world.apply(&receiver(&sink.url()));
    world.apply(&impatient());
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    assert_eq!(sink.requests(), 0, "a first run is no failure");

    let out = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("*", out)]);
    world.apply(&export("people", 4, PROSPECT));
    let object = announced(&world, "CandidateExport", "people", false).await;
    let (sent, fault) = (&object["status"]["notified"], &object["status"]["fault"]);
    assert_eq!((sent.as_array().map(Vec::len), &sent[0]["retried"]), (Some(1), &true.into()));
    assert_eq!(sent[0]["since"], fault["since"], "{fault}");
    // The process that takes over has no verified credential: the integration fails, too.
    first.kill();
    let _second = world.spawn_operator("second", "127.0.0.1:0", SHORT_LEASE);
    announced(&world, "ClinchIntegration", "acme", false).await;
    world.sandbox.set_faults(Vec::new());
    world.ready("CandidateExport", "people", "True", "Synced").await;
    for (kind, name) in [("CandidateExport", "people"), ("ClinchIntegration", "acme")] {
        let object = announced(&world, kind, name, true).await;
        assert!(object["status"]["fault"].is_null(), "{}", object["status"]);
        assert_eq!(types(&sink, name), ["object.failing", "object.ready"]);
    }
    let reasons = sink.messages().into_iter().map(|message| message["data"]["reason"].clone());
    let failing = reasons.filter(|reason| reason == "VendorUnavailable").count();
    assert_eq!((failing, sink.requests(), sink.received().conflicts), (2, 4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_gone_and_a_right_that_is_withdrawn_are_announced_and_a_suspension_is_not()
{
    let Some((world, sink)) = prepare().await else { return };
    let _process = world.spawn_operator("one", "127.0.0.1:0", LEASE);
    world.apply(&receiver(&sink.url()));
    world.apply(&impatient());
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    let in_namespace = ["-n", world.namespace.as_str()];
    world.kubectl(&[&["delete", "configmap", "people"][..], &in_namespace].concat());
    let object = announced(&world, "CandidateExport", "people", false).await;
    assert_eq!(object["status"]["notified"][0]["reason"], "SourceNotFound");
    world.apply(&export("people", 3, PROSPECT));
    announced(&world, "CandidateExport", "people", true).await;

    // The right to read ConfigMaps.
    let get = ["get", "role", "clinch-operator", "-o", "json"];
    let role = world.kubectl(&[&get[..], &in_namespace].concat());
    let role: Value = serde_json::from_str(&role).expect("a role");
    let patch_role = |role: &Value| {
        let rules = serde_json::json!({"rules": role["rules"]}).to_string();
        let patch = ["patch", "role", "clinch-operator", "--type=merge", "-p", &rules];
        world.kubectl(&[&patch[..], &in_namespace].concat());
    };
    let mut less = role.clone();
    let is_other = |rule: &Value| !rule["resources"].to_string().contains("configmaps");
    less["rules"].as_array_mut().expect("rules").retain(is_other);
    patch_role(&less);
    let again = ["annotate", "clexp", "people", "clinch.hireez.dev/reconcile-requested-at=1"];
    world.kubectl(&[&again[..], &in_namespace].concat());
    let object = announced(&world, "CandidateExport", "people", false).await;
    assert_eq!(object["status"]["notified"][0]["reason"], "InternalError");
    // What somebody suspends says nothing, and is announced as Ready once it is resumed.
    let suspend = |value: bool| {
        let spec = serde_json::json!({"spec": {"suspend": value}}).to_string();
        let patch = ["patch", "clexp", "people", "--type=merge", "-p", &spec];
        world.kubectl(&[&patch[..], &in_namespace].concat());
    };
    suspend(true);
    patch_role(&role);
    world.ready("CandidateExport", "people", "False", "Suspended").await;
    assert_eq!(types(&sink, "people").len(), 3, "it is suspended");
    suspend(false);
    announced(&world, "CandidateExport", "people", true).await;
    let all = types(&sink, "people");
    assert_eq!(all, ["object.failing", "object.ready", "object.failing", "object.ready"]);
    assert_eq!(sink.requests(), 4, "the other receiver waits for longer");
}

/// What the status of an export says of its one receiver.
async fn notified(world: &World, name: &str) -> Value {
    world.get("CandidateExport", name).await["status"]["notified"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_six_messages_an_hour_whichever_process_sends_them() {
    let Some((world, sink)) = prepare().await else { return };
    let mut process = world.spawn_operator("first", "127.0.0.1:0", SHORT_LEASE);
    world.apply(&receiver(&sink.url()));
    world.apply(&notifying());
    let broken = export("people", 3, "  destination: {prospect: {}}\n  select: 'candidate.'");
    let good = export("people", 3, PROSPECT);
    let stalled = || world.ready("CandidateExport", "people", "False", "InvalidSpec");
    let synced = || world.ready("CandidateExport", "people", "True", "Synced");
    for _ in 0..3 {
        world.apply(&broken);
        announced(&world, "CandidateExport", "people", false).await;
        world.apply(&good);
        announced(&world, "CandidateExport", "people", true).await;
    }
    let said = |message: &Value| message["data"]["quietUntil"].is_string();
    let quiet: Vec<bool> = sink.messages().iter().map(said).collect();
    assert_eq!(quiet, [false, false, false, false, false, true], "only the sixth is the last one");

    // What is written with the condition is what was decided on: nothing is sent later.
    world.apply(&broken);
    assert_eq!(stalled().await["status"]["notified"][0]["number"], 6);
    process.signal("TERM");
    process.code().await;
    let mut process = world.spawn_operator("second", "127.0.0.1:0", SHORT_LEASE);
    world.apply(&good);
    assert_eq!(synced().await["status"]["notified"][0]["number"], 6);
    world.apply(&broken);
    assert_eq!(stalled().await["status"]["notified"][0]["number"], 6);
    assert_eq!(sink.requests(), 6);

    // An hour later, one message says how it is.
    process.signal("TERM");
    process.code().await;
    let mut entry = notified(&world, "people").await;
    for at in entry["sent"].as_array_mut().expect("times") {
        *at = "1999-01-01T00:00:00Z".into();
    }
    let status = serde_json::json!({"status": {"notified": [entry]}}).to_string();
    let patch = ["patch", "clexp", "people", "--subresource=status", "--type=merge", "-p", &status];
    world.kubectl(&[&patch[..], &["-n", &world.namespace]].concat());
    let _process = world.spawn_operator("third", "127.0.0.1:0", SHORT_LEASE);
    let object = announced(&world, "CandidateExport", "people", false).await;
    let entry = &object["status"]["notified"][0];
    assert_eq!((&entry["number"], entry["sent"].as_array().map(Vec::len)), (&7.into(), Some(1)));
    assert_eq!(types(&sink, "people").last().map(String::as_str), Some("object.stalled"));
    let received = sink.received();
    assert_eq!((received.requests, received.unsigned, received.conflicts), (7, 0, 0));
}
