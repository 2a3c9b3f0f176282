//! Files at destinations: an S3 server that checks signatures, servers that misbehave, and file systems
//! that are full or read-only. A file appears as a whole or not at all.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, http::Response};
use bytes::Bytes;
use clinch_operator::{
    domain::{Disposition, Reason},
    storage::{AllowedPlaces, Destination, PlaceError, StoragePolicy, WriteFault, Written},
};
use sha2::{Digest as _, Sha256};

use crate::{
    fake_store::{FakeStore, answer, error},
    s3,
};

type Fields = BTreeMap<String, Bytes>;

const OWNER: &str = "0b6c5c5a-1f5e-4c7e-9d4f-4f3f0c1d2e3a";
const MEBIBYTE: usize = 1 << 20;

fn policy(allowed: &[&str]) -> Arc<StoragePolicy> {
    let allowed = AllowedPlaces::destinations(allowed.iter().copied()).unwrap();
    Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() })
}

fn secret(origin: &str, key: &str) -> Fields {
    [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", key),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", origin),
    ]
    .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    .into()
}

fn at(origin: &str, url: &str, key: &str) -> Destination {
    let policy = policy(&["s3://people", origin]);
    Destination::open(url, Some(&secret(origin, key)), &policy).unwrap()
}

/// Bytes that differ everywhere.
fn content(size: usize, seed: u64) -> Bytes {
    let mut content = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut content);
    content.into()
}

async fn write(to: &Destination, content: &Bytes) -> Result<Written, WriteFault> {
    let mut file = to.create(OWNER).await?;
    // Pieces that do not fit the parts.
    for start in (0..content.len()).step_by(300_007) {
        file.write(content.slice(start..content.len().min(start + 300_007))).await?;
    }
    file.finish().await
}

fn sha256(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// A bucket of a real server, as a folder.
struct Bucket {
    root: tempfile::TempDir,
    origin: String,
}

impl Bucket {
    async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("people")).unwrap();
        let origin = s3::serve(root.path(), "AKIATEST", "s3-secret").await;
        Self { root, origin }
    }

    fn at(&self, url: &str) -> Destination {
        at(&self.origin, url, "s3-secret")
    }

    fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.path().join("people").join(key)).ok()
    }

    /// What the server keeps of uploads.
    fn of_uploads(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.root.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".upload") || name.contains(".part")).collect()
    }
}

