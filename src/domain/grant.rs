//! Whether an export may still use the integration that it was started with. Pure.

use std::{fmt, sync::Arc};

/// Checked before every request of a run: true only while the integration lets the run's export
/// use it. Answers at once, without I/O.
#[derive(Clone)]
pub struct Grant(Arc<dyn Fn() -> bool + Send + Sync>);

impl Grant {
    /// A grant that is valid while `holds` returns true.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// A grant that is valid while both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move || self.holds() && other.holds())
    }

    /// Whether it is valid now.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant(holds: {})", self.holds())
    }
}
