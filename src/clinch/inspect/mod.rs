//! Finds out, by reads alone, how much of a contract an account confirms. Does network I/O through the
//! client.
//!
//! What the vendor does not document is assumed. Most of it shows in lists: whether a parameter turns
//! pages, whether a filter filters, under which names people have their attributes. One read after the
//! other is made, and at most [`MOST_READS`]. What people hold is looked at, and never noted.

mod finding;
mod inspector;
mod paging;
mod parts;
mod people;
mod search;
mod writes;

pub use finding::{Finding, Inspection, Verdict};

use self::inspector::Inspector;
use super::{
    client::Client,
    contract::{Contract, Op, Origin, Overrides, State, discover},
    error::ClinchError,
};

/// The most reads that an inspection makes. A read that fails is repeated as in a run.
pub const MOST_READS: u32 = 60;

/// Inspects the contract of an account: the published one, else the built-in one, with the corrections
/// in force. `Err`: the list of candidates cannot be read, so nothing can be said.
pub async fn inspect(client: &Client, overrides: &Overrides) -> Result<Inspection, ClinchError> {
    let (published, seen) = match client.openapi().await {
        Ok(document) => match discover(&document) {
            Ok(contract) => {
                let offered = contract.operations.values();
                let offered = offered.filter(|one| one.state != State::NotOffered).count();
                (contract, format!("it describes {offered} of {} operations", Op::ALL.len()))
            }
            Err(error) => (Contract::built_in(), format!("it cannot be used: {error}")),
        },
        Err(error @ (ClinchError::Unauthorized | ClinchError::EndpointNotAllowed)) => {
            return Err(error);
        }
        Err(error) => (Contract::built_in(), format!("none is published: {error}")),
    };
    let verdict = match published.origin {
        Origin::Discovered => Verdict::Confirmed,
        Origin::Assumed => Verdict::Unknown,
    };
    let used = published.with(overrides);
    // The document was the first read.
    let mut inspector = Inspector::new(client, published, used, MOST_READS - 1);
    inspector.note("OpenAPI document", "at the base URL", "Assumed", verdict, seen);
    inspector.paging().await?;
    inspector.attributes();
    inspector.filter().await;
    inspector.one_person().await;
    inspector.updated_since().await;
    inspector.jobs().await;
    inspector.parts_of_people().await;
    inspector.writes();
    let Inspector { findings, corrections, reads, .. } = inspector;
    Ok(Inspection { findings, corrections, reads: reads + 1 })
}
