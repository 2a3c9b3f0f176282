//! Reconciles a `CandidateExport`. A run is a supervised task: a pass starts it, observes it or
//! ends it, and never waits for it.

mod attempts;
mod distant;
mod gather;
mod lanes;
mod permission;
mod plan;
mod routine;
mod runs;
mod status;
mod timing;
mod validate;

use std::{sync::Arc, time::Duration};

pub(super) use lanes::Lanes;
pub(super) use runs::Runs;
pub(super) use validate::Steps;

use self::{
    attempts::Attempts,
    gather::{Gathered, SourceFound, gather},
    lanes::Size,
    plan::{Decision, Inputs, PROGRESS_EVERY, REPROBE_EVERY, decide},
    routine::{is_unnoticed, next_run, wait_for},
    runs::{RunHandle, Slot},
    validate::{Checked, Validated, validate},
};
use super::{
    connections::Connection,
    context::Context,
    publish::{new_request, object_ref, publish, receipt},
};
use crate::{
    api::{CandidateExport, CandidateExportStatus, Handled},
    cluster::{Cluster, ClusterError, Kind, ObjectKey, ObjectRef},
    conditions::{Verdict, settle},
    domain::Reason,
    ledger::{AccountName, Keys, LedgerHome, LedgerOwner},
    pipeline::{self, ClinchCrm, Ending, Neighbour, Neighbours, Report, RunPorts},
};

/// One pass over one export.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(export) = context.cluster.read::<CandidateExport>(key).await? else { return Ok(None) };
    let reference = object_ref(Kind::Export, key, &export.metadata);
    if export.metadata.deletion_timestamp.is_some() {
        // Deleting an export never deletes people; what is in flight is finished.
        context.runs.stop(&reference.uid);
        return Ok(None);
    }
    let previous = export.status.clone().unwrap_or_default();
    match gather(context, key, export.clone()).await {
        Ok(gathered) => {
            let (next, wait, due) = pass(context, &gathered, &reference, &previous);
            publish::<CandidateExport>(&context.cluster, &reference, &previous, next, "Push")
                .await?;
            if let Some(due) = due {
                start(context, &gathered, &reference, due);
            }
            Ok(wait)
        }
        Err(error) => {
            let next = unreadable(&export, &previous, &error, context.clock.now());
            publish::<CandidateExport>(&context.cluster, &reference, &previous, next, "Push")
                .await?;
            Err(error)
        }
    }
}

/// A run that is to start once the status says so: whoever reads the status afterwards, be it the
/// next process, knows that some people may have what it delivers.
struct Due {
    slot: Slot,
    validated: Box<Validated>,
    connection: Connection,
}

