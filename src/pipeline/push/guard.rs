//! What the runs of one Clinch account share: claims, so that each person has at most one create in
//! flight, and what is known of the account. No I/O; reads the tokio clock.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{
    census::Census, doubts::Doubts, errored::ErroredRecords, look_ups::LookUps,
    neighbours::Directory, own_forms::OwnForms, seen_resumes::SeenResumes, unread::UnreadResumes,
};
use crate::domain::{ClinchId, MatchKey};

/// Shared by the runs of one account, whichever integration they belong to.
///
/// It also remembers the people those runs created, as long as a run may hold an older snapshot of
/// Clinch: until no run is left. For a single run it remembers only the last few, in case another
/// run starts before Clinch's look-ups show them.
#[derive(Debug, Default)]
pub struct PeopleGuard {
    people: Mutex<People>,
    pub(super) census: Census,
    pub(super) directory: Directory,
    pub(super) look_ups: LookUps,
    seeds: Seeds,
    pub(super) at_rest: Arc<AtRest>,
    /// Requests that may still be carried out.
    pub(super) doubts: Doubts,
    /// Records that could not be decided in earlier runs.
    pub(super) errored: ErroredRecords,
    /// Resumes that could not be read in earlier runs.
    pub(super) unread: UnreadResumes,
    /// Resumes that were read in earlier runs.
    pub(super) seen: SeenResumes,
    /// Values that Clinch stores in a form of its own.
    pub(super) own_forms: OwnForms,
}

/// The seed of the next run's samples. It differs between processes, too.
#[derive(Debug)]
struct Seeds(AtomicU64);

impl Default for Seeds {
    fn default() -> Self {
        Self(RandomState::new().hash_one(()).into())
    }
}

/// The exports, by UID, whose latest run ended in this process and left no request under way; and the position
/// at which their ledgers ended then. If a ledger has grown since, another process has had the export.
#[derive(Debug, Default)]
pub struct AtRest(Mutex<HashMap<String, u64>>);

impl AtRest {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the run of an export ended and left no request under way. `end`: the position after the
    /// last segment of its ledger.
    pub(super) fn insert(&self, export: &str, end: u64) {
        self.lock().insert(export.to_owned(), end);
    }

    /// Whether no request of an export can be under way whose ledger ends here.
    pub(super) fn contains(&self, export: &str, end: u64) -> bool {
        self.lock().get(export) == Some(&end)
    }

    /// Notes that an export is about to make requests.
    pub(super) fn remove(&self, export: &str) {
        self.lock().remove(export);
    }
}

#[derive(Debug, Default)]
struct People {
    claimed: HashMap<MatchKey, Arc<tokio::sync::Mutex<()>>>,
    created: HashMap<MatchKey, ClinchId>,
    /// The part of `created` that is forgotten again, oldest first.
    recent: VecDeque<MatchKey>,
    /// When each run in progress started.
    runs: Vec<Instant>,
}

/// How many people a single run remembers.
const REMEMBERED: usize = 4096;

/// The membership of a run; ends on drop.
#[derive(Debug)]
pub struct Membership {
    guard: Arc<PeopleGuard>,
    started: Instant,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut people = self.guard.people();
        if let Some(own) = people.runs.iter().position(|started| *started == self.started) {
            people.runs.swap_remove(own);
        }
        if people.runs.is_empty() {
            people.created = HashMap::new();
            people.recent = VecDeque::new();
        }
        self.guard.doubts.forget(people.runs.iter().min().copied());
    }
}

/// The exclusive right to handle one person; ends on drop.
#[derive(Debug)]
pub struct Claim {
    guard: Arc<PeopleGuard>,
    key: MatchKey,
    turn: Option<OwnedMutexGuard<()>>,
}

