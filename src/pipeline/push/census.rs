//! Detects changes to an account by others: compares its total number of people with the total that
//! this process expects. Shared by all runs of the account. Makes requests; waits on the tokio clock.
//!
//! A complete candidate list shows who is absent, but only while nobody else adds people. So the total
//! is read before every 50 creates that rely on a list, and at least once a minute, while no create is
//! under way. The first difference invalidates every list read before it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Instant, sleep},
};

use super::crm::{Crm, CrmFailure};

/// How many creates may rely on one probe of the total.
const CREATES_PER_PROBE: u32 = 50;
/// How long a probe is valid.
const PROBE_VALID_FOR: Duration = Duration::from_secs(60);

/// What this process knows of the total number of people of an account.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Held shared by each create until its outcome is known, and exclusively while the total is read.
    turns: RwLock<()>,
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
    probed_at: Option<Instant>,
    /// Whether this process created a person since the list was read.
    created_since: bool,
    /// Whether the total was seen to grow with a create: a capped total does not.
    grows: bool,
}

/// A candidate list as of the time it was read; identifies which changes it includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot(u64);

/// Permission to create one person. Dropped without an outcome, it leaves the total unknown.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    census: &'a Census,
    _turn: RwLockReadGuard<'a, ()>,
    /// Whether the list does not prove that this person is absent: they must be looked up now.
    pub(super) look_up: bool,
    /// Whether the create relies on a list.
    pub(super) on_list: bool,
    decided: bool,
}

impl Admission<'_> {
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
        if !self.decided {
            self.census.state().change(None);
        }
    }
}

/// No create is under way while it exists.
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
        self.grows = self.created_since;
        // Until the total has grown with a create, only one create is admitted per probe.
        self.admitted = if self.grows { 0 } else { CREATES_PER_PROBE - 1 };
    }

    fn is_probe_due(&self) -> bool {
        self.admitted >= CREATES_PER_PROBE
            || self.probed_at.is_none_or(|at| at.elapsed() >= PROBE_VALID_FOR)
    }
}

impl Census {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no create of this account is under way, and holds new ones back.
    pub(super) async fn pause_creates(&self) -> CreatesPaused<'_> {
        CreatesPaused { census: self, _alone: self.turns.write().await }
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
                    _turn: turn,
                    look_up,
                    on_list,
                    decided: false,
                };
                if !on_list {
                    return Ok(admitted(snapshot.is_some()));
                }
                if !state.is_probe_due() {
                    state.admitted += 1;
                    return Ok(admitted(!state.grows));
                }
            }
            self.probe(crm).await?;
        }
    }

    /// Compares the total with the expected one.
    async fn probe(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let paused = self.pause_creates().await;
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

    /// Reads the total and compares it.
    async fn count(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let expected = self.census.state().expected;
        let mut total = crm.total().await?;
        if total != expected && !crm.search_lag().is_zero() {
            // A total that lags behind writes may not include ours yet.
            sleep(crm.search_lag()).await;
            total = crm.total().await?;
        }
        let mut state = self.census.state();
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
