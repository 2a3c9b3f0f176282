//! `apply` killed with SIGKILL again and again, at instants nobody chose, by a real process table;
//! the emulator's own books are the judge. `hack/kill.sh` does it many more times.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::json;

/// The manifests; NDJSON lines are put in for PEOPLE.
const MANIFESTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: AKKILL, secretKey: kill-secret}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {jobs: [{job: ENG-101, stages: [Screen]}]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: steps}
spec:
  fields:
  - {to: email, from: "emails[0].value", required: true}
  - {to: first_name, from: firstName}
  tags: {enabled: true, from: tags, activity: hireez_tags}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: acme}
  fieldMappingRef: {name: steps}
  source: {configMapRef: {name: people}}
  destination: {job: {reference: ENG-101, stage: Screen}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: people}
data:
  people.ndjson: |
"#;

/// Kills of the ordinary test run; `CLINCH_KILLS` asks for more.
const KILLS: u64 = 12;
/// A life ends after so many requests at most.
const LONGEST_LIFE: u64 = 40;
const SOON: Duration = Duration::from_mins(1);

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn apply(folder: &Path, origin: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["apply", "--environment", "sandbox", "--allowed-endpoints", origin, "-f"])
        .arg(folder.join("manifests.yaml"))
        .arg("--state")
        .arg(folder.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until so many requests were made in all, or the process is done.
async fn lived(child: &mut Child, sandbox: &Sandbox, requests: u64) -> Option<ExitStatus> {
    let started = Instant::now();
    while sandbox.requests().total < requests {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        assert!(started.elapsed() < SOON, "no {requests} requests after {SOON:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_instant_loses_nobody_and_doubles_nothing() {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    // Nobody but the operator sees to it that there are no doubles.
    let contract = json!({"duplicateEmail": "allow"});
    let options = Options {
        contract: serde_json::from_value(contract).unwrap(),
        ..Options::default().with_credential("hireEZ", "AKKILL", "kill-secret")
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.set_latency(Duration::from_millis(5));
    let folder = tempfile::tempdir().unwrap();
    // Three requests a person: more than all the lives to come can make.
    let people = kills * LONGEST_LIFE / 3 + 20;
    let mut manifests = MANIFESTS.replace("ORIGIN", &sandbox.base_url());
    for n in 0..people {
        let profile = json!({"firstName": "Test", "tags": ["remote"],
            "emails": [{"value": format!("person{n}@example.com")}]});
        writeln!(manifests, "    {profile}").unwrap();
    }
    std::fs::write(folder.path().join("manifests.yaml"), manifests).unwrap();

    let mut random = fastrand::Rng::with_seed(seed);
    for kill in 1..=kills {
        let until = sandbox.requests().total + random.u64(0..=LONGEST_LIFE);
        let mut child = apply(folder.path(), &sandbox.base_url());
        let ended = lived(&mut child, &sandbox, until).await;
        assert_eq!(ended, None, "seed {seed}: it ended by itself before kill {kill}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    sandbox.set_latency(Duration::ZERO);
    let status = apply(folder.path(), &sandbox.base_url()).wait().unwrap();
    assert_eq!(status.code(), Some(0), "seed {seed}: the last one completes everything");

    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for person in sandbox.people("hireEZ") {
        let email = person["attributes"]["email"].as_str().unwrap().to_owned();
        for steps in ["applications", "activities"] {
            let count = person[steps].as_array().map_or(0, Vec::len);
            assert_eq!(count, 1, "seed {seed}: {steps} of {email}");
        }
        *found.entry(email).or_default() += 1;
    }
    let expected = (0..people).map(|n| (format!("person{n}@example.com"), 1)).collect();
    assert_eq!(found, expected, "seed {seed}");
    // A job's people are not read: that nothing is doubled shows in the writes, too.
    let requests = sandbox.requests();
    for operation in ["createCandidate", "createApplication", "createActivity"] {
        assert_eq!(requests.with(operation, 201), people, "seed {seed}: {operation}");
    }
}
