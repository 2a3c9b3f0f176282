//! Whether look-ups of an account are still to be trusted: people whom they must find, and how many found
//! nobody since they last found one of these. Makes requests through the port; writes nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::crm::{Crm, CrmFailure, Lookup, Read};
use crate::domain::{ClinchId, MatchKey};

/// After how many look-ups that found nobody they are proved again.
const PROVED_FOR: u32 = 50;
/// How many people are kept to prove look-ups with, as some may be gone by then.
const WITNESSES: usize = 8;

/// What is known of the look-ups of an account.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    /// The look-up that was seen to find a person who exists.
    proved: Mutex<Option<String>>,
    /// People who certainly existed when they were noted.
    witnesses: Mutex<Vec<(MatchKey, ClinchId)>>,
    /// One of these whom a look-up found more than once.
    doubled: Mutex<Option<MatchKey>>,
    /// How many found nobody since the last proof. Held while they are proved: others wait for that.
    relied_on: tokio::sync::Mutex<u32>,
}

/// Keeps somebody to prove look-ups with. First is one whose address is stored with capitals, if any is:
/// whether look-ups tell these apart shows with them alone.
pub(super) fn keep(witnesses: &mut Vec<(MatchKey, ClinchId)>, key: &MatchKey, id: &ClinchId) {
    let has_capitals = |(key, _): &(MatchKey, ClinchId)| key.has_capitals();
    if key.has_capitals() && !witnesses.first().is_some_and(has_capitals) {
        witnesses.insert(0, (key.clone(), id.clone()));
        witnesses.truncate(WITNESSES);
    } else if witnesses.len() < WITNESSES {
        witnesses.push((key.clone(), id.clone()));
    }
}

impl LookUps {
    fn witnesses(&self) -> MutexGuard<'_, Vec<(MatchKey, ClinchId)>> {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether look-ups of this kind were seen to find a person who exists.
    pub(super) fn is_proved(&self, lookups: &str) -> bool {
        let proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        proved.as_deref() == Some(lookups)
    }

    /// Notes that a look-up of this kind found a person who exists, or (`None`) that one did not.
    pub(super) fn note_proved(&self, lookups: Option<String>) {
        *self.proved.lock().unwrap_or_else(PoisonError::into_inner) = lookups;
    }

    /// Notes somebody who certainly exists.
    pub(super) fn note(&self, key: &MatchKey, id: &ClinchId) {
        let mut witnesses = self.witnesses();
        if witnesses.iter().all(|(_, known)| known != id) {
            keep(&mut witnesses, key, id);
        }
    }

    /// Notes somebody who certainly exists, and whom a look-up found more than once.
    pub(super) fn note_doubled(&self, key: &MatchKey) {
        *self.doubled.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
    }

    /// The last one who was found more than once.
    pub(super) fn doubled(&self) -> Option<MatchKey> {
        self.doubled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Called before a create that rests on a look-up. Every 50 times, somebody who certainly exists is
    /// looked up first. Returns whether look-ups may still be trusted.
    pub(super) async fn still_hold(&self, crm: &impl Crm) -> Result<bool, CrmFailure> {
        let mut relied_on = self.relied_on.lock().await;
        if *relied_on >= PROVED_FOR {
            loop {
                // Nobody is left: the next person created is a witness.
                let Some((key, id)) = self.witnesses().first().cloned() else { return Ok(true) };
                match found(crm, &key, &id).await? {
                    Some(0) => {
                        self.note_proved(None);
                        return Ok(false);
                    }
                    Some(1) => break,
                    Some(_) => {
                        self.note_doubled(&key);
                        break;
                    }
                    None => self.witnesses().retain(|(_, known)| *known != id),
                }
            }
            *relied_on = 0;
        }
        *relied_on += 1;
        Ok(true)
    }
}

/// An address that nobody has: no mail can be sent to this domain.
const NOBODY: &str = "nobody@clinch-operator.invalid";

/// Whether a look-up of an address that nobody has finds nobody. It shows that a filter is ignored where
/// everybody has the same address: there, the list of everybody is also the answer for that address.
pub(super) async fn finds_nobody(crm: &impl Crm) -> Result<bool, CrmFailure> {
    let Some(nobody) = MatchKey::fold(NOBODY) else { return Ok(true) };
    match crm.find(&nobody).await {
        Ok(found) => Ok(found == Lookup::Nobody),
        // Who refuses the address has read it.
        Err(CrmFailure::Record(_)) => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// Whether a look-up by the folded address finds a person; `None` if they prove nothing, because they are
/// gone or have another address now.
pub(super) async fn finds(
    crm: &impl Crm,
    key: &MatchKey,
    id: &ClinchId,
) -> Result<Option<bool>, CrmFailure> {
    Ok(found(crm, key, id).await?.map(|people| people > 0))
}

/// As `finds`: how many people it finds.
async fn found(crm: &impl Crm, key: &MatchKey, id: &ClinchId) -> Result<Option<usize>, CrmFailure> {
    let folded = key.as_folded();
    for wait in [None, Some(crm.search_lag())] {
        match wait {
            Some(lag) if lag.is_zero() => break,
            Some(lag) => tokio::time::sleep(lag).await,
            None => {}
        }
        match crm.find(&folded).await? {
            Lookup::One(_) => return Ok(Some(1)),
            // Other people with the same address are found, too.
            Lookup::Several(people) => return Ok(Some(people)),
            Lookup::FilterIgnored => return Ok(Some(0)),
            Lookup::Nobody => {}
        }
    }
    Ok(match crm.get(id).await? {
        Read::Present(person) if person.key.as_ref() == Some(key) => Some(0),
        // Deleted or changed since they were seen.
        Read::Present(_) | Read::Anonymised | Read::Gone => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_capitals_is_the_first_to_prove_look_ups_with() {
        let look_ups = LookUps::default();
        for n in 0..WITNESSES + 2 {
            let key = MatchKey::fold(&format!("p{n}@example.com")).unwrap();
            look_ups.note(&key, &ClinchId::parse(&format!("c{n}")).unwrap());
        }
        let kept = look_ups.witnesses().clone();
        assert_eq!((kept.len(), kept[0].1.as_str()), (WITNESSES, "c0"));
        for id in ["a", "b", "a"] {
            let key = MatchKey::fold(&format!("{id}@Example.com")).unwrap();
            look_ups.note(&key, &ClinchId::parse(id).unwrap());
        }
        let kept = look_ups.witnesses().clone();
        assert_eq!((kept.len(), kept[0].1.as_str()), (WITNESSES, "a"));
    }
}
