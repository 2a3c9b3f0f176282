//! What is emitted of a person, if anything. Pure, but for what it notes in the run.

use serde_json::{Map, Value};

use super::{
    feed::FeedPerson,
    record::{Gone, Upsert, write_gone},
    report::ImportFailure,
    sink::Sink,
    spec::Deletions,
    work::Work,
};
use crate::{
    domain::{Cause, ClinchId, Profile},
    ledger::{ImportEntry, ImportMarks, Revision, SegmentStore},
};

impl<F: Sync, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Decides on a person. `is_new`: this run has not decided on them before.
    pub(super) fn decide(&mut self, mut person: FeedPerson, is_new: bool) {
        let known = self.people.get(&self.keys, &person.id);
        if person.anonymised {
            self.gone(&person.id, known, &Gone::Anonymised);
            return;
        }
        if self.is_listed(&person) {
            let heard_of = known.as_ref().is_some_and(|known| known.marks.is_live());
            self.progress.counts.not_selected += u64::from(is_new && !heard_of);
            self.gone(&person.id, known, &Gone::Suppressed);
            return;
        }
        if known.is_none() && self.is_too_old(&person.attributes) {
            self.progress.counts.not_selected += u64::from(is_new);
            return;
        }
        self.spec.attributes.strip(&mut person.attributes);
        match self.is_selected(&person) {
            Ok(true) => {}
            Ok(false) => {
                self.progress.counts.not_selected += u64::from(is_new);
                return;
            }
            Err(failure) => return self.reject(failure, is_new),
        }
        let profile = match self.spec.mapping.profile(person.id.as_str(), &person.attributes) {
            Ok(profile) => profile,
            Err(fault) => {
                let record = self.keys.record_id(&person.id);
                let failure = ImportFailure { record, place: fault.place, cause: fault.cause };
                return self.reject(failure, is_new);
            }
        };
        let revision = self.keys.revision(&profile);
        if known.is_some_and(|known| known.revision == revision && known.marks.is_live()) {
            self.progress.counts.unchanged += u64::from(is_new);
            return;
        }
        self.emit(&person, revision, &profile);
    }

    fn emit(&mut self, person: &FeedPerson, revision: Revision, profile: &Map<String, Value>) {
        let updated_at = self.updated_at.as_ref().and_then(|name| person.attributes.get(name));
        let record = Upsert {
            import: &self.name,
            id: &person.id,
            revision,
            updated_at: updated_at.and_then(Value::as_str),
            profile,
        };
        record.write(&mut self.pending.lines);
        self.pending.ids.push(person.id.clone());
        self.know(ImportEntry {
            id: person.id.clone(),
            revision,
            person: person.key.as_ref().map(|key| self.suppressions.key_hash(key)),
            marks: ImportMarks::EMITTED,
        });
        self.progress.counts.emitted += 1;
    }

    /// Notes that a person is gone. Readers who received them learn it once; others never hear of
    /// them.
    pub(super) fn gone(&mut self, id: &ClinchId, known: Option<ImportEntry>, gone: &Gone) {
        let known = known.unwrap_or_else(|| ImportEntry {
            id: id.clone(),
            revision: Revision::default(),
            person: None,
            marks: ImportMarks::default(),
        });
        if known.marks.contains(ImportMarks::TOMBSTONED) {
            return;
        }
        if *gone == Gone::Anonymised
            && let Some(person) = known.person
        {
            self.pending.anonymised.push((person, id.clone()));
        }
        if self.spec.deletions == Deletions::Ignore && known.marks.is_live() {
            // Not noted as said: it is, should the spec ask for it later.
            return;
        }
        if known.marks.is_live() {
            write_gone(&self.name, id, gone, &mut self.pending.lines);
            self.pending.ids.push(id.clone());
            self.progress.counts.tombstones += 1;
        }
        let marks = known.marks.with(ImportMarks::TOMBSTONED);
        self.know(ImportEntry { marks, ..known });
    }

    /// Whether the person is on the admin's list of people who must never be written.
    fn is_listed(&self, person: &FeedPerson) -> bool {
        let Some(key) = &person.key else { return false };
        let listed = self.suppressions.listed();
        listed.is_some_and(|listed| listed.contains(key, &self.suppressions.key_hash(key)))
    }

    fn know(&mut self, entry: ImportEntry) {
        self.people.put(&self.keys, &entry);
        self.pending.know(entry);
    }

    fn reject(&mut self, failure: ImportFailure, is_new: bool) {
        if is_new {
            self.fail(failure);
        }
    }

    fn is_selected(&self, person: &FeedPerson) -> Result<bool, ImportFailure> {
        let Some(select) = &self.spec.select else { return Ok(true) };
        let mut members = person.attributes.clone();
        members.insert("id".to_owned(), person.id.as_str().into());
        let failure = |cause| ImportFailure {
            record: self.keys.record_id(&person.id),
            place: Some(select.place().into()),
            cause,
        };
        select
            .matches(&Profile::new(members))
            .map_err(|issue| failure(Cause::new(issue.reason, issue.message)))
    }

    /// Whether the person was changed last before the time from which people are wanted.
    fn is_too_old(&self, attributes: &Map<String, Value>) -> bool {
        let (Some(after), Some(name)) = (self.spec.updated_after, &self.updated_at) else {
            return false;
        };
        let at = attributes.get(name).and_then(Value::as_str);
        at.and_then(|at| at.parse::<jiff::Timestamp>().ok()).is_some_and(|at| at < after)
    }
}
