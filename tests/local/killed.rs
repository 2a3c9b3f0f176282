//! `apply` killed with SIGKILL again and again at random instants, as a real process; and two of them
//! on one account at the same time. The emulator's own records are the judge.
//! `hack/kill.sh` repeats it many more times.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault, Options, Sandbox};
use serde_json::json;

use crate::apply::apply;

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
EXPORTS---
apiVersion: v1
kind: ConfigMap
metadata: {name: people}
data:
  people.ndjson: |
"#;

/// An export of the people; its name is put in for NAME.
const EXPORT: &str = r"---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: NAME}
spec:
  integrationRef: {name: acme}
  fieldMappingRef: {name: steps}
  source: {configMapRef: {name: people}}
  destination: {job: {reference: ENG-101, stage: Screen}}
";

/// Kills of the ordinary test run; `CLINCH_KILLS` asks for more.
const KILLS: u64 = 8;
/// How often two processes race in the ordinary test run; `CLINCH_RACES` asks for more.
const RACES: u64 = 2;
/// The most requests that a process makes before it is killed.
const LONGEST_LIFE: u64 = 40;
pub const SOON: Duration = Duration::from_mins(1);

pub fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn start(folder: &Path, origin: &str) -> Child {
    apply(&folder.join("manifests.yaml"), &folder.join("state"), origin)
        // How long the next process waits after an unclean end: longer than any create takes here.
        .args(["--request-timeout", "2"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until this many requests were made in all, or the process has ended.
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

/// An emulator that accepts duplicates, and an export of this many people.
pub async fn stage(people: u64) -> (Sandbox, tempfile::TempDir) {
    let contract = json!({"duplicateEmail": "allow"});
    let options = Options {
        contract: serde_json::from_value(contract).unwrap(),
        ..Options::default().with_credential("hireEZ", "AKKILL", "kill-secret")
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &sandbox, people, &["people"]);
    (sandbox, folder)
}

/// Writes manifests with these exports, all of the same people.
fn write(folder: &Path, sandbox: &Sandbox, people: u64, exports: &[&str]) {
    let exports: String = exports.iter().map(|name| EXPORT.replace("NAME", name)).collect();
    let manifests = MANIFESTS.replace("EXPORTS", &exports);
    let mut manifests = manifests.replace("ORIGIN", &sandbox.base_url());
    for n in 0..people {
        let profile = json!({"firstName": "Test", "tags": ["remote"],
            "emails": [{"value": format!("person{n}@example.com")}]});
        writeln!(manifests, "    {profile}").unwrap();
    }
    std::fs::write(folder.join("manifests.yaml"), manifests).unwrap();
}

/// Everybody is in Clinch once, with their application and activity.
pub fn assert_exactly_once(sandbox: &Sandbox, people: u64, context: &str) {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for person in sandbox.people("hireEZ") {
        let email = person["attributes"]["email"].as_str().unwrap().to_owned();
        for steps in ["applications", "activities"] {
            let count = person[steps].as_array().map_or(0, Vec::len);
            assert_eq!(count, 1, "{context}: {steps} of {email}");
        }
        *found.entry(email).or_default() += 1;
    }
    let expected = (0..people).map(|n| (format!("person{n}@example.com"), 1)).collect();
    assert_eq!(found, expected, "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_instant_loses_nobody_and_duplicates_nobody() {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    // Three requests a person: more than all the lives to come can make.
    let people = kills * LONGEST_LIFE / 3 + 20;
    let (sandbox, folder) = stage(people).await;
    sandbox.set_latency(Duration::from_millis(5));
    let mut random = fastrand::Rng::with_seed(seed);
    for kill in 1..=kills {
        let until = sandbox.requests().total + random.u64(0..=LONGEST_LIFE);
        let mut child = start(folder.path(), &sandbox.base_url());
        let ended = lived(&mut child, &sandbox, until).await;
        assert_eq!(ended, None, "seed {seed}: it ended by itself before kill {kill}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    sandbox.set_latency(Duration::ZERO);
    let status = start(folder.path(), &sandbox.base_url()).wait().unwrap();
    assert_eq!(status.code(), Some(0), "seed {seed}: the last one completes everything");
    assert_exactly_once(&sandbox, people, &format!("seed {seed}"));
    // The writes show, too, that nothing is done twice.
    let requests = sandbox.requests();
    for operation in ["createCandidate", "createApplication", "createActivity"] {
        assert_eq!(requests.with(operation, 201), people, "seed {seed}: {operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_that_outlive_the_process_that_sent_them_are_waited_for() {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS / 4), number("CLINCH_SEED", 1));
    let people = 24 + kills * 8;
    let (sandbox, folder) = stage(people).await;
    // Carried out a second after they arrive, whether or not the sender is there any more.
    let late = Action::Late { commit_ms: 1000, answer_ms: None, code: None, html: false };
    sandbox.set_faults(vec![Fault::always("createCandidate", late)]);
    let mut random = fastrand::Rng::with_seed(seed);
    // Another export of the same people, also where the one that was killed is not declared any more.
    let lives: [&[&str]; 3] = [&["people"], &["again"], &["people", "again"]];
    for exports in lives.iter().cycle().take(kills.try_into().unwrap()) {
        write(folder.path(), &sandbox, people, exports);
        let before = sandbox.requests().of("createCandidate");
        let mut child = start(folder.path(), &sandbox.base_url());
        let started = Instant::now();
        // Creates are counted once they are carried out: the next ones are under way by then.
        while sandbox.requests().of("createCandidate") == before
            && child.try_wait().unwrap().is_none()
        {
            assert!(started.elapsed() < SOON, "nobody is created");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..900))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    sandbox.set_faults(Vec::new());
    write(folder.path(), &sandbox, people, &["third"]);
    let status = start(folder.path(), &sandbox.base_url()).wait().unwrap();
    assert_eq!(status.code(), Some(0), "seed {seed}");
    assert_exactly_once(&sandbox, people, &format!("seed {seed}"));
}

/// How many short runs may be needed: one more than the wait has parts.
const SHORT_RUNS: u32 = 10;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_shorter_than_the_wait_after_a_kill_get_on() {
    let (sandbox, folder) = stage(60).await;
    sandbox.set_latency(Duration::from_millis(20));
    let mut child = start(folder.path(), &sandbox.base_url());
    while sandbox.requests().of("createCandidate") < 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let short = || {
        apply(
            &folder.path().join("manifests.yaml"),
            &folder.path().join("state"),
            &sandbox.base_url(),
        )
        .args(["--request-timeout", "8", "--timeout", "4"])
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .code()
    };
    let codes: Vec<_> = (0..SHORT_RUNS).map_while(|_| short().filter(|code| *code == 3)).collect();
    assert!(!codes.is_empty() && codes.len() < SHORT_RUNS as usize, "{codes:?}");
    assert_eq!(short(), Some(0));
    assert_exactly_once(&sandbox, 60, "short runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_account_duplicate_no_more_than_one_probe_allows() {
    for race in 0..number("CLINCH_RACES", RACES) {
        let (sandbox, folder) = stage(400).await;
        sandbox.set_latency(Duration::from_millis(2 + race % 5));
        let other = tempfile::tempdir().unwrap();
        write(other.path(), &sandbox, 400, &["people"]);
        let mut one = start(folder.path(), &sandbox.base_url());
        let mut two = start(other.path(), &sandbox.base_url());
        let (one, two) = (one.wait().unwrap(), two.wait().unwrap());
        // People who are in Clinch twice are ambiguous: those records are rejected.
        assert!(one.code().is_some_and(|code| code <= 1), "{one}");
        assert!(two.code().is_some_and(|code| code <= 1), "{two}");
        let doubled = sandbox.doubled("hireEZ");
        println!("race {race}: {doubled} of 400 doubled");
        assert!(doubled <= 100, "race {race}: at most 50 each");
    }
}
