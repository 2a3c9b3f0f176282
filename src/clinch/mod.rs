//! The Clinch API: contract, typed client, layers, registry.
pub mod contract;
