//! What every reconcile shares.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{
    connections::Connections,
    drain::drain,
    notify::{Due, Notifier},
    observer::{Work, WorkObserver, WorkUnobserved},
    runs::{ImportRun, ListRun, RunLimiter, Runs},
    settings::{Enqueue, Reports, Settings},
    shards::Shards,
    trouble::Trouble,
    young,
};
use crate::{
    api::{CommonStatus, Notifies},
    clinch::{Observer, Rates},
    cluster::{Cluster, ClusterError, ObjectRef, Refers, integration_of},
    domain::{Clock, Fence},
    pipeline::KeptWrites,
};

/// What every reconcile shares.
pub struct Context<C> {
    pub(super) cluster: C,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) connections: Connections,
    pub(super) runs: Runs,
    /// The verifications of exports. None works beside a run of its export.
    pub(super) verifications: Runs,
    /// The lists of people whom exports wrote.
    pub(super) listings: Runs<ListRun>,
    /// The runs of imports.
    pub(super) imports: Runs<ImportRun>,
    pub(super) limiter: Arc<RunLimiter>,
    /// What this process does for each integration.
    pub(super) shards: Shards,
    /// Sends notifications.
    pub(super) notifier: Notifier,
    pub(super) trouble: Trouble,
    /// What imports have read of the ledgers of exports.
    pub(super) kept_writes: Arc<KeptWrites>,
    pub(super) fence: Fence,
    pub(super) enqueue: Enqueue,
    /// Whether this process looks at every source once, and ends: it is the request to look.
    pub(super) looks_once: bool,
    /// Takes a line for each record.
    pub(super) reports: Option<Arc<dyn Reports>>,
    /// Observes runs and verifications.
    pub(super) work: Arc<dyn WorkObserver>,
    /// When this process started.
    pub(super) started_at: jiff::Timestamp,
    root_key: OnceCell<[u8; 32]>,
}

impl<C: Cluster> Context<C> {
    /// A context; `stop` ends every run.
    pub fn new(
        cluster: C,
        clock: Clock,
        settings: Settings,
        fence: Fence,
        enqueue: Enqueue,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Self {
        let runs = Runs::new(Work::Export, clock.clone(), stop.clone());
        let (shards, work) = (Shards::default(), Arc::new(WorkUnobserved));
        Self {
            notifier: Notifier::new(
                settings.notify.clone(),
                shards.clone(),
                (clock.clone(), fence.clone()),
                enqueue.clone(),
                work.clone(),
                stop,
            ),
            connections: Connections::new(
                &settings,
                clock.clone(),
                fence.clone(),
                enqueue.clone(),
                observer,
            ),
            limiter: Arc::new(RunLimiter::new(settings.max_runs)),
            verifications: runs.of_another_kind(Work::Verification),
            listings: runs.of_another_kind(Work::List),
            imports: runs.of_another_kind(Work::Import),
            runs,
            shards,
            trouble: Trouble::default(),
            kept_writes: Arc::default(),
            looks_once: false,
            started_at: clock.now(),
            root_key: OnceCell::new(),
            cluster,
            clock,
            settings,
            fence,
            enqueue,
            reports: None,
            work,
        }
    }

    /// The same for a process that ends once everything is done: it looks at every remote source, whatever
    /// its schedule, tries rejected records again, and reports at once what it cannot read. It notifies
    /// nobody: somebody waits for it.
    #[must_use]
    pub fn looking_once(mut self) -> Self {
        self.looks_once = true;
        self.notifier.silence();
        self
    }

    /// How long a new object waits for what it names, before its first status says that this does not exist.
    pub(super) fn awaits<S: CommonStatus>(
        &self,
        meta: &ObjectMeta,
        previous: &S,
        next: &S,
    ) -> Option<Duration> {
        // Where nothing arrives later, it is said at once.
        let arrives = !self.looks_once;
        arrives.then(|| young::awaits(meta, previous, next, self.clock.now())).flatten()
    }

    /// For how many seconds in all the run of an export waits for requests of an earlier run, while it does.
    pub fn awaits_earlier_requests(&self, uid: &str) -> Option<u64> {
        self.runs.state(uid)?.progress.earlier_requests
    }

    /// Whether a run is in progress, or has ended and no reconcile was requested for it yet.
    pub fn is_running(&self) -> bool {
        self.runs.is_running()
    }

    /// The same, with reports of all records: each export runs at least once.
    #[must_use]
    pub fn reporting_to(self, reports: Option<Arc<dyn Reports>>) -> Self {
        Self { reports, ..self }
    }

    /// The same, with an observer of runs and verifications.
    #[must_use]
    pub fn observed_by(mut self, work: Arc<dyn WorkObserver>) -> Self {
        self.runs.observe_with(work.clone());
        self.verifications.observe_with(work.clone());
        self.listings.observe_with(work.clone());
        self.imports.observe_with(work.clone());
        self.notifier.observe_with(work.clone());
        self.work = work;
        self
    }

    /// The rates at which the accounts are used now.
    pub fn rates(&self) -> Rates {
        self.connections.rates()
    }

    /// What receivers of its integration have to be sent about an export or import after its pass; `None`
    /// where it has none.
    pub(super) fn due<S: Notifies>(
        &self,
        object: &ObjectRef,
        spec: &impl Refers,
        next: &mut S,
    ) -> Option<Due<'_>> {
        let key = integration_of(&object.key, spec);
        let found = self.cluster.integration(&key)?;
        let is_own = found.spec.environment == self.settings.environment;
        let labels = |namespace: &str| self.cluster.namespace_labels(namespace);
        is_own.then(|| self.notifier.due((&key, &found), labels, object, next))
    }

    /// The ledger root key, read once.
    pub(super) async fn root_key(&self) -> Result<[u8; 32], ClusterError> {
        self.root_key.get_or_try_init(|| self.cluster.ledger_root_key()).await.copied()
    }

    /// Waits until `reconciles` and then every run have ended, as long as the end of a process may
    /// wait; false if they did not. The token that ends runs must be cancelled.
    pub async fn drain(&self, reconciles: impl Future<Output = ()>) -> bool {
        let work = async {
            reconciles.await;
            self.runs.drained().await;
        };
        let request_timeout = self.settings.timeouts.attempt;
        drain(work, || self.connections.in_flight(), request_timeout).await
    }
}
