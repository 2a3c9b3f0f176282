//! Metrics. Labels are closed sets: operation, code class, kind, condition, reason, outcome; never names
//! of objects or people. The names are API, frozen by `tests/offline/frozen_names.rs`.

mod clinch;
mod exposition;
mod metered;
mod process;
mod view;
mod work;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

pub(super) use self::exposition::{OPEN_METRICS, TEXT, classic};
use self::{
    clinch::Requests,
    metered::Reconciles,
    process::Process,
    view::{NoLabels, Viewed},
    work::Runs,
};
pub use self::{metered::Metered, view::View};
use super::system_clock;
use crate::{
    clinch::{Attempt, Observer},
    controllers::{NotificationOutcome, RunEnd, VerificationOutcome, Work, WorkObserver},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// For what usually takes from 1 ms to 30 s.
fn fast_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

/// Looks at the process at one moment.
type Look = Box<dyn Fn() -> View + Send + Sync>;

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    runs: Runs,
    reconciles: Reconciles,
    leading: Gauge,
    crds_current: Family<NoLabels, Gauge>,
    viewed: Viewed,
    /// Held while the metrics are written, so that each reader gets one view.
    look: Mutex<Option<Look>>,
}

impl Metrics {
    /// Registers everything.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit")]
    pub fn new() -> Arc<Self> {
        let mut root = Registry::default();
        let started = system_clock().now().as_millisecond() as f64 / 1000.0;
        root.register_collector(Box::new(Process { started }));
        let registry = root.sub_registry_with_prefix("clinch_operator");
        let (requests, runs) = (Requests::new(registry), Runs::new(registry));
        let (reconciles, viewed) = (Reconciles::new(registry), Viewed::new(registry));
        let leading = Gauge::default();
        registry.register("leading", "1 while this process holds the lease", leading.clone());
        let crds_current = Family::default();
        registry.register(
            "crds_current",
            "1 if the API server serves every field of this version; 0 if a CRD is missing or outdated",
            crds_current.clone(),
        );
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version of the operator", Info::new(version));
        let look = Mutex::default();
        Arc::new(Self {
            registry: root,
            requests,
            runs,
            reconciles,
            leading,
            crds_current,
            viewed,
            look,
        })
    }

    /// The metrics in OpenMetrics text.
    pub fn text(&self) -> String {
        let look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let view = look.as_ref().map(|look| look());
        self.viewed.show(view.as_ref());
        self.runs.show(&view.unwrap_or_default().census);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _written = encode(&mut text, &self.registry).is_ok();
        text
    }

    /// Shows from now on what `look` sees at the moment when the metrics are read.
    pub fn show(&self, look: impl Fn() -> View + Send + Sync + 'static) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(look));
    }

    /// Records whether the API server serves every field of this version.
    pub fn set_crds_current(&self, current: bool) {
        self.crds_current.get_or_create(&[]).set(i64::from(current));
    }

    /// Records whether this process holds the lease. One that does not has no view of its own.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
        if !leading {
            *self.look.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl Observer for Metrics {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        self.requests.attempt(attempt);
    }

    fn credentials_rejected(&self, _: &str) {
        self.requests.rejected_credentials.inc();
    }

    fn rate_limited(&self, _: &str, pause: Duration) {
        self.requests.pauses.inc_by(pause.as_secs_f64());
    }
}

impl WorkObserver for Metrics {
    fn run_started(&self, work: Work) {
        self.runs.started(work);
    }

    fn run_ended(&self, end: &RunEnd<'_>) {
        self.runs.ended(end);
    }

    fn import_compared(&self, own: u64, near_misses: u64) {
        self.runs.import_compared(own, near_misses);
    }

    fn credential_verified(&self, outcome: VerificationOutcome) {
        self.runs.verified(outcome);
    }

    fn notified(&self, outcome: NotificationOutcome) {
        self.runs.notified(outcome);
    }

    fn forgotten(&self, uid: &str) {
        self.runs.forgotten(uid);
    }
}
