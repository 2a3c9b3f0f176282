//! Step 1: reads every object that an export refers to. Not found is data. Async.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{
    distrust,
    file_target::{FileFound, ReportFound, TargetFound, claimed_by, rendered, zone},
    remote,
    requests::Asked,
    verify_request,
};
use crate::{
    api::{
        CandidateExport, CandidateExportStatus, ClinchIntegration, FileFormat, FileTarget, Handled,
        USE_DESTINATION, USE_LABEL, USE_SOURCE,
    },
    cluster::{Bundle, Cluster, ClusterError, ObjectKey, ObjectRef},
    controllers::{
        Context,
        connections::Connection,
        publish::new_request,
        references::{self, IntegrationFound, LIMITED, MappingFound, Sending},
        runs::RunState,
        secrets::{is_for, usable, usable_fields},
    },
    domain::{Cause, Reason},
    ledger::{AccountName, Keys},
    pipeline::Renderer,
    storage::{Location, SecretFields, StoragePolicy},
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
    /// Whether a report of all records is wanted, and no run has made it yet.
    pub(super) report_due: bool,
    /// The integration and its name; absent where the export may not use it.
    pub(super) integration: IntegrationFound,
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
    /// Whether this process looks at every source once, and ends.
    pub(super) looks_once: bool,
    /// The latest run of this export in this process.
    pub(super) run: Option<RunState>,
    /// The latest verification of this export in this process.
    pub(super) verification: Option<RunState>,
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

/// The source's bytes.
pub(super) enum SourceFound {
    /// `inline`: the values are in the export.
    Inline,
    /// A remote place, with the fields of the Secret for it.
    Remote(Location, Option<SecretFields>),
    /// The URL cannot be used.
    Unusable(String),
    /// Values by key.
    Parts(Vec<(String, Bytes)>),
    /// The object does not exist.
    Missing(String),
    /// The object has no such key.
    KeyMissing(String),
    /// The object may not be read as a source.
    Forbidden(String),
}

/// Reads what the export refers to.
pub(super) async fn gather<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    export: &Arc<CandidateExport>,
) -> Result<Gathered, ClusterError> {
    let (key, spec) = (&reference.key, &export.spec);
    let integration = references::integration(&context.cluster, key, spec);
    let mapping = references::mapping(&context.cluster, key, spec, integration.granted()).await?;
    let source = source(context, key, export).await?;
    let uid = reference.uid.as_str();
    let now = context.clock.now();
    let file = file(context, export, key, integration.granted(), now).await?;
    let report = report(context, export, key, now).await?;
    let root = context.root_key().await?;
    let known = integration.granted().and_then(|found| {
        context.connections.known(found.metadata.uid.as_deref().unwrap_or_default())
    });
    let sending = match &known {
        Some(known) if known.paused && file.is_none() => Sending::Paused,
        _ => Sending::Permitted,
    };
    let connection = known.map(|known| known.connection);
    let limited = connection.as_ref().and_then(|open| open.client.limited_for());
    let limited = file.is_none() && limited.is_some_and(|lasted| lasted >= LIMITED);
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
        export: export.clone(),
        reference: reference.clone(),
        previous,
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
        looks_once: context.looks_once,
        run,
        process_started_at: context.started_at,
        now,
    })
}

