//! The first reading of a source: how much there is to do, who is named twice, who is unknown. Decodes
//! everything once on a blocking thread. Keeps 31 bytes a person until it is known who is in Clinch (14 if
//! the ledger knows them), then one bit a record, and the records to push as long as they are few. Makes no request to Clinch.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{
    guard::PeopleGuard,
    known_as::{another_hash, compare_as},
    source_people::{Duplicate, SourcePeople},
};
use crate::{
    domain::{Cause, MatchKey, Reason},
    ledger::{KeyHash, Keys, Ledger, Numbered, Suppressions},
    pipeline::{
        blocking::join_blocking,
        guards::Guards,
        opened::Opened,
        profiles::ProfileHash,
        record_log::{Decided, Found, MatchedBy, MatchedPerson, RecordLog},
        record_set::RecordSet,
        records::{Prepared, PreparedRecords},
        report::{Ending, Progress, Rejection, Suspects},
        spec::RunSpec,
        work::Work,
    },
    source::SourceError,
};

/// How many of the first [`SAMPLED`] unknown people are kept by match key; later as many of each so many.
const SAMPLE: usize = 100;
const SAMPLED: u64 = 10_000;
/// How many people are looked up because Clinch had them, or others, more than once.
const SUSPECTS: usize = 10_000;

/// How many bytes of records to push are kept, so that the source need not be read a second time: as many
/// as a window of the second reading has at most.
const KEPT_BYTES: usize = 8 << 20;

/// What the records are compared with.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) keys: Keys,
    pub(super) suppressions: Suppressions,
    /// People whom Clinch had more than once.
    pub(super) suspects: Suspects,
    /// What the runs of the account share.
    pub(super) guard: Arc<PeopleGuard>,
}

impl Comparison {
    pub(super) fn of(
        keys: &Keys,
        suppressions: &Suppressions,
        suspects: Suspects,
        guard: &Arc<PeopleGuard>,
    ) -> Self {
        let (keys, suppressions, guard) = (keys.clone(), suppressions.clone(), guard.clone());
        Self { keys, suppressions, suspects, guard }
    }
}

/// The records of a source that are due, in its order, unless they are too many to be kept.
#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Work>,
    bytes: usize,
}

impl Kept {
    fn add(&mut self, work: Work) {
        if self.bytes >= KEPT_BYTES {
            return;
        }
        self.bytes += work.weight();
        self.records.push_back(work);
        if self.bytes >= KEPT_BYTES {
            // A part of them would not save the second reading.
            self.records = VecDeque::new();
        }
    }

    fn all(self) -> Option<VecDeque<Work>> {
        (self.bytes < KEPT_BYTES).then_some(self.records)
    }
}

/// A source compared with the ledger.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What is decided without a request.
    pub(super) progress: Progress,
    /// Records to push.
    pub(super) due: RecordSet,
    /// Records to push after all others: Clinch answered them with an error in an earlier run.
    pub(super) held_back: RecordSet,
    kept: Kept,
    /// How many of both are of people whom the ledger does not know.
    pub(super) unknown: u64,
    /// A sample of those from the whole source, in no order.
    pub(super) sample: Vec<(MatchKey, KeyHash)>,
    /// People whom Clinch had more than once when they were last looked up.
    pub(super) suspects: Vec<MatchKey>,
    /// People whom the ledger knows by another hash, of another spelling or made with the earlier keys:
    /// that one and the present one.
    pub(super) renamed: Vec<(KeyHash, KeyHash)>,
    /// Hashes of other spellings of people whom the ledger does not know, and the present ones.
    pub(super) others: Vec<(KeyHash, KeyHash)>,
    /// The profiles of people whom the ledger does not know, where profiles are compared.
    pub(super) profiles: HashSet<ProfileHash>,
    /// Where each person is named first. Once the source is read, without those whom the ledger knew.
    pub(super) people: SourcePeople,
    /// How many records have a match key, and are mapped or not.
    keyed: u64,
    /// How many have none, though they were read.
    keyless: u64,
    /// The first of those without one whose value is no address: where, and why.
    unusable: Option<Box<str>>,
    /// Why the source cannot be read to its end, or names nobody: nothing of it is pushed.
    pub(super) fault: Option<SourceError>,
    /// Whether every record of the source was counted.
    pub(super) is_whole: bool,
}

impl Survey {
    /// Reads the source and returns the ledger and the log. Stops early on `cancel`.
    pub(super) async fn of(
        spec: Arc<RunSpec<Opened>>,
        comparison: Comparison,
        mut ledger: Ledger,
        log: RecordLog,
        cancel: CancellationToken,
    ) -> (Self, Ledger, RecordLog) {
        let read = move || {
            let (survey, log) = Self::read(&spec, &comparison, &ledger, log, &cancel);
            for (earlier, present) in &survey.renamed {
                ledger.rename(earlier, present);
            }
            (survey, ledger, log)
        };
        join_blocking(tokio::task::spawn_blocking(read)).await
    }

