//! What every reconcile shares.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{
    candidate_export::{Lanes, Runs},
    connections::Connections,
};
use crate::{
    api::{Environment, Region},
    clinch::{AllowedEndpoints, Endpoint, Observer, Timeouts},
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    domain::{Clock, Fence},
    storage::StoragePolicy,
};

/// Asks for a reconcile of one object.
pub type Wake = Arc<dyn Fn(Kind, &ObjectKey) + Send + Sync>;

/// How this operator is set up.
#[derive(Clone)]
pub struct Settings {
    /// The environment this operator serves; integrations of the other one are refused.
    pub environment: Environment,
    /// The origins that may be contacted.
    pub allowed_endpoints: AllowedEndpoints,
    /// Origins of the regions; the documented hosts unless a proxy stands before them.
    pub regions: Regions,
    /// Which distant sources may be read.
    pub sources: Arc<StoragePolicy>,
    /// Most exports that run at a time.
    /// Most exports that run at a time; so many small ones more.
    pub max_runs: usize,
    /// How long requests to Clinch may take.
    pub timeouts: Timeouts,
}

/// The origin of each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// United States.
    pub us: String,
    /// Europe.
    pub eu: String,
    /// Australia.
    pub au: String,
}

impl Default for Regions {
    fn default() -> Self {
        let origin = |region| Endpoint::of_region(region).to_string();
        Self { us: origin(Region::Us), eu: origin(Region::Eu), au: origin(Region::Au) }
    }
}

impl Regions {
    /// The origin of a region.
    pub fn origin(&self, region: Region) -> &str {
        match region {
            Region::Us => &self.us,
            Region::Eu => &self.eu,
            Region::Au => &self.au,
        }
    }
}

/// What every reconcile shares.
pub struct Context<C> {
    pub(super) cluster: C,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) connections: Connections,
    pub(super) runs: Runs,
    pub(super) lanes: Arc<Lanes>,
    pub(super) fence: Fence,
    pub(super) wake: Wake,
    /// When this process began.
    pub(super) began: jiff::Timestamp,
    root_key: OnceCell<[u8; 32]>,
}

impl<C: Cluster> Context<C> {
    /// A context; `stop` ends every run.
    pub fn new(
        cluster: C,
        clock: Clock,
        settings: Settings,
        fence: Fence,
        wake: Wake,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Self {
        let connections =
            Connections::new(&settings, clock.clone(), fence.clone(), wake.clone(), observer);
        let lanes = Arc::new(Lanes::new(settings.max_runs));
        let began = clock.now();
        let runs = Runs::new(clock.clone(), stop);
        Self {
            cluster,
            clock,
            settings,
            connections,
            runs,
            lanes,
            fence,
            wake,
            began,
            root_key: OnceCell::new(),
        }
    }

    /// The ledger root key, read once.
    pub(super) async fn root_key(&self) -> Result<[u8; 32], ClusterError> {
        self.root_key.get_or_try_init(|| self.cluster.ledger_root_key()).await.copied()
    }

    /// Waits until every run has ended.
    pub async fn drained(&self) {
        self.runs.drained().await;
    }
}
