//! Places that cannot be written any more, for a real cause each: what an export's file, a report and an
//! import say, and that everything which was there before still is. Once the cause is gone, they go on.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use clinch_operator::{
    domain::{Disposition, Reason},
    ledger::MemoryStore,
    pipeline::{
        Ending, FilePorts, LineFormat, ObjectSink, PartFormat, Report, ReportSpec, run_file,
        with_report,
    },
    storage::{AllowedPlaces, Destination, StoragePolicy},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    destinations::{in_namespaces, mounted, skipped},
    fake_store::{FakeStore, error},
    files::{people, ports, spec},
    import::Import,
    s3,
    setup::{ACCOUNT, World, contract, email, in_clinch, seeded},
};

/// A folder or bucket that is written, and what can be seen of it.
struct Place {
    url: String,
    secret: Option<BTreeMap<String, Bytes>>,
    allowed: Vec<String>,
    visible: PathBuf,
}

impl Place {
    fn folder(folder: &Path) -> Self {
        let url = format!("file://{}", folder.display());
        Self { allowed: vec![url.clone()], url, secret: None, visible: folder.to_owned() }
    }

    /// The bucket `people` of a server that serves the folders of `root`.
    fn bucket(root: &Path, origin: &str, secret: &str) -> Self {
        let secret = [
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", origin),
        ];
        let secret = secret.map(|(name, value)| (name.to_owned(), value.to_owned().into()));
        Self {
            url: "s3://people".to_owned(),
            secret: Some(secret.into()),
            allowed: vec!["s3://people".to_owned(), origin.to_owned()],
            visible: root.join("people"),
        }
    }

    fn policy(&self) -> Arc<StoragePolicy> {
        let allowed = AllowedPlaces::destinations(self.allowed.iter().map(String::as_str)).unwrap();
        Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() })
    }

    fn file(&self, name: &str) -> Destination {
        let url = format!("{}/{name}", self.url);
        Destination::open(&url, self.secret.as_ref(), &self.policy()).unwrap()
    }

    fn sink(&self) -> ObjectSink {
        let url = format!("{}/back/", self.url);
        let parts = (PartFormat::Ndjson, 100);
        ObjectSink::open(&url, self.secret.as_ref(), &self.policy(), "uid-import", parts).unwrap()
    }

    /// Every file below it, also those that nobody should see.
    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.visible.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    found.insert(entry.clone(), fs::read(entry).unwrap());
                }
            }
        }
        found
    }
}

/// What writes at a place.
struct Writers {
    world: World,
    state: MemoryStore,
}

impl Writers {
    async fn new() -> Self {
        let world = World::new(seeded(contract(json!({})), (0..30).map(in_clinch))).await;
        Self { world, state: MemoryStore::default() }
    }

    /// How a file of so many people, a report of it, and an import end.
    async fn write(&self, place: &Place, count: usize) -> [Ending; 3] {
        let file = run_file(spec(people(count)), ports(place.file("people.ndjson"))).await;
        let import =
            Import { world: &self.world, folder: &place.visible, state: self.state.clone() };
        let import = import.run(place.sink()).await;
        [file.ending, reported(place, count).await.ending, import.ending]
    }

    /// The same once the place cannot be written.
    async fn cannot_write(&self, place: &Place, expected: &Disposition) {
        let before = place.contents();
        // What is written would be different, and is more than the client sends with one request.
        self.world.sandbox.edit(ACCOUNT, &email(1), &json!({"first_name": "Edited"})).unwrap();
        for (ending, what) in
            self.write(place, 20_000).await.iter().zip(["file", "report", "import"])
        {
            let Ending::Interrupted { disposition, message } = ending else {
                panic!("{what}: {ending:?}")
            };
            assert_eq!(disposition, expected, "{what}: {message}");
        }
        assert!(place.contents() == before, "everything is as it was, and nothing else is there");
    }

    /// The same once it can be written.
    async fn writes(&self, place: &Place, count: usize) {
        let endings = self.write(place, count).await;
        assert_eq!(endings, [Ending::Completed, Ending::Completed, Ending::Completed]);
        let lines = fs::read_to_string(place.visible.join("people.ndjson")).unwrap();
        assert_eq!(lines.lines().count(), count);
        let import =
            Import { world: &self.world, folder: &place.visible, state: self.state.clone() };
        assert!(import.records().len() >= 30);
        assert!(place.contents().keys().all(|path| path.extension().unwrap() != "tmp"));
    }
}