#[tokio::test]
async fn an_object_appears_as_a_whole_with_checksum_and_version() {
    let bucket = Bucket::start().await;
    // The last but one is written with one request and then in parts; the last one has more parts than
    // are sent at a time.
    for size in [0, 1, 8 * MEBIBYTE, 34 * MEBIBYTE + 17] {
        let to = bucket.at(&format!("s3://people/out/{size}.csv"));
        assert_eq!(to.seen().await, Ok(None), "{size}");
        let content = content(size, 1);
        let written = write(&to, &content).await.unwrap();
        assert_eq!((written.bytes, &written.sha256), (size as u64, &sha256(&content)), "{size}");
        assert!(bucket.object(&format!("out/{size}.csv")).unwrap() == content, "{size}");
        let seen = to.seen().await.unwrap().unwrap();
        assert_eq!((&seen.version, seen.bytes), (&written.version, written.bytes), "{size}");
        if size <= 8 * MEBIBYTE {
            let next = write(&to, &self::content(size + 1, 2)).await.unwrap();
            assert_ne!(next.version, written.version, "{size}");
            assert_eq!(to.seen().await.unwrap().unwrap().version, next.version, "{size}");
        }
    }
    assert_eq!(bucket.of_uploads(), Vec::<String>::new());
    let metadata = std::fs::read_dir(bucket.root.path()).unwrap().filter_map(Result::ok);
    let stored: Vec<String> =
        metadata.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).collect();
    let small = sha256(&content(2, 2));
    assert!(
        stored.iter().any(|text| text.contains(&small)),
        "the checksum is metadata: {stored:?}"
    );
    assert!(stored.iter().any(|text| text.contains("text/csv")), "{stored:?}");
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_neither_parts_nor_an_object() {
    let bucket = Bucket::start().await;
    let to = bucket.at("s3://people/big.ndjson");
    let old = content(1000, 1);
    write(&to, &old).await.unwrap();
    let half = || async {
        let mut file = to.create(OWNER).await.unwrap();
        file.write(content(30 * MEBIBYTE, 2)).await.unwrap();
        file
    };
    let file = half().await;
    assert!(!bucket.of_uploads().is_empty(), "parts are on their way");
    file.abort().await;
    assert_eq!(bucket.of_uploads(), Vec::<String>::new());
    drop(half().await);
    let gone = async {
        while !bucket.of_uploads().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("the parts are removed");
    assert!(bucket.object("big.ndjson").unwrap() == old, "the old file stays");
    // A write that is cancelled half way makes the writer useless, not the file.
    for finish in [true, false] {
        let mut file = half().await;
        let more = content(60 * MEBIBYTE, 3);
        assert!(futures::poll!(std::pin::pin!(file.write(more))).is_pending());
        assert_eq!(file.write(Bytes::new()).await, Err(WriteFault::Interrupted));
        if finish {
            assert_eq!(file.finish().await, Err(WriteFault::Interrupted));
        } else {
            file.abort().await;
        }
        assert_eq!(bucket.of_uploads(), Vec::<String>::new());
    }
    assert!(bucket.object("big.ndjson").unwrap() == old);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_the_old_file_stays() {
    let bucket = Bucket::start().await;
    let url = "s3://people/people.csv";
    write(&bucket.at(url), &content(10, 1)).await.unwrap();
    let wrong = at(&bucket.origin, url, "another-secret");
    assert_eq!(wrong.seen().await, Ok(None), "whether it may be written shows only a write");
    for size in [10, 9 * MEBIBYTE] {
        let fault = write(&wrong, &content(size, 2)).await.unwrap_err();
        let stalled = Disposition::Stalled { reason: Reason::DestinationDenied };
        assert_eq!(fault.disposition(), stalled, "{fault}");
        assert!(fault.to_string().contains("SignatureDoesNotMatch"), "{fault}");
    }
    assert!(bucket.object("people.csv").unwrap() == content(10, 1));
}

/// The fault of a file of this many bytes, and what the store was asked.
async fn refused(
    size: usize,
    answer: impl Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static,
) -> (WriteFault, Vec<String>) {
    let store = FakeStore::start(answer).await;
    let to = at(&store.origin, "s3://people/a.csv", "key");
    let fault = write(&to, &content(size, 1)).await.unwrap_err();
    (fault, store.asked())
}

#[tokio::test]
async fn each_answer_of_a_store_has_a_reason_and_a_message_of_its_own() {
    use Reason::{
        DestinationDenied, DestinationFull, DestinationInvalid, DestinationMissing,
        DestinationUnreachable,
    };
    for (status, code, reason, says) in [
        (403, "AccessDenied", DestinationDenied, "are refused (AccessDenied)"),
        (400, "ExpiredToken", DestinationDenied, "have expired"),
        (404, "NoSuchBucket", DestinationMissing, "no such bucket"),
        (507, "XMinioStorageFull", DestinationFull, "no space left"),
        (403, "RequestTimeTooSkewed", DestinationUnreachable, "NTP"),
        (301, "PermanentRedirect", DestinationInvalid, "AWS_REGION"),
        (501, "NotImplemented", DestinationUnreachable, "status 501"),
    ] {
        for size in [10, 9 * MEBIBYTE] {
            let (fault, asked) = refused(size, move |_| error(status, code)).await;
            assert_eq!(fault.disposition().reason(), reason, "{code} {size}");
            assert!(fault.to_string().contains(says), "{code}: {fault}");
            assert!(!asked.iter().any(|asked| asked.starts_with("DELETE")), "{asked:?}");
        }
    }
}

/// Begins a multipart upload, and answers every other request as configured.
fn beginning(target: &str, rest: fn(&str) -> Response<Body>) -> Response<Body> {
    if target.starts_with("POST") && target.contains("uploads") {
        let body = "<InitiateMultipartUploadResult><Bucket>people</Bucket><Key>a.csv</Key>\
                    <UploadId>u-1</UploadId></InitiateMultipartUploadResult>";
        return answer(200, &[("content-type", "application/xml")], body);
    }
    rest(target)
}

#[tokio::test]
async fn every_failure_within_an_upload_ends_it_at_the_store_once() {
    let denied_part = |target: &str| {
        beginning(target, |target| match target {
            part if part.starts_with("PUT") && part.contains("partNumber=2") => {
                error(403, "AccessDenied")
            }
            part if part.starts_with("PUT") => answer(200, &[("etag", "\"p\"")], ""),
            _ => answer(204, &[], ""),
        })
    };
    let failed_end = |target: &str| {
        beginning(target, |target| match target {
            part if part.starts_with("PUT") => answer(200, &[("etag", "\"p\"")], ""),
            // A store may begin its answer before it knows how it ends.
            end if end.starts_with("POST") => error(200, "AccessDenied"),
            _ => answer(204, &[], ""),
        })
    };
    let gone = |target: &str| {
        beginning(target, |target| match target {
            part if part.starts_with("PUT") => error(404, "NoSuchUpload"),
            _ => error(404, "NoSuchUpload"),
        })
    };
    let of = |(fault, asked): (WriteFault, Vec<String>)| {
        let aborts = asked.iter().filter(|asked| asked.starts_with("DELETE")).count();
        let whole = asked.iter().any(|asked| asked.starts_with("PUT") && !asked.contains("part"));
        assert!(!whole, "{asked:?}");
        (fault.disposition().reason(), aborts)
    };
    assert_eq!(of(refused(30 * MEBIBYTE, denied_part).await), (Reason::DestinationDenied, 1));
    assert_eq!(of(refused(9 * MEBIBYTE, failed_end).await), (Reason::DestinationUnreachable, 1));
    let interrupted = refused(9 * MEBIBYTE, gone).await;
    assert_eq!(interrupted.0, WriteFault::Interrupted);
    assert_eq!(of(interrupted), (Reason::DestinationUnreachable, 1));
}

#[tokio::test]
async fn an_upload_that_is_cut_off_is_retried_later() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut some = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut some).await;
            });
        }
    });
    let to = at(&origin, "s3://people/a.csv", "key");
    for size in [MEBIBYTE, 9 * MEBIBYTE] {
        let fault = write(&to, &content(size, 1)).await.unwrap_err();
        let retried = Disposition::retry(Reason::DestinationUnreachable);
        assert_eq!(fault.disposition(), retried, "{fault:?}");
    }
    assert!(to.seen().await.unwrap_err().is_transient(), "no answer is not: no file");
}

