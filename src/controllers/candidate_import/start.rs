//! Starts the run that was planned. Async; the run itself is a supervised task that no pass awaits.

use std::sync::Arc;

use super::{
    gather::Gathered,
    own::own_writes,
    permission,
    rediscovery::{self, Comparison},
    sink::open,
    validate::Validated,
};
use crate::{
    cluster::{Cluster, Kind},
    controllers::{
        Context,
        connections::Connection,
        lists,
        runs::{ImportRun, RunHandle, Size},
    },
    domain::{Cause, Disposition},
    ledger::{ImportKeys, Keys, LedgerHome, LedgerOwner},
    pipeline::{
        ClinchFeed, Ending, ImportPorts, ImportProgress, ImportReport, SinkGate, run_import,
    },
};

/// Starts a run. The status must have been written before.
pub(super) fn start<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    validated: Validated,
    state: ImportRun,
) {
    // Blocked before it was planned.
    let Some(connection) = gathered.connection.clone() else { return };
    let reference = &gathered.reference;
    // The same list and the same people give the same result; nothing announces changes elsewhere.
    let always = !state.periodic
        || context.looks_once
        || validated.comparison.as_ref().is_some_and(Comparison::is_remote);
    let run = run(context, gathered, connection, validated, always);
    let (enqueue, key) = (context.enqueue.clone(), reference.key.clone());
    let used = gathered.used.clone();
    let ended = move || {
        // Until now the integration stays in this process.
        drop(used);
        enqueue(Kind::Import, &key);
    };
    context.imports.start(reference, state, run, ended);
    // The import may have been deleted before there was a run to end; later, deletion ends it.
    if !context.cluster.has_import(reference) {
        context.imports.forget(&reference.uid);
    }
}

/// The work of a run.
fn run<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    connection: Connection,
    validated: Validated,
    always: bool,
) -> impl FnOnce(RunHandle<ImportProgress>) -> futures::future::BoxFuture<'static, ImportReport> + use<C>
{
    let reference = &gathered.reference;
    let owner = LedgerOwner {
        namespace: reference.key.namespace.clone(),
        name: reference.key.name.clone(),
        uid: reference.uid.clone(),
    };
    let sink = open(gathered, &validated.spec.import);
    let own = own_writes(context, gathered, &connection);
    let store = context.cluster.import_store(&owner);
    let known_max = context.cluster.ledger_max();
    let grant = permission::grant(&context.cluster, gathered).and(connection.grant.clone());
    let granted = gathered.integration.granted();
    let integration = granted.and_then(|found| found.metadata.uid.clone()).unwrap_or_default();
    let granted = granted.cloned();
    let reported_scan = gathered.previous.last_full_scan.as_ref().map(|scan| scan.at.0.as_second());
    let (limiter, context) = (Arc::clone(&context.limiter), Arc::clone(context));
    let (uid, name) = (reference.uid.clone(), reference.key.to_string());
    move |handle: RunHandle<ImportProgress>| {
        Box::pin(async move {
            let RunHandle { cancel, progress } = handle;
            let ended = |ending| ImportReport { progress: progress.borrow().clone(), ending };
            let sink = match sink {
                Ok(sink) => sink,
                Err(Cause { reason, message }) => {
                    let disposition = Disposition::Stalled { reason };
                    return ended(Ending::Interrupted { disposition, message });
                }
            };
            let root = match context.root_key().await {
                Ok(root) => root,
                Err(error) => {
                    let (disposition, message) = (error.disposition(), error.to_string());
                    return ended(Ending::Interrupted { disposition, message });
                }
            };
            let stopped = cancel.clone();
            let grant = grant.waiting_until(move || stopped.is_cancelled());
            let comparing = connection.clone();
            let client = connection.client.with_grant(grant.clone(), connection.successor, &name);
            // How many people there are is not known.
            let permit = limiter.acquire(&integration, Size::Large);
            // Cancelled while queued: the run never started.
            let Some(_permit) = cancel.run_until_cancelled(permit).await else {
                return ended(Ending::Stopped);
            };
            let lists = connection.suppressions.clone();
            let _lists = lists::watch(&context, granted.as_deref(), lists);
            let gate = SinkGate {
                fence: context.fence.clone(),
                grant: grant.clone(),
                cancel: cancel.clone(),
                reports: progress.clone(),
            };
            let ports = ImportPorts {
                feed: ClinchFeed::new(client.clone()),
                sink: sink.of_run(gate, context.clock.clone()),
                known_max,
                store,
                keys: ImportKeys::of(&root, connection.account.name(), &uid),
                suppressions: connection.suppressions,
                own,
                grant,
                fence: context.fence.clone(),
                reported_scan,
                clock: context.clock.clone(),
                progress,
                cancel: cancel.clone(),
            };
            let Validated { spec, comparison, .. } = validated;
            let mut report = run_import(spec, ports).await;
            let ImportProgress { counts, near_misses, .. } = &report.progress;
            context.work.import_compared(counts.own, *near_misses);
            let changed = counts.emitted + counts.own + counts.tombstones > 0;
            if let Some(comparison) = comparison.filter(|_| always || changed)
                && report.ending == Ending::Completed
            {
                let limits = (context.fence.clone(), cancel);
                let keys = Keys::of(&root, comparing.account.name(), &uid);
                let compared =
                    rediscovery::compare(comparison, comparing, client, &uid, limits, keys);
                let compared = Box::pin(compared).await;
                report.ending = rediscovery::ending(&compared);
                if report.ending == Ending::Completed {
                    report.progress.compared = Some(rediscovery::compared(compared));
                }
            }
            report
        })
    }
}
