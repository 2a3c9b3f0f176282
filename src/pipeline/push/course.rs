//! The course of a push: which records stay undecided, and when no others are started. Asks Clinch
//! whether it works when many records in a row fail, and before one counts as failed.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    crm::{Crm, CrmFailure, unless_paused},
    errored::Standing,
    feed::Feeds,
    run_ledger::RunLedger,
};
use crate::{
    domain::{Reason, SourcePosition},
    ledger::SegmentStore,
    pipeline::work::Work,
    source::SourceError,
};

/// How many consecutive records may fail temporarily before the run is interrupted, or before Clinch is
/// asked whether it works otherwise.
const MAX_CONSECUTIVE_FAILURES: u32 = 16;
/// How often Clinch may say that it works, without any record in order, before the run is interrupted.
const MAX_REASSURANCES: u32 = 16;
/// How many records are in flight where errors are expected: fewer than open the circuit breaker.
const CAUTIOUS: usize = 3;

/// For how long an answer shows that Clinch works.
const ANSWER_HOLDS: Duration = Duration::from_secs(10);

/// How the records went so far, and whether others are started.
pub(super) struct Course {
    /// Cancelled on the first failure that concerns everything: no record is started any more, those in
    /// flight are finished.
    halt: CancellationToken,
    /// What concerns everything.
    pub(super) failure: Option<CrmFailure>,
    /// The records that stay undecided.
    pub(super) undecided: Option<Undecided>,
    /// The fault of the source.
    pub(super) fault: Option<SourceError>,
    consecutive: u32,
    reassurances: u32,
    /// Whether errors are expected until a record is in order.
    cautious: bool,
    /// Whether only records are left that failed in an earlier run.
    held_back: bool,
    /// When Clinch said last that it works.
    answered: Option<Instant>,
}

/// Records that stay undecided: how many, and the first of them.
pub(super) struct Undecided {
    records: u64,
    /// How many of them wait for their resume alone.
    resumes: u64,
    position: SourcePosition,
    failure: CrmFailure,
}

impl Undecided {
    /// How many there are, and why the first of them stays undecided.
    pub(super) fn named(self) -> (u64, String) {
        let why = match self.failure {
            CrmFailure::Errored { message, .. }
            | CrmFailure::Undecided { message, .. }
            | CrmFailure::Later { message, .. }
            | CrmFailure::Everything { message, .. } => message,
            CrmFailure::Record(cause) => cause.message,
            CrmFailure::Gone => "the person is gone".to_owned(),
            CrmFailure::Withdrawn | CrmFailure::Paused => "the account may not be used".to_owned(),
        };
        (self.records, format!("{}: {why}", self.position))
    }

    pub(super) fn into_failure(self) -> CrmFailure {
        let Self { records, resumes, position, failure } = self;
        let named = |message: String| match records {
            1 => format!("{position}: {message}"),
            _ if records == resumes => {
                format!("{records} records wait for their resume; first: {position}: {message}")
            }
            _ => format!("{records} records are undecided; first: {position}: {message}"),
        };
        match failure {
            CrmFailure::Errored { disposition, message } => {
                CrmFailure::Errored { disposition, message: named(message) }
            }
            CrmFailure::Undecided { disposition, message } => {
                CrmFailure::Undecided { disposition, message: named(message) }
            }
            resume @ CrmFailure::Later { .. } if resume.is_about_resume() => {
                let CrmFailure::Later { disposition, message } = resume else { return resume };
                CrmFailure::Later { disposition, message: named(message) }
            }
            other => other,
        }
    }
}

impl Course {
    pub(super) fn of(cancel: &CancellationToken, cautious: bool) -> Self {
        Self {
            halt: cancel.child_token(),
            failure: None,
            undecided: None,
            fault: None,
            consecutive: 0,
            reassurances: 0,
            cautious,
            held_back: false,
            answered: None,
        }
    }

    /// Whether no other records are started, before the end of the source.
    pub(super) fn is_halted(&self) -> bool {
        self.halt.is_cancelled()
    }

