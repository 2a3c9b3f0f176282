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
    conditions::find,
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
    /// Every object is Ready, or suspended by its spec.
    Ready,
    /// At least one needs a person to act.
    Stalled,
    /// The others are Ready, and at least one waits for somebody else's approval or for its window.
    Waiting,
    /// The deadline passed first.
    TimedOut,
}

/// The delay before a failed reconcile is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How often to check whether work that no object reports has ended.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// Reconciles every object until all are settled and nothing `is_running` any more, or until
/// `deadline`. A run need not show in the status of its export.
pub async fn run_until_settled(
    cluster: &LocalCluster,
    reconciler: &impl Reconciler,
    mut requests: ReconcileRequests,
    is_running: impl Fn() -> bool,
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
    let mut wake_at = deadline;
    loop {
        let next = due.iter().min_by_key(|(target, at)| (**at, (*target).clone()));
        let next = next.map(|(target, at)| (target.clone(), *at));
        wake_at = next.as_ref().map_or(wake_at, |(_, at)| (*at).min(wake_at));
        tokio::select! {
            biased;
            request = requests.recv() => {
                if let Some(target) = request {
                    due.insert(target, Instant::now());
                }
                continue;
            }
            () = sleep_until(wake_at.min(deadline)) => {}
        }
        let now = Instant::now();
        if now >= deadline {
            return Settled::TimedOut;
        }
        wake_at = deadline;
        if let Some((target, _)) = next.filter(|(_, at)| *at <= now) {
            due.remove(&target);
            let again = reconcile(reconciler, &target).await;
            due.extend(again.map(|delay| (target, Instant::now() + delay)));
        }
        while let Ok(change) = changes.try_recv() {
            if let Change::Status(object) = change {
                let trigger = Trigger::status_of(object.kind, &object.key);
                let dependents = cluster.dependents(&trigger).into_iter();
                due.extend(dependents.map(|target| (target, Instant::now())));
            }
        }
        // A run that has ended asks for a reconcile before it counts as ended.
        let running = is_running();
        let nothing_now = due.values().all(|at| *at > Instant::now()) && requests.is_empty();
        if nothing_now && let Some(settled) = settled(cluster) {
            if !running {
                return settled;
            }
            wake_at = Instant::now() + CHECK_EVERY;
        }
    }
}

/// Reconciles one object; how long until the next time, if there is one.
async fn reconcile(
    reconciler: &impl Reconciler,
    (kind, key): &(Kind, ObjectKey),
) -> Option<Duration> {
    match reconciler.reconcile(*kind, key).await {
        Ok(again) => again,
        Err(error) => {
            tracing::warn!(%kind, object = %key, %error, "reconcile failed");
            Some(RETRY_DELAY)
        }
    }
}

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ready,
    /// It stays as it is because a spec says so.
    Suspended,
    InProgress,
    /// It stays as it is until somebody else permits it, or a window opens.
    Awaiting,
    /// It stays as it is until a person acts.
    Blocked,
}

/// How every object is settled; `None` while one is still in progress.
fn settled(cluster: &LocalCluster) -> Option<Settled> {
    let mut states = BTreeSet::new();
    for kind in Kind::ALL {
        for key in cluster.keys(kind) {
            let state = match state(cluster, kind, &key) {
                State::InProgress => as_its_integration(cluster, kind, &key),
                state => state,
            };
            states.insert(state);
        }
    }
    if states.contains(&State::InProgress) {
        return None;
    }
    // The worst decides.
    Some(match states.last() {
        Some(State::Blocked) => Settled::Stalled,
        Some(State::Awaiting) => Settled::Waiting,
        Some(State::Ready | State::Suspended | State::InProgress) | None => Settled::Ready,
    })
}

/// The state of an export or import in progress: nothing happens before its integration is ready.
fn as_its_integration(cluster: &LocalCluster, kind: Kind, key: &ObjectKey) -> State {
    let integration = cluster.integration_named_by(kind, key);
    match integration.map(|key| state(cluster, Kind::Integration, &key)) {
        Some(lasting @ (State::Blocked | State::Suspended)) => lasting,
        _ => State::InProgress,
    }
}

fn state(cluster: &LocalCluster, kind: Kind, key: &ObjectKey) -> State {
    match cluster.conditions(kind, key) {
        Some((generation, conditions)) if generation >= 0 => of(&conditions),
        _ => State::InProgress,
    }
}

/// The state that conditions show.
fn of(conditions: &[Condition]) -> State {
    let is_true =
        |type_| find(conditions, type_).is_some_and(|condition| condition.status == STATUS_TRUE);
    if is_true(ConditionType::Suspended) {
        return State::Suspended;
    }
    if is_true(ConditionType::Ready) {
        return State::Ready;
    }
    if is_true(ConditionType::Stalled) {
        return State::Blocked;
    }
    let ready = find(conditions, ConditionType::Ready);
    let reason = ready.and_then(|ready| Reason::from_word(&ready.reason));
    match reason {
        Some(Reason::AwaitingApproval | Reason::OutsideWindow) => State::Awaiting,
        Some(Reason::IntegrationSuspended) => State::Suspended,
        // Files do not change: what is missing stays missing.
        Some(Reason::DependencyNotFound | Reason::SourceNotFound) => State::Blocked,
        _ => State::InProgress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::CandidateExportStatus,
        conditions::{Standing, Verdict, apply},
    };

    fn shown(verdict: &Verdict) -> State {
        let (previous, mut next) = <(CandidateExportStatus, CandidateExportStatus)>::default();
        apply(&previous, &mut next, 1, vec![], verdict, jiff::Timestamp::UNIX_EPOCH);
        of(&next.conditions)
    }

    #[test]
    fn an_object_is_settled_once_nothing_happens_by_itself_any_more() {
        let waits = |reason| shown(&Verdict::reconciling(reason, ""));
        for (reason, state) in [
            (Reason::Progressing, State::InProgress),
            (Reason::RateLimited, State::InProgress),
            (Reason::DependencyNotReady, State::InProgress),
            (Reason::SourceUnreachable, State::InProgress),
            (Reason::AwaitingApproval, State::Awaiting),
            (Reason::OutsideWindow, State::Awaiting),
            (Reason::IntegrationSuspended, State::Suspended),
            (Reason::DependencyNotFound, State::Blocked),
            (Reason::SourceNotFound, State::Blocked),
        ] {
            assert_eq!(waits(reason), state, "{reason}");
        }
        assert_eq!(shown(&Verdict::ready(Reason::Synced, "")), State::Ready);
        assert_eq!(shown(&Verdict::stalled(Reason::RecordsRejected, "")), State::Blocked);
        let suspended = |standing| Verdict::Suspended { standing, message: String::new() };
        for standing in [Standing::InSync, Standing::Behind, Standing::NothingDue] {
            assert_eq!(shown(&suspended(standing)), State::Suspended);
        }
    }
}
