//! Objects and ledgers that an earlier operator left in a cluster, put back into etcd as they were
//! stored: only there can they keep the UIDs that their ledgers are bound to.

use std::{fs, path::Path, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clinch_operator::controllers::Regions;
use serde_json::{Value, json};

use crate::{
    s3,
    support::world::{SOON, World, condition},
    upgrade_fixtures::{
        ACCOUNT, ANONYMISED, BUCKET, EXPORTS, Earlier, FIRST, IMPORTS, LAST, STORE_KEYS,
        add_person, copy, files, sandbox,
    },
};

/// The kinds that are stored, with their plurals.
const KINDS: [&str; 5] = [
    "clinchintegrations",
    "fieldmappings",
    "candidateexports",
    "candidateimports",
    "candidateledgers",
];
const KEY_SECRET: &str = "clinch-operator-ledger-key";

/// Writes an object to etcd as the API server stores it.
async fn store(world: &World, object: &Value) {
    let dir = world.plane.dir();
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let identity = [read("server.crt"), read("server.key")].concat();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&read("ca.crt")).unwrap()])
        .identity(reqwest::Identity::from_pem(&identity).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let name = object["metadata"]["name"].as_str().unwrap();
    let key = format!("/registry/clinch.hireez.dev/{plural}/{}/{name}", world.namespace);
    let body = json!({
        "key": BASE64_STANDARD.encode(key),
        "value": BASE64_STANDARD.encode(object.to_string()),
    });
    let url = format!("{}/v3/kv/put", world.plane.etcd_url());
    let answer = client.post(url).body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

fn objects(world: &World, earlier: Earlier) -> Vec<Value> {
    let text = fs::read_to_string(earlier.fixture("cluster/objects.json")).unwrap();
    let text = text.replace("NAMESPACE", &world.namespace);
    serde_json::from_str(&text.replace("ORIGIN", &world.sandbox.base_url())).unwrap()
}

/// An object store with the files of a folder, that the operator may write to.
async fn store_of(world: &mut World, folder: &Path) -> String {
    fs::create_dir_all(folder.join(BUCKET)).unwrap();
    let store = s3::serve(folder, STORE_KEYS.0, STORE_KEYS.1).await;
    world.allowed_destinations = vec![format!("s3://{BUCKET}/back"), store.clone()];
    store
}

/// Every object is Ready for its latest generation; gives the status of `database`.
async fn all_ready(world: &World, earlier: Earlier) -> Value {
    if earlier.imports {
        world.wait("CandidateImport", "back", "ready", SOON, is_ready).await;
    }
    world.wait("CandidateExport", "job", "ready", SOON, is_ready).await;
    world.wait("CandidateExport", "database", "ready", SOON, is_ready).await["status"].clone()
}

fn is_ready(object: &Value) -> bool {
    object["metadata"]["generation"] == object["status"]["observedGeneration"]
        && condition(object, "Ready")["status"] == "True"
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_ledgers_of_an_earlier_operator_are_read_and_nobody_is_written_again() {
    for earlier in [EXPORTS, IMPORTS] {
        let Some(world) = World::prepare().await else { return };
        goes_on(world, earlier).await;
    }
}

async fn goes_on(mut world: World, earlier: Earlier) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("clinch.json");
    fs::copy(earlier.fixture("cluster/clinch.json"), &data).unwrap();
    world.sandbox = sandbox(data).await;
    let place = folder.path().join("store");
    if earlier.imports {
        copy(&earlier.fixture("cluster/store"), &place);
    }
    let store_url = store_of(&mut world, &place).await;
    let secret = earlier.fixture("cluster/secret.json");
    let apply = ["apply", "--server-side", "--force-conflicts", "-n", &world.namespace, "-f"];
    world.kubectl(&[&apply[..], &[secret.to_str().unwrap()]].concat());
    let origin = world.sandbox.base_url();
    let manifests = |title: &str| earlier.manifests(&origin, &store_url, title);
    let last = manifests(LAST);
    let is_plain = |one: &&str| one.contains("kind: Secret") || one.contains("kind: ConfigMap");
    world.apply(&last.split("\n---\n").filter(is_plain).collect::<Vec<_>>().join("\n---\n"));
    let stored = objects(&world, earlier);
    for object in &stored {
        store(&world, object).await;
    }
    for object in &stored {
        let kind = object["kind"].as_str().unwrap();
        let found = world.get(kind, object["metadata"]["name"].as_str().unwrap()).await;
        assert_eq!(found["metadata"]["uid"], object["metadata"]["uid"], "served as stored");
        // What a GitOps tool does after an update of the CRDs: the same object again.
        let mut again = found.clone();
        for set in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
            again["metadata"].as_object_mut().unwrap().remove(set);
        }
        again.as_object_mut().unwrap().remove("status");
        world.apply(&again.to_string());
        let after = world.get(kind, object["metadata"]["name"].as_str().unwrap()).await;
        assert_eq!(after["metadata"]["generation"], found["metadata"]["generation"], "{kind}");
    }

    let written = files(&place);
    world.run_operator(Regions::default());
    let database = all_ready(&world, earlier).await;
    assert!(database["lastAppliedRevision"].is_string());
    // Everything runs once more, from what the ledgers say.
    let mut all = vec![("CandidateExport", "database"), ("CandidateExport", "job")];
    all.extend(earlier.imports.then_some(("CandidateImport", "back")));
    for (kind, name) in all {
        let annotation = "clinch.hireez.dev/reconcile-requested-at=upgrade";
        world.kubectl(&["annotate", kind, name, annotation, "-n", &world.namespace]);
        world
            .wait(kind, name, "run again", SOON, |object| {
                object["status"]["handled"]["reconcileRequestedAt"] == "upgrade" && is_ready(object)
            })
            .await;
    }
    earlier.assert_nothing_written(&world.sandbox);
    assert_eq!(files(&place), written, "nobody is imported again");
    world.apply(&manifests("Architect"));
    let titled = |world: &World| {
        let people = world.sandbox.people(ACCOUNT);
        people.iter().filter(|p| p["attributes"]["current_job_title"] == "Architect").count()
    };
    let started = std::time::Instant::now();
    while titled(&world) < 4 {
        assert!(started.elapsed() < SOON, "known people are not updated");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let database = all_ready(&world, earlier).await;
    assert_eq!(database["counts"]["suppressed"], earlier.suppressed, "{database}");
    let requests = world.sandbox.requests();
    assert_eq!((requests.of("createCandidate"), requests.of("updateCandidate")), (0, 4));
    assert_eq!(world.sandbox.people(ACCOUNT).len(), earlier.people);
    world.stop_operator().await;
}

/// Writes JSON with the names that differ in every run replaced.
fn write(path: &Path, value: &Value, world: &World) {
    let text = serde_json::to_string_pretty(value).unwrap();
    let text = text.replace(&world.namespace, "NAMESPACE");
    fs::write(path, text.replace(&world.sandbox.base_url(), "ORIGIN") + "\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "overwrites tests/data/upgrade-imports: make upgrade-fixtures"]
async fn makes_the_fixtures_of_a_cluster() {
    let mut world = World::prepare().await.expect("a control plane");
    let (folder, temporary) = (IMPORTS.fixture("cluster"), tempfile::tempdir().unwrap());
    let (data, place) = (temporary.path().join("clinch.json"), temporary.path().join("store"));
    world.sandbox = sandbox(data.clone()).await;
    add_person(&world.sandbox, "gus");
    let store = store_of(&mut world, &place).await;
    world.run_operator(Regions::default());
    let origin = world.sandbox.base_url();
    world.apply(&IMPORTS.manifests(&origin, &store, FIRST));
    all_ready(&world, IMPORTS).await;
    world.sandbox.anonymise(ACCOUNT, ANONYMISED).unwrap();
    world.apply(&IMPORTS.manifests(&origin, &store, LAST));
    let delivered = |object: &Value| {
        is_ready(object) && object["status"]["counts"]["suppressed"] == IMPORTS.suppressed
    };
    world.wait("CandidateExport", "database", "suppressed", SOON, delivered).await;
    all_ready(&world, IMPORTS).await;
    world.stop_operator().await;

    let mut stored = Vec::new();
    for plural in KINDS {
        let list = ["get", plural, "-n", &world.namespace, "--show-managed-fields", "-o", "json"];
        let list: Value = serde_json::from_str(&world.kubectl(&list)).unwrap();
        for object in list["items"].as_array().unwrap() {
            let mut object = object.clone();
            object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            stored.push(object);
        }
    }
    fs::create_dir_all(&folder).unwrap();
    write(&folder.join("objects.json"), &stored.into(), &world);
    let get = ["get", "secret", KEY_SECRET, "-n", &world.namespace, "-o", "json"];
    let secret: Value = serde_json::from_str(&world.kubectl(&get)).unwrap();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY_SECRET},
        "data": secret["data"]});
    write(&folder.join("secret.json"), &secret, &world);
    copy(&place, &folder.join("store"));
    let World { sandbox, .. } = world;
    sandbox.stop().await.unwrap();
    fs::copy(&data, folder.join("clinch.json")).unwrap();
}
