//! What the tests on a real API server share.

pub mod chart;
pub mod kubectl;
pub mod manifests;
pub mod plane;
pub mod process;
pub mod world;
