//! Starts the run that was planned. Async; the run itself is a supervised task that no pass awaits.

use std::sync::Arc;

use super::{
    distrust, file_run,
    gather::Gathered,
    push_permission, recorded,
    reporting::Reporting,
    validate::{Task, Validated},
};
use crate::{
    api::{DriftPolicy, ExportMode},
    cluster::{Cluster, ObjectKey, ObjectRef},
    controllers::{
        Context,
        connections::Connection,
        lists,
        runs::{RunHandle, RunState, Size},
    },
    ledger::{AccountName, Keys, LedgerHome, LedgerOwner},
    pipeline::{
        self, ClinchCrm, Ending, LedgerTrust, Neighbour, Neighbours, Report, RunPorts, RunSpec,
    },
};

/// Starts a run. The status must have been written before.
pub(super) fn start<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    validated: Validated,
    state: RunState,
) {
    match (validated.task, &gathered.connection) {
        (Task::Push(spec), Some(connection)) => {
            push(context, gathered, connection.clone(), *spec, state);
        }
        (Task::File(spec), _) => file_run::start(context, gathered, *spec, state),
        // Blocked before it was planned.
        (Task::Push(_), None) => {}
    }
}

fn push<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    connection: Connection,
    mut spec: RunSpec,
    state: RunState,
) {
    let Gathered { reference, previous, .. } = gathered;
    spec.renderer = context.settings.renderer.clone();
    // What a dry run counts depends on Clinch, too.
    let counts_anew = context.looks_once && state.mode == ExportMode::DryRun;
    // A resume that could not be attached may be there now.
    let lacks = previous.counts.is_some_and(|counts| counts.warnings > 0);
    let rejected = previous.rejected.unwrap_or_default() > 0;
    if state.periodic && !rejected && !lacks && !counts_anew {
        let version = previous.source.as_ref().and_then(|seen| seen.version.clone());
        spec.source.note_applied_version(version);
    }
    let ledger = distrust::seen(previous, gathered.run.as_ref());
    let trust = distrust::trust(&gathered.asked, ledger.as_ref());
    let reporting = Reporting::of(context, gathered, &state);
    let run = run(context, gathered, connection, spec, trust, Work::Push(reporting.into()));
    let ended = gathered.ended(context.enqueue.clone());
    context.runs.start(reference, state, run, ended);
    // The export may have been deleted before there was a run to end; later, deletion ends it.
    if !context.cluster.has_export(reference) {
        context.runs.forget(&reference.uid);
    }
}

/// Starts a verification. No run of the export may be in progress.
pub(super) fn verify<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    validated: Validated,
    state: RunState,
) {
    let (Task::Push(spec), Some(connection)) = (validated.task, gathered.connection.clone()) else {
        // Neither is planned.
        return;
    };
    let Gathered { reference, previous, export, .. } = gathered;
    let ledger = distrust::seen(previous, gathered.run.as_ref());
    let trust = distrust::trust(&gathered.asked, ledger.as_ref());
    let policy = match export.spec.drift_policy {
        DriftPolicy::Report => pipeline::DriftPolicy::Report,
        DriftPolicy::Correct => pipeline::DriftPolicy::Correct,
    };
    let work = run(context, gathered, connection, *spec, trust, Work::Verify(policy));
    let ended = gathered.ended(context.enqueue.clone());
    context.verifications.start(reference, state, work, ended);
    if !context.cluster.has_export(reference) {
        context.verifications.forget(&reference.uid);
    }
}

/// What is started.
enum Work {
    /// A run, which reports all of its records if that is wanted.
    Push(Box<Reporting>),
    /// A verification.
    Verify(pipeline::DriftPolicy),
}

/// The work of a run or a verification.
fn run<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    connection: Connection,
    spec: RunSpec,
    trust: LedgerTrust,
    task: Work,
) -> impl FnOnce(RunHandle) -> futures::future::BoxFuture<'static, Report> + use<C> {
    let Gathered { reference, previous, .. } = gathered;
    let store = context.cluster.ledger_store(&gathered.ledger_owner());
    let ledger_max = context.cluster.ledger_max();
    let (keys, fence) = (gathered.keys.clone(), context.fence.clone());
    let limiter = Arc::clone(&context.limiter);
    let size = Size::of(&spec.source);
    let granted = gathered.integration.granted();
    let integration = granted.and_then(|found| found.metadata.uid.clone()).unwrap_or_default();
    let (watched, granted) = (context.clone(), granted.cloned());
    let grant = push_permission::grant(&context.cluster, gathered).and(connection.grant);
    let export = reference.uid.clone();
    let name = reference.key.to_string();
    let neighbours = neighbours(context, connection.account.name(), reference);
    let duplicates = previous.duplicates.as_ref();
    let suspects = duplicates.map(recorded::suspects).unwrap_or_default();
    move |handle: RunHandle| {
        Box::pin(async move {
            let RunHandle { cancel, progress } = handle;
            let ended = cancel.clone();
            let grant = grant.waiting_until(move || ended.is_cancelled());
            let client = connection.client.with_grant(grant, connection.successor, &name);
            let permit = cancel.run_until_cancelled(limiter.acquire(&integration, size)).await;
            let Some(_permit) = permit else {
                // Cancelled while queued: the run never started.
                return Report { progress: progress.borrow().clone(), ending: Ending::Stopped };
            };
            let lists = connection.suppressions.clone();
            let _lists = lists::watch(&watched, granted.as_deref(), lists);
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
                trust,
                ledger_max,
                fence,
                max_in_flight: connection.max_in_flight,
                progress,
                report: None,
                cancel,
            };
            match task {
                Work::Push(reporting) => {
                    let run = |report| pipeline::run(spec, RunPorts { report, ..ports });
                    reporting.run(run).await
                }
                Work::Verify(policy) => pipeline::verify(spec, ports, policy).await,
            }
        })
    }
}

/// The other exports that push to an account, listed when a run needs them.
fn neighbours<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    account: AccountName,
    own: &ObjectRef,
) -> Neighbours<C::Store> {
    let (context, own) = (context.clone(), own.uid.clone());
    Arc::new(move || {
        let (context, own) = (context.clone(), own.clone());
        Box::pin(async move {
            let cluster = &context.cluster;
            let root = context.root_key().await.map_err(|error| error.to_string())?;
            let mut found: Vec<Neighbour<C::Store>> = Vec::new();
            let neighbour = |owner: LedgerOwner| {
                let (cluster, uid) = (cluster.clone(), owner.uid.clone());
                let open = move || {
                    let keys = Keys::of(&root, account, &owner.uid);
                    (keys, cluster.ledger_store(&owner))
                };
                Neighbour { uid, open: Box::new(open) }
            };
            // Also of integrations that cannot be used now: their ledgers count.
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
                    let ObjectKey { namespace, name } = key;
                    found.push(neighbour(LedgerOwner { namespace, name, uid }));
                }
            }
            // Those of another account cannot be read with its keys, and show nobody.
            for owner in cluster.kept_ledgers() {
                if owner.uid != own && found.iter().all(|known| known.uid != owner.uid) {
                    found.push(neighbour(owner));
                }
            }
            Ok(found)
        })
    })
}
