//! Creates a person whose absence from Clinch is proved.

use serde_json::{Map, Value};

use super::{
    census::Picture,
    crm::{Created, Crm, CrmFailure, Read},
    guard::Claim,
    index::Known,
    outcome::{Candidate, Outcome, already_there},
    pusher::{Pusher, Target},
};
use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    pipeline::{
        spec::{Duplicates, Mode},
        work::Work,
    },
};

impl<C: Crm> Pusher<C> {
    pub(super) async fn create(
        &self,
        work: &Work,
        claim: &Claim,
        picture: Option<Picture>,
    ) -> Result<Candidate, CrmFailure> {
        if self.mode == Mode::DryRun {
            return Ok(Candidate { id: None, outcome: Outcome::Created, fresh: true, seen: true });
        }
        self.check_fence()?;
        let trial = match picture {
            None if !self.believes_look_ups() => Some(self.creations.trial().await),
            _ => None,
        };
        if picture.is_none() && self.creations.are_unseen() {
            return Err(blind());
        }
        let admission = self.guard.census.admit(&self.crm, picture).await?;
        // Where nobody can be looked up, the first create on the strength of a list is a trial.
        if admission.look_up && (self.index.can_look_up() || !admission.on_list) {
            match self.look_up_now(&work.key).await {
                Ok(Known::Absent(_)) => {}
                Ok(known) => {
                    admission.contradicted();
                    // Boxed, for it may come back here; with a look-up, hence once.
                    return Box::pin(self.create_or_update(work, claim, Target::Known(known)))
                        .await;
                }
                Err(failure) => {
                    admission.nobody();
                    return Err(failure);
                }
            }
        }
        let on_list = admission.on_list;
        // An attribute that the mapping clears has nothing to be cleared on a new person.
        let attributes = without_nulls(&work.attributes);
        let recheck = self.believes_look_ups();
        let person = match self.crm.create(&work.key, &attributes, recheck).await {
            Ok(Created::New(id)) => {
                admission.created();
                claim.note_created(&id);
                self.creations.note(work, on_list);
                self.prove_look_ups(&work.key, &id).await;
                drop(trial);
                let outcome = Outcome::Created;
                return Ok(Candidate { id: Some(id), outcome, fresh: true, seen: true });
            }
            Ok(Created::Existing(person)) => person,
            Err(refused @ CrmFailure::Record { .. }) => {
                admission.nobody();
                return Err(refused);
            }
            // Whether somebody was created is not known: the admission says so when it is dropped.
            Err(failure) => {
                if let CrmFailure::Later { disposition, .. } = &failure
                    && disposition.reason() == Reason::Timeout
                {
                    self.creations.note_timed_out();
                }
                return Err(failure);
            }
        };
        admission.contradicted();
        if person.anonymised {
            return self.suppress(work, &person.id).await;
        }
        match self.duplicates {
            Duplicates::Update => self.update(work, person, true).await,
            Duplicates::Skip => Ok(Candidate::skipped(person.id)),
            Duplicates::Fail => Ok(already_there()),
        }
    }

    /// Looks a person up whom a list calls absent.
    async fn look_up_now(&self, key: &MatchKey) -> Result<Known, CrmFailure> {
        if self.creations.are_unseen() {
            return Err(blind());
        }
        self.index.look_up(&self.crm, key).await
    }

    /// Whether look-ups were seen to find somebody who is there.
    fn believes_look_ups(&self) -> bool {
        self.index.can_look_up()
            && !self.creations.are_unseen()
            && self.guard.is_proved(&self.crm.lookups())
    }

    /// In an account that had nobody to prove look-ups with, the first person created does.
    async fn prove_look_ups(&self, key: &MatchKey, id: &ClinchId) {
        let lookups = self.crm.lookups();
        if !self.index.can_look_up()
            || self.guard.is_proved(&lookups)
            || !self.creations.try_prove()
        {
            return;
        }
        tokio::time::sleep(self.crm.search_lag()).await;
        match self.index.look_up(&self.crm, key).await {
            Ok(Known::Person { .. } | Known::Several(_)) => self.guard.note_proved(lookups),
            // Still there, and not found: what look-ups say is not to be believed.
            Ok(Known::Absent(_)) if matches!(self.crm.get(id).await, Ok(Read::Present(_))) => {
                self.creations.note_unseen();
            }
            // No proof, and no disproof: the next run looks again.
            Ok(Known::Absent(_) | Known::Anonymised(_)) | Err(_) => {}
        }
    }
}

/// Look-ups do not show people who are there.
fn blind() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
        message: "Clinch does not find a person by e-mail address whom this run has created; set \
                  contractOverrides.lookupSettle if its search lags behind, else \
                  contractOverrides.filterParameter"
            .to_owned(),
    }
}

fn without_nulls(attributes: &Map<String, Value>) -> Map<String, Value> {
    attributes.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}
