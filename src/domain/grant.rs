//! Whether an export may still use the integration that it was started with. Pure.

use std::{fmt, sync::Arc};

/// Whether a request may be sent, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantState {
    /// It may.
    Valid,
    /// Not now: it waits. Ends soon, either way.
    Paused,
    /// It may not, nor may a later one.
    Revoked,
}

/// Checked before every request of a run: valid only while the integration lets the run's export
/// use it. Answers at once, without I/O.
#[derive(Clone)]
pub struct Grant(Arc<dyn Fn() -> GrantState + Send + Sync>);

impl Grant {
    /// A grant in the state that `state` returns.
    pub fn new(state: impl Fn() -> GrantState + Send + Sync + 'static) -> Self {
        Self(Arc::new(state))
    }

    /// A grant that is as good as the worse of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move || self.state().max(other.state()))
    }

    /// The same grant for a caller who does not wait once `ended` returns true.
    #[must_use]
    pub fn waiting_until(self, ended: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self::new(move || match self.state() {
            GrantState::Paused if ended() => GrantState::Revoked,
            state => state,
        })
    }

    /// Its state now.
    pub fn state(&self) -> GrantState {
        (self.0)()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({:?})", self.state())
    }
}

#[cfg(test)]
mod tests {
    use super::{GrantState::*, *};

    #[test]
    fn the_worse_state_counts_and_a_caller_that_ends_does_not_wait() {
        let of = |state| Grant::new(move || state);
        assert_eq!(of(Valid).and(of(Paused)).state(), Paused);
        assert_eq!(of(Revoked).and(of(Paused)).state(), Revoked);
        assert_eq!(of(Paused).waiting_until(|| false).state(), Paused);
        assert_eq!(of(Paused).waiting_until(|| true).state(), Revoked);
        assert_eq!(of(Valid).waiting_until(|| true).state(), Valid, "what is in flight completes");
    }
}
