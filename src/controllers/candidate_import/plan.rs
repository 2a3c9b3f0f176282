//! Step 3: what to do about an import in this pass. Pure: everything observed and the time come in, one
//! closed decision comes out.
//!
//! A run by interval or schedule is quiet: the status does not change before it ends, nor while it fails
//! for less than `spec.readyGrace`. What needs a person is reported at once.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    decision::{Decision, Inputs, Looks, Step},
    gather::Gathered,
    outcome,
    recorded::in_place,
    validate::{Checked, Validated},
};
use crate::{
    conditions::Observation,
    controllers::{
        dependency::{is_unready, not_verified, secret_gone},
        references::Sending,
        runs::{ImportRun, PROGRESS_EVERY, RunPhase},
    },
    domain::{Disposition, REPROBE_EVERY, Reason, backoff},
    pipeline::Ending,
};

/// How long a run that works is quiet: as long as it takes.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(365 * 24 * 3600);

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
    let Checked { observations, validated, blocked } = checked;
    let Gathered { import, previous, run, now, .. } = gathered;
    let valid = validated.as_deref();
    let next_run = valid.and_then(|valid| next_run(gathered, valid));
    let obstacle = blocked
        .or_else(|| (gathered.sending == Sending::Paused).then(secret_gone))
        .or_else(|| gathered.connection.is_none().then(not_verified));
    let inputs = Inputs {
        revision: valid.map(|valid| valid.revision.as_str()),
        applied: in_place(previous),
        requested: gathered.is_requested(),
        suspended: import.spec.suspend,
        obstacle: obstacle.as_ref(),
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
    let wait = wait_for(&decision, next_run, *now);
    // It is reported in time, even if nothing else happens before.
    let wait = match (wait, quiet) {
        (Some(wait), Some(quiet)) => Some(wait.min(quiet.saturating_add(Duration::from_secs(1)))),
        (wait, _) => wait,
    };
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
fn next_run(gathered: &Gathered, valid: &Validated) -> Option<Timestamp> {
    let own = gathered.run.as_ref().filter(|run| run.revision == valid.revision);
    // Nothing announces what changes in Clinch.
    if gathered.looks_once && own.is_none() {
        return Some(gathered.now);
    }
    let ended = own.and_then(ImportRun::ended).map(|ended| ended.at);
    let last = ended.or_else(|| gathered.previous.history.first().map(|run| run.finished_at.0));
    valid.schedule.after(last.unwrap_or(gathered.now), gathered.uid())
}

/// Decides, and says how long the run in question is quiet, if it is.
pub(super) fn decide(inputs: &Inputs<'_>) -> (Decision, Option<Duration>) {
    let due = inputs.revision.map(|revision| due(revision, inputs));
    let quiet = due.as_ref().and_then(|due| quiet_for(due, inputs));
    let decision = match due {
        due if inputs.suspended => {
            let in_sync = matches!(due, Some(Step::Keep | Step::Refresh | Step::Observe))
                && inputs.applied == inputs.revision;
            Decision::Suspend { in_sync }
        }
        None => Decision::Block(inputs.obstacle.cloned().unwrap_or_else(not_verified)),
        // A run notices by itself when Clinch rejects the credential; what people decide about the
        // integration ends it here.
        Some(Step::Observe) => match inputs.obstacle {
            Some(verdict) if !is_unready(verdict) => Decision::Block(verdict.clone()),
            _ if inputs.sending == Sending::Paused => Decision::Proceed(Step::Pause),
            _ => Decision::Proceed(Step::Observe),
        },
        Some(due) => match inputs.obstacle {
            // A quiet run waits for the integration quietly, too.
            Some(verdict) if quiet.is_some() && is_unready(verdict) => {
                Decision::Proceed(Step::Keep)
            }
            // Without work the state of the integration is not the import's to report; that it may not
            // be used any more is.
            Some(obstacle)
                if !matches!(due, Step::Keep | Step::Conclude) || !is_unready(obstacle) =>
            {
                Decision::Block(obstacle.clone())
            }
            _ => Decision::Proceed(due),
        },
    };
    (decision, quiet)
}

/// What would be done if nothing were in the way.
fn due(revision: &str, inputs: &Inputs<'_>) -> Step {
    let Some(run) = inputs.run else { return when_idle(revision, inputs) };
    let current = run.revision == revision;
    let ended = match &run.phase {
        RunPhase::Running if current => return Step::Observe,
        RunPhase::Running => return Step::Stop,
        RunPhase::Ended(ended) => ended,
    };
    if !current || inputs.requested {
        return when_idle(revision, inputs);
    }
    if let Some((disposition, _)) = run.interruption() {
        // Other credentials are worth another attempt.
        if inputs.access.is_some_and(|access| run.access != access) {
            return Step::Start { attempt: 0 };
        }
        let failures = if run.has_work() { 0 } else { run.attempt };
        return again(disposition, failures, elapsed(ended.at, inputs.now), inputs);
    }
    match ended.report.ending {
        Ending::Stopped => Step::Start { attempt: run.attempt },
        _ if inputs.applied != Some(revision) || !inputs.is_reported => Step::Conclude,
        _ => when_idle(revision, inputs),
    }
}

fn when_idle(revision: &str, inputs: &Inputs<'_>) -> Step {
    if inputs.applied != Some(revision) || inputs.requested {
        Step::Start { attempt: 0 }
    } else if inputs.next_run.is_some_and(|due| due <= inputs.now) {
        Step::Refresh
    } else {
        Step::Keep
    }
}

fn again(disposition: Disposition, failures: u32, waited: Duration, inputs: &Inputs<'_>) -> Step {
    let next_run_due = inputs.next_run.is_some_and(|due| due <= inputs.now);
    match disposition {
        Disposition::Retry { after, .. } => {
            // Without jitter: the client adds its own.
            let delay = backoff(failures).max(after);
            if waited >= delay {
                Step::Start { attempt: failures.saturating_add(1) }
            } else {
                Step::Retry { delay: delay.saturating_sub(waited) }
            }
        }
        // The integration enqueues its imports once it is ready again. Until it has noticed what the
        // run met, it may still look ready: hence the backoff.
        Disposition::Wait { .. } if inputs.obstacle.is_none() => {
            again(Disposition::retry(disposition.reason()), failures, waited, inputs)
        }
        Disposition::Wait { .. } => Step::Retry { delay: REPROBE_EVERY },
        // Only a person, or a scan by which fewer are missing, changes something.
        Disposition::Stalled { reason: Reason::DeletionsHeld } if next_run_due => {
            Step::Start { attempt: 1 }
        }
        Disposition::Stalled { reason: Reason::DeletionsHeld } => Step::Stall,
        Disposition::Stalled { .. } if waited >= REPROBE_EVERY => Step::Start { attempt: 1 },
        Disposition::Stalled { .. } => Step::Stall,
    }
}

/// How long the run that is in progress or due is quiet from now on; `None` if it is not.
fn quiet_for(due: &Step, inputs: &Inputs<'_>) -> Option<Duration> {
    if inputs.requested || inputs.revision.is_none() || inputs.applied != inputs.revision {
        return None;
    }
    let works = match due {
        Step::Observe => inputs
            .run
            .is_some_and(|run| run.periodic && run.met.is_none() && run.progress.trouble.is_none()),
        Step::Refresh => inputs.obstacle.is_none(),
        _ => false,
    };
    if works {
        return Some(AS_LONG_AS_IT_TAKES);
    }
    if inputs.looks == Looks::Once {
        // Nobody will look again: what fails, or cannot start, is reported.
        return None;
    }
    let since = match (due, inputs.run) {
        // Time during which no process ran does not count.
        (Step::Refresh, _) => inputs.next_run.map(|due| due.max(inputs.process_started_at)),
        (_, Some(run)) if run.periodic && !needs_a_person(run) => Some(fails_since(run)),
        _ => None,
    };
    let quiet = Duration::try_from(inputs.now.duration_since(since?)).unwrap_or_default();
    inputs.grace.checked_sub(quiet)
}

/// Since when a run fails that does. One that works may have worked for hours before.
fn fails_since(run: &ImportRun) -> Timestamp {
    let trouble = run.progress.trouble.as_ref().filter(|_| run.met.is_none());
    trouble.map_or(run.tried_since, |trouble| trouble.since)
}

fn needs_a_person(run: &ImportRun) -> bool {
    let ended = run.interruption();
    ended.is_some_and(|(disposition, _)| matches!(disposition, Disposition::Stalled { .. }))
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// How long until the next pass.
fn wait_for(decision: &Decision, next_run: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let until_next_run = || {
        let wait = Duration::try_from(next_run?.duration_since(now)).unwrap_or_default();
        // An overdue run waits for something else.
        Some(if wait.is_zero() { REPROBE_EVERY } else { wait })
    };
    match decision {
        Decision::Suspend { .. } => None,
        Decision::Block(_) => Some(REPROBE_EVERY),
        Decision::Proceed(Step::Stall) => {
            Some(until_next_run().map_or(REPROBE_EVERY, |wait| wait.min(REPROBE_EVERY)))
        }
        Decision::Proceed(Step::Keep | Step::Conclude) => until_next_run(),
        Decision::Proceed(Step::Retry { delay }) => Some(*delay),
        Decision::Proceed(
            Step::Start { .. } | Step::Refresh | Step::Observe | Step::Pause | Step::Stop,
        ) => Some(PROGRESS_EVERY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conditions::Verdict,
        controllers::runs::Ended,
        domain::Cause,
        pipeline::{ImportProgress, ImportReport, SinkTrouble},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run(phase: RunPhase<ImportReport>) -> ImportRun {
        ImportRun { revision: "r2".into(), phase, ..ImportRun::default() }
    }

    fn ended(ending: Ending) -> RunPhase<ImportReport> {
        let report = ImportReport { progress: ImportProgress::default(), ending };
        RunPhase::Ended(Ended { at: at(100), report }.into())
    }

    fn interrupted(disposition: Disposition) -> RunPhase<ImportReport> {
        ended(Ending::Interrupted { disposition, message: String::new() })
    }

    fn inputs<'a>(applied: Option<&'a str>, run: Option<&'a ImportRun>) -> Inputs<'a> {
        Inputs {
            revision: Some("r2"),
            applied,
            requested: false,
            suspended: false,
            obstacle: None,
            sending: Sending::Permitted,
            run,
            is_reported: true,
            next_run: None,
            grace: Duration::from_secs(300),
            looks: Looks::AsScheduled,
            access: None,
            process_started_at: at(0),
            now: at(100),
        }
    }

    fn step(inputs: &Inputs<'_>) -> Step {
        match decide(inputs).0 {
            Decision::Proceed(step) => step,
            other => panic!("{other:?}"),
        }
    }

    const NOW: Option<Timestamp> = Some(Timestamp::UNIX_EPOCH);

    #[test]
    fn a_run_starts_when_something_differs_is_requested_or_due() {
        assert_eq!(step(&inputs(None, None)), Step::Start { attempt: 0 });
        assert_eq!(step(&inputs(Some("r1"), None)), Step::Start { attempt: 0 });
        assert_eq!(step(&inputs(Some("r2"), None)), Step::Keep);
        let requested = Inputs { requested: true, ..inputs(Some("r2"), None) };
        assert_eq!(step(&requested), Step::Start { attempt: 0 });
        let due = Inputs { next_run: NOW, ..inputs(Some("r2"), None) };
        assert_eq!(step(&due), Step::Refresh);
        let other = ImportRun { revision: "r1".into(), ..ImportRun::default() };
        assert_eq!(step(&inputs(None, Some(&other))), Step::Stop, "an edit ends it first");
    }

    #[test]
    fn a_run_by_interval_is_quiet_until_it_ends_or_has_failed_for_long() {
        let quiet = |run: &ImportRun, now| {
            decide(&Inputs { now: at(now), ..inputs(Some("r2"), Some(run)) }).1.is_some()
        };
        let running = ImportRun { periodic: true, ..run(RunPhase::Running) };
        assert!(quiet(&running, 100_000), "a scan may take hours");
        let first = ImportRun { periodic: false, ..running.clone() };
        assert!(!quiet(&first, 100));
        let failing = |disposition| ImportRun {
            periodic: true,
            tried_since: at(100),
            ..run(interrupted(disposition))
        };
        let transient = failing(Disposition::retry(Reason::VendorUnavailable));
        assert!(quiet(&transient, 399) && !quiet(&transient, 401));
        let again = ImportRun {
            met: Some(Cause::new(Reason::VendorUnavailable, "")),
            tried_since: at(100),
            ..running
        };
        assert!(quiet(&again, 399) && !quiet(&again, 401), "another attempt does not start over");
        let mut at_sink = ImportRun { met: None, ..again };
        at_sink.progress.trouble = Some(SinkTrouble {
            cause: Cause::new(Reason::DestinationUnreachable, ""),
            since: at(9000),
            until: at(9001),
        });
        assert!(quiet(&at_sink, 9299) && !quiet(&at_sink, 9301), "a scan worked for hours before");
        let held = failing(Disposition::Stalled { reason: Reason::DeletionsHeld });
        assert!(!quiet(&held, 100), "a person has to decide");
    }

    #[test]
    fn held_deletions_wait_for_a_person_or_for_the_next_scan() {
        let held = run(interrupted(Disposition::Stalled { reason: Reason::DeletionsHeld }));
        let much_later = at(1_000_000);
        let waiting = Inputs { now: much_later, ..inputs(None, Some(&held)) };
        assert_eq!(step(&waiting), Step::Stall);
        assert_eq!(step(&Inputs { next_run: NOW, ..waiting }), Step::Start { attempt: 1 });
        let accepted = Inputs { requested: true, ..inputs(None, Some(&held)) };
        assert_eq!(step(&accepted), Step::Start { attempt: 0 });
        let denied = run(interrupted(Disposition::Stalled { reason: Reason::DestinationDenied }));
        let later = Inputs { now: much_later, ..inputs(None, Some(&denied)) };
        assert_eq!(step(&later), Step::Start { attempt: 1 }, "it is looked at again");
        let credentials = Inputs { access: Some("other"), ..inputs(None, Some(&denied)) };
        assert_eq!(step(&credentials), Step::Start { attempt: 0 });
    }

    #[test]
    fn a_completed_run_is_concluded_once_and_one_that_was_stopped_is_started_again() {
        let done = run(ended(Ending::Completed));
        assert_eq!(step(&inputs(None, Some(&done))), Step::Conclude);
        assert_eq!(step(&inputs(Some("r2"), Some(&done))), Step::Keep);
        let unreported = Inputs { is_reported: false, ..inputs(Some("r2"), Some(&done)) };
        assert_eq!(step(&unreported), Step::Conclude);
        let stopped = run(ended(Ending::Stopped));
        assert_eq!(step(&inputs(None, Some(&stopped))), Step::Start { attempt: 0 });
    }

    #[test]
    fn what_people_decide_about_the_integration_ends_a_run_and_an_outage_does_not() {
        let running = run(RunPhase::Running);
        let with = |obstacle: &Verdict, applied| {
            decide(&Inputs { obstacle: Some(obstacle), ..inputs(applied, Some(&running)) }).0
        };
        let withdrawn = Verdict::stalled(Reason::NotPermitted, "no");
        assert_eq!(with(&withdrawn, None), Decision::Block(withdrawn.clone()));
        assert!(with(&withdrawn, None).ends_run());
        assert_eq!(with(&not_verified(), None), Decision::Proceed(Step::Observe));
        let idle = Inputs { obstacle: Some(&withdrawn), ..inputs(Some("r2"), None) };
        assert_eq!(decide(&idle).0, Decision::Block(withdrawn.clone()), "also between two runs");
        let outage = not_verified();
        let idle = Inputs { obstacle: Some(&outage), ..inputs(Some("r2"), None) };
        assert_eq!(step(&idle), Step::Keep);
        let suspended = Inputs { suspended: true, ..inputs(Some("r2"), Some(&running)) };
        assert!(decide(&suspended).0.ends_run());
    }
}
