//! clinch-operator: syncs candidates between hireEZ and Clinch from declared state.
//!
//! The modules form tiers and import downwards only; `docs/ARCHITECTURE.md` has the table and
//! `tests/offline/architecture.rs` enforces it.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod api;
pub mod app;
pub mod cli;
pub mod clinch;
pub mod cluster;
pub mod conditions;
#[cfg(feature = "dev-tools")]
pub mod control_plane;
pub mod controllers;
pub mod domain;
pub mod jsonapi;
pub mod k8s;
pub mod ledger;
pub mod local;
pub mod mapping;
pub mod network;
pub mod output;
pub mod pipeline;
#[cfg(feature = "pdf")]
pub mod render;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod signing;
pub mod source;
pub mod storage;
