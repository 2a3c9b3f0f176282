//! A verification: reads the people whom the ledger knows and the source names back from Clinch, and
//! reports who is not as they were delivered. Reads the candidate list where that takes fewer requests
//! than reading everybody by id. The list only strikes people off: people who differ on it, or are not
//! on it, are read by id, so that nothing is reported because a page was missing or has shifted.
//!
//! Writes nothing, unless the policy is to correct; creates nobody.

use std::{collections::HashSet, hash::RandomState, sync::Arc};

use super::{
    aftermath::Creations,
    crm::{Crm, CrmFailure, Destination},
    elsewhere::Elsewhere,
    ending::interrupted,
    fetch::Fetcher,
    index::PeopleIndex,
    listing::Listing,
    pusher::Pusher,
    roster::{Known, Roster},
    run::{RunPorts, note_anonymised},
    run_ledger::RunLedger,
    verification::Verification,
    verifier::{Task, Verifier},
};
use crate::{
    domain::{ClinchId, Disposition, Reason},
    ledger::SegmentStore,
    pipeline::{
        drift::{Drift, DriftPolicy, HeldBack},
        ending::unread,
        mode::Mode,
        record_set::RecordSet,
        report::{Distrust, Ending, Report},
        spec::RunSpec,
    },
};

/// The number of people from which a list may be worth its requests.
const LIST_WORTH_FROM: u64 = 10;