/// Writes a report of a file elsewhere.
async fn reported(place: &Place, count: usize) -> Report {
    let elsewhere = tempfile::tempdir().unwrap();
    let report = ReportSpec {
        destination: place.file("report.csv"),
        format: LineFormat::of_name("report.csv"),
        rejected_only: false,
        dry_run: false,
        reveals: None,
        owner: "uid/report".to_owned(),
    };
    with_report(report, None, |report| {
        let file = Place::folder(elsewhere.path()).file("people.ndjson");
        run_file(spec(people(count)), FilePorts { report: Some(report), ..ports(file) })
    })
    .await
}

fn retried(reason: Reason) -> Disposition {
    Disposition::retry(reason)
}

fn stalled(reason: Reason) -> Disposition {
    Disposition::Stalled { reason }
}

fn missing() -> Disposition {
    let after = std::time::Duration::from_mins(1);
    Disposition::Retry { reason: Reason::DestinationMissing, after }
}

#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    in_namespaces("bad_places::on_a_disk_that_fills_up", Some(folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_full_disk"]
async fn on_a_disk_that_fills_up() {
    let (writers, place) = (Writers::new().await, Place::folder(&mounted()));
    writers.writes(&place, 3).await;
    let ballast = place.visible.join("ballast.bin");
    let full = fs::write(&ballast, vec![0; 8 << 20]);
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    writers.cannot_write(&place, &retried(Reason::DestinationFull)).await;
    fs::remove_file(ballast).unwrap();
    writers.writes(&place, 4).await;
}

