//! A million people: what the ledger holds of them, what a run needs, and how fast a run finds
//! that nothing has changed. Clinch is a loop that answers at once, so that it takes no share of the time.

use std::{
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use clinch_operator::{
    clinch::Footing,
    domain::{ClinchId, Fence, MatchKey, ProfilesShown},
    ledger::{Effect, Entry, Extras, FolderStore, KeyHash, Keys, Ledger, Steps, Suppressions},
    mapping::{MappingSpec, Plan, compile},
    pipeline::{
        Counts, Created, Crm, CrmFailure, Destination, DestinationSpec, Duplicates, Ending, Ensure,
        Guards, JobStage, LedgerTrust, Lookup, Mode, PeopleGuard, PeoplePage, Progress, Read,
        ResumeFile, RunPorts, RunSpec, Source, Suspects, Updated, no_neighbours, run,
    },
    source::{CsvOptions, Limits, Part},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Row, harness::account};

const PEOPLE: u32 = 1_000_000;

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    // First, before the allocator holds freed memory.
    let mut rows = million().await?;
    rows.extend(compare()?);
    Ok(rows)
}

/// A keyed hash, a digest and a look-up for each candidate that was mapped: what a re-run adds to
/// decoding and mapping.
fn compare() -> anyhow::Result<Vec<Row>> {
    let keys = Keys::of(&[7; 32], account(), "bench");
    let mut ledger = Ledger::default();
    let person = |n: u32| {
        let attributes = json!({
            "email": format!("elif.kaur.{n}@example.org"), "first_name": format!("Elif{n}"),
            "last_name": "Kaur", "current_job_title": "Lead Engineering Manager",
            "current_employer": "Juniperfold", "location": "New York, New York, US",
        });
        let key = MatchKey::fold(attributes["email"].as_str().unwrap_or_default());
        (key, attributes)
    };
    // Of a record that has neither resume nor tags: the same for all of them.
    let extras = Extras {
        application: keys.step_digest(&("write", &DestinationSpec::Prospect)),
        resume: keys.step_digest(&("write", None::<&str>)),
        activity: keys.step_digest(&("write", None::<&str>)),
    };
    for n in 0..PEOPLE {
        let (key, attributes) = person(n);
        let key = key.context("a match key")?;
        ledger.record(&Entry {
            key: keys.key_hash(&key),
            payload: keys.payload_digest(&("write", &attributes)),
            extras,
            clinch_id: id(n)?,
            steps: Steps::CANDIDATE,
            effect: Effect::Created,
        });
        if n % 2048 == 0 {
            ledger.take_changes();
        }
    }
    ledger.take_changes();
    let sample: Vec<_> = (0..PEOPLE).step_by(5).map(person).collect();
    let start = Instant::now();
    for (key, attributes) in &sample {
        let key = key.as_ref().context("a match key")?;
        let (hash, payload) = (keys.key_hash(key), keys.payload_digest(&("write", attributes)));
        let missing = ledger.missing_steps(&hash, &payload, &extras, Steps::CANDIDATE);
        ensure!(missing == Some(Steps::NONE), "everybody is unchanged");
    }
    let rate = sample.len() as f64 / start.elapsed().as_secs_f64();
    let looked_up = look_ups(&ledger, &keys, &sample)?;
    let bytes = ledger.memory() as f64 / f64::from(PEOPLE);
    Ok(vec![
        Row::at_most("a person in the ledger, in memory", bytes, 100.0, "bytes"),
        Row::shown("look-ups in a ledger of a million", format!("{looked_up:.0}/s")),
        Row::at_least("candidates compared: hashed and looked up, per second", rate, 300_000.0),
    ])
}

