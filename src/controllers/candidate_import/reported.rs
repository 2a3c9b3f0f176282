//! What is reported of the runs of an import. Pure.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::{
    controllers::{decision::Step, runs::ImportRun},
    domain::Cause,
};

/// What is reported of runs.
pub(super) struct Reported<'a> {
    pub(super) step: &'a Step,
    pub(super) revision: &'a str,
    pub(super) budget: &'a IntOrString,
    /// Whether `spec.select` is set.
    pub(super) selects: bool,
    /// What it reads and never sees, if there is such a thing.
    pub(super) unseen: Option<&'a str>,
    /// The latest run.
    pub(super) run: Option<&'a ImportRun>,
    /// What interrupted the attempt before the one in progress or due.
    pub(super) met: Option<&'a Cause>,
    /// A request to accept deletions that has accepted none.
    pub(super) unaccepted: Option<&'a str>,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// Whether the run in progress or due is quiet: then what is in place is reported.
    pub(super) quiet: bool,
}
