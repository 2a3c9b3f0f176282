//! Scheduled runs: what their status reports, and when Ready changes. The test sets the clock.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use clinch_operator::{
    api::{CandidateExport, CandidateExportStatus, ConditionType, Environment},
    app,
    clinch::AllowedEndpoints,
    cluster::{Kind, NoticeType, ObjectKey, Reconciler},
    conditions::find,
    controllers::{Context, Controllers, Regions, Settings},
    domain::{Clock, Fence},
    local::{LoadOptions, Loader, LocalCluster, ReconcileRequests, reconcile_queue},
    sandbox::{Action, Fault, Options, Sandbox},
    storage::{AllowedPlaces, StoragePolicy},
};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    cluster: LocalCluster,
    controllers: Controllers<LocalCluster>,
    requests: ReconcileRequests,
    /// Seconds that the clock is ahead.
    ahead: Arc<AtomicI64>,
    export: ObjectKey,
    pub(crate) clock: Clock,
    settings: Settings,
}

fn process(
    cluster: &LocalCluster,
    clock: Clock,
    settings: Settings,
) -> (Controllers<LocalCluster>, ReconcileRequests) {
    let (queue, requests) = reconcile_queue();
    let enqueue = Arc::new(move |kind: Kind, key: &ObjectKey| {
        let _closed = queue.send((kind, key.clone())).is_err();
    });
    let stop = CancellationToken::new();
    let (fence, observer) = (Fence::open(), app::unobserved());
    let context = Context::new(cluster.clone(), clock, settings, fence, enqueue, observer, stop);
    (Controllers(Arc::new(context)), requests)
}

impl World {
    /// With an integration that is verified.
    pub(crate) async fn new(folder: &Path, rest: &str) -> Self {
        let world = Self::unverified(folder, rest).await;
        world.verify().await;
        world
    }

    pub(crate) async fn verify(&self) {
        let integration = self.cluster.keys(Kind::Integration).remove(0);
        Box::pin(self.controllers.reconcile(Kind::Integration, &integration)).await.unwrap();
    }

    async fn unverified(folder: &Path, rest: &str) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        let origin = sandbox.base_url();
        let manifests = format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: clinch}}
stringData: {{accessKey: K, secretKey: S}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {{name: clinch}}
spec:
  endpoint: {origin}
  environment: Sandbox
  credentials: {{secretRef: {{name: clinch}}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: people}}
spec:
  integrationRef: {{name: clinch}}
  source: {{objectStore: {{url: 'file://{}/*.ndjson'}}}}
  destination: {{prospect: {{}}}}
  {rest}
",
            folder.display()
        );
        let mut loader = Loader::new(LoadOptions::default());
        loader.add_text("manifests.yaml", &manifests);
        let manifests = loader.finish().unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let ahead = ahead.clone();
            Clock::new(move || {
                Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::Relaxed))
            })
        };
        let cluster = LocalCluster::open(manifests, None, [7; 32], clock.clone()).unwrap();
        let roots = format!("file://{}", folder.display());
        let settings = Settings {
            environment: Environment::Sandbox,
            allowed_endpoints: AllowedEndpoints::listed([origin.as_str()]).unwrap(),
            regions: Regions::default(),
            proxy: clinch_operator::network::OutboundProxy::default(),
            sources: Arc::new(StoragePolicy {
                allowed: AllowedPlaces::listed([roots.as_str()]).unwrap(),
                ..StoragePolicy::default()
            }),
            destinations: Arc::default(),
            notify: clinch_operator::controllers::NotifySettings::default(),
            renderer: clinch_operator::pipeline::Renderer::default(),
            max_runs: 2,
            timeouts: clinch_operator::clinch::Timeouts::default(),
        };
        let (controllers, requests) = process(&cluster, clock.clone(), settings.clone());
        let export = cluster.keys(Kind::Export).remove(0);
        Self { sandbox, cluster, controllers, requests, ahead, export, clock, settings }
    }

    /// Another process takes over, which has not verified the integration yet.
    pub(crate) fn restart(&mut self) {
        (self.controllers, self.requests) =
            process(&self.cluster, self.clock.clone(), self.settings.clone());
    }

    /// Reconciles once.
    pub(crate) async fn pass(&mut self) -> Option<Duration> {
        while self.requests.try_recv().is_ok() {}
        self.controllers.reconcile(Kind::Export, &self.export).await.unwrap()
    }

    /// Reconciles, waits for the run that this starts, and reconciles again.
    pub(crate) async fn run(&mut self) -> CandidateExportStatus {
        self.pass().await;
        self.ended().await
    }

    /// Waits for the end of what is in progress, and reconciles again.
    pub(crate) async fn ended(&mut self) -> CandidateExportStatus {
        loop {
            let request = tokio::time::timeout(Duration::from_mins(2), self.requests.recv()).await;
            let (kind, key) = request.expect("a run that ends").unwrap();
            if kind == Kind::Export && key == self.export {
                break;
            }
        }
        self.pass().await;
        self.status()
    }

    pub(crate) fn status(&self) -> CandidateExportStatus {
        self.cluster.status::<CandidateExport>(&self.export).unwrap()
    }

    pub(crate) fn later(&self, seconds: i64) {
        let before = self.ahead.fetch_add(seconds, Ordering::Relaxed);
        // Clinch has the same clock.
        self.sandbox.set_clock_offset(before + seconds);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.sandbox.requests().total
    }
}

