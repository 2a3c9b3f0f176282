//! Which reconciles were requested and have not begun, and since when. Reads the tokio clock; no other
//! I/O.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::cluster::{Kind, ObjectKey};

/// The requested reconciles; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<(Kind, ObjectKey), Instant>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Kind, ObjectKey), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reconcile was requested. Requests for one object are merged.
    pub(super) fn requested(&self, kind: Kind, key: &ObjectKey) {
        self.lock().entry((kind, key.clone())).or_insert_with(Instant::now);
    }

    /// A reconcile began, or there is no such object.
    pub(super) fn over(&self, kind: Kind, key: &ObjectKey) {
        self.lock().remove(&(kind, key.clone()));
    }

    /// How many reconciles of a kind are waited for, and for how long the first of them.
    pub(super) fn of(&self, kind: Kind) -> (usize, Duration) {
        let waiting = self.lock();
        let of_kind = waiting.iter().filter(|((of, _), _)| *of == kind);
        let (count, first) = (of_kind.clone().count(), of_kind.map(|(_, since)| *since).min());
        (count, first.map(|at| at.elapsed()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_object_waits_once_from_its_first_request_until_it_is_reconciled() {
        let waiting = Waiting::default();
        let (a, b) = (ObjectKey::new("n", "a"), ObjectKey::new("n", "b"));
        waiting.requested(Kind::Export, &a);
        advance(Duration::from_secs(3)).await;
        waiting.requested(Kind::Export, &a);
        waiting.requested(Kind::Export, &b);
        assert_eq!(waiting.of(Kind::Export), (2, Duration::from_secs(3)));
        assert_eq!(waiting.of(Kind::Import), (0, Duration::ZERO));
        waiting.over(Kind::Export, &a);
        assert_eq!(waiting.of(Kind::Export), (1, Duration::ZERO));
    }
}
