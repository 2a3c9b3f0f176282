//! What every reconcile shares.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{
    connections::Connections,
    drain::drain,
    observer::{Work, WorkObserver, WorkUnobserved},
    runs::{ImportRun, ListRun, RunLimiter, Runs},
    settings::{Enqueue, Reports, Settings},
    shards::Shards,
    trouble::Trouble,
};
use crate::{
    clinch::{Observer, Rates},
    cluster::{Cluster, ClusterError},
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
        let runs = Runs::new(Work::Export, clock.clone(), stop);
        Self {
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
            shards: Shards::default(),
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
            work: Arc::new(WorkUnobserved),
        }
    }

    /// The same for a process that ends once everything is done: it looks at every remote source, whatever
    /// its schedule, tries rejected records again, and reports at once what it cannot read.
    #[must_use]
    pub fn looking_once(mut self) -> Self {
        self.looks_once = true;
        self
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
        self.work = work;
        self
    }

    /// The rates at which the accounts are used now.
    pub fn rates(&self) -> Rates {
        self.connections.rates()
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
