//! The operator as a process, under the chart's own rights, while its API server and etcd are
//! killed, what it works on is edited, and it is asked to stop. What the emulator holds at the end
//! is the judge: everybody once, nobody missing, and the status says the same.
//!
//! A binary of its own: its tests break the API server that they share.
#![cfg(all(feature = "dev-tools", feature = "sandbox"))]
#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "test support outside test functions: a test stops at the first surprise"
)]

mod edits;
mod outages;
mod removal;
mod stage;
#[expect(dead_code, reason = "the tests of this binary need a part of it")]
#[path = "../support/mod.rs"]
mod support;
mod termination;
mod writes;
