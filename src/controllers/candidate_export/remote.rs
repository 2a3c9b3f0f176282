//! What the latest run found of a source in an object store or behind a URL. Pure.

use super::recorded;
use crate::{
    api::{CandidateExportStatus, ConditionType},
    conditions::Observation,
    controllers::runs::{RunPhase, RunState},
    domain::{Cause, Reason},
    pipeline::{Ending, SourceInfo},
};

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
