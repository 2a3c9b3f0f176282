//! Processes that write files, killed with SIGKILL at random instants: under its name, a file is there as a
//! whole or is the one before. `hack/kill.sh` repeats it many more times.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clinch_operator::storage::{AllowedPlaces, Destination, StoragePolicy};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    files::{World, export},
    killed::number,
    s3,
};

/// Kills of the ordinary test run, for each kind of destination; `CLINCH_KILLS` asks for more.
const KILLS: u64 = 4;
const OWNER: &str = "5a0f6c0e-6c1f-4b53-8c55-2f9d8f0f7a11";
const ORIGIN: &str = "CLINCH_TEST_ORIGIN";
const URL: &str = "CLINCH_TEST_URL";
const FIRST: &str = "CLINCH_TEST_FIRST";
const SOON: Duration = Duration::from_mins(1);
/// The longest that a process works after its first file, in ms.
const LONGEST_LIFE: u64 = 400;

/// The content of a generation: its number, and as many bytes that depend on it. Some are larger than what
/// is sent with one request.
fn content(generation: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(generation);
    let mut bytes = vec![0; random.usize(0..20 << 20)];
    random.fill(&mut bytes);
    let mut content = format!("{generation}\n").into_bytes();
    content.append(&mut bytes);
    content.into()
}

fn generation(content: &[u8]) -> Option<u64> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(&content[..end]).ok()?.parse().ok()
}

fn destination(url: &str, origin: &str) -> Destination {
    let allowed =
        ["s3://people", "file:///"].into_iter().chain((!origin.is_empty()).then_some(origin));
    let allowed = AllowedPlaces::destinations(allowed).unwrap();
    let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    let secret: BTreeMap<String, Bytes> = [
        ("AWS_ACCESS_KEY_ID", "AKKILL"),
        ("AWS_SECRET_ACCESS_KEY", "kill-secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", origin),
    ]
    .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    .into();
    Destination::open(url, (!origin.is_empty()).then_some(&secret), &policy).unwrap()
}

/// The process that is killed: it writes one generation after the other.
#[tokio::test]
#[ignore = "started by the other tests, and killed"]
async fn a_process_that_writes() {
    let variable = |name: &str| std::env::var(name).expect("started by another test");
    let to = destination(&variable(URL), &variable(ORIGIN));
    let mut generation = number(FIRST, 0);
    loop {
        let content = content(generation);
        let mut file = to.create(OWNER).await.unwrap();
        for start in (0..content.len()).step_by(64 << 10) {
            file.write(content.slice(start..content.len().min(start + (64 << 10)))).await.unwrap();
        }
        let written = file.finish().await.unwrap();
        assert_eq!(written.sha256, hex::encode(Sha256::digest(&content)));
        generation += 1;
    }
}

fn start(url: &str, origin: &str, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["killed_writers::a_process_that_writes", "--exact", "--ignored"])
        .envs([(URL, url), (ORIGIN, origin)])
        .env(FIRST, first.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The generation of the file, which is there as a whole.
fn whole(path: &Path, context: &str) -> Option<u64> {
    let found = std::fs::read(path).ok()?;
    let generation = generation(&found).unwrap_or_else(|| panic!("{context}: no generation"));
    assert!(found == content(generation), "{context}: {} bytes of {generation}", found.len());
    Some(generation)
}

/// Starts and kills processes that write a file. `after_each`: what is done when one was killed.
async fn kill_and_look(url: &str, origin: &str, file: &Path, after_each: impl AsyncFn()) {
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    let mut random = fastrand::Rng::with_seed(seed);
    for kill in 0..kills {
        let (first, context) = (kill * 1_000_000, format!("kill {kill} of seed {seed}"));
        let mut child = start(url, origin, first);
        let started = Instant::now();
        while whole(file, &context).is_none_or(|generation| generation < first) {
            assert_eq!(child.try_wait().unwrap(), None, "{context}");
            assert!(started.elapsed() < SOON, "{context}: nothing is written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The instant is what the test is about.
        tokio::time::sleep(Duration::from_millis(random.u64(0..LONGEST_LIFE))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(whole(file, &context) >= Some(first), "{context}");
        after_each().await;
        assert!(whole(file, &context) >= Some(first), "{context}");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_a_whole_file_in_a_folder() {
    let removed = std::cell::Cell::new(0);
    // Until one was killed while it wrote, which is a matter of luck.
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/people.csv", folder.path().display());
        let to = destination(&url, "");
        kill_and_look(&url, "", &folder.path().join("people.csv"), async || {
            removed.set(removed.get() + to.clean_up(OWNER).await.unwrap());
            let names = std::fs::read_dir(folder.path()).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["people.csv"], "nothing else is left");
        })
        .await;
        if removed.get() > 0 {
            return;
        }
    }
    panic!("none was killed while it wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_a_whole_object_in_a_bucket() {
    let root = tempfile::tempdir().unwrap();
    let bucket: PathBuf = root.path().join("people");
    std::fs::create_dir(&bucket).unwrap();
    let origin = s3::serve(root.path(), "AKKILL", "kill-secret").await;
    let url = "s3://people/people.csv";
    kill_and_look(url, &origin, &bucket.join("people.csv"), async || {}).await;
}

/// The people of a generation, as lines.
fn people(generation: u64) -> String {
    let note = "x".repeat(500);
    let line = |n| format!("{{\"firstName\":\"P{n}\",\"summary\":\"{generation} {note}\"}}\n");
    (0..3000).map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_leaves_a_whole_file_and_its_status_a_true_checksum() {
    let source = json!({"objectStore": {"url": "OUT/people.in.ndjson"}});
    let world = World::new(vec![export("people", "people.ndjson", source)]).await;
    let (source, file) = (world.out("people.in.ndjson"), world.out("people.ndjson"));
    let completes = async |generation: u64| {
        let done = world.expect(0, "FileWritten").await;
        let found = std::fs::read(&file).unwrap();
        assert!(found == people(generation).as_bytes(), "{} bytes of {generation}", found.len());
        assert_eq!(done["status"]["file"]["sha256"], hex::encode(Sha256::digest(&found)));
        assert_eq!(world.names(), ["people.in.ndjson", "people.ndjson"], "nothing else is left");
    };
    std::fs::write(&source, people(0)).unwrap();
    let started = Instant::now();
    completes(0).await;
    let life = u64::try_from(started.elapsed().as_millis()).unwrap();
    let (kills, seed) = (number("CLINCH_KILLS", KILLS), number("CLINCH_SEED", 1));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut before = people(0);
    for generation in 1..=kills {
        let next = people(generation);
        std::fs::write(&source, &next).unwrap();
        let mut child =
            world.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The instant is what the test is about.
        tokio::time::sleep(Duration::from_millis(random.u64(0..life))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let found = std::fs::read(&file).unwrap();
        let whole = found == before.as_bytes() || found == next.as_bytes();
        assert!(whole, "kill {generation} of seed {seed}: {} bytes", found.len());
        if found == next.as_bytes() {
            before = next;
        }
        if generation % 4 == 0 || generation == kills {
            completes(generation).await;
            before = people(generation);
        }
    }
}
