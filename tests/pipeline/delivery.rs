//! What is delivered, and what a second run costs.

use clinch_operator::{
    mapping::Select,
    pipeline::{Counts, Duplicates as Policy, Ending, run},
};
use serde_json::{Value, json};

use crate::setup::{Export, World, in_clinch, options, profile, profiles, with_people};

#[tokio::test]
async fn everybody_is_delivered_once_and_a_second_run_sends_nothing() {
    let world = World::new(options()).await;
    let export = Export::of(profiles(500));
    let counts = world.counts(&export).await;
    assert_eq!(counts, Counts { read: 500, total: 500, created: 500, ..Counts::default() });
    world.assert_exactly_once(500);
    let before = world.requests();
    // The list, ten people that it does not show and the first one looked up, before and after, and an
    // address that nobody has; the total before every 48 creates and at the end; one in a hundred
    // looked up at the end.
    let proofs = 1 + 10 + 3 + 12 + 5;
    assert_eq!(before, 500 + proofs);
    let counts = world.counts(&export).await;
    assert_eq!(counts, Counts { read: 500, total: 500, unchanged: 500, ..Counts::default() });
    assert_eq!(world.requests(), before);
}

#[tokio::test]
async fn only_the_changed_record_is_written_again() {
    let world = World::new(options()).await;
    let mut export = Export::of(profiles(50));
    world.counts(&export).await;
    let before = world.requests();
    export.profiles[7]["title"] = "Director".into();
    let counts = world.counts(&export).await;
    assert_eq!((counts.updated, counts.unchanged), (1, 49));
    assert_eq!(world.requests(), before + 2, "read, then written");
    assert_eq!(world.person(7)["attributes"]["current_job_title"], "Director");
}

#[tokio::test]
async fn an_empty_source_never_wipes_a_value() {
    let world = World::new(with_people([in_clinch(0)])).await;
    let mut export = Export::of(profiles(2));
    world.counts(&export).await;
    for (n, empty) in [(0, Value::Null), (1, json!("  "))] {
        export.profiles[n]["title"] = empty;
        export.profiles[n]["lastName"] = "Changed".into();
    }
    world.counts(&export).await;
    for n in 0..2 {
        let attributes = &world.person(n)["attributes"];
        assert_eq!(attributes["current_job_title"], "Engineer");
        assert_eq!(attributes["last_name"], "Changed");
    }
}

#[tokio::test]
async fn clearing_wipes_only_when_the_mapping_asks_for_it() {
    let world = World::new(with_people([in_clinch(0)])).await;
    let mut export = Export::of(profiles(1));
    export.profiles[0]["title"] = Value::Null;
    export.mapping["fields"][3]["whenMissing"] = "Clear".into();
    assert_eq!(world.counts(&export).await.updated, 1);
    assert_eq!(world.person(0)["attributes"]["current_job_title"], Value::Null);
}

#[tokio::test]
async fn a_bad_record_is_listed_and_the_others_are_delivered() {
    let world = World::new(options()).await;
    let mut export = Export::of(profiles(10));
    export.profiles[3]["emails"] = json!([]);
    export.profiles[5] = json!("no profile");
    let report = world.run(&export).await;
    assert_eq!((report.progress.counts.created, report.progress.counts.invalid), (8, 2));
    let places: Vec<_> = report.progress.rejections.iter().map(|r| r.position.index).collect();
    assert_eq!(places, [3, 5]);
    assert_eq!(world.people().len(), 8);
}

#[tokio::test]
async fn a_person_deleted_or_changed_under_another_policy_is_not_taken_for_written() {
    let world = World::new(with_people([in_clinch(0)])).await;
    let mut export = Export::of(vec![profile(0)]);
    export.profiles[0]["title"] = "Director".into();
    let skipping = export.clone().duplicates(Policy::Skip);
    assert_eq!(world.counts(&skipping).await.skipped, 1);
    assert_eq!(world.person(0)["attributes"]["current_job_title"], "Engineer");
    assert_eq!(world.counts(&export).await.updated, 1);
    assert_eq!(world.person(0)["attributes"]["current_job_title"], "Director");
}

#[tokio::test]
async fn a_path_of_the_selection_that_no_record_has_is_a_warning_also_if_nobody_is_selected() {
    let world = World::new(options()).await;
    let warnings = async |filter: &str| {
        let mut spec = Export::of(profiles(3)).spec();
        spec.select = Some(Select::compile(filter, "spec.select").unwrap());
        let report = run(spec, world.ports()).await;
        assert_eq!(report.ending, Ending::Completed);
        let coverage = report.progress.coverage;
        let warnings: Vec<_> = coverage
            .warnings
            .iter()
            .filter(|warning| &*warning.place == "spec.select")
            .map(|warning| warning.cause.to_string())
            .collect();
        (report.progress.counts.total, warnings)
    };
    assert_eq!(warnings("candidate.title == 'Engineer'").await, (3, vec![]));
    let message = "NeverFilled: 'candidate.titel' has a value in none of 3 records".to_owned();
    assert_eq!(warnings("candidate.titel == 'Engineer'").await, (0, vec![message]));
    assert_eq!(warnings("has(candidate.titel)").await, (0, vec![]));
}
