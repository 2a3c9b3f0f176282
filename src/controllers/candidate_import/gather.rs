//! Step 1: reads every object that an import refers to. Not found is data. Async.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use super::accepted;
use crate::{
    api::{
        CandidateImport, CandidateImportSpec, CandidateImportStatus, Handled, ImportMatch,
        USE_DESTINATION,
    },
    cluster::{Cluster, ClusterError, Kind, ObjectKey, ObjectRef},
    controllers::{
        Context,
        claims::{Claim, Writers},
        connections::Connection,
        link::Link,
        mappings,
        publish::new_request,
        references::{self, IntegrationFound, MappingFound, Sending},
        runs::ImportRun,
        secrets::usable,
        shards::Use,
        sources::{self, SourceFound},
    },
    domain::{Cause, Reason},
    ledger::Keys,
    storage::{Location, LocationError, StoragePolicy},
};

/// An import and everything that its pass depends on.
pub(super) struct Gathered {
    pub(super) import: Arc<CandidateImport>,
    pub(super) reference: ObjectRef,
    pub(super) previous: CandidateImportStatus,
    /// A request by annotation that has no receipt.
    pub(super) request: Option<Handled>,
    /// A request to accept held deletions that has no receipt.
    pub(super) accepts: Option<String>,
    /// The integration; absent where the import may not use it.
    pub(super) integration: IntegrationFound,
    /// The shard to which the integration goes, if it leaves this process.
    pub(super) leaving: Option<String>,
    /// What keeps the integration in this process while a run works.
    pub(super) used: Option<Use>,
    pub(super) mapping: MappingFound,
    /// Where people are written, if the spec says so.
    pub(super) sink: Option<SinkFound>,
    /// The list that is compared with Clinch, if there is one.
    pub(super) list: Option<ListFound>,
    /// Where imports may write.
    pub(super) destinations: Arc<StoragePolicy>,
    /// The verified connection of the integration.
    pub(super) connection: Option<Connection>,
    /// Whether runs in progress may use it.
    pub(super) sending: Sending,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// How long requests still wait because Clinch answered 429.
    pub(super) wait: Option<Duration>,
    /// Whether this process looks once, and ends.
    pub(super) looks_once: bool,
    /// The latest run of this import in this process.
    pub(super) run: Option<ImportRun>,
    /// When this process started.
    pub(super) process_started_at: Timestamp,
    pub(super) now: Timestamp,
}

/// The fields of a Secret, or why it cannot be used.
pub(super) type Fields = Result<BTreeMap<String, Bytes>, Cause>;

/// Where people are written, or sent.
pub(super) struct SinkFound {
    /// Its URL; that of a folder ends in a slash.
    pub(super) url: String,
    /// The Secret with credentials or headers; `None` if the spec names none.
    pub(super) secret: Option<Fields>,
    /// The Secret that signs, for an endpoint.
    pub(super) signing: Option<Fields>,
}

/// A list of people to look for in Clinch.
pub(super) struct ListFound {
    pub(super) source: SourceFound,
    /// The mapping for exports that says what is compared.
    pub(super) mapping: MappingFound,
    /// The fields of the Secret that the report is written with, or why it cannot be used.
    pub(super) report_secret: Result<Option<BTreeMap<String, Bytes>>, Cause>,
    /// An older object that writes where the report is written.
    pub(super) claimed_by: Option<Claim>,
    /// Which remote places may be read.
    pub(super) policy: Arc<StoragePolicy>,
    /// The keys for what the status shows of the content.
    pub(super) keys: Keys,
}

impl SinkFound {
    /// The field of the spec that names it.
    pub(super) fn field(&self) -> &'static str {
        if self.signing.is_some() { "spec.sink.http.url" } else { "spec.sink.objectStore.url" }
    }

    /// The URL of some file in the folder, to check the place with.
    pub(super) fn some_file(&self) -> String {
        format!("{}latest.json", self.url)
    }

    /// Its location.
    pub(super) fn location(&self) -> Result<Location, LocationError> {
        if self.signing.is_some() {
            Location::web(&self.url)
        } else {
            Location::file(&self.some_file())
        }
    }

    /// Its Secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Fields> {
        self.secret.iter().chain(&self.signing)
    }
}

impl Gathered {
    pub(super) fn key(&self) -> &ObjectKey {
        &self.reference.key
    }

    pub(super) fn uid(&self) -> &str {
        &self.reference.uid
    }

    /// Where it writes or sends to. A URL that cannot be used is reported where it is opened.
    pub(super) fn places(&self) -> Vec<Location> {
        let sink = self.sink.as_ref().map(SinkFound::location);
        let list = self.import.spec.rediscovery.as_ref();
        let report = list.and_then(|list| list.report.as_ref());
        let report = report.map(|report| Location::file(&report.to.url));
        sink.into_iter().chain(report).filter_map(Result::ok).collect()
    }

    /// Whether the latest run has held deletions back.
    pub(super) fn holds_deletions(&self) -> bool {
        let met = self.run.as_ref().and_then(ImportRun::interruption);
        met.is_some_and(|(_, cause)| cause.reason == Reason::DeletionsHeld)
    }

