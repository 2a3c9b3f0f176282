//! The first look at a source: how much there is to do, who is named twice, who is not known.
//! Decodes everything once and keeps 29 bytes of each person, until it is known who is in Clinch;
//! then a bit of each record. No request is made. Works on a thread of its own.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::source_people::{Duplicate, SourcePeople};
use crate::{
    domain::{MatchKey, Reason},
    ledger::{KeyHash, Keys, Ledger, Suppressions},
    pipeline::{
        blocking::join_blocking,
        opened::Opened,
        record_set::RecordSet,
        records::{Prepared, PreparedRecords},
        report::{Progress, Rejection, Suspects},
        spec::RunSpec,
        work::Work,
    },
    source::SourceError,
};

/// How many of the unknown people are kept by name.
const SAMPLE: usize = 16;
/// How many people are looked up because some were there more than once.
const SUSPECTS: usize = 10_000;

/// What records are compared with.
#[derive(Debug, Clone)]
pub(super) struct Against {
    pub(super) keys: Keys,
    pub(super) suppressions: Suppressions,
    /// People of whom Clinch had more than one.
    pub(super) suspects: Suspects,
}

/// What a source holds, compared with the ledger.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Everything that is decided without a request.
    pub(super) progress: Progress,
    /// Records to push.
    pub(super) due: RecordSet,
    /// How many of them concern people the ledger does not know.
    pub(super) unknown: u64,
    /// Some of those, from all over the source.
    pub(super) sample: Vec<(MatchKey, KeyHash)>,
    /// People of whom Clinch had more than one when they were last looked up.
    pub(super) suspects: Vec<MatchKey>,
    /// People known by hashes made with the earlier keys: those, and the present ones.
    pub(super) renamed: Vec<(KeyHash, KeyHash)>,
    /// Where each person is named first.
    pub(super) people: SourcePeople,
    /// Why the source ended early, if it did.
    pub(super) fault: Option<SourceError>,
}

impl Survey {
    /// Reads the source, and gives the ledger back. Cut short when `cancel` is.
    pub(super) async fn of(
        spec: Arc<RunSpec<Opened>>,
        against: Against,
        mut ledger: Ledger,
        cancel: CancellationToken,
    ) -> (Self, Ledger) {
        let read = move || {
            let survey = Self::read(&spec, &against, &ledger, &cancel);
            for (earlier, present) in &survey.renamed {
                ledger.rename(earlier, present);
            }
            (survey, ledger)
        };
        join_blocking(tokio::task::spawn_blocking(read)).await
    }

    fn read(
        spec: &RunSpec<Opened>,
        against: &Against,
        ledger: &Ledger,
        cancel: &CancellationToken,
    ) -> Self {
        let mut survey = Self::default();
        let mut records = PreparedRecords::of(spec, &against.keys);
        // Which of the unknown people are kept is the same in every run.
        let mut chance = fastrand::Rng::with_seed(1);
        while let Some(record) = records.next() {
            if cancel.is_cancelled() {
                break;
            }
            match record {
                Ok(prepared) => {
                    survey.add(prepared, records.number(), against, ledger, &mut chance);
                }
                Err(error) => {
                    survey.fault = Some(error);
                    break;
                }
            }
        }
        survey
    }

    fn add(
        &mut self,
        prepared: Prepared,
        number: usize,
        against: &Against,
        ledger: &Ledger,
        chance: &mut fastrand::Rng,
    ) {
        let keys = &against.keys;
        self.progress.counts.total += 1;
        let mut work = match prepared {
            Prepared::Ready(work) => work,
            Prepared::Rejected(rejection) => return self.refuse(rejection),
        };
        match self.people.note(&work) {
            Duplicate::No => {}
            // The same person again, in the same words: one of them is enough.
            Duplicate::Same => {
                self.progress.counts.unchanged += 1;
                return;
            }
            Duplicate::Conflicting(first) => {
                return self.refuse(Rejection {
                    record: Some(keys.record_id(&work.key)),
                    position: work.position,
                    reason: Reason::DuplicateInSource,
                    message: format!("{first} names the same person with other values"),
                });
            }
        }
        if let Some(why) = against.suppressions.check(&work.key, &work.key_hash) {
            self.progress.counts.suppressed += 1;
            self.progress.list(Rejection {
                record: Some(keys.record_id(&work.key)),
                position: work.position,
                reason: why.reason(),
                message: why.message().to_owned(),
            });
            return;
        }
        self.suspect(&work.key, against);
        let known = work.compare(ledger) || self.knows_earlier(&mut work, keys, ledger);
        if work.is_done() {
            self.progress.counts.unchanged += 1;
            return;
        }
        self.due.add(number);
        if !known {
            self.unknown += 1;
            self.sample(work.key, work.key_hash, chance);
        }
    }

    /// Notes who has to be looked up because they were there more than once.
    fn suspect(&mut self, key: &MatchKey, against: &Against) {
        let Suspects { records, everybody } = &against.suspects;
        if (records.is_empty() && !everybody) || self.suspects.len() >= SUSPECTS {
            return;
        }
        let record = against.keys.record_id(key);
        if *everybody || records.contains(&record) {
            self.suspects.push(key.clone());
        }
    }

    /// Whether the person is known by a hash made with the earlier keys.
    fn knows_earlier(&mut self, work: &mut Work, keys: &Keys, ledger: &Ledger) -> bool {
        let Some(earlier) = keys.earlier().filter(|_| ledger.has_earlier()) else { return false };
        let (before, now) = (earlier.key_hash(&work.key), work.key_hash);
        work.key_hash = before;
        let known = work.compare(ledger);
        work.key_hash = now;
        if known {
            self.renamed.push((before, now));
        }
        known
    }

    /// Keeps each of the unknown people with the same chance.
    fn sample(&mut self, key: MatchKey, hash: KeyHash, chance: &mut fastrand::Rng) {
        if self.sample.len() < SAMPLE {
            self.sample.push((key, hash));
            return;
        }
        let at = chance.u64(..self.unknown);
        if let Some(kept) = usize::try_from(at).ok().and_then(|at| self.sample.get_mut(at)) {
            *kept = (key, hash);
        }
    }

    fn refuse(&mut self, rejection: Rejection) {
        self.progress.counts.invalid += 1;
        self.progress.list(rejection);
    }
}
