//! How many people an import may know. A Clinch whose people have other ids in every answer would fill its
//! state without end. Pure.

use super::halt::Halt;
use crate::domain::{Disposition, Reason};

/// The most people whom an import knows, wherever that is kept: their state takes 56 MB a million in memory.
/// Those who are gone count, since their tombstones are remembered.
const MOST_KNOWN: u64 = 4_000_000;

/// How many people an import may know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    most: u64,
    /// Whether that is because of where its state is kept.
    by_store: bool,
}

impl Capacity {
    /// `store`: how many the store may hold, if it has a limit.
    pub(super) fn of(store: Option<u64>) -> Self {
        let most = store.unwrap_or(MOST_KNOWN).min(MOST_KNOWN);
        Self { most, by_store: most < MOST_KNOWN }
    }

    /// Fails if so many people are too many to be known.
    pub(super) fn check(self, people: u64) -> Result<(), Halt> {
        let Self { most, by_store } = self;
        if people <= most {
            return Ok(());
        }
        let remedy = if by_store {
            "set the operator's --ledger-url to keep the state of imports in an object store"
        } else {
            "if people have other ids than before, create another import; else select fewer"
        };
        Err(Halt::Unread {
            disposition: Disposition::Stalled { reason: Reason::LedgerTooLarge },
            message: format!(
                "the import would know {people} people, and may know {most}, with those who are gone; \
                 what was written stays, and nobody else is written: {remedy}"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(store: Option<u64>, people: u64) -> Option<String> {
        match Capacity::of(store).check(people) {
            Err(Halt::Unread { message, .. }) => Some(message),
            _ => None,
        }
    }

    #[test]
    fn the_smaller_limit_counts_and_its_remedy_is_named() {
        assert_eq!(refusal(Some(200), 200), None);
        assert!(refusal(Some(200), 201).unwrap().contains("--ledger-url"));
        for store in [None, Some(u64::MAX)] {
            assert_eq!(refusal(store, MOST_KNOWN), None);
            assert!(refusal(store, MOST_KNOWN + 1).unwrap().contains("create another import"));
        }
    }
}
