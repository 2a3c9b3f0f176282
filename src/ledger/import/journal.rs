//! The order in which segments of an import's state are stored, and which of them are still needed. Does
//! I/O through the store only.

use super::{
    entry::{ImportEntry, ImportMarks, Revision},
    facts::{ImportFacts, ImportPart},
    keys::ImportKeys,
    people::ImportedPeople,
    segment::{IMPORT_ENTRY_ROOM, ImportSegment},
};
use crate::{
    domain::ClinchId,
    ledger::{JournalError, KeyHash, SegmentStore, StoreError, journal::absurd, segment::Base},
};

/// More segments of changes than this cause a rewrite, whatever the number of people.
const MAX_DELTAS: usize = 64;
/// Up to this many cause no rewrite, unless they have more entries than there are people.
const FEW_DELTAS: usize = 8;

/// The state of an import as found in its store.
#[derive(Debug)]
pub struct OpenedImport<S> {
    /// The people.
    pub people: ImportedPeople,
    /// The runs.
    pub facts: ImportFacts,
    /// The parts of the last run, if it has not ended.
    pub parts: Vec<ImportPart>,
    /// A window that was declared and of which it is not known whether it was delivered.
    pub declared: Option<DeclaredWindow>,
    /// There is a state that cannot be used, and why. Then nobody is known.
    pub lost: Option<String>,
    /// Writes more segments.
    pub journal: ImportJournal<S>,
}

/// People whose records were about to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredWindow {
    /// The number of the first batch.
    pub batch: u64,
    /// The people, in the order of their records, and the hashes of their match keys.
    pub people: Vec<(ClinchId, Option<KeyHash>)>,
}

/// The segments of one import.
#[derive(Debug)]
pub struct ImportJournal<S> {
    store: S,
    keys: ImportKeys,
    next_seq: u64,
    /// Where the latest complete base begins; 0 while there is none.
    base: u64,
    /// The next segment begins a new base: what is before it cannot be used.
    starts_over: bool,
    /// Stored and needed.
    current: Vec<u64>,
    /// Stored and no longer needed.
    obsolete: Vec<u64>,
    deltas: usize,
    delta_entries: u64,
}

impl<S: SegmentStore> ImportJournal<S> {
    /// Reads a state, one segment at a time. Writes nothing.
    pub async fn open(store: S, keys: ImportKeys) -> Result<OpenedImport<S>, JournalError> {
        let mut present = store.list().await.map_err(JournalError::List)?;
        present.sort_unstable();
        if let Some(seq) = absurd(&present) {
            return Err(JournalError::Absurd { seq });
        }
        let next_seq = present.last().map_or(0, |last| last.saturating_add(1));
        let mut journal = Self {
            store,
            keys,
            next_seq,
            base: 0,
            starts_over: false,
            current: Vec::new(),
            obsolete: Vec::new(),
            deltas: 0,
            delta_entries: 0,
        };
        let mut opened = Read::default();
        let lost = match journal.read(&present, &mut opened).await {
            Ok(()) => None,
            Err(Unusable::Store(error)) => return Err(JournalError::List(error)),
            Err(Unusable::Segment(seq, why)) => {
                opened = Read::default();
                journal.starts_over = true;
                (journal.current, journal.obsolete) = (present, Vec::new());
                Some(format!("segment {seq} of what is known of earlier runs is not usable: {why}"))
            }
        };
        let Read { people, facts, mut parts, declared } = opened;
        if !facts.open {
            parts.clear();
        }
        let declared = declared.filter(|window| window.batch > facts.batch);
        Ok(OpenedImport { people, facts, parts, declared, lost, journal })
    }

    async fn read(&mut self, present: &[u64], into: &mut Read) -> Result<(), Unusable> {
        self.current = present.to_vec();
        let mut at_end = None;
        for &seq in present.iter().rev() {
            at_end = self.segment(seq).await?;
            if at_end.is_some() {
                break;
            }
        }
        let Some(at_end) = at_end else { return Ok(()) };
        self.base = at_end.after;
        let needed = present.partition_point(|seq| *seq < self.base);
        let (obsolete, needed) = present.split_at(needed);
        (self.obsolete, self.current) = (obsolete.to_vec(), needed.to_vec());
        for (expected, &seq) in (self.base..).zip(needed) {
            if seq != expected {
                return Err(Unusable::Segment(expected, "it is missing".to_owned()));
            }
            let Some(segment) = self.segment(seq).await? else { continue };
            if segment.base.is_none() {
                self.deltas += 1;
                self.delta_entries += segment.entries.len() as u64;
            }
            into.merge(&self.keys, segment);
        }
        Ok(())
    }

