//! A full scan of a million people, first when all are new and then when nothing has changed. Clinch is a
//! list in memory that answers at once, and the sink a folder.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use clinch_operator::{
    domain::{ClinchId, Clock, Fence, Grant, GrantState, MatchKey},
    ledger::{FolderStore, ImportKeys, Keys, Suppressions},
    mapping::MembersRead,
    pipeline::{
        AttributeFilter, Deletions, Ending, Feed, FeedFault, FeedPage, FeedPerson, FeedRead,
        ImportCounts, ImportName, ImportPorts, ImportProgress, ImportSpec, MaxDeletions,
        ObjectSink, OwnWrites, PartFormat, ProfileMapping, Unmapped, run_import,
    },
    storage::{AllowedPlaces, StoragePolicy},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Row, harness::account, ledger::Memory};

const PEOPLE: u64 = 1_000_000;
pub(crate) const PAGE: u64 = 100;

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (what, expected) in [
        ("all new", ImportCounts { emitted: PEOPLE, ..ImportCounts::default() }),
        ("unchanged", ImportCounts { unchanged: PEOPLE, ..ImportCounts::default() }),
    ] {
        let (requests, files) = (Arc::new(AtomicU64::new(0)), files(folder.path())?);
        let (memory, start) = (Memory::start()?, Instant::now());
        let ports = ports(folder.path(), List { requests: requests.clone() })?;
        let report = tokio::spawn(run_import(spec(), ports)).await?;
        let took = start.elapsed().as_secs_f64();
        ensure!(report.ending == Ending::Completed, "{report:?}");
        let expected = ImportCounts { scanned: PEOPLE, ..expected };
        ensure!(report.progress.counts == expected, "{:?}", report.progress.counts);
        let requests = requests.load(Ordering::Relaxed) as f64;
        let pages = PEOPLE.div_ceil(PAGE) as f64;
        // Each reading ends with an empty page; the first scan is read twice.
        let readings = f64::from(report.progress.pass);
        rows.extend([
            Row::at_most(&format!("{what}: requests"), requests, readings * (pages + 1.0), ""),
            Row::at_most(
                &format!("{what}: memory"),
                memory.grown()?,
                128.0 + 60.0 * PEOPLE as f64 / 1_048_576.0,
                "MiB",
            ),
        ]);
        let rate = PEOPLE as f64 / took;
        rows.push(if what == "unchanged" {
            Row::at_least("unchanged: people a second", rate, 10_000.0)
        } else {
            Row::shown("all new: people a second", format!("{rate:.0}"))
        });
        let written = (self::files(folder.path())? - files) as f64;
        rows.push(if what == "unchanged" {
            Row::at_most("unchanged: files written to the sink", written, 0.0, "")
        } else {
            Row::shown("all new: files written to the sink", format!("{written}"))
        });
    }
    Ok(rows)
}

/// How many parts and manifests there are.
pub(crate) fn files(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for name in ["parts", "manifests"] {
        let folder = folder.join("sink/bench").join(name);
        if folder.exists() {
            count += std::fs::read_dir(folder)?.count();
        }
    }
    Ok(count)
}

pub(crate) fn spec() -> ImportSpec {
    ImportSpec {
        import: ImportName {
            namespace: "bench".to_owned(),
            name: "bench".to_owned(),
            uid: "bench".to_owned(),
        },
        mapping: Arc::new(Names),
        attributes: AttributeFilter::All,
        select: None,
        updated_after: None,
        deletions: Deletions::Tombstone,
        max_deletions: MaxDeletions::Percent(10),
        accept_deletions: None,
        full_scan_interval: Duration::ZERO,
        digest: "1".to_owned(),
    }
}

pub(crate) fn ports<F: Feed>(
    folder: &Path,
    feed: F,
) -> anyhow::Result<ImportPorts<F, ObjectSink, FolderStore>> {
    let parts = (PartFormat::Ndjson, 5000);
    let place = format!("file://{}", folder.display());
    let allowed = AllowedPlaces::destinations([place.as_str()])?;
    let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    Ok(ImportPorts {
        feed,
        sink: ObjectSink::open(&format!("{place}/sink/"), None, &policy, "bench", parts)?,
        known_max: None,
        store: FolderStore::new(folder.join("state")),
        keys: ImportKeys::of(&[7; 32], account(), "bench"),
        suppressions: Suppressions::in_memory(Keys::of_account(&[7; 32], account())),
        own: OwnWrites::Include,
        grant: Grant::new(|| GrantState::Valid),
        fence: Fence::open(),
        reported_scan: None,
        clock: Clock::new(Timestamp::now),
        progress: watch::channel(ImportProgress::default()).0,
        cancel: CancellationToken::new(),
    })
}

struct Names;

impl ProfileMapping for Names {
    fn profile(
        &self,
        _: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Unmapped> {
        let mut profile = Map::new();
        let given = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        profile.insert("firstName".to_owned(), given("first_name"));
        profile.insert("lastName".to_owned(), given("last_name"));
        profile.insert("title".to_owned(), given("current_job_title"));
        profile.insert("emails".to_owned(), json!([{"value": given("email")}]));
        Ok(profile)
    }

    fn reads(&self) -> MembersRead {
        let names = ["first_name", "last_name", "current_job_title", "email"];
        MembersRead { all: false, names: names.map(str::to_owned).into() }
    }
}

/// A list of a million people.
struct List {
    requests: Arc<AtomicU64>,
}

impl Feed for List {
    type Cursor = u64;

    async fn page(
        &self,
        at: Option<u64>,
        _: Option<Timestamp>,
    ) -> Result<FeedPage<u64>, FeedFault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let from = at.unwrap_or_default();
        let people: Vec<FeedPerson> =
            (from..PEOPLE.min(from + PAGE)).filter_map(|n| person(n).ok()).collect();
        Ok(FeedPage {
            listed: people.len() as u64,
            next: (!people.is_empty()).then_some(from + PAGE),
            people,
            total: Some(PEOPLE),
            asked: PAGE,
            too_large: None,
            cut_off: false,
            answered_at: Some(Timestamp::now()),
        })
    }

    async fn get(&self, _: &ClinchId) -> Result<FeedRead, FeedFault> {
        Ok(FeedRead::Gone)
    }

    async fn lists_changes(&self) -> Result<Result<(), &'static str>, FeedFault> {
        Ok(Err("not offered"))
    }

    fn largest_answer(&self) -> usize {
        4 << 20
    }

    fn updated_at(&self) -> Option<&str> {
        Some("updated_at")
    }
}

pub(crate) fn person(n: u64) -> anyhow::Result<FeedPerson> {
    let email = format!("elif.kaur.{n}@example.org");
    let attributes = json!({
        "email": email, "first_name": format!("Elif{n}"), "last_name": "Kaur",
        "current_job_title": "Lead Engineering Manager", "current_employer": "Juniperfold",
        "location": "New York, New York, US", "updated_at": "2026-11-25T22:07:51Z",
    });
    let Value::Object(attributes) = attributes else { anyhow::bail!("an object") };
    Ok(FeedPerson {
        id: ClinchId::parse(&format!("0f4c1d3a-5b6c-4d7e-8f90-a1b2{n:08x}"))?,
        key: MatchKey::fold(&email),
        attributes,
        anonymised: false,
        merged_into: None,
    })
}
