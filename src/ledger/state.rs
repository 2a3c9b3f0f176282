//! A ledger in memory: what is known of each person, who is undecided, and what is not stored yet.
//! Pure. A prospect takes 51 bytes, and a million of them 57 MB.

use std::collections::HashSet;

use super::{
    Effect, Entry, Extras, KeyHash, PayloadDigest, RunFacts, Segment, Steps,
    record::{self, Value},
    table::{Numbered, Table},
};
use crate::domain::ClinchId;

/// What is known of the records of one export.
#[derive(Debug, Default)]
pub struct Ledger {
    known: Table,
    /// Changed since [`Ledger::take_changes`], in order and as a set.
    unstored: (Vec<KeyHash>, HashSet<KeyHash>),
    /// People whose push may have started, as a reader of the store would see it.
    undecided: HashSet<KeyHash>,
    /// `undecided` was declared again, and is not stored yet.
    undeclared: bool,
    /// Some people may be known by hashes of the earlier keys.
    has_earlier: bool,
    /// What is known of runs.
    facts: RunFacts,
    /// `facts` changed, and is not stored yet.
    new_facts: bool,
}

/// What waits to be stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New entries.
    pub entries: Vec<Entry>,
    /// The window, if it was declared again.
    pub window: Option<Vec<KeyHash>>,
    /// What is known of runs, if it changed.
    pub facts: Option<RunFacts>,
}

impl Ledger {
    /// People known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no person is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether anything waits to be stored.
    pub fn has_unstored(&self) -> bool {
        self.undeclared || self.new_facts || !self.unstored.0.is_empty()
    }

    /// Approximate size in bytes.
    pub fn memory(&self) -> usize {
        let keys = self.unstored.0.capacity() + 2 * self.unstored.1.capacity();
        self.known.memory() + (keys + 2 * self.undecided.capacity()) * size_of::<KeyHash>()
    }

    /// Merges a stored segment; its entries override those present.
    pub fn merge(&mut self, segment: Segment) {
        for entry in segment.entries {
            // A base repeats what is known and decides nothing.
            if segment.base.is_none() {
                self.decide(&entry);
            }
            self.put(&entry);
        }
        if let Some(window) = segment.window {
            self.undecided = window.into_iter().collect();
        }
        self.facts = segment.facts.unwrap_or(self.facts);
    }

    /// What is known of the runs of the export.
    pub fn facts(&self) -> RunFacts {
        self.facts
    }

    /// Changes what is known of runs. It waits to be stored, unless it is known already.
    pub fn set_facts(&mut self, facts: RunFacts) {
        self.new_facts |= facts != self.facts;
        self.facts = facts;
    }

    /// Forgets a key. The store forgets it with the next base only.
    pub(super) fn forget(&mut self, key: &KeyHash) {
        self.known.remove(key);
    }

    /// Records that a segment was written with the earlier keys.
    pub(super) fn note_earlier(&mut self) {
        self.has_earlier = true;
    }

    /// Whether people may be known by hashes of the earlier keys.
    pub fn has_earlier(&self) -> bool {
        self.has_earlier
    }

    /// Moves a person to another hash.
    pub fn rename(&mut self, from: &KeyHash, to: &KeyHash) {
        let Some(value) = self.known.get(from).map(<[u8]>::to_vec) else { return };
        if self.knows(to) {
            return;
        }
        self.known.remove(from);
        self.known.insert(to, &value);
        self.note(*to);
        if self.undecided.remove(from) {
            self.undecided.insert(*to);
            self.undeclared = true;
        }
    }

    /// Records what was done for a person, which decides them. The entry waits to be stored, unless
    /// it changes nothing.
    pub fn record(&mut self, entry: &Entry) {
        let before = self.get(&entry.key);
        let (extras, effect) = (entry.extras.only(entry.steps), effect(before.as_ref(), entry));
        let entry = Entry { extras, effect, ..entry.clone() };
        let was_undecided = self.decide(&entry);
        if !was_undecided && before.is_some_and(|before| before == entry) {
            return;
        }
        self.note(entry.key);
        self.put(&entry);
    }

    /// Decides a push if the entry has the candidate step; returns whether it was undecided.
    fn decide(&mut self, entry: &Entry) -> bool {
        entry.steps.contains(Steps::CANDIDATE) && self.undecided.remove(&entry.key)
    }

