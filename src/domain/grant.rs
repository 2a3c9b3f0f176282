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
pub struct Grant {
    state: Arc<dyn Fn() -> GrantState + Send + Sync>,
    ended: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Grant {
    /// A grant in the state that `state` returns.
    pub fn new(state: impl Fn() -> GrantState + Send + Sync + 'static) -> Self {
        Self { state: Arc::new(state), ended: Arc::new(|| false) }
    }

    /// A grant that is as good as the worse of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let ended = [self.ended.clone(), other.ended.clone()];
        Self {
            state: Arc::new(move || self.state().max(other.state())),
            ended: Arc::new(move || ended.iter().any(|ended| ended())),
        }
    }

    /// The same grant for a caller who does not wait once `ended` returns true.
    #[must_use]
    pub fn waiting_until(self, ended: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let ended = Arc::new(ended);
        let (before, now) = (self.ended.clone(), ended.clone());
        Self {
            state: Arc::new(move || match self.state() {
                GrantState::Paused if now() => GrantState::Revoked,
                state => state,
            }),
            ended: Arc::new(move || before() || ended()),
        }
    }

    /// Whether the caller ends: what is in flight completes, and nothing waits for long.
    pub fn has_ended(&self) -> bool {
        (self.ended)()
    }

    /// Its state now.
    pub fn state(&self) -> GrantState {
        (self.state)()
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
        assert!(!of(Valid).has_ended() && !of(Valid).waiting_until(|| false).has_ended());
        let ended = of(Valid).waiting_until(|| true);
        assert!(ended.clone().and(of(Valid)).has_ended() && of(Valid).and(ended).has_ended());
    }
}
