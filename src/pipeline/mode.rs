//! Whether a run writes. Pure.

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Writes to Clinch.
    Push,
    /// Reads only.
    DryRun,
}
