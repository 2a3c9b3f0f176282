//! Commands on the objects of a cluster, with the rights of the user: what is their state, and requests
//! to the operator by annotation. Also the plugin `kubectl clinch`.

pub(super) mod access;
mod acted;
mod args;
pub(super) mod attributes;
mod cluster;
mod decisions;
pub(super) mod failures;
mod found;
mod held;
pub(super) mod html_report;
pub(super) mod kinds;
pub(super) mod names;
mod output;
mod owner;
mod print;
pub(super) mod requests;
mod segments;
pub(super) mod status;
mod stored;
pub(super) mod suspend;
mod tree;
mod waiting;
pub(super) mod watch;
pub(super) mod written;
