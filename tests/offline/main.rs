//! What needs neither a server nor a cluster: files of the repository against the code, and pure code
//! against arbitrary input.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test support outside test functions: a test stops at the first surprise"
)]

// Fuzz targets name their macro by the crate that has it elsewhere.
extern crate self as libfuzzer_sys;

mod architecture;
mod bad_input;
mod chart;
mod chart_readme;
mod command_lines;
mod cookbook;
mod crds;
mod decoders;
mod frozen_names;
mod fuzz_targets;
mod image;
mod kube_state_metrics;
mod ledger_fuzz;
mod links;
mod mapping_back;
mod mapping_properties;
mod monitoring;
mod named_tests;
mod page_yaml;
#[cfg(feature = "pdf")]
mod pdf_readers;
#[path = "../support/scale.rs"]
mod scale;
mod search;
mod sizing;
mod source_arrival;
mod source_files;
mod telephone_numbers;
mod upgrade;
mod written_files;
