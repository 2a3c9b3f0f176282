//! Starts a run that writes a file, or one for each person. Async; the run itself is a supervised task that no pass awaits.

use std::sync::Arc;

use jiff::Timestamp;

use super::{file_target::is_of_the_day, gather::Gathered, push_permission, reporting::Reporting};
use crate::{
    api::{ExportMode, FileDestination},
    cluster::Cluster,
    controllers::{
        Context, budget,
        claims::{rendered, zone},
        destinations::refused,
        lists,
        runs::{RunHandle, RunState, Size},
    },
    domain::{Cause, Disposition, Reason},
    ledger::{LedgerHome, Suppressions},
    pipeline::{
        self, Ending, FilePorts, FileSpec, InPlace, LastFile, PersonFilePorts, RECORD, Report,
    },
    storage::{Destination, FileSet},
};

/// Starts a run. The status must have been written before.
pub(super) fn start<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    spec: FileSpec,
    state: RunState,
) {
    let reference = &gathered.reference;
    let ended = gathered.ended(context.enqueue.clone());
    let run = run(context, gathered, spec, &state);
    context.runs.start(reference, state, run, ended);
    // The export may have been deleted before there was a run to end; later, deletion ends it.
    if !context.cluster.has_export(reference) {
        context.runs.forget(&reference.uid);
    }
}

/// The work of a run.
fn run<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    spec: FileSpec,
    state: &RunState,
) -> impl FnOnce(RunHandle) -> futures::future::BoxFuture<'static, Report> + use<C> {
    let opened = opened(gathered, state, &context.cluster);
    let granted = gathered.integration.granted();
    let integration = granted.and_then(|found| found.metadata.uid.clone()).unwrap_or_default();
    let (watched, granted) = (context.clone(), granted.cloned());
    let grant = push_permission::file_grant(&context.cluster, gathered);
    let (keys, fence) = (gathered.keys.clone(), context.fence.clone());
    let limiter = Arc::clone(&context.limiter);
    let size = Size::of(&spec.source);
    let export = gathered.uid().to_owned();
    let renderer = gathered.renderer.clone();
    let reported = Reporting::of(context, gathered, state);
    move |handle: RunHandle| {
        Box::pin(async move {
            let RunHandle { cancel, progress } = handle;
            let ended = |ending| Report { progress: progress.borrow().clone(), ending };
            let Opened { written, suppressions } = match opened {
                Ok(opened) => opened,
                Err(Cause { reason, message }) => {
                    let disposition = Disposition::Stalled { reason };
                    return ended(Ending::Interrupted { disposition, message });
                }
            };
            let permit = cancel.run_until_cancelled(limiter.acquire(&integration, size)).await;
            // Cancelled while queued: the run never started.
            let Some(_permit) = permit else { return ended(Ending::Stopped) };
            let lists = suppressions.clone();
            let _lists = lists::watch(&watched, granted.as_deref(), lists);
            match written {
                WrittenTo::One { destination, last } => {
                    let ports = |report| FilePorts {
                        destination,
                        export,
                        last,
                        suppressions,
                        keys,
                        grant,
                        fence,
                        progress,
                        renderer,
                        report,
                        cancel,
                    };
                    reported.run(|report| pipeline::run_file(spec, ports(report))).await
                }
                WrittenTo::Each(each) => {
                    let Each { files, store, max_files, rewrite, in_place, tolerated } = each;
                    let ports = |report| PersonFilePorts {
                        files,
                        export,
                        store,
                        max_files,
                        rewrite,
                        in_place,
                        tolerated,
                        suppressions,
                        keys,
                        grant,
                        fence,
                        progress,
                        renderer,
                        report,
                        cancel,
                    };
                    reported.run(|report| pipeline::run_person_files(spec, ports(report))).await
                }
            }
        })
    }
}

/// The places of a run, and who must not leave.
struct Opened<S> {
    written: WrittenTo<S>,
    suppressions: Suppressions,
}

/// What a run writes.
enum WrittenTo<S> {
    /// A file.
    One { destination: Destination, last: Option<LastFile> },
    /// A file for each person.
    Each(Each<S>),
}

/// The files of a run that writes one for each person.
struct Each<S> {
    files: FileSet,
    store: S,
    max_files: Option<u64>,
    rewrite: bool,
    in_place: Option<InPlace>,
    tolerated: Box<dyn Fn(u64) -> u64 + Send + Sync>,
}

fn opened<C: LedgerHome>(
    gathered: &Gathered,
    state: &RunState,
    cluster: &C,
) -> Result<Opened<C::Store>, Cause> {
    // Both are there where a run is planned.
    let unknown = || Cause::new(Reason::InternalError, "the run has no file");
    let found = gathered.file.as_ref().ok_or_else(unknown)?;
    let file = &found.spec;
    let secret = found.target.secret.clone()?;
    let suppressions = found.lists.clone().ok_or_else(unknown)??;
    let zone = zone(&gathered.export.spec);
    let url = rendered(&file.to.url, gathered.key(), state.started_at, &zone);
    let looks = state.periodic && state.mode == ExportMode::Push;
    if file.is_per_candidate() {
        let files = FileSet::open(&url, RECORD, secret.as_ref(), &gathered.destinations)
            .map_err(|error| refused(found.target.field, &error))?;
        let store = cluster.files_store(&gathered.ledger_owner());
        let is_in_place = looks && gathered.previous.file.is_some();
        let in_place = is_in_place.then(|| InPlace { source: source_version(gathered) });
        // Files that somebody deleted are written again on request.
        let rewrite = gathered.request.is_some();
        let max_files = cluster.ledger_max();
        let budget = gathered.export.spec.failure_budget.clone();
        let tolerated = Box::new(move |total: u64| {
            let total = i64::try_from(total).unwrap_or(i64::MAX);
            u64::try_from(budget::allowed(&budget, total)).unwrap_or(0)
        });
        let each = Each { files, store, max_files, rewrite, in_place, tolerated };
        let written = WrittenTo::Each(each);
        return Ok(Opened { written, suppressions });
    }
    let open = |url: &str| Destination::open(url, secret.as_ref(), &gathered.destinations);
    let destination = open(&url).map_err(|error| refused(found.target.field, &error))?;
    let last = looks.then(|| last(gathered, file, state.started_at, open)).flatten();
    Ok(Opened { written: WrittenTo::One { destination, last }, suppressions })
}

fn source_version(gathered: &Gathered) -> Option<String> {
    gathered.previous.source.as_ref().and_then(|seen| seen.version.clone())
}

/// The file that an earlier run of the same day wrote for the same revision.
fn last<E>(
    gathered: &Gathered,
    file: &FileDestination,
    at: Timestamp,
    open: impl FnOnce(&str) -> Result<Destination, E>,
) -> Option<LastFile> {
    let seen = gathered.previous.file.as_ref()?;
    let zone = zone(&gathered.export.spec);
    if !is_of_the_day(&seen.url, &file.to.url, gathered.key(), at, &zone) {
        return None;
    }
    let (version, source) = (seen.version.clone()?, source_version(gathered));
    Some(LastFile { destination: open(&seen.url).ok()?, version, source })
}