    /// Whether a run is wanted even if nothing is due: a request that no run has acted on.
    pub(super) fn is_requested(&self) -> bool {
        let acted = self.run.as_ref().and_then(|run| run.accepts.as_ref());
        let accepts = self.accepts.is_some() && self.accepts.as_ref() != acted;
        self.request.is_some() || (accepts && self.holds_deletions())
    }
}

/// Reads what the import refers to.
pub(super) async fn gather<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    import: &Arc<CandidateImport>,
    used: Option<Use>,
) -> Result<Gathered, ClusterError> {
    let (key, spec, cluster) = (&reference.key, &import.spec, &context.cluster);
    let integration = references::integration(cluster, key, spec);
    let mapping = references::mapping(cluster, key, spec, integration.granted()).await?;
    let sink = sink(cluster, key, import).await?;
    let list = match &spec.rediscovery {
        Some(list) => Some(self::list(context, key, import, list).await?),
        None => None,
    };
    let Link { connection, sending, limited, wait } =
        Link::of(&context.connections, integration.granted());
    let previous = import.status.clone().unwrap_or_default();
    Ok(Gathered {
        request: new_request(&import.metadata, previous.handled.as_ref()),
        accepts: accepted::asked(&import.metadata, previous.handled.as_ref()),
        import: import.clone(),
        reference: reference.clone(),
        previous,
        leaving: references::leaving(cluster, &integration).await?,
        used,
        integration,
        mapping,
        sink,
        list,
        destinations: context.settings.destinations.clone(),
        connection,
        sending,
        limited,
        wait,
        looks_once: context.looks_once,
        run: context.imports.state(&reference.uid),
        process_started_at: context.started_at,
        now: context.clock.now(),
    })
}

async fn list<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    import: &CandidateImport,
    list: &ImportMatch,
) -> Result<ListFound, ClusterError> {
    let cluster = &context.cluster;
    let integration = references::integration(cluster, key, &import.spec);
    let integration = integration.granted();
    let own = references::mapping(cluster, key, &import.spec, integration).await?;
    let mapping = if mappings::not_for_exports(&own, "").is_some() {
        let unnamed = CandidateImportSpec { field_mapping_ref: None, ..import.spec.clone() };
        references::mapping(cluster, key, &unnamed, integration).await?
    } else {
        own
    };
    let source = sources::find(cluster, key, &list.source, "spec.match.source").await?;
    let mut report_secret = Ok(None);
    if let Some(to) = list.report.as_ref().map(|report| &report.to)
        && let (Some(name), Ok(location)) = (to.secret(), Location::file(&to.url))
    {
        let secret = cluster.secret(&key.sibling(name)).await?;
        report_secret = usable(name, secret, &location, USE_DESTINATION)
            .map(Some)
            .map_err(|message| Cause::new(Reason::ReferenceForbidden, message));
    }
    let keys = Keys::derive(
        &context.root_key().await?,
        import.metadata.uid.as_deref().unwrap_or_default(),
    );
    let policy = context.settings.sources.clone();
    let claimed_by = list.report.as_ref().and_then(|report| {
        let own = (Kind::Import, key, &import.metadata);
        Writers::of(cluster).older(&report.to.url, own, context.clock.now())
    });
    Ok(ListFound { source, mapping, report_secret, claimed_by, policy, keys })
}

async fn sink<C: Cluster>(
    cluster: &C,
    key: &ObjectKey,
    import: &CandidateImport,
) -> Result<Option<SinkFound>, ClusterError> {
    let sink = &import.spec.sink;
    let (mut found, secret, signing) = match (&sink.object_store, &sink.http) {
        (Some(store), _) => {
            let found = SinkFound { url: store.url.clone(), secret: None, signing: None };
            (found, store.secret(), None)
        }
        (None, Some(endpoint)) => {
            let signing = endpoint.signing_secret_ref.name.as_str();
            // Until it was read.
            let unread = Cause::new(Reason::ReferenceForbidden, "the signing Secret was not read");
            let url = endpoint.url.clone();
            let found = SinkFound { url, secret: None, signing: Some(Err(unread)) };
            let headers = endpoint.headers_secret_ref.as_ref();
            (found, headers.map(|reference| reference.name.as_str()), Some(signing))
        }
        (None, None) => return Ok(None),
    };
    // A URL that cannot be used is reported where it is opened.
    if let Ok(location) = found.location() {
        let read = async |name: Option<&str>| -> Result<Option<Fields>, ClusterError> {
            let Some(name) = name else { return Ok(None) };
            let secret = cluster.secret(&key.sibling(name)).await?;
            let fields = usable(name, secret, &location, USE_DESTINATION);
            Ok(Some(fields.map_err(|message| Cause::new(Reason::ReferenceForbidden, message))))
        };
        found.secret = read(secret).await?;
        found.signing = read(signing).await?;
    }
    Ok(Some(found))
}