#[test]
fn places_are_checked_with_the_list_of_destinations() {
    let policy = policy(&["s3://people/out", "file:///srv/out"]);
    let open = |url: &str| Destination::open(url, None, &policy).map(|to| to.identity());
    let message = |url: &str| open(url).unwrap_err().to_string();
    assert_eq!(open("s3://people/out/a.csv"), open("s3://people/out/a.csv"));
    assert_ne!(open("s3://people/out/a.csv"), open("s3://people/out/b.csv"));
    for url in ["s3://people/a.csv", "file:///srv/a.csv", "gs://people/out/a.csv"] {
        assert!(message(url).contains("--allowed-destinations"), "{}", message(url));
    }
    for (url, says) in [
        ("s3://people/out/../a.csv", ". or .. segment"),
        ("file:///srv/out/", "ends in a slash"),
        ("s3://people/out/*.csv", "* ? [ ] { }"),
        ("https://people/out/a.csv", "s3://, gs://, az:// or file:///"),
    ] {
        assert!(matches!(open(url), Err(PlaceError::Url(_))), "{url}");
        assert!(message(url).contains(says), "{}", message(url));
    }
    let elsewhere = secret("http://127.0.0.1:1", "key");
    let refused = Destination::open("s3://people/out/a.csv", Some(&elsewhere), &policy);
    assert!(refused.unwrap_err().to_string().contains("--allowed-destinations"));
    let listed = self::policy(&["s3://people", "http://127.0.0.1:1", "http://127.0.0.1:2"]);
    let identity = |origin: &str| {
        let secret = secret(origin, "key");
        Destination::open("s3://people/a.csv", Some(&secret), &listed).unwrap().identity()
    };
    assert_ne!(identity("http://127.0.0.1:1"), identity("http://127.0.0.1:2"), "two servers");
    assert!(!identity("http://127.0.0.1:1").contains("key"));
}

