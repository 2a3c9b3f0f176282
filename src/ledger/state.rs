//! A ledger in memory: what is known of each person, and what is not stored yet. Pure.
//! About 100 bytes an entry, so that a ledger of 200 000 people takes some 20 MB.

use std::collections::HashMap;

use super::{
    Entry, Extras, KeyHash, PayloadDigest, Segment, Steps,
    packed::{pack, packed_len, unpack},
};
use crate::domain::ClinchId;

/// What the ledger says of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Nothing: look in Clinch before creating.
    Unknown,
    /// The person in Clinch was last written with this very payload.
    Unchanged(ClinchId),
    /// The person in Clinch is known; the payload is another one, or was not written.
    Changed(ClinchId),
}

const UNSTORED: u8 = 0x80;

/// Fixed part of an entry; the id's bytes lie in `Ledger::ids`.
#[derive(Debug, Clone, Copy)]
struct Known {
    payload: PayloadDigest,
    extras: Extras,
    id_at: u32,
    id_form: u8,
    /// Bits of the steps, and [`UNSTORED`].
    flags: u8,
}

impl Known {
    fn steps(self) -> Steps {
        Steps::from_bits(self.flags & !UNSTORED).unwrap_or_default()
    }
}

/// What is known of the records of one export.
#[derive(Debug, Default)]
pub struct Ledger {
    known: HashMap<KeyHash, Known>,
    ids: Vec<u8>,
    unstored: Vec<KeyHash>,
}

impl Ledger {
    /// People known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether anything waits to be stored.
    pub fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// Takes over a stored segment; its entries win over those present.
    pub fn merge(&mut self, segment: Segment) {
        for entry in segment.entries {
            self.put(&entry, 0);
        }
    }

    /// Notes what was done for a record. It waits to be stored, unless nothing is new in it.
    pub fn record(&mut self, entry: &Entry) {
        let extras = entry.extras.only(entry.steps);
        let before = self.get(&entry.key);
        if before.is_some_and(|before| before == Entry { extras, ..entry.clone() }) {
            return;
        }
        let waits = self.known.get(&entry.key).is_some_and(|known| known.flags & UNSTORED != 0);
        if !waits {
            self.unstored.push(entry.key);
        }
        self.put(entry, UNSTORED);
    }

    fn put(&mut self, entry: &Entry, unstored: u8) {
        let at = self.ids.len();
        let id_form = pack(&entry.clinch_id, &mut self.ids);
        let mut id_at = u32::try_from(at).expect("4 GiB of ids exceed any export");
        if let Some(known) = self.known.get(&entry.key) {
            let start = known.id_at as usize;
            let same = known.id_form == id_form
                && self.ids[start..start + packed_len(id_form)] == self.ids[at..];
            if same {
                self.ids.truncate(at);
                id_at = known.id_at;
            }
        }
        let extras = entry.extras.only(entry.steps);
        let flags = entry.steps.bits() | unstored;
        let known = Known { payload: entry.payload, extras, id_at, id_form, flags };
        self.known.insert(entry.key, known);
    }

    fn id(&self, known: &Known) -> ClinchId {
        let start = known.id_at as usize;
        let bytes = &self.ids[start..start + packed_len(known.id_form)];
        unpack(known.id_form, bytes).expect("only packed ids are put there")
    }

    fn entry(&self, key: KeyHash, known: &Known) -> Entry {
        let (payload, extras, steps) = (known.payload, known.extras, known.steps());
        Entry { key, payload, extras, clinch_id: self.id(known), steps }
    }

    /// The entry of a person.
    pub fn get(&self, key: &KeyHash) -> Option<Entry> {
        self.known.get(key).map(|known| self.entry(*key, known))
    }