impl PeopleGuard {
    /// A guard for another account of the same process.
    pub fn sharing(at_rest: Arc<AtRest>) -> Self {
        Self { at_rest, ..Self::default() }
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A guard whose runs take the same samples each time: for tests.
    pub fn with_seed(seed: u64) -> Self {
        Self { seeds: Seeds(seed.into()), ..Self::default() }
    }

    /// The seed of the samples of a run: another one for each.
    pub(super) fn seed(&self) -> u64 {
        self.seeds.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Joins as a run.
    pub fn join(self: &Arc<Self>) -> Membership {
        let started = Instant::now();
        self.people().runs.push(started);
        Membership { guard: self.clone(), started }
    }

    /// Waits until no other task handles this person.
    pub async fn claim(self: &Arc<Self>, key: &MatchKey) -> Claim {
        let turn = self.people().claimed.entry(key.clone()).or_default().clone();
        let turn = turn.lock_owned().await;
        Claim { guard: self.clone(), key: key.clone(), turn: Some(turn) }
    }
}

impl Claim {
    /// The person, if a run of this account created them since the oldest run started.
    pub fn created(&self) -> Option<ClinchId> {
        self.guard.people().created.get(&self.key).cloned()
    }

    /// Notes that the person was created.
    pub fn note_created(&self, id: &ClinchId) {
        let mut people = self.guard.people();
        if people.runs.is_empty() {
            return;
        }
        people.created.insert(self.key.clone(), id.clone());
        if people.runs.len() == 1 {
            people.recent.push_back(self.key.clone());
            if people.recent.len() > REMEMBERED
                && let Some(oldest) = people.recent.pop_front()
            {
                people.created.remove(&oldest);
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut people = self.guard.people();
        drop(self.turn.take());
        // Only the map still owns it: no task waits for the turn.
        if people.claimed.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            people.claimed.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_takes_other_samples_and_a_seed_repeats_them() {
        let seeds = |guard: PeopleGuard| [guard.seed(), guard.seed()];
        assert_eq!(seeds(PeopleGuard::with_seed(7)), [7, 8]);
        assert_ne!(seeds(PeopleGuard::default()), seeds(PeopleGuard::default()));
    }

    fn key() -> MatchKey {
        MatchKey::fold("jane@example.com").unwrap()
    }

    #[tokio::test]
    async fn the_second_claim_waits_and_sees_what_the_first_created() {
        let guard = Arc::new(PeopleGuard::default());
        let _runs = (guard.join(), guard.join());
        let first = guard.claim(&key()).await;
        let waiting = tokio::spawn({
            let guard = guard.clone();
            async move { guard.claim(&key()).await.created() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        first.note_created(&ClinchId::parse("c1").unwrap());
        drop(first);
        assert_eq!(waiting.await.unwrap(), Some(ClinchId::parse("c1").unwrap()));
        assert!(guard.people().claimed.is_empty(), "claims leave nothing behind");
    }

    #[tokio::test]
    async fn a_single_run_remembers_the_last_few() {
        let guard = Arc::new(PeopleGuard::default());
        let _run = guard.join();
        let id = ClinchId::parse("c1").unwrap();
        let person = |n| MatchKey::fold(&format!("{n}@example.com")).unwrap();
        for n in 0..REMEMBERED + 10 {
            guard.claim(&person(n)).await.note_created(&id);
        }
        assert_eq!(guard.people().created.len(), REMEMBERED);
        assert_eq!(guard.claim(&person(9)).await.created(), None);
        assert_eq!(guard.claim(&person(10)).await.created(), Some(id.clone()));
        let _other = guard.join();
        for n in 0..REMEMBERED {
            guard.claim(&person(100_000 + n)).await.note_created(&id);
        }
        assert_eq!(guard.claim(&person(10)).await.created(), Some(id), "two runs: all of them");
    }

    #[tokio::test]
    async fn memory_is_released_when_no_run_is_left() {
        let guard = Arc::new(PeopleGuard::default());
        let run = guard.join();
        guard.claim(&key()).await.note_created(&ClinchId::parse("c1").unwrap());
        drop(run);
        assert_eq!(guard.claim(&key()).await.created(), None);
    }
}
