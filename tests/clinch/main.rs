//! The Clinch client, and the emulator of Clinch: each alone, and against each other.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test support outside test functions: a test stops at the first surprise"
)]

mod client;
#[cfg(feature = "sandbox")]
mod client_and_emulator;
#[cfg(feature = "sandbox")]
mod emulator;
mod fake_clinch;