/// Validates, decides, acts and tells. Ending a run is its only effect.
fn pass<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    reference: &ObjectRef,
    previous: &CandidateExportStatus,
) -> (CandidateExportStatus, Option<Duration>, Option<Due>) {
    let export = &gathered.export;
    let (now, connection) = (context.clock.now(), gathered.connection.clone());
    let Checked { mut observations, mut validated, blocked } =
        validate(gathered, connection.as_ref());
    if let Some(validated) = validated.as_mut().filter(|validated| !validated.certain)
        && previous.observed_generation == export.metadata.generation
        && let Some(applied) = status::in_place(previous)
    {
        // Taken for what is in place until it is known; nothing can start before.
        applied.clone_into(&mut validated.revision);
    }
    let slot = context.runs.slot(&reference.uid);
    if let Some(validated) = validated.as_ref().filter(|validated| validated.asks_clinch) {
        permission::learned(&mut observations, &validated.revision, previous, slot.as_ref());
    }
    let distant = matches!(gathered.source, SourceFound::Distant(..));
    if let Some(validated) = validated.as_ref().filter(|_| distant) {
        distant::learned(&mut observations, &validated.revision, previous, slot.as_ref());
    }
    let request = new_request(&export.metadata, previous.handled.as_ref());
    let next_run = validated
        .as_ref()
        .and_then(|validated| next_run(validated, previous, slot.as_ref(), &reference.uid, now));
    let decision = validated.as_ref().map(|validated| {
        decide(&Inputs {
            revision: &validated.revision,
            applied: status::in_place(previous),
            requested: request.is_some(),
            slot: slot.as_ref(),
            next_run,
            told: slot.as_ref().is_none_or(|slot| status::tells(previous, slot)),
            access: distant.then_some(validated.access.as_str()),
            connected: blocked.is_none() && connection.is_some(),
            now,
        })
    });
    let mut next = previous.clone();
    let in_sync = matches!(decision, Some(Decision::Keep | Decision::Refresh));
    let unnoticed =
        decision.as_ref().zip(validated.as_ref()).is_some_and(|(decision, validated)| {
            request.is_none()
                && is_unnoticed(
                    decision,
                    validated,
                    previous,
                    slot.as_ref(),
                    next_run,
                    context.began,
                    now,
                )
        });
    // A run that nobody has heard of yet can wait for the integration unheard, too.
    let waits = unnoticed && (blocked.is_some() || connection.is_none());
    let decision = match decision {
        Some(decision) if waits && decision != Decision::Observe => Some(Decision::Keep),
        decision => decision,
    };
    let act = act(decision, export.spec.suspend, blocked, connection, validated);
    let mut due = None;
    let (verdict, wait) = match act {
        Act::Suspend => {
            context.runs.stop(&reference.uid);
            let message = "spec.suspend is set".to_owned();
            (Verdict::Suspended { in_sync, message }, None)
        }
        Act::Blocked(verdict) => {
            context.runs.stop(&reference.uid);
            (verdict, Some(REPROBE_EVERY))
        }
        Act::Decided(decision, mut validated, connection) => {
            let mut shown = status::Inputs {
                decision: &decision,
                revision: &validated.revision.clone(),
                mode: validated.mode,
                budget: &export.spec.failure_budget,
                slot: slot.as_ref(),
                unnoticed,
            };
            let attempt = match &decision {
                Decision::Start { attempt } => Some(*attempt),
                Decision::Refresh => Some(0),
                _ => None,
            };
            let mut wait = wait_for(&decision, next_run, now);
            if let (Some(attempt), Some(connection)) = (attempt, connection) {
                let started =
                    begin(&mut next, &mut validated, &shown, attempt, request.clone(), now);
                (shown.slot, shown.unnoticed) = (None, unnoticed || started.routine);
                wait = Some(PROGRESS_EVERY);
                due = Some(Due { slot: started, validated, connection });
            } else if decision == Decision::Stop {
                context.runs.stop(&reference.uid);
            }
            let delivery = status::delivery(&mut next, &shown);
            observations.push(delivery.observation);
            (delivery.verdict, wait)
        }
    };
    observations.extend(status::warning(&next));
    let generation = export.metadata.generation.unwrap_or_default();
    settle(previous, &mut next, generation, observations, &verdict, now);
    (next, wait, due)
}

/// The slot of a run that is to start, and in the status what has to stand there before it does.
fn begin(
    next: &mut CandidateExportStatus,
    validated: &mut Validated,
    shown: &status::Inputs<'_>,
    attempt: u32,
    request: Option<Handled>,
    now: jiff::Timestamp,
) -> Slot {
    let (revision, mode) = (validated.revision.as_str(), validated.mode);
    let routine = status::in_place(next) == Some(revision) && request.is_none();
    if routine && next.rejected.unwrap_or_default() == 0 {
        let version = next.source.as_ref().and_then(|seen| seen.version.clone());
        validated.run.source.note_applied_version(version);
    }
    let before = Attempts::of(revision, mode, next, shown.slot);
    let mut slot = before.next(revision, mode, attempt, now);
    (slot.routine, slot.access) = (routine, validated.access.clone());
    let first = before.is_none();
    if !routine {
        status::begin(next, revision, first);
    }
    next.handled = receipt(next.handled.as_ref(), request);
    slot
}

/// What a pass does, once the things that come before a run are weighed.
enum Act {
    Suspend,
    Blocked(Verdict),
    Decided(Decision, Box<Validated>, Option<Connection>),
}

fn act(
    decision: Option<Decision>,
    suspend: bool,
    blocked: Option<Verdict>,
    connection: Option<Connection>,
    validated: Option<Validated>,
) -> Act {
    if suspend {
        return Act::Suspend;
    }
    let (Some(decision), Some(validated)) = (decision, validated) else {
        return Act::Blocked(blocked.unwrap_or_else(not_verified));
    };
    let validated = Box::new(validated);
    match decision {
        // Nothing is due: trouble of the integration is the integration's to tell.
        Decision::Keep | Decision::Conclude => Act::Decided(decision, validated, connection),
        // A run notices by itself when Clinch rejects the credential; what people decide about
        // the integration has to be told to it.
        Decision::Observe => match blocked.filter(|verdict| !is_unready(verdict)) {
            Some(verdict) => Act::Blocked(verdict),
            None => Act::Decided(decision, validated, connection),
        },
        _ => match (blocked, connection) {
            (Some(verdict), _) => Act::Blocked(verdict),
            (None, None) => Act::Blocked(not_verified()),
            (None, connection) => Act::Decided(decision, validated, connection),
        },
    }
}