pub(crate) fn ready(status: &CandidateExportStatus) -> (String, String) {
    let ready = find(&status.conditions, ConditionType::Ready).unwrap();
    (ready.status.clone(), ready.reason.clone())
}

pub(crate) fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

pub(crate) fn write(folder: &Path, people: usize) {
    let text = (0..people).fold(String::new(), |mut text, n| {
        writeln!(text, r#"{{"firstName":"A","emails":[{{"value":"p{n}@example.com"}}]}}"#).unwrap();
        text
    });
    std::fs::write(folder.join("people.ndjson"), text).unwrap();
}

#[tokio::test]
async fn an_export_runs_on_schedule_and_reports_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let mut world = World::new(folder.path(), "interval: 1m").await;
    let first = world.run().await;
    assert_eq!(ready(&first), is("True", "Synced"));
    assert_eq!(first.delivered.as_deref(), Some("3/3"));
    let wait = world.pass().await.unwrap();
    assert!((50..=63).contains(&wait.as_secs()), "{wait:?}");

    // Nothing is new: nothing is read, sent or written.
    let requests = world.requests();
    world.later(70);
    assert_eq!(world.run().await, first);
    assert_eq!(world.requests(), requests);

    // Rewritten with the same content: read, and nothing is sent; the new version is recorded.
    write(folder.path(), 3);
    world.later(70);
    let again = world.run().await;
    assert_eq!(world.requests(), requests);
    assert_eq!((ready(&again), again.delivered), (is("True", "Synced"), first.delivered));

    write(folder.path(), 5);
    world.later(70);
    let more = world.run().await;
    assert_eq!(more.delivered.as_deref(), Some("5/5"));
    let counts = more.counts.unwrap();
    assert_eq!((counts.created, counts.unchanged), (2, 3));
    assert_eq!(ready(&more), is("True", "Synced"));
    assert_eq!(world.sandbox.people("hireEZ").len(), 5);
}

#[tokio::test]
async fn a_failed_scheduled_run_takes_ready_away_only_after_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::new(folder.path(), "interval: 1m\n  readyGrace: 3m").await;
    let first = world.run().await;
    assert_eq!(ready(&first), is("True", "Synced"));

    std::fs::rename(folder.path().join("people.ndjson"), folder.path().join("gone")).unwrap();
    world.later(70);
    assert_eq!(ready(&world.run().await), is("True", "Synced"), "within its grace");
    world.later(70);
    assert_eq!(ready(&world.run().await), is("True", "Synced"), "within its grace");
    world.later(200);
    let failed = world.run().await;
    assert_eq!(ready(&failed), is("False", "SourceNotFound"));
    assert_eq!(failed.delivered, first.delivered, "what was delivered is not forgotten");

    std::fs::rename(folder.path().join("gone"), folder.path().join("people.ndjson")).unwrap();
    world.later(200);
    let back = world.run().await;
    assert_eq!(ready(&back), is("True", "Synced"));
    assert_eq!(back.delivered.as_deref(), Some("2/2"));
    assert_eq!(world.sandbox.people("hireEZ").len(), 2);
}

