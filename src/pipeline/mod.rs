//! Moves records from where they are to where they go, within bounds of memory. Knows no Kubernetes:
//! the same run serves a controller, a dry run, `apply`, a benchmark and a crash test.
//!
//! What every run has in common is here: what it is asked to do, its source as prepared records, its
//! report. [`push`] is the run whose destination is Clinch.

mod blocking;
mod job_rules;
mod opened;
mod push;
mod record_set;
mod records;
mod report;
mod resume;
mod spec;
mod work;

pub use job_rules::{JobRule, JobRules, RuleVerdict};
pub use push::{
    AtRest, Claim, ClinchCrm, Created, Crm, CrmFailure, CrmPerson, Destination, Ensure, JobStage,
    Lookup, Membership, Neighbour, Neighbours, PeopleGuard, PeoplePage, Read, RunPorts, SeenSource,
    Updated, Witnesses, no_neighbours, run,
};
pub use report::{
    Counts, Doubled, Ending, LISTED_REJECTIONS, Progress, Rejection, Report, SourceInfo, Suspects,
};
pub use resume::{MAX_RESUME_BYTES, ResumeFile};
pub use spec::{DestinationSpec, Duplicates, Mode, RunSpec, Source};
