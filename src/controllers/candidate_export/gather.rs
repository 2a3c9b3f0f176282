//! Step 1: reads every object that an export refers to. Not found is data. Async.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    distrust,
    file_target::{FileFound, ReportFound, TargetFound, sample},
    list_request,
    requests::Asked,
    verify_request,
};
use crate::{
    api::{
        CandidateExport, CandidateExportStatus, ClinchIntegration, FileFormat, FileTarget, Handled,
        USE_DESTINATION,
    },
    cluster::{Cluster, ClusterError, Kind, ObjectKey, ObjectRef},
    controllers::{
        Context,
        claims::{Writers, beside, rendered, zone},
        connections::Connection,
        link::Link,
        publish::new_request,
        references::{self, IntegrationFound, MappingFound, Sending},
        runs::{ListRun, RunState},
        secrets::usable,
        settings::Enqueue,
        shards::Use,
        sources::{self, SourceFound},
    },
    domain::{Cause, Reason},
    ledger::{AccountName, Keys, LedgerOwner},
    pipeline::Renderer,
    storage::{Location, StoragePolicy},
};

/// An export and everything that its pass depends on.
pub(super) struct Gathered {
    pub(super) export: Arc<CandidateExport>,
    pub(super) reference: ObjectRef,
    pub(super) previous: CandidateExportStatus,
    /// A request by annotation that has no receipt.
    pub(super) request: Option<Handled>,
    /// Among it, whether the ledger is to be distrusted.
    pub(super) asked: Asked,
    /// A request to verify that people are in Clinch as they were delivered.
    pub(super) asked_to_verify: Asked,
    /// A request to list whom the export wrote, without a receipt, and the place of the list.
    pub(super) asked_to_list: Option<String>,
    pub(super) list_target: Option<TargetFound>,
    /// Whether a report of all records is wanted, and no run has made it yet.
    pub(super) report_due: bool,
    /// The integration and its name; absent where the export may not use it.
    pub(super) integration: IntegrationFound,
    /// The shard to which the integration goes, if it leaves this process.
    pub(super) leaving: Option<String>,
    /// What keeps the integration in this process while a run works.
    pub(super) used: Option<Use>,
    pub(super) mapping: MappingFound,
    pub(super) source: SourceFound,
    /// The file that is written, if one is.
    pub(super) file: Option<FileFound>,
    /// The report that is written, if one is.
    pub(super) report: Option<ReportFound>,
    /// Which remote sources may be read.
    pub(super) policy: Arc<StoragePolicy>,
    /// Where files may be written.
    pub(super) destinations: Arc<StoragePolicy>,
    /// Renders profiles.
    pub(super) renderer: Renderer,
    /// The verified connection of the integration.
    pub(super) connection: Option<Connection>,
    /// Whether runs in progress may use it.
    pub(super) sending: Sending,
    /// The ledger keys of this export for the account of the connection.
    pub(super) keys: Keys,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// How long requests still wait because Clinch answered 429.
    pub(super) wait: Option<Duration>,
    /// Whether this process looks at every source once, and ends.
    pub(super) looks_once: bool,
    /// The latest run of this export in this process.
    pub(super) run: Option<RunState>,
    /// The latest verification of this export in this process.
    pub(super) verification: Option<RunState>,
    /// The latest list of whom the export wrote.
    pub(super) listing: Option<ListRun>,
    /// When this process started.
    pub(super) process_started_at: Timestamp,
    pub(super) now: Timestamp,
}

impl Gathered {
    pub(super) fn key(&self) -> &ObjectKey {
        &self.reference.key
    }

    pub(super) fn uid(&self) -> &str {
        &self.reference.uid
    }

    /// The owner of what is stored of this export.
    pub(super) fn ledger_owner(&self) -> LedgerOwner {
        let ObjectRef { key, uid, .. } = &self.reference;
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        LedgerOwner { namespace, name, uid: uid.clone() }
    }

    /// What follows the end of a run: a pass. Until then the integration stays in this process.
    pub(super) fn ended(&self, enqueue: Enqueue) -> impl FnOnce() + Send + 'static {
        let (key, used) = (self.key().clone(), self.used.clone());
        move || {
            drop(used);
            enqueue(Kind::Export, &key);
        }
    }

    /// Whether a run is wanted even if nothing has changed.
    pub(super) fn is_requested(&self) -> bool {
        self.request.is_some() || self.report_due
    }

    /// Whether a file is written. Nothing of that needs a connection to Clinch.
    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether a document is written, which shows profiles instead of mapped attributes.
    pub(super) fn is_document(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.spec.format == FileFormat::Pdf)
    }

    /// Whether what runs need is there: a verified connection, or for a file the lists of people who
    /// must not leave.
    pub(super) fn is_connected(&self) -> bool {
        match &self.file {
            Some(file) => matches!(file.lists, Some(Ok(_))),
            None => self.connection.is_some(),
        }
    }

    /// Where it writes: its file, its report, both or neither.
    pub(super) fn targets(&self) -> impl Iterator<Item = &TargetFound> {
        let file = self.file.iter().map(|file| &file.target);
        file.chain(self.report.iter().map(|report| &report.target))
    }

    /// Whether the source is remote, so that nothing announces its changes.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.source, SourceFound::Remote(..))
    }
}

