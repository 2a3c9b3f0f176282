//! Which runs work concurrently. No I/O.
//!
//! A run of a large source may take hours, so small ones have a pool of their own and never wait
//! behind it. In each pool one integration holds at most half of the permits, so that a slow account
//! does not block the others. The permits of both pools bound what is held in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{pipeline::Source, source::Part};

/// Maximum size of a small source as it is stored, in bytes.
const SMALL_BYTES: usize = 64 << 10;
/// Maximum size of a small compressed source, in bytes.
const SMALL_COMPRESSED_BYTES: usize = 4 << 10;
/// Maximum number of profiles of a small inline source.
const SMALL_PROFILES: usize = 100;

/// How long a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::controllers) enum Size {
    /// Seconds.
    Small,
    /// Up to hours.
    Large,
}

impl Size {
    /// The size of what a source may hold.
    pub(in crate::controllers) fn of(source: &Source) -> Self {
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

/// The pools that all runs take their permits from.
#[derive(Debug)]
pub(in crate::controllers) struct RunLimiter {
    small: Pool,
    large: Pool,
}

#[derive(Debug)]
struct Pool {
    permits: Arc<Semaphore>,
    share: usize,
    /// By integration, while one of its runs works or waits.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Permission to work; returned on drop.
#[derive(Debug)]
pub(in crate::controllers) struct RunPermit {
    _permit: Option<OwnedSemaphorePermit>,
    _share: Option<OwnedSemaphorePermit>,
}

impl RunLimiter {
    /// Two pools of `permits` each.
    pub(in crate::controllers) fn new(permits: usize) -> Self {
        Self { small: Pool::new(permits), large: Pool::new(permits) }
    }

    /// Waits for a permit: first come, first served within pool and integration.
    pub(in crate::controllers) async fn acquire(&self, integration: &str, size: Size) -> RunPermit {
        let pool = match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        };
        // The semaphores are never closed; were they, running without a permit does no harm.
        let share = pool.share_of(integration).acquire_owned().await.ok();
        RunPermit { _permit: Arc::clone(&pool.permits).acquire_owned().await.ok(), _share: share }
    }
}

impl Pool {
    fn new(permits: usize) -> Self {
        let permits = permits.max(1);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            share: permits.div_ceil(2),
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

    /// A permit, if one is free now.
    fn try_acquire(limiter: &RunLimiter, integration: &str, size: Size) -> Option<RunPermit> {
        limiter.acquire(integration, size).now_or_never()
    }

    fn of_parts(bytes: Vec<u8>) -> Size {
        let parts = vec![Part { name: "a".into(), bytes: bytes.into(), format: None }];
        let (csv, limits) = (CsvOptions::default(), Limits::default());
        Size::of(&Source::Parts { parts, csv, limits })
    }

    #[test]
    fn a_small_run_does_not_wait_behind_large_ones() {
        let limiter = RunLimiter::new(4);
        let held: Vec<_> =
            ["a", "a", "b", "b"].map(|name| try_acquire(&limiter, name, Size::Large)).into();
        assert!(held.iter().all(Option::is_some));
        assert!(try_acquire(&limiter, "c", Size::Large).is_none(), "the pool is used up");
        assert!(try_acquire(&limiter, "a", Size::Small).is_some());
        drop(held);
        assert!(try_acquire(&limiter, "c", Size::Large).is_some());
    }

    #[test]
    fn one_integration_leaves_half_of_the_places_to_the_others() {
        for size in [Size::Small, Size::Large] {
            let limiter = RunLimiter::new(4);
            let held = [try_acquire(&limiter, "a", size), try_acquire(&limiter, "a", size)];
            assert!(held.iter().all(Option::is_some));
            assert!(try_acquire(&limiter, "a", size).is_none());
            assert!(try_acquire(&limiter, "b", size).is_some());
            drop(held);
            assert!(try_acquire(&limiter, "a", size).is_some(), "returned");
        }
        assert!(try_acquire(&RunLimiter::new(1), "a", Size::Large).is_some(), "half of one is one");
    }

    #[test]
    fn idle_integrations_are_forgotten() {
        let limiter = RunLimiter::new(4);
        for n in 0..100 {
            assert!(try_acquire(&limiter, &n.to_string(), Size::Small).is_some());
        }
        assert!(limiter.small.shares.lock().unwrap().len() <= 2);
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