#[test]
fn a_file_system_that_is_mounted_read_only() {
    let folder = tempfile::tempdir().unwrap();
    in_namespaces("bad_places::on_a_disk_that_turns_read_only", Some(folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_file_system_that_is_mounted_read_only"]
async fn on_a_disk_that_turns_read_only() {
    let (writers, place) = (Writers::new().await, Place::folder(&mounted()));
    writers.writes(&place, 3).await;
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(&place.visible).status();
        assert!(done.unwrap().success());
    };
    remount("remount,ro");
    writers.cannot_write(&place, &stalled(Reason::DestinationReadOnly)).await;
    remount("remount,rw");
    writers.writes(&place, 4).await;
}

#[test]
fn a_folder_without_permission_to_write() {
    let probe = tempfile::tempdir().unwrap();
    fs::set_permissions(probe.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(probe.path().join("probe"), "").is_err() {
        return in_folders_without_permission();
    }
    // A user who may write to every folder, but not without its capabilities.
    in_namespaces("bad_places::without_capabilities", None);
}

#[test]
#[ignore = "started by a_folder_without_permission_to_write"]
fn without_capabilities() {
    in_folders_without_permission();
}

#[tokio::main]
async fn in_folders_without_permission() {
    let folder = tempfile::tempdir().unwrap();
    let (writers, place) = (Writers::new().await, Place::folder(folder.path()));
    writers.writes(&place, 3).await;
    let back = folder.path().join("back/uid-import");
    let folders = [folder.path().to_owned(), back.join("parts"), back.join("manifests"), back];
    let permit = |mode| {
        for folder in &folders {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    permit(0o555);
    if fs::write(folder.path().join("probe"), "").is_ok() {
        skipped("this user may write to every folder");
        return;
    }
    writers.cannot_write(&place, &stalled(Reason::DestinationReadOnly)).await;
    permit(0o755);
    writers.writes(&place, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_folder_that_is_gone() {
    let above = tempfile::tempdir().unwrap();
    let (writers, folder) = (Writers::new().await, above.path().join("listed"));
    fs::create_dir(&folder).unwrap();
    let mut place = Place::folder(&folder);
    writers.writes(&place, 3).await;
    let aside = above.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    place.visible.clone_from(&aside);
    writers.cannot_write(&place, &missing()).await;
    assert!(!folder.exists(), "it is not created");
    fs::rename(&aside, &folder).unwrap();
    place.visible = folder;
    writers.writes(&place, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_or_link_in_the_place_of_the_file() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (writers, place) = (Writers::new().await, Place::folder(folder.path()));
    writers.writes(&place, 3).await;
    let names = ["people.ndjson", "report.csv", "back/uid-import/latest.json"];
    let aside = |name: &str| outside.path().join(name.replace('/', "-"));
    let in_the_way: [fn(&Path, &Path); 2] = [
        |name, _| fs::create_dir(name).unwrap(),
        // Whatever has the name is not written through: it may be outside the listed folder.
        |name, aside| std::os::unix::fs::symlink(aside, name).unwrap(),
    ];
    for obstruct in in_the_way {
        for name in names {
            let path = folder.path().join(name);
            fs::rename(&path, aside(name)).unwrap();
            obstruct(&path, &aside(name));
        }
        let kept = names.map(|name| fs::read(aside(name)).unwrap());
        writers.cannot_write(&place, &stalled(Reason::DestinationInvalid)).await;
        assert!(names.map(|name| fs::read(aside(name)).unwrap()) == kept);
        for name in names {
            let path = folder.path().join(name);
            fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
            fs::rename(aside(name), path).unwrap();
        }
        writers.writes(&place, 4).await;
    }
}

/// A server that checks signatures, and its folder.
async fn server() -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("people")).unwrap();
    let origin = s3::serve(root.path(), "AKIATEST", "s3-secret").await;
    (root, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_refuses_the_credentials() {
    let (root, origin) = server().await;
    let writers = Writers::new().await;
    let place = Place::bucket(root.path(), &origin, "s3-secret");
    writers.writes(&place, 3).await;
    let refused = Place::bucket(root.path(), &origin, "another-secret");
    writers.cannot_write(&refused, &stalled(Reason::DestinationDenied)).await;
    writers.writes(&place, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist() {
    let (root, origin) = server().await;
    let writers = Writers::new().await;
    let place = Place::bucket(root.path(), &origin, "s3-secret");
    writers.writes(&place, 3).await;
    // The other server would create the bucket. `make verify-stores` asks some that do not.
    let empty = FakeStore::start(|_| error(404, "NoSuchBucket")).await;
    let gone = Place::bucket(root.path(), &empty.origin, "s3-secret");
    writers.cannot_write(&gone, &missing()).await;
    writers.writes(&place, 4).await;
}

/// Passes connections on, and cuts each after so many bytes from its client.
async fn cutting_proxy(to: SocketAddr, most: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let most = most.clone();
            tokio::spawn(async move {
                let server = TcpStream::connect(to).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let answers = tokio::spawn(async move {
                    tokio::io::copy(&mut from_server, &mut to_client).await.ok();
                });
                let (mut buffer, mut passed) = (vec![0; 16 << 10], 0);
                while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                    passed += count;
                    if passed > most.load(Ordering::Relaxed)
                        || to_server.write_all(&buffer[..count]).await.is_err()
                    {
                        break;
                    }
                }
                answers.abort();
            });
        }
    });
    origin
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut() {
    let (root, origin) = server().await;
    let writers = Writers::new().await;
    let most = Arc::new(AtomicUsize::new(usize::MAX));
    let server = origin.strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = cutting_proxy(server, most.clone()).await;
    let place = Place::bucket(root.path(), &proxy, "s3-secret");
    writers.writes(&place, 3).await;
    // Within the first part of the file, within the head of a smaller request.
    for cut in [1 << 20, 100] {
        most.store(cut, Ordering::Relaxed);
        if cut == 100 {
            writers.cannot_write(&place, &retried(Reason::DestinationUnreachable)).await;
        } else {
            let before = place.contents();
            let to = place.file("people.ndjson");
            let report = run_file(spec(people(20_000)), ports(to)).await;
            let Ending::Interrupted { disposition, .. } = report.ending else {
                panic!("it is cut")
            };
            assert_eq!(disposition, retried(Reason::DestinationUnreachable));
            assert!(place.contents() == before);
        }
    }
    most.store(usize::MAX, Ordering::Relaxed);
    writers.writes(&place, 4).await;
}
