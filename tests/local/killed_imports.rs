//! `apply` killed with SIGKILL again and again while it imports, as a real process. What the manifests list,
//! or what the endpoint got, is the judge. `hack/verify.sh import-kills` repeats it many more times.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Options, Sandbox, SinkAnswer, SinkCut, SinkOptions, TestSink};
use serde_json::{Value, json};

use crate::{
    apply::apply,
    killed::{SOON, number},
};

/// Kills of the ordinary test run, for each kind of sink; `CLINCH_KILLS` asks for more.
const KILLS: u64 = 8;
const PEOPLE: u64 = 450;
/// The most steps that a process makes before it is killed: a whole run, and some more. Steps are the requests
/// to Clinch, and the batches that an endpoint gets.
const LONGEST_LIFE: u64 = 16;
/// The same for an endpoint. A process begins with the window that the one before it has declared: it reads its
/// 20 people and sends its 10 batches. Then it reads the list and sends 38 batches on average.
const LONGEST_LIFE_OF_BATCHES: u64 = 120;
/// Records of a batch: few, so that processes are killed within and between many of them.
const OF_A_BATCH: u64 = 2;
/// How long it lives after its last request at most, in ms: as long as parts and segments are written.
const AFTERWARDS: u64 = 25;
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Stage {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    /// What `--allowed-destinations` lists.
    allowed: String,
    random: fastrand::Rng,
    /// Counts up, so that nobody ever has the same values again.
    edits: u64,
    /// The people who are in Clinch, by id, and their names.
    people: BTreeMap<String, String>,
}

impl Stage {
    async fn new(sink: Value, allowed: String, folder: tempfile::TempDir, seed: u64) -> Self {
        let options = Options::default().with_credential("hireEZ", "AKKILL", "kill-secret");
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut stage = Self {
            sandbox,
            folder,
            allowed,
            random: fastrand::Rng::with_seed(seed),
            edits: 0,
            people: BTreeMap::new(),
        };
        (0..PEOPLE).for_each(|_| stage.add());
        stage.write(&sink);
        stage.sandbox.set_latency(Duration::from_millis(3));
        stage
    }

    fn add(&mut self) {
        self.edits += 1;
        let name = format!("Name{}", self.edits);
        let person = json!({"email": format!("p{}@example.com", self.edits), "first_name": name});
        let id = self.sandbox.add_person("hireEZ", &person).unwrap();
        self.people.insert(id, name);
    }

    fn somebody(&mut self) -> String {
        let at = self.random.usize(..self.people.len());
        self.people.keys().nth(at).unwrap().clone()
    }

    /// What somebody else does in Clinch.
    fn change(&mut self) {
        for _ in 0..self.random.u64(0..150) {
            self.edits += 1;
            let (id, name) = (self.somebody(), format!("Name{}", self.edits));
            self.sandbox.edit("hireEZ", &id, &json!({ "first_name": name })).unwrap();
            self.people.insert(id, name);
        }
        for _ in 0..self.random.u64(0..5) {
            self.add();
            let id = self.somebody();
            self.sandbox.delete("hireEZ", &id).unwrap();
            self.people.remove(&id);
        }
    }

