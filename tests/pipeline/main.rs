//! The whole run against the emulator: source, mapping, pushing and ledger as a controller puts
//! them together, with the ledger in memory and Clinch on a loopback socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![cfg(feature = "sandbox")]

mod absence;
#[cfg(unix)]
mod bad_places;
mod contract;
mod delivery;
mod destinations;
mod distrust;
#[cfg(feature = "pdf")]
mod documents;
mod doubt;
mod doubts;
mod drift;
mod dry_run;
mod duplicates;
mod erasure;
mod fairness;
#[path = "../support/fake_store.rs"]
mod fake_store;
mod faults;
mod files;
mod foretold;
#[path = "../support/proxy.rs"]
mod forward_proxy;
mod guards;
mod import;
mod in_memory;
mod large;
mod own_writes;
mod paused;
#[cfg(feature = "pdf")]
mod person_files;
mod poison;
mod real_stores;
mod remote;
mod resume_versions;
mod resumes;
mod rotation;
#[path = "../support/s3.rs"]
mod s3;
#[path = "../support/scale.rs"]
mod scale;
mod setup;
mod short_runs;
mod source_faults;
mod spellings;
mod starved;
mod steps;
mod stores;
mod suggestions;
mod windows;
mod wire;
