//! Whether somebody may still use what they were let use.

use std::{fmt, sync::Arc};

/// Asked before every request of a run: true only while the integration lets the run's export
/// use it. Must answer at once, without I/O.
#[derive(Clone)]
pub struct Leave(Arc<dyn Fn() -> bool + Send + Sync>);

impl Leave {
    /// A leave that asks `holds`.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// A leave that holds while both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move || self.holds() && other.holds())
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leave(holds: {})", self.holds())
    }
}