    /// Whether nothing is left to push.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.due.count() + self.held_back.count() == 0
    }

    fn read(
        spec: &RunSpec<Opened>,
        comparison: &Comparison,
        ledger: &Ledger,
        log: RecordLog,
        cancel: &CancellationToken,
    ) -> (Self, RecordLog) {
        let mut survey = Self::default();
        let mut records = PreparedRecords::of(spec, &comparison.keys);
        records.log = log;
        let numbered = ledger.numbered();
        let mut rng = fastrand::Rng::with_seed(comparison.guard.seed());
        while let Some(record) = records.next() {
            if cancel.is_cancelled() {
                break;
            }
            match record {
                Ok(prepared) => {
                    let number = records.number();
                    if let Prepared::Rejected(rejection) = &prepared {
                        survey.note_key(rejection, spec.plan.match_place());
                    }
                    let known = (comparison, ledger, &numbered);
                    survey.add(prepared, number, known, &mut records.log, &mut rng);
                }
                Err(error) => {
                    survey.fault = Some(error);
                    break;
                }
            }
        }
        rng.shuffle(&mut survey.sample);
        survey.people.forget_known();
        let examined = records.read();
        let mut counted = !records.is_limited();
        if !counted && spec.guards.counts_all() {
            counted = true;
            survey.fault = survey.fault.or(records.count_rest());
        }
        survey.is_whole = counted && survey.fault.is_none();
        let counts = &mut survey.progress.counts;
        counts.read = records.read();
        counts.not_selected = examined - counts.total;
        let (coverage, log) = records.finish();
        survey.progress.coverage = coverage.into();
        if survey.fault.is_none() && !cancel.is_cancelled() {
            survey.fault = survey.names_nobody(spec);
        }
        (survey, log)
    }

    /// The fault of a source of which no record says who it is about.
    fn names_nobody(&self, spec: &RunSpec<Opened>) -> Option<SourceError> {
        let (read, selected) = (self.progress.counts.read, self.progress.counts.total);
        if self.keyed > 0 || (read > 0 && selected == 0) {
            return None;
        }
        let outline = spec.source.outline()?;
        let nobody = if read == 0 {
            spec.source.own_columns().is_some_and(|columns| outline.means_nothing(columns))
        } else {
            self.keyless > 0 || outline.is_wrapper()
        };
        nobody.then(|| SourceError::Nobody {
            records: selected,
            attribute: spec.plan.match_attribute().into(),
            unusable: self.unusable.clone(),
            outline: Box::new(outline),
        })
    }

    /// Notes whether a rejected record says who it is about.
    fn note_key(&mut self, rejection: &Rejection, match_place: &str) {
        match rejection.cause.reason {
            Reason::MatchKeyMissing => self.keyless += 1,
            Reason::InvalidValue if rejection.place.as_deref() == Some(match_place) => {
                self.keyless += 1;
                self.unusable.get_or_insert_with(|| {
                    format!("{} {}", rejection.position, rejection.cause).into()
                });
            }
            Reason::Malformed | Reason::TooLarge => {}
            _ => self.keyed += 1,
        }
    }

    fn add(
        &mut self,
        prepared: Prepared,
        number: usize,
        (comparison, ledger, numbered): (&Comparison, &Ledger, &Numbered<'_>),
        log: &mut RecordLog,
        rng: &mut fastrand::Rng,
    ) {
        let keys = &comparison.keys;
        self.progress.counts.total += 1;
        let mut work = match prepared {
            Prepared::Ready(work) => work,
            Prepared::Rejected(rejection) => {
                return self.reject(number, rejection, log);
            }
        };
        self.keyed += 1;
        match self.people.add(&work, numbered) {
            Duplicate::No => {}
            // Exact duplicate of an earlier record: count it as unchanged.
            Duplicate::Same => return self.leave(&work, keys, ledger, log),
            Duplicate::Respelled(first) => {
                let message = format!(
                    "{first} names the same person with the same values; the address differs only in \
                     case or spelling"
                );
                return self.reject_duplicate(*work, keys, message, log);
            }
            Duplicate::Conflicting(first) => {
                let message = format!("{first} names the same person with other values");
                return self.reject_duplicate(*work, keys, message, log);
            }
        }
        if let Some(why) = comparison.suppressions.check(&work.key, &work.key_hash) {
            self.progress.counts.suppressed += 1;
            let (record, cause) = (Some(keys.record_id(&work.key)), why.cause());
            let found = Found { source_id: work.source_id, ..Found::default() };
            let decided = Decided::Suppressed(&cause);
            log.decided(number, &work.position, || record, &decided, found);
            self.progress.list(Rejection { record, position: work.position, place: None, cause });
            return;
        }
        self.suspect(&work.key, comparison);
        let known = work.compare(ledger) || self.is_known_by_another_hash(&mut work, keys, ledger);
        if work.is_done() {
            self.progress.warn(&work, keys);
            return self.leave(&work, keys, ledger, log);
        }
        if !known {
            self.unknown += 1;
            let others = keys.other_hashes(&work.key).into_iter();
            self.others.extend(others.map(|other| (other, work.key_hash)));
            self.profiles.extend(work.profiles.iter());
            self.sample(&work.key, work.key_hash, rng);
        }
        if comparison.guard.errored.contains(&work.key_hash) {
            self.held_back.add(number);
        } else {
            self.due.add(number);
            self.kept.add(*work);
        }
    }

    /// The records that are due, if they are few enough to have been kept. The rest of the survey does not
    /// have them any more.
    pub(super) fn take_kept(&mut self) -> Option<VecDeque<Work>> {
        std::mem::take(&mut self.kept).all()
    }

    /// How a run ends whose source has no records, if that is a fault. A file without any content
    /// counts as one without records.
    pub(super) fn emptiness(&mut self, guards: &Guards) -> Option<Ending> {
        if self.progress.counts.read > 0
            || self.fault.as_ref().is_some_and(|fault| !fault.is_empty())
        {
            return None;
        }
        self.fault = None;
        guards.empty(0).map(Ending::SourceFailed)
    }

    /// Notes a person to look up because they were there more than once.
    fn suspect(&mut self, key: &MatchKey, comparison: &Comparison) {
        let Suspects { records, everybody } = &comparison.suspects;
        if (records.is_empty() && !everybody) || self.suspects.len() >= SUSPECTS {
            return;
        }
        let keys = &comparison.keys;
        let is_listed = || {
            records.contains(&keys.record_id(key))
                || keys.other_ids(key).iter().any(|id| records.contains(id))
        };
        if *everybody || is_listed() {
            self.suspects.push(key.clone());
        }
    }

    /// Whether the ledger knows the person by the hash of another spelling, or by one made with the
    /// earlier keys.
    fn is_known_by_another_hash(&mut self, work: &mut Work, keys: &Keys, ledger: &Ledger) -> bool {
        let Some(before) = another_hash(work, keys, ledger) else { return false };
        compare_as(work, before, ledger);
        self.renamed.push((before, work.key_hash));
        true
    }

    /// Keeps each unknown person with the same probability: of the first ones by reservoir sampling.
    fn sample(&mut self, key: &MatchKey, hash: KeyHash, rng: &mut fastrand::Rng) {
        if self.sample.len() < SAMPLE {
            self.sample.push((key.clone(), hash));
            return;
        }
        let at = rng.u64(..self.unknown.min(SAMPLED));
        if self.unknown > SAMPLED {
            if at < SAMPLE as u64 {
                self.sample.push((key.clone(), hash));
            }
        } else if let Some(kept) = usize::try_from(at).ok().and_then(|at| self.sample.get_mut(at)) {
            *kept = (key.clone(), hash);
        }
    }

    /// Counts a person who is as mapped already.
    fn leave(&mut self, work: &Work, keys: &Keys, ledger: &Ledger, log: &mut RecordLog) {
        self.progress.counts.unchanged += 1;
        let record = || Some(keys.record_id(&work.key));
        let person = log.report.as_ref().and_then(|_| {
            let hash = another_hash(work, keys, ledger);
            let id = ledger.id(&work.key_hash).or_else(|| ledger.id(&hash?))?;
            Some(MatchedPerson { id, by: Some(MatchedBy::Ledger), changed_at: None })
        });
        let source_id = work.source_id.clone();
        let warning = work.warning.as_deref();
        let found = Found { warning, person, source_id, ..Found::default() };
        log.decided(work.number, &work.position, record, &Decided::Unchanged, found);
    }

    fn reject_duplicate(&mut self, work: Work, keys: &Keys, message: String, log: &mut RecordLog) {
        let rejection = Rejection {
            record: Some(keys.record_id(&work.key)),
            position: work.position,
            place: None,
            cause: Cause::new(Reason::DuplicateInSource, message),
        };
        self.reject(work.number, rejection, log);
    }

    fn reject(&mut self, number: usize, rejection: Rejection, log: &mut RecordLog) {
        self.progress.counts.invalid += 1;
        let (position, record) = (&rejection.position, rejection.record);
        // It was read just now.
        let found = Found { source_id: log.reading.clone(), ..Found::default() };
        log.decided(number, position, || record, &Decided::Rejected(&rejection), found);
        self.progress.reject(rejection);
    }
}
