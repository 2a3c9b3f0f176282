//! source -> select -> map -> plan -> push -> ledger, bounded. Knows no Kubernetes: the same run
//! serves a controller, a dry run, `apply`, a benchmark and a crash test.

mod crm;
mod guard;
mod index;
mod push;
mod report;

pub use crm::{
    Attachment, Created, Crm, CrmFailure, Destination, Ensure, Found, JobStage, PageCursor,
    PeoplePage, Person,
};
pub use guard::{Claim, Membership, PeopleGuard};
pub use push::{Duplicates, Mode};
pub use report::{Counts, Ending, LISTED_REJECTIONS, Progress, Rejection, Report};
