//! Step 3: what to do about an export in this pass. Pure: everything observed and the time come in,
//! one closed decision comes out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    attempts::Attempts,
    decision::{Decision, Inputs, Looks, Step},
    distrust,
    drift::{self, Verifying, verifying},
    gather::Gathered,
    periodic, recorded,
    validate::{Checked, Validated},
};
use crate::{
    conditions::Observation,
    controllers::{
        dependency::{is_unready, not_verified, secret_gone},
        references::Sending,
        runs::{PROGRESS_EVERY, RunPhase, RunState},
    },
    domain::{Disposition, REPROBE_EVERY, backoff},
    pipeline::Ending,
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
    let Checked { observations, validated, blocked } = checked;
    let Gathered { export, previous, run, now, .. } = gathered;
    let valid = validated.as_deref();
    let next_run = valid.and_then(|valid| {
        if periodic::is_look_due(gathered, valid) {
            return Some(*now);
        }
        periodic::next_run(valid, previous, run.as_ref(), gathered.uid(), *now)
    });
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
    let wait = gathered.asked.wait(wait_for(&decision, next_run, *now), *now);
    let verification = drift::Inputs {
        gathered,
        validated: valid,
        decision: &decision,
        obstacle: obstacle.as_ref(),
    };
    let (verifying, wait) = verifying(&verification, wait);
    let decision = match (decision, &verifying) {
        // A run that an interval or a schedule starts waits for the end of a verification.
        (Decision::Proceed(Step::Refresh), Verifying::Works) => Decision::Proceed(Step::Keep),
        (decision, _) => decision,
    };
    // It is reported in time, even if nothing else happens before.
    let wait = match (wait, quiet) {
        (Some(wait), Some(quiet)) => Some(wait.min(quiet + Duration::from_secs(1))),
        (wait, _) => wait,
    };
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

/// Decides, and says how long the run in question is quiet, if it is.
pub(super) fn decide(inputs: &Inputs<'_>) -> (Decision, Option<Duration>) {
    let due = inputs.revision.map(|revision| due(revision, inputs));
    let quiet = due.as_ref().and_then(|due| periodic::quiet_for(due, inputs));
    let decision = match due {
        due if inputs.suspended => {
            let in_sync = matches!(due, Some(Step::Keep | Step::Refresh));
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
            Some(_) if quiet.is_some() => Decision::Proceed(Step::Keep),
            // Without work the state of the integration is not the export's to report.
            Some(obstacle) if !matches!(due, Step::Keep | Step::Conclude) => {
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
    match &run.phase {
        RunPhase::Running if current => Step::Observe,
        RunPhase::Running => Step::Stop,
        RunPhase::Ended(_) if !current || inputs.requested => when_idle(revision, inputs),
        // Other credentials are worth another attempt.
        RunPhase::Ended(_)
            if !run.is_completed() && inputs.access.is_some_and(|access| run.access != access) =>
        {
            Step::Start { attempt: 0 }
        }
        RunPhase::Ended(ended) => match &ended.report.ending {
            Ending::Completed if inputs.applied != Some(revision) => Step::Conclude,
            Ending::Completed if run.periodic && !inputs.is_reported => Step::Conclude,
            Ending::Completed | Ending::SourceUnchanged => when_idle(revision, inputs),
            Ending::Stopped => Step::Start { attempt: run.attempt },
            Ending::SourceFailed(cause) if inputs.access.is_some() => {
                let disposition = Disposition::Stalled { reason: cause.reason };
                again(disposition, 0, elapsed(ended.at, inputs.now), inputs)
            }
            Ending::SourceFailed(_) => Step::Stall,
            Ending::Interrupted { disposition, .. } => {
                // An attempt that made progress does not lengthen the backoff.
                let failures = if run.made_progress() { 0 } else { run.attempt };
                again(*disposition, failures, elapsed(ended.at, inputs.now), inputs)
            }
        },
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
        // The integration enqueues its exports once it is ready again. Until it has noticed what
        // the run met, it may still look ready: hence the backoff.
        Disposition::Wait { .. } if inputs.obstacle.is_none() => {
            again(Disposition::retry(disposition.reason()), failures, waited, inputs)
        }
        Disposition::Wait { .. } => Step::Retry { delay: REPROBE_EVERY },
        Disposition::Stalled { .. } if waited >= REPROBE_EVERY => Step::Start { attempt: 0 },
        Disposition::Stalled { .. } => Step::Stall,
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// How long until the next pass.
fn wait_for(decision: &Decision, next_run: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    match decision {
        Decision::Suspend { .. } => None,
        Decision::Block(_) | Decision::Proceed(Step::Stall) => Some(REPROBE_EVERY),
        Decision::Proceed(Step::Keep | Step::Conclude) => {
            let wait = Duration::try_from(next_run?.duration_since(now)).unwrap_or_default();
            // An overdue run waits for something else.
            Some(if wait.is_zero() { REPROBE_EVERY } else { wait })
        }
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
        domain::{Cause, Reason},
        pipeline::{Progress, Report},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run(revision: &str, phase: RunPhase) -> RunState {
        RunState { revision: revision.into(), attempt: 2, phase, ..RunState::default() }
    }

    fn ended(ending: Ending) -> RunPhase {
        let report = Report { progress: Progress::default(), ending };
        RunPhase::Ended(Ended { at: at(100), report }.into())
    }

    fn interrupted(disposition: Disposition) -> RunPhase {
        ended(Ending::Interrupted { disposition, message: String::new() })
    }

    fn inputs(applied: Option<&str>) -> Inputs<'_> {
        Inputs {
            revision: Some("r2"),
            applied,
            requested: false,
            suspended: false,
            obstacle: None,
            sending: Sending::Permitted,
            run: None,
            is_reported: true,
            next_run: None,
            grace: Duration::ZERO,
            looks: Looks::AsScheduled,
            access: None,
            process_started_at: at(0),
            now: at(0),
        }
    }

    fn decided(inputs: &Inputs<'_>) -> Step {
        match decide(inputs).0 {
            Decision::Proceed(step) => step,
            other => panic!("{other:?}"),
        }
    }

    fn decide_with(
        run: Option<&RunState>,
        applied: Option<&str>,
        requested: bool,
        now: i64,
    ) -> Step {
        decided(&Inputs { run, requested, now: at(now), ..inputs(applied) })
    }

    #[test]
    fn an_idle_export_runs_exactly_when_something_differs() {
        assert_eq!(decide_with(None, None, false, 0), Step::Start { attempt: 0 });
        assert_eq!(decide_with(None, Some("r1"), false, 0), Step::Start { attempt: 0 });
        assert_eq!(decide_with(None, Some("r2"), false, 0), Step::Keep);
        assert_eq!(decide_with(None, Some("r2"), true, 0), Step::Start { attempt: 0 });
    }

    #[test]
    fn a_run_for_another_revision_is_ended_first() {
        let other = run("r1", RunPhase::Running);
        assert_eq!(decide_with(Some(&other), None, false, 0), Step::Stop);
        let same = run("r2", RunPhase::Running);
        assert_eq!(decide_with(Some(&same), None, true, 0), Step::Observe);
    }

    #[test]
    fn a_finished_run_is_concluded_once() {
        let done = run("r2", ended(Ending::Completed));
        assert_eq!(decide_with(Some(&done), Some("r1"), false, 0), Step::Conclude);
        assert_eq!(decide_with(Some(&done), Some("r2"), false, 0), Step::Keep);
    }

    #[test]
    fn what_is_in_place_is_refreshed_when_a_run_is_due() {
        let due = |applied| Inputs { next_run: Some(at(0)), ..inputs(applied) };
        assert_eq!(decided(&due(Some("r2"))), Step::Refresh);
        assert_eq!(decided(&due(Some("r1"))), Step::Start { attempt: 0 }, "not in place");
        let periodic = |ending| RunState { periodic: true, ..run("r2", ended(ending)) };
        let (same, done) = (periodic(Ending::SourceUnchanged), periodic(Ending::Completed));
        let with = |run, is_reported| {
            decided(&Inputs { run: Some(run), is_reported, ..inputs(Some("r2")) })
        };
        assert_eq!(with(&same, true), Step::Keep);
        assert_eq!(with(&done, false), Step::Conclude);
        assert_eq!(with(&done, true), Step::Keep);
        let again = Inputs { run: Some(&done), next_run: Some(at(0)), ..inputs(Some("r2")) };
        assert_eq!(decided(&again), Step::Refresh);
    }

    #[test]
    fn a_process_that_looks_once_is_quiet_only_while_it_looks() {
        let grace = Duration::from_mins(5);
        let periodic = |ending| RunState { periodic: true, ..run("r2", ending) };
        let quiet = |run: Option<&RunState>, obstacle: Option<&Verdict>| {
            let due = Inputs { next_run: Some(at(0)), grace, run, obstacle, ..inputs(Some("r2")) };
            [Looks::AsScheduled, Looks::Once].map(|looks| {
                let (decision, quiet) = decide(&Inputs { looks, ..due });
                (decision, quiet.is_some())
            })
        };
        let working = periodic(RunPhase::Running);
        let keeps = (Decision::Proceed(Step::Observe), true);
        assert_eq!(quiet(Some(&working), None), [keeps.clone(), keeps]);
        let failed = periodic(interrupted(Disposition::retry(Reason::SourceNotFound)));
        let [in_a_cluster, once] = quiet(Some(&failed), None);
        assert!(in_a_cluster.1 && !once.1, "what cannot be read is reported at once");
        let unready = Verdict::reconciling(Reason::DependencyNotReady, "not yet");
        let [in_a_cluster, once] = quiet(None, Some(&unready));
        assert_eq!(in_a_cluster.0, Decision::Proceed(Step::Keep));
        assert_eq!(once.0, Decision::Block(unready), "it was not looked at");
    }

    #[test]
    fn a_remote_source_that_failed_is_retried_at_once_with_other_credentials_and_else_rarely() {
        let ending = Ending::SourceFailed(Cause::new(Reason::SourceDenied, ""));
        let failed = run("r2", ended(ending));
        let with = |access, now| {
            decided(&Inputs {
                run: Some(&failed),
                access: Some(access),
                now: at(now),
                ..inputs(None)
            })
        };
        assert_eq!(with("", 200), Step::Stall);
        assert_eq!(with("other", 200), Step::Start { attempt: 0 });
        assert_eq!(with("", 1001), Step::Start { attempt: 0 });
    }

    #[test]
    fn interruptions_are_retried_with_backoff_that_honours_the_other_side() {
        let retry = run("r2", interrupted(Disposition::retry(Reason::VendorUnavailable)));
        let wait = Step::Retry { delay: Duration::from_secs(3) };
        assert_eq!(decide_with(Some(&retry), None, false, 101), wait, "attempt 2: 4 s");
        assert_eq!(decide_with(Some(&retry), None, false, 104), Step::Start { attempt: 3 });
        let after =
            Disposition::Retry { reason: Reason::RateLimited, after: Duration::from_secs(60) };
        let limited = run("r2", interrupted(after));
        let wait = Step::Retry { delay: Duration::from_secs(50) };
        assert_eq!(decide_with(Some(&limited), None, false, 110), wait);
    }

    #[test]
    fn an_attempt_that_made_progress_is_retried_soon_and_others_later_each_time() {
        let mut run = run("r2", interrupted(Disposition::retry(Reason::VendorUnavailable)));
        run.attempt = 9;
        let wait = Step::Retry { delay: Duration::from_secs(511) };
        assert_eq!(decide_with(Some(&run), None, false, 101), wait.clone());
        run.progress.counts.created = 1;
        assert_eq!(decide_with(Some(&run), None, false, 101), Step::Start { attempt: 1 });
        run.mode = crate::api::ExportMode::DryRun;
        assert_eq!(decide_with(Some(&run), None, false, 101), wait, "a dry run starts over");
    }

    #[test]
    fn a_stall_waits_for_a_change_a_request_or_the_slow_probe() {
        let stalled =
            run("r2", interrupted(Disposition::Stalled { reason: Reason::ContractUnsupported }));
        assert_eq!(decide_with(Some(&stalled), None, false, 200), Step::Stall);
        assert_eq!(decide_with(Some(&stalled), None, true, 200), Step::Start { attempt: 0 });
        assert_eq!(decide_with(Some(&stalled), None, false, 1001), Step::Start { attempt: 0 });
        let old = run("r1", interrupted(Disposition::Stalled { reason: Reason::InvalidSpec }));
        assert_eq!(decide_with(Some(&old), None, false, 200), Step::Start { attempt: 0 });
    }

    #[test]
    fn an_obstacle_blocks_a_run_but_not_what_needs_none() {
        let stalled = Verdict::stalled(Reason::NotPermitted, "no");
        let unready = Verdict::reconciling(Reason::DependencyNotReady, "not yet");
        let running = run("r2", RunPhase::Running);
        let done = run("r2", ended(Ending::Completed));
        let with = |obstacle, run, applied| {
            decide(&Inputs { obstacle: Some(obstacle), run, ..inputs(applied) }).0
        };
        assert_eq!(with(&stalled, None, None), Decision::Block(stalled.clone()));
        assert_eq!(with(&stalled, None, Some("r2")), Decision::Proceed(Step::Keep));
        assert_eq!(with(&stalled, Some(&done), None), Decision::Proceed(Step::Conclude));
        assert_eq!(with(&stalled, Some(&running), None), Decision::Block(stalled.clone()));
        assert_eq!(
            with(&unready, Some(&running), None),
            Decision::Proceed(Step::Observe),
            "it notices itself"
        );
        assert_eq!(with(&unready, None, None), Decision::Block(unready.clone()));
        let invalid = Inputs { revision: None, obstacle: Some(&stalled), ..inputs(None) };
        assert_eq!(decide(&invalid).0, Decision::Block(stalled.clone()));
    }

    #[test]
    fn a_pause_keeps_the_run_in_progress_and_starts_none() {
        let gone = secret_gone();
        let running = run("r2", RunPhase::Running);
        let with = |run, obstacle| {
            let sending = Sending::Paused;
            decide(&Inputs { obstacle: Some(obstacle), sending, run, ..inputs(None) }).0
        };
        let kept = with(Some(&running), &gone);
        assert_eq!(kept, Decision::Proceed(Step::Pause));
        assert!(!kept.ends_run());
        assert_eq!(kept.attempt(), None);
        assert_eq!(with(None, &gone), Decision::Block(gone.clone()));
        let ended = run("r2", ended(Ending::Stopped));
        assert_eq!(with(Some(&ended), &gone), Decision::Block(gone.clone()), "after the grace");
        let withdrawn = Verdict::stalled(Reason::NotPermitted, "no");
        assert_eq!(with(Some(&running), &withdrawn), Decision::Block(withdrawn.clone()));
        let other = run("r1", RunPhase::Running);
        assert_eq!(with(Some(&other), &gone), Decision::Block(gone.clone()));
    }

    #[test]
    fn suspension_comes_first_and_says_whether_everything_was_in_place() {
        let suspended = |applied| decide(&Inputs { suspended: true, ..inputs(applied) }).0;
        assert_eq!(suspended(Some("r2")), Decision::Suspend { in_sync: true });
        assert_eq!(suspended(Some("r1")), Decision::Suspend { in_sync: false });
    }
}