    fn note(&mut self, key: KeyHash) {
        if self.unstored.1.insert(key) {
            self.unstored.0.push(key);
        }
    }

    fn put(&mut self, entry: &Entry) {
        self.known.insert(&entry.key, &record::value(entry));
    }

    /// The entry of a person.
    pub fn get(&self, key: &KeyHash) -> Option<Entry> {
        self.value(key).map(|value| value.entry(*key))
    }

    fn value(&self, key: &KeyHash) -> Option<Value<'_>> {
        self.known.get(key).map(Value::checked)
    }

    /// Whether a person is known.
    pub fn knows(&self, key: &KeyHash) -> bool {
        self.known.get(key).is_some()
    }

    /// The person in Clinch, if known.
    pub fn id(&self, key: &KeyHash) -> Option<ClinchId> {
        self.value(key).map(Value::id)
    }

    /// Every entry, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.known.iter().map(|(key, value)| Value::checked(value).entry(key))
    }

    /// The hashes of all people known, in no particular order.
    pub fn hashes(&self) -> impl Iterator<Item = KeyHash> {
        self.known.iter().map(|(key, _)| key)
    }

    /// A number for each person, as long as nothing changes.
    pub fn numbered(&self) -> Numbered<'_> {
        self.known.numbered()
    }

    /// Uses the memory of a table that is no longer needed.
    pub fn reuse(&mut self, table: Table) {
        self.known.reuse(table);
    }

    /// The table itself, whose bytes are also those of a base.
    pub(super) fn table(&self) -> &Table {
        &self.known
    }

    /// Which of the requested steps were never done, or were done with other data; `None` when the
    /// person is not known: look them up in Clinch before creating them.
    pub fn missing_steps(
        &self,
        key: &KeyHash,
        payload: &PayloadDigest,
        extras: &Extras,
        requested: Steps,
    ) -> Option<Steps> {
        let known = self.value(key)?;
        let mut done = known.steps();
        if !done.without(Steps::CANDIDATE).is_empty() {
            done = done.without(known.extras().differing(*extras));
        }
        if known.payload() != *payload {
            done = done.without(Steps::CANDIDATE);
        }
        Some(requested.without(done))
    }

    /// Declares the people whose push may start from now on, replacing the previous declaration. It
    /// must be stored before anything is pushed.
    pub fn declare(&mut self, window: HashSet<KeyHash>) {
        if self.undecided != window {
            self.undecided = window;
            self.undeclared = true;
        }
    }

    /// Declares the same people again: what stands before that in the store may not be relied on.
    pub fn declare_again(&mut self) {
        self.undeclared = true;
    }

    /// People whose push may have started, and has no known outcome.
    pub fn undecided(&self) -> &HashSet<KeyHash> {
        &self.undecided
    }

    /// Takes what waits to be stored, in the order of the first change.
    pub fn take_changes(&mut self) -> Changes {
        let (keys, _) = std::mem::take(&mut self.unstored);
        let entries = keys.iter().filter_map(|key| self.get(key)).collect();
        let window =
            std::mem::take(&mut self.undeclared).then(|| self.undecided.iter().copied().collect());
        let facts = std::mem::take(&mut self.new_facts).then_some(self.facts);
        Changes { entries, window, facts }
    }

    /// Forgets which values were written, but not who is who: a later segment was lost, so that an
    /// old value may look current. Forgets only steps that can be repeated without side effects.
    pub fn distrust(&mut self) {
        self.known.for_each_mut(|key, value| {
            let mut entry = Value::checked(value).entry(*key);
            without_values(&mut entry).then(|| record::value(&entry))
        });
    }

    /// The same for undecided people, but stored: another value than the known one may have been
    /// written for them. Called once a ledger is read.
    pub fn distrust_undecided(&mut self) {
        let doubtful: Vec<Entry> = self.undecided.iter().filter_map(|key| self.get(key)).collect();
        for mut entry in doubtful {
            if without_values(&mut entry) {
                self.note(entry.key);
                self.put(&entry);
            }
        }
    }
}

/// What was done to a person by now. Another person of the same address has an effect of their own.
fn effect(before: Option<&Entry>, entry: &Entry) -> Effect {
    match before.filter(|before| before.clinch_id == entry.clinch_id) {
        Some(before) => before.effect.then(entry.effect),
        None => entry.effect,
    }
}

