//! An import that Clinch lists changes to: a run that finds none, and an edit. Clinch is a list in memory
//! that answers at once, and the sink a folder.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clinch_operator::{
    domain::{ClinchId, Clock},
    pipeline::{
        Ending, Feed, FeedFault, FeedPage, FeedRead, ImportMode, ImportProgress, run_import,
    },
};
use jiff::Timestamp;

use crate::{
    Row,
    import::{PAGE, files, person, ports, spec},
};

const PEOPLE: u64 = 100_000;
/// What a run by `interval` adds to the interval.
const EDIT_BAR: f64 = 5.0;

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let changes = Changes::default();
    let first = run(folder.path(), &changes).await?;
    ensure!(first.counts.emitted == PEOPLE, "{:?}", first.counts);
    // As long as it takes until nobody is of the minutes that are read again.
    changes.later(Duration::from_mins(10));
    run(folder.path(), &changes).await?;
    changes.later(Duration::from_mins(10));

    let (requests, before) = (changes.requests(), (files(folder.path())?, state(folder.path())?));
    let quiet = run(folder.path(), &changes).await?;
    ensure!(quiet.mode == ImportMode::Incremental, "{}", quiet.mode_reason);
    let requests = (changes.requests() - requests) as f64;
    let after = (files(folder.path())?, state(folder.path())?);
    changes.edit(PEOPLE / 2);
    let start = Instant::now();
    let edited = run(folder.path(), &changes).await?;
    let took = start.elapsed().as_secs_f64();
    ensure!(edited.counts.emitted == 1, "{:?}", edited.counts);
    Ok(vec![
        Row::at_most("nothing changed: requests", requests, 2.0, ""),
        Row::at_most("nothing changed: files written", (after.0 - before.0) as f64, 0.0, ""),
        Row::at_most("nothing changed: segments written", (after.1 - before.1) as f64, 0.0, ""),
        Row::at_most("an edit, from the start of its run to the sink", took, EDIT_BAR, "s"),
    ])
}

/// One run, as an interval starts it: what is known is read from its segments.
async fn run(folder: &Path, changes: &Changes) -> anyhow::Result<ImportProgress> {
    let (feed, clock) = (changes.clone(), changes.clone());
    let mut spec = spec();
    spec.full_scan_interval = Duration::from_hours(24);
    let ports = ports(folder, feed)?;
    let ports =
        clinch_operator::pipeline::ImportPorts { clock: Clock::new(move || clock.now()), ..ports };
    let report = tokio::spawn(run_import(spec, ports)).await?;
    ensure!(report.ending == Ending::Completed, "{report:?}");
    Ok(report.progress)
}

/// How many segments there are.
fn state(folder: &Path) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(folder.join("state")).context("no state")?.count())
}

/// Everybody, and who was edited when.
#[derive(Clone, Default)]
struct Changes {
    requests: Arc<AtomicU64>,
    later: Arc<AtomicU64>,
    edited: Arc<Mutex<Option<(u64, Timestamp)>>>,
}

impl Changes {
    fn now(&self) -> Timestamp {
        Timestamp::now() + Duration::from_secs(self.later.load(Ordering::Relaxed))
    }

    fn later(&self, by: Duration) {
        self.later.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn edit(&self, n: u64) {
        *self.edited.lock().unwrap_or_else(PoisonError::into_inner) = Some((n, self.now()));
    }
}

impl Feed for Changes {
    type Cursor = u64;

    async fn page(
        &self,
        at: Option<u64>,
        since: Option<Timestamp>,
    ) -> Result<FeedPage<u64>, FeedFault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let edited = *self.edited.lock().unwrap_or_else(PoisonError::into_inner);
        let mut people = Vec::new();
        let (mut total, mut next) = (PEOPLE, None);
        if let Some(since) = since {
            let changed = edited.filter(|(_, at)| *at >= since);
            people.extend(changed.and_then(|(n, _)| person(n).ok()).map(|mut person| {
                person.attributes.insert("first_name".to_owned(), "Edited".into());
                person
            }));
            total = people.len() as u64;
        } else {
            let from = at.unwrap_or_default();
            people.extend((from..PEOPLE.min(from + PAGE)).filter_map(|n| person(n).ok()));
            next = (!people.is_empty()).then_some(from + PAGE);
        }
        Ok(FeedPage {
            listed: people.len() as u64,
            people,
            next,
            total: Some(total),
            asked: PAGE,
            too_large: None,
            cut_off: false,
            answered_at: Some(self.now()),
        })
    }

    async fn get(&self, _: &ClinchId) -> Result<FeedRead, FeedFault> {
        Ok(FeedRead::Gone)
    }

    async fn lists_changes(&self) -> Result<Result<(), &'static str>, FeedFault> {
        Ok(Ok(()))
    }

    fn largest_answer(&self) -> usize {
        4 << 20
    }

    fn updated_at(&self) -> Option<&str> {
        Some("updated_at")
    }
}
