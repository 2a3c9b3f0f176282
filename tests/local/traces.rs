//! Traces of `apply` as a process, as a collector receives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Output,
};

use axum::http::StatusCode;
use clinch_operator::sandbox::{Fault, Sandbox};

use crate::{
    apply::{apply, shown},
    collector::{Collector, Span},
    killed::{assert_exactly_once, stage},
};

const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

/// The spans and their attributes: names that machines match on, as those of metrics.
const RECONCILE: &[&str] = &[
    "clinch.call.count",
    "clinch.call.omitted",
    "clinch.object.kind",
    "clinch.object.name",
    "clinch.object.uid",
    "clinch.reconcile.outcome",
    "k8s.namespace.name",
];
const RUN: &[&str] = &[
    "clinch.call.count",
    "clinch.call.omitted",
    "clinch.object.kind",
    "clinch.object.name",
    "clinch.object.uid",
    "clinch.run.attempt",
    "clinch.run.outcome",
    "clinch.run.revision",
    "clinch.run.work",
    "k8s.namespace.name",
];
const CALL: &[&str] = &[
    "clinch.integration.uid",
    "clinch.operation",
    "error.type",
    "http.request.method",
    "http.request.resend_count",
    "http.response.status_code",
    "url.template",
];

async fn run(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Output {
    let mut command =
        apply(&folder.join("manifests.yaml"), &folder.join("state"), &sandbox.base_url());
    command.args(["--timeout", "60"]).args(arguments);
    tokio::process::Command::from(command).output().await.unwrap()
}

/// Answers the second update or create with 503, so that it is sent again.
fn faults() -> Vec<Fault> {
    serde_json::from_value(serde_json::json!([
        {"operation": "listCandidates", "nth": 2, "action": {"status": {"code": 503}}},
    ]))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_has_a_span_for_each_reconcile_run_and_call_and_ids_only() {
    let (sandbox, folder) = stage(3).await;
    sandbox.set_faults(faults());
    let collector = Collector::start(StatusCode::OK).await;
    let done = run(&sandbox, folder.path(), &["--otlp-endpoint", &collector.origin]).await;
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    assert_exactly_once(&sandbox, 3, "traced");
    let spans = collector.spans();
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let parent = |span: &Span| {
        let found = by_id.get(span.parent.as_str()).copied();
        assert!(found.is_none_or(|parent| parent.trace == span.trace), "{span:?}");
        found
    };
    for span in &spans {
        assert_eq!(span.events, 0, "{span:?}");
        match span.name.as_str() {
            "reconcile" => assert!(span.parent.is_empty(), "{span:?}"),
            "run" => {
                let pass = parent(span).unwrap_or_else(|| panic!("{span:?}"));
                assert_eq!(pass.name, "reconcile");
                for key in ["clinch.object.kind", "clinch.object.name", "clinch.object.uid"] {
                    assert!(
                        span.get(key) == pass.get(key) && !span.get(key).is_empty(),
                        "{span:?}"
                    );
                }
            }
            _ => {
                assert!(span.is_client, "{span:?}");
                let (method, template) =
                    (span.get("http.request.method"), span.get("url.template"));
                assert_eq!(span.name, format!("{method} {template}"));
                let of = parent(span).unwrap_or_else(|| panic!("{span:?}"));
                let verifies = of.get("clinch.object.kind") == "ClinchIntegration";
                assert_eq!(of.name, if verifies { "reconcile" } else { "run" }, "{span:?}");
            }
        }
    }
    // Each call that Clinch received is a span, and each of a person has a placeholder for the id.
    let calls: Vec<&Span> = spans.iter().filter(|span| span.is_client).collect();
    let created = calls.iter().filter(|call| call.get("clinch.operation") == "createCandidate");
    assert_eq!(created.filter(|call| !call.is_error).count(), 3);
    assert!(
        calls.iter().any(|call| call.name == "POST /v2/candidates/{candidate_id}/applications")
    );
    let again: Vec<_> =
        calls.iter().filter(|call| call.get("http.request.resend_count") == "1").collect();
    let failed: Vec<_> = calls.iter().filter(|call| call.get("error.type") == "503").collect();
    assert!(failed.len() == 1 && failed[0].is_error, "{calls:?}");
    assert!(again.len() == 1 && again[0].name == failed[0].name, "{calls:?}");
    let runs: Vec<&Span> = spans.iter().filter(|span| span.name == "run").collect();
    assert!(runs.iter().all(|run| run.get("clinch.run.outcome") == "completed"), "{runs:?}");
    let counted: usize = spans
        .iter()
        .filter_map(|span| span.attributes.get("clinch.call.count")?.parse::<usize>().ok())
        .sum();
    assert_eq!(counted, calls.len());
    assert_names(&spans);
    for resource in collector.resources() {
        assert_eq!(resource["service.name"], "clinch-operator");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    }
    for body in collector.bodies() {
        let text = String::from_utf8_lossy(&body);
        for secret in ["person", "example.com", "AKKILL", "kill-secret", "127.0.0.1"] {
            assert!(!text.contains(secret), "a trace contains {secret}");
        }
    }
    for text in spans.iter().flat_map(|span| span.attributes.values().chain([&span.name])) {
        assert!(!text.contains("://") && !text.contains('?'), "{text} is of a URL");
    }
}

/// The attributes are those that the tables above name, and the documentation explains each.
fn assert_names(spans: &[Span]) {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for span in spans {
        let name = if span.is_client { "call" } else { span.name.as_str() };
        found.entry(name).or_default().extend(span.attributes.keys().map(String::as_str));
    }
    for (name, expected) in [("reconcile", RECONCILE), ("run", RUN), ("call", CALL)] {
        let names: Vec<&str> = found.remove(name).unwrap_or_default().into_iter().collect();
        assert_eq!(names, expected, "attributes of {name}");
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_operations_page_explains_every_attribute_of_a_span() {
    let section = OPERATIONS.split_once("\n## Traces\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    for name in [RECONCILE, RUN, CALL].concat() {
        assert!(section.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_everything_fails_nothing() {
    let (sandbox, folder) = stage(2).await;
    let collector = Collector::start(StatusCode::NOT_FOUND).await;
    let done = run(&sandbox, folder.path(), &["--otlp-endpoint", &collector.origin]).await;
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    assert_exactly_once(&sandbox, 2, "with a collector that refuses");
    let said = shown(&done);
    assert_eq!(said.matches("cannot export traces").count(), 1, "{said}");
    assert!(said.contains("404") && !said.contains(&collector.origin), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampler_that_takes_nothing_sends_nothing() {
    let (sandbox, folder) = stage(1).await;
    let collector = Collector::start(StatusCode::OK).await;
    let arguments = ["--otlp-endpoint", &collector.origin, "--traces-sampler", "always_off"];
    let done = run(&sandbox, folder.path(), &arguments).await;
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    assert!(collector.bodies().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_traces_that_cannot_be_used_are_refused_before_anybody_is_pushed() {
    let (sandbox, folder) = stage(1).await;
    for (arguments, expected) in [
        (["--otlp-endpoint=http://u:hunter2@otel:4318", "-o=table"], "http://HOST:PORT"),
        (["--otlp-endpoint=http://otel:4318", "--traces-sampler=half"], "no half"),
        (["--otlp-endpoint=http://otel:4318", "--traces-sampler-arg=2"], "from 0 to 1"),
    ] {
        let refused = run(&sandbox, folder.path(), &arguments).await;
        let said = shown(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
    assert!(sandbox.people("hireEZ").is_empty());
}
