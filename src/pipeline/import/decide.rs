//! What is emitted of a person, if anything. Pure, but for what it notes in the run, and for the ledgers of
//! exports, which are read when they are needed for the first time.

use serde_json::{Map, Value};

use super::{
    feed::FeedPerson,
    halt::Halt,
    own::{Look, Own},
    record::{Gone, Upsert, write_gone},
    report::ImportFailure,
    sink::Sink,
    spec::Deletions,
    work::Work,
};
use crate::{
    domain::{Cause, ClinchId, Profile},
    ledger::{ImportEntry, ImportMarks, ImportTrace, Revision, SegmentStore},
};

impl<F: Sync, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Decides on a person. `is_new`: this run has not decided on them before.
    pub(super) async fn decide(
        &mut self,
        mut person: FeedPerson,
        is_new: bool,
    ) -> Result<(), Halt> {
        if self.refused.contains(&person.id) {
            return Ok(());
        }
        let known = self.people.get(&self.keys, &person.id);
        if person.anonymised {
            self.gone(&person.id, known, &Gone::Anonymised);
            return Ok(());
        }
        if let Some(into) = person.merged_into.take().filter(|into| *into != person.id) {
            self.gone(&person.id, known, &Gone::Merged(into));
            return Ok(());
        }
        if self.is_listed(&person) {
            let heard_of = known.as_ref().is_some_and(|known| known.marks.is_live());
            self.progress.counts.suppressed += u64::from(is_new && !heard_of);
            self.gone(&person.id, known, &Gone::Suppressed);
            return Ok(());
        }
        if known.is_none() && self.is_too_old(&person.attributes) {
            self.progress.counts.not_selected += u64::from(is_new);
            return Ok(());
        }
        let withheld = self.spec.attributes.strip(&mut person.attributes);
        match self.is_selected(&person) {
            Ok(true) => {}
            Ok(false) => {
                self.progress.counts.not_selected += u64::from(is_new);
                return Ok(());
            }
            Err(failure) => {
                self.reject(failure, is_new);
                return Ok(());
            }
        }
        let profile = match self.spec.mapping.profile(person.id.as_str(), &person.attributes) {
            Ok(profile) => profile,
            Err(fault) => {
                let record = self.keys.record_id(&person.id);
                let record = Some(record);
                let failure = ImportFailure { record, place: fault.place, cause: fault.cause };
                self.reject(failure, is_new);
                return Ok(());
            }
        };
        let revision = self.keys.revision(&profile);
        if known.as_ref().is_some_and(|known| self.is_refused(known, revision)) {
            self.put_off(&person.id);
            return Ok(());
        }
        let is_as_known =
            |known: &ImportEntry| known.revision == revision && self.is_settled(known.marks);
        if known.as_ref().is_some_and(is_as_known) {
            self.progress.counts.unchanged += u64::from(is_new);
            return Ok(());
        }
        let look = self.look(&person, withheld).await?;
        if let Some(look) = look {
            if look.is_own(known.as_ref()) {
                self.note_own(&person, revision, known, look.trace);
                return Ok(());
            }
            self.progress.near_misses += 1;
        }
        self.emit(&person, revision, &profile, (known, look.map(|look| look.trace)));
        Ok(())
    }

    /// Whether there is nothing to say of a person with these marks who has not changed.
    fn is_settled(&self, marks: ImportMarks) -> bool {
        let own = marks.contains(ImportMarks::OWN) && !marks.contains(ImportMarks::TOMBSTONED);
        let taken = !marks.contains(ImportMarks::REFUSED);
        taken && (marks.is_live() || (self.excludes_own && own))
    }

    /// What exports know of a person who is new or has changed.
    async fn look(
        &mut self,
        person: &FeedPerson,
        withheld: Map<String, Value>,
    ) -> Result<Option<Look>, Halt> {
        if let Some(find) = self.find_exports.take() {
            let read = self.cancel.run_until_cancelled(Box::pin(Own::read(find))).await;
            self.own = read.ok_or(Halt::Stopped)??;
        }
        let mut present = person.attributes.clone();
        present.extend(withheld);
        let profile_of = (&person.attributes, &self.reads);
        Ok(self.own.look(&self.keys, &person.id, &present, profile_of))
    }

    /// Notes a person who is as an export wrote them.
    fn note_own(
        &mut self,
        person: &FeedPerson,
        revision: Revision,
        known: Option<ImportEntry>,
        trace: ImportTrace,
    ) {
        let emitted = known.is_some_and(|known| known.marks.contains(ImportMarks::EMITTED));
        let emitted_mark = if emitted { ImportMarks::EMITTED } else { ImportMarks::default() };
        self.know(ImportEntry {
            id: person.id.clone(),
            revision,
            person: person.key.as_ref().map(|key| self.suppressions.key_hash(key)),
            marks: ImportMarks::OWN.with(emitted_mark),
            trace: emitted.then_some(trace),
        });
        self.progress.counts.own += 1;
    }

    fn emit(
        &mut self,
        person: &FeedPerson,
        revision: Revision,
        profile: &Map<String, Value>,
        (known, trace): (Option<ImportEntry>, Option<ImportTrace>),
    ) {
        let updated_at = self.updated_at.as_ref().and_then(|name| person.attributes.get(name));
        let record = Upsert {
            import: &self.name,
            id: &person.id,
            revision,
            updated_at: updated_at.and_then(Value::as_str),
            profile,
        };
        record.write(&mut self.pending.lines);
        self.pending.offer(person.id.clone(), known);
        self.know(ImportEntry {
            id: person.id.clone(),
            revision,
            person: person.key.as_ref().map(|key| self.suppressions.key_hash(key)),
            marks: ImportMarks::EMITTED,
            trace,
        });
    }

    /// Notes that a person is gone. Readers who received them learn it once; others never hear of
    /// them.
    pub(super) fn gone(&mut self, id: &ClinchId, known: Option<ImportEntry>, gone: &Gone) {
        let known = known.unwrap_or_else(|| ImportEntry {
            id: id.clone(),
            revision: Revision::default(),
            person: None,
            marks: ImportMarks::default(),
            trace: None,
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
            if self.is_refused(&known, Revision::default()) {
                self.put_off(id);
                return;
            }
            write_gone(&self.name, id, gone, &mut self.pending.lines);
            self.pending.offer(id.clone(), Some(known.clone()));
        }
        let marks = known.marks.with(ImportMarks::TOMBSTONED).without(ImportMarks::REFUSED);
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
            record: Some(self.keys.record_id(&person.id)),
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
