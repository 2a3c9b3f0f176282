//! A dry run reports what the push then does.

use clinch_operator::pipeline::Duplicates as Policy;
use serde_json::{Value, json};

use crate::setup::{Export, World, careless, in_clinch, profiles, seeded};

/// People known from the ledger, known to Clinch only, ambiguous, new, invalid and repeated.
async fn mixed(policy: Policy) -> (World, Export) {
    let mut there: Vec<Value> = (20..30).map(in_clinch).collect();
    there.extend([in_clinch(30), in_clinch(30)]);
    let world = World::new(seeded(careless(), there)).await;
    world.counts(&Export::of(profiles(20)).applying().duplicates(policy)).await;
    let mut export = Export::of(profiles(40)).applying().duplicates(policy);
    for n in [3, 4, 25, 26] {
        export.profiles[n]["title"] = "Director".into();
    }
    // Emptied since, and so not wiped: the payload is another one, the person is not.
    export.profiles[5]["title"] = Value::Null;
    export.profiles[35]["emails"] = json!([]);
    export.profiles.push(export.profiles[36].clone());
    (world, export)
}

#[tokio::test]
async fn the_counts_of_a_dry_run_are_those_of_the_push_that_follows() {
    for policy in [Policy::Update, Policy::Skip, Policy::Fail] {
        let (world, export) = mixed(policy).await;
        let (writes, people) = (world.writes(), world.sandbox.people(crate::setup::ACCOUNT));
        let dry = world.run(&export.dry()).await;
        assert_eq!(world.writes(), writes, "{policy:?}: a dry run writes nothing");
        assert_eq!(world.sandbox.people(crate::setup::ACCOUNT), people);
        let mut push = world.run(&export).await;
        assert_eq!(dry.progress.ledger.end, None, "a dry run stores nothing");
        assert!(dry.progress.plan.is_some(), "a push makes no plan");
        (push.progress.ledger, push.progress.plan) = (dry.progress.ledger, dry.progress.plan);
        assert_eq!(dry.progress, push.progress, "{policy:?}");
        assert_eq!(dry.ending, push.ending);
        assert_eq!(push.progress.counts.created, 8, "{:?}", push.progress.counts);
    }
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace_in_the_ledger() {
    let (world, export) = mixed(Policy::Update).await;
    let first = world.run(&export.dry()).await;
    assert_eq!(world.run(&export.dry()).await, first);
}