    /// Every entry, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.known.iter().map(|(key, known)| self.entry(*key, known))
    }

    /// What is known of a person, compared with the payload to be written.
    pub fn status(&self, key: &KeyHash, payload: &PayloadDigest) -> Status {
        match self.known.get(key) {
            None => Status::Unknown,
            Some(known)
                if known.steps().contains(Steps::CANDIDATE) && known.payload == *payload =>
            {
                Status::Unchanged(self.id(known))
            }
            Some(known) => Status::Changed(self.id(known)),
        }
    }

    /// Which of the wanted steps were never done, or were done with other data.
    pub fn missing_steps(
        &self,
        key: &KeyHash,
        payload: &PayloadDigest,
        extras: &Extras,
        wanted: Steps,
    ) -> Steps {
        let Some(known) = self.known.get(key) else { return wanted };
        let mut done = known.steps().without(known.extras.differing(*extras));
        if known.payload != *payload {
            done = done.without(Steps::CANDIDATE);
        }
        wanted.without(done)
    }

    /// Takes what waits to be stored, in the order in which it was first noted.
    pub fn take_dirty(&mut self) -> Vec<Entry> {
        let keys = std::mem::take(&mut self.unstored);
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(known) = self.known.get_mut(&key) {
                known.flags &= !UNSTORED;
                let known = *known;
                entries.push(self.entry(key, &known));
            }
        }
        entries
    }

    /// Forgets which values were written, and keeps who is who: something later was lost, so
    /// that an old payload may pass for the present one. Only steps that can be repeated without
    /// a trace are forgotten.
    pub fn distrust(&mut self) {
        for known in self.known.values_mut() {
            let steps = known.steps().without(Steps::CANDIDATE).without(Steps::ACTIVITY);
            known.extras = known.extras.only(steps);
            known.flags = steps.bits() | (known.flags & UNSTORED);
        }
    }
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
        Entry { key, payload, extras, clinch_id: ClinchId::parse(id).unwrap(), steps }
    }

    #[test]
    fn a_payload_counts_as_written_only_when_its_step_was_done() {
        let mut ledger = Ledger::default();
        let (key, payload) = (KeyHash([1; 16]), PayloadDigest([5; 16]));
        let id = ClinchId::parse("c1").unwrap();
        assert_eq!(ledger.status(&key, &payload), Status::Unknown);
        ledger.record(&entry(1, 5, "c1", Steps::APPLICATION));
        assert_eq!(ledger.status(&key, &payload), Status::Changed(id.clone()));
        ledger.record(&entry(1, 5, "c1", Steps::CANDIDATE));
        assert_eq!(ledger.status(&key, &payload), Status::Unchanged(id.clone()));
        assert_eq!(ledger.status(&key, &PayloadDigest([6; 16])), Status::Changed(id));
    }

    #[test]
    fn only_the_step_whose_data_changed_is_missing() {
        let mut ledger = Ledger::default();
        let done = entry(1, 5, "c1", Steps::CANDIDATE.with(Steps::APPLICATION).with(Steps::RESUME));
        ledger.record(&done);
        let missing = |payload: u8, extras: &Extras| {
            ledger.missing_steps(&done.key, &PayloadDigest([payload; 16]), extras, Steps::ALL)
        };
        assert_eq!(missing(5, &done.extras), Steps::ACTIVITY);
        assert_eq!(missing(6, &done.extras), Steps::CANDIDATE.with(Steps::ACTIVITY));
        let resume = Extras { resume: StepDigest([9; 6]), ..done.extras };
        assert_eq!(missing(5, &resume), Steps::RESUME.with(Steps::ACTIVITY));
        let unknown = ledger.missing_steps(
            &KeyHash([2; 16]),
            &PayloadDigest([5; 16]),
            &done.extras,
            Steps::CANDIDATE,
        );
        assert_eq!(unknown, Steps::CANDIDATE);
    }

    #[test]
    fn what_is_new_waits_once_and_what_is_not_new_does_not_wait() {
        let mut ledger = Ledger::default();
        ledger.record(&entry(1, 1, "c1", Steps::CANDIDATE));
        ledger.record(&entry(2, 1, "c2", Steps::CANDIDATE));
        ledger.record(&entry(1, 2, "c1", Steps::CANDIDATE));
        let waiting = ledger.take_dirty();
        assert_eq!(
            waiting,
            [entry(1, 2, "c1", Steps::CANDIDATE), entry(2, 1, "c2", Steps::CANDIDATE)]
        );
        ledger.record(&entry(1, 2, "c1", Steps::CANDIDATE));
        assert!(!ledger.has_unstored() && ledger.take_dirty().is_empty());
        ledger.record(&entry(1, 2, "c9", Steps::CANDIDATE));
        assert_eq!(ledger.take_dirty(), [entry(1, 2, "c9", Steps::CANDIDATE)]);
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
    fn an_entry_takes_about_a_hundred_bytes() {
        assert_eq!(size_of::<(KeyHash, Known)>(), 56);
        let mut ledger = Ledger::default();
        for n in 0..1000_u32 {
            let uuid = format!("0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4{n:04x}");
            let mut entry = entry(0, 1, &uuid, Steps::CANDIDATE);
            entry.key.0[..4].copy_from_slice(&n.to_be_bytes());
            ledger.record(&entry);
            ledger.record(&Entry { payload: PayloadDigest([2; 16]), ..entry });
        }
        assert_eq!(ledger.ids.len(), 16 * 1000, "a rewrite does not store its id again");
    }
}
