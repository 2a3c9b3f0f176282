//! What this process does for an integration, so that it can hand the integration over to the process of another
//! shard once nothing of that is left, and does nothing more afterwards. No I/O.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::cluster::{Cluster, ObjectKey, Refers, holding_shard, integration_of};

/// The passes and runs of exports and imports, by the UID of their integration.
#[derive(Clone, Default)]
pub(super) struct Shards(Arc<Mutex<HashMap<String, Held>>>);

/// An integration that this process has, or had.
#[derive(Default)]
struct Held {
    /// How many passes and runs use it now.
    uses: usize,
    /// The UIDs of what has used it.
    users: HashSet<String>,
    /// Whether it was handed over.
    is_ceded: bool,
    /// The shard in its label, while that has no process.
    misses: Option<String>,
}

impl Shards {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a pass of an export or import with this spec; `None` if it is for another process.
    pub(super) fn enter(
        &self,
        cluster: &impl Cluster,
        (key, uid): (&ObjectKey, &str),
        spec: &impl Refers,
    ) -> Option<Use> {
        let found = cluster.integration(&integration_of(key, spec));
        if let Some(own) = cluster.shard() {
            let holder = found.as_ref().map(|found| holding_shard(found));
            if holder.map_or(!own.is_default(), |holder| holder != own.as_str()) {
                return None;
            }
        }
        // What does not exist is not handed over.
        let integration = found.and_then(|found| found.metadata.uid.clone()).unwrap_or_default();
        let mut held = self.lock();
        let entry = held.entry(integration.clone()).or_default();
        if entry.is_ceded {
            return None;
        }
        // It may have named another one before, which is handed over without it.
        for (other, entry) in held.iter_mut() {
            if *other != integration {
                entry.users.remove(uid);
            }
        }
        let entry = held.entry(integration.clone()).or_default();
        entry.uses += 1;
        entry.users.insert(uid.to_owned());
        Some(Use { shards: self.clone(), integration })
    }

    /// The use of an integration by something else than a pass; `None` once it was handed over.
    pub(super) fn hold(&self, integration: &str) -> Option<Use> {
        let mut held = self.lock();
        let entry = held.entry(integration.to_owned()).or_default();
        if entry.is_ceded {
            return None;
        }
        entry.uses += 1;
        Some(Use { shards: self.clone(), integration: integration.to_owned() })
    }

    /// Whether nothing uses an integration.
    pub(super) fn is_idle(&self, integration: &str) -> bool {
        self.lock().get(integration).is_none_or(|held| held.uses == 0)
    }

    /// Uses an integration from now on: its status says that this process has it.
    pub(super) fn take(&self, integration: &str) {
        if let Some(held) = self.lock().get_mut(integration) {
            held.is_ceded = false;
            held.misses = None;
        }
    }

    /// Keeps an integration whose label names a shard without a process; whether that is news.
    pub(super) fn misses(&self, integration: &str, shard: &str) -> bool {
        let mut held = self.lock();
        let entry = held.entry(integration.to_owned()).or_default();
        entry.is_ceded = false;
        entry.misses.replace(shard.to_owned()).as_deref() != Some(shard)
    }

    /// Ceases to use an integration, unless something uses it still; the UIDs of what has used it.
    pub(super) fn cede(&self, integration: &str) -> Option<HashSet<String>> {
        let mut held = self.lock();
        let entry = held.entry(integration.to_owned()).or_default();
        if entry.uses > 0 {
            return None;
        }
        entry.is_ceded = true;
        Some(std::mem::take(&mut entry.users))
    }

    /// Forgets a deleted integration.
    pub(super) fn forget(&self, integration: &str) {
        let mut held = self.lock();
        if let Some(entry) = held.get_mut(integration) {
            entry.is_ceded = false;
            if entry.uses == 0 {
                held.remove(integration);
            }
        }
    }

    /// Forgets a deleted export or import.
    pub(super) fn forget_user(&self, uid: &str) {
        self.lock().values_mut().for_each(|held| {
            held.users.remove(uid);
        });
    }
}

/// The use of an integration by a pass, and by the run that it starts.
pub(super) struct Use {
    shards: Shards,
    integration: String,
}

impl Clone for Use {
    fn clone(&self) -> Self {
        self.shards.lock().entry(self.integration.clone()).or_default().uses += 1;
        Self { shards: self.shards.clone(), integration: self.integration.clone() }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if let Some(held) = self.shards.lock().get_mut(&self.integration) {
            held.uses = held.uses.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(shards: &Shards, uid: &str) -> Use {
        let mut held = shards.lock();
        let entry = held.entry("i".to_owned()).or_default();
        entry.uses += 1;
        entry.users.insert(uid.to_owned());
        drop(held);
        Use { shards: shards.clone(), integration: "i".to_owned() }
    }

    #[test]
    fn an_integration_is_ceded_once_no_pass_and_no_run_uses_it() {
        let shards = Shards::default();
        let pass = used(&shards, "e1");
        let run = pass.clone();
        drop(pass);
        assert!(!shards.is_idle("i"));
        assert_eq!(shards.cede("i"), None, "the run works");
        drop(run);
        assert!(shards.is_idle("i"));
        drop(used(&shards, "e2"));
        let users = shards.cede("i").unwrap();
        assert_eq!(users, HashSet::from(["e1".to_owned(), "e2".to_owned()]));
        assert!(shards.lock()["i"].is_ceded);
        assert_eq!(shards.cede("i"), Some(HashSet::new()), "again after a failed write");
        shards.take("i");
        assert!(!shards.lock()["i"].is_ceded);
        assert!(shards.is_idle("unknown"));
    }

    #[test]
    fn what_is_deleted_is_forgotten() {
        let shards = Shards::default();
        let run = used(&shards, "e1");
        shards.forget_user("e1");
        shards.forget("i");
        assert!(!shards.is_idle("i"), "the run works still");
        drop(run);
        assert_eq!(shards.cede("i"), Some(HashSet::new()));
        shards.forget("i");
        assert!(shards.lock().is_empty());
    }
}
