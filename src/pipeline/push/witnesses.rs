//! A few people written through an integration, by whom its account is recognised later. No I/O.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ClinchId;

/// Up to [`Witnesses::MOST`] people written to one account.
#[derive(Clone)]
pub struct Witnesses {
    ids: Arc<Mutex<Vec<ClinchId>>>,
    notify: Arc<dyn Fn() + Send + Sync>,
}

impl Witnesses {
    /// Maximum number kept.
    pub const MOST: usize = 3;

    /// Starts with the known ones; calls `notify` for each that is added.
    pub fn new(mut known: Vec<ClinchId>, notify: impl Fn() + Send + Sync + 'static) -> Self {
        known.truncate(Self::MOST);
        Self { ids: Arc::new(Mutex::new(known)), notify: Arc::new(notify) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ClinchId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The people kept.
    pub fn get(&self) -> Vec<ClinchId> {
        self.lock().clone()
    }

    /// Notes a person who was just written.
    pub(super) fn note(&self, id: &ClinchId) {
        let mut ids = self.lock();
        if ids.len() < Self::MOST && !ids.contains(id) {
            ids.push(id.clone());
            drop(ids);
            (self.notify)();
        }
    }
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witnesses({} people)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_first_three_are_kept_and_each_notifies_once() {
        let notified = Arc::new(AtomicUsize::new(0));
        let count = notified.clone();
        let id = |text: &str| ClinchId::parse(text).unwrap();
        let witnesses = Witnesses::new(vec![id("a")], move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for written in ["a", "b", "b", "c", "d"] {
            witnesses.note(&id(written));
        }
        assert_eq!(witnesses.get(), [id("a"), id("b"), id("c")]);
        assert_eq!(notified.load(Ordering::Relaxed), 2);
    }
}
