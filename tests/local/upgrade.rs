//! A state folder that an earlier `apply` left behind.

use std::{fs, process::Output};

use clinch_operator::sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    apply::{apply, condition, shown},
    s3,
    upgrade_fixtures::{
        ACCOUNT, ANONYMISED, BUCKET, EXPORTS, Earlier, FIRST, IMPORTS, LAST, STORE_KEYS,
        add_person, copy, files, sandbox,
    },
};

/// An earlier state, and what it was made with.
struct World {
    earlier: Earlier,
    sandbox: Sandbox,
    /// With `state`, and with `store` for an import.
    folder: TempDir,
    store: String,
}

impl World {
    /// Copies of what is in a folder of the fixtures.
    async fn of(earlier: Earlier) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&earlier.fixture("local/state"), &folder.path().join("state"));
        let data = folder.path().join("clinch.json");
        fs::copy(earlier.fixture("local/clinch.json"), &data).unwrap();
        if earlier.imports {
            copy(&earlier.fixture("local/store"), &folder.path().join("store"));
        }
        Self::with(earlier, folder, sandbox(data).await).await
    }

    async fn with(earlier: Earlier, folder: TempDir, sandbox: Sandbox) -> Self {
        fs::create_dir_all(folder.path().join("store").join(BUCKET)).unwrap();
        let store = s3::serve(&folder.path().join("store"), STORE_KEYS.0, STORE_KEYS.1).await;
        Self { earlier, sandbox, folder, store }
    }

    /// Applies the manifests; every object has to be Ready.
    async fn run(&self, title: &str) -> Vec<Value> {
        let manifests = tempfile::tempdir().unwrap();
        let origin = self.sandbox.base_url();
        let text = self.earlier.manifests(&origin, &self.store, title);
        fs::write(manifests.path().join("all.yaml"), text).unwrap();
        let mut command = apply(manifests.path(), &self.folder.path().join("state"), &origin);
        let allowed = format!("s3://{BUCKET}/back,{}", self.store);
        command
            .args(["-n", "talent", "-o", "json", "--timeout", "120", "--request-timeout", "1"])
            .args(["--allowed-destinations", &allowed]);
        // The object store is on this runtime.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        ready(&output)
    }

    fn store(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.folder.path().join("store"))
    }
}

/// The exports and imports that a run reported.
fn ready(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", shown(output));
    let mut objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    objects.retain(|object| object["kind"].as_str().unwrap().starts_with("Candidate"));
    for object in &objects {
        assert_eq!(condition(object, "Ready")["status"], "True", "{object}");
    }
    objects
}

fn named<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["metadata"]["name"] == name);
    &found.unwrap()["status"]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_state_folder_works_and_nobody_is_written_again() {
    for earlier in [EXPORTS, IMPORTS] {
        let world = World::of(earlier).await;
        let stored = world.store();
        let before = world.run(LAST).await;
        assert_eq!(before.len(), if earlier.imports { 3 } else { 2 });
        earlier.assert_nothing_written(&world.sandbox);
        let database = named(&before, "database");
        assert_eq!(database["counts"]["suppressed"], earlier.suppressed, "{database}");
        assert_eq!(database["delivered"], "2/3");
        assert_eq!(world.store(), stored, "nobody is imported again");

        // What is known is used: a change is an update of a known person, not a create.
        world.run("Architect").await;
        let requests = world.sandbox.requests();
        assert_eq!((requests.of("createCandidate"), requests.of("updateCandidate")), (0, 4));
        let people = world.sandbox.people(ACCOUNT);
        let titled = people.iter().filter(|p| p["attributes"]["current_job_title"] == "Architect");
        assert_eq!(titled.count(), 4, "the anonymised person is left alone");
        let state = world.folder.path().join("state");
        assert!(!files(&state).iter().any(|(name, _)| name.ends_with(".corrupt")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_import_goes_on_where_it_was() {
    let world = World::of(IMPORTS).await;
    world.run(LAST).await;
    let stored = world.store();
    add_person(&world.sandbox, "hal");
    let after = named(&world.run(LAST).await, "back").clone();
    assert_eq!(
        (&after["counts"]["emitted"], &after["lastFullScan"]["known"]),
        (&1.into(), &2.into())
    );
    let now = world.store();
    assert!(now.len() > stored.len());
    for (name, bytes) in &stored {
        let same = now.iter().any(|(other, found)| other == name && found == bytes);
        assert!(same || name.ends_with("latest.json"), "{name} was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "overwrites tests/data/upgrade-imports: make upgrade-fixtures"]
async fn makes_the_fixtures_of_a_state_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("clinch.json");
    let sandbox = sandbox(data.clone()).await;
    add_person(&sandbox, "gus");
    let world = World::with(IMPORTS, folder, sandbox).await;
    world.run(FIRST).await;
    world.sandbox.anonymise(ACCOUNT, ANONYMISED).unwrap();
    world.run(LAST).await;
    let World { sandbox, folder, .. } = world;
    sandbox.stop().await.unwrap();
    for part in ["state", "store"] {
        copy(&folder.path().join(part), &IMPORTS.fixture("local").join(part));
    }
    fs::remove_file(IMPORTS.fixture("local/state/lock")).unwrap();
    fs::copy(&data, IMPORTS.fixture("local/clinch.json")).unwrap();
}
