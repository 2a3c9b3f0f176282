//! The operator process: waits for its CRDs, acquires the Lease, runs the controllers, and shuts
//! down gracefully: no new work, requests in flight finished, ledgers sealed, Lease released.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::FusedFuture as _};
use kube::Client;
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Admin, Liveness, LivenessLimits, LogFilter, Metered, Metrics, Readiness, View, ledgers,
    system_clock,
};
use crate::{
    cluster::{Kind, ObjectKey},
    controllers::{Context, Controllers, Settings},
    domain::{Clock, Fence, Shard},
    k8s::{Elector, Gauges, KubeCluster, KubeConfig, Lack, LeaseConfig, ServedApi, Waits},
    ledger::ObjectLedgers,
};

/// How often to check for CRDs that are missing or outdated.
const CRD_POLL: Duration = Duration::from_secs(2);
/// How often to check the CRDs of an operator that is ready.
const CRD_CHECK: Duration = Duration::from_secs(10);
/// How long the API server may answer 429 and 5xx before that is a warning: it does so while it starts.
const BUSY: Duration = Duration::from_secs(30);

/// The Lease that guards against a second process of the same shard.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The name of that of the default shard; those of the others begin with it.
    pub name: String,
    /// How long other processes wait after the last renewal they saw.
    pub duration: Duration,
}

/// Settings of the process.
pub struct OperatorConfig {
    /// Settings of the controllers.
    pub settings: Settings,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// The operator's own namespace.
    pub own_namespace: String,
    /// Name of this process: in the Lease and in Events.
    pub identity: String,
    /// The shard that it serves.
    pub shard: Shard,
    /// The Lease; `None` where no other process can run.
    pub lease: Option<Lease>,
    /// Name of the Secret with the ledger key, in the operator's namespace.
    pub ledger_key_secret: String,
    /// Where ledgers are kept; `None`: in etcd.
    pub ledgers: Option<ObjectLedgers>,
    /// The largest ledger, in people, that etcd may hold.
    pub ledger_etcd_max: u64,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    /// The filter of the logs, which the admin server changes.
    pub log: LogFilter,
    /// Maximum concurrent reconciles of each kind.
    pub concurrency: u16,
}

/// Why the process ended without being asked to.
#[derive(Debug, Error)]
pub enum RunError {
    /// The admin server could not bind.
    #[error("cannot listen on {0} for health and metrics")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The Lease went to another process, or could not be renewed.
    #[error("the lease was lost; another process may push now")]
    LeaseLost,
}

/// Runs until `stop` is cancelled or the Lease is lost.
pub async fn run(
    client: Client,
    config: OperatorConfig,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (readiness, metrics) = (Readiness::default(), Metrics::new());
    let admin_stop = CancellationToken::new();
    let _stops_admin = admin_stop.clone().drop_guard();
    let liveness = Liveness::of_this_runtime(LivenessLimits::default());
    let (alive, ready, shown) = (liveness.clone(), readiness.clone(), metrics.clone());
    let admin = Admin::start(config.admin, alive, ready, shown, &config.log, admin_stop)
        .await
        .map_err(|error| RunError::Listen(config.admin, error))?;
    tracing::info!(address = %admin.address, "serving health and metrics");

    if let Some(store) = &config.ledgers
        && !ledgers::usable(store, &config.identity, &readiness, &stop).await
    {
        return Ok(());
    }
    let served = Arc::new(ServedApi::new(client.clone()));
    if !crds_served(&served, (&readiness, &metrics), &stop).await {
        return Ok(());
    }
    let clock = system_clock();
    let (leading, mut is_leading) = watch::channel(false);
    let lease_stop = CancellationToken::new();
    let (fence, elector) = match &config.lease {
        None => {
            leading.send_replace(true);
            (Fence::open(), None)
        }
        Some(lease) => {
            let name = Shard::lease(&lease.name, config.shard.as_str());
            let (namespace, identity) = (config.own_namespace.clone(), config.identity.clone());
            let mut settings = LeaseConfig::new(namespace, name.clone(), identity);
            settings.duration = lease.duration;
            settings.renew_deadline = lease.duration * 2 / 3;
            settings.retry_period = lease.duration / 8;
            let elector = Elector::new(client.clone(), settings, clock.clone());
            let fence = elector.fence();
            readiness.wait_for(format!("the lease {name}"));
            let waiting = readiness.clone();
            let waits = move |waits: Waits<'_>| match waits {
                Waits::Holder(holder) => waiting.stand_by(holder, &name),
                Waits::Failure(error) => waiting.wait_for(format!("the lease {name}: {error}")),
                Waits::Unknown => waiting.wait_for(format!("the lease {name}")),
            };
            let elector = tokio::spawn(elector.run(leading.clone(), waits, lease_stop.clone()));
            (fence, Some(elector))
        }
    };
    let led = tokio::select! {
        led = is_leading.wait_for(|leading| *leading) => led.is_ok(),
        () = stop.cancelled() => false,
        () = crds_of_a_standby(&served, &readiness, &metrics) => false,
    };
    readiness.lacks(None);
    let mut outcome = Ok(());
    if led {
        tracing::info!(identity = %config.identity, "leading");
        metrics.set_leading(true);
        let parts = (&readiness, &liveness, &metrics, served);
        outcome = lead(client, &config, fence, clock, parts, is_leading, stop).await;
        metrics.set_leading(false);
    }
    readiness.wait_for("nothing: shutting down");
    lease_stop.cancel();
    if let Some(elector) = elector
        && elector.await.is_err()
    {
        tracing::error!("holding the lease panicked; this is a defect of the operator");
    }
    outcome
}

