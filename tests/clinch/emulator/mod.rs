//! The Clinch emulator from outside: its signature check against vectors that were made elsewhere,
//! the API over a socket, its faults, its files and its binary.

mod api;
mod binary;
mod changes;
mod contract;
mod documentation;
mod faults;
mod late;
mod lists;
mod rules;
mod signatures;
mod support;