fn is_unready(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Reconciling { reason: Reason::DependencyNotReady, .. })
}

fn not_verified() -> Verdict {
    Verdict::Reconciling {
        reason: Reason::DependencyNotReady,
        message: "the integration has not been verified since the operator started".to_owned(),
    }
}

fn start<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    reference: &ObjectRef,
    due: Due,
) {
    let Due { slot, validated, connection } = due;
    let owner = LedgerOwner {
        namespace: reference.key.namespace.clone(),
        name: reference.key.name.clone(),
        uid: reference.uid.clone(),
    };
    let store = context.cluster.ledger_store(&owner);
    let ledger_max = context.cluster.ledger_max();
    let (keys, fence) = (gathered.keys.clone(), context.fence.clone());
    let lanes = Arc::clone(&context.lanes);
    let size = Size::of(&validated.run.source);
    let granted = gathered.integration.granted();
    let integration = granted.and_then(|found| found.metadata.uid.clone()).unwrap_or_default();
    let leave = permission::leave(&context.cluster, gathered).and(connection.leave);
    let client = connection.client.under(leave);
    let export = reference.uid.clone();
    let neighbours = neighbours(context, connection.account.name(), reference);
    let doubled = gathered.export.status.as_ref().and_then(|status| status.duplicates.as_ref());
    let suspects = doubled.map(status::suspects).unwrap_or_default();
    let run = move |handle: RunHandle| async move {
        let RunHandle { cancel, progress } = handle;
        let place = cancel.run_until_cancelled(lanes.enter(&integration, size)).await;
        // Whoever waits in vain has not begun.
        let Some(_place) = place else {
            return Report { progress: progress.borrow().clone(), ending: Ending::Stopped };
        };
        let ports = RunPorts {
            crm: ClinchCrm::new(client, connection.source)
                .witnessed_by(connection.account.witnesses),
            guard: connection.guard,
            suppressions: connection.suppressions,
            look_up: connection.look_up,
            export,
            neighbours,
            suspects,
            keys,
            store,
            ledger_max,
            fence,
            max_in_flight: connection.max_in_flight,
            progress,
            cancel,
        };
        pipeline::run(validated.run, ports).await
    };
    let (wake, key) = (context.wake.clone(), gathered.key.clone());
    context.runs.start(&reference.uid, slot, run, move || wake(Kind::Export, &key));
    // Told to be gone before there was a run to end; if later, the run ends with that.
    if !context.cluster.has_export(reference) {
        context.runs.forget(&reference.uid);
    }
}

/// The other exports that push to an account, found when they are asked for.
fn neighbours<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    account: AccountName,
    own: &ObjectRef,
) -> Neighbours<C::Store> {
    let (context, own) = (context.clone(), own.uid.clone());
    Box::new(move || {
        Box::pin(async move {
            let cluster = &context.cluster;
            let root = context.root_key().await.map_err(|error| error.to_string())?;
            let mut found = Vec::new();
            // Also integrations that cannot be used at the moment: what their exports know counts.
            let mut integrations = context.connections.of_account(account);
            let all = cluster.integrations().await.map_err(|error| error.to_string())?;
            integrations.extend(all.into_iter().filter_map(|(key, integration)| {
                let shown = integration.status.as_ref()?.account.as_ref()?;
                (shown.id == account.to_string()).then_some(key)
            }));
            integrations.sort_unstable();
            integrations.dedup();
            for integration in integrations {
                let exports = cluster.exports_of(&integration).await;
                for key in exports.map_err(|error| error.to_string())? {
                    let Some(uid) = cluster.attempted_export(&key).filter(|uid| *uid != own) else {
                        continue;
                    };
                    let (cluster, owner) = (
                        cluster.clone(),
                        LedgerOwner { namespace: key.namespace, name: key.name, uid: uid.clone() },
                    );
                    let open = move || {
                        let keys = Keys::of(&root, account, &owner.uid);
                        (keys, cluster.ledger_store(&owner))
                    };
                    found.push(Neighbour { uid, open: Box::new(open) });
                }
            }
            Ok(found)
        })
    })
}

/// The status when the cluster could not be read.
fn unreadable(
    export: &CandidateExport,
    previous: &CandidateExportStatus,
    error: &ClusterError,
    now: jiff::Timestamp,
) -> CandidateExportStatus {
    let mut next = previous.clone();
    let verdict =
        Verdict::Reconciling { reason: error.disposition().reason(), message: error.to_string() };
    let generation = export.metadata.generation.unwrap_or_default();
    let warning = status::warning(&next).into_iter().collect();
    settle(previous, &mut next, generation, warning, &verdict, now);
    next
}
