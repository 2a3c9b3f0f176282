//! Creates a person whose absence from Clinch is proved, and proves look-ups with the first one. Makes
//! requests through the port.

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    census::Snapshot,
    crm::{Created, Crm, CrmFailure, Read},
    guard::Claim,
    index::Known,
    look_ups::finds_nobody,
    outcome::{Candidate, already_there},
    pusher::{Pusher, Target},
};
use crate::{
    domain::{Cause, ClinchId, Disposition, MatchKey, Reason},
    pipeline::{mode::Mode, spec::Duplicates, work::Work},
};

/// For how long a look-up proves that somebody is absent.
const RECENT: Duration = Duration::from_secs(1);

impl<C: Crm> Pusher<C> {
    pub(super) async fn create(
        &self,
        work: &Work,
        claim: &Claim,
        snapshot: Option<Snapshot>,
    ) -> Result<Candidate, CrmFailure> {
        if !work.lacking.is_empty() {
            return Ok(lacking(&work.lacking));
        }
        if self.mode == Mode::DryRun {
            let possible = self.index.suggestions.of(&work.profiles);
            return Ok(Candidate { possible, ..Candidate::created(None) });
        }
        self.check_fence()?;
        // A look-up was made just now, unless a list shows them as absent.
        let looked_up = Instant::now();
        let trial = match snapshot {
            None if !self.trusts_look_ups() => Some(self.creations.trial().await),
            _ => None,
        };
        if snapshot.is_none() && self.creations.look_up_missed() {
            return Err(look_ups_miss_people());
        }
        let admission = self.guard.census.admit(&self.crm, snapshot).await?;
        // A trial, or a run that reads the list meanwhile, may have taken minutes.
        let is_old = snapshot.is_none() && looked_up.elapsed() > RECENT;
        // If people cannot be looked up, the first create that relies on a list is itself the test.
        if (admission.look_up || is_old) && (self.index.can_look_up() || !admission.on_list) {
            match self.look_up_now(&work.key).await {
                Ok(Known::Absent(_)) => {}
                Ok(known) => {
                    admission.contradicted();
                    // Boxed because it recurses: at most once, as the person was just looked up.
                    return Box::pin(self.create_or_update(work, claim, Target::Known(known)))
                        .await;
                }
                Err(failure) => {
                    admission.not_created();
                    return Err(failure);
                }
            }
        }
        if (snapshot.is_none() || admission.look_up) && self.index.can_look_up() {
            match self.guard.look_ups.still_hold(&self.crm).await {
                Ok(true) => {}
                held => {
                    admission.not_created();
                    held?;
                    self.creations.note_look_up_missed();
                    return Err(look_ups_miss_people());
                }
            }
        }
        let on_list = admission.on_list;
        // A new person has no value to clear.
        let attributes = without_nulls(&work.attributes);
        let recheck = self.trusts_look_ups();
        let in_doubt = || admission.in_doubt();
        // After a wait that Clinch asks for, they are looked up again.
        let looks = self.index.can_look_up() && !self.creations.look_up_missed();
        let crm = self.resting_on(work, looks.then(Instant::now));
        let created = crm.create(&work.key, &attributes, recheck, &in_doubt).await;
        let person = match created {
            Ok(Created::New(id)) => {
                admission.created();
                claim.note_created(&id);
                self.creations.note(work, on_list);
                self.guard.look_ups.note(&work.key, &id);
                self.prove_look_ups(&work.key, &id).await;
                drop(trial);
                return Ok(Candidate::created(Some(id)));
            }
            Ok(Created::Existing(person)) => person,
            // Neither was anybody created.
            Err(
                refused @ (CrmFailure::Record(_) | CrmFailure::Errored { .. } | CrmFailure::Paused),
            ) => {
                admission.not_created();
                return Err(refused);
            }
            // Unknown whether the person was created: dropping the admission records that.
            Err(failure) => {
                if !recheck && matches!(failure, CrmFailure::Undecided { .. }) {
                    // It was not waited for either.
                    self.guard.doubts.note(work.key_hash, self.crm.lookup_delay());
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
            Duplicates::Fail => Ok(already_there(person.id)),
        }
    }

    /// Looks up a person whom the list does not show.
    async fn look_up_now(&self, key: &MatchKey) -> Result<Known, CrmFailure> {
        if self.creations.look_up_missed() {
            return Err(look_ups_miss_people());
        }
        self.index.look_up(&self.crm, key).await
    }

    /// Whether look-ups were seen to find a person who exists.
    fn trusts_look_ups(&self) -> bool {
        self.index.can_look_up()
            && !self.creations.look_up_missed()
            && self.guard.look_ups.is_proved(&self.crm.lookups())
    }

    /// Proves look-ups with the first person created, in an account that had nobody to prove them with.
    async fn prove_look_ups(&self, key: &MatchKey, id: &ClinchId) {
        let lookups = self.crm.lookups();
        if !self.index.can_look_up()
            || self.guard.look_ups.is_proved(&lookups)
            || !self.creations.try_prove()
        {
            return;
        }
        tokio::time::sleep(self.crm.search_lag()).await;
        match self.index.look_up(&self.crm, &key.as_folded()).await {
            Ok(known @ (Known::Person { .. } | Known::Several(_))) => {
                if matches!(known, Known::Several(_)) {
                    self.guard.look_ups.note_doubled(key);
                }
                match finds_nobody(&self.crm).await {
                    Ok(true) => self.guard.look_ups.note_proved(Some(lookups)),
                    Err(CrmFailure::Paused) => self.creations.prove_later(),
                    // Proves nothing, too.
                    Ok(false) | Err(_) => {}
                }
            }
            // The person exists and was not found: look-ups cannot be trusted.
            Ok(Known::Absent(_)) if matches!(self.crm.get(id).await, Ok(Read::Present(_))) => {
                self.creations.note_look_up_missed();
            }
            // The next person created proves it.
            Err(CrmFailure::Paused) => self.creations.prove_later(),
            // Proves nothing: the next run tries again.
            Ok(Known::Absent(_) | Known::Anonymised(_)) | Err(_) => {}
        }
    }
}

/// Clinch would refuse the person.
fn lacking(names: &[Box<str>]) -> Candidate {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    Candidate::rejected(Cause::new(
        Reason::RequiredMissing,
        format!("Clinch requires {names} of a new person, and the record has no value"),
    ))
}

/// Look-ups miss people who exist.
fn look_ups_miss_people() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
        message: "Clinch does not find a person by e-mail address who is certainly there: set \
                  contractOverrides.lookupSettle if its search lags behind writes, otherwise \
                  contractOverrides.filterParameter; retry if its search was out of order"
            .to_owned(),
    }
}

fn without_nulls(attributes: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    if !attributes.values().any(Value::is_null) {
        return Cow::Borrowed(attributes);
    }
    let filled = attributes.iter().filter(|(_, value)| !value.is_null());
    Cow::Owned(filled.map(|(name, value)| (name.clone(), value.clone())).collect())
}
