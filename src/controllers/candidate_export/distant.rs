//! Sources that lie elsewhere: who may name which Secret, and what a run has learned of them. Pure:
//! only a run contacts the place.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    super::labelled,
    runs::{Slot, SlotState},
    status,
};
use crate::{
    api::{CandidateExportStatus, ConditionType, ExportSource, USE_SOURCE},
    cluster::Bundle,
    conditions::Observation,
    domain::Reason,
    pipeline::{Ending, Source, SourceInfo},
    source::{CsvOptions, Format},
    storage::{Location, Place, PlaceError, StoragePolicy},
};

/// The place an export names, if it names one.
pub(super) fn location(source: &ExportSource) -> Option<Result<Location, String>> {
    let fault = |field: &str, error| format!("spec.source.{field}.url: {error}");
    let store = source.object_store.as_ref();
    let store = store.map(|s| Location::objects(&s.url).map_err(|e| fault("objectStore", e)));
    let http = source.http.as_ref();
    store.or_else(|| http.map(|h| Location::web(&h.url).map_err(|e| fault("http", e))))
}

/// The fields of a Secret that may be sent to `location`.
pub(super) fn usable(
    name: &str,
    found: Option<Bundle>,
    location: &Location,
) -> Result<BTreeMap<String, Bytes>, String> {
    labelled::usable(name, found, location, USE_SOURCE)
}

/// The source of a run.
pub(super) fn source(
    location: Location,
    secret: Option<&BTreeMap<String, Bytes>>,
    policy: &Arc<StoragePolicy>,
    format: Option<Format>,
    csv: CsvOptions,
) -> Result<Source, (Reason, String)> {
    match Place::open(location, secret, policy) {
        Ok(remote) => Ok(Source::Remote { remote, format, csv, applied_version: None }),
        Err(error @ PlaceError::NotAllowed(_)) => {
            Err((Reason::SourceNotAllowed, error.to_string()))
        }
        Err(error @ PlaceError::Credentials(_)) => Err((Reason::SourceDenied, error.to_string())),
    }
}

/// What is told before any run has looked.
pub(super) fn not_yet() -> Observation {
    let message = "it is looked at when a run begins";
    Observation::new(ConditionType::SourceReady, None, Reason::Progressing, message)
}

/// Tells what the latest run has learned of the source.
pub(super) fn learned(
    observations: &mut Vec<Observation>,
    revision: &str,
    previous: &CandidateExportStatus,
    slot: Option<&Slot>,
) {
    let slot = slot.filter(|slot| slot.revision == revision);
    let told = |looked: &SourceInfo| {
        Observation::new(ConditionType::SourceReady, true, Reason::Read, sentence(looked))
    };
    let learned = if let Some((reason, message)) = slot.and_then(failed) {
        Observation::new(ConditionType::SourceReady, false, reason, message)
    } else if let Some(looked) = slot.and_then(|slot| slot.progress.source.as_ref()) {
        told(looked)
    } else if previous.last_attempted_revision.as_deref() == Some(revision)
        && let Some(looked) = status::looked(previous)
    {
        told(&looked)
    } else {
        return;
    };
    observations.retain(|observation| observation.condition != ConditionType::SourceReady);
    observations.push(learned);
}

fn sentence(looked: &SourceInfo) -> String {
    let files =
        if looked.files == 1 { "1 file".to_owned() } else { format!("{} files", looked.files) };
    match looked.bytes {
        Some(bytes) => format!("read {files}, {bytes} bytes"),
        None => format!("read {files}"),
    }
}

/// Why the latest run could not read the source.
fn failed(slot: &Slot) -> Option<(Reason, String)> {
    let SlotState::Ended(ended) = &slot.state else { return None };
    match &ended.report.ending {
        Ending::SourceFailed { reason, message } => Some((*reason, message.clone())),
        Ending::Interrupted { disposition, message } => {
            let reason = disposition.reason();
            let of_source = matches!(
                reason,
                Reason::SourceNotFound | Reason::SourceUnreachable | Reason::SourceChanged
            );
            of_source.then(|| (reason, message.clone()))
        }
        Ending::Completed | Ending::SourceUnchanged | Ending::Stopped => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ALLOWED_ORIGIN, USE_LABEL};

    #[test]
    fn a_secret_is_sent_only_where_its_owner_wrote_that_it_may_be() {
        let location = Location::web("https://files.example.com/x.csv?a").unwrap();
        let secret = |origin: &str, label: &str| Bundle {
            labels: [(USE_LABEL.to_owned(), label.to_owned())].into(),
            annotations: [(ALLOWED_ORIGIN.to_owned(), origin.to_owned())].into(),
            ..Bundle::default()
        };
        let usable = |found| usable("s", found, &location).is_ok();
        assert!(usable(Some(secret("https://files.example.com", USE_SOURCE))));
        assert!(usable(Some(secret("s3://b, https://files.example.com/", USE_SOURCE))));
        for not in [
            None,
            Some(secret("https://files.example.com", "other")),
            Some(secret("https://files.example.com.evil.example", USE_SOURCE)),
            Some(secret("http://files.example.com", USE_SOURCE)),
            Some(secret("", USE_SOURCE)),
        ] {
            assert!(!usable(not));
        }
    }
}
