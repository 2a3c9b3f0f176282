//! What is found out about a contract. Pure; holds names and counts, and no value of a person.

use serde::Serialize;

use crate::api::ContractOverrides;

/// What reading says of one thing that the operator relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It is otherwise.
    Contradicted,
    /// It is so.
    Confirmed,
    /// Reading this account does not say.
    Unknown,
}

/// One thing that the operator relies on, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is: the field of `contractOverrides` that corrects it, or words where there is none.
    pub topic: String,
    /// What the operator relies on.
    pub assumed: String,
    /// How well that is established: `Documented`, `Discovered`, `Assumed` or `Overridden`.
    pub standing: &'static str,
    /// What reading says of it.
    pub verdict: Verdict,
    /// What was seen, or why nothing can be.
    pub seen: String,
}

/// What reading an account says of its contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Everything that was looked at, in the order in which it was.
    pub findings: Vec<Finding>,
    /// The corrections that follow; those in force are not repeated.
    pub corrections: ContractOverrides,
    /// How many reads were made, repetitions of failed ones not counted.
    pub reads: u32,
}

impl Inspection {
    /// How many findings have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}
