//! Imports by `apply`, as a real process, into places that fail: a bucket that is denied, a full disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::{
    apply::{condition, object, shown},
    s3,
};

const PEOPLE: usize = 250;

async fn sandbox() -> Sandbox {
    let options = Options::default().with_credential("hireEZ", "K", "S");
    let sandbox = Sandbox::start(options).await.unwrap();
    for number in 0..PEOPLE {
        let person = json!({"email": format!("p{number}@example.com"), "first_name": "Ann"});
        sandbox.add_person("hireEZ", &person).unwrap();
    }
    sandbox
}

fn write(folder: &Path, sandbox: &Sandbox, store: &Value, secret: &Value) {
    let api = "clinch.hireez.dev/v1alpha1";
    let objects = [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
            "stringData": {"accessKey": "K", "secretKey": "S"}}),
        secret.clone(),
        json!({"apiVersion": api, "kind": "ClinchIntegration", "metadata": {"name": "acme"},
            "spec": {"endpoint": sandbox.base_url(), "environment": "Sandbox",
                "credentials": {"secretRef": {"name": "clinch"}},
                "readPermission": {"candidates": "Allowed", "attributes": ["*"]}}}),
        json!({"apiVersion": api, "kind": "CandidateImport", "metadata": {"name": "back"},
            "spec": {"integrationRef": {"name": "acme"}, "sink": {"objectStore": store}}}),
    ];
    let text = objects.map(|object| object.to_string()).join("\n---\n");
    fs::write(folder.join("manifests.yaml"), text).unwrap();
}

/// `apply`, by a shell that first runs this.
async fn apply(folder: &Path, sandbox: &Sandbox, first: &str, allowed: &str) -> Output {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{first}; exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["apply", "--environment", "sandbox", "--allowed-endpoints", &sandbox.base_url()])
        .args(["--allowed-destinations", allowed, "--timeout", "10", "-o", "json", "-f"])
        .arg(folder.join("manifests.yaml"))
        .arg("--state")
        .arg(folder.join("state"));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn expect(output: &Output, code: i32, reason: &str) -> Value {
    let text = shown(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let import = object(output, "CandidateImport");
    let ready = condition(&import, "Ready");
    // While the next attempt runs, the message names what the last one met.
    let met = ready["message"].as_str().unwrap().contains(&format!("ended with {reason}: "));
    assert!(ready["reason"] == reason || (code == 3 && met), "{text}");
    import
}

/// The folder of the import in a place, and how many records its parts have.
fn parts(place: &Path) -> (PathBuf, usize) {
    let mut folders = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.find(|path| path.is_dir()).unwrap();
    let parts = fs::read_dir(folder.join("parts")).into_iter().flatten();
    let lines = |path: PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let records = parts.map(|part| lines(part.unwrap().path())).sum();
    (folder, records)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reaches_a_bucket_once_its_credentials_are_right() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let bucket = root.path().join("people");
    fs::create_dir(&bucket).unwrap();
    let origin = s3::serve(root.path(), "AKTEST", "right-secret").await;
    let allowed = format!("s3://people/back,{origin}");
    let store = json!({"url": "s3://people/back/", "credentialsSecretRef": {"name": "bucket"},
        "maxRecordsPerFile": 100});
    let secret = |key: &str| {
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "bucket", "labels": {"clinch.hireez.dev/use": "destination"},
                "annotations": {"clinch.hireez.dev/allowed-origin": "s3://people"}},
            "stringData": {"AWS_ACCESS_KEY_ID": "AKTEST", "AWS_SECRET_ACCESS_KEY": key,
                "AWS_ENDPOINT_URL": origin, "AWS_REGION": "us-east-1"}})
    };
    write(folder.path(), &sandbox, &store, &secret("wrong-secret"));
    let denied = apply(folder.path(), &sandbox, ":", &allowed).await;
    let denied = expect(&denied, 1, "DestinationDenied");
    assert_eq!(condition(&denied, "SinkReady")["status"], "False");
    write(folder.path(), &sandbox, &store, &secret("right-secret"));
    let done = apply(folder.path(), &sandbox, ":", &allowed).await;
    let done = expect(&done, 0, "Imported");
    let manifest = done["status"]["lastManifest"]["url"].as_str().unwrap().to_owned();
    assert!(manifest.starts_with("s3://people/back/"), "{manifest}");
    let (own, records) = parts(&bucket.join("back"));
    assert_eq!(records, PEOPLE);
    assert!(root.path().join(manifest.trim_start_matches("s3://")).is_file());
    assert!(own.join("latest.json").is_file());
    let again = apply(folder.path(), &sandbox, ":", &allowed).await;
    expect(&again, 0, "Imported");
    assert_eq!(parts(&bucket.join("back")).1, PEOPLE, "nothing new, nothing written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_no_half_part_and_the_next_run_lists_everybody_once() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let place = format!("file://{}", out.display());
    let store = json!({"url": format!("{place}/")});
    let none = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "none"}});
    write(folder.path(), &sandbox, &store, &none);
    // No file may have more than 32 KiB; the part has 40.
    let limit = "trap '' XFSZ; ulimit -f 64";
    let full = apply(folder.path(), &sandbox, limit, &place).await;
    let full = expect(&full, 3, "DestinationFull");
    let message = condition(&full, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("no space is left"), "{message}");
    assert!(fs::read_dir(parts(&out).0.join("parts")).unwrap().next().is_none_or(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with('.')
    }));
    let done = apply(folder.path(), &sandbox, ":", &place).await;
    expect(&done, 0, "Imported");
    let (own, records) = parts(&out);
    assert_eq!((records, fs::read_dir(own.join("parts")).unwrap().count()), (PEOPLE, 1));
}