fn look_ups(
    ledger: &Ledger,
    keys: &Keys,
    sample: &[(Option<MatchKey>, Value)],
) -> anyhow::Result<f64> {
    let hashes: Vec<KeyHash> =
        sample.iter().filter_map(|(key, _)| key.as_ref()).map(|key| keys.key_hash(key)).collect();
    let start = Instant::now();
    ensure!(hashes.iter().all(|hash| ledger.knows(hash)), "everybody is known");
    Ok(hashes.len() as f64 / start.elapsed().as_secs_f64())
}

/// A whole run of a million new people, and another one of the same, unchanged.
async fn million() -> anyhow::Result<Vec<Row>> {
    let part = Part { name: "people.ndjson.gz".into(), bytes: source()?.into(), format: None };
    // In files: it takes no memory of this process.
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (what, expected) in [
        ("a million new", Counts { created: PEOPLE.into(), ..Counts::default() }),
        ("the same again", Counts { unchanged: PEOPLE.into(), ..Counts::default() }),
    ] {
        let before = Memory::start()?;
        let (calls, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let report = tokio::spawn(run(spec(&part)?, ports(&folder, &calls))).await?;
        let took = start.elapsed().as_secs_f64();
        ensure!(report.ending == Ending::Completed, "{report:?}");
        let expected = Counts { read: PEOPLE.into(), total: PEOPLE.into(), ..expected };
        ensure!(report.progress.counts == expected, "{:?}", report.progress.counts);
        let calls = calls.load(Ordering::Relaxed);
        rows.extend([
            Row::at_most(
                &format!("{what}: memory beside the source"),
                before.grown()?,
                112.0,
                "MiB",
            ),
            Row::shown(&format!("{what}: requests"), calls.to_string()),
            Row::shown(
                &format!("{what}: everything, source included"),
                format!("{:.0}/s", f64::from(PEOPLE) / took),
            ),
        ]);
    }
    Ok(rows)
}

fn source() -> anyhow::Result<Vec<u8>> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::best());
    for n in 0..PEOPLE {
        writeln!(
            zip,
            r#"{{"firstName":"Elif{n}","lastName":"Kaur","title":"Lead Engineering Manager","emails":[{{"value":"elif.kaur.{n}@example.org"}}]}}"#
        )?;
    }
    Ok(zip.finish()?)
}

fn mapping() -> anyhow::Result<Plan> {
    let spec: MappingSpec = serde_json::from_value(json!({"fields": [
        {"to": "email", "from": "emails[0].value", "required": true},
        {"to": "first_name", "from": "firstName"},
        {"to": "last_name", "from": "lastName"},
        {"to": "current_job_title", "from": "title"}]}))?;
    compile(&spec).map_err(|issues| anyhow!("the mapping: {issues:?}"))
}

fn spec(part: &Part) -> anyhow::Result<RunSpec> {
    let limits = Limits { max_expanded_bytes: u64::MAX, ..Limits::default() };
    Ok(RunSpec {
        source: Source::Parts { parts: vec![part.clone()], csv: CsvOptions::default(), limits },
        select: None,
        limit: None,
        plan: mapping()?,
        destination: DestinationSpec::Prospect,
        duplicates: Duplicates::Update,
        mode: Mode::Push,
        guards: Guards::default(),
        renderer: clinch_operator::pipeline::Renderer::default(),
        resumes: clinch_operator::storage::NamedFiles::default(),
        reveals: None,
    })
}

fn ports(folder: &tempfile::TempDir, calls: &Arc<AtomicU64>) -> RunPorts<Prompt, FolderStore> {
    RunPorts {
        crm: Prompt { calls: calls.clone(), people: Arc::default() },
        guard: Arc::<PeopleGuard>::default(),
        suppressions: Suppressions::in_memory(Keys::of_account(&[7; 32], account())),
        look_up: false,
        export: "bench".to_owned(),
        neighbours: no_neighbours(),
        suspects: Suspects::default(),
        keys: Keys::of(&[7; 32], account(), "bench"),
        store: FolderStore::new(folder.path()),
        trust: LedgerTrust::default(),
        ledger_max: None,
        fence: Fence::open(),
        max_in_flight: 16,
        progress: watch::channel(Progress::default()).0,
        report: None,
        cancel: CancellationToken::new(),
    }
}