/// Reads what the export refers to.
pub(super) async fn gather<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    export: &Arc<CandidateExport>,
    used: Option<Use>,
) -> Result<Gathered, ClusterError> {
    let (key, spec) = (&reference.key, &export.spec);
    let integration = references::integration(&context.cluster, key, spec);
    let mapping = references::mapping(&context.cluster, key, spec, integration.granted()).await?;
    let source = sources::find(&context.cluster, key, &spec.source, "spec.source").await?;
    let uid = reference.uid.as_str();
    let now = context.clock.now();
    let file = file(context, export, key, integration.granted(), now).await?;
    let report = report(context, export, key, now).await?;
    let root = context.root_key().await?;
    let link = Link::of(&context.connections, integration.granted());
    let link = if file.is_some() { link.unused() } else { link };
    let Link { connection, sending, limited, wait } = link;
    // Taken together with the connection: a run must not apply the ledger of one account to another.
    // Without a connection nothing is pushed, and the account in the status will do.
    let account = match &connection {
        Some(connection) => Some(connection.account.name()),
        None => integration
            .granted()
            .and_then(|found| AccountName::parse(&found.status.as_ref()?.account.as_ref()?.id)),
    };
    let keys = match account {
        Some(account) if file.is_none() => Keys::of(&root, account, uid),
        // A file has the same revision whatever is known of the account.
        Some(_) | None => Keys::derive(&root, uid),
    };
    let previous = export.status.clone().unwrap_or_default();
    let asked = match &file {
        None => distrust::asked(&export.metadata, &previous, now),
        // There is no ledger.
        Some(_) => Asked::No,
    };
    let mut request = new_request(&export.metadata, previous.handled.as_ref());
    if let Asked::Accepted(value) = &asked {
        let receipts = request.get_or_insert_with(|| previous.handled.clone().unwrap_or_default());
        receipts.distrust_ledger_requested_at = Some(value.clone());
    }
    let asked_to_list = list_request::asked(&export.metadata, previous.handled.as_ref());
    let list_target = match &asked_to_list {
        Some(_) => list_target(context, export, key, now).await?,
        None => None,
    };
    let run = context.runs.state(uid);
    let verification = context.verifications.state(uid);
    Ok(Gathered {
        request,
        report_due: context.reports.is_some() && run.is_none(),
        asked,
        asked_to_verify: verify_request::asked(
            &export.metadata,
            &previous,
            verification.as_ref(),
            now,
        ),
        verification,
        asked_to_list,
        list_target,
        listing: context.listings.state(uid),
        export: export.clone(),
        reference: reference.clone(),
        previous,
        leaving: references::leaving(&context.cluster, &integration).await?,
        used,
        integration,
        mapping,
        source,
        file,
        report,
        policy: context.settings.sources.clone(),
        destinations: context.settings.destinations.clone(),
        renderer: context.settings.renderer.clone(),
        connection,
        sending,
        keys,
        limited,
        wait,
        looks_once: context.looks_once,
        run,
        process_started_at: context.started_at,
        now,
    })
}

/// The file that an export writes, if it does.
async fn file<C: Cluster>(
    context: &Context<C>,
    export: &CandidateExport,
    key: &ObjectKey,
    integration: Option<&Arc<ClinchIntegration>>,
    now: Timestamp,
) -> Result<Option<FileFound>, ClusterError> {
    let Some(file) = &export.spec.destination.file else { return Ok(None) };
    let field = "spec.destination.file.to.url";
    let target = target(context, export, key, (field, &file.to), now).await?;
    let uid = integration.and_then(|found| found.metadata.uid.as_deref());
    let lists = uid.and_then(|uid| context.connections.lists(uid));
    Ok(Some(FileFound { spec: file.clone(), target, lists }))
}

/// The report that an export writes, if it does.
async fn report<C: Cluster>(
    context: &Context<C>,
    export: &CandidateExport,
    key: &ObjectKey,
    now: Timestamp,
) -> Result<Option<ReportFound>, ClusterError> {
    let Some(report) = &export.spec.report else { return Ok(None) };
    let target = target(context, export, key, ("spec.report.to.url", &report.to), now).await?;
    Ok(Some(ReportFound { include: report.include, target }))
}

/// Where a list of whom the export wrote belongs: beside its report.
async fn list_target<C: Cluster>(
    context: &Context<C>,
    export: &CandidateExport,
    key: &ObjectKey,
    now: Timestamp,
) -> Result<Option<TargetFound>, ClusterError> {
    let Some(report) = &export.spec.report else { return Ok(None) };
    let to = FileTarget { url: beside(&report.to.url), ..report.to.clone() };
    target(context, export, key, ("spec.report.to.url", &to), now).await.map(Some)
}

async fn target<C: Cluster>(
    context: &Context<C>,
    export: &CandidateExport,
    key: &ObjectKey,
    (field, to): (&'static str, &FileTarget),
    now: Timestamp,
) -> Result<TargetFound, ClusterError> {
    let url = rendered(&to.url, key, now, &zone(&export.spec));
    let secret = match (to.secret(), Location::file(&sample(&url))) {
        // A URL that cannot be used is reported where it is opened.
        (None, _) | (Some(_), Err(_)) => Ok(None),
        (Some(name), Ok(location)) => {
            let found = context.cluster.secret(&key.sibling(name)).await?;
            usable(name, found, &location, USE_DESTINATION)
                .map(Some)
                .map_err(|message| Cause::new(Reason::ReferenceForbidden, message))
        }
    };
    let writers = Writers::of(&context.cluster);
    let claimed_by = writers.older(&url, (Kind::Export, key, &export.metadata), now);
    Ok(TargetFound { field, to: to.clone(), url, secret, claimed_by })
}