#[tokio::test]
async fn an_emptied_source_takes_ready_away_as_soon_as_its_grace_is_over() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::new(folder.path(), "interval: 1m\n  readyGrace: 3m").await;
    let first = world.run().await;
    write(folder.path(), 0);
    world.later(70);
    assert_eq!(ready(&world.run().await), is("True", "Synced"), "within its grace");
    let wait = world.pass().await.unwrap();
    assert!((100..=181).contains(&wait.as_secs()), "{wait:?}");
    world.later(i64::try_from(wait.as_secs()).unwrap() + 1);
    world.pass().await;
    let empty = world.status();
    assert_eq!(ready(&empty), is("False", "SourceEmpty"));
    assert!(find(&empty.conditions, ConditionType::Stalled).is_some());
    assert_eq!(empty.delivered, first.delivered, "what was delivered is not forgotten");
    write(folder.path(), 2);
    world.later(1000);
    assert_eq!(ready(&world.run().await), is("True", "Synced"));
}

#[tokio::test]
async fn the_first_run_does_not_wait_for_the_schedule() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1);
    let mut world = World::new(folder.path(), "schedule: {cron: '0 0 1 1 *'}").await;
    assert_eq!(
        world.run().await.delivered.as_deref(),
        Some("1/1"),
        "the first run waits for nothing"
    );
    let wait = world.pass().await.unwrap();
    assert!(wait > Duration::from_secs(3600), "{wait:?}");
}

#[tokio::test]
async fn a_schedule_missed_during_downtime_takes_ready_from_no_export() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::new(folder.path(), "interval: 1m\n  readyGrace: 1m").await;
    let first = world.run().await;
    // Woken by the run, it records who was written.
    let integration = world.cluster.keys(Kind::Integration).remove(0);
    world.controllers.reconcile(Kind::Integration, &integration).await.unwrap();
    world.later(600);
    write(folder.path(), 3);
    world.restart();
    world.pass().await;
    assert_eq!(world.status().conditions, first.conditions, "the integration is not verified yet");
    world.controllers.reconcile(Kind::Integration, &integration).await.unwrap();
    assert_eq!(world.run().await.delivered.as_deref(), Some("3/3"), "made up for");
}

#[tokio::test]
async fn a_restart_leaves_exports_ready_until_the_integration_is_verified_again() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    // With the default mapping, whose attributes only a verified integration knows.
    let mut world = World::new(folder.path(), "suspend: false").await;
    let first = world.run().await;
    assert_eq!(ready(&first), is("True", "Synced"));
    world.restart();
    world.pass().await;
    assert_eq!(world.status(), first);
}

#[tokio::test]
async fn a_healthy_first_start_publishes_no_warning_and_bad_news_is_one() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::unverified(folder.path(), "suspend: false").await;
    // Whatever is reconciled first.
    world.pass().await;
    assert_eq!(ready(&world.status()), is("False", "DependencyNotReady"));
    world.verify().await;
    assert_eq!(ready(&world.run().await), is("True", "Synced"));
    let warnings = |world: &World| -> Vec<String> {
        let events = world.cluster.events().into_iter().map(|event| event.notice);
        let warnings = events.filter(|notice| notice.kind == NoticeType::Warning);
        warnings.map(|notice| notice.reason.to_string()).collect()
    };
    assert!(world.cluster.events().len() >= 3);
    assert_eq!(warnings(&world), [""; 0]);

    let mut world = World::new(folder.path(), "suspend: true").await;
    world.pass().await;
    assert_eq!(warnings(&world), [""; 0], "suspended on purpose");

    std::fs::remove_file(folder.path().join("people.ndjson")).unwrap();
    let mut world = World::new(folder.path(), "suspend: false").await;
    world.run().await;
    assert_eq!(warnings(&world), ["SourceNotFound"]);
}

/// Status and reason of the condition `Drifted`.
fn drifted(status: &CandidateExportStatus) -> (String, String) {
    let found = find(&status.conditions, ConditionType::Drifted).unwrap();
    (found.status.clone(), found.reason.clone())
}

