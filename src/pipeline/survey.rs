//! The first look at a source: how much there is to do, who is named twice, who is not known.
//! Decodes everything once and keeps 29 bytes of each person, until it is known who is in Clinch;
//! then a bit of each record. No request is made. Works on a thread of its own.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    prepare::{Records, RunSpec, Sorted, finished},
    push::Work,
    report::{Progress, Rejection},
};
use crate::{
    domain::{MatchKey, Reason, SourcePosition},
    ledger::{KeyHash, Keys, Ledger, Table},
    source::SourceError,
};

/// What a source holds, compared with the ledger.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Everything that is decided without a request.
    pub(super) progress: Progress,
    /// Records to push.
    pub(super) due: Marked,
    /// How many of them concern people the ledger does not know.
    pub(super) unknown: u64,
    /// The first of those.
    pub(super) probe: Option<(MatchKey, KeyHash)>,
    /// Where each person is named first.
    pub(super) people: People,
    /// Why the source ended early, if it did.
    pub(super) fault: Option<SourceError>,
}

impl Survey {
    /// Reads the source, and gives the ledger back. Cut short when `cancel` is.
    pub(super) async fn of(
        spec: Arc<RunSpec>,
        keys: Keys,
        ledger: Ledger,
        cancel: CancellationToken,
    ) -> (Self, Ledger) {
        let read = move || (Self::read(&spec, &keys, &ledger, &cancel), ledger);
        finished(tokio::task::spawn_blocking(read)).await
    }

    fn read(spec: &RunSpec, keys: &Keys, ledger: &Ledger, cancel: &CancellationToken) -> Self {
        let mut survey = Self::default();
        let mut records = Records::of(spec, keys);
        while let Some(record) = records.next() {
            if cancel.is_cancelled() {
                break;
            }
            match record {
                Ok(sorted) => survey.take(sorted, records.number(), keys, ledger),
                Err(error) => {
                    survey.fault = Some(error);
                    break;
                }
            }
        }
        survey
    }

    fn take(&mut self, sorted: Sorted, number: usize, keys: &Keys, ledger: &Ledger) {
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
        let known = work.compare(ledger);
        if work.is_done() {
            self.progress.counts.unchanged += 1;
            return;
        }
        self.due.mark(number);
        if !known {
            self.unknown += 1;
            self.probe.get_or_insert((work.key, work.key_hash));
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