/// Verifies until an ending. Never fails: every failure is an ending. What it found is
/// the drift of its progress, which is complete only if it completed.
pub async fn verify<C: Crm, S: SegmentStore>(
    spec: RunSpec,
    ports: RunPorts<C, S>,
    policy: DriftPolicy,
) -> Report {
    let progress = ports.progress.clone();
    // Boxed: the future is large and part of its callers' futures.
    let ending = match Box::pin(attempt(spec, ports, policy)).await {
        Ok(ending) => ending,
        Err(failure) => interrupted(failure),
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt<C: Crm, S: SegmentStore>(
    spec: RunSpec,
    ports: RunPorts<C, S>,
    policy: DriftPolicy,
) -> Result<Ending, CrmFailure> {
    let RunPorts { guard, suppressions, keys, store, trust, progress, cancel, .. } = ports;
    let spec = match cancel.run_until_cancelled(spec.open()).await {
        Some(Ok(Some(spec))) => Arc::new(spec),
        Some(Ok(None)) => return Ok(Ending::SourceUnchanged),
        Some(Err(error)) => return Ok(unread(&error)),
        None => return Ok(Ending::Stopped),
    };
    let _member = guard.join();
    suppressions.flush().await?;
    let mut run_ledger = RunLedger::open(store, keys.clone()).await?;
    // As a dry run does: the next push records it.
    if let Some(why) = run_ledger.distrust(trust, Mode::DryRun).await?.distrust {
        return Err(distrusted(why));
    }
    let known = Known { keys: keys.clone(), suppressions: suppressions.clone() };
    let ledger = std::mem::take(&mut run_ledger.ledger);
    let (roster, ledger) = Roster::of(spec.clone(), known, ledger, cancel.clone()).await;
    run_ledger.ledger = ledger;
    if cancel.is_cancelled() {
        return Ok(Ending::Stopped);
    }
    if let Some(error) = &roster.fault {
        return Ok(unread(error));
    }
    let people = roster.len();
    progress.send_modify(|progress| {
        progress.source.clone_from(&roster.source);
        progress.drift = Drift { people, ..Drift::default() }.into();
    });
    let verifier = Verifier {
        pusher: Pusher {
            updated_at: ports.crm.known_attributes().updated_at,
            crm: ports.crm,
            guard,
            index: PeopleIndex::default(),
            elsewhere: Elsewhere::nowhere(),
            fence: ports.fence,
            mode: Mode::Push,
            duplicates: spec.duplicates,
            reads_first: true,
            destination: Destination::Prospect,
            suppressions,
            renderer: spec.renderer.clone(),
            resume_required: spec.plan.requires_resume(),
            resumes: Fetcher::of(spec.resumes.clone(), cancel.clone()),
            creations: Creations::default(),
        },
        policy,
    };
    let export = ports.export;
    // Half of the requests that a run may have in flight: pushes of other exports come first.
    let max_in_flight = ports.max_in_flight.div_ceil(2).max(1);
    let verification =
        Verification { verifier, spec, keys, export, max_in_flight, progress, cancel };
    verification.of(roster, run_ledger).await
}

/// What the ledger says about values is not believed: there is nothing to compare with.
fn distrusted(why: Distrust) -> CrmFailure {
    let why = match why {
        Distrust::Requested => "it is to be distrusted, by annotation",
        Distrust::LedgerBehind => "it is older than the last run in the status",
    };
    CrmFailure::Everything {
        disposition: Disposition::retry(Reason::LedgerRefused),
        message: format!(
            "the ledger does not say what was delivered: {why}. The next run reads everybody again; \
             to start one, set the annotation clinch.hireez.dev/distrust-ledger-requested-at"
        ),
    }
}

impl<C: Crm> Verification<C> {
    async fn of<S: SegmentStore>(
        mut self,
        mut roster: Roster,
        mut run_ledger: RunLedger<S>,
    ) -> Result<Ending, CrmFailure> {
        let cancel = self.cancel.clone();
        if roster.len() >= LIST_WORTH_FROM {
            // It only reads, and need not be finished.
            let listed = self.strike_off(&mut roster, &run_ledger);
            let Some(anonymised) = cancel.run_until_cancelled(listed).await.transpose()? else {
                return Ok(Ending::Stopped);
            };
            let suppressions = &self.verifier.pusher.suppressions;
            note_anonymised(&anonymised, &run_ledger.ledger, suppressions).await?;
            self.verifier.pusher.index.anonymised = anonymised;
        }
        let left = roster.len();
        self.drift(|drift| drift.verified = drift.people - left);
        let records = roster.into_records();
        let changed = match self.each(Task::Look, records, &mut run_ledger).await? {
            Ok(changed) => changed,
            Err(ending) => return Ok(ending),
        };
        if self.verifier.policy == DriftPolicy::Correct && changed.count() > 0 {
            return self.correct(changed, run_ledger).await;
        }
        Ok(Ending::Completed)
    }

    /// Strikes off who is on the candidate list as they were delivered, if the list is worth its
    /// requests. Returns everybody whom it shows as anonymised.
    async fn strike_off<S: SegmentStore>(
        &self,
        roster: &mut Roster,
        run_ledger: &RunLedger<S>,
    ) -> Result<HashSet<ClinchId>, CrmFailure> {
        let listing = Listing {
            hasher: &RandomState::new(),
            reads_page: &|page| {
                self.progress.send_modify(|progress| progress.listing = Some(page));
            },
            budget: roster.len(),
            readings: 1,
            expected: None,
            profiles: false,
        };
        let people = roster.len();
        let mut anonymised = HashSet::new();
        let mut creates_go_on = None;
        let read = listing.read(&self.verifier.pusher.crm, &mut creates_go_on, |person| {
            if person.anonymised {
                anonymised.insert(person.id);
            } else if let Some(key) = &person.key {
                roster.strike_off(&self.keys.key_hash(key), &person, &run_ledger.ledger);
                let left = roster.len();
                if left.is_multiple_of(100) {
                    self.drift(|drift| drift.verified = people - left);
                }
            }
        });
        let read = read.await;
        self.progress.send_modify(|progress| progress.listing = None);
        read?;
        Ok(anonymised)
    }

    /// Writes again what differs, unless a guard holds it back.
    async fn correct<S: SegmentStore>(
        &self,
        changed: RecordSet,
        mut run_ledger: RunLedger<S>,
    ) -> Result<Ending, CrmFailure> {
        let guards = &self.spec.guards;
        let held_back = match guards.max_updates {
            _ if guards.approved.is_some() => Some(HeldBack::ApprovedPlan),
            Some(most) if changed.count() as u64 > most => Some(HeldBack::MaxUpdates(most)),
            _ => None,
        };
        if held_back.is_some() {
            self.drift(|drift| drift.held_back = held_back);
            return Ok(Ending::Completed);
        }
        // While people are written, requests of the export may be under way.
        let guard = &self.verifier.pusher.guard;
        let was_at_rest = run_ledger.was_at_rest(guard, &self.export);
        guard.at_rest.remove(&self.export);
        let ended = self.each(Task::Correct, changed, &mut run_ledger).await;
        let sealed = run_ledger.seal(false).await;
        if was_at_rest {
            run_ledger.note_at_rest(guard, &self.export);
        }
        self.progress.send_modify(|progress| run_ledger.show(&mut progress.ledger, Mode::Push));
        let ended = ended?;
        sealed?;
        Ok(ended.map_or_else(|ending| ending, |_| Ending::Completed))
    }
}
