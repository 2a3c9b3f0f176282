//! An export is deleted while it runs, and made again under the same name; a CRD is deleted.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, PostParams};

use crate::{
    stage::{
        alone, assert_delivered, assert_nobody_twice, at_work, created, exports, shared, until,
    },
    support::{
        manifests::{INTEGRATION, PROSPECT, emails, export},
        plane::install_crds_with,
        world::{SOON, World},
    },
};

const PEOPLE: usize = 300;
/// How often one is deleted, a millisecond later each time.
const DELETIONS: u64 = 40;
const KIND: &str = "CandidateExport";

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_export_stops_and_its_namesake_takes_over_without_creating_anybody_twice() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(15).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    let remove = || world.kubectl(&["delete", "clexp", "gone", "-n", &world.namespace]);
    world.apply(&export("gone", PEOPLE, PROSPECT));
    created(&world, 80).await;
    remove();
    let deleted_at = world.sandbox.requests().total;
    until("requests in flight end", || world.sandbox.requests().under_way == 0).await;
    let stopped_at = world.sandbox.requests().total;
    assert!(stopped_at - deleted_at <= 30, "from {deleted_at} to {stopped_at}");
    assert!(emails(&world).len() < PEOPLE);
    assert_nobody_twice(&world);

    // The next one is there before the requests of the one before it have ended.
    world.apply(&export("gone", PEOPLE, PROSPECT));
    created(&world, 160).await;
    remove();
    world.apply(&export("gone", PEOPLE, PROSPECT));
    world.sandbox.set_latency(Duration::ZERO);
    let done = world.ready(KIND, "gone", "True", "Synced").await;
    assert_delivered(&world, &done, PEOPLE);
    assert_eq!(emails(&world).len(), PEOPLE);
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
    assert_eq!(done["status"]["history"].as_array().map(Vec::len), Some(1));
}

/// Those of an export who are in Clinch.
fn there(world: &World, export: &str) -> usize {
    emails(world).iter().filter(|email| email.starts_with(&format!("{export}-"))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_deleted_at_any_instant_of_its_start_pushes_nobody_afterwards() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(15).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    let manifests = export("hasty", PEOPLE, PROSPECT);
    let mut parts = manifests.split("---\n");
    world.apply(parts.next().expect("a ConfigMap"));
    let hasty: DynamicObject =
        serde_saphyr::from_str(parts.next().expect("an export")).expect("YAML");
    let exports = exports(&world);
    for delay in 0..DELETIONS {
        exports.create(&PostParams::default(), &hasty).await.expect("created");
        tokio::time::sleep(Duration::from_millis(delay)).await;
        exports.delete("hasty", &DeleteParams::default()).await.expect("deleted");
    }
    until("requests in flight end", || world.sandbox.requests().under_way == 0).await;
    let (hasty, asked) = (there(&world, "hasty"), world.sandbox.requests().total);
    // Long enough for a run that was left over to get through.
    world.apply(&export("next", PEOPLE, PROSPECT));
    world.ready(KIND, "next", "True", "Synced").await;
    assert_eq!(there(&world, "hasty"), hasty, "{asked} requests before");
    assert!(hasty < PEOPLE, "nobody was left to be pushed");
}

fn free_address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    free.local_addr().expect("an address").to_string()
}

/// Waits until a page of the operator is as expected.
async fn answers(admin: &str, page: &str, what: &str, expected: &dyn Fn(u16, &str) -> bool) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{admin}/{page}");
    let since = std::time::Instant::now();
    loop {
        let (status, text) = match http.get(&url).send().await {
            Ok(found) => (found.status().as_u16(), found.text().await.expect("text")),
            Err(_) => (0, "it does not listen".to_owned()),
        };
        if expected(status, &text) {
            return;
        }
        assert!(since.elapsed() < SOON * 2, "not {what}: {status} {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_on_older_crds_does_nothing_until_they_are_applied() {
    let _alone = alone().await;
    let Some(world) = World::prepare().await else { return };
    let older = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/upgrade/crds");
    world.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", older]);
    let admin = free_address();
    let _operator = world.spawn_operator("first", &admin, 15);
    let says_what_to_do = |status: u16, text: &str| {
        let command = "kubectl apply --server-side --force-conflicts -f crds/";
        status == 503 && text.contains(" lacks ") && text.contains(command)
    };
    answers(&admin, "readyz", "not ready", &says_what_to_do).await;
    let current = |value: u8| {
        move |_: u16, text: &str| {
            text.contains(&format!("\nclinch_operator_crds_current{{}} {value}\n"))
        }
    };
    answers(&admin, "metrics", "seen to be outdated", &current(0)).await;
    let waits = |_: u16, text: &str| text.contains("\nclinch_operator_leading 0\n");
    answers(&admin, "metrics", "waiting", &waits).await;
    install_crds_with(|args| world.kubectl(args));
    answers(&admin, "readyz", "ready", &|status, _| status == 200).await;
    answers(&admin, "metrics", "current", &current(1)).await;
    world.apply(INTEGRATION);
    world.apply(&export("after", 3, PROSPECT));
    world.ready(KIND, "after", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crd_that_is_deleted_or_older_shows_in_readyz_until_it_is_there_again() {
    let _alone = alone().await;
    let Some(world) = World::prepare().await else { return };
    let admin = free_address();
    let _operator = world.spawn_operator("first", &admin, 15);
    let answers = async |what: &str, expected: &dyn Fn(u16, &str) -> bool| {
        answers(&admin, "readyz", what, expected).await;
    };
    answers("ready", &|status, _| status == 200).await;
    world.kubectl(&["delete", "crd", "fieldmappings.clinch.hireez.dev"]);
    answers("not ready", &|status, text| status == 503 && text.contains("FieldMapping")).await;
    install_crds_with(|args| world.kubectl(args));
    answers("ready again", &|status, _| status == 200).await;
    // Nothing watches the ledgers.
    world.kubectl(&["delete", "crd", "candidateledgers.clinch.hireez.dev"]);
    answers("not ready", &|status, text| status == 503 && text.contains("CandidateLedger")).await;
    install_crds_with(|args| world.kubectl(args));
    answers("ready again", &|status, _| status == 200).await;
    // The CRD of an earlier version.
    let field = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/ledger";
    let remove = format!(r#"[{{"op": "remove", "path": "{field}"}}]"#);
    let exports = "candidateexports.clinch.hireez.dev";
    world.kubectl(&["patch", "crd", exports, "--type=json", "-p", &remove]);
    answers("not ready", &|status, text| {
        status == 503 && text.contains(exports) && text.contains("lacks status.ledger. Apply")
    })
    .await;
    install_crds_with(|args| world.kubectl(args));
    answers("ready again", &|status, _| status == 200).await;
    world.apply(INTEGRATION);
    world.apply(&export("after", 3, PROSPECT));
    world.ready(KIND, "after", "True", "Synced").await;
}
