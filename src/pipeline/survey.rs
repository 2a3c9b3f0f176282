//! The first look at a source: how much there is to do, who is named twice, who is not known.
//! Decodes everything once and keeps 29 bytes of each person, until it is known who is in Clinch;
//! then a bit of each record. No request is made. Works on a thread of its own.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    prepare::{Records, RunSpec, Sorted, finished},
    push::Work,
    report::{Progress, Rejection, Suspects},
};
use crate::{
    domain::{MatchKey, Reason, SourcePosition},
    ledger::{KeyHash, Keys, Ledger, Suppressions, Table},
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
    pub(super) due: Marked,
    /// How many of them concern people the ledger does not know.
    pub(super) unknown: u64,
    /// Some of those, from all over the source.
    pub(super) sample: Vec<(MatchKey, KeyHash)>,
    /// People of whom Clinch had more than one when they were last looked up.
    pub(super) suspects: Vec<MatchKey>,
    /// People known by hashes made with the earlier keys: those, and the present ones.
    pub(super) renamed: Vec<(KeyHash, KeyHash)>,
    /// Where each person is named first.
    pub(super) people: People,
    /// Why the source ended early, if it did.
    pub(super) fault: Option<SourceError>,
}

impl Survey {
    /// Reads the source, and gives the ledger back. Cut short when `cancel` is.
    pub(super) async fn of(
        spec: Arc<RunSpec>,
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
        finished(tokio::task::spawn_blocking(read)).await
    }

    fn read(
        spec: &RunSpec,
        against: &Against,
        ledger: &Ledger,
        cancel: &CancellationToken,
    ) -> Self {
        let mut survey = Self::default();
        let mut records = Records::of(spec, &against.keys);
        // Which of the unknown people are kept is the same in every run.
        let mut chance = fastrand::Rng::with_seed(1);
        while let Some(record) = records.next() {
            if cancel.is_cancelled() {
                break;
            }
            match record {
                Ok(sorted) => survey.take(sorted, records.number(), against, ledger, &mut chance),
                Err(error) => {
                    survey.fault = Some(error);
                    break;
                }
            }
        }
        survey
    }

    fn take(
        &mut self,
        sorted: Sorted,
        number: usize,
        against: &Against,
        ledger: &Ledger,
        chance: &mut fastrand::Rng,
    ) {
        let keys = &against.keys;
        self.progress.counts.total += 1;
        let mut work = match sorted {
            Sorted::Wanted(work) => work,
            Sorted::Refused(rejection) => return self.refuse(rejection),
        };
        match self.people.note(&work) {
            Naming::First => {}
            // The same person again, in the same words: one of them is enough.
            Naming::Again => {
                self.progress.counts.unchanged += 1;
                return;
            }
            Naming::Otherwise(first) => {
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
        self.due.mark(number);
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

/// Some of the records of a source, by their number in it: a bit each.
#[derive(Debug, Default)]
pub(super) struct Marked {
    bits: Vec<u64>,
    count: usize,
}

impl Marked {
    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a record is among them.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.bits.get(number / 64).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// Adds a record that is not among them.
    fn mark(&mut self, number: usize) {
        self.bits.resize(self.bits.len().max(number / 64 + 1), 0);
        self.bits[number / 64] |= 1 << (number % 64);
        self.count += 1;
    }
}

/// Whether a record is the first to name its person.
#[derive(Debug, PartialEq, Eq)]
enum Naming {
    First,
    Again,
    Otherwise(SourcePosition),
}

/// Where each person is named first, and in which words.
#[derive(Debug, Default)]
pub(super) struct People {
    first: Table,
    parts: Vec<Arc<str>>,
}

/// Digest of the words, number of the part, index or line.
const WORDS: usize = 6;
const PART: usize = 2;
/// Set in the number of the part when the place is told by line.
const BY_LINE: u16 = 1 << 15;

impl People {
    /// Everybody who is named.
    pub(super) fn hashes(&self) -> impl Iterator<Item = KeyHash> {
        self.first.iter().map(|(key, _)| key)
    }

    /// Whether somebody is named.
    pub(super) fn includes(&self, key: &KeyHash) -> bool {
        self.first.get(key).is_some()
    }

    fn note(&mut self, work: &Work) -> Naming {
        let words = words(work);
        if let Some(value) = self.first.get(&work.key_hash) {
            let same = value[..WORDS] == words;
            return if same { Naming::Again } else { Naming::Otherwise(self.told(value)) };
        }
        let part = &work.position.part;
        // Parts follow each other: the present one is nearly always the last one.
        let number = self.parts.iter().rposition(|known| known == part).unwrap_or_else(|| {
            self.parts.push(part.clone());
            self.parts.len() - 1
        });
        let value = [&words[..], &place(&work.position, number)].concat();
        self.first.insert(&work.key_hash, &value);
        Naming::First
    }

    /// The position in a value.
    fn told(&self, value: &[u8]) -> SourcePosition {
        let (part, number) = value[WORDS..].split_at(PART);
        let part = part.iter().fold(0_u16, |all, byte| all << 8 | u16::from(*byte));
        let number = number.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let line = (part & BY_LINE != 0).then_some(number);
        let name = self.parts.get(usize::from(part & !BY_LINE)).cloned();
        SourcePosition { part: name.unwrap_or_default(), index: number, line }
    }
}

/// A place in few bytes: parts beyond 32 767 and records beyond 4 billion in one part are told
/// wrongly.
fn place(position: &SourcePosition, part: usize) -> [u8; PART + 4] {
    let by_line = if position.line.is_some() { BY_LINE } else { 0 };
    let part = u16::try_from(part).unwrap_or(u16::MAX) & !BY_LINE | by_line;
    let number = u32::try_from(position.line.unwrap_or(position.index)).unwrap_or(u32::MAX);
    let mut place = [0; PART + 4];
    place[..PART].copy_from_slice(&part.to_be_bytes());
    place[PART..].copy_from_slice(&number.to_be_bytes());
    place
}

/// Tells the words of two records of one person apart: six bytes made of keyed digests.
fn words(work: &Work) -> [u8; WORDS] {
    let (payload, extras) = (&work.payload.0, &work.extras);
    // Turned, so that equal digests of two steps do not cancel each other.
    std::array::from_fn(|at| {
        payload[at]
            ^ extras.application.0[at]
            ^ extras.resume.0[(at + 2) % WORDS]
            ^ extras.activity.0[(at + 4) % WORDS]
    })
}
