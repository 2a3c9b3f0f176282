//! What the check of one input of an object finds. Pure.

use crate::conditions::{Observation, Verdict};

/// What the check of one input found.
pub(super) struct Check<T> {
    /// The input; absent when it is missing or faulty.
    pub(super) value: Option<T>,
    /// The condition on it.
    pub(super) observation: Observation,
    /// Why no run may start, if so.
    pub(super) fault: Option<Verdict>,
}

impl<T> Check<T> {
    /// Adds condition and fault to those of the other checks.
    pub(super) fn record(
        self,
        observations: &mut Vec<Observation>,
        faults: &mut Vec<Verdict>,
    ) -> Option<T> {
        observations.push(self.observation);
        faults.extend(self.fault);
        self.value
    }
}
