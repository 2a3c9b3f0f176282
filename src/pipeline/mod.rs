//! source -> select -> map -> plan -> push -> ledger, bounded. Knows no Kubernetes: the same run
//! serves a controller, a dry run, `apply`, a benchmark and a crash test.

mod aftermath;
mod book;
mod census;
mod clinch_crm;
mod crm;
mod destination;
mod feed;
mod guard;
mod index;
mod neighbours;
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
    Read, Updated, WantedDestination,
};
pub use guard::{AtRest, Claim, Membership, PeopleGuard};
pub use neighbours::{Neighbour, Neighbours, no_neighbours};
pub use permitted::{JobRule, JobRules, Told};
pub use prepare::{Looked, RunSpec, Source};
pub use push::{Duplicates, Mode};
pub use report::{
    Counts, Doubled, Ending, LISTED_REJECTIONS, Progress, Rejection, Report, Suspects,
};
pub use resume::MAX_RESUME_BYTES;
pub use run::{RunPorts, run};
pub use witnesses::Witnesses;
