//! What is due of an export, and what is in the way. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::periodic;
use crate::{
    controllers::{
        decision::{self, Decision, Step},
        dependency::not_verified,
        runs::{RunPhase, RunState},
    },
    domain::{Disposition, REPROBE_EVERY},
    pipeline::Ending,
};

/// What the decision on an export depends on.
pub(super) type Inputs<'a> = decision::Inputs<'a, RunState>;

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
        Some(_) if quiet => Decision::Proceed(Step::Keep),
        // Without work the state of the integration is not the export's to report.
        Some(obstacle) if !matches!(due, Step::Keep | Step::Conclude) => {
            Decision::Block(obstacle.clone())
        }
        _ => Decision::Proceed(due),
    }
}

/// Whether a run of what is in place was stopped before it found anything to do.
fn is_cut(inputs: &Inputs<'_>) -> bool {
    let stopped = |run: &&RunState| {
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
    match &run.phase {
        RunPhase::Running if current => Step::Observe,
        RunPhase::Running => Step::Stop,
        RunPhase::Ended(_) if !current || inputs.requested => inputs.when_idle(revision),
        // Other credentials are worth another attempt.
        RunPhase::Ended(_)
            if !run.is_completed() && inputs.access.is_some_and(|access| run.access != access) =>
        {
            Step::Start { attempt: 0 }
        }
        RunPhase::Ended(ended) => match &ended.report.ending {
            Ending::Completed if inputs.applied != Some(revision) => Step::Conclude,
            Ending::Completed if run.periodic && !inputs.is_reported => Step::Conclude,
            Ending::Completed | Ending::SourceUnchanged => inputs.when_idle(revision),
            Ending::Stopped => Step::Start { attempt: run.attempt },
            Ending::SourceFailed(cause) if inputs.access.is_some() => {
                let disposition = Disposition::Stalled { reason: cause.reason };
                again(disposition, 0, ended.at, inputs)
            }
            Ending::SourceFailed(_) => Step::Stall,
            Ending::Interrupted { disposition, .. } => {
                // An attempt that made progress does not lengthen the backoff.
                let failures = if run.made_progress() { 0 } else { run.attempt };
                again(*disposition, failures, ended.at, inputs)
            }
        },
    }
}

fn again(disposition: Disposition, failures: u32, ended: Timestamp, inputs: &Inputs<'_>) -> Step {
    inputs.again(disposition, failures, ended).unwrap_or_else(|| {
        if inputs.since(ended) >= REPROBE_EVERY { Step::Start { attempt: 0 } } else { Step::Stall }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conditions::Verdict,
        controllers::{decision::Looks, dependency::secret_gone, references::Sending, runs::Ended},
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
            closed: None,
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
    fn nothing_works_while_no_window_is_open() {
        let closed = Verdict::reconciling(Reason::OutsideWindow, "later");
        let with = |run: Option<&RunState>, applied| {
            let next_run = Some(at(1000));
            decide(&Inputs { closed: Some(&closed), run, next_run, ..inputs(applied) }).0
        };
        let waits = Decision::Block(closed.clone());
        let keeps = Decision::Proceed(Step::Keep);
        assert_eq!((with(None, None), with(None, Some("r2"))), (waits.clone(), keeps.clone()));
        let running = run("r2", RunPhase::Running);
        assert_eq!(with(Some(&running), None), waits);
        assert!(waits.ends_run());
        let done = run("r2", ended(Ending::Completed));
        assert_eq!(with(Some(&done), None), Decision::Proceed(Step::Conclude));
        let stopped = run("r2", ended(Ending::Stopped));
        assert_eq!(with(Some(&stopped), None), waits);
        // A run of what is in place that found nothing to do is not reported.
        let grace = Duration::from_mins(5);
        let periodic = |phase| RunState { periodic: true, started_at: at(0), ..run("r2", phase) };
        let looking = periodic(RunPhase::Running);
        let quietly = Inputs { grace, run: Some(&looking), ..inputs(Some("r2")) };
        let stops = decide(&Inputs { closed: Some(&closed), ..quietly }).0;
        assert_eq!(stops, Decision::Proceed(Step::Stop));
        assert!(stops.ends_run());
        let cut = periodic(ended(Ending::Stopped));
        for now in [1, 100_000] {
            let later = Inputs { run: Some(&cut), now: at(now), ..quietly };
            assert_eq!(decide(&Inputs { closed: Some(&closed), ..later }).0, keeps, "{now}");
            assert_eq!(decided(&later), Step::Start { attempt: 2 }, "in the next window");
        }
        let mut working = cut.clone();
        working.progress.counts.total = 2;
        assert_eq!(with(Some(&working), Some("r2")), waits, "it has found something to do");
        // What a person must act on is said first.
        let stalled = Verdict::stalled(Reason::NotPermitted, "no");
        let both = Inputs { obstacle: Some(&stalled), closed: Some(&closed), ..inputs(None) };
        assert_eq!(decide(&both).0, Decision::Block(stalled.clone()));
        let unready = Verdict::reconciling(Reason::DependencyNotReady, "not yet");
        let run = Some(&running);
        let both = Inputs { obstacle: Some(&unready), closed: Some(&closed), run, ..inputs(None) };
        assert_eq!(decide(&both).0, waits, "the run ends");
    }

    #[test]
    fn suspension_comes_first_and_says_whether_everything_was_in_place() {
        let suspended = |applied| decide(&Inputs { suspended: true, ..inputs(applied) }).0;
        assert_eq!(suspended(Some("r2")), Decision::Suspend { in_sync: true });
        assert_eq!(suspended(Some("r1")), Decision::Suspend { in_sync: false });
    }
}