fn local(folder: &Path, name: &str) -> Destination {
    let root = format!("file://{}", folder.display());
    Destination::open(&format!("{root}/{name}"), None, &policy(&[&root])).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_of_this_machine_appears_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let to = local(folder.path(), "2026/people.csv");
    assert_eq!(to.seen().await, Ok(None));
    let content = content(3 * MEBIBYTE, 1);
    let written = write(&to, &content).await.unwrap();
    assert_eq!((written.bytes, written.sha256), (content.len() as u64, sha256(&content)));
    let seen = to.seen().await.unwrap().unwrap();
    assert_eq!((seen.version, seen.bytes), (written.version, written.bytes));
    let mut file = to.create(OWNER).await.unwrap();
    file.write(self::content(2 * MEBIBYTE, 2)).await.unwrap();
    file.abort().await;
    assert!(std::fs::read(folder.path().join("2026/people.csv")).unwrap() == content);
    assert_eq!(names(&folder.path().join("2026")), ["people.csv"]);
}

/// Runs a test of this program with a small file system mounted at `folder`, or without one and without the
/// capabilities of its user.
pub(crate) fn in_namespaces(test: &str, folder: Option<&Path>) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("--user");
    if let Some(folder) = folder {
        let mount =
            format!("mount -t tmpfs -o size=4m tmpfs '{}' && exec \"$@\"", folder.display());
        command.args(["--map-root-user", "--mount", "sh", "-c", mount.as_str(), "sh"]);
        command.env("CLINCH_TEST_MOUNT", folder);
    }
    let output = command.arg(program).args([test, "--exact", "--ignored", "--nocapture"]).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return skipped(&format!("unshare cannot be started: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !said.contains("running 1 test") {
        return skipped(&errors);
    }
    assert!(output.status.success(), "{said}{errors}");
}

#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {}", why.trim());
}

pub(crate) fn mounted() -> PathBuf {
    std::env::var_os("CLINCH_TEST_MOUNT").expect("started by another test").into()
}

#[test]
fn a_full_file_system_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    in_namespaces("destinations::on_a_small_file_system", Some(folder.path()));
}

#[tokio::test]
#[ignore = "started by a_full_file_system_keeps_the_old_file"]
async fn on_a_small_file_system() {
    let folder = mounted();
    let to = local(&folder, "people.csv");
    let old = content(MEBIBYTE, 1);
    write(&to, &old).await.unwrap();
    let fault = write(&to, &content(9 * MEBIBYTE, 2)).await.unwrap_err();
    assert_eq!(fault, WriteFault::NoSpace);
    assert_eq!(fault.disposition(), Disposition::retry(Reason::DestinationFull));
    assert!(std::fs::read(folder.join("people.csv")).unwrap() == old);
    assert_eq!(names(&folder), ["people.csv"], "the space is free again");
    write(&to, &content(2 * MEBIBYTE, 3)).await.unwrap();
}

#[test]
fn a_read_only_file_system_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    in_namespaces("destinations::on_a_read_only_file_system", Some(folder.path()));
}

#[tokio::test]
#[ignore = "started by a_read_only_file_system_keeps_the_old_file"]
async fn on_a_read_only_file_system() {
    let folder = mounted();
    let to = local(&folder, "people.csv");
    let old = content(1000, 1);
    let written = write(&to, &old).await.unwrap();
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&folder).status();
    assert!(remount.unwrap().success());
    let fault = write(&to, &content(10, 2)).await.unwrap_err();
    assert_eq!(fault, WriteFault::ReadOnly);
    assert_eq!(fault.disposition().reason(), Reason::DestinationReadOnly);
    assert_eq!(to.seen().await.unwrap().unwrap().version, written.version);
    let fault = write(&local(&folder, "new/people.csv"), &old).await.unwrap_err();
    assert_eq!(fault, WriteFault::ReadOnly);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_without_permission_keeps_the_old_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("closed");
    std::fs::create_dir(&below).unwrap();
    let to = local(folder.path(), "closed/people.csv");
    write(&to, &content(10, 1)).await.unwrap();
    std::fs::set_permissions(&below, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(below.join("probe"), "").is_ok() {
        skipped("this user may write to every folder");
        return;
    }
    assert_eq!(write(&to, &content(10, 2)).await, Err(WriteFault::Denied));
    assert!(std::fs::read(below.join("people.csv")).unwrap() == content(10, 1));
}
