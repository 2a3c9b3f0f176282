//! Detects changes to an account by others: compares its total number of people with the total that
//! this process expects. Shared by all runs of the account. Makes requests; waits on the tokio clock.
//!
//! A complete candidate list shows who is absent, but only while nobody else adds people. So the total
//! is read before every 50 creates that rely on a list, and at least once a minute, while no create is
//! under way. The first difference invalidates every list read before it.
//!
//! A create whose outcome is in doubt does not hold the others up: the total may or may not include it.
//! Only if it might, the total is read again once the outcome is known.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch},
    time::{Instant, sleep},
};

use super::crm::{Crm, CrmFailure};

/// Maximum creates that may rely on one probe of the total.
const CREATES_PER_PROBE: u32 = 50;
/// How many fewer they may be for the sake of whole waves.
const LESS_FOR_WAVES: u32 = 5;
/// How often in a row the total may stay as it is with a create until it proves nothing any more. Once may be
/// because somebody else deleted a person at that moment.
const UNMOVED: u32 = 3;
/// How long a probe is valid.
const PROBE_VALID_FOR: Duration = Duration::from_secs(60);

/// What this process knows of the total number of people of an account.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Held shared by each create until its outcome is known or in doubt, and exclusively while the total
    /// is read.
    turns: RwLock<()>,
    /// How many creates are in doubt.
    doubtful: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The total that Clinch states if only this process changes the account.
    expected: Option<u64>,
    /// How many changes by others were seen.
    changes: u64,
    /// Creates admitted since the last probe.
    admitted: u32,
    /// Creates in progress, without those in doubt.
    in_progress: u32,
    /// The most of them since the last probe.
    parallel: u32,
    probed_at: Option<Instant>,
    /// Whether this process created a person since the list was read.
    created_since: bool,
    /// Whether the total was seen to grow with a create: a capped total does not.
    grows: bool,
    /// How often in a row it did not, and where it stayed.
    unmoved: (u32, Option<u64>),
}

/// A candidate list as of the time it was read; identifies which changes it includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot(u64);

/// Permission to create one person. Dropped without an outcome, it leaves the total unknown.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    census: &'a Census,
    /// `None` once the outcome is in doubt.
    turn: Mutex<Option<RwLockReadGuard<'a, ()>>>,
    /// Whether the list does not prove that this person is absent: they must be looked up now.
    pub(super) look_up: bool,
    /// Whether the create relies on a list.
    pub(super) on_list: bool,
    decided: bool,
}

impl Admission<'_> {
    /// The create may or may not have been carried out, and may still be under way.
    pub(super) fn in_doubt(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        if turn.is_some() {
            self.census.state().in_progress -= 1;
            // Before the turn ends: a reader of the total then has to know.
            self.census.doubtful.send_modify(|doubtful| *doubtful += 1);
        }
    }

    /// The person was created.
    pub(super) fn created(mut self) {
        self.decided = true;
        let mut state = self.census.state();
        state.created_since = true;
        state.expected = state.expected.map(|total| total + 1);
    }

    /// The person was not created.
    pub(super) fn not_created(mut self) {
        self.decided = true;
    }

    /// The person exists although the list did not show them: somebody else added them.
    pub(super) fn contradicted(mut self) {
        self.decided = true;
        self.census.state().change(None);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let was_in_doubt = self.turn.get_mut().unwrap_or_else(PoisonError::into_inner).is_none();
        let mut state = self.census.state();
        if !self.decided {
            state.change(None);
        }
        if !was_in_doubt {
            state.in_progress -= 1;
        }
        drop(state);
        // After the state: the next reader finds the outcome.
        if was_in_doubt {
            self.census.doubtful.send_modify(|doubtful| *doubtful -= 1);
        }
    }
}

/// No create starts while it exists.
#[derive(Debug)]
pub(super) struct CreatesPaused<'a> {
    census: &'a Census,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl State {
    /// Invalidates every list read so far.
    fn change(&mut self, total: Option<u64>) {
        self.changes += 1;
        self.expected = total;
        (self.created_since, self.grows) = (false, false);
    }

    fn probed(&mut self) {
        self.probed_at = Some(Instant::now());
        self.parallel = self.in_progress;
        self.grows = self.created_since;
        // Until the total has grown with a create, only one create is admitted per probe.
        self.admitted = if self.grows { 0 } else { CREATES_PER_PROBE - 1 };
    }

    fn is_probe_due(&self) -> bool {
        let most = if self.grows { in_whole_waves(self.parallel) } else { CREATES_PER_PROBE };
        self.admitted >= most || self.probed_at.is_none_or(|at| at.elapsed() >= PROBE_VALID_FOR)
    }

    fn started(&mut self) {
        self.in_progress += 1;
        self.parallel = self.parallel.max(self.in_progress);
    }
}

/// How many creates rely on one probe if so many are in progress at a time. Responses take about as long
/// as each other, so creates run in waves; a probe waits for the last one, which should not be for one or
/// two people.
fn in_whole_waves(parallel: u32) -> u32 {
    let rest = CREATES_PER_PROBE.checked_rem(parallel).unwrap_or_default();
    if rest <= LESS_FOR_WAVES { CREATES_PER_PROBE - rest } else { CREATES_PER_PROBE }
}

