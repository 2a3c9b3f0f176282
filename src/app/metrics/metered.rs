//! Counts and times reconciles.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use super::{KindLabel, Metrics, fast_histogram};
use crate::cluster::{ClusterError, Kind, ObjectKey, Reconciler};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

/// Reconciles by kind and outcome.
pub(super) struct Reconciles {
    count: Family<Reconcile, Counter>,
    seconds: Family<KindLabel, Histogram>,
}

impl Reconciles {
    /// Registers them. Every counter starts at 0.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let found = Self {
            count: Family::default(),
            seconds: Family::new_with_constructor(fast_histogram),
        };
        for kind in Kind::ALL.map(Kind::as_str) {
            for outcome in ["ok", "error"] {
                let _zero = found.count.get_or_create(&Reconcile { kind, outcome });
            }
        }
        registry.register("reconciles", "Reconciles, by kind and outcome", found.count.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of reconciles",
            Unit::Seconds,
            found.seconds.clone(),
        );
        found
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

/// A pass. Counted on drop, so that one that panics is counted as well.
struct Pass<'a> {
    reconciles: &'a Reconciles,
    kind: &'static str,
    began: Instant,
    /// `None`: it has not ended.
    ok: Option<bool>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let outcome = match self.ok {
            Some(true) => "ok",
            Some(false) => "error",
            None if std::thread::panicking() => "error",
            // The process ends.
            None => return,
        };
        let kind = self.kind;
        self.reconciles.count.get_or_create(&Reconcile { kind, outcome }).inc();
        self.reconciles
            .seconds
            .get_or_create(&KindLabel { kind })
            .observe(self.began.elapsed().as_secs_f64());
    }
}

impl<R: Reconciler> Reconciler for Metered<R> {
    async fn reconcile(
        &self,
        kind: Kind,
        key: &ObjectKey,
    ) -> Result<Option<Duration>, ClusterError> {
        let reconciles = &self.metrics.reconciles;
        let mut pass = Pass { reconciles, kind: kind.as_str(), began: Instant::now(), ok: None };
        let result = self.inner.reconcile(kind, key).await;
        pass.ok = Some(result.is_ok());
        result
    }

    fn deleted(&self, kind: Kind, uid: &str) {
        self.inner.deleted(kind, uid);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    struct Fails;

    impl Reconciler for Fails {
        async fn reconcile(
            &self,
            kind: Kind,
            _: &ObjectKey,
        ) -> Result<Option<Duration>, ClusterError> {
            assert_ne!(kind, Kind::Export, "a defect");
            Err(ClusterError::Forbidden { verb: "get", what: String::new() })
        }

        fn deleted(&self, _: Kind, _: &str) {}
    }

    #[tokio::test]
    async fn passes_that_fail_or_panic_count_as_errors() {
        let metrics = Metrics::new();
        let metered = Metered::new(Fails, metrics.clone());
        let key = ObjectKey::new("n", "a");
        assert!(metered.reconcile(Kind::Mapping, &key).await.is_err());
        let panics = std::panic::AssertUnwindSafe(metered.reconcile(Kind::Export, &key));
        assert!(panics.catch_unwind().await.is_err());
        let text = metrics.text();
        for (kind, outcome, count) in [
            ("FieldMapping", "error", 1),
            ("CandidateExport", "error", 1),
            ("CandidateExport", "ok", 0),
            ("CandidateImport", "error", 0),
        ] {
            let expected = format!(
                "clinch_operator_reconciles_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}\n"
            );
            assert!(text.contains(&expected), "{expected}{text}");
        }
    }
}
