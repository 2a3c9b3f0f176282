//! A state folder that an earlier `apply` left behind.

use std::{fs, path::Path, process::Output};

use clinch_operator::sandbox::Sandbox;
use serde_json::Value;

use crate::{
    apply::{apply, condition, shown},
    rollback::copy,
    upgrade_fixtures::{
        ACCOUNT, ANONYMISED, FIRST, LAST, assert_nothing_written, fixture, manifests, sandbox,
    },
};

/// Applies the manifests of the fixture.
fn run(sandbox: &Sandbox, state: &Path, title: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), manifests(&sandbox.base_url(), title)).unwrap();
    apply(folder.path(), state, &sandbox.base_url())
        .args(["-n", "talent", "-o", "json", "--timeout", "120", "--request-timeout", "1"])
        .output()
        .unwrap()
}

/// The exports that a run reported; each has to be Ready.
fn exports(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", shown(output));
    let mut objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    objects.retain(|object| object["kind"] == "CandidateExport");
    for object in &objects {
        assert_eq!(condition(object, "Ready")["status"], "True", "{object}");
    }
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_state_folder_works_and_nobody_is_written_again() {
    let state = tempfile::tempdir().unwrap();
    copy(&fixture("local/state"), state.path());
    let data = state.path().join("clinch.json");
    fs::copy(fixture("local/clinch.json"), &data).unwrap();
    let sandbox = sandbox(data).await;

    let before = exports(&run(&sandbox, state.path(), LAST));
    assert_eq!(before.len(), 2);
    assert_nothing_written(&sandbox);
    let database = &before[0]["status"];
    assert_eq!(database["counts"]["total"], 4, "{database}");
    assert_eq!(database["counts"]["suppressed"], 1, "{database}");
    assert_eq!(database["delivered"], "2/3");

    // What is known is used: a change is an update of a known person, not a create.
    exports(&run(&sandbox, state.path(), "Architect"));
    let requests = sandbox.requests();
    assert_eq!((requests.of("createCandidate"), requests.of("updateCandidate")), (0, 4));
    let people = sandbox.people(ACCOUNT);
    let named = people.iter().filter(|p| p["attributes"]["current_job_title"] == "Architect");
    assert_eq!(named.count(), 4, "the anonymised person is left alone");
    assert!(!state.path().read_dir().unwrap().any(|entry| {
        entry.unwrap().path().extension().is_some_and(|extension| extension == "corrupt")
    }));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "overwrites tests/data/upgrade: make upgrade-fixtures"]
async fn makes_the_fixtures_of_a_state_folder() {
    let folder = fixture("local");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let (state, sandbox) = (folder.join("state"), sandbox(folder.join("clinch.json")).await);
    exports(&run(&sandbox, &state, FIRST));
    sandbox.anonymise(ACCOUNT, ANONYMISED).unwrap();
    exports(&run(&sandbox, &state, LAST));
    sandbox.stop().await.unwrap();
    fs::remove_file(state.join("lock")).unwrap();
}
