//! How this operator is set up, and how it asks for reconciles. No I/O.

use std::sync::Arc;

use crate::{
    api::{Environment, Region},
    clinch::{AllowedEndpoints, Endpoint, Timeouts},
    cluster::{Kind, ObjectKey},
    network::OutboundProxy,
    pipeline::{RecordReport, Renderer},
    storage::StoragePolicy,
};

/// Asks for a reconcile of one object.
pub type Enqueue = Arc<dyn Fn(Kind, &ObjectKey) + Send + Sync>;

/// Takes reports of all records.
pub trait Reports: Send + Sync {
    /// The report of an export. What was reported of another revision is void.
    fn of(&self, export: &ObjectKey, revision: &str) -> Arc<dyn RecordReport>;
}

/// How this operator is set up.
#[derive(Clone)]
pub struct Settings {
    /// The environment this operator serves; integrations of the other one are refused.
    pub environment: Environment,
    /// The origins that may be contacted.
    pub allowed_endpoints: AllowedEndpoints,
    /// Origins of the regions: the documented hosts, unless a proxy is configured for them.
    pub regions: Regions,
    /// The proxy for requests to Clinch, if the admin chose one; `sources` has the same one.
    pub proxy: OutboundProxy,
    /// Which remote sources may be read.
    pub sources: Arc<StoragePolicy>,
    /// Where files may be written.
    pub destinations: Arc<StoragePolicy>,
    /// Notifications.
    pub notify: NotifySettings,
    /// Renders profiles as documents, with the fonts of this process.
    pub renderer: Renderer,
    /// Maximum concurrent exports. Small exports have a second pool of the same size.
    pub max_runs: usize,
    /// How long requests to Clinch may take.
    pub timeouts: Timeouts,
}

/// Where notifications may be sent, and what they say of this cluster.
#[derive(Clone, Default)]
pub struct NotifySettings {
    /// The servers that may be contacted.
    pub receivers: Arc<StoragePolicy>,
    /// The name of this cluster, if it has one.
    pub cluster: Option<String>,
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