    /// A segment; `None` for a position that a process claimed in a folder and was killed before it filled
    /// it. Nothing was stored there, so nothing is lost.
    async fn segment(&self, seq: u64) -> Result<Option<ImportSegment>, Unusable> {
        let Some(bytes) = self.store.read(seq).await.map_err(Unusable::Store)? else {
            return Err(Unusable::Segment(seq, "it is missing".to_owned()));
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        ImportSegment::decode(&self.keys, seq, &bytes)
            .map(Some)
            .map_err(|fault| Unusable::Segment(seq, fault.to_string()))
    }

    /// The keys of this import.
    pub fn keys(&self) -> &ImportKeys {
        &self.keys
    }

    /// Declares that nothing stored so far is of use: the next segment begins another state.
    pub fn start_over(&mut self) {
        self.starts_over = true;
    }

    /// Stores changes, durably once it returns. They are at most [`IMPORT_ENTRY_ROOM`] bytes.
    pub async fn append(
        &mut self,
        entries: Vec<ImportEntry>,
        facts: ImportFacts,
        part: Option<ImportPart>,
    ) -> Result<(), JournalError> {
        self.change(entries, facts, part, None).await
    }

    /// Stores who is delivered next, durably once it returns: if the process ends before it stores what
    /// became of them, the next one finds them. It counts until a batch of this number is stored.
    pub async fn declare(
        &mut self,
        window: DeclaredWindow,
        facts: ImportFacts,
    ) -> Result<(), JournalError> {
        let (revision, marks) = (Revision::default(), ImportMarks::default());
        let entry = |(id, person)| ImportEntry { id, revision, person, marks, trace: None };
        let entries = window.people.into_iter().map(entry).collect();
        self.change(entries, facts, None, Some(window.batch)).await
    }

    async fn change(
        &mut self,
        entries: Vec<ImportEntry>,
        facts: ImportFacts,
        part: Option<ImportPart>,
        declares: Option<u64>,
    ) -> Result<(), JournalError> {
        let seq = self.next_seq;
        let base = self.starts_over.then_some(Base { part: 0, parts: 1 });
        let after = if self.starts_over { seq } else { self.base };
        let count = entries.len() as u64;
        let facts = Some(facts);
        let segment = ImportSegment { seq, base, after, entries, facts, part, declares };
        self.store(&segment).await?;
        if base.is_some() {
            self.begin_at(seq);
        } else {
            self.deltas += 1;
            self.delta_entries += count;
        }
        Ok(())
    }

    /// Whether a state of so many people should be rewritten.
    pub fn rewrite_due(&self, people: usize) -> bool {
        let people = people as u64;
        self.deltas > MAX_DELTAS
            || (self.deltas > 1 && self.delta_entries > people.saturating_mul(2))
            || (self.deltas > FEW_DELTAS && self.delta_entries * 2 > people)
    }

    /// Rewrites the whole state, which makes everything stored before it obsolete.
    pub async fn rewrite(
        &mut self,
        people: &ImportedPeople,
        facts: &ImportFacts,
    ) -> Result<(), JournalError> {
        let first = self.next_seq;
        let keys = self.keys.clone();
        let parts = split(people.iter(&keys)).count();
        let parts = u16::try_from(parts).expect("4 GiB of people are not in memory");
        for (part, entries) in (0..parts).zip(split(people.iter(&keys))) {
            let is_last = part + 1 == parts;
            let segment = ImportSegment {
                seq: self.next_seq,
                base: Some(Base { part, parts }),
                after: if is_last { first } else { self.base },
                entries,
                facts: is_last.then(|| facts.clone()),
                part: None,
                declares: None,
            };
            self.store(&segment).await?;
        }
        self.begin_at(first);
        Ok(())
    }

    /// Notes that the state begins at this segment.
    fn begin_at(&mut self, first: u64) {
        let (needed, obsolete) = self.current.drain(..).partition(|seq| *seq >= first);
        self.current = needed;
        self.obsolete.extend::<Vec<u64>>(obsolete);
        self.base = first;
        self.starts_over = false;
        (self.deltas, self.delta_entries) = (0, 0);
    }

    async fn store(&mut self, segment: &ImportSegment) -> Result<(), JournalError> {
        let seq = segment.seq;
        let too_large = JournalError::Write { seq, source: StoreError::TooLarge };
        let bytes = segment.encode(&self.keys).ok_or(too_large)?;
        match self.store.create(seq, bytes.clone()).await {
            Ok(()) => {}
            Err(StoreError::AlreadyExists) => {
                let stored = self.store.read(seq).await.map_err(JournalError::List)?;
                if stored.as_ref() != Some(&bytes) {
                    return Err(JournalError::Fenced { seq });
                }
            }
            Err(source) => return Err(JournalError::Write { seq, source }),
        }
        self.next_seq = seq.saturating_add(1);
        self.current.push(seq);
        Ok(())
    }

    /// Deletes segments that are no longer needed. A failure is harmless: they are overridden.
    pub async fn sweep(&mut self) -> Result<(), JournalError> {
        while let Some(&seq) = self.obsolete.last() {
            let deleted = self.store.delete(seq).await;
            deleted.map_err(|source| JournalError::Delete { seq, source })?;
            self.obsolete.pop();
        }
        Ok(())
    }
}

/// Why a state cannot be read.
enum Unusable {
    Store(StoreError),
    Segment(u64, String),
}

/// What segments say together.
#[derive(Default)]
struct Read {
    people: ImportedPeople,
    facts: ImportFacts,
    parts: Vec<ImportPart>,
    declared: Option<DeclaredWindow>,
}

impl Read {
    fn merge(&mut self, keys: &ImportKeys, segment: ImportSegment) {
        if let Some(batch) = segment.declares {
            let people = segment.entries.into_iter().map(|entry| (entry.id, entry.person));
            let people = people.collect();
            self.declared = Some(DeclaredWindow { batch, people });
        } else {
            for entry in &segment.entries {
                self.people.put(keys, entry);
            }
        }
        if let Some(facts) = segment.facts {
            if facts.run != self.facts.run {
                self.parts.clear();
            }
            self.facts = facts;
        }
        self.parts.extend(segment.part);
    }
}

/// Divides entries so that each piece fits into a segment. There is at least one.
fn split(entries: impl Iterator<Item = ImportEntry>) -> impl Iterator<Item = Vec<ImportEntry>> {
    let mut entries = entries.peekable();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let (mut piece, mut filled) = (Vec::new(), 0);
        while let Some(entry) = entries.next_if(|entry| {
            filled += ImportSegment::size_of(entry);
            filled <= IMPORT_ENTRY_ROOM
        }) {
            piece.push(entry);
        }
        (std::mem::take(&mut is_first) || !piece.is_empty()).then_some(piece)
    })
}
