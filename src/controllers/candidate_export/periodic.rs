//! Runs that an interval or a schedule starts: when one is due, and while it is quiet. Pure.
//!
//! Such a run is quiet until it finds something to do: the export stays Ready and its status does
//! not change. It is reported once it has work, or once it has failed for longer than
//! `spec.readyGrace`. A process that looks once reports it as soon as it has failed.

use std::time::Duration;

use jiff::Timestamp;

use super::{gather::Gathered, recorded, validate::Validated};
use crate::{
    api::{CandidateExportStatus, ExportMode},
    controllers::{
        decision::{Inputs, Looks, Step},
        runs::{RunPhase, RunState},
    },
};

/// When the revision that is in place is run again.
pub(super) fn next_run(
    validated: &Validated,
    previous: &CandidateExportStatus,
    run: Option<&RunState>,
    uid: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    let ended = run.and_then(|run| match &run.phase {
        RunPhase::Ended(ended) if run.revision == validated.revision => Some(ended.at),
        _ => None,
    });
    let last = ended.or_else(|| previous.history.first().map(|run| run.finished_at.0));
    validated.schedule.after(last.unwrap_or(now), uid)
}

/// Whether a process that looks once has yet to look at an export whose revision is in place: at a remote
/// source and at a file, whose changes nothing announces, at records that were rejected or lack their resume,
/// and at what a dry run counts, which depends on Clinch, too.
pub(super) fn is_look_due(gathered: &Gathered, validated: &Validated) -> bool {
    let looked = gathered.run.as_ref().is_some_and(|run| run.revision == validated.revision);
    let may_differ = gathered.is_remote()
        || gathered.is_file()
        || gathered.previous.rejected.unwrap_or_default() > 0
        || gathered.previous.counts.is_some_and(|counts| counts.warnings > 0)
        || validated.mode == ExportMode::DryRun;
    gathered.looks_once && !looked && may_differ
}

/// Whether a run that starts now is periodic: its revision is in place, and nobody requested it.
pub(super) fn is_periodic(
    revision: &str,
    previous: &CandidateExportStatus,
    requested: bool,
) -> bool {
    recorded::in_place(previous) == Some(revision) && !requested
}

/// How long the run that is in progress or due is quiet from now on; `None` if it is not.
pub(super) fn quiet_for(due: &Step, inputs: &Inputs<'_, RunState>) -> Option<Duration> {
    if inputs.requested || inputs.revision.is_none() || inputs.applied != inputs.revision {
        return None;
    }
    if inputs.looks == Looks::Once {
        // Nobody will look again: what fails, or cannot start, is reported.
        let works = matches!(due, Step::Observe)
            || (matches!(due, Step::Refresh) && inputs.obstacle.is_none());
        if !works {
            return None;
        }
    }
    let since = match (due, inputs.run) {
        // Time during which no process ran does not count.
        (Step::Refresh, _) => inputs.next_run.map(|due| due.max(inputs.process_started_at)),
        (_, Some(run)) if run.periodic && !run.has_work() => Some(run.started_at),
        _ => None,
    };
    let quiet = Duration::try_from(inputs.now.duration_since(since?)).unwrap_or_default();
    inputs.grace.checked_sub(quiet)
}
