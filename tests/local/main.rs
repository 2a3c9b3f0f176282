//! The operator without a cluster: manifests from files, `apply` as a process, and the controllers on
//! a cluster in memory.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test support outside test functions: a test stops at the first surprise"
)]

#[cfg(feature = "sandbox")]
mod apply;
#[cfg(feature = "sandbox")]
mod approval;
#[cfg(feature = "sandbox")]
#[path = "../support/collector.rs"]
mod collector;
#[cfg(feature = "sandbox")]
mod contract_check;
#[cfg(all(feature = "sandbox", feature = "pdf"))]
mod documents;
#[cfg(feature = "sandbox")]
mod drift;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
mod empty_root;
#[cfg(feature = "sandbox")]
mod endpoints;
#[cfg(feature = "sandbox")]
mod erasure;
#[cfg(feature = "sandbox")]
mod exit_codes;
#[cfg(feature = "sandbox")]
#[path = "../support/fake_store.rs"]
mod fake_store;
#[cfg(feature = "sandbox")]
mod files;
#[cfg(feature = "sandbox")]
#[path = "../support/proxy.rs"]
mod forward_proxy;
#[cfg(feature = "sandbox")]
mod guards;
#[cfg(feature = "sandbox")]
mod hostile;
#[cfg(feature = "sandbox")]
mod import_places;
#[cfg(feature = "sandbox")]
mod imports;
mod input;
#[cfg(feature = "sandbox")]
mod integrations;
#[cfg(feature = "sandbox")]
mod killed;
#[cfg(feature = "sandbox")]
mod killed_imports;
#[cfg(feature = "sandbox")]
mod killed_writers;
mod log_level;
#[cfg(feature = "sandbox")]
mod looks;
mod manifests;
mod match_report;
#[cfg(feature = "sandbox")]
mod one_account;
#[cfg(feature = "sandbox")]
mod output;
#[cfg(feature = "sandbox")]
mod outside;
#[cfg(all(feature = "sandbox", feature = "pdf"))]
mod person_documents;
#[cfg(feature = "sandbox")]
mod plan;
#[cfg(feature = "sandbox")]
mod proxy;
#[cfg(feature = "sandbox")]
mod real_collector;
mod recipes;
#[cfg(feature = "sandbox")]
mod rediscovery;
#[cfg(feature = "sandbox")]
mod render;
#[cfg(feature = "sandbox")]
mod resumes;
#[cfg(feature = "sandbox")]
mod rollback;
#[cfg(feature = "sandbox")]
#[path = "../support/s3.rs"]
mod s3;
#[cfg(feature = "sandbox")]
mod schedules;
#[cfg(feature = "sandbox")]
mod signals;
#[cfg(feature = "sandbox")]
mod stored;
#[cfg(feature = "sandbox")]
mod traces;
#[cfg(feature = "sandbox")]
mod upgrade;
#[cfg(feature = "sandbox")]
#[path = "../support/upgrade.rs"]
mod upgrade_fixtures;
mod validate;
#[cfg(feature = "sandbox")]
mod watched;
mod windows;
#[cfg(feature = "sandbox")]
mod written;
