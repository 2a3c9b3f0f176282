//! The Clinch emulator, seen from outside: its signature check against independently made
//! vectors, the API over a socket, its faults, its files and its binary.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "sandbox/api.rs"]
mod api;
#[path = "sandbox/binary.rs"]
mod binary;
#[path = "sandbox/contract.rs"]
mod contract;
#[path = "sandbox/documentation.rs"]
mod documentation;
#[path = "sandbox/elsewhere.rs"]
mod elsewhere;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/late.rs"]
mod late;
#[path = "sandbox/lists.rs"]
mod lists;
#[path = "sandbox/signatures.rs"]
mod signatures;
#[path = "sandbox/support.rs"]
mod support;
