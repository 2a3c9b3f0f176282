//! Counts, for each export, the names of what would change. In memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    cluster::ObjectKey,
    controllers::Reports,
    pipeline::{RecordLine, RecordReport},
};

/// How many people each name concerns.
type Counted = BTreeMap<String, u64>;

/// What would change, by export.
#[derive(Default)]
pub(super) struct Changes {
    by_export: Mutex<HashMap<ObjectKey, Arc<Mutex<Counted>>>>,
    also: Option<Arc<dyn Reports>>,
}

impl Changes {
    /// Passes every line on to another report.
    pub(super) fn also(also: Option<Arc<dyn Reports>>) -> Self {
        Self { by_export: Mutex::default(), also }
    }

    /// What would change in the people of an export; `None` if no run of it has started.
    pub(super) fn of_export(&self, export: &ObjectKey) -> Option<Counted> {
        let by_export = lock(&self.by_export);
        by_export.get(export).map(|counted| lock(counted).clone())
    }
}

impl Reports for Changes {
    fn of(&self, export: &ObjectKey, revision: &str) -> Arc<dyn RecordReport> {
        // Each attempt of a dry run decides all records again.
        let counted = Arc::<Mutex<Counted>>::default();
        lock(&self.by_export).insert(export.clone(), Arc::clone(&counted));
        Arc::new(OfRun { counted, also: self.also.as_ref().map(|also| also.of(export, revision)) })
    }
}

/// The changes of one run.
struct OfRun {
    counted: Arc<Mutex<Counted>>,
    also: Option<Arc<dyn RecordReport>>,
}

impl RecordReport for OfRun {
    fn add(&self, line: RecordLine) {
        let mut counted = lock(&self.counted);
        for name in &line.changed {
            *counted.entry(name.clone()).or_default() += 1;
        }
        drop(counted);
        if let Some(also) = &self.also {
            also.add(line);
        }
    }

    fn make_room(&self) {
        if let Some(also) = &self.also {
            also.make_room();
        }
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
