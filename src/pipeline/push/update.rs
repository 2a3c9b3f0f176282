//! Updates a person who is in Clinch, if something differs. Makes requests through the port.

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    changes::changes,
    crm::{Crm, CrmFailure, CrmPerson, Updated},
    outcome::{Candidate, Outcome},
    pusher::Pusher,
};
use crate::{
    domain::ClinchId,
    pipeline::{mode::Mode, work::Work},
};

fn names(attributes: &Map<String, Value>) -> Vec<String> {
    attributes.keys().cloned().collect()
}

impl<C: Crm> Pusher<C> {
    /// Updates a person whom this export pushed before. Reads them first if that can show that they were
    /// anonymised, or if their present values matter.
    pub(super) async fn update_ours(
        &self,
        work: &Work,
        id: ClinchId,
    ) -> Result<Candidate, CrmFailure> {
        if self.index.anonymised.contains(&id) {
            return self.suppress(work, &id).await;
        }
        if self.reads_first || self.crm.shows_anonymised() || !work.only_if_empty.is_empty() {
            return match self.read(&id).await? {
                Some(person) => self.update(work, person, true).await,
                None => self.suppress(work, &id).await,
            };
        }
        if self.mode == Mode::DryRun {
            // A real push updates without diffing here, so the dry run reports Updated too.
            let present = self.read(&id).await?;
            let changed_at = present.as_ref().and_then(|person| self.changed_at(person));
            let changed = match &present {
                Some(person) => names(&changes(work, &person.attributes)),
                None => names(&work.attributes),
            };
            return Ok(Candidate::updated(id, changed, true).changed_at(changed_at));
        }
        self.change(work, id, &work.attributes, None).await
    }

    /// Changes what differs. `fresh`: the person was just read.
    pub(super) async fn update(
        &self,
        work: &Work,
        person: CrmPerson,
        fresh: bool,
    ) -> Result<Candidate, CrmFailure> {
        let mut differing = changes(work, &person.attributes);
        let mut changed_at = self.changed_at(&person);
        let (mut seen, mut read_at) = (fresh, Instant::now());
        if !fresh && !differing.is_empty() && self.crm.shows_anonymised() {
            let Some(present) = self.read(&person.id).await? else {
                return self.suppress(work, &person.id).await;
            };
            differing = changes(work, &present.attributes);
            changed_at = self.changed_at(&present);
            (seen, read_at) = (true, Instant::now());
        }
        let id = person.id;
        if differing.is_empty() {
            return Ok(Candidate::known(id, Outcome::Unchanged, seen).changed_at(changed_at));
        }
        if self.mode == Mode::DryRun {
            return Ok(Candidate::updated(id, names(&differing), seen).changed_at(changed_at));
        }
        let changed = self.change(work, id, &differing, Some(read_at)).await?;
        Ok(changed.changed_at(changed_at))
    }

    async fn change(
        &self,
        work: &Work,
        id: ClinchId,
        attributes: &Map<String, Value>,
        read_at: Option<Instant>,
    ) -> Result<Candidate, CrmFailure> {
        self.check_fence()?;
        match self.writing(work, read_at).update(&id, attributes).await? {
            Updated::Done => Ok(Candidate::updated(id, names(attributes), true)),
            Updated::Anonymised => self.suppress(work, &id).await,
        }
    }
}
