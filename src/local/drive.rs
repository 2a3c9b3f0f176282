//! Drives reconciles over a folder of manifests until nothing is left to be done by itself: what
//! watches and work queues are to the Kubernetes API, for files that do not change.

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
    cluster::{Cluster, Kind, ObjectKey, ObjectRef, Reconciler},
    domain::Reason,
};

/// Requests for reconciles.
pub type Wakes = UnboundedReceiver<(Kind, ObjectKey)>;

/// Both ends of the queue of requests.
pub fn wakes() -> (UnboundedSender<(Kind, ObjectKey)>, Wakes) {
    unbounded_channel()
}

/// How driving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Every object is Ready.
    Ready,
    /// Something needs a person.
    Stalled,
    /// Time ran out first.
    TimedOut,
}

/// How long a failed reconcile waits for its next attempt.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Reconciles everything until all is settled, or until `deadline`.
pub async fn drive(
    cluster: &LocalCluster,
    reconciler: &impl Reconciler,
    mut wakes: Wakes,
    deadline: Instant,
) -> Settled {
    let mut changes = cluster.changes();
    let mut due: BTreeMap<(Kind, ObjectKey), Instant> = BTreeMap::new();
    let now = Instant::now();
    for kind in Kind::ALL {
        due.extend(cluster.keys(kind).into_iter().map(|key| ((kind, key), now)));
    }
    loop {
        let next = due.iter().min_by_key(|(target, at)| (**at, (*target).clone()));
        let next = next.map(|(target, at)| (target.clone(), *at));
        let wait_until = next.as_ref().map_or(deadline, |(_, at)| (*at).min(deadline));
        tokio::select! {
            biased;
            woken = wakes.recv() => {
                if let Some(target) = woken {
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
                due.insert((kind, key), Instant::now() + AFTER_FAILURE);
            }
        }
        while let Ok(change) = changes.try_recv() {
            if let Change::Status(object) = change {
                wake_dependents(cluster, &object, &mut due).await;
            }
        }
        let nothing_now = due.values().all(|at| *at > Instant::now()) && wakes.is_empty();
        if nothing_now && let Some(settled) = settled(cluster) {
            return settled;
        }
    }
}

/// A changed integration or mapping may let exports go on.
async fn wake_dependents(
    cluster: &LocalCluster,
    changed: &ObjectRef,
    due: &mut BTreeMap<(Kind, ObjectKey), Instant>,
) {
    let dependents = match changed.kind {
        Kind::Integration => cluster.exports_of(&changed.key).await.unwrap_or_default(),
        Kind::Mapping => cluster.keys(Kind::Export),
        Kind::Export => Vec::new(),
    };
    for key in dependents {
        due.insert((Kind::Export, key), Instant::now());
    }
}

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Ready,
    Waiting,
    Stuck,
}

/// Whether everything has come to rest, and how.
fn settled(cluster: &LocalCluster) -> Option<Settled> {
    let mut all = BTreeSet::new();
    for kind in Kind::ALL {
        for key in cluster.keys(kind) {
            let integration_stuck = kind == Kind::Export && depends_on_stuck(cluster, &key);
            let standing = match standing(cluster, kind, &key) {
                Standing::Waiting if integration_stuck => Standing::Stuck,
                standing => standing,
            };
            all.insert(standing);
        }
    }
    if all.contains(&Standing::Waiting) {
        None
    } else if all.contains(&Standing::Stuck) {
        Some(Settled::Stalled)
    } else {
        Some(Settled::Ready)
    }
}

fn depends_on_stuck(cluster: &LocalCluster, export: &ObjectKey) -> bool {
    cluster
        .keys(Kind::Integration)
        .into_iter()
        .filter(|key| standing(cluster, Kind::Integration, key) == Standing::Stuck)
        .any(|key| cluster.export_names(export, &key))
}

fn standing(cluster: &LocalCluster, kind: Kind, key: &ObjectKey) -> Standing {
    let Some((generation, conditions)) = cluster.conditions(kind, key) else {
        return Standing::Waiting;
    };
    let found = |wanted: ConditionType| -> Option<&Condition> {
        conditions.iter().find(|condition| condition.type_ == wanted.as_str())
    };
    let is_true = |wanted| found(wanted).is_some_and(|condition| condition.status == STATUS_TRUE);
    if generation < 0 {
        return Standing::Waiting;
    }
    if is_true(ConditionType::Ready) {
        return Standing::Ready;
    }
    if is_true(ConditionType::Suspended) || is_true(ConditionType::Stalled) {
        return Standing::Stuck;
    }
    // Files do not change: what is missing stays missing.
    let reason = found(ConditionType::Ready).and_then(|ready| Reason::from_word(&ready.reason));
    match reason {
        Some(
            Reason::AwaitingApproval
            | Reason::DependencyNotFound
            | Reason::SourceNotFound
            | Reason::IntegrationSuspended,
        ) => Standing::Stuck,
        _ => Standing::Waiting,
    }
}