async fn source<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    export: &CandidateExport,
) -> Result<SourceFound, ClusterError> {
    let source = &export.spec.source;
    if let Some(reference) = &source.config_map_ref {
        let found = context.cluster.config_map(&key.sibling(&reference.name)).await?;
        let what = format!("ConfigMap {}", reference.name);
        return Ok(match found {
            None => SourceFound::Missing(what),
            Some(bundle) => pick(&what, bundle, &reference.keys),
        });
    }
    if let Some(reference) = &source.secret_ref {
        let found = context.cluster.secret(&key.sibling(&reference.name)).await?;
        let what = format!("Secret {}", reference.name);
        // One answer for "does not exist" and "may not be read": an export must not
        // reveal which Secrets a namespace has.
        return Ok(match found.filter(is_source) {
            None => SourceFound::Forbidden(format!(
                "{what} cannot be used as a source: it must exist, carry the label \
                 {USE_LABEL}={USE_SOURCE}, and hold no service account token"
            )),
            Some(bundle) => pick(&what, bundle, &reference.keys),
        });
    }
    let location = match remote::location(source) {
        None => return Ok(SourceFound::Inline),
        Some(Err(message)) => return Ok(SourceFound::Unusable(message)),
        Some(Ok(location)) => location,
    };
    let Some(name) = source.remote_secret() else {
        return Ok(SourceFound::Remote(location, None));
    };
    let found = context.cluster.secret(&key.sibling(name)).await?;
    Ok(match usable_fields(name, found, &location, USE_SOURCE) {
        Ok(fields) => SourceFound::Remote(location, Some(fields)),
        Err(message) => SourceFound::Forbidden(message),
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

async fn target<C: Cluster>(
    context: &Context<C>,
    export: &CandidateExport,
    key: &ObjectKey,
    (field, to): (&'static str, &FileTarget),
    now: Timestamp,
) -> Result<TargetFound, ClusterError> {
    let url = rendered(&to.url, key, now, &zone(&export.spec));
    let secret = match (to.secret(), Location::file(&url)) {
        // A URL that cannot be used is reported where it is opened.
        (None, _) | (Some(_), Err(_)) => Ok(None),
        (Some(name), Ok(location)) => {
            let found = context.cluster.secret(&key.sibling(name)).await?;
            usable(name, found, &location, USE_DESTINATION)
                .map(Some)
                .map_err(|message| Cause::new(Reason::ReferenceForbidden, message))
        }
    };
    let others = context.cluster.file_exports();
    let claimed_by = claimed_by(&url, (key, &export.metadata), &others, now);
    Ok(TargetFound { field, to: to.clone(), url, secret, claimed_by })
}

fn is_source(secret: &Bundle) -> bool {
    is_for(secret, USE_SOURCE)
}

/// The keys in the order of the reference; all of them, by name, when it lists none.
fn pick(what: &str, mut bundle: Bundle, keys: &[String]) -> SourceFound {
    if keys.is_empty() {
        if bundle.data.is_empty() {
            return SourceFound::KeyMissing(format!("{what} has no data"));
        }
        return SourceFound::Parts(bundle.data.into_iter().collect());
    }
    let mut parts = Vec::with_capacity(keys.len());
    for key in keys {
        match bundle.data.remove(key) {
            Some(value) => parts.push((key.clone(), value)),
            None => return SourceFound::KeyMissing(format!("{what} has no key {key:?}")),
        }
    }
    SourceFound::Parts(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(label: Option<&str>, secret_type: &str) -> Bundle {
        Bundle {
            data: [("b".to_owned(), Bytes::new()), ("a".to_owned(), Bytes::new())].into(),
            labels: label
                .map(|value| (USE_LABEL.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            secret_type: secret_type.to_owned(),
            ..Bundle::default()
        }
    }

    #[test]
    fn only_labelled_secrets_that_are_no_tokens_are_sources() {
        assert!(is_source(&bundle(Some(USE_SOURCE), "Opaque")));
        assert!(!is_source(&bundle(None, "Opaque")));
        assert!(!is_source(&bundle(Some("other"), "Opaque")));
        let token = bundle(Some(USE_SOURCE), "kubernetes.io/service-account-token");
        assert!(!is_source(&token));
    }

    #[test]
    fn keys_are_read_in_the_order_of_the_reference_and_a_missing_one_is_named() {
        let names = |found| match found {
            SourceFound::Parts(parts) => parts.into_iter().map(|(key, _)| key).collect(),
            SourceFound::KeyMissing(what) => vec![what],
            _ => vec![],
        };
        let asked = ["b".to_owned(), "a".to_owned()];
        assert_eq!(names(pick("ConfigMap c", bundle(None, ""), &asked)), ["b", "a"]);
        assert_eq!(names(pick("ConfigMap c", bundle(None, ""), &[])), ["a", "b"]);
        let missing = names(pick("ConfigMap c", bundle(None, ""), &["z".to_owned()]));
        assert_eq!(missing, ["ConfigMap c has no key \"z\""]);
    }
}
