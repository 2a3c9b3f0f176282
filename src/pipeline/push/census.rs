//! Whether an account changed behind this process: its number of people is compared with what this
//! process made of it. Shared by all runs of the account. Makes requests; waits on the tokio clock.
//!
//! A list of everybody, once read, says who is absent. It says so only as long as nobody else adds
//! people: so the total that Clinch states is asked for before every 50 creates that rest on a list,
//! and at least once a minute, while no create is under way. The first difference ends the belief in
//! every list read before it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Instant, sleep},
};

use super::crm::{Crm, CrmFailure};

/// How many creates may rest on one probe of the total.
const CREATES_A_PROBE: u32 = 50;
/// How long a probe is believed.
const PROBE_STANDS: Duration = Duration::from_secs(60);

/// What this process knows of an account's number of people.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Held by each create until its outcome is known, and alone by whoever counts.
    turns: RwLock<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The total that Clinch has to state, if only this process changes the account.
    expected: Option<u64>,
    /// Changes that were not this process's.
    changes: u64,
    /// Creates admitted since the last probe.
    admitted: u32,
    probed_at: Option<Instant>,
    /// Whether this process created somebody since the list was read.
    moved: bool,
    /// Whether the total was seen to follow a create: one that is capped does not.
    follows: bool,
}

/// A list of everybody, as it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture(u64);

/// The right to create one person. Whoever drops it without saying what became of the create leaves
/// the number of people unknown.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    census: &'a Census,
    _turn: RwLockReadGuard<'a, ()>,
    /// A list does not prove the absence of this person: they have to be looked up now.
    pub(super) look_up: bool,
    /// Whether the create rests on a list.
    pub(super) on_list: bool,
    decided: bool,
}

impl Admission<'_> {
    /// The create was carried out.
    pub(super) fn created(mut self) {
        self.decided = true;
        let mut state = self.census.state();
        state.moved = true;
        state.expected = state.expected.map(|total| total + 1);
    }

    /// Nobody was created.
    pub(super) fn nobody(mut self) {
        self.decided = true;
    }

    /// The person is there although a list said otherwise: somebody else has added them.
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

/// No create is under way while it lives.
#[derive(Debug)]
pub(super) struct Stillness<'a> {
    census: &'a Census,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl State {
    /// Takes every list back that was read before.
    fn change(&mut self, total: Option<u64>) {
        self.changes += 1;
        self.expected = total;
        (self.moved, self.follows) = (false, false);
    }

    fn probed(&mut self) {
        self.probed_at = Some(Instant::now());
        self.follows = self.moved;
        // Until the total has followed a create, the next create is the only one.
        self.admitted = if self.follows { 0 } else { CREATES_A_PROBE - 1 };
    }

    fn is_probe_due(&self) -> bool {
        self.admitted >= CREATES_A_PROBE
            || self.probed_at.is_none_or(|at| at.elapsed() >= PROBE_STANDS)
    }
}

impl Census {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no create of this account is under way, and keeps new ones waiting.
    pub(super) async fn still(&self) -> Stillness<'_> {
        Stillness { census: self, _alone: self.turns.write().await }
    }

    /// Whether a list is still to be believed.
    pub(super) fn stands(&self, picture: Picture) -> bool {
        self.state().changes == picture.0
    }

    /// Ends the belief in all lists read so far.
    pub(super) fn doubt(&self) {
        self.state().change(None);
    }

    /// Admits one create. `picture`: the list on which its necessity rests, if on a list.
    pub(super) async fn admit(
        &self,
        crm: &impl Crm,
        picture: Option<Picture>,
    ) -> Result<Admission<'_>, CrmFailure> {
        loop {
            let turn = self.turns.read().await;
            {
                let mut state = self.state();
                let on_list = picture.is_some_and(|picture| picture.0 == state.changes);
                let admitted = |look_up| Admission {
                    census: self,
                    _turn: turn,
                    look_up,
                    on_list,
                    decided: false,
                };
                if !on_list {
                    return Ok(admitted(picture.is_some()));
                }
                if !state.is_probe_due() {
                    state.admitted += 1;
                    return Ok(admitted(!state.follows));
                }
            }
            self.probe(crm).await?;
        }
    }

    /// Compares the total with what it has to be.
    async fn probe(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let still = self.still().await;
        // Others may have waited for the same probe.
        if still.census.state().is_probe_due() {
            still.count(crm).await?;
        }
        Ok(())
    }

    /// Counts once more at the end of a run that rests on a list.
    pub(super) async fn close(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        self.still().await.count(crm).await
    }
}

impl Stillness<'_> {
    /// Believes in a list that was read to its end, and was `total` people long.
    pub(super) fn believe(&self, total: u64) -> Picture {
        let mut state = self.census.state();
        if state.expected != Some(total) {
            state.change(Some(total));
        }
        state.probed();
        Picture(state.changes)
    }

    /// Asks for the total and compares it.
    async fn count(&self, crm: &impl Crm) -> Result<(), CrmFailure> {
        let expected = self.census.state().expected;
        let mut total = crm.total().await?;
        if total != expected && !crm.search_lag().is_zero() {
            // A total that lags behind its writes is behind ours, too.
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

    /// The total now.
    pub(super) async fn total(&self, crm: &impl Crm) -> Result<Option<u64>, CrmFailure> {
        crm.total().await
    }
}
