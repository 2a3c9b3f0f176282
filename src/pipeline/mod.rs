//! source -> select -> map -> plan -> push -> ledger, bounded. Knows no Kubernetes: the same run
//! serves a controller, a dry run, `apply`, a benchmark and a crash test.

mod guard;
mod report;

pub use guard::{Claim, Membership, PeopleGuard};
pub use report::{Counts, Ending, LISTED_REJECTIONS, Progress, Rejection, Report};
