//! source -> select -> map -> plan -> push -> ledger, bounded. Knows no Kubernetes: the same run
//! serves a controller, a dry run, `apply`, a benchmark and a crash test.

mod book;
mod clinch_crm;
mod crm;
mod destination;
mod feed;
mod guard;
mod index;
mod permitted;
mod prepare;
mod push;
mod report;
mod resume;
mod run;
mod survey;
mod witnesses;

pub use clinch_crm::{ClinchCrm, SeenSource};
pub use crm::{
    Attachment, Created, Crm, CrmFailure, Destination, Ensure, Found, JobStage, PeoplePage, Person,
    WantedDestination,
};
pub use guard::{Claim, Membership, PeopleGuard};
pub use permitted::{JobRule, JobRules, Told};
pub use prepare::{Looked, RunSpec, Source};
pub use push::{Duplicates, Mode};
pub use report::{Counts, Ending, LISTED_REJECTIONS, Progress, Rejection, Report};
pub use resume::MAX_RESUME_BYTES;
pub use run::{RunPorts, run};
pub use witnesses::Witnesses;