fn warned(world: &World) -> Vec<String> {
    let events = world.cluster.events().into_iter().map(|event| event.notice);
    let warnings = events.filter(|notice| notice.kind == NoticeType::Warning);
    warnings.map(|notice| notice.reason.to_string()).collect()
}

#[tokio::test]
async fn people_are_verified_by_interval_and_ready_stays() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 3);
    let mut world = World::new(folder.path(), "verifyInterval: 1h").await;
    let pushed = world.run().await;
    assert_eq!(drifted(&pushed), is("Unknown", "Progressing"), "the first follows the first push");
    let first = world.ended().await;
    assert_eq!(drifted(&first), is("False", "NoDrift"));
    assert_eq!(first.drift.as_ref().unwrap().people, 3);
    let wait = world.pass().await.unwrap().as_secs();
    assert!((3590..=3661).contains(&wait), "{wait}");
    let requests = world.requests();
    world.later(1800);
    world.pass().await;
    assert_eq!(world.requests(), requests, "not due");

    world.sandbox.delete("hireEZ", "p1@example.com").unwrap();
    world.later(1900);
    world.pass().await;
    let works = world.status();
    assert_eq!(ready(&works), ready(&first));
    assert!(find(&works.conditions, ConditionType::Reconciling).is_none(), "nobody waits for it");
    let found = world.ended().await;
    assert_eq!(drifted(&found), is("True", "DriftFound"));
    let drift = found.drift.unwrap();
    assert_eq!((drift.people, drift.missing, drift.changed), (3, 1, 0));
    assert_eq!(drift.positions[0].kind, "Missing");
    assert_eq!(drift.positions[0].position, "people.ndjson line 2");
    assert_eq!((ready(&works), &works.delivered), (ready(&first), &first.delivered));
    assert_eq!(warned(&world), ["DriftFound"]);

    // The same once more is no news, also for another process.
    world.restart();
    world.verify().await;
    world.later(3700);
    assert_eq!(drifted(&world.run().await), is("True", "DriftFound"));
    assert_eq!(warned(&world), ["DriftFound"]);
    assert_eq!(world.sandbox.people("hireEZ").len(), 2);
}

#[tokio::test]
async fn a_verification_never_works_beside_a_run() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::new(folder.path(), "interval: 2h\n  verifyInterval: 1h").await;
    world.run().await;
    let before = world.ended().await.drift.unwrap();
    write(folder.path(), 3);
    world.later(3700);
    world.sandbox.set_latency(Duration::from_millis(400));
    world.pass().await;
    // Now a run is due, too.
    world.later(3700);
    world.pass().await;
    let works = world.status();
    assert_eq!((ready(&works), works.drift), (is("True", "Synced"), Some(before.clone())));
    let verified = world.ended().await;
    let drift = verified.drift.unwrap();
    assert!(drift.checked_at > before.checked_at);
    assert_eq!((drift.people, world.sandbox.people("hireEZ").len()), (2, 2), "the run waits");
    assert_eq!(world.ended().await.delivered.as_deref(), Some("3/3"));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_verified_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 2);
    let mut world = World::new(folder.path(), "verifyInterval: 1h").await;
    world.run().await;
    let first = world.ended().await;
    let refused = Action::Status { code: 403, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("getCandidate", refused)]);
    world.later(3700);
    let failed = world.run().await;
    assert_eq!(drifted(&failed), is("Unknown", "NotVerified"));
    assert_eq!(failed.drift, first.drift, "nothing is known to be missing");
    let message = &find(&failed.conditions, ConditionType::Drifted).unwrap().message;
    assert!(message.ends_with("it is tried again"), "{message}");
    let wait = world.pass().await.unwrap().as_secs();
    assert!((20..=33).contains(&wait), "{wait}");
    // It fails once more, and that is no news.
    world.later(40);
    assert_eq!(drifted(&world.run().await), is("Unknown", "NotVerified"));
    assert_eq!(warned(&world), ["NotVerified"]);
    world.sandbox.set_faults(Vec::new());
    world.later(70);
    world.verify().await;
    assert_eq!(drifted(&world.run().await), is("False", "NoDrift"));
    assert_eq!(warned(&world), ["NotVerified"]);
}
