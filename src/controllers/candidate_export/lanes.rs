//! Which runs work at a time. No I/O.
//!
//! A run of a large source may take hours, so small ones have a lane of their own and never wait
//! behind it. In each lane one integration has at most half of the places: one that answers slowly
//! leaves the others theirs. What is held in memory stays bounded by the places of both lanes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{pipeline::Source, source::Part};

/// Most bytes of a small source, as it is stored.
const SMALL_BYTES: usize = 64 << 10;
/// Most bytes of a small source that is compressed.
const SMALL_COMPRESSED_BYTES: usize = 4 << 10;
/// Most profiles of a small source that holds them as values.
const SMALL_PROFILES: usize = 100;

/// How long a run may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Over in a short time.
    Small,
    /// Perhaps not.
    Large,
}

impl Size {
    /// The size of what a source may hold.
    pub(super) fn of(source: &Source) -> Self {
        let small = match source {
            Source::Inline(profiles) => profiles.len() <= SMALL_PROFILES,
            Source::Parts { parts, .. } => {
                let compressed = parts.iter().any(Part::is_compressed);
                let most = if compressed { SMALL_COMPRESSED_BYTES } else { SMALL_BYTES };
                parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= most
            }
            Source::Remote { .. } => false,
        };
        if small { Self::Small } else { Self::Large }
    }
}

/// The places of all runs.
#[derive(Debug)]
pub(crate) struct Lanes {
    small: Lane,
    large: Lane,
}

#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    share: usize,
    /// Of integrations with a run that works or waits.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The right to work; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    _place: Option<OwnedSemaphorePermit>,
    _share: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// Lanes with so many places each.
    pub(crate) fn new(places: usize) -> Self {
        Self { small: Lane::new(places), large: Lane::new(places) }
    }

    /// Waits for a place: first come, first served within lane and integration.
    pub(super) async fn enter(&self, integration: &str, size: Size) -> Place {
        let lane = match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        };
        // The semaphores are never closed; were they, running without a permit does no harm.
        let share = lane.share_of(integration).acquire_owned().await.ok();
        Place { _place: Arc::clone(&lane.places).acquire_owned().await.ok(), _share: share }
    }
}

impl Lane {
    fn new(places: usize) -> Self {
        let places = places.max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            share: places.div_ceil(2),
            shares: Mutex::default(),
        }
    }

    fn share_of(&self, integration: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(integration).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(integration.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::source::{CsvOptions, Limits, Part};

    /// Enters if there is a place now.
    fn try_enter(lanes: &Lanes, integration: &str, size: Size) -> Option<Place> {
        lanes.enter(integration, size).now_or_never()
    }

    fn of_parts(bytes: Vec<u8>) -> Size {
        let parts = vec![Part { name: "a".into(), bytes: bytes.into(), format: None }];
        let (csv, limits) = (CsvOptions::default(), Limits::default());
        Size::of(&Source::Parts { parts, csv, limits })
    }

    #[test]
    fn a_small_run_does_not_wait_behind_large_ones() {
        let lanes = Lanes::new(4);
        let held: Vec<_> =
            ["a", "a", "b", "b"].map(|name| try_enter(&lanes, name, Size::Large)).into();
        assert!(held.iter().all(Option::is_some));
        assert!(try_enter(&lanes, "c", Size::Large).is_none(), "the lane is full");
        assert!(try_enter(&lanes, "a", Size::Small).is_some());
        drop(held);
        assert!(try_enter(&lanes, "c", Size::Large).is_some());
    }

    #[test]
    fn one_integration_leaves_half_of_the_places_to_the_others() {
        for size in [Size::Small, Size::Large] {
            let lanes = Lanes::new(4);
            let held = [try_enter(&lanes, "a", size), try_enter(&lanes, "a", size)];
            assert!(held.iter().all(Option::is_some));
            assert!(try_enter(&lanes, "a", size).is_none());
            assert!(try_enter(&lanes, "b", size).is_some());
            drop(held);
            assert!(try_enter(&lanes, "a", size).is_some(), "given back");
        }
        assert!(try_enter(&Lanes::new(1), "a", Size::Large).is_some(), "one place is a place");
    }

    #[test]
    fn integrations_that_are_gone_are_forgotten() {
        let lanes = Lanes::new(4);
        for n in 0..100 {
            assert!(try_enter(&lanes, &n.to_string(), Size::Small).is_some());
        }
        assert!(lanes.small.shares.lock().unwrap().len() <= 2);
    }

    #[test]
    fn a_source_is_small_if_it_cannot_hold_many() {
        let profiles = |count| Source::Inline(vec![serde_json::Value::Null; count].into());
        assert_eq!(Size::of(&profiles(SMALL_PROFILES)), Size::Small);
        assert_eq!(Size::of(&profiles(SMALL_PROFILES + 1)), Size::Large);
        assert_eq!(of_parts(vec![b'a'; SMALL_BYTES]), Size::Small);
        assert_eq!(of_parts(vec![b'a'; SMALL_BYTES + 1]), Size::Large);
        let compressed = |length| [&[0x1f, 0x8b][..], &vec![0; length - 2]].concat();
        assert_eq!(of_parts(compressed(SMALL_COMPRESSED_BYTES)), Size::Small);
        assert_eq!(of_parts(compressed(SMALL_COMPRESSED_BYTES + 1)), Size::Large);
    }
}