/// Resident memory at a moment, in KiB.
pub(crate) struct Memory(f64);

impl Memory {
    /// Forgets the peak so far.
    pub(crate) fn start() -> anyhow::Result<Self> {
        fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak")?;
        Ok(Self(kib("VmRSS:")?))
    }

    /// How far the peak has risen since, in MiB.
    pub(crate) fn grown(&self) -> anyhow::Result<f64> {
        Ok((kib("VmHWM:")? - self.0) / 1024.0)
    }
}

/// A number of this process's status, in KiB.
pub(crate) fn kib(what: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no such line")?;
    Ok(kib.parse()?)
}

fn id(n: u32) -> anyhow::Result<ClinchId> {
    ClinchId::parse(&format!("0f4c1d3a-5b6c-4d7e-8f90-a1b2{n:08x}")).map_err(Into::into)
}

/// An empty Clinch that accepts everything.
struct Prompt {
    calls: Arc<AtomicU64>,
    people: Arc<AtomicU64>,
}

impl Crm for Prompt {
    type Cursor = ();

    async fn admitted(&self) -> Result<(), CrmFailure> {
        Ok(())
    }

    async fn resolve(&self, _: &DestinationSpec) -> Result<Destination, CrmFailure> {
        Ok(Destination::Prospect)
    }

    async fn find(&self, _: &MatchKey) -> Result<Lookup, CrmFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Lookup::Nobody)
    }

    async fn scan(&self, _: Option<()>, _: bool) -> Result<PeoplePage<()>, CrmFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let profiles = ProfilesShown::default();
        Ok(PeoplePage { people: Vec::new(), next: None, total: Some(0), profiles })
    }

    fn page_size(&self) -> u64 {
        100
    }

    async fn total(&self) -> Result<Option<u64>, CrmFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Some(self.people.load(Ordering::Relaxed)))
    }

    fn resting(&self) -> tokio::sync::watch::Receiver<usize> {
        tokio::sync::watch::channel(0).1
    }

    fn lookup_delay(&self) -> Duration {
        Duration::ZERO
    }

    fn longest_request(&self) -> Duration {
        Duration::ZERO
    }

    fn search_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn lookups(&self) -> String {
        "email".to_owned()
    }

    fn shows_anonymised(&self) -> bool {
        true
    }

    async fn get(&self, _: &ClinchId) -> Result<Read, CrmFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Read::Gone)
    }

    async fn create(
        &self,
        _: &MatchKey,
        _: &Map<String, Value>,
        _: bool,
        _: &(dyn Fn() + Sync),
    ) -> Result<Created, CrmFailure> {
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.people.fetch_add(1, Ordering::Relaxed);
        id(u32::try_from(n).unwrap_or(u32::MAX)).map(Created::New).map_err(|_| CrmFailure::Gone)
    }

    fn on(&self, _: Footing) -> Self {
        Self { calls: self.calls.clone(), people: self.people.clone() }
    }

    async fn update(&self, _: &ClinchId, _: &Map<String, Value>) -> Result<Updated, CrmFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Updated::Done)
    }

    async fn ensure_application(
        &self,
        _: &ClinchId,
        _: &JobStage,
        _: Ensure,
    ) -> Result<bool, CrmFailure> {
        Ok(true)
    }

    async fn ensure_attachment(
        &self,
        _: &ClinchId,
        _: &ResumeFile,
        _: Ensure,
    ) -> Result<bool, CrmFailure> {
        Ok(true)
    }

    async fn ensure_activity(
        &self,
        _: &ClinchId,
        _: &str,
        _: &str,
        _: Ensure,
    ) -> Result<bool, CrmFailure> {
        Ok(true)
    }
}
