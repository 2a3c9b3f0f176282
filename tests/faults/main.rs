//! The operator as a process, under the chart's own rights, while its API server and etcd are
//! killed, what it works on is edited, and it is told to stop itself. What the emulator holds at
//! the end is the judge: everybody once, nobody missing, and the status says the same.
#![cfg(all(feature = "dev-tools", feature = "sandbox"))]
#![allow(clippy::print_stderr, clippy::panic, reason = "test support outside test functions")]

#[expect(dead_code, reason = "one text for two binaries; this one needs a part of it")]
#[path = "../operator/manifests.rs"]
mod manifests;
#[expect(dead_code, reason = "one text for two binaries; this one needs a part of it")]
#[path = "../operator/support.rs"]
mod support;

mod edits;
mod outages;
mod removal;
mod stage;
mod termination;
mod writes;
