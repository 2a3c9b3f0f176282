//! The controller of one kind in one scope: kube-runtime's `Controller`, with its queue.
//!
//! kube's `Controller` does the scheduling: it merges requests for one object, never reconciles
//! an object twice at a time, bounds concurrency, requeues after a delay and drains on shutdown.
//! Its own triggers are not used: `for_stream(pending())` gives it a store and no events, and
//! every request arrives through `reconcile_on`. The alternatives do not fit:
//!
//! - `Controller::new` and `watches` open a watch for each controller and related kind. Here a kind
//!   is watched once per scope, and an event may concern the controllers of all kinds of any scope.
//! - `reflector::store_shared` with `for_shared_stream` and `watches_shared_stream` shares a watch,
//!   but its subscribers look objects up in the store, so a deletion never reaches them. Runs have to
//!   end when their export is deleted, and [`Reconciler::deleted`] needs its UID.
//! - `predicate_filter` on generation and annotations drops changes of status altogether; an
//!   export has to follow the status of its integration.
//! - The progress of runs and a rejected credential request reconciles, too, and would need
//!   `reconcile_on` in any case. One queue for everything keeps the rule in one place
//!   (`cluster::dependents`).

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use kube::runtime::{
    Controller,
    controller::{self, Action, Config},
    reflector::Store,
};
use thiserror::Error;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    key_of,
    stores::{Stores, reference},
    sync::CacheSync,
    waiting::Waiting,
};
use crate::{
    cluster::{ClusterError, ObjectKey, OurKind, Reconciler},
    domain::backoff,
};

/// How long reconciles wait for the initial lists.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// A reconcile that failed.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the reconcile panicked; this is a defect of the operator")]
    Panicked,
}

/// What every controller needs.
pub(super) struct ControllerConfig<R> {
    pub(super) reconciler: Arc<R>,
    /// Maximum concurrent reconciles of each kind.
    pub(super) concurrency: u16,
    pub(super) sync: CacheSync,
    /// They say which objects are for this process.
    pub(super) stores: Stores,
    pub(super) waiting: Waiting,
    pub(super) stop: CancellationToken,
}

impl<R: Reconciler> ControllerConfig<R> {
    /// Reconciles the objects of a store on request, until `stop` is cancelled and reconciles under
    /// way have ended.
    pub(super) fn run<K: OurKind>(
        &self,
        store: Store<K>,
        requests: UnboundedReceiver<ObjectKey>,
    ) -> impl Future<Output = ()> + Send + use<R, K> {
        let requests = futures::stream::unfold(requests, |mut requests| async {
            let key = requests.recv().await?;
            Some((reference::<K>(&key), requests))
        });
        let (reconciler, sync, stop) =
            (self.reconciler.clone(), self.sync.clone(), self.stop.clone());
        let (begun, absent) = (self.waiting.clone(), self.waiting.clone());
        let stores = self.stores.clone();
        let failures = Arc::new(Failures::default());
        let counted = failures.clone();
        let reconcile = move |object: Arc<K>, _: Arc<()>| {
            let (reconciler, failures) = (reconciler.clone(), failures.clone());
            let (sync, stop, begun) = (sync.clone(), stop.clone(), begun.clone());
            let stores = stores.clone();
            async move {
                // An object that is not in a store yet would be taken for missing. A namespace
                // that cannot be listed delays the others for a limited time only.
                tokio::select! {
                    _ = timeout(SYNC_TIMEOUT, sync.wait()) => {}
                    () = stop.cancelled() => return Ok(Action::await_change()),
                }
                let key = key_of(object.as_ref());
                begun.over(K::KIND, &key);
                if !stores.serves(K::KIND, &key) {
                    return Ok(Action::await_change());
                }
                let attempt = AssertUnwindSafe(reconciler.reconcile(K::KIND, &key)).catch_unwind();
                let next = attempt.await.map_err(|_| Failure::Panicked)??;
                failures.reset(&key);
                Ok(next.map_or_else(Action::await_change, Action::requeue))
            }
        };
        let on_error = move |object: Arc<K>, error: &Failure, _: Arc<()>| {
            let key = key_of(object.as_ref());
            let (delay, failures) = counted.next_delay(&key);
            let kind = K::KIND;
            if failures < BRIEF && matches!(error, Failure::Cluster(error) if error.is_busy()) {
                tracing::debug!(%kind, object = %key, %error, retry_in = ?delay, "reconcile failed");
            } else {
                tracing::warn!(%kind, object = %key, %error, retry_in = ?delay, "reconcile failed");
            }
            Action::requeue(delay)
        };
        Controller::for_stream(futures::stream::pending(), store)
            .with_config(Config::default().concurrency(self.concurrency))
            .reconcile_on(requests)
            .graceful_shutdown_on(self.stop.clone().cancelled_owned())
            .run(reconcile, on_error, Arc::new(()))
            .for_each(move |ended| {
                // It was deleted before its turn came.
                if let Err(controller::Error::ObjectNotFound(object)) = ended {
                    let namespace = object.namespace.clone().unwrap_or_default();
                    absent.over(K::KIND, &ObjectKey::new(namespace, &object.name));
                }
                std::future::ready(())
            })
    }
}

/// How many failures in a row are no warning if the API server is busy, as it is while it starts: those of
/// about half a minute.
const BRIEF: u32 = 5;

/// Consecutive failures by object, for a backoff with jitter.
#[derive(Default)]
struct Failures(Mutex<HashMap<ObjectKey, u32>>);

impl Failures {
    /// Counts a failure; how long to wait after it, and how many came before it.
    fn next_delay(&self, key: &ObjectKey) -> (Duration, u32) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        let before = *count;
        *count = count.saturating_add(1);
        (backoff(before).mul_f64(0.5 + fastrand::f64() / 2.0), before)
    }

    fn reset(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_a_maximum_and_success_resets_it() {
        let failures = Failures::default();
        let key = ObjectKey::new("a", "b");
        let (first, before) = failures.next_delay(&key);
        assert!(first <= Duration::from_secs(1) && before == 0);
        let (mut last, mut before) = (first, before);
        for _ in 0..20 {
            (last, before) = failures.next_delay(&key);
        }
        assert_eq!(before, 20);
        assert!(last > Duration::from_mins(4) && last <= Duration::from_mins(10), "{last:?}");
        failures.reset(&key);
        let (again, before) = failures.next_delay(&key);
        assert!(again <= Duration::from_secs(1) && before == 0);
    }
}
