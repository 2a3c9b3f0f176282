//! What an import is asked to do: everything that decides what it emits. Pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::mapping::ProfileMapping;
use crate::{mapping::Select, pipeline::attribute_filter::AttributeFilter};

/// The import that a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl std::fmt::Display for ImportName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an import does with people who are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// It says so, once.
    Tombstone,
    /// Nothing.
    Ignore,
}

/// How many people may be missing in a full scan before the import asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxDeletions {
    /// So many people.
    People(u64),
    /// So many percent of the people known.
    Percent(u64),
}

impl MaxDeletions {
    /// Fewer missing people than this are never held back.
    const LEAST: u64 = 10;

    /// The most people that may be missing of so many known.
    pub fn of(self, known: u64) -> u64 {
        let most = match self {
            Self::People(people) => people,
            Self::Percent(percent) => {
                let share = u128::from(known) * u128::from(percent.min(100)) / 100;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        most.max(Self::LEAST)
    }
}

/// What an import is asked to do.
#[derive(Clone)]
pub struct ImportSpec {
    /// Whose run it is.
    pub import: ImportName,
    /// How people become profiles.
    pub mapping: Arc<dyn ProfileMapping>,
    /// What may leave. Applied before mapping, selection and revisions.
    pub attributes: AttributeFilter,
    /// Who is emitted; its variable holds the id and the attributes that may leave.
    pub select: Option<Arc<Select>>,
    /// The first run emits only people who changed after this, if Clinch can be asked for them.
    pub updated_after: Option<Timestamp>,
    /// What is done with people who are gone.
    pub deletions: Deletions,
    /// How many may be missing.
    pub max_deletions: MaxDeletions,
    /// The number of the run whose missing people are accepted, if somebody accepted them.
    pub accept_deletions: Option<u64>,
    /// How long after a full scan the next one is due.
    pub full_scan_interval: Duration,
    /// Identifies mapping, permitted attributes and selection: after a change everybody is scanned.
    pub digest: String,
}

impl std::fmt::Debug for ImportSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportSpec").field("import", &self.import).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_people_are_never_held_back() {
        assert_eq!(MaxDeletions::Percent(10).of(1000), 100);
        assert_eq!(MaxDeletions::Percent(10).of(50), 10);
        assert_eq!(MaxDeletions::People(0).of(1_000_000), 10);
        assert_eq!(MaxDeletions::People(500).of(20), 500);
        assert_eq!(MaxDeletions::Percent(1000).of(u64::MAX), u64::MAX);
    }
}
