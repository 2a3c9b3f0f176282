//! The operator on a real API server, under the chart's own rights; and the launcher of that server.
#![cfg(all(feature = "dev-tools", feature = "sandbox"))]
#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "test support outside test functions: a test stops at the first surprise"
)]

mod access;
mod account;
mod all_namespaces;
mod canary;
mod canary_commands;
#[allow(dead_code, reason = "the local tests look at more of a span")]
#[path = "../support/collector.rs"]
mod collector;
mod commands;
mod credentials;
mod decisions;
mod drift;
mod endpoints;
mod erasure;
mod events;
mod exports;
mod files;
mod gitops;
mod hand_over;
mod hostile;
mod imports;
mod interrupted_files;
mod launcher;
mod ledger;
mod notifications;
mod parity;
mod permission;
mod plan;
mod pod_security;
mod policy;
mod rights;
mod roles;
#[path = "../support/s3.rs"]
mod s3;
#[path = "../support/scale.rs"]
mod scale;
mod schema;
mod secret;
mod shard_scale;
mod shards;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod takeover;
mod undecodable;
mod upgrade;
#[path = "../support/upgrade.rs"]
mod upgrade_fixtures;
mod withdrawal;
