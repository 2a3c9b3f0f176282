//! Metrics. Labels are closed sets: operation, code class, kind, outcome; never names of objects
//! or people. The names are API, frozen by `tests/offline/frozen_names.rs`.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use crate::{
    clinch::{Attempt, Observer},
    cluster::{ClusterError, Kind, ObjectKey, Reconciler},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<Operation, Histogram>,
    rejected_credentials: Counter,
    reconciles: Family<Reconcile, Counter>,
    reconcile_seconds: Family<KindLabel, Histogram>,
    leading: Gauge,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Arc<Self> {
        let histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let mut metrics = Self {
            registry: Registry::with_prefix("clinch_operator"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            rejected_credentials: Counter::default(),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(histogram),
            leading: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "clinch_requests",
            "Attempts of requests to Clinch, by operation and class of response",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "clinch_request_duration",
            "Duration of attempts of requests to Clinch",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register(
            "credentials_rejected",
            "Times that Clinch started to reject a credential",
            metrics.rejected_credentials.clone(),
        );
        registry.register(
            "reconciles",
            "Reconciles, by kind and outcome",
            metrics.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of reconciles",
            Unit::Seconds,
            metrics.reconcile_seconds.clone(),
        );
        registry.register(
            "leading",
            "1 while this process holds the lease",
            metrics.leading.clone(),
        );
        Arc::new(metrics)
    }

    /// The metrics in OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _written = encode(&mut text, &self.registry).is_ok();
        text
    }

    /// Records whether this process holds the lease.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }
}

impl Observer for Metrics {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        let operation = attempt.operation;
        self.requests.get_or_create(&Request { operation, class: attempt.ended.class() }).inc();
        self.request_seconds
            .get_or_create(&Operation { operation })
            .observe(attempt.duration.as_secs_f64());
    }

    fn credentials_rejected(&self, _: &str) {
        self.rejected_credentials.inc();
    }
}

/// A reconciler whose passes are counted and timed.
pub struct Metered<R> {
    inner: R,
    metrics: Arc<Metrics>,
}

impl<R> Metered<R> {
    /// Counts the passes of `inner`.
    pub fn new(inner: R, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<R: Reconciler> Reconciler for Metered<R> {
    async fn reconcile(
        &self,
        kind: Kind,
        key: &ObjectKey,
    ) -> Result<Option<Duration>, ClusterError> {
        let started = Instant::now();
        let result = self.inner.reconcile(kind, key).await;
        let outcome = if result.is_ok() { "ok" } else { "error" };
        let kind = kind.as_str();
        self.metrics.reconciles.get_or_create(&Reconcile { kind, outcome }).inc();
        self.metrics
            .reconcile_seconds
            .get_or_create(&KindLabel { kind })
            .observe(started.elapsed().as_secs_f64());
        result
    }

    fn deleted(&self, kind: Kind, uid: &str) {
        self.inner.deleted(kind, uid);
    }
}
