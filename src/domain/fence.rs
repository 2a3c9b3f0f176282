//! Whether this process may write to Clinch right now.

use std::{fmt, sync::Arc};

/// Checked before every write: true only while this process surely is the one that pushes.
///
/// Under `run` it is backed by the Lease, and turns false by itself once another process may hold
/// the Lease, also after this process was frozen. Otherwise it is always true.
#[derive(Clone)]
pub struct Fence(Arc<dyn Fn() -> bool + Send + Sync>);

impl Fence {
    /// A fence that is open while `holds` returns true.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// A fence that is always open: there is no other process.
    pub fn open() -> Self {
        Self::new(|| true)
    }

    /// Whether writes may start now.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence(holds: {})", self.holds())
    }
}