/// Removes the steps that record written values; returns whether there were any.
fn without_values(entry: &mut Entry) -> bool {
    let steps = entry.steps.without(Steps::CANDIDATE).without(Steps::ACTIVITY);
    let changed = steps != entry.steps;
    entry.steps = steps;
    entry.extras = entry.extras.only(steps);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::StepDigest;

    fn entry(key: u8, payload: u8, id: &str, steps: Steps) -> Entry {
        let mut extras = Extras::default();
        for (step, digest) in extras.by_step() {
            if steps.contains(step) {
                *digest = StepDigest([payload; 6]);
            }
        }
        let (key, payload) = (KeyHash([key; 16]), PayloadDigest([payload; 16]));
        let clinch_id = ClinchId::parse(id).unwrap();
        Entry { key, payload, extras, clinch_id, steps, effect: Effect::Unknown }
    }

    fn missing(ledger: &Ledger, key: u8, payload: u8) -> Option<Steps> {
        let payload = PayloadDigest([payload; 16]);
        ledger.missing_steps(&KeyHash([key; 16]), &payload, &Extras::default(), Steps::CANDIDATE)
    }

    #[test]
    fn a_payload_counts_as_written_only_when_its_step_was_done() {
        let mut ledger = Ledger::default();
        assert_eq!(missing(&ledger, 1, 5), None);
        ledger.record(&entry(1, 5, "c1", Steps::APPLICATION));
        assert_eq!(missing(&ledger, 1, 5), Some(Steps::CANDIDATE));
        ledger.record(&entry(1, 5, "c1", Steps::CANDIDATE));
        assert_eq!(missing(&ledger, 1, 5), Some(Steps::NONE));
        assert_eq!(missing(&ledger, 1, 6), Some(Steps::CANDIDATE));
        assert_eq!(ledger.id(&KeyHash([1; 16])), ClinchId::parse("c1").ok());
    }

    #[test]
    fn only_the_step_whose_data_changed_is_missing() {
        let mut ledger = Ledger::default();
        let done = entry(1, 5, "c1", Steps::CANDIDATE.with(Steps::APPLICATION).with(Steps::RESUME));
        ledger.record(&done);
        let missing = |payload: u8, extras: &Extras| {
            let payload = PayloadDigest([payload; 16]);
            ledger.missing_steps(&done.key, &payload, extras, Steps::ALL).unwrap()
        };
        assert_eq!(missing(5, &done.extras), Steps::ACTIVITY);
        assert_eq!(missing(6, &done.extras), Steps::CANDIDATE.with(Steps::ACTIVITY));
        let resume = Extras { resume: StepDigest([9; 6]), ..done.extras };
        assert_eq!(missing(5, &resume), Steps::RESUME.with(Steps::ACTIVITY));
    }

    #[test]
    fn the_effect_on_a_person_is_kept_over_runs_and_is_that_of_this_person() {
        let mut ledger = Ledger::default();
        let mut after = |id: &str, effect| {
            ledger.record(&Entry { effect, ..entry(1, 1, id, Steps::CANDIDATE) });
            ledger.get(&KeyHash([1; 16])).unwrap().effect
        };
        assert_eq!(after("c1", Effect::Created), Effect::Created);
        assert_eq!(after("c1", Effect::Updated), Effect::Created);
        assert_eq!(after("c2", Effect::Unchanged), Effect::Unchanged, "deleted, and found again");
        assert_eq!(after("c2", Effect::Updated), Effect::Updated);
        assert_eq!(after("c2", Effect::Unchanged), Effect::Updated);
        assert_eq!(after("c3", Effect::Unknown), Effect::Unknown);
        assert_eq!(after("c3", Effect::Updated), Effect::Unknown, "perhaps created before");
    }

    #[test]
    fn a_change_waits_to_be_stored_once_and_a_repetition_does_not() {
        let mut ledger = Ledger::default();
        ledger.record(&entry(1, 1, "c1", Steps::CANDIDATE));
        ledger.record(&entry(2, 1, "c2", Steps::CANDIDATE));
        ledger.record(&entry(1, 2, "c1", Steps::CANDIDATE));
        let waiting = ledger.take_changes().entries;
        assert_eq!(
            waiting,
            [entry(1, 2, "c1", Steps::CANDIDATE), entry(2, 1, "c2", Steps::CANDIDATE)]
        );
        ledger.record(&entry(1, 2, "c1", Steps::CANDIDATE));
        assert!(!ledger.has_unstored() && ledger.take_changes() == Changes::default());
        ledger.record(&entry(1, 2, "c9", Steps::CANDIDATE));
        assert_eq!(ledger.take_changes().entries, [entry(1, 2, "c9", Steps::CANDIDATE)]);
    }

    #[test]
    fn facts_about_runs_are_stored_when_they_change_and_the_latest_are_known() {
        let keys = crate::ledger::Keys::derive(&[7; 32], "uid");
        let facts = RunFacts { read: Some(60), admitted: None };
        let mut ledger = Ledger::default();
        ledger.set_facts(RunFacts::default());
        assert!(!ledger.has_unstored(), "nothing new");
        ledger.set_facts(facts);
        let changes = ledger.take_changes();
        assert_eq!(changes.facts, Some(facts));
        assert!(!ledger.has_unstored());
        let encoded = Segment::encode_changes(&keys, 0, [], None, changes.facts);
        let mut read = Ledger::default();
        read.merge(Segment::decode(&keys, &encoded[0].bytes).unwrap());
        assert_eq!(read.facts(), facts);
        let silent = Segment::encode_changes(&keys, 1, [], Some(&[]), None);
        read.merge(Segment::decode(&keys, &silent[0].bytes).unwrap());
        assert_eq!(read.facts(), facts, "a segment without facts changes none");
        assert_eq!(silent[0].bytes[4], 1, "and is as it was before there were any");
    }

    #[test]
    fn a_renamed_person_is_known_by_the_new_hash_alone_and_stays_undecided() {
        let mut ledger = Ledger::default();
        let (from, to) = (KeyHash([1; 16]), KeyHash([2; 16]));
        ledger.record(&entry(1, 5, "c1", Steps::CANDIDATE));
        ledger.take_changes();
        ledger.declare([from].into());
        ledger.take_changes();
        ledger.rename(&from, &to);
        assert!(!ledger.knows(&from) && ledger.undecided().contains(&to));
        let Changes { entries, window, .. } = ledger.take_changes();
        assert_eq!(entries, [entry(2, 5, "c1", Steps::CANDIDATE)]);
        assert_eq!(window, Some(vec![to]));
        assert_eq!(ledger.len(), 1);
    }

    #[test]
    fn distrust_forgets_values_and_keeps_people_and_applications() {
        let mut ledger = Ledger::default();
        ledger.record(&entry(1, 5, "c1", Steps::ALL));
        ledger.distrust();
        let kept = ledger.get(&KeyHash([1; 16])).unwrap();
        assert_eq!(kept.clinch_id.as_str(), "c1");
        assert_eq!(kept.steps, Steps::APPLICATION.with(Steps::RESUME));
    }

    #[test]
    fn only_the_undecided_are_distrusted_until_they_are_decided() {
        let mut ledger = Ledger::default();
        for key in 1..=3 {
            ledger.record(&entry(key, 5, "c1", Steps::CANDIDATE));
        }
        ledger.take_changes();
        ledger.declare([1, 2, 9].map(|key| KeyHash([key; 16])).into());
        assert_eq!(ledger.take_changes().window.unwrap().len(), 3);
        ledger.record(&entry(2, 5, "c1", Steps::CANDIDATE));
        assert_eq!(ledger.take_changes().entries.len(), 1, "nothing new, but it decides");
        ledger.distrust_undecided();
        assert_eq!(missing(&ledger, 1, 5), Some(Steps::CANDIDATE), "may have been overwritten");
        assert_eq!(missing(&ledger, 2, 5), Some(Steps::NONE), "decided");
        assert_eq!(missing(&ledger, 3, 5), Some(Steps::NONE), "never in the window");
        assert_eq!(ledger.take_changes().entries.len(), 1, "and the doubt is written down");
        ledger.declare([1, 9].map(|key| KeyHash([key; 16])).into());
        assert!(!ledger.has_unstored(), "the same window is declared already");
    }

    #[test]
    fn a_prospect_takes_less_than_80_bytes() {
        let mut ledger = Ledger::default();
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200_000 {
            let mut entry = entry(0, 1, "0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4e5f6", Steps::CANDIDATE);
            random.fill(&mut entry.key.0);
            ledger.put(&entry);
        }
        assert!(ledger.memory() / ledger.len() < 80, "{}", ledger.memory() / ledger.len());
    }
}
