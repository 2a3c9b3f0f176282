//! What is reported of the delivery of an export. Pure.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::requests::Asked;
use crate::{
    api::{ExportMode, FileFormat},
    controllers::{decision::Step, runs::RunState},
    domain::Cause,
};

/// What is reported of delivery.
pub(super) struct Reported<'a> {
    pub(super) step: &'a Step,
    pub(super) revision: &'a str,
    pub(super) mode: ExportMode,
    pub(super) budget: &'a IntOrString,
    /// Whether the source may have no records.
    pub(super) may_be_empty: bool,
    /// The format of the file, if one is written.
    pub(super) file: Option<FileFormat>,
    /// The latest run.
    pub(super) run: Option<&'a RunState>,
    /// What interrupted the last attempt before the one in progress or due.
    pub(super) met: Option<&'a Cause>,
    /// Whether the ledger is to be distrusted.
    pub(super) asked: &'a Asked,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// Whether the run in progress or due is quiet: then what is in place is reported.
    pub(super) quiet: bool,
}
