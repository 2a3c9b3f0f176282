//! Sources in object stores and behind URLs: nothing announces their changes, so they are checked
//! when a run starts. Pure.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::recorded;
use crate::{
    api::{CandidateExportStatus, ConditionType, ExportSource},
    conditions::Observation,
    controllers::runs::{RunPhase, RunState},
    domain::{Cause, Reason},
    pipeline::{Ending, Source, SourceInfo},
    source::{CsvOptions, Format},
    storage::{Location, Place, PlaceError, StoragePolicy},
};

/// The remote place that an export refers to, if it does.
pub(super) fn location(source: &ExportSource) -> Option<Result<Location, String>> {
    let fault = |field: &str, error| format!("spec.source.{field}.url: {error}");
    let store = source.object_store.as_ref();
    let store = store.map(|s| Location::objects(&s.url).map_err(|e| fault("objectStore", e)));
    let http = source.http.as_ref();
    store.or_else(|| http.map(|h| Location::web(&h.url).map_err(|e| fault("http", e))))
}

/// The source of a run.
pub(super) fn source(
    location: Location,
    secret: Option<&BTreeMap<String, Bytes>>,
    policy: &Arc<StoragePolicy>,
    format: Option<Format>,
    csv: CsvOptions,
) -> Result<Source, Cause> {
    match Place::open(location, secret, policy) {
        Ok(remote) => Ok(Source::Remote { remote, format, csv, applied_version: None }),
        Err(error @ (PlaceError::NotAllowed(..) | PlaceError::AccountNotAllowed(..))) => {
            Err(Cause::new(Reason::SourceNotAllowed, error.to_string()))
        }
        Err(error @ (PlaceError::Credentials(_) | PlaceError::NoAccount(_))) => {
            Err(Cause::new(Reason::SourceDenied, error.to_string()))
        }
        Err(error @ PlaceError::Url(_)) => Err(Cause::new(Reason::InvalidSpec, error.to_string())),
    }
}

/// The condition before any run has read the source.
pub(super) fn not_yet() -> Observation {
    let message = "checked when a run starts";
    Observation::new(ConditionType::SourceReady, None, Reason::Progressing, message)
}

/// Replaces the condition by what the latest run found.
pub(super) fn learned(
    observations: &mut Vec<Observation>,
    revision: &str,
    previous: &CandidateExportStatus,
    run: Option<&RunState>,
) {
    let run = run.filter(|run| run.revision == revision);
    let read = |looked: &SourceInfo| {
        Observation::new(ConditionType::SourceReady, true, Reason::Read, sentence(looked))
    };
    let learned = if let Some(Cause { reason, message }) = run.and_then(failed) {
        Observation::new(ConditionType::SourceReady, false, reason, message)
    } else if let Some(looked) = run.and_then(|run| run.progress.source.as_ref()) {
        read(looked)
    } else if previous.last_attempted_revision.as_deref() == Some(revision)
        && let Some(looked) = recorded::looked(previous)
    {
        read(&looked)
    } else {
        return;
    };
    observations.retain(|observation| observation.condition != ConditionType::SourceReady);
    observations.push(learned);
}

fn sentence(looked: &SourceInfo) -> String {
    let files =
        if looked.files == 1 { "1 file".to_owned() } else { format!("{} files", looked.files) };
    let mut parts = vec![match looked.bytes {
        Some(bytes) => format!("read {files}, {bytes} bytes"),
        None => format!("read {files}"),
    }];
    let skipped = looked.skipped;
    for (count, what) in [
        (skipped.folders, "folder markers"),
        (skipped.empty, "empty files"),
        (skipped.odd_names, "odd names"),
    ] {
        if count > 0 {
            parts.push(format!("skipped {count} {what}"));
        }
    }
    parts.join("; ")
}

/// Why the latest run could not read the source.
fn failed(run: &RunState) -> Option<Cause> {
    let RunPhase::Ended(ended) = &run.phase else { return None };
    match &ended.report.ending {
        Ending::SourceFailed(cause) => Some(cause.clone()),
        Ending::Interrupted { disposition, message } => {
            let reason = disposition.reason();
            let of_source = matches!(
                reason,
                Reason::SourceNotFound | Reason::SourceUnreachable | Reason::SourceChanged
            );
            of_source.then(|| Cause::new(reason, message.clone()))
        }
        Ending::Completed | Ending::SourceUnchanged | Ending::Stopped => None,
    }
}
