//! What is due of an import, and what is in the way. Pure.
//!
//! A run by interval or schedule is quiet: the status does not change before it ends, nor while it fails
//! for less than `spec.readyGrace`. What needs a person is reported at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    controllers::{
        decision::{self, Decision, Looks, Step},
        dependency::{is_unready, not_verified},
        runs::{ImportRun, RunPhase},
    },
    domain::{Disposition, REPROBE_EVERY, Reason},
    pipeline::Ending,
};

/// What the decision on an import depends on.
pub(super) type Inputs<'a> = decision::Inputs<'a, ImportRun>;

/// How long a run that works is quiet: as long as it takes.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(365 * 24 * 3600);

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
        Some(due) => match inputs.waits_for_window() {
            Some(closed) => inputs.while_closed(closed, due, quiet.is_some(), is_cut(inputs)),
            None => at_any_time(due, inputs, quiet.is_some()),
        },
    };
    (decision, quiet)
}

fn at_any_time(due: Step, inputs: &Inputs<'_>, quiet: bool) -> Decision {
    if due == Step::Observe {
        return inputs.while_running();
    }
    match inputs.obstacle {
        // A quiet run waits for the integration quietly, too.
        Some(verdict) if quiet && is_unready(verdict) => Decision::Proceed(Step::Keep),
        // Without work the state of the integration is not the import's to report; that it may not
        // be used any more is.
        Some(obstacle) if !matches!(due, Step::Keep | Step::Conclude) || !is_unready(obstacle) => {
            Decision::Block(obstacle.clone())
        }
        _ => Decision::Proceed(due),
    }
}

/// Whether a run of what is in place was stopped before it wrote anything.
fn is_cut(inputs: &Inputs<'_>) -> bool {
    let stopped = |run: &&ImportRun| {
        let RunPhase::Ended(ended) = &run.phase else { return false };
        run.periodic && !run.has_work() && ended.report.ending == Ending::Stopped
    };
    inputs.applied == inputs.revision
        && !inputs.requested
        && inputs.run.as_ref().is_some_and(stopped)
}

/// What would be done if nothing were in the way.
fn due(revision: &str, inputs: &Inputs<'_>) -> Step {
    let Some(run) = inputs.run else { return inputs.when_idle(revision) };
    let current = run.revision == revision;
    let ended = match &run.phase {
        RunPhase::Running if current => return Step::Observe,
        RunPhase::Running => return Step::Stop,
        RunPhase::Ended(ended) => ended,
    };
    if !current || inputs.requested {
        return inputs.when_idle(revision);
    }
    if let Some((disposition, _)) = run.interruption() {
        // Other credentials are worth another attempt.
        if inputs.access.is_some_and(|access| run.access != access) {
            return Step::Start { attempt: 0 };
        }
        let failures = if run.has_work() { 0 } else { run.attempt };
        return again(disposition, failures, ended.at, inputs);
    }
    match ended.report.ending {
        Ending::Stopped => Step::Start { attempt: run.attempt },
        _ if inputs.applied != Some(revision) || !inputs.is_reported => Step::Conclude,
        _ => inputs.when_idle(revision),
    }
}

fn again(disposition: Disposition, failures: u32, ended: Timestamp, inputs: &Inputs<'_>) -> Step {
    inputs.again(disposition, failures, ended).unwrap_or_else(|| {
        let is_due = match disposition.reason() {
            // Only a person, or a scan by which fewer are missing, changes something.
            Reason::DeletionsHeld => inputs.next_run.is_some_and(|due| due <= inputs.now),
            _ => inputs.since(ended) >= REPROBE_EVERY,
        };
        if is_due { Step::Start { attempt: 1 } } else { Step::Stall }
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conditions::Verdict,
        controllers::{references::Sending, runs::Ended},
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
            closed: None,
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
    fn nothing_works_while_no_window_is_open() {
        let closed = Verdict::reconciling(Reason::OutsideWindow, "later");
        let with = |run: Option<&ImportRun>, applied| {
            decide(&Inputs { closed: Some(&closed), ..inputs(applied, run) }).0
        };
        let (waits, keeps) = (Decision::Block(closed.clone()), Decision::Proceed(Step::Keep));
        assert_eq!((with(None, None), with(None, Some("r2"))), (waits.clone(), keeps.clone()));
        let running = run(RunPhase::Running);
        assert_eq!(with(Some(&running), None), waits);
        // A run of what is in place is not reported before it ends.
        let periodic = |phase| ImportRun { periodic: true, ..run(phase) };
        let looking = periodic(RunPhase::Running);
        assert_eq!(with(Some(&looking), Some("r2")), Decision::Proceed(Step::Stop));
        let mut cut = periodic(ended(Ending::Stopped));
        assert_eq!(with(Some(&cut), Some("r2")), keeps);
        cut.progress.counts.emitted = 1;
        assert_eq!(with(Some(&cut), Some("r2")), waits, "it has written something");
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
