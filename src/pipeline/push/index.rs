//! Who of the people of a run is in Clinch: from the candidate list where it was read, else by request.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::{
    census::Snapshot,
    crm::{Crm, CrmFailure, CrmPerson, Lookup, Read},
    suggestions::Suggestions,
};
use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    ledger::{KeyHash, Table},
    pipeline::weight::weight,
};

/// How many bytes of attributes are kept. Beyond that only ids are, and attributes are read when the
/// person is pushed.
const KEPT_BYTES: usize = 16 << 20;

/// What is known of the people of a run.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    seen: HashMap<KeyHash, Seen>,
    /// The ids of people seen after `seen` was full.
    ids_only: Table,
    kept_bytes: usize,
    /// The ids under which other exports of the account know people.
    pub(super) of_neighbours: Table,
    /// Everybody whom the list showed as anonymised.
    pub(super) anonymised: HashSet<ClinchId>,
    /// The list, if it proves who is absent.
    pub(super) snapshot: Option<Snapshot>,
    /// When it was begun to be read.
    pub(super) read_at: Option<Instant>,
    /// Whether people can be looked up.
    pub(super) filter: Filter,
    /// Who has the profiles of people who are not found.
    pub(super) suggestions: Suggestions,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Filter {
    /// It can be trusted.
    #[default]
    Honoured,
    /// Nobody is there yet to prove it with.
    Unproved,
    /// Its results cannot be trusted.
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
    /// They exist.
    Person {
        /// The person.
        person: CrmPerson,
        /// Whether they were just read.
        fresh: bool,
    },
    /// They were anonymised.
    Anonymised(ClinchId),
    /// Several people have the match key.
    Several(usize),
    /// They are absent, according to the list (`Some`) or to a look-up made just now (`None`).
    Absent(Option<Snapshot>),
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
                // The same person again: in a second reading, or on a page that shifted meanwhile.
                Seen::One(known) if known.id == person.id => return,
                Seen::One(_) => Seen::Several(2),
                Seen::Several(count) => Seen::Several(*count),
            };
        } else if let Some(id) = self.ids_only.get(&key) {
            if id != person.id.as_str().as_bytes() {
                self.seen.insert(key, Seen::Several(2));
            }
        } else if self.kept_bytes < KEPT_BYTES {
            self.kept_bytes += size_of::<(KeyHash, Seen)>() + weight(&person.attributes);
            self.seen.insert(key, Seen::One(person));
        } else {
            self.ids_only.insert(&key, person.id.as_str().as_bytes());
        }
    }

    /// Whether the list showed the person.
    pub(super) fn shows(&self, hash: &KeyHash) -> bool {
        self.seen.contains_key(hash) || self.ids_only.get(hash).is_some()
    }

    /// Whether the person is known from the ledger of another export alone, by this id.
    pub(super) fn is_of_neighbours(&self, hash: &KeyHash, id: &ClinchId) -> bool {
        let known = self.of_neighbours.get(hash);
        !self.shows(hash) && known.is_some_and(|known| known == id.as_str().as_bytes())
    }

    /// Whether people can be looked up.
    pub(super) fn can_look_up(&self) -> bool {
        self.filter != Filter::Ignored
    }

    /// Finds a person; makes requests only if the index does not know. `recheck`: an absence shown by
    /// the list is not enough. `Gone`: the person was there under another id, or is known to another export;
    /// and can be looked up.
    pub(super) async fn find(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
        hash: &KeyHash,
        recheck: bool,
    ) -> Result<Known, CrmFailure> {
        match self.seen.get(hash) {
            Some(Seen::One(one)) => return Ok(Known::Person { person: one.clone(), fresh: false }),
            Some(Seen::Several(count)) => return Ok(Known::Several(*count)),
            None => {}
        }
        for known in [&self.ids_only, &self.of_neighbours] {
            let id = known.get(hash).and_then(|id| std::str::from_utf8(id).ok());
            let Some(id) = id.and_then(|id| ClinchId::parse(id).ok()) else { continue };
            if self.anonymised.contains(&id) {
                return Ok(Known::Anonymised(id));
            }
            match crm.get(&id).await? {
                Read::Present(person) => return Ok(Known::Person { person, fresh: true }),
                Read::Anonymised => return Ok(Known::Anonymised(id)),
                // Gone since: possibly merged into another person.
                Read::Gone if self.can_look_up() => return Err(CrmFailure::Gone),
                Read::Gone => {}
            }
        }
        match self.snapshot {
            Some(snapshot) if !recheck || !self.can_look_up() => Ok(Known::Absent(Some(snapshot))),
            _ => self.look_up(crm, key).await,
        }
    }

    /// Looks a person up.
    pub(super) async fn look_up(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
    ) -> Result<Known, CrmFailure> {
        if !self.can_look_up() {
            return Err(unlisted());
        }
        match crm.find(key).await? {
            // The next run finds somebody there, and does without look-ups.
            Lookup::FilterIgnored if self.filter == Filter::Unproved => Err(unusable()),
            Lookup::FilterIgnored => Err(CrmFailure::Everything {
                disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
                message: "Clinch ignores the e-mail filter; set contractOverrides.filterParameter"
                    .to_owned(),
            }),
            found => Ok(Known::looked_up(found)),
        }
    }
}

/// Look-ups were not proved yet, and cannot be used.
fn unusable() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "Clinch ignores the e-mail filter: the candidate list is read instead".to_owned(),
    }
}

/// The list is no longer valid, and people cannot be looked up.
fn unlisted() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "somebody else changed the account, and Clinch does not find people by e-mail \
                  address: the candidate list is read again"
            .to_owned(),
    }
}