    /// How many records may be in flight, of which `resting` wait without a request; none once the run
    /// is to end. Where errors are expected, those that wait count too: their next answers would come
    /// together, and open the circuit breaker.
    pub(super) fn room(&self, max_in_flight: usize, resting: usize) -> usize {
        if self.halt.is_cancelled() {
            0
        } else if self.cautious || self.held_back {
            max_in_flight.min(CAUTIOUS)
        } else {
            max_in_flight + resting
        }
    }

    /// The next records; none at the end. Cancellation does not wait for an unresponsive source.
    pub(super) async fn next_window<S: SegmentStore>(
        &mut self,
        feeds: &mut Feeds,
        run_ledger: &RunLedger<S>,
    ) -> VecDeque<Work> {
        loop {
            let window = self.halt.run_until_cancelled(feeds.window(run_ledger)).await;
            match window {
                Some(Ok(window)) if window.is_empty() && feeds.go_on() => self.held_back = true,
                Some(Ok(window)) => return window,
                Some(Err(error)) => {
                    self.fault = Some(error);
                    return VecDeque::new();
                }
                None => return VecDeque::new(),
            }
        }
    }

    pub(super) fn decided(&mut self) {
        (self.consecutive, self.reassurances, self.cautious) = (0, 0, false);
    }

    pub(super) fn unless_refused(&mut self, stored: Result<(), CrmFailure>) {
        if let Err(refused) = stored {
            self.halt.cancel();
            self.failure.get_or_insert(refused);
        }
    }

    /// Whether a record with errors fails now: not if Clinch is down.
    pub(super) async fn fails(&mut self, standing: Option<&Standing>, crm: &impl Crm) -> bool {
        standing.is_some_and(|standing| standing.fails) && self.asks(crm).await
    }

    /// Whether Clinch answers a read that concerns no record.
    async fn asks(&mut self, crm: &impl Crm) -> bool {
        if self.answered.is_none_or(|at| at.elapsed() >= ANSWER_HOLDS) {
            let total = unless_paused(crm, || crm.total()).await;
            self.answered = total.is_ok().then(Instant::now);
        }
        self.answered.is_some()
    }

    /// A record was not decided.
    pub(super) async fn met(
        &mut self,
        position: &SourcePosition,
        failure: CrmFailure,
        crm: &impl Crm,
    ) {
        if matches!(failure, CrmFailure::Everything { .. } | CrmFailure::Withdrawn) {
            self.halt.cancel();
            self.failure.get_or_insert(failure);
            return;
        }
        let may_be_the_record = match &failure {
            CrmFailure::Errored { .. } | CrmFailure::Undecided { .. } => true,
            // A limit is not about the record.
            CrmFailure::Later { disposition, .. } => {
                disposition.reason() == Reason::VendorUnavailable
            }
            _ => false,
        };
        // The person is delivered; what fails is another server than Clinch.
        let is_resume = failure.is_about_resume();
        self.note(position, failure);
        if is_resume {
            return;
        }
        self.consecutive += 1;
        self.cautious |= self.consecutive > 1;
        if self.consecutive >= MAX_CONSECUTIVE_FAILURES {
            // Records with errors in front must not keep the others from being tried.
            let works =
                may_be_the_record && self.reassurances < MAX_REASSURANCES && self.asks(crm).await;
            if !works {
                self.halt.cancel();
                return;
            }
            self.consecutive = 0;
            self.reassurances += 1;
        }
    }

    fn note(&mut self, position: &SourcePosition, failure: CrmFailure) {
        let position = position.clone();
        let resumes = u64::from(failure.is_about_resume());
        match &mut self.undecided {
            None => self.undecided = Some(Undecided { records: 1, resumes, position, failure }),
            Some(known) => {
                known.records += 1;
                known.resumes += resumes;
                if position < known.position {
                    (known.position, known.failure) = (position, failure);
                }
            }
        }
    }
}
