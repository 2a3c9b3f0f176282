//! The ledger on a real API server: what refuses it, and what that does to an export.

use std::time::{Duration, Instant};

use clinch_operator::controllers::Regions;

use crate::{
    INTEGRATION, PROSPECT, assert_each_once, emails, export,
    support::{SOON, World, condition},
};

const COUNTED: &str = "count/candidateledgers.clinch.hireez.dev";

/// Allows so many segments in the namespace, and waits until the API server knows it.
async fn allow(world: &World, segments: u32) {
    world.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: ledgers}}\nspec: {{hard: {{{COUNTED}: '{segments}'}}}}"
    ));
    // Nobody keeps the status of a quota here: that is the controller-manager's.
    let status = format!(
        r#"{{"status":{{"hard":{{"{COUNTED}":"{segments}"}},"used":{{"{COUNTED}":"0"}}}}}}"#
    );
    let patch = ["patch", "resourcequota", "ledgers", "--subresource=status", "--type=merge", "-p"];
    world.kubectl(&[&patch[..], &[&status, "-n", &world.namespace]].concat());
    let probe = format!(
        "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateLedger\nmetadata: {{name: probe-{segments}}}\nspec: {{exportName: e, exportUid: u, sequence: 0, data: Zm9v}}"
    );
    let started = Instant::now();
    while world.try_apply_dry(&probe).0 != (segments > 0) {
        assert!(started.elapsed() < SOON, "the quota does not take effect");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_on_ledgers_stops_an_export_before_anybody_is_pushed() {
    let Some(mut world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    allow(&world, 0).await;
    world.run_operator(Regions::default());
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.apply(&export("people", 5, PROSPECT));
    let refused = world.ready("CandidateExport", "people", "False", "LedgerRefused").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("quota") && message.contains("candidateledgers"), "{message}");
    assert_eq!(condition(&refused, "Reconciling")["status"], "True", "it is tried again");
    assert!(emails(&world).is_empty(), "nobody is pushed unrecorded");
    assert_eq!(world.sandbox.requests().of("createCandidate"), 0);

    allow(&world, 10).await;
    let within = Duration::from_secs(90);
    world.ready_within("CandidateExport", "people", "True", "Synced", within).await;
    assert_each_once(&world, 5);
    let segments =
        world.kubectl(&["get", "candidateledgers", "-n", &world.namespace, "-o", "name"]);
    assert_eq!(segments.lines().count(), 2, "the window, and what became of it");
}
