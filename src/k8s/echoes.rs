//! How far the watches are behind: each status that this process writes comes back through its watch.
//! Reads the tokio clock; no other I/O.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::cluster::Kind;

/// Writes that no watch has delivered yet, by the UID of their object; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Echoes(Arc<Mutex<HashMap<String, Written>>>);

#[derive(Debug)]
struct Written {
    kind: Kind,
    version: u64,
    at: Instant,
}

impl Echoes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object was written, and has this version now. `seen`: the version that the watch has
    /// delivered, read after the write is noted, so that an event in between is not missed.
    pub(super) fn written(
        &self,
        kind: Kind,
        uid: &str,
        version: &str,
        seen: impl FnOnce() -> Option<String>,
    ) {
        // Versions that are no numbers cannot be compared.
        let Ok(version) = version.parse() else { return };
        let at = Instant::now();
        self.lock()
            .entry(uid.to_owned())
            .and_modify(|written| written.version = version)
            .or_insert(Written { kind, version, at });
        if let Some(seen) = seen() {
            self.seen(uid, &seen);
        }
    }

    /// A watch delivered this version of an object.
    pub(super) fn seen(&self, uid: &str, version: &str) {
        let Ok(version) = version.parse::<u64>() else { return };
        let mut waiting = self.lock();
        if waiting.get(uid).is_some_and(|written| written.version <= version) {
            waiting.remove(uid);
        }
    }

    /// The object is gone.
    pub(super) fn gone(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// For how long the oldest write of a kind has not come back.
    pub(super) fn lag(&self, kind: Kind) -> Duration {
        let waiting = self.lock();
        let oldest = waiting.values().filter(|written| written.kind == kind).map(|w| w.at).min();
        oldest.map(|at| at.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_lags_until_its_version_or_a_later_one_is_delivered() {
        let echoes = Echoes::default();
        echoes.written(Kind::Export, "u", "10", || Some("9".to_owned()));
        advance(Duration::from_secs(2)).await;
        echoes.seen("u", "9");
        assert_eq!(echoes.lag(Kind::Export), Duration::from_secs(2));
        assert_eq!(echoes.lag(Kind::Import), Duration::ZERO);
        echoes.seen("u", "11");
        assert_eq!(echoes.lag(Kind::Export), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_the_watch_delivered_first_does_not_lag() {
        let echoes = Echoes::default();
        echoes.written(Kind::Export, "u", "10", || Some("10".to_owned()));
        echoes.written(Kind::Export, "v", "not a number", || None);
        advance(Duration::from_secs(2)).await;
        assert_eq!(echoes.lag(Kind::Export), Duration::ZERO);
        echoes.written(Kind::Export, "w", "12", || None);
        echoes.gone("w");
        advance(Duration::from_secs(2)).await;
        assert_eq!(echoes.lag(Kind::Export), Duration::ZERO);
    }
}
