//! Requests of unknown outcome that may still be carried out, for all runs of an account: those of this
//! process, by person, and those of other processes, as far as ledgers show them. No I/O; reads the tokio
//! clock.
//!
//! A request that was not answered in time, or whose process was killed, may be carried out for as long
//! as a request may take. Until then nothing shows whether the person exists.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ledger::KeyHash;

/// What may still be carried out for an account.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Until when a request of this process for a person may be carried out, or could be: kept as long as
    /// a run may hold a list that was begun before then.
    people: HashMap<KeyHash, Instant>,
    /// Exports that left somebody undecided, and until when that cannot be decided.
    exports: HashMap<String, Instant>,
    /// The exports whose ledgers were searched for pushes of other processes. What is declared there
    /// later is this process's, or of one that runs beside it.
    searched: HashSet<String>,
    /// Whom pushes of other processes are about.
    of_others: HashSet<KeyHash>,
    /// Until when these may be carried out.
    others_until: Option<Instant>,
}

/// A push in progress. Dropped before its end, it leaves its person in doubt.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    doubts: &'a Doubts,
    person: KeyHash,
    wait: Duration,
}

impl UnderWay<'_> {
    /// It ended. `wait`: for how long a request of it may still be carried out; zero if none may. Returns
    /// until when.
    pub(super) fn end(mut self, wait: Duration) -> Instant {
        self.wait = wait;
        Instant::now() + wait
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.wait.is_zero() {
            self.doubts.note(self.person, self.wait);
        }
    }
}

impl Doubts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a push begins. `longest`: how long a request of it may take if it is abandoned.
    pub(super) fn begin(&self, person: KeyHash, longest: Duration) -> UnderWay<'_> {
        UnderWay { doubts: self, person, wait: longest }
    }

    /// Notes that a request for a person may be carried out for this long.
    pub(super) fn note(&self, person: KeyHash, wait: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        let until = state.people.entry(person).or_insert(now);
        *until = (*until).max(now + wait);
    }

    /// Forgets the people whose requests must have ended before `oldest`, when the oldest run in progress
    /// started, if there is one.
    pub(super) fn forget(&self, oldest: Option<Instant>) {
        let oldest = oldest.unwrap_or_else(Instant::now);
        self.lock().people.retain(|_, until| *until > oldest);
    }

    /// Whether a request for the person could still be carried out at this time: a list that was read since
    /// need not show them, although they are there.
    pub(super) fn was_open(&self, person: &KeyHash, at: Instant) -> bool {
        self.lock().people.get(person).is_some_and(|until| *until > at)
    }

    /// Until when a request of this process for a person may be carried out, if one may.
    pub(super) fn until(&self, person: &KeyHash) -> Option<Instant> {
        let until = self.lock().people.get(person).copied();
        until.filter(|until| *until > Instant::now())
    }

    /// Notes until when somebody whom an export left undecided cannot be decided.
    pub(super) fn note_export(&self, export: &str, until: Instant) {
        self.lock().exports.insert(export.to_owned(), until);
    }

    /// Notes that a ledger was searched for pushes that may have started and are not decided. Only those
    /// that were there when it was searched first are of another process. `open`: whom they are about, and
    /// whether there may be more; `None` if they must have ended. `longest`: how long their requests may
    /// take.
    pub(super) fn searched(
        &self,
        export: &str,
        open: Option<(&HashSet<KeyHash>, bool)>,
        longest: Duration,
    ) {
        let mut state = self.lock();
        let is_first = state.searched.insert(export.to_owned());
        let open = open.filter(|(people, more)| *more || !people.is_empty());
        let Some((people, _)) = open.filter(|_| is_first) else { return };
        state.of_others.extend(people);
        state.others_until = state.others_until.max(Some(Instant::now() + longest));
    }

    /// How long a run of an export waits until all that was noted before can be seen in Clinch.
    pub(super) fn rest(&self, export: &str) -> Duration {
        let state = self.lock();
        let until = state.exports.get(export).copied().max(state.others_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether another process may have pushed the person: they are looked up immediately before a create.
    pub(super) fn is_of_others(&self, person: &KeyHash) -> bool {
        self.lock().of_others.contains(person)
    }

    /// How many people other processes may have pushed.
    pub(super) fn count_of_others(&self) -> usize {
        self.lock().of_others.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    fn person(n: u8) -> KeyHash {
        KeyHash([n; 16])
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_is_in_doubt_until_the_request_must_have_ended() {
        let doubts = Doubts::default();
        doubts.begin(person(1), LONGEST).end(Duration::ZERO);
        drop(doubts.begin(person(2), LONGEST));
        let until = doubts.begin(person(3), LONGEST).end(seconds(2));
        assert_eq!(doubts.until(&person(1)), None);
        assert_eq!(doubts.until(&person(2)), Some(Instant::now() + LONGEST), "abandoned");
        assert_eq!(doubts.until(&person(3)), Some(until));
        tokio::time::advance(seconds(2)).await;
        assert_eq!(doubts.until(&person(3)), None);
        doubts.begin(person(2), LONGEST).end(seconds(1));
        assert_eq!(doubts.until(&person(2)), Some(Instant::now() + seconds(28)), "the longest");
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_doubt_is_known_as_long_as_a_run_may_hold_a_list_of_that_time() {
        let doubts = Doubts::default();
        doubts.note(person(1), seconds(2));
        let read_at = Instant::now();
        tokio::time::advance(seconds(3)).await;
        assert_eq!(doubts.until(&person(1)), None);
        doubts.forget(Some(read_at));
        assert!(doubts.was_open(&person(1), read_at) && !doubts.was_open(&person(2), read_at));
        assert!(!doubts.was_open(&person(1), Instant::now()), "a list that is read now shows them");
        doubts.forget(None);
        assert!(!doubts.was_open(&person(1), read_at));
    }

    #[tokio::test(start_paused = true)]
    async fn open_pushes_of_other_processes_are_waited_for_once() {
        let doubts = Doubts::default();
        doubts.searched("closed", Some((&HashSet::new(), false)), LONGEST);
        doubts.searched("ended here", None, LONGEST);
        assert_eq!(doubts.rest("mine"), Duration::ZERO);
        doubts.searched("open", Some((&[person(1)].into(), false)), LONGEST);
        assert_eq!(doubts.rest("mine"), LONGEST);
        assert!(doubts.is_of_others(&person(1)) && !doubts.is_of_others(&person(2)));
        tokio::time::advance(seconds(20)).await;
        // Declared by this process since.
        doubts.searched("open", Some((&[person(2)].into(), false)), LONGEST);
        doubts.searched("closed", Some((&[person(2)].into(), false)), LONGEST);
        assert_eq!(doubts.rest("mine"), seconds(10));
        assert!(!doubts.is_of_others(&person(2)));
        tokio::time::advance(seconds(10)).await;
        doubts.searched("damaged", Some((&HashSet::new(), true)), LONGEST);
        assert_eq!(doubts.rest("mine"), LONGEST, "of whom it is unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_run_of_an_export_waits_until_it_can_decide() {
        let doubts = Doubts::default();
        doubts.note_export("mine", Instant::now() + seconds(5));
        assert_eq!((doubts.rest("mine"), doubts.rest("other")), (seconds(5), Duration::ZERO));
        tokio::time::advance(seconds(6)).await;
        assert_eq!(doubts.rest("mine"), Duration::ZERO);
    }
}