    fn write(&self, sink: &Value) {
        let api = "clinch.hireez.dev/v1alpha1";
        let keys = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "keys", "labels": {"clinch.hireez.dev/use": "destination"},
                "annotations": {"clinch.hireez.dev/allowed-origin": self.allowed}},
            "stringData": {"key": KEY}});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "AKKILL", "secretKey": "kill-secret"}}),
            keys,
            json!({"apiVersion": api, "kind": "ClinchIntegration", "metadata": {"name": "acme"},
                "spec": {"endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}},
                    "readPermission": {"candidates": "Allowed", "attributes": ["*"]}}}),
            json!({"apiVersion": api, "kind": "CandidateImport", "metadata": {"name": "back"},
                "spec": {"integrationRef": {"name": "acme"}, "sink": sink,
                    "maxDeletions": "100%"}}),
        ];
        let text = objects.map(|object| object.to_string()).join("\n---\n");
        fs::write(self.folder.path().join("manifests.yaml"), text).unwrap();
    }

    fn start(&self) -> Child {
        let (folder, origin) = (self.folder.path(), self.sandbox.base_url());
        apply(&folder.join("manifests.yaml"), &folder.join("state"), &origin)
            .args(["--allowed-destinations", &self.allowed, "--timeout", "60"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Starts and kills processes, and changes people between them; how many were killed while they
    /// worked. Then lets one work to its end. `more`: steps beside requests to Clinch.
    async fn kill_and_complete(
        &mut self,
        (kills, longest_life): (u64, u64),
        before_each: impl Fn(),
        more: impl Fn() -> u64,
    ) -> u64 {
        let mut killed = 0;
        for kill in 0..kills {
            if kill > 0 {
                self.change();
            }
            before_each();
            let steps = || self.sandbox.requests().total + more();
            let until = steps() + self.random.u64(1..=longest_life);
            let mut child = self.start();
            let started = Instant::now();
            while steps() < until && child.try_wait().unwrap().is_none() {
                assert!(started.elapsed() < SOON, "no requests after {SOON:?}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The instant is what the test is about.
            let afterwards = Duration::from_millis(self.random.u64(0..AFTERWARDS));
            tokio::time::sleep(afterwards).await;
            killed += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut last = self.start();
        let ended = tokio::task::spawn_blocking(move || last.wait().unwrap()).await.unwrap();
        assert_eq!(ended.code(), Some(0), "the last one completes everything");
        killed
    }

    /// Fails unless the last that the records say of everybody is what Clinch has.
    fn assert_complete(&self, records: &[Value], context: &str) {
        let mut last: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for record in records {
            last.insert(record["clinch"]["id"].as_str().unwrap(), record["firstName"].as_str());
        }
        for (id, name) in &self.people {
            let found = last.remove(id.as_str());
            assert_eq!(found, Some(Some(name.as_str())), "{context}: {id}");
        }
        for (id, name) in last {
            assert_eq!(name, None, "{context}: {id} is gone without a tombstone");
        }
    }
}

/// A version of a person, or that they are gone.
fn version(record: &Value) -> (String, String) {
    let member = |name: &str| record["clinch"][name].as_str().unwrap_or_default().to_owned();
    (member("id"), member("revision"))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The records that the manifests below a folder list, in order. Fails if there is anything else.
fn listed(out: &Path, context: &str) -> Vec<Value> {
    let folders: Vec<PathBuf> =
        fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = &folders[..] else { panic!("{context}: {folders:?}") };
    let read = |name: String| fs::read_to_string(folder.join(name)).unwrap();
    let manifests: Vec<Value> = names(&folder.join("manifests"))
        .into_iter()
        .map(|name| serde_json::from_str(&read(format!("manifests/{name}"))).unwrap())
        .collect();
    let latest: Value = serde_json::from_str(&read("latest.json".to_owned())).unwrap();
    assert_eq!(Some(&latest), manifests.last(), "{context}");
    let parts = manifests.iter().flat_map(|manifest| manifest["parts"].as_array().unwrap());
    let parts: Vec<String> = parts.map(|part| part["name"].as_str().unwrap().to_owned()).collect();
    let there = names(&folder.join("parts")).into_iter().map(|name| format!("parts/{name}"));
    assert_eq!(parts.iter().cloned().collect::<BTreeSet<_>>(), there.collect(), "{context}");
    let texts: Vec<String> = parts.into_iter().map(read).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_at_any_instant_lists_every_version_once() {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    let context = format!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let place = format!("file://{}", out.display());
    let sink = json!({"objectStore": {"url": format!("{place}/"), "maxRecordsPerFile": 100}});
    let mut stage = Stage::new(sink, place, folder, seed).await;
    let killed = stage.kill_and_complete((kills, LONGEST_LIFE), || {}, || 0).await;
    let records = listed(&out, &context);
    let mut versions = BTreeSet::new();
    for record in &records {
        assert!(versions.insert(version(record)), "{context}: {record} is listed twice");
    }
    stage.assert_complete(&records, &context);
    println!("object store: {killed} of {kills} killed, {} versions, each once", versions.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_at_any_instant_sends_every_version_and_no_id_with_two_bodies() {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    let context = format!("seed {seed}");
    let endpoint = TestSink::start(SinkOptions::new(KEY)).await.unwrap();
    let sink = json!({"http": {"url": endpoint.url(), "signingSecretRef": {"name": "keys"},
        "maxRecords": OF_A_BATCH}});
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(sink, endpoint.origin(), folder, seed).await;
    // The first batch of each process is kept, and that is not said.
    let lives = std::cell::RefCell::new(Vec::new());
    let cut = || {
        lives.borrow_mut().push(endpoint.requests());
        endpoint.set_answers(vec![SinkAnswer::cut(SinkCut::AfterCommit).times(1)]);
    };
    let life = (kills, LONGEST_LIFE_OF_BATCHES);
    let killed = stage.kill_and_complete(life, cut, || endpoint.requests()).await;
    // Of each process that was killed, the number of its batches.
    let batches: Vec<u64> = lives.into_inner().windows(2).map(|pair| pair[1] - pair[0]).collect();
    let within = batches.iter().filter(|count| **count > 1).count() as u64;
    assert!(kills < 4 || within * 4 >= kills, "{context}: kills fall among batches: {batches:?}");
    let received = endpoint.received();
    assert_eq!((received.unsigned, received.conflicts), (0, 0), "{context}");
    for delivery in &received.deliveries {
        assert_eq!(delivery.bodies.len(), 1, "{context}: {delivery:?}");
    }
    stage.assert_complete(&endpoint.records(), &context);
    let again = received.deliveries.iter().filter(|delivery| delivery.times > 1).count();
    let twice = received.records.iter().filter(|record| record.times > 1).count();
    println!(
        "endpoint: {killed} of {kills} killed, {within} of them after several batches; {} versions, {twice} \
         of them in two batches; {again} of {} batches came again, with the same body",
        received.records.len(),
        received.deliveries.len()
    );
}