/// Runs the controllers while this process leads.
async fn lead(
    client: Client,
    config: &OperatorConfig,
    fence: Fence,
    clock: Clock,
    (readiness, liveness, metrics, served): (&Readiness, &Liveness, &Arc<Metrics>, Arc<ServedApi>),
    mut is_leading: watch::Receiver<bool>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let halt = stop.child_token();
    let kube = KubeConfig {
        namespaces: config.namespaces.clone(),
        ledger_key: ObjectKey::new(&config.own_namespace, &config.ledger_key_secret),
        ledgers: config.ledgers.clone(),
        ledger_etcd_max: config.ledger_etcd_max,
        instance: config.identity.clone(),
        concurrency: config.concurrency,
        shard: config.shard.clone(),
        lease: config.lease.as_ref().map(|lease| lease.name.clone()).unwrap_or_default(),
    };
    let (cluster, runtime, queue) = KubeCluster::new(client, kube, halt.clone());
    let enqueue = Arc::new(move |kind: Kind, key: &ObjectKey| queue.enqueue(kind, key));
    let (settings, now) = (config.settings.clone(), clock.clone());
    let observer = metrics.clone();
    let context = Context::new(cluster, clock, settings, fence, enqueue, observer, halt.clone());
    let context = Arc::new(context.observed_by(metrics.clone()));
    show(metrics, runtime.gauges(), &context, now);
    let controllers = Arc::new(Metered::new(Controllers(context.clone()), metrics.clone()));
    liveness.of_watches(runtime.pulses());
    readiness.wait_for("the first list of every watch");
    let (synced, unserved) = (runtime.synced(), runtime.unserved());
    let (ready, shown, ended) = (readiness.clone(), metrics.clone(), halt.clone());
    let announcing = tokio::spawn(async move {
        synced.await;
        loop {
            tracing::info!("ready");
            ready.ready();
            until_lacking(&served, &unserved).await;
            if !crds_served(&served, (&ready, &shown), &ended).await {
                return;
            }
        }
    });
    let mut running = pin!(runtime.run(controllers).fuse());
    let outcome = tokio::select! {
        () = &mut running => Ok(()),
        () = stop.cancelled() => Ok(()),
        _ = is_leading.wait_for(|leading| !*leading) => Err(RunError::LeaseLost),
    };
    announcing.abort();
    halt.cancel();
    // After a lost lease another process may push: end at once, without draining.
    outcome?;
    tracing::info!("shutting down: waiting for requests in flight");
    let reconciles = async {
        if !running.is_terminated() {
            running.await;
        }
    };
    if !context.drain(reconciles).await {
        tracing::warn!("runs did not end in time; the next start checks what they left undecided");
    }
    Ok(())
}

/// Shows the state of watches, queues and accounts in the metrics.
fn show(metrics: &Metrics, gauges: Gauges, context: &Arc<Context<KubeCluster>>, clock: Clock) {
    let context = Arc::clone(context);
    metrics.show(move || View {
        census: gauges.census(),
        now: clock.now(),
        waiting: Kind::ALL.map(|kind| (kind, gauges.waiting(kind))).into(),
        watch_lag: gauges.watch_lag(),
        rates: context.rates(),
    });
}

/// Waits until a CRD is missing or outdated. It may be deleted or replaced at any time, and only some
/// of this shows elsewhere.
async fn until_lacking(served: &ServedApi, unserved: &Notify) {
    loop {
        tokio::select! {
            () = unserved.notified() => {}
            () = sleep(CRD_CHECK) => {}
        }
        // An API server that does not answer says nothing of its CRDs.
        if matches!(served.missing().await, Ok(Some(_))) {
            return;
        }
    }
}

/// Shows of a process that stands by whether it could take over: the CRDs may be deleted or replaced meanwhile.
/// Does not end.
async fn crds_of_a_standby(served: &ServedApi, readiness: &Readiness, metrics: &Metrics) {
    loop {
        sleep(CRD_CHECK).await;
        // An API server that does not answer says nothing of its CRDs.
        if let Ok(lack) = served.missing().await {
            metrics.set_crds_current(lack.is_none());
            readiness.lacks(lack.map(|lack| lack.to_string()));
        }
    }
}

/// Waits until the API server serves every kind as this version knows it; false if stopped first.
async fn crds_served(
    served: &ServedApi,
    (readiness, metrics): (&Readiness, &Metrics),
    stop: &CancellationToken,
) -> bool {
    let (began, mut told_of) = (Instant::now(), None);
    loop {
        let Some(found) = stop.run_until_cancelled(served.missing()).await else {
            return false;
        };
        let mut brief = false;
        let mut outdated = false;
        let missing = match found {
            Ok(None) => {
                metrics.set_crds_current(true);
                return true;
            }
            Ok(Some(lack)) => {
                metrics.set_crds_current(false);
                outdated = matches!(lack, Lack::Outdated(_));
                lack.to_string()
            }
            Err(error) => {
                brief = error.is_busy() && began.elapsed() < BUSY;
                format!("the CRDs: {error}")
            }
        };
        if told_of.as_ref() != Some(&missing) && !brief {
            // CRDs that are not there yet are usual during an installation; old ones stay until
            // somebody acts.
            if outdated {
                tracing::error!("waiting for {missing}");
            } else {
                tracing::warn!("waiting for {missing}");
            }
            told_of = Some(missing.clone());
        }
        readiness.wait_for(missing);
        tokio::select! {
            () = sleep(CRD_POLL) => {}
            () = stop.cancelled() => return false,
        }
    }
}
