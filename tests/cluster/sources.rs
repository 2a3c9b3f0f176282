//! Remote sources on a real API server: who may name what, and what a change of the Secret does.
//! Judged by the requests to the file server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use clinch_operator::controllers::Regions;
use tokio::net::TcpListener;

use crate::support::{
    manifests::{INTEGRATION, assert_each_once},
    world::{World, condition},
};

const KEY: &str = "open-sesame-5309";

/// A server of one file, for callers with the key.
async fn serve(people: usize) -> (Arc<AtomicUsize>, String) {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |State(asked): State<Arc<AtomicUsize>>, headers: HeaderMap| async move {
        asked.fetch_add(1, Ordering::Relaxed);
        if headers.get("authorization").is_none_or(|key| key != KEY) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let person =
            |n| format!(r#"{{"firstName":"F","emails":[{{"value":"far-{n}@marker.example"}}]}}"#);
        Ok((0..people).map(person).collect::<Vec<_>>().join("\n"))
    };
    let router = Router::new().fallback(answer).with_state(asked.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (asked, origin)
}

fn export(name: &str, url: &str) -> String {
    format!(
        "
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: {name}}}
spec:
  integrationRef: {{name: acme}}
  source: {{http: {{url: '{url}', headersSecretRef: {{name: file-key}}}}}}
  destination: {{prospect: {{}}}}
"
    )
}

fn secret(annotations: &str, key: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata:
  name: file-key
  labels: {{clinch.hireez.dev/use: source}}
  annotations: {{{annotations}}}
stringData: {{Authorization: {key}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_source_is_read_only_as_the_operator_and_the_secrets_owner_allow() {
    let Some(mut world) = World::prepare().await else { return };
    let (asked, origin) = serve(7).await;
    let (elsewhere_asked, elsewhere) = serve(7).await;
    world.allowed_sources = vec![origin.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    let url = format!("{origin}/people.ndjson?token=in-the-query");

    // A Secret that does not exist and one that may not be used get the same message.
    world.apply(&export("people", &url));
    let missing = world.ready("CandidateExport", "people", "False", "ReferenceForbidden").await;
    world.apply(&secret("", KEY));
    world.kubectl(&[
        "annotate",
        "candidateexport",
        "people",
        "clinch.hireez.dev/reconcile-requested-at=1",
        "-n",
        &world.namespace,
    ]);
    let other = format!("clinch.hireez.dev/allowed-origin: '{elsewhere}'");
    world.apply(&secret(&other, KEY));
    world.apply(&export("another", &url));
    let foreign = world.ready("CandidateExport", "another", "False", "ReferenceForbidden").await;
    assert_eq!(condition(&missing, "Ready")["message"], condition(&foreign, "Ready")["message"]);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is sent before its owner allows it");
    world.kubectl(&["delete", "candidateexport", "another", "-n", &world.namespace]);

    // Allowed, and refused by the server; then with the right key, and no other change.
    let allowed = format!("clinch.hireez.dev/allowed-origin: '{origin}'");
    world.apply(&secret(&allowed, "expired"));
    let denied = world.ready("CandidateExport", "people", "False", "SourceDenied").await;
    assert_eq!(condition(&denied, "SourceReady")["status"], "False");
    assert_eq!(condition(&denied, "Stalled")["status"], "True");
    world.apply(&secret(&allowed, KEY));
    let done = world.ready("CandidateExport", "people", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "7/7");
    assert_eq!(done["status"]["source"]["files"], 1);
    assert_eq!(condition(&done, "SourceReady")["reason"], "Read");
    assert_each_once(&world, 7);

    // A server that the operator does not list gets no request, even if its owner allows it.
    world.apply(&secret(&format!("clinch.hireez.dev/allowed-origin: '{elsewhere}'"), KEY));
    world.apply(&export("elsewhere", &format!("{elsewhere}/people.ndjson")));
    let refused = world.ready("CandidateExport", "elsewhere", "False", "SourceNotAllowed").await;
    assert_eq!(condition(&refused, "Stalled")["status"], "True");
    assert_eq!(elsewhere_asked.load(Ordering::Relaxed), 0);

    let events =
        world.kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "yaml"]);
    let exports = world.kubectl(&[
        "get",
        "candidateexport",
        "-n",
        &world.namespace,
        "-o",
        "jsonpath={.items[*].status}",
    ]);
    assert!(events.contains("reason: SourceNotAllowed"), "{events}");
    for text in [events, exports] {
        for value in [KEY, "in-the-query", "marker.example"] {
            assert!(!text.contains(value), "{value} leaked: {text}");
        }
    }
}
