//! Step 3: what to do about an export in this pass. Pure: everything observed and the time come in,
//! one closed decision (`decide.rs`) comes out, and the run to start.

use std::time::Duration;

use super::{
    attempts::Attempts,
    decide::{Inputs, decide},
    distrust,
    drift::{self, Verifying, verifying},
    gather::Gathered,
    periodic, recorded,
    validate::{Checked, Validated},
};
use crate::{
    conditions::Observation,
    controllers::{
        decision::{Decision, Looks, Step, at_the_latest},
        dependency::{not_verified, secret_gone},
        references::Sending,
        runs::RunState,
    },
};

/// The plan of a pass.
pub(super) struct Plan {
    pub(super) decision: Decision,
    /// Whether the run that is in progress or due is not reported; see [`periodic::quiet_for`].
    pub(super) quiet: bool,
    /// How long until the next pass.
    pub(super) wait: Option<Duration>,
    /// What is known before the status is computed.
    pub(super) observations: Vec<Observation>,
    /// What a run would do; absent when an input is missing or faulty.
    pub(super) validated: Option<Box<Validated>>,
    /// The run to start, for `validated`.
    pub(super) start: Option<Start>,
    /// What to do about a verification.
    pub(super) verifying: Verifying,
}

/// A run to start.
pub(super) struct Start {
    pub(super) run: RunState,
    /// Whether it is the first attempt at its revision.
    pub(super) first: bool,
}

/// Plans the pass.
pub(super) fn plan(gathered: &Gathered, checked: Checked) -> Plan {
    let Checked { observations, validated, blocked, windows } = checked;
    let Gathered { export, previous, run, now, .. } = gathered;
    let valid = validated.as_deref();
    let next_run = valid.and_then(|valid| {
        if periodic::is_look_due(gathered, valid) {
            return Some(*now);
        }
        let due = periodic::next_run(valid, previous, run.as_ref(), gathered.uid(), *now)?;
        windows.starts(due, *now)
    });
    let closed = windows.closed(*now);
    let connected = gathered.is_connected();
    let obstacle = blocked
        .or_else(|| (gathered.sending == Sending::Paused).then(secret_gone))
        .or_else(|| (!connected).then(not_verified));
    let inputs = Inputs {
        revision: valid.map(|valid| valid.revision.as_str()),
        applied: recorded::in_place(previous),
        requested: gathered.is_requested(),
        suspended: export.spec.suspend,
        obstacle: obstacle.as_ref(),
        closed: closed.as_ref(),
        sending: gathered.sending,
        run: run.as_ref(),
        is_reported: run.as_ref().is_none_or(|run| recorded::reports(previous, run)),
        next_run,
        grace: valid.map_or(Duration::ZERO, |valid| valid.grace),
        looks: if gathered.looks_once { Looks::Once } else { Looks::AsScheduled },
        access: valid
            .filter(|_| gathered.is_remote() || gathered.is_file())
            .map(|valid| valid.access.as_str()),
        process_started_at: gathered.process_started_at,
        now: *now,
    };
    let (decision, quiet) = decide(&inputs);
    let wait = gathered.asked.wait(decision.wait(next_run, *now), *now);
    let wait = [wait, windows.opens_in(*now)].into_iter().flatten().min();
    let verification = drift::Inputs {
        gathered,
        validated: valid,
        decision: &decision,
        obstacle: obstacle.as_ref(),
        is_closed: closed.is_some(),
    };
    let (verifying, wait) = verifying(&verification, wait);
    let decision = match (decision, &verifying) {
        // A run that an interval or a schedule starts waits for the end of a verification.
        (Decision::Proceed(Step::Refresh), Verifying::Works) => Decision::Proceed(Step::Keep),
        (decision, _) => decision,
    };
    let wait = at_the_latest(wait, quiet);
    // Any other run starts once a verification has ended.
    let may_start = !matches!(verifying, Verifying::Stops);
    let attempt = decision.attempt().filter(|_| may_start);
    let start = valid.zip(attempt).map(|(valid, attempt)| {
        let (revision, mode) = (valid.revision.as_str(), valid.mode);
        let earlier = Attempts::of(revision, mode, previous, run.as_ref());
        let last = run.as_ref().filter(|run| run.revision == revision);
        let run = RunState {
            met: match last {
                Some(last) => last.interruption(),
                None => recorded::interruption(previous, revision),
            },
            periodic: periodic::is_periodic(revision, previous, inputs.requested),
            access: valid.access.clone(),
            is_file: gathered.is_file(),
            distrusted_at: distrust::distrusted_at(&gathered.asked, previous, *now),
            ..earlier.next(revision, mode, attempt, *now)
        };
        Start { run, first: earlier.is_none() }
    });
    let quiet = quiet.is_some() || start.as_ref().is_some_and(|start| start.run.periodic);
    Plan { decision, quiet, wait, observations, validated, start, verifying }
}
