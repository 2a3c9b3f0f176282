//! Exports that share an integration share its rate.

use std::time::Duration;

use clinch_operator::pipeline::{Ending, RunPorts, run};
use serde_json::json;

use crate::setup::{ACCOUNT, Export, IN_FLIGHT, Store, World, contract, profile, profiles};

const LARGE: usize = 1_000;
const SMALL: usize = 10;

#[tokio::test]
async fn a_small_export_is_not_stuck_behind_a_large_one() {
    let limited = json!({"rateLimit": {"requestsPerSecond": 50, "burst": 10}});
    let world = World::new(contract(limited)).await;
    let ports = world.ports();
    let cancel = ports.cancel.clone();
    let large = tokio::spawn(run(Export::of(profiles(LARGE)).spec(), ports));
    let created = || world.sandbox.people(ACCOUNT).len();
    while created() < 30 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = created();
    // Each export has its own ledger.
    let ports = RunPorts { store: Store::default(), ..world.ports() };
    let small = Export::of((LARGE..LARGE + SMALL).map(profile).collect());
    let report = run(small.spec(), ports).await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!(report.progress.counts.created, 10);
    // Permits are given in turn: each round of the small export's requests waits for as many requests of
    // the large one as may be in flight. It takes one round to look up and two for ten people; without
    // turns it would wait for hundreds.
    let meanwhile = created() - before - SMALL;
    assert!(meanwhile <= 5 * IN_FLIGHT, "{meanwhile} of the large one were created meanwhile");
    assert!(!large.is_finished(), "it is still under way");
    cancel.cancel();
    large.await.unwrap();
}
