//! The Lease that lets one process at a time push. client-go's semantics on
//! coordination.k8s.io/v1, with three guarantees:
//!
//! - every write carries the resourceVersion it was computed from, so two processes cannot both win;
//! - expiry is judged by this process's monotonic clock, from when the record was last *seen to
//!   change*: clocks of different hosts are never compared;
//! - the holder considers the Lease lost `renew_deadline` after the start of its last successful
//!   renewal, whatever the API server does meanwhile, and also after the process was frozen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::error::cluster_error;
use crate::{
    cluster::ClusterError,
    domain::{Clock, Fence},
};

/// Settings of the Lease.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Namespace of the Lease: the operator's own.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// The holder's name: that of the pod.
    pub identity: String,
    /// How long other processes wait after the last change they saw.
    pub duration: Duration,
    /// How long the holder may go without a successful renewal; less than `duration`.
    pub renew_deadline: Duration,
    /// The interval between attempts.
    pub retry_period: Duration,
}

impl LeaseConfig {
    /// The defaults of client-go: 15 s, 10 s, 2 s.
    pub fn new(namespace: String, name: String, identity: String) -> Self {
        Self {
            namespace,
            name,
            identity,
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// Until when this process is certain to hold the Lease, in milliseconds since `epoch`.
#[derive(Debug, Clone)]
struct Tenure {
    epoch: Instant,
    until_millis: Arc<AtomicU64>,
}

impl Tenure {
    fn new() -> Self {
        Self { epoch: Instant::now(), until_millis: Arc::default() }
    }

    fn extend(&self, until: Instant) {
        let millis = until.saturating_duration_since(self.epoch).as_millis();
        self.until_millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn end(&self) {
        self.until_millis.store(0, Ordering::Release);
    }

    fn holds(&self) -> bool {
        let now = self.epoch.elapsed().as_millis();
        now < u128::from(self.until_millis.load(Ordering::Acquire))
    }
}

/// Acquires, renews and releases one Lease.
pub struct Elector {
    api: Api<Lease>,
    config: LeaseConfig,
    clock: Clock,
    tenure: Tenure,
    observed: Sighting,
}

/// Why a process does not hold the Lease.
#[derive(Debug)]
pub enum Waits<'a> {
    /// This process holds it.
    Holder(&'a str),
    /// The API server refuses, or fails.
    Failure(&'a ClusterError),
    /// It is not known yet.
    Unknown,
}

/// A record of a Lease, and when it was first seen.
#[derive(Debug, Default)]
pub(super) struct Sighting(Option<(LeaseSpec, Instant)>);

/// What a process that does not hold a Lease knows of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Whether the record names a holder.
    named: bool,
    /// Whether the holder has not renewed it in time.
    expired: bool,
}

impl Seen {
    /// Whether the process that the record names may hold the Lease.
    pub(super) const fn is_held(self) -> bool {
        self.named && !self.expired
    }
}

impl Sighting {
    /// The process that the record names.
    fn holder(&self) -> Option<&str> {
        let (record, _) = self.0.as_ref()?;
        record.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// Notes a record that was read now.
    pub(super) fn of(&mut self, record: &LeaseSpec) -> Seen {
        let since = match &self.0 {
            Some((known, at)) if known == record => *at,
            _ => {
                let now = Instant::now();
                self.0 = Some((record.clone(), now));
                now
            }
        };
        let seconds = u64::try_from(record.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
        Seen {
            named: record.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty()),
            expired: since.elapsed() >= Duration::from_secs(seconds),
        }
    }
}

/// How long the release of the Lease may take at the end of the process.
const RELEASE_WITHIN: Duration = Duration::from_millis(1500);

impl Elector {
    /// An elector that does not hold the Lease yet.
    pub fn new(client: Client, config: LeaseConfig, clock: Clock) -> Self {
        let api = Api::namespaced(client, &config.namespace);
        Self { api, config, clock, tenure: Tenure::new(), observed: Sighting::default() }
    }

    /// The fence that is open only while this process is certain to hold the Lease.
    pub fn fence(&self) -> Fence {
        let tenure = self.tenure.clone();
        Fence::new(move || tenure.holds())
    }

    /// Runs until the Lease was held and lost, or until `stop`; then releases it if still held.
    ///
    /// `leading` turns true on acquisition and false on loss or release. `waits` is called after each attempt
    /// before that.
    pub async fn run(
        mut self,
        leading: watch::Sender<bool>,
        waits: impl Fn(Waits<'_>),
        stop: CancellationToken,
    ) {
        let mut renewed: Option<Instant> = None;
        let mut failures = 0_u32;
        loop {
            let deadline = self.config.renew_deadline;
            let budget = renewed.map_or(deadline, |at| deadline.saturating_sub(at.elapsed()));
            // Measured from before the request: the server may record the renewal at any time
            // after it.
            let started = Instant::now();
            let attempt = tokio::select! {
                attempt = timeout(budget, self.acquire_or_renew()) => attempt,
                () = stop.cancelled() => break,
            };
            match &attempt {
                Ok(Ok(true)) => {
                    failures = 0;
                    renewed = Some(started);
                    self.tenure.extend(started + deadline);
                    leading.send_if_modified(|held| !std::mem::replace(held, true));
                }
                Ok(Ok(false)) if renewed.is_some() => {
                    tracing::error!("another process took the lease; stepping down");
                    self.step_down(&leading);
                    return;
                }
                Ok(Ok(false)) => failures = 0,
                Ok(Err(error)) => {
                    failures = failures.saturating_add(1);
                    if is_worth_a_warning(error, failures) {
                        tracing::warn!(%error, failures, "lease request failed");
                    } else {
                        tracing::debug!(%error, "lease request failed");
                    }
                }
                Err(_) => tracing::warn!("lease request timed out"),
            }
            if renewed.is_none() {
                waits(match &attempt {
                    Ok(Ok(_)) => self.observed.holder().map_or(Waits::Unknown, Waits::Holder),
                    Ok(Err(error)) => Waits::Failure(error),
                    Err(_) => Waits::Unknown,
                });
            }
            if renewed.is_some_and(|at| at.elapsed() >= deadline) {
                tracing::error!("the lease was not renewed in time; stepping down");
                self.step_down(&leading);
                return;
            }
            let jitter = Duration::from_millis(fastrand::u64(0..=200));
            tokio::select! {
                () = sleep(self.config.retry_period + jitter) => {}
                () = stop.cancelled() => break,
            }
        }
        self.step_down(&leading);
        if renewed.is_some() {
            self.release().await;
        }
    }

    fn step_down(&self, leading: &watch::Sender<bool>) {
        self.tenure.end();
        leading.send_replace(false);
    }

    /// True when this process holds the Lease after the call.
    async fn acquire_or_renew(&mut self) -> Result<bool, ClusterError> {
        let found = self.api.get_opt(&self.config.name).await;
        let Some(mut lease) = found.map_err(|error| self.failed("get", &error))? else {
            return self.create().await;
        };
        let record = lease.spec.clone().unwrap_or_default();
        let seen = self.observed.of(&record);
        let ours = record.holder_identity.as_deref() == Some(self.config.identity.as_str());
        if seen.is_held() && !ours {
            return Ok(false);
        }
        lease.spec = Some(self.record(Some(&record)));
        match self.api.replace(&self.config.name, &PostParams::default(), &lease).await {
            Ok(written) => {
                self.observed.of(&written.spec.unwrap_or_default());
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(self.failed("update", &error)),
        }
    }

    fn failed(&self, verb: &'static str, error: &kube::Error) -> ClusterError {
        let LeaseConfig { namespace, name, .. } = &self.config;
        cluster_error(verb, format!("leases {namespace}/{name}"), error)
    }

    async fn create(&mut self) -> Result<bool, ClusterError> {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.config.name.clone()), ..Default::default() },
            spec: Some(self.record(None)),
        };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(written) => {
                self.observed.of(&written.spec.unwrap_or_default());
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() || status.is_conflict() => {
                Ok(false)
            }
            Err(error) => Err(self.failed("create", &error)),
        }
    }

    fn record(&self, previous: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(self.clock.now());
        let ours = previous.is_some_and(|record| {
            record.holder_identity.as_deref() == Some(self.config.identity.as_str())
        });
        let transitions =
            previous.map_or(0, |record| record.lease_transitions.unwrap_or(0) + i32::from(!ours));
        let kept = previous.filter(|_| ours).and_then(|record| record.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: i32::try_from(self.config.duration.as_secs()).ok(),
            acquire_time: kept.or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Lets the next process take over at once instead of after the Lease's duration.
    async fn release(&self) {
        let released = async {
            let Some(mut lease) = self.api.get_opt(&self.config.name).await? else {
                return Ok(());
            };
            let Some(record) = lease.spec.as_mut() else { return Ok(()) };
            if record.holder_identity.as_deref() != Some(self.config.identity.as_str()) {
                return Ok(());
            }
            record.holder_identity = Some(String::new());
            record.lease_duration_seconds = Some(1);
            record.renew_time = Some(MicroTime(to_microseconds(self.clock.now())));
            self.api.replace(&self.config.name, &PostParams::default(), &lease).await.map(|_| ())
        };
        match timeout(RELEASE_WITHIN, released).await {
            Ok(Ok(())) => tracing::info!("lease released"),
            Ok(Err(error)) => {
                tracing::warn!(error = %super::error::summary(&error), "lease not released");
            }
            Err(_) => tracing::warn!("lease not released: no answer in time"),
        }
    }
}

/// Whether a failure deserves a warning: a single 429 or 5xx is normal for a busy API server.
fn is_worth_a_warning(error: &ClusterError, in_a_row: u32) -> bool {
    !error.is_busy() || in_a_row > 1
}

fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_busy_answer_is_no_warning_and_a_second_one_is() {
        let answered = |code| {
            let status = kube::core::Status { code, ..kube::core::Status::default() };
            cluster_error("get", "leases a/b", &kube::Error::Api(status.boxed()))
        };
        for busy in [429, 500, 503] {
            assert!(!is_worth_a_warning(&answered(busy), 1), "{busy}");
            assert!(is_worth_a_warning(&answered(busy), 2), "{busy}");
        }
        assert!(is_worth_a_warning(&answered(403), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_held_until_its_record_has_not_changed_for_its_duration() {
        let record = |holder: &str, renewed: i64| LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        let mut sighting = Sighting::default();
        assert!(sighting.of(&record("a", 1)).is_held());
        tokio::time::advance(Duration::from_secs(14)).await;
        assert!(sighting.of(&record("a", 1)).is_held());
        assert!(sighting.of(&record("a", 2)).is_held(), "renewed");
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(!sighting.of(&record("a", 2)).is_held(), "expired");
        assert!(sighting.of(&record("b", 3)).is_held(), "taken over");
        assert!(!sighting.of(&record("", 4)).is_held(), "released");
    }

    #[tokio::test(start_paused = true)]
    async fn tenure_ends_without_a_renewal() {
        let tenure = Tenure::new();
        assert!(!tenure.holds());
        tenure.extend(Instant::now() + Duration::from_secs(10));
        assert!(tenure.holds());
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(tenure.holds());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!tenure.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn stepping_down_closes_the_fence_at_once() {
        let tenure = Tenure::new();
        tenure.extend(Instant::now() + Duration::from_secs(10));
        tenure.end();
        assert!(!tenure.holds());
    }
}