impl Census {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no create of this account is under way, and holds new ones back.
    pub(super) async fn pause_creates(&self) -> CreatesPaused<'_> {
        let paused = self.hold_creates().await;
        // Fails only if the sender is gone, and the census owns it.
        let _ = self.doubtful.subscribe().wait_for(|doubtful| *doubtful == 0).await;
        paused
    }

    /// Holds new creates back; some may be in doubt.
    async fn hold_creates(&self) -> CreatesPaused<'_> {
        CreatesPaused { census: self, _alone: self.turns.write().await }
    }

    /// Whether this total does not grow with creates, so that a list of which it is the proof proves nothing.
    /// One that has moved since is believed again.
    pub(super) fn is_unmoved(&self, total: Option<u64>) -> bool {
        let (times, stayed_at) = self.state().unmoved;
        times >= UNMOVED && total == stayed_at
    }

    /// Whether a list is still valid.
    pub(super) fn is_current(&self, snapshot: Snapshot) -> bool {
        self.state().changes == snapshot.0
    }

    /// Invalidates all lists read so far.
    pub(super) fn invalidate(&self) {
        self.state().change(None);
    }

    /// Admits one create. `snapshot`: the list that shows the person as absent, if it was a list.
    pub(super) async fn admit(
        &self,
        crm: &impl Crm,
        snapshot: Option<Snapshot>,
    ) -> Result<Admission<'_>, CrmFailure> {
        loop {
            let turn = self.turns.read().await;
            {
                let mut state = self.state();
                let on_list = snapshot.is_some_and(|snapshot| snapshot.0 == state.changes);
                let admitted = |look_up| Admission {
                    census: self,
                    turn: Mutex::new(Some(turn)),
                    look_up,
                    on_list,
                    decided: false,
                };
                if !on_list {
                    state.started();
                    return Ok(admitted(snapshot.is_some()));
                }
                if !state.is_probe_due() {
                    state.started();
                    state.admitted += 1;
                    return Ok(admitted(!state.grows));
                }
            }
            self.probe(crm).await?;
        }
    }

    /// Compares the total with the expected one.
    async fn probe(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let paused = self.hold_creates().await;
        // Another task may have probed while this one waited.
        if paused.census.state().is_probe_due() {
            paused.count(crm).await?;
        }
        Ok(())
    }

    /// Compares the total once more at the end of a run that relies on a list.
    pub(super) async fn close(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        self.pause_creates().await.count(crm).await
    }
}

impl CreatesPaused<'_> {
    /// Accepts a list that was read to its end and has `total` people.
    pub(super) fn accept(&self, total: u64) -> Snapshot {
        let mut state = self.census.state();
        if state.expected != Some(total) {
            state.change(Some(total));
        }
        state.probed();
        Snapshot(state.changes)
    }

    /// Reads the total and compares it. Creates in doubt may be part of it.
    async fn count(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let mut doubts = self.census.doubtful.subscribe();
        let (expected, total) = loop {
            let doubtful = *doubts.borrow_and_update() as u64;
            let expected = self.census.state().expected;
            let mut total = crm.total().await?;
            if total != expected && !crm.search_lag().is_zero() {
                // A total that lags behind writes may not include ours yet.
                sleep(crm.search_lag()).await;
                total = crm.total().await?;
            }
            let unknown = match (total, expected) {
                (Some(total), Some(expected)) => {
                    (expected..=expected + doubtful).contains(&total)
                        && (total != expected || self.census.state().expected != Some(expected))
                }
                _ => false,
            };
            // Until another outcome is known. Fails only if the census is gone.
            if !unknown || doubtful == 0 || doubts.changed().await.is_err() {
                break (expected, total);
            }
        };
        let mut state = self.census.state();
        if state.created_since && !state.grows && total.is_some() && expected.is_some() {
            let stays = total.map(|total| total + 1) == expected;
            let times = if stays { state.unmoved.0.saturating_add(1) } else { 0 };
            state.unmoved = (times, total);
        }
        if total.is_none() || total != expected {
            state.change(total);
        }
        state.probed();
        Ok(())
    }

    /// Reads the total.
    pub(super) async fn total(&self, crm: &impl Crm) -> Result<Option<u64>, CrmFailure> {
        crm.total().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_probe_is_due_once_a_minute_however_few_creates_there_are() {
        let mut state = State { created_since: true, ..State::default() };
        assert!(state.is_probe_due(), "there was none");
        for _ in 0..2 {
            state.probed();
            state.admitted += 1;
            tokio::time::advance(PROBE_VALID_FOR.saturating_sub(Duration::from_millis(1))).await;
            assert!(!state.is_probe_due());
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(state.is_probe_due());
        }
    }

    #[test]
    fn a_total_that_stayed_three_times_is_believed_again_once_it_has_moved() {
        let census = Census::default();
        for (times, believed) in [(0, true), (2, true), (3, false), (4, false)] {
            census.state().unmoved = (times, Some(250));
            assert_eq!(!census.is_unmoved(Some(250)), believed, "{times}");
            assert!(!census.is_unmoved(Some(251)) && !census.is_unmoved(None), "{times}");
        }
    }

    #[test]
    fn a_probe_follows_whole_waves_of_creates_and_at_most_fifty() {
        let most = [0, 1, 2, 4, 6, 8, 12, 16, 32, 50, 64].map(in_whole_waves);
        assert_eq!(most, [50, 50, 50, 48, 48, 48, 48, 48, 50, 50, 50]);
        assert!((1..200).map(in_whole_waves).all(|most| (45..=50).contains(&most)));
    }
}
