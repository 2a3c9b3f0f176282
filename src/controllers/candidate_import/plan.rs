//! Step 3: what to do about an import in this pass. Pure: everything observed and the time come in, one
//! closed decision (`decide.rs`) comes out, and the run to start.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    decide::{Inputs, decide},
    gather::Gathered,
    outcome,
    recorded::in_place,
    validate::{Checked, Validated},
};
use crate::{
    conditions::Observation,
    controllers::{
        decision::{Decision, Looks, Step, at_the_latest, until},
        dependency::{not_verified, secret_gone},
        references::Sending,
        runs::{ImportRun, Windows},
    },
    domain::REPROBE_EVERY,
};

/// The plan of a pass.
pub(super) struct Plan {
    pub(super) decision: Decision,
    /// Whether the run that is in progress or due is not reported.
    pub(super) quiet: bool,
    /// How long until the next pass.
    pub(super) wait: Option<Duration>,
    /// What is known before the status is computed.
    pub(super) observations: Vec<Observation>,
    /// What a run would do; absent when an input is missing or faulty.
    pub(super) validated: Option<Box<Validated>>,
    /// The run to start, for `validated`.
    pub(super) start: Option<ImportRun>,
}

/// Plans the pass.
pub(super) fn plan(gathered: &Gathered, checked: Checked) -> Plan {
    let Checked { observations, validated, blocked, windows } = checked;
    let Gathered { import, previous, run, now, .. } = gathered;
    let valid = validated.as_deref();
    let next_run = valid.and_then(|valid| next_run(gathered, valid, &windows));
    let closed = windows.closed(*now);
    let obstacle = blocked
        .or_else(|| (gathered.sending == Sending::Paused).then(secret_gone))
        .or_else(|| gathered.connection.is_none().then(not_verified));
    let inputs = Inputs {
        revision: valid.map(|valid| valid.revision.as_str()),
        applied: in_place(previous),
        requested: gathered.is_requested(),
        suspended: import.spec.suspend,
        obstacle: obstacle.as_ref(),
        closed: closed.as_ref(),
        sending: gathered.sending,
        run: run.as_ref(),
        is_reported: run.as_ref().is_none_or(|run| outcome::is_reported(previous, run)),
        next_run,
        grace: valid.map_or(Duration::ZERO, |valid| valid.grace),
        looks: if gathered.looks_once { Looks::Once } else { Looks::AsScheduled },
        access: valid.map(|valid| valid.access.as_str()),
        process_started_at: gathered.process_started_at,
        now: *now,
    };
    let (decision, quiet) = decide(&inputs);
    let wait = match decision {
        // The next scan may find that fewer people are missing.
        Decision::Proceed(Step::Stall) => {
            let wait = next_run.map_or(REPROBE_EVERY, |next_run| until(next_run, *now));
            Some(wait.min(REPROBE_EVERY))
        }
        _ => decision.wait(next_run, *now),
    };
    let wait = [wait, windows.opens_in(*now)].into_iter().flatten().min();
    let wait = at_the_latest(wait, quiet);
    let start = valid.zip(decision.attempt()).map(|(valid, attempt)| {
        let last = run.as_ref().filter(|run| run.revision == valid.revision);
        let again = last.filter(|last| !last.is_completed() && attempt > 0);
        ImportRun {
            revision: valid.revision.clone(),
            attempt,
            started_at: *now,
            tried_since: again.map_or(*now, |last| last.tried_since),
            periodic: inputs.applied == inputs.revision && !inputs.requested,
            access: valid.access.clone(),
            accepts: gathered.accepts.clone(),
            met: last.and_then(ImportRun::interruption).map(|(_, cause)| cause),
            lost: run.as_ref().filter(|run| !run.is_completed()).and_then(ImportRun::lost).cloned(),
            ..ImportRun::default()
        }
    });
    Plan { decision, quiet: quiet.is_some(), wait, observations, validated, start }
}

/// When the next run of what is in place is due.
fn next_run(gathered: &Gathered, valid: &Validated, windows: &Windows) -> Option<Timestamp> {
    let own = gathered.run.as_ref().filter(|run| run.revision == valid.revision);
    // Nothing announces what changes in Clinch.
    if gathered.looks_once && own.is_none() {
        return Some(gathered.now);
    }
    let ended = own.and_then(ImportRun::ended).map(|ended| ended.at);
    let last = ended.or_else(|| gathered.previous.history.first().map(|run| run.finished_at.0));
    let due = valid.schedule.after(last.unwrap_or(gathered.now), gathered.uid())?;
    windows.starts(due, gathered.now)
}
