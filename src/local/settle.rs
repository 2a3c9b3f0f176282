//! Reconciles a folder of manifests until every object is settled. Stands in for the watches and
//! work queues of the Kubernetes API: files do not change, so only status writes trigger anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{Change, LocalCluster};
use crate::{
    api::{ConditionType, STATUS_TRUE},
    cluster::{Kind, ObjectKey, Reconciler, Trigger},
    domain::Reason,
};

/// The reading end of the queue of reconciles.
pub type ReconcileRequests = UnboundedReceiver<(Kind, ObjectKey)>;

/// Both ends of the queue of reconciles.
pub fn reconcile_queue() -> (UnboundedSender<(Kind, ObjectKey)>, ReconcileRequests) {
    unbounded_channel()
}

/// How the objects ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Every object is Ready.
    Ready,
    /// At least one needs a human.
    Stalled,
    /// The deadline passed first.
    TimedOut,
}

/// The delay before a failed reconcile is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Reconciles every object until all are settled, or until `deadline`.
pub async fn run_until_settled(
    cluster: &LocalCluster,
    reconciler: &impl Reconciler,
    mut requests: ReconcileRequests,
    deadline: Instant,
) -> Settled {
    let mut changes = cluster.changes();
    let mut due: BTreeMap<(Kind, ObjectKey), Instant> = BTreeMap::new();
    let now = Instant::now();
    for kind in Kind::ALL {
        due.extend(cluster.keys(kind).into_iter().map(|key| ((kind, key), now)));
    }
    if due.is_empty() {
        return Settled::Ready;
    }
    loop {
        let next = due.iter().min_by_key(|(target, at)| (**at, (*target).clone()));
        let next = next.map(|(target, at)| (target.clone(), *at));
        let wait_until = next.as_ref().map_or(deadline, |(_, at)| (*at).min(deadline));
        tokio::select! {
            biased;
            request = requests.recv() => {
                if let Some(target) = request {
                    due.insert(target, Instant::now());
                }
                continue;
            }
            () = sleep_until(wait_until) => {}
        }
        if Instant::now() >= deadline {
            return Settled::TimedOut;
        }
        let Some(((kind, key), _)) = next else { continue };
        due.remove(&(kind, key.clone()));
        match reconciler.reconcile(kind, &key).await {
            Ok(Some(delay)) => {
                due.insert((kind, key), Instant::now() + delay);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%kind, object = %key, %error, "reconcile failed");
                due.insert((kind, key), Instant::now() + RETRY_DELAY);
            }
        }
        while let Ok(change) = changes.try_recv() {
            if let Change::Status(object) = change {
                let trigger = Trigger::status_of(object.kind, &object.key);
                let dependents = cluster.dependents(&trigger).into_iter();
                due.extend(dependents.map(|target| (target, Instant::now())));
            }
        }
        let nothing_now = due.values().all(|at| *at > Instant::now()) && requests.is_empty();
        if nothing_now && let Some(settled) = settled(cluster) {
            return settled;
        }
    }
}

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ready,
    InProgress,
    /// It stays as it is until a human acts.
    Blocked,
}

/// How every object is settled; `None` while one is still in progress.
fn settled(cluster: &LocalCluster) -> Option<Settled> {
    let mut states = BTreeSet::new();
    for kind in Kind::ALL {
        for key in cluster.keys(kind) {
            let state = match state(cluster, kind, &key) {
                State::InProgress if kind == Kind::Export && waits_for_blocked(cluster, &key) => {
                    State::Blocked
                }
                state => state,
            };
            states.insert(state);
        }
    }
    if states.contains(&State::InProgress) {
        None
    } else if states.contains(&State::Blocked) {
        Some(Settled::Stalled)
    } else {
        Some(Settled::Ready)
    }
}

/// Whether the integration that an export names is blocked.
fn waits_for_blocked(cluster: &LocalCluster, export: &ObjectKey) -> bool {
    cluster.integration_named_by(export).is_some_and(|integration| {
        state(cluster, Kind::Integration, &integration) == State::Blocked
    })
}

fn state(cluster: &LocalCluster, kind: Kind, key: &ObjectKey) -> State {
    let Some((generation, conditions)) = cluster.conditions(kind, key) else {
        return State::InProgress;
    };
    let found = |type_: ConditionType| -> Option<&Condition> {
        conditions.iter().find(|condition| condition.type_ == type_.as_str())
    };
    let is_true = |type_| found(type_).is_some_and(|condition| condition.status == STATUS_TRUE);
    if generation < 0 {
        return State::InProgress;
    }
    if is_true(ConditionType::Ready) {
        return State::Ready;
    }
    if is_true(ConditionType::Suspended) || is_true(ConditionType::Stalled) {
        return State::Blocked;
    }
    // Files do not change: what is missing stays missing.
    let reason = found(ConditionType::Ready).and_then(|ready| Reason::from_word(&ready.reason));
    match reason {
        Some(
            Reason::AwaitingApproval
            | Reason::DependencyNotFound
            | Reason::SourceNotFound
            | Reason::IntegrationSuspended,
        ) => State::Blocked,
        _ => State::InProgress,
    }
}
