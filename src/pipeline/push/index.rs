//! What is known of the people a run asks about, and the requests for what is not known yet.

use std::collections::{HashMap, HashSet};

use super::{
    census::Picture,
    crm::{Crm, CrmFailure, CrmPerson, Lookup, Read},
};
use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    ledger::{KeyHash, Table},
    pipeline::work::weight,
};

/// How many bytes of attributes are kept; of people beyond that only the id is, and their
/// attributes are read when their turn comes.
const KEPT_BYTES: usize = 16 << 20;

/// What is known of the people a run asks about.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    seen: HashMap<KeyHash, Seen>,
    /// The ids of those seen beyond what is kept.
    more: Table,
    kept_bytes: usize,
    /// The ids under which other exports of the account know people.
    pub(super) elsewhere: Table,
    /// Everybody whom the pages showed as anonymised.
    pub(super) anonymised: HashSet<ClinchId>,
    /// The list, where it proves who is absent.
    pub(super) picture: Option<Picture>,
    /// Whether people can be looked up.
    pub(super) filter: Filter,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Filter {
    /// It can be relied on, or there is nobody yet with whom to prove it.
    #[default]
    Honoured,
    /// What it gives is not to be believed.
    Ignored,
}

#[derive(Debug)]
enum Seen {
    One(CrmPerson),
    Several(usize),
}

/// What is known of one person.
#[derive(Debug)]
pub(super) enum Known {
    /// They are there. `fresh`: they were read just now.
    Person {
        /// The person.
        person: CrmPerson,
        /// Whether they were read just now.
        fresh: bool,
    },
    /// They were anonymised.
    Anonymised(ClinchId),
    /// Several people are there.
    Several(usize),
    /// They are not there. `Some`: as the list tells; `None`: as a look-up told just now.
    Absent(Option<Picture>),
}

impl Known {
    pub(super) fn looked_up(found: Lookup) -> Self {
        match found {
            Lookup::One(person) if person.anonymised => Self::Anonymised(person.id),
            Lookup::One(person) => Self::Person { person, fresh: true },
            Lookup::Several(count) => Self::Several(count),
            Lookup::Nobody | Lookup::FilterIgnored => Self::Absent(None),
        }
    }
}

impl PeopleIndex {
    /// An index of people who cannot be looked up.
    pub(super) fn without_look_ups() -> Self {
        Self { filter: Filter::Ignored, ..Self::default() }
    }

    pub(super) fn note(&mut self, key: KeyHash, person: CrmPerson) {
        if let Some(seen) = self.seen.get_mut(&key) {
            *seen = match seen {
                // A page that moved while it was read shows somebody twice; a second reading does.
                Seen::One(known) if known.id == person.id => return,
                Seen::One(_) => Seen::Several(2),
                Seen::Several(count) => Seen::Several(*count),
            };
        } else if let Some(id) = self.more.get(&key) {
            if id != person.id.as_str().as_bytes() {
                self.seen.insert(key, Seen::Several(2));
            }
        } else if self.kept_bytes < KEPT_BYTES {
            self.kept_bytes += size_of::<(KeyHash, Seen)>() + weight(&person.attributes);
            self.seen.insert(key, Seen::One(person));
        } else {
            self.more.insert(&key, person.id.as_str().as_bytes());
        }
    }

    /// Whether the list showed the person.
    pub(super) fn shows(&self, hash: &KeyHash) -> bool {
        self.seen.contains_key(hash) || self.more.get(hash).is_some()
    }

    /// Whether people can be looked up.
    pub(super) fn can_look_up(&self) -> bool {
        self.filter == Filter::Honoured
    }

    /// Who has this key; a request only where the index cannot tell. `anew`: what a list says is
    /// not enough.
    pub(super) async fn find(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
        hash: &KeyHash,
        anew: bool,
    ) -> Result<Known, CrmFailure> {
        match self.seen.get(hash) {
            Some(Seen::One(one)) => return Ok(Known::Person { person: one.clone(), fresh: false }),
            Some(Seen::Several(count)) => return Ok(Known::Several(*count)),
            None => {}
        }
        for known in [&self.more, &self.elsewhere] {
            let id = known.get(hash).and_then(|id| std::str::from_utf8(id).ok());
            let Some(id) = id.and_then(|id| ClinchId::parse(id).ok()) else { continue };
            if self.anonymised.contains(&id) {
                return Ok(Known::Anonymised(id));
            }
            match crm.get(&id).await? {
                Read::Present(person) => return Ok(Known::Person { person, fresh: true }),
                Read::Anonymised => return Ok(Known::Anonymised(id)),
                // Gone since: perhaps merged into somebody else.
                Read::Gone if self.can_look_up() => return self.look_up(crm, key).await,
                Read::Gone => {}
            }
        }
        match self.picture {
            Some(picture) if !anew || !self.can_look_up() => Ok(Known::Absent(Some(picture))),
            _ => self.look_up(crm, key).await,
        }
    }

    /// Looks a person up now.
    pub(super) async fn look_up(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
    ) -> Result<Known, CrmFailure> {
        if !self.can_look_up() {
            return Err(unlisted());
        }
        match crm.find(key).await? {
            Lookup::FilterIgnored => Err(CrmFailure::Everything {
                disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
                message: "Clinch ignores the e-mail filter; set contractOverrides.filterParameter"
                    .to_owned(),
            }),
            found => Ok(Known::looked_up(found)),
        }
    }
}

/// The list is not to be believed any more, and nothing else tells who is there.
fn unlisted() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "somebody else changed the account, and Clinch does not find people by e-mail \
                  address: the candidate list is read again"
            .to_owned(),
    }
}
